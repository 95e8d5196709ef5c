"""Every gate broken for real: it fails, it blocks, the last good table stays, and what comes after it in the run is not tried.

A gate is broken by the API where a fault of the stand-in can do it, else by a document (a changed playbook or covenant) or by
rows that someone changed in the lakehouse. Where none of these can reach a gate, because the steps before it can't make that
mistake, the covenant names one more step, registered here as anybody may register one, which makes it.
Breaks of tables that don't depend on each other share one run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake
from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.model import Covenant
from spectra_assets.gates.evaluate import GATES
from spectra_assets.gates.lasting import making
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.remedy.registry import CLEAN
from spectra_assets.names import TableRef
from spectra_assets.playbook.edit import add_rule
from spectra_assets.stages.deliver import Outcome
from spectra_assets.stages.work import ACTIONS, Draft, Work, action
from tests.pipeline.conftest import Project

Row = dict[str, Any]
Rows = list[Row]

SPOIL = "tests.spoil"
PLAYBOOK_001 = "playbooks/fabric/pipeline/pipeline.001-prepare-stage-orchestration.md"


# ---------------------------------------------------------------- ways to break


def tampered(project: Project, table: str, change: Callable[[Rows], Rows], **told: str) -> None:
    """Write the table past the pipeline; `told` is what its commit tells."""
    ref = TableRef.parse(table)
    held = project.lakehouse.read(ref)
    rows = pa.Table.from_pylist(change(held.to_pylist()), schema=held.schema)
    facts = CommitProperties(custom_metadata={f"spectra.{name}": value for name, value in told.items()})
    write_deltalake(project.lakehouse.path(ref), rows, mode="overwrite", commit_properties=facts)


def altered(covenant: Covenant, **changes: Callable[[Row], None]) -> Covenant:
    """A copy of the covenant with some tables changed; `stage__table` names one."""
    content = covenant.model_dump(mode="json", by_alias=True)
    for stage in content["pipeline"]["stages"]:
        for table in stage["outputs"]:
            change = changes.pop(table["table"].replace(".", "__"), None)
            if change:
                change(table)
    assert not changes, changes
    for entry in content["quality_gates"]:
        outputs = next(s for s in content["pipeline"]["stages"] if s["name"] == entry["stage"])["outputs"]
        entry["checks"] = sorted({gate["name"] for table in outputs for gate in table["gates"]})
    return Covenant.model_validate(content)


def with_step(name: str) -> Callable[[Row], None]:
    return lambda table: table["steps"].append(name)


def without_step(name: str) -> Callable[[Row], None]:
    return lambda table: table["steps"].remove(name)


def _rows_spoiled(draft: Draft, change: Callable[[Rows], Rows]) -> None:
    assert draft.rows is not None
    draft.rows = pa.Table.from_pylist(change(draft.rows.to_pylist()), schema=draft.rows.schema)


def _endpoints(rows: Rows) -> Rows:
    rows[1]["path"] = "no/slash"
    rows[2]["method"] = "FETCH"
    return [*rows[:-1], rows[0]]


def _canon(rows: Rows) -> Rows:
    rows[0]["rawField"] = rows[0]["rawField"][:-1]
    return [*rows, rows[1]]


def _circle(rows: Rows) -> Rows:
    release = next(row for row in rows if row["entity"] == "release" and row["chosen"])
    release["parentEntity"] = "cycle"
    return rows


def _spoil(draft: Draft, work: Work) -> None:
    """The mistake a badly written step would make in the table at hand."""
    match work.table.table:
        case "source.endpoints":
            _rows_spoiled(draft, _endpoints)
        case "prepare.schema":
            _rows_spoiled(draft, _canon)
        case "prepare.dependencies":
            _rows_spoiled(draft, _circle)
        case "analyse.semanticModel":
            _rows_spoiled(draft, lambda rows: rows[3:])
        case "extract.cycles":
            assert draft.batches is not None
            draft.batches = map(_of_a_stranger, draft.batches)
        case "extract.releases":
            assert draft.batches is not None
            draft.batches = map(_of_another_time, draft.batches)
            draft.evidence["cursor"] = {"cursor": "updatedAt", "checked": 6, "unseenCount": 1, "unseen": ["1/2"]}
        case _:
            assert draft.frame is not None
            draft.frame = draft.frame.where(F.expr(f"coalesce(`{work.table.primary_key[0]}`, 0) % 2 = 0"))


def _of_a_stranger(batch: pa.RecordBatch) -> pa.RecordBatch:
    place = batch.schema.get_field_index("parentKey")
    return batch.set_column(place, batch.schema.field(place), pa.array(["no-such-release"] * batch.num_rows))


def _of_another_time(batch: pa.RecordBatch) -> pa.RecordBatch:
    place = batch.schema.get_field_index("recordHash")
    hashes = [f"{number:032x}" for number in range(batch.num_rows)]
    return batch.set_column(place, batch.schema.field(place), pa.array(hashes))


# ---------------------------------------------------------------- what is broken


@dataclass(frozen=True)
class Break:
    """One gate of one table, which the scenario breaks. `after` are tables asked for in the same run that must not be tried."""

    gate: str
    table: str
    after: tuple[str, ...] = ()
    warns: bool = False


@dataclass(frozen=True)
class Scenario:
    """One run that breaks some gates: `prepare` damages the project and may give another covenant."""

    prepare: Callable[[Project], Covenant | None]
    breaks: tuple[Break, ...]
    also: tuple[str, ...] = ()

    @property
    def tables(self) -> list[str]:
        asked = [name for each in self.breaks for name in (each.table, *each.after)]
        return list(dict.fromkeys([*self.also, *asked]))


def _wrong_token(project: Project) -> None:
    os.environ["ZEPHYR_API_TOKEN"] = "not-the-token-of-anybody"


def _closed_doors(project: Project) -> None:
    project.standin.set_faults(["forbid:/user", "ignore-offset:/requirement"])


def _bad_catalogue(project: Project) -> Covenant:
    def spoiled(table: Row) -> None:
        table["steps"] = ["source.read_catalogue", SPOIL]

    return altered(project.covenant, source__endpoints=spoiled)


def _circular(project: Project) -> Covenant:
    return altered(project.covenant, prepare__dependencies=with_step(SPOIL))


def _bad_canon(project: Project) -> Covenant:
    file = project.folder / PLAYBOOK_001
    text = file.read_text(encoding="utf-8")
    rule = "- id: zephyr-execution-tester\n"
    assert rule in text
    more = (
        "- id: two-names-in-one\n  kind: rename\n  scope: {source: zephyr, entity: user, field: lastName}\n  target: firstName\n"
    )
    file.write_text(text.replace(rule, more + rule, 1), encoding="utf-8")
    tampered(project, "prepare.dependencies", lambda rows: [row for row in rows if row["entity"] != "teststep"])
    return altered(project.covenant, prepare__schema=with_step(SPOIL))


def _unread(project: Project) -> None:
    def names_nobody(rows: Rows) -> Rows:
        place = rows[0]["keyField"].index("false")
        rows[0]["unresolved"][place], rows[0]["targetField"][place] = "account", "accountId"
        return rows

    tampered(project, "prepare.schema", names_nobody)


def _bad_answers(project: Project) -> Covenant:
    project.standin.set_faults(
        ["add-field:user.nickname", "null-ids:requirement", "lose-rows:execution", "drop-field:release.description"]
    )
    return altered(project.covenant, extract__cycles=with_step(SPOIL))


def _bad_clean(project: Project) -> Covenant:
    def of_another_type(table: Row) -> None:
        next(column for column in table["schema"] if column["name"] == "email")["type"] = "int64"

    def all_required(table: Row) -> None:
        next(column for column in table["schema"] if column["name"] == "url")["required"] = True

    def emptied(table: Row) -> None:
        next(column for column in table["schema"] if column["name"] == "testcaseName")["source"] = ["nowhere"]

    def in_another_unit(rows: Rows) -> Rows:
        minutes = lambda found: f'"orderId":{int(found[1]) * 60}'  # noqa: E731
        return [{**row, "record": re.sub(r'"orderId":(\d+)', minutes, row["record"])} for row in rows]

    def an_hour_ago(rows: Rows) -> Rows:
        moved = timedelta(hours=1)
        return [{**row, "assignmentDate": row["assignmentDate"] and row["assignmentDate"] - moved} for row in rows]

    def unreadable(rows: Rows) -> Rows:
        rows[0]["record"] = rows[0]["record"].replace('"id":', '"was":', 1)
        rows[1]["record"] = re.sub(r'"projectId":\d+', '"projectId":"seven, or 7"', rows[1]["record"])
        return rows

    tampered(project, "extract.projects", lambda rows: [*rows, rows[0]])
    tampered(project, "extract.teststeps", in_another_unit)
    taken = {"name": "changes_accepted", "value": "clean.teststep, clean.testcasetree"}
    clean = project.folder / "playbooks" / CLEAN
    clean.write_text(add_rule(clean, {"id": "taken", "kind": "setting", "scope": {"source": "zephyr"}, **taken}))
    tampered(project, "extract.requirementtrees", unreadable)
    made = json.dumps(making(project.covenant.table("clean.execution")))
    tampered(project, "clean.execution", an_hour_ago, made=made)
    tampered(project, "clean.testcasetree", lambda rows: [{**row, "testcasetreeId": -row["testcasetreeId"]} for row in rows])
    return altered(
        project.covenant,
        clean__user=of_another_type,
        clean__project=without_step("clean.deduplicate"),
        clean__release=with_step(SPOIL),
        clean__requirement=all_required,
        clean__testcase=emptied,
    )


def _bad_star(project: Project) -> Covenant:
    def two_current(rows: Rows) -> Rows:
        known = next(row for row in rows if row["userId"] and row["userId"] > 0)
        return [*rows, {**known, "testerKey": 4711, "validFrom": known["validFrom"].replace(year=2001)}]

    def overlapping(rows: Rows) -> Rows:
        known = next(row for row in rows if row["testcasetreeId"] > 0)
        start = known["validFrom"]
        old = {**known, "isCurrent": False, "folderKey": 4711}
        return [*rows, {**old, "validFrom": start.replace(year=1990), "validTo": start.replace(year=1980)}]

    tampered(project, "transform.dimTester", two_current)
    tampered(project, "transform.dimFolder", overlapping)
    tampered(project, "transform.dimRequirement", lambda rows: [row for row in rows if row["requirementId"] == -1])
    tampered(project, "transform.dimProject", lambda rows: [*rows, rows[0]])

    return altered(project.covenant, refine__dimTestcase=without_step("refine.derive"))


def _bad_figures(project: Project) -> Covenant:
    def executed_only(table: Row) -> None:
        table["build"]["where"] = "isExecuted"

    return altered(project.covenant, analyse__passRateByRelease=executed_only, analyse__semanticModel=with_step(SPOIL))


def _bad_records(project: Project) -> Covenant:
    shutil.rmtree(project.lakehouse.path(TableRef.parse("analyse.testerWorkload")))

    def failed(rows: Rows) -> Rows:
        for row in rows:
            if row["table"] == "clean.user":
                row["status"] = "failed"
        return rows

    def more(table: Row) -> None:
        table["from"].append("clean.user")
        table["gates"].append({"name": "grain_unique", "severity": "ERROR"})

    tampered(project, "log.manifest", failed)
    return altered(project.covenant, clean__userRole=more)


SCENARIOS = {
    "wrong token": Scenario(_wrong_token, (Break("auth_valid", "source.credentials", ("source.endpoints", "source.portfolio")),)),
    "closed doors": Scenario(
        _closed_doors,
        (
            Break("hierarchy_proven", "source.portfolio"),
            Break("page_limits_known", "prepare.constraints", warns=True),
            Break("dependencies_proven", "prepare.dependencies", ("prepare.schema",)),
        ),
        also=("source.endpoints",),
    ),
    "bad catalogue": Scenario(
        _bad_catalogue,
        (
            Break("endpoints_unique", "source.endpoints", ("source.portfolio", "prepare.constraints")),
            Break("endpoints_parsed", "source.endpoints", ("source.portfolio",)),
        ),
    ),
    "circular": Scenario(_circular, (Break("dependencies_acyclic", "prepare.dependencies", ("prepare.schema",)),)),
    "bad canon": Scenario(
        _bad_canon,
        tuple(
            Break(gate, "prepare.schema", ("extract.users", "clean.user"))
            for gate in ("schema_has_all_entities", "one_entity_per_row", "fields_as_arrays", "fields_have_target_names")
        ),
    ),
    "unread accounts": Scenario(_unread, (Break("endpoints_covered", "prepare.coverage", warns=True),)),
    "changes without their time": Scenario(
        lambda project: altered(project.covenant, extract__releases=with_step(SPOIL)),
        (Break("cursor_tells_changes", "extract.releases", warns=True),),
    ),
    "bad answers": Scenario(
        _bad_answers,
        (
            Break("extract_complete", "extract.executions", ("clean.execution",)),
            Break("no_schema_drift", "extract.users", ("clean.user", "clean.userRole")),
            Break("fields_seen", "extract.releases", warns=True),
            Break("primary_key_present", "extract.requirements", ("clean.requirement",)),
            Break("parents_resolved", "extract.cycles", ("clean.cycle", "transform.dimCycle")),
        ),
    ),
    "bad clean tables": Scenario(
        _bad_clean,
        (
            Break("types_hold", "clean.user", ("transform.dimTester",)),
            Break("primary_key_unique", "clean.project", ("transform.dimProject",)),
            Break("rows_conserved", "clean.release", ("transform.dimRelease",)),
            Break("required_present", "clean.requirement", ("transform.dimRequirement",)),
            Break("quarantine_small", "clean.requirementtree", warns=True),
            Break("columns_filled", "clean.testcase", warns=True),
            Break("scale_kept", "clean.teststep", warns=True),
            Break("records_stay", "clean.testcasetree", warns=True),
            Break("values_stay", "clean.execution", ("transform.factExecution",)),
        ),
    ),
    "bad star": Scenario(
        _bad_star,
        (
            Break("one_current_row", "transform.dimTester", ("refine.dimTester",)),
            Break("validity_has_no_gap_or_overlap", "transform.dimFolder", ("refine.dimFolder",)),
            Break("foreign_keys_resolve", "transform.bridgeTestcaseRequirement", ("refine.bridgeTestcaseRequirement",)),
            Break("grain_unique", "refine.dimProject", ("log.manifest",)),
            Break("rules_applied", "refine.dimTestcase", ("analyse.flakyTestcases",)),
        ),
    ),
    "bad figures": Scenario(
        _bad_figures,
        (
            Break("totals_reconcile", "analyse.passRateByRelease", ("log.manifest",)),
            Break("model_complete", "analyse.semanticModel", ("log.manifest",)),
        ),
    ),
    "bad records": Scenario(
        _bad_records,
        tuple(
            Break(gate, "log.manifest", ("log.runs",))
            for gate in ("lineage_matches_covenant", "all_outputs_exist", "all_gates_ran", "manifest_complete")
        ),
    ),
}

STAR = (
    *("extract.executions", "clean.execution", "transform.dimExecutionStatus", "transform.factExecution"),
    *("refine.dimExecutionStatus", "refine.factExecution", "analyse.executionsByStatus"),
)


def _fault(*faults: str) -> Callable[[Project], None]:
    return lambda project: project.standin.set_faults(faults)


ORPHANS = "orphans of the API"
NEW_STATUS = "a new status"
MORE = {
    ORPHANS: Scenario(_fault("orphan:execution"), (), also=STAR),
    NEW_STATUS: Scenario(_fault("new-status:42"), (), also=STAR),
    "other answers": Scenario(
        _fault(
            *("rename-field:user.email=mail", "retype-some:requirement.name", "duplicate-ids:execution"),
            *("forbid:/testcasetree", "text-ids:release", "bad-date:cycle.cycleStartDate"),
        ),
        (),
        also=(
            *("extract.users", "extract.requirements", "extract.executions", "extract.testcasetrees", "extract.releases"),
            *("extract.cycles", "clean.cycle", "clean.release"),
        ),
    ),
    "pages that repeat": Scenario(
        _fault("ignore-offset:/execution", "empty:user"), (), also=("extract.executions", "extract.users")
    ),
}
"""Runs in which faults of the API meet more than one gate, or none."""

CASES = [(name, each) for name, scenario in SCENARIOS.items() for each in scenario.breaks]
BLOCKING = [(name, each) for name, each in CASES if not each.warns and not each.table.startswith("log.")]


def ids(case: Any) -> str:
    return case.gate if isinstance(case, Break) else str(case).replace(" ", "-")


# ---------------------------------------------------------------- how it went


@dataclass
class Ran:
    """A scenario's run: the lakehouse after it, what it held before, what became of each table."""

    lakehouse: Lakehouse
    outcomes: dict[str, Outcome]
    before: dict[str, tuple[int, pa.Table]]
    evaluations: dict[tuple[str, str], Any]

    def rows(self, table: str) -> Rows:
        return list(self.lakehouse.read(TableRef.parse(table)).to_pylist())


@pytest.fixture(scope="module")
def ran(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ran]]:
    """The run of a scenario, once. They share one home of Dagster, which is what costs most."""
    action(SPOIL)(_spoil)
    done: dict[str, Ran] = {}
    home = tmp_path_factory.mktemp("dagster-home")

    def run(name: str) -> Ran:
        if name not in done:
            folder = tmp_path_factory.mktemp("broken") / "project"
            shutil.copytree(finished.folder, folder, ignore=shutil.ignore_patterns(".dagster"))
            project = Project(folder, finished.standin)
            project.use()
            os.environ["DAGSTER_HOME"] = str(home)
            try:
                done[name] = _ran(project, {**SCENARIOS, **MORE}[name], home)
            finally:
                finished.standin.set_faults([])
                finished.use()
        return done[name]

    yield run
    del ACTIONS[SPOIL]


def _ran(project: Project, scenario: Scenario, home: Path) -> Ran:
    covenant = scenario.prepare(project)
    lakehouse = project.lakehouse
    before = {
        name: (lakehouse.version(ref), lakehouse.read(ref))
        for name in scenario.tables
        if lakehouse.exists(ref := TableRef.parse(name))
    }
    outcomes = project.materialise(*scenario.tables, covenant=covenant)
    run_id = next(iter(outcomes.values())).run_id
    with dg.DagsterInstance.from_config(str(home)) as instance:
        records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    found = [record.event_log_entry.dagster_event.event_specific_data for record in records]  # type: ignore[union-attr]
    evaluations = {(".".join(e.asset_key.path[1:]), e.check_name): e for e in found}  # type: ignore[union-attr]
    return Ran(lakehouse, outcomes, before, evaluations)


# ---------------------------------------------------------------- the tests


DERIVED_ONLY = {"references_matched", "statuses_known"}
"""Gates that no table of a source with a declared star must pass; they are broken in tests/gates and tests/stages/test_derived.py."""

OF_MANY_TABLES = {"source_stays"}
"""Gates that many tables break together: in tests/gates/test_gates_together.py, and in the gap bench."""


def test_each_gate_there_is_gets_broken_here() -> None:
    assert {each.gate for _, each in CASES} == set(GATES) - DERIVED_ONLY - OF_MANY_TABLES


def test_the_covenant_demands_each_gate(finished: Project) -> None:
    assert {gate.name for table in finished.covenant.tables() for gate in table.gates} == set(GATES) - DERIVED_ONLY


@pytest.mark.parametrize(("name", "broken"), CASES, ids=ids)
def test_the_gate_fails_and_says_what_is_wrong(ran: Callable[[str], Ran], name: str, broken: Break) -> None:
    evaluation = ran(name).evaluations[broken.table, broken.gate]
    assert not evaluation.passed
    assert evaluation.severity == (dg.AssetCheckSeverity.WARN if broken.warns else dg.AssetCheckSeverity.ERROR)
    metadata = {key: value.value for key, value in evaluation.metadata.items()}
    assert 0 < metadata["failed rows"] <= metadata["rows"]
    assert broken.gate in metadata["rule"]
    assert metadata["covenant version"]
    assert evaluation.description.startswith(f"{broken.table}: ")
    assert 20 < len(evaluation.description) < 1500
    examples = evaluation.metadata["examples"].records
    assert 1 <= len(examples) <= 20
    assert all(len(str(value)) <= 500 for record in examples for value in record.data.values())


@pytest.mark.parametrize(("name", "broken"), BLOCKING, ids=ids)
def test_nothing_is_published_and_the_last_good_table_stays(ran: Callable[[str], Ran], name: str, broken: Break) -> None:
    run = ran(name)
    outcome = run.outcomes[broken.table]
    assert (outcome.status, outcome.version) == ("blocked", None)
    assert broken.gate in outcome.gates_failed
    assert broken.gate in (outcome.error or "")
    assert "its last good version stays" in (outcome.error or "")
    ref = TableRef.parse(broken.table)
    version, rows = run.before[broken.table]
    assert run.lakehouse.version(ref) == version
    assert run.lakehouse.read(ref).equals(rows)


@pytest.mark.parametrize(("name", "broken"), BLOCKING, ids=ids)
def test_what_comes_after_it_is_not_tried(ran: Callable[[str], Ran], name: str, broken: Break) -> None:
    run = ran(name)
    for table in broken.after:
        assert table not in run.outcomes
        if table in run.before:
            assert run.lakehouse.version(TableRef.parse(table)) == run.before[table][0]


@pytest.mark.parametrize(("name", "broken"), [(name, each) for name, each in CASES if each.warns], ids=ids)
def test_a_gate_that_warns_publishes(ran: Callable[[str], Ran], name: str, broken: Break) -> None:
    outcome = ran(name).outcomes[broken.table]
    assert outcome.status == "published"
    assert outcome.gates_warned == (broken.gate,)
    assert outcome.gates_failed == ()


def test_the_log_is_written_although_it_tells_of_failures(ran: Callable[[str], Ran]) -> None:
    run = ran("bad records")
    assert set(run.outcomes["log.manifest"].gates_failed) == {each.gate for each in SCENARIOS["bad records"].breaks}
    assert run.lakehouse.version(TableRef.parse("log.manifest")) > run.before["log.manifest"][0]
    assert "log.runs" not in run.outcomes


def test_rows_set_aside_keep_their_reason_and_their_record(ran: Callable[[str], Ran]) -> None:
    run = ran("bad clean tables")
    kept = {row["reasons"][0]: row["record"] for row in run.rows("quarantine.clean_requirementtree")}
    assert set(kept) == {"required_present:requirementtreeId", "types_hold:projectId"}
    assert '"was":' in kept["required_present:requirementtreeId"]
    assert '"projectId":"seven, or 7"' in kept["types_hold:projectId"]
    published = len(run.rows("clean.requirementtree"))
    assert published + len(kept) == len(run.rows("extract.requirementtrees"))


def test_personal_data_is_masked_in_examples(ran: Callable[[str], Ran], finished: Project) -> None:
    people = [row for row in finished.rows("clean.user") if row["email"]]
    secrets = {row[name] for row in people for name in ("email", "lastName", "username") if len(row[name] or "") > 3}
    assert len(secrets) > 10
    for name in SCENARIOS:
        for (table, _), evaluation in ran(name).evaluations.items():
            if evaluation.passed:
                continue
            shown = evaluation.description + str(evaluation.metadata.get("examples", ""))
            assert not [secret for secret in secrets if secret in shown], table


def test_an_orphan_of_the_api_stops_the_fact_and_nothing_else(ran: Callable[[str], Ran]) -> None:
    run = ran(ORPHANS)
    assert run.outcomes["clean.execution"].status == "published"
    assert run.outcomes["transform.factExecution"].gates_failed == ("foreign_keys_resolve",)
    assert "transform.dimTestcase" in (run.outcomes["transform.factExecution"].error or "")
    assert run.lakehouse.read(TableRef.parse("transform.factExecution")).equals(run.before["transform.factExecution"][1])
    assert {"refine.factExecution", "analyse.executionsByStatus"}.isdisjoint(run.outcomes)


def test_a_new_status_breaks_nothing_and_shows(ran: Callable[[str], Ran]) -> None:
    run = ran(NEW_STATUS)
    assert {outcome.status for outcome in run.outcomes.values()} <= {"published", "unchanged"}
    assert set(run.outcomes) == set(STAR)
    rows = {row["statusId"]: row for row in run.rows("analyse.executionsByStatus")}
    assert (rows[42]["statusName"], rows[42]["executionCount"]) == ("UNMAPPED", 200)
    assert sum(row["executionCount"] for row in rows.values()) == 2000


@pytest.mark.parametrize(
    ("name", "table", "gate", "words"),
    [
        ("other answers", "extract.users", "no_schema_drift", "mail"),
        ("other answers", "extract.requirements", "no_schema_drift", "hold values of another type"),
        ("other answers", "extract.executions", "extract_complete", "rows came twice"),
        ("other answers", "extract.testcasetrees", "extract_complete", "403"),
        ("pages that repeat", "extract.users", "extract_complete", "Prepare saw 25 records; now there is none"),
    ],
)
def test_other_faults_of_the_api_meet_their_gate(ran: Callable[[str], Ran], name: str, table: str, gate: str, words: str) -> None:
    outcome = ran(name).outcomes[table]
    assert (outcome.status, outcome.gates_failed) == ("blocked", (gate,))
    assert words in (outcome.error or "")
    assert ran(name).lakehouse.version(TableRef.parse(table)) == ran(name).before[table][0]


def test_a_server_that_ignores_the_offset_is_found_out(ran: Callable[[str], Ran]) -> None:
    outcome = ran("pages that repeat").outcomes["extract.executions"]
    assert outcome.status == "failed"
    assert "server ignores offset" in (outcome.error or "")
    assert ran("pages that repeat").lakehouse.version(TableRef.parse("extract.executions")) == 0


def test_ids_as_texts_and_unreadable_second_dates_lose_nothing(ran: Callable[[str], Ran]) -> None:
    run = ran("other answers")
    for table in ("clean.release", "clean.cycle"):
        assert run.outcomes[table].status == "unchanged"
        assert run.outcomes[table].quarantined == 0
