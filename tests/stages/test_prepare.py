"""Prepare: paging measured, dependencies proven or refuted by data, the canon inferred, named and marked."""

from __future__ import annotations

import json

import pytest

from spectra_assets.covenant.access import NoPaging, OffsetPaging
from spectra_assets.covenant.canon import from_rows, to_row
from spectra_assets.covenant.model import DataType, PiiLevel
from spectra_assets.playbook.model import Playbooks, Standards
from spectra_assets.playbook.rules import PiiRule, PrimaryKeyRule, RenameRule, RequiredRule, Scope, SettingRule, TypeRule


def playbooks(*rules):
    return Playbooks(Standards("", "", (), rules, "STANDARDS.md"), ())


def routes(runner, entity):
    rows = [row for row in runner.rows("prepare.dependencies") if row["entity"] == entity]
    return {(row["path"], row["parameter"], row["parentPath"]): row for row in rows}


def chosen(runner, entity):
    (row,) = (row for row in routes(runner, entity).values() if row["chosen"])
    return row


def facts(runner, path):
    return {row["constraint"]: row["value"] for row in runner.rows("prepare.constraints") if row["path"] == path}


# ---------------------------------------------------------------- constraints


@pytest.mark.parametrize("path", ["/execution", "/requirement", "/testcase/tree/{treeid}"])
def test_paging_is_proven_by_comparing_pages(prepared, path):
    found = facts(prepared, path)
    assert json.loads(found["paging"]) == {"kind": "offset", "offset_param": "offset", "size_param": "pagesize", "size": 500}
    assert (found["offsetIgnored"], found["pastTheEnd"], found["largestPageSize"]) == ("false", "empty", "500")
    assert found["declaredTotal"] == "notCredible"


@pytest.mark.parametrize("path", ["/release", "/cycle/release/{releaseid}", "/testcase/{testcaseVersionId}/teststep"])
def test_a_list_that_ignores_sizes_comes_at_once(prepared, path):
    assert json.loads(facts(prepared, path)["paging"]) == {"kind": "none"}


def test_what_cannot_be_read_is_told(prepared):
    assert facts(prepared, "/testcase/requirement/{testcaseid}") == {"availability": "gone"}
    assert facts(prepared, "/user/validZbotUsers") == {"availability": "forbidden"}
    rows = prepared.rows("prepare.constraints")
    assert len({(row["path"], row["constraint"]) for row in rows}) == len(rows)


def test_a_server_that_ignores_the_offset_is_asked_for_everything_at_once(fresh):
    runner = fresh("ignore-offset:execution")
    runner.make_through("prepare.schema")
    assert facts(runner, "/execution")["offsetIgnored"] == "true"
    fetch = runner.canon["execution"].fetch
    assert (fetch.paging, fetch.query) == (NoPaging(), {"pagesize": "0"})
    for entity in ("release", *(["cycle"] if fetch.parent.entity == "cycle" else [])):
        runner.extract(runner.canon[entity])
    assert runner.extract(runner.canon["execution"]).evidence["extraction"]["rows"] == 600


# ---------------------------------------------------------------- dependencies


def test_an_ignored_parameter_is_refuted(prepared):
    row = routes(prepared, "execution")["/execution", "cycleid", "id"]
    assert (row["verdict"], row["chosen"]) == ("ignored", False)
    assert "same 10 rows" in row["evidence"]
    assert routes(prepared, "release")["/release", "projectid", "id"]["verdict"] == "ignored"
    assert "execution?cycleid" in prepared.drafts["prepare.dependencies"].evidence["dependencies"]["ignored"]


def test_real_parents_are_proven(prepared):
    tried = routes(prepared, "execution")
    phase, release = tried["/execution", "cyclephaseid", "cyclePhases[].id"], tried["/execution", "releaseid", "id"]
    assert (phase["verdict"], phase["inclusionField"], phase["inclusion"]) == ("proven", "cyclePhaseId", 1.0)
    assert release["verdict"] == "proven"
    assert chosen(prepared, "execution")["requestsPredicted"] == min(phase["requestsPredicted"], release["requestsPredicted"])


def test_one_page_for_everybody_is_not_complete(prepared):
    row = routes(prepared, "execution")["/execution", None, None]
    assert (row["verdict"], row["chosen"]) == ("partial", False)


def test_a_route_that_misses_rows_loses(prepared):
    assert chosen(prepared, "release")["path"] == "/release"
    assert chosen(prepared, "testcasetree")["path"] == "/testcasetree/phases/{releaseid}"
    testers = routes(prepared, "execution")["/execution", "testerid", "id"]
    assert (testers["verdict"], testers["chosen"]) == ("proven", False)
    assert "misses" in testers["evidence"]


def test_of_three_ids_the_version_leads_to_steps(prepared):
    assert chosen(prepared, "teststep")["parentPath"] == "testcase.id"
    others = {key[2]: row["verdict"] for key, row in routes(prepared, "teststep").items()}
    assert others == {"id": "error", "testcase.testcaseId": "error", "testcase.id": "proven"}


def test_each_entity_has_one_route_and_parents_come_first(prepared):
    evidence = prepared.drafts["prepare.dependencies"].evidence["dependencies"]
    assert evidence["unproven"] == {}
    assert len(evidence["order"]) == 10
    for parent, child in evidence["edges"]:
        assert evidence["order"].index(parent) < evidence["order"].index(child)
    assert all(row["fetch"] for row in prepared.rows("prepare.dependencies") if row["chosen"])


def test_the_budget_holds_for_source_and_prepare_together(prepared):
    drafts = prepared.drafts
    sent = sum(drafts[name].notes["requests"] for name in ("source.endpoints", "prepare.constraints", "prepare.dependencies"))
    assert sent <= 400


def test_what_the_extraction_will_take_is_said_before(prepared):
    draft = prepared.drafts["prepare.dependencies"]
    predicted = sum(row["requestsPredicted"] for row in prepared.rows("prepare.dependencies") if row["chosen"])
    assert (draft.notes["predictedRequests"], draft.evidence["dependencies"]["missed"]) == (predicted, {})
    assert draft.notes["predictedSeconds"] > 0
    assert f"{predicted:,} requests predicted for the extraction" in " ".join(prepared.said)


def test_a_small_budget_still_proves_what_it_can(fresh):
    runner = fresh(playbooks=playbooks(SettingRule(id="few", name="probe_requests", value=40)))
    evidence = runner.make_through("prepare.dependencies").evidence["dependencies"]
    assert evidence["requests"] <= evidence["budget"]
    assert "user" in evidence["order"]
    assert "budget" in " ".join(evidence["unproven"].values())


def test_an_entity_that_is_forbidden_is_left_out(fresh):
    runner = fresh("forbid:/requirement")
    runner.make_through("prepare.schema")
    assert {"requirement", "requirementtree"} <= set(runner.drafts["prepare.dependencies"].evidence["dependencies"]["unproven"])
    expected = runner.drafts["prepare.schema"].evidence["expected"]
    assert "403" in expected["unreadable"]["requirement"]
    assert "requirement" not in expected["entities"]
    assert not runner.drafts["source.portfolio"].rows.to_pylist()[0]["hierarchyProven"]


# ---------------------------------------------------------------- nothing there


def test_an_entity_without_records_follows_its_route_all_the_same(fresh):
    runner = fresh("empty:requirement", "empty:requirementtree", "empty:execution")
    runner.make_through("prepare.schema")
    proofs = {proof["entity"]: proof for proof in runner.drafts["source.portfolio"].evidence["hierarchy"]}
    assert all(proof["reachable"] for proof in proofs.values())
    assert proofs["requirement"]["reason"] == "GET /requirement takes an id of requirementtree, which is empty"
    evidence = runner.drafts["prepare.dependencies"].evidence["dependencies"]
    assert (evidence["unproven"], len(evidence["order"])) == ({}, 10)
    told = {entity: chosen(runner, entity) for entity in ("requirementtree", "requirement", "execution")}
    assert {row["verdict"] for row in told.values()} == {"empty"}
    assert told["requirement"]["evidence"].startswith("there is no requirementtree.id to ask with")
    assert all(row["evidence"].endswith("nothing to prove the route by") for row in told.values())
    assert (told["requirement"]["parameter"], told["requirementtree"]["parameter"]) == ("requirementtreeid", None)
    assert (runner.canon["requirement"].fetch.records, runner.canon["requirementtree"].fetch.recursive) == (
        "results",
        "categories",
    )
    for entity in told:
        found = runner.canon[entity]
        assert (found.sample_size, found.primary_key) == (0, "id")
        assert {field.evidence for field in found.fields if field.raw[0] != "@" and field.group == entity} == {"spec"}
    assert fields(runner, "requirement")["requirementTestcase", "testcaseIds[]"].type == DataType.INT64
    assert fields(runner, "testcase")["testcaseRequirement", "testcase.requirementIds[]"].target == "requirementId"
    for entity in ("project", "release", *told):
        facts = runner.extract(runner.canon[entity]).evidence["extraction"]
        assert (facts["rows"] == 0, facts["skippedCount"], facts["mismatchCount"]) == (entity in told, 0, 0)


@pytest.mark.parametrize("fault", ["forbid", "gone", "break"])
def test_an_empty_parent_does_not_hide_an_endpoint_that_is_closed(fresh, fault):
    runner = fresh("empty:requirementtree", f"{fault}:latest/requirement")
    runner.make_through("prepare.dependencies")
    evidence = runner.drafts["prepare.dependencies"].evidence["dependencies"]
    assert "requirementtree" in evidence["order"]
    assert set(evidence["unproven"]) == {"requirement"}


def test_an_empty_parent_leaves_what_hangs_on_it_empty(fresh):
    runner = fresh("empty:testcase")
    runner.make_through("prepare.dependencies")
    assert (chosen(runner, "testcase")["verdict"], chosen(runner, "teststep")["verdict"]) == ("empty", "empty")
    assert (chosen(runner, "teststep")["parentsTried"], chosen(runner, "teststep")["parentPath"]) == (0, "testcase.id")


# ---------------------------------------------------------------- the canon


def fields(runner, entity):
    return {(field.group, field.raw): field for field in runner.canon[entity].fields}


@pytest.mark.parametrize(
    ("entity", "raw", "target", "kind"),
    [
        ("cycle", "id", "cycleId", "int64"),
        ("cycle", "name", "cycleName", "text"),
        ("cycle", "startDate", "startDate", "timestamp"),
        ("cycle", "hasChild", "hasChild", "bool"),
        ("project", "status", "status", "int64"),
        ("project", "customProperties", "customProperties", "json"),
        ("project", "projectGroups", "projectGroups", "json"),
        ("testcase", "testcase.priority", "testcasePriority", "int64"),
        ("testcase", "testcase.name", "testcase", "text"),
        ("requirement", "externalId", "externalId", "text"),
        ("execution", "versionId", "versionId", "int64"),
        ("execution", "status", "status", "int64"),
        ("execution", "comment", "comment", "text"),
        ("execution", "lastTestResult.executionDate", "lastTestResultExecutionDate", "timestamp"),
        ("teststep", "orderId", "orderId", "int64"),
    ],
)
def test_types_and_names(prepared, entity, raw, target, kind):
    field = fields(prepared, entity)[entity, raw]
    assert (field.target, str(field.type)) == (target, kind)


def test_a_date_kept_twice_becomes_one_column(prepared):
    twins = prepared.drafts["prepare.schema"].evidence["twins"]
    assert twins["cycle"] == {
        "cycleStartDate": "startDate",
        "cycleEndDate": "endDate",
        "cyclePhases[].phaseStartDate": "cyclePhases[].startDate",
        "cyclePhases[].phaseEndDate": "cyclePhases[].endDate",
    }
    assert twins["project"]["projectStartDate"] == "startDate"
    assert twins["testcase"] == {"testcase.tcCreationDate": "testcase.creationDate"}
    number, text = (fields(prepared, "cycle")["cycle", raw] for raw in ("startDate", "cycleStartDate"))
    assert (number.target, number.date_format, text.target, text.date_format) == ("startDate", None, "startDate", "MM/dd/yyyy")
    order = [field.raw for field in prepared.canon["cycle"].fields]
    assert order.index("startDate") + 1 == order.index("cycleStartDate")


def test_arrays_become_tables_with_their_parents_key(prepared):
    phases = [field for field in prepared.canon["cycle"].fields if field.group == "cyclePhase"]
    assert [(field.raw, field.target) for field in phases[:4]] == [
        ("id", "cycleId"),
        ("cyclePhases[].cycleId", "cycleId"),
        ("@index", "cyclePhaseIndex"),
        ("cyclePhases[].id", "cyclePhaseId"),
    ]
    assert [field.target for field in phases if field.key] == ["cyclePhaseId"]
    covered = [field for field in prepared.canon["testcase"].fields if field.group == "testcaseRequirement"]
    assert [(field.target, field.key) for field in covered] == [
        ("testcaseId", True),
        ("testcaseRequirementIndex", True),
        ("requirementId", False),
    ]


def test_trees_and_parents_that_records_do_not_name(prepared):
    tree = prepared.canon["testcasetree"]
    assert tree.fetch.recursive == "categories"
    assert not any(field.raw.startswith("categories") for field in tree.fields)
    assert fields(prepared, "testcasetree")["testcasetree", "@treeParent"].target == "parentTestcasetreeId"
    assert fields(prepared, "testcasetree")["testcasetree", "releaseId"].required
    assert ("testcasetree", "@parent") not in fields(prepared, "testcasetree")
    step = fields(prepared, "teststep")["teststep", "@parent"]
    version = fields(prepared, "testcase")["testcase", "testcase.id"]
    assert (step.target, step.type, step.required) == (version.target, DataType.INT64, True)


def test_what_is_required_and_what_is_known_from_the_description_alone(prepared):
    required = {field.raw for field in prepared.canon["execution"].fields if field.required and field.group == "execution"}
    assert required <= {"id", "cyclePhaseId", "@parent"}
    comment = fields(prepared, "execution")["execution", "comment"]
    assert (comment.evidence, comment.nullable) == ("spec", True)


def test_names_are_unique_in_each_table_but_for_twins(prepared):
    evidence = prepared.drafts["prepare.schema"].evidence
    assert evidence["echoes"] == {"project": ["members[].projectId"], "cycle": ["cyclePhases[].cycleId"]}
    for entity in prepared.canon.values():
        shared = {*evidence["twins"].get(entity.entity, {}), *evidence["echoes"].get(entity.entity, ())}
        names = [(field.group, field.target.lower()) for field in entity.fields if field.raw not in shared]
        assert len(set(names)) == len(names)


def test_the_table_holds_the_canon(prepared):
    read = from_rows(prepared.rows("prepare.schema"))
    assert [to_row(entity) for entity in read.entities] == [to_row(entity) for entity in prepared.canon.values()]


def test_a_second_run_gives_the_same_canon(prepared, fresh):
    runner = fresh(executions=2_000)
    runner.make_through("prepare.schema")
    assert runner.canon == prepared.canon


def test_without_the_naming_step_nothing_has_a_name(prepared):
    draft = prepared.make("prepare.schema", ["prepare.infer_fields"])
    assert {field.target for entity in draft.evidence["canon"] for field in entity.fields} == {""}
    prepared.make("prepare.schema")


def test_playbook_rules_have_the_last_word(prepared):
    before = prepared.playbooks
    cycle = Scope(source="zephyr", entity="cycle")
    prepared.playbooks = playbooks(
        RenameRule(id="r", scope=Scope(entity="testcase", field="testcase.id"), target="testcaseVersionId"),
        TypeRule(id="t", scope=Scope(entity="cycle", field="status"), data_type="text"),
        RequiredRule(id="q", scope=Scope(entity="cycle", field="build"), required=True, lesson="lesson-1"),
        PrimaryKeyRule(id="k", scope=cycle, path="revision"),
        PiiRule(id="p", scope=Scope(field="*email*"), level="direct"),
    )
    try:
        prepared.make("prepare.schema")
        assert fields(prepared, "teststep")["teststep", "@parent"].target == "testcaseVersionId"
        found = fields(prepared, "cycle")
        assert (found["cycle", "status"].type, found["cycle", "status"].evidence) == (DataType.TEXT, "playbook")
        assert (found["cycle", "build"].required, found["cycle", "build"].evidence) == (True, "lesson")
        assert prepared.canon["cycle"].primary_key == "revision"
        assert fields(prepared, "user")["user", "email"].pii == PiiLevel.DIRECT
        assert fields(prepared, "user")["user", "id"].pii == PiiLevel.NONE
    finally:
        prepared.playbooks = before
        prepared.make("prepare.schema")


def test_paging_of_the_plan_follows_what_was_measured(prepared):
    assert isinstance(prepared.canon["execution"].fetch.paging, OffsetPaging)
    assert prepared.canon["cycle"].fetch.paging == NoPaging()
