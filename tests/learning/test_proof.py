"""Proof before use, on what one failed run recorded, with the API gone: what repairs holds, what harms does not."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spectra_assets.covenant.files import read
from spectra_assets.covenant.model import Covenant, Severity
from spectra_assets.errors import SpectraError
from spectra_assets.gates.judgement import Result
from spectra_assets.graph.sensor import evaluations
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.detect import of_runs
from spectra_assets.learning.gap import Gap
from spectra_assets.learning.healing import heal
from spectra_assets.learning.lesson import read_all
from spectra_assets.learning.loop import Learned
from spectra_assets.learning.proof import Proof, _Trial, prove
from spectra_assets.learning.record import record
from spectra_assets.learning.remake import Remade
from spectra_assets.learning.remedy.model import AddRule, Remedy, RemedyKind
from spectra_assets.learning.scratch import Deadline, Made, Scratch, _evaluation
from spectra_assets.stages.twin import Twin
from tests.learning.bench.bench import Project
from tests.learning.bench.worlds import Archive, Market

PREPARE = "fabric/pipeline/pipeline.001-prepare-stage-orchestration.md"


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[tuple[Project, Mapping[str, Gap]]]:
    """Two pipelines of one project; one of them met a new field. Both APIs are gone."""
    folder = tmp_path_factory.mktemp("proof") / "project"
    with Market() as market, Archive() as archive:
        project, other = Project(folder, market), Project(folder, archive)
        project.create()
        other.create(new=False)
        for row in market.lists["order"].rows:
            row["channel"] = "web"
        market.lists["customer"].place = ("data", "records")
        with project.environment():
            assert not project.run()
            with dg.DagsterInstance.get() as instance:
                found = {gap.full_table: gap for gap in of_runs(evaluations(instance, project.last_run))}
    assert found.keys() == {"extract.orders", "extract.customers"}
    assert found["extract.orders"].subject == "channel"
    with project.environment():
        yield project, found


def rule(what: RemedyKind, /, **content: Any) -> Remedy:
    return Remedy(kind=what, edits=(AddRule(file=PREPARE, rule=content),), why="a test")


def field(name: str, **scope: str) -> Remedy:
    return rule(
        RemedyKind.ADD_FIELD, kind="field", scope={"source": "market", "entity": "order", "field": name} | scope, data_type="text"
    )


def tried(failed: tuple[Project, Mapping[str, Gap]], remedy: Remedy, table: str = "extract.orders") -> Proof:
    project, gap = failed[0], failed[1][table]
    before = _files(project.folder)
    others = [covenant for covenant in _covenants(project) if covenant.source != gap.source]
    proof = prove(project.settings, project.covenant, gap, remedy, others)
    assert _files(project.folder) == before, "a proof changes nothing outside of its scratch copy"
    return proof


def _covenants(project: Project) -> list[Covenant]:
    return [read(file) for file in sorted(project.settings.covenants.glob("*.yaml"))]


def _files(folder: Path) -> Mapping[str, int]:
    kept = (file for file in folder.rglob("*") if file.is_file() and not {".dagster", "locks"} & set(file.parts))
    return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in kept}


def test_what_repairs_holds(failed: tuple[Project, Mapping[str, Gap]]) -> None:
    proof = tried(failed, field("channel"))
    assert (proof.reproduced, proof.repaired, proof.regressions) == (True, True, ()), proof.notes
    assert any("extract.orders, clean.order" in note for note in proof.notes), proof.notes
    assert any("this keeps it so" in note for note in proof.notes), proof.notes


def test_what_does_not_repair_does_not_hold(failed: tuple[Project, Mapping[str, Gap]]) -> None:
    proof = tried(failed, field("chanel"))
    assert (proof.reproduced, proof.repaired) == (True, False)
    assert any("changes chanel of clean.order beside" in note for note in proof.notes), proof.notes


def test_what_costs_rows_does_not_hold(failed: tuple[Project, Mapping[str, Gap]]) -> None:
    scope = {"source": "market", "entity": "order", "field": "status"}
    proof = tried(failed, rule(RemedyKind.WIDEN_TYPE, kind="type", scope=scope, data_type="int64"))
    assert (proof.reproduced, proof.repaired) == (True, False)


@pytest.mark.parametrize(
    ("rows", "published", "costs"),
    [
        (2, True, ("clean.order would have 2 rows, and 90 stand",)),
        (2, False, ()),  # a gate holds it back: what stands stays
        (40, True, ()),
    ],
)
def test_to_empty_a_table_of_clean_is_a_cost_of_whatever_remedy(
    failed: tuple[Project, Mapping[str, Gap]], rows: int, published: bool, costs: tuple[str, ...]
) -> None:
    project, gap = failed[0], failed[1]["extract.orders"]
    made = {name: Made(name, (), published, rows=rows) for name in ("clean.order", "transform.factOrder")}
    covenant, deadline = project.covenant, Deadline(time.monotonic() + 60)
    twin = Twin(Lakehouse(project.settings.lakehouse_root, "market"), 0)
    trial = _Trial(project.settings, covenant, gap, field("channel"), made["clean.order"], twin, deadline)
    assert tuple(trial.costs(Remade(made))) == costs


def said(gate: str, *rows: Mapping[str, Any], severity: Severity = Severity.ERROR) -> Result:
    """What a gate found of eight: these rows."""
    shown = [dict(row) for row in rows]
    return Result(gate, "clean.order", not rows, severity, len(rows), 8, shown, gate, "", {})


def done(column: str, form: str, path: str = "") -> Mapping[str, Any]:
    """A row of values_stay: what was done to a column."""
    return {"column": column, "path": path or column, "form": form, "told": "it changed"}


STAYS = "values_stay"
TYPE = {"kind": "type", "scope": {"source": "market", "entity": "order", "field": "note"}, "data_type": "text"}
KEY = {"kind": "alias", "scope": {"source": "market", "entity": "order", "field": "id"}, "also": ["number"]}
RECORDS = {"kind": "records", "scope": {"source": "market", "entity": "order"}, "at": "results"}


@pytest.mark.parametrize(
    ("what", "content", "results", "excused"),
    [
        (RemedyKind.WIDEN_TYPE, TYPE, [said(STAYS, done("weight", "scaled"))], True),
        (RemedyKind.WIDEN_TYPE, TYPE, [said(STAYS, done("weight", "scaled"), done("status", "cased"))], True),
        (RemedyKind.WIDEN_TYPE, TYPE, [said(STAYS, done("weight", "scaled"), done("note", "cased"))], False),
        (RemedyKind.WIDEN_TYPE, TYPE, [said(STAYS, done("orderId", "rekeyed", "id"))], False),
        (RemedyKind.WIDEN_TYPE, TYPE, [said(STAYS, done("weight", "scaled")), said("rows_conserved", {"rows": 1})], False),
        (RemedyKind.FOLLOW_RENAME, KEY, [said(STAYS, done("weight", "scaled"))], False),  # of other records under these keys
        (RemedyKind.MARK_NULLABLE, TYPE, [said(STAYS, done("weight", "scaled"))], False),
        (RemedyKind.RECORDS, RECORDS, [said(STAYS, done("units", "collapsed"))], True),
        (RemedyKind.RECORDS, RECORDS, [said(STAYS, done("note", "collapsed"))], False),
        (RemedyKind.RECORDS, RECORDS, [said(STAYS, done("units", "collapsed"), *[done("weight", "scaled")] * 3)], False),
        (RemedyKind.RECORDS, RECORDS,
         [said(STAYS, done("units", "collapsed")), said("records_stay", {"gone": 30}, severity=Severity.WARN)], False),
        (RemedyKind.RECORDS, RECORDS, [said(STAYS, done("units", "scaled")), said("source_stays", {"table": "x"})], False),
    ],
)  # fmt: skip
def test_what_befell_others_at_the_same_time_is_no_fault_of_a_remedy(
    failed: tuple[Project, Mapping[str, Gap]], what: RemedyKind, content: Mapping[str, Any], results: list[Result], excused: bool
) -> None:
    project, gap = failed[0], failed[1]["extract.orders"]
    covenant, remedy = project.covenant, rule(what, **content)
    evaluations = tuple(_evaluation("market", covenant.version, "proof", each) for each in results)
    made = Made("clean.order", tuple(results), False, evaluations=evaluations)
    twin, deadline = Twin(project.lakehouse, 0), Deadline(time.monotonic() + 60)
    trial = _Trial(project.settings, covenant, gap, remedy, made, twin, deadline)
    assert (trial._without_others(made, covenant).failed == frozenset()) == excused


def test_what_harms_another_source_is_a_regression(failed: tuple[Project, Mapping[str, Gap]]) -> None:
    """A poisoned recording could propose it: for this source it holds, and breaks the other one."""
    for source in ("market", "*"):
        remedy = rule(RemedyKind.RECORDS, kind="records", scope={"source": source, "entity": "customer"}, at="data.records")
        proof = tried(failed, remedy, "extract.customers")
        assert (proof.reproduced, proof.repaired) == (True, True), proof.notes
        assert bool(proof.regressions) == (source == "*"), proof.regressions
    assert all(each.startswith("archive: ") for each in proof.regressions)


def test_without_a_recording_nothing_is_proven(failed: tuple[Project, Mapping[str, Gap]], tmp_path: Path) -> None:
    project, gap = failed[0], failed[1]["extract.orders"]
    copy = project.copy(tmp_path / "copy")
    for name in ("twin", "raw"):
        shutil.rmtree(copy.lakehouse.files(name))
    proof = prove(copy.settings, copy.covenant, gap, field("channel"), [])
    assert (proof.reproduced, proof.holds) == (False, False)
    assert any("no recording" in note for note in proof.notes), proof.notes


def test_a_proof_begins_no_table_after_its_time(failed: tuple[Project, Mapping[str, Gap]]) -> None:
    project, covenant = failed[0], failed[0].covenant
    over = Deadline(time.monotonic() - 1)
    with Scratch(project.settings, covenant.source, Twin(project.lakehouse, 0, (over.check,)), over) as scratch:
        scratch.bring(table.table for table in covenant.tables())
        with pytest.raises(SpectraError, match="proof_seconds"):
            scratch.make(covenant, covenant.table("extract.orders"))


def test_what_learning_has_no_time_for_waits_and_is_told(failed: tuple[Project, Mapping[str, Gap]], tmp_path: Path) -> None:
    """Nothing is tried and nobody is asked: the next pass looks at it as if it were new."""
    project = failed[0].copy(tmp_path / "copy")
    lessons = record(project.settings.lessons, list(failed[1].values()))
    learned, said = Learned(changed={lesson.id: lesson for lesson in lessons}), list[str]()
    heal(project.settings, learned, said.append, project.covenant, spent=900)
    assert said == ["2 gaps wait for the next pass: the 900 s that learning may take are spent (setting learn_seconds)"]
    proof = prove(project.settings, project.covenant, lessons[0].gap(), field("channel"), [], until=time.monotonic())
    assert not proof.repaired
    assert any("did not end in time" in note for note in proof.notes), proof.notes
    assert [(lesson.tried, lesson.question) for lesson in read_all(project.settings.lessons)] == [((), None)] * 2
    assert not learned.applied


def test_a_table_that_asks_on_and_on_ends_with_the_time_of_its_proof(failed: tuple[Project, Mapping[str, Gap]]) -> None:
    """The time is up as its first page is asked for."""
    project, covenant = failed[0], failed[0].covenant
    asked: list[str] = []

    def up(target: str) -> None:
        asked.append(target)
        Deadline(0).check()

    with Scratch(
        project.settings, covenant.source, Twin(project.lakehouse, 0, (up,)), Deadline(time.monotonic() + 3600)
    ) as scratch:
        scratch.bring(table.table for table in covenant.tables())
        made = scratch.make(covenant, covenant.table("extract.orders"))
    assert made.error is not None
    assert "proof_seconds" in made.error
    assert asked
