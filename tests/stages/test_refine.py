"""Refine: declared rules in their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from spectra_assets.covenant.build import Refinement
from spectra_assets.covenant.model import Table
from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.engine import Engine
from tests.golden.scenarios import refine, refined
from tests.relational import World


@pytest.fixture
def world(tmp_path: Path, engine: Engine) -> World:
    return World(tmp_path, engine)


def with_rules(table: Table, *rules: str) -> Table:
    assert isinstance(table.build, Refinement)
    return table.model_copy(update={"build": Refinement(rules=[rule for rule in table.build.rules if rule.rule in rules])})


def test_rules_are_followed_in_order_whatever_their_kinds(world: World) -> None:
    found = refine(world)
    rows = {r["id"]: r for r in found["rows"]}
    assert found["rows_in"] == len(found["rows"]) == len(rows) == 7, "lookups multiply nothing"
    assert rows[1]["label"] == "ZYKLUS 😀 true", "the current version is looked up"
    assert (rows[4]["peers"], rows[4]["statuses"], rows[4]["share"]) == (2, 1, 5.0)
    assert rows[3]["peers"] is None, "NULL matches nothing"
    assert (rows[6]["cycleName"], rows[7]["cycleName"]) == (None, None)
    assert found["columns"][-3:] == ["peers", "statuses", "share"]


def test_rules_of_a_step_that_is_taken_out_are_not_followed(world: World) -> None:
    table = with_rules(refined(world), "r1", "r2")
    only_derive = world.made(table.model_copy(update={"steps": ["refine.derive"]}))
    assert "isPassed" in only_derive[0]
    assert "cycleName" not in only_derive[0]
    only_enrich = world.made(table.model_copy(update={"steps": ["refine.enrich"]}))
    assert "isPassed" not in only_enrich[0]
    assert "cycleName" in only_enrich[0]


def test_the_order_of_the_steps_does_not_matter(world: World) -> None:
    table = refined(world)
    assert world.made(table) == world.made(table.model_copy(update={"steps": table.steps[::-1]}))


def test_without_rules_the_table_is_as_it_was(world: World) -> None:
    rows = world.made(with_rules(refined(world)))
    assert rows[0].keys() == {"id", "cycleKey", "cycleId", "status", "at", "minutes"}
    assert len(rows) == 7


def test_columns_stand_in_the_covenants_order(world: World) -> None:
    table = with_rules(refined(world), "r1")
    schema = [{"name": name, "type": "int64"} for name in ("isPassed", "id")]
    world.draft(Table.model_validate({**table.model_dump(by_alias=True), "schema": schema}))
    assert world.last.frame is not None
    assert world.last.frame.columns == ["isPassed", "id"]


def test_a_rule_that_does_not_work_is_named(world: World) -> None:
    table = with_rules(refined(world), "r1", "r5")
    with pytest.raises(SpectraError, match=r"refine\.factExecution: the rule r5 does not work: .*peers"):
        world.draft(table)
