"""What held for several sources becomes a rule for all, once, and only what is about records and fields."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.lesson import locked, read_all, save
from spectra_assets.learning.record import record
from spectra_assets.learning.remedy.model import AddRule, Remedy, RemedyKind
from spectra_assets.learning.standard import generalise
from spectra_assets.playbook.rules import TypeRule
from spectra_assets.settings import Settings
from spectra_assets.stages.design import playbooks_of

REPOSITORY = Path(__file__).parent.parent.parent
PREPARE = "fabric/pipeline/pipeline.001-prepare-stage-orchestration.md"


@pytest.fixture
def project(tmp_path: Path) -> Settings:
    shutil.copytree(REPOSITORY / "playbooks", tmp_path / "playbooks")
    (tmp_path / "covenants").mkdir()
    return Settings(project=tmp_path, lakehouse_root=str(tmp_path / "lakehouse"))


def held(settings: Settings, source: str, kind: str = "type", field: str = "units", **values: object) -> None:
    """A verified lesson of this source."""
    gap = Gap(
        source=source, stage="extract", table="orders", check="no_schema_drift", severity="ERROR", covenant_version="1",
        run_id="run1", evaluation=f"{source}:{field}", seen_at="2026-01-01T00:00:00+00:00", cause=Cause.CHANGED_TYPE,
        subject=field, entity="order",
    )  # fmt: skip
    (lesson,) = record(settings.lessons, [gap])
    scope = {"source": source, "entity": "order"} | ({"field": field} if kind != "primary_key" else {})
    rule = {"kind": kind, "scope": scope, **(values or {"data_type": "text"}), "description": f"of {source}"}
    remedy = Remedy(kind=RemedyKind.WIDEN_TYPE, edits=(AddRule(file=PREPARE, rule=rule),), why="it was seen")
    with locked(settings.lessons):
        save(settings.lessons, lesson.but(status="verified", remedy=remedy, helped=1, applied_at="2026-01-01T01:00:00+00:00"))


def test_two_sources_make_a_standard_once(project: Settings) -> None:
    held(project, "acme")
    assert generalise(project) == []
    held(project, "shop")
    assert [lesson.source for lesson in generalise(project)] == ["acme", "shop"]
    (rule,) = playbooks_of(project).rules(TypeRule, "anybody", "order", "units")
    assert (rule.id, rule.data_type, rule.scope.source) == ("standard-type-order-units", "text", "*")
    assert rule.description == "Held for acme, shop."
    assert {lesson.standard for lesson in read_all(project.lessons)} == {rule.id}
    assert generalise(project) == []


def test_other_values_or_another_field_are_another_thing(project: Settings) -> None:
    held(project, "acme", data_type="text")
    held(project, "shop", data_type="float64")
    held(project, "desk", field="weight")
    assert generalise(project) == []


def test_what_is_about_one_api_stays_there(project: Settings) -> None:
    for source in ("acme", "shop"):
        held(project, source, kind="paging", style="none")
    assert generalise(project) == []


def test_a_source_that_it_would_change_forbids_it(project: Settings) -> None:
    """Zephyr's covenant has cycles with a build; nothing was sampled here, so that it can't be shown to stay as it is."""
    shutil.copy(REPOSITORY / "covenants" / "zephyr.yaml", project.covenants)
    for source in ("acme", "shop"):
        held(project, source)
    assert len(generalise(project)) == 2
    for lesson in read_all(project.lessons):
        assert lesson.remedy is not None
        edit = lesson.remedy.edits[0]
        assert isinstance(edit, AddRule)
        rule = {**edit.rule, "scope": {"source": lesson.source, "entity": "cycle", "field": "build"}}
        changed = lesson.remedy.model_copy(update={"edits": (edit.model_copy(update={"rule": rule}),)})
        with locked(project.lessons):
            save(project.lessons, lesson.but(remedy=changed, standard=None))
    assert generalise(project) == []
