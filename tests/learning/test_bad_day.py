"""A pipeline that is created on a day when the API leaves fields empty: nothing known is no promise, and the good day is taken over."""

from __future__ import annotations

import io
from pathlib import Path

from spectra_assets.covenant.model import DataType
from spectra_assets.engine.console import Console
from spectra_assets.engine.run import run_sentence
from spectra_assets.engine.source import Options
from spectra_assets.engine.summary import Summary
from spectra_assets.lakehouse.engine import Engine
from tests.conformance.discovering import options_of
from tests.conformance.pipeline import new_project
from tests.learning.bench.bench import Project
from tests.learning.bench.cases import rows
from tests.learning.bench.worlds import WORDS, List, World, customers, orders


class Shop(World):
    """Orders with a record and a list inside."""

    def made(self) -> dict[str, List]:
        made = [
            {
                **row,
                "lines": [{"sku": f"S{(n * 7 + m) % 23:02}", "qty": 1 + (n + m) % 5} for m in range(1 + n % 3)],
                "address": {"street": f"{WORDS[n % 7]} lane {n}", "zip": f"{10_000 + n}"},
            }
            for n, row in enumerate(orders(120))
        ]
        return {"customer": List("/customers", customers()), "order": List("/orders", made, size=50)}


def say(project: Project, options: Options) -> Summary:
    sentence = f"create SPECTRA pipeline for {project.source}"
    return run_sentence(sentence, project.settings, Console(out=io.StringIO()), options=options)


def types(project: Project, table: str) -> dict[str, DataType]:
    return {column.name: column.type for column in project.covenant.table(table).schema_}


def test_what_was_empty_on_the_first_day_gets_its_type_on_the_next(tmp_path: Path, engine: Engine) -> None:
    empty = rows("order", lambda n, row: {**row, "units": None, "address": None, "lines": [], "note": "unknown"})
    with Shop() as world:
        project = Project(tmp_path / "project", world)
        new_project(project.folder)
        with project.environment():
            with world.changed(empty):
                assert say(project, options_of(world)).ok
            bad = types(project, "clean.order")
            assert (bad["units"], bad["address"], bad["lines"]) == (DataType.TEXT, DataType.TEXT, DataType.JSON)

            good = say(project, Options())
            assert good.ok, (good.held, good.problem)
            assert good.held == ()
            gone = [change for change in good.changes if "breaking" in change]
            assert all(change.startswith("analyse.") and "no longer made" in change for change in gone), gone
            assert good.waiting == ()
            now = types(project, "clean.order")
            assert now["units"] == DataType.INT64
            assert now["note"] == DataType.TEXT
            assert not {"address", "lines"} & now.keys()
            row, *_ = project.lakehouse.read(project.covenant.table("clean.order").ref).to_pylist()
            assert row["addressStreet"] or row["street"]
            assert project.lakehouse.describe(project.covenant.table("clean.orderLine").ref).rows == 240

            with world.changed(rows("order", lambda n, row: {**row, "units": f"{row['units']} pcs"})):
                assert say(project, Options()).held, "what had values once is a promise"
