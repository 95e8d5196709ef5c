"""Extract: everything that is there, once, as it was sent; and each way in which it is not is seen."""

from __future__ import annotations

import json

import pytest

from spectra_assets.covenant.access import ParentKey
from spectra_assets.errors import CredentialError, MissingInputError, RetriableError, SourceError
from spectra_assets.names import plural
from spectra_assets.stages.asking.answers import values_at
from spectra_assets.stages.extract.extract import canonical_hash

ENTITIES = (
    "project",
    "release",
    "cycle",
    "testcasetree",
    "testcase",
    "teststep",
    "requirementtree",
    "requirement",
    "user",
    "execution",
)
CLEAN = ("skippedCount", "unansweredCount", "repeatedCount", "missingKeyCount", "mismatchCount")


def rows(runner, entity):
    return runner.rows(f"extract.{plural(entity)}")


def run(runner, entity):
    evidence = runner.extract(runner.canon[entity]).evidence
    return evidence["extraction"], evidence["drift"]


@pytest.mark.parametrize("entity", ENTITIES)
def test_everything_is_there(prepared, entity):
    truth = prepared.truth()[entity]
    found = rows(prepared, entity)
    ids = [json.loads(row["record"])["id"] for row in found]
    assert sorted(ids) == sorted(truth["keys"])
    facts = prepared.drafts[f"extract.{plural(entity)}"].evidence["extraction"]
    assert facts["rows"] == truth["count"] == len(found)
    assert {name: facts[name] for name in CLEAN} == dict.fromkeys(CLEAN, 0)
    assert facts["parentsAnswered"] == facts["parentsAsked"] > 0
    assert prepared.drafts[f"extract.{plural(entity)}"].evidence["drift"] == {}
    elements = prepared.drafts[f"extract.{plural(entity)}"].evidence.get("elements", {})  # none of a tree
    for path, count in elements.items():
        assert count == sum(len(next(values_at(json.loads(row["record"]), path), None) or ()) for row in found), path
    assert sorted(row["sequence"] for row in found) == list(range(len(found)))


def test_rows_know_parent_request_and_hash(prepared):
    for row in rows(prepared, "cycle"):
        assert row["parentKey"] == str(json.loads(row["record"])["releaseId"])
        assert row["requestId"]
        assert row["recordHash"] == canonical_hash(row["record"].encode())


def test_a_hash_does_not_depend_on_the_order_of_keys():
    assert canonical_hash(b'{"a": 1, "b": {"c": 2, "d": [1]}}') == canonical_hash(b'{"b":{"d":[1],"c":2},"a":1}')
    assert canonical_hash(b'{"a": 1}') != canonical_hash(b'{"a": 2}')


def test_trees_are_flattened_with_the_holder_of_each_node(prepared):
    nodes = {json.loads(row["record"])["id"]: row for row in rows(prepared, "testcasetree")}
    assert any(row["treeParentKey"] for row in nodes.values())
    for row in nodes.values():
        record = json.loads(row["record"])
        assert "categories" not in record
        assert row["treeParentKey"] == (str(record["parentId"]) if "parentId" in record else None)


def test_without_the_flattening_step_trees_stay_whole(prepared):
    draft = prepared.extract(prepared.canon["requirementtree"], ["extract.fetch_records", "extract.hash_records"])
    assert draft.evidence["extraction"]["rows"] == len(rows(prepared, "requirementtree")) == 7
    prepared.extract(prepared.canon["requirementtree"])


def test_a_parent_that_was_not_extracted_is_named(fresh, prepared):
    runner = fresh()
    runner.drafts, canon = {}, prepared.canon
    runner.make_through("prepare.schema")
    with pytest.raises(MissingInputError, match=r"extract\.releases"):
        runner.extract(canon["cycle"])


# ---------------------------------------------------------------- faults


def test_a_row_that_is_lost_between_pages_shows_as_its_neighbour_twice(broken):
    facts, _ = run(broken("lose-rows:execution"), "execution")
    assert facts["repeatedCount"] > 0
    assert facts["repeated"]


def test_duplicates_are_counted_per_parent(broken):
    facts, _ = run(broken("duplicate-ids:execution"), "execution")
    assert facts["repeatedCount"] == facts["rows"] - 2_000 > 0


def test_a_server_that_ignores_the_offset_is_an_error(broken):
    runner = broken("ignore-offset:execution")
    small = runner.canon["execution"]
    paging = small.fetch.paging.model_copy(update={"size": 50})
    with pytest.raises(SourceError, match="ignores offset"):
        runner.extract(small.model_copy(update={"fetch": small.fetch.model_copy(update={"paging": paging})}))


def test_the_end_of_long_lists_is_asked_for_again(prepared):
    known = prepared.canon["execution"]
    fetch = known.fetch.model_copy(update={"paging": known.fetch.paging.model_copy(update={"size": 50})})
    facts = prepared.extract(known.model_copy(update={"fetch": fetch})).evidence["extraction"]
    assert facts["recounts"] > 0
    assert (facts["rows"], facts["mismatchCount"]) == (2_000, 0)


def test_a_parent_that_is_refused_is_named(broken):
    facts, _ = run(broken("forbid:cycle/release/5"), "cycle")
    assert facts["skippedCount"] == 1
    assert [(entry["parent"], entry["status"]) for entry in facts["skipped"]] == [("5", 403)]


def test_a_parent_that_is_gone_has_no_rows_while_others_answer(broken):
    runner = broken("gone:cycle/release/5")
    facts, _ = run(runner, "cycle")
    assert (facts["goneCount"], [facts[name] for name in CLEAN]) == (1, [0] * len(CLEAN))
    assert [(entry["parent"], entry["status"]) for entry in facts["gone"]] == [("5", 410)]
    assert facts["rows"] == len(rows(runner, "cycle")) > 0


def test_where_most_parents_are_gone_it_is_the_endpoint(broken):
    facts, _ = run(broken("gone:cycle/release/"), "cycle")
    assert (facts["goneCount"], facts["skippedCount"]) == (0, facts["parentsAsked"])
    assert facts["skipped"]


def test_a_parent_that_is_broken_is_named_and_the_others_land(broken):
    facts, _ = run(broken("break:cycle/release/2"), "cycle")
    assert [(entry["parent"], entry["status"]) for entry in facts["skipped"]] == [("2", 500)]
    assert facts["parentsAsked"] - facts["parentsAnswered"] == facts["skippedCount"] == 1
    whole = broken()
    assert "2" not in {row["parentKey"] for row in rows(whole, "cycle")}
    assert 0 < facts["rows"] < run(whole, "cycle")[0]["rows"] == 29


def test_an_api_that_is_broken_stops_the_extraction(broken):
    with pytest.raises(RetriableError, match="20 parents in a row"):
        run(broken("break:/testcase/tree"), "testcase")


def test_rows_of_what_was_empty_are_doubted_where_the_route_may_not_give_all(fresh):
    runner = fresh("empty:user", "empty:release")
    runner.make_through("prepare.schema")
    runner.standin.set_faults([])
    runner.extract(runner.canon["project"])

    def doubts(entity, **changes):
        known = runner.canon[entity]
        facts = runner.extract(known.model_copy(update={"fetch": known.fetch.model_copy(update=changes)})).evidence["extraction"]
        assert facts["rows"] > 0
        return [entry["reason"] for entry in facts["mismatches"]]

    by_project = ParentKey(entity="project", path="id", parameter="projectid", location="query")
    assert "as if projectid were ignored" in doubts("release", parent=by_project)[0]
    assert "the next run's Prepare samples these" in doubts("release")[0]
    assert "the next run's Prepare samples these" in doubts("user")[0]
    assert doubts("cycle") == []


def test_rows_without_a_key_are_counted(broken):
    facts, _ = run(broken("null-ids:execution"), "execution")
    assert facts["missingKeyCount"] == 200


def test_a_source_that_is_suddenly_empty_is_noticed(broken):
    facts, _ = run(broken("empty:cycle"), "cycle")
    assert facts["emptyParents"] == facts["parentsAsked"]
    assert [entry["check"] for entry in facts["mismatches"]] == ["sample"]


@pytest.mark.parametrize("fault", ["cut:7", "truncate:5", "error-500:9", "rate-limit:80/10"])
def test_what_passes_is_tried_again_and_nothing_is_lost(broken, fault):
    facts, drift = run(broken(fault), "cycle")
    assert (facts["rows"], facts["skippedCount"], facts["repeatedCount"], drift) == (29, 0, 0, {})


def test_an_expired_token_stops_the_extraction(broken):
    with pytest.raises(CredentialError):
        run(broken("expire-after:3"), "testcase")


# ---------------------------------------------------------------- drift


@pytest.mark.parametrize(
    ("fault", "entity", "path", "kind", "seen"),
    [
        ("rename-field:cycle.build=buildNumber", "cycle", "buildNumber", "newField", "text"),
        ("rename-field:cycle.build=buildNumber", "cycle", "build", "missingField", None),
        ("drop-field:cycle.build", "cycle", "build", "missingField", None),
        ("add-field:execution.tcrTreeTestcase.extra", "execution", "tcrTreeTestcase.extra", "newField", "text"),
        ("add-field:cyclePhase.extra", "cycle", "cyclePhases[].extra", "newField", "text"),
        ("retype-field:execution.tcrTreeTestcase", "execution", "tcrTreeTestcase", "changedType", "text"),
        ("retype-some:execution.actualTime", "execution", "actualTime", "changedType", "record"),
    ],
)
def test_drift_is_seen_where_it_is(broken, fault, entity, path, kind, seen):
    _, drift = run(broken(fault), entity)
    assert (drift[path]["kind"], drift[path]["seen"]) == (kind, seen)
    assert drift[path]["count"] > 0


def test_drift_shows_no_text(broken):
    _, drift = run(broken("add-field:cycle.secret"), "cycle")
    assert drift["secret"]["example"].startswith("text(")


@pytest.mark.parametrize("fault", ["text-ids:cycle", "bad-date:cycle.cycleStartDate", "new-status:99", "orphan:cycle"])
def test_bad_values_of_a_right_kind_are_no_drift(broken, fault):
    entity = "execution" if fault.startswith("new-status") else "cycle"
    _, drift = run(broken(fault), entity)
    assert drift == {}


def test_a_new_field_is_in_the_next_canon(fresh):
    runner = fresh()
    runner.make_through("prepare.schema")
    assert "novelty" not in {field.raw for field in runner.canon["user"].fields}
    runner.standin.set_faults(["add-field:user.novelty"])
    runner.extract(runner.canon["user"])
    runner.make("prepare.schema")
    assert "novelty" in {field.raw for field in runner.canon["user"].fields}
