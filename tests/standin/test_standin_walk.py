"""The truth equals what walking the API yields, today and as days pass; the same seed gives the same bytes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

PLAN = ("project", "release", "cycle", "cyclePhase", "execution")
TESTWARE = ("testcasetree", "testcase", "teststep", "requirementtree", "requirement", "user")


def flat(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Nodes of trees with all nodes below them."""
    return [each for node in nodes for each in (node, *flat(node["categories"]))]


def walk(api: Any) -> dict[str, list[dict[str, Any]]]:
    """All rows of all entities, as a pipeline finds them."""
    found: dict[str, list[dict[str, Any]]] = {entity: [] for entity in (*PLAN, *TESTWARE)}
    found["project"] = api.json("/project/details")
    found["release"] = api.json("/release")
    found["user"] = api.json("/user")
    for release in found["release"]:
        cycles = api.json(f"/cycle/release/{release['id']}")
        found["cycle"] += cycles
        found["cyclePhase"] += [phase for cycle in cycles for phase in cycle["cyclePhases"]]
        found["testcasetree"] += flat(api.json(f"/testcasetree/phases/{release['id']}"))
    for phase in found["cyclePhase"]:
        found["execution"] += api.all_pages("/execution", cyclephaseid=phase["id"])
    for node in found["testcasetree"]:
        if node["testcaseCount"]:
            found["testcase"] += api.all_pages(f"/testcase/tree/{node['id']}")
    for project in found["project"]:
        found["requirementtree"] += flat(api.json("/v4/requirementtree", projectId=project["id"]))
    for node in found["requirementtree"]:
        found["requirement"] += api.all_pages("/requirement", requirementtreeid=node["id"])
    for case in found["testcase"]:
        response = api.get(f"/testcase/{case['testcase']['id']}/teststep")
        found["teststep"] += response.json()["steps"] if response.status_code == 200 else []
    return found


@pytest.fixture(scope="module")
def found(api: Any) -> dict[str, list[dict[str, Any]]]:
    return walk(api)


def same(truth: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    keys = [row["id"] for row in rows]
    return (len(keys), sum(keys), sorted(keys)) == (truth["count"], truth["keySum"], sorted(truth["keys"]))


@pytest.mark.parametrize("entity", [*PLAN, *TESTWARE])
def test_walking_finds_exactly_the_truth(api, found, entity):
    assert same(api.truth()[entity], found[entity])


def test_status_counts_and_counts_per_release(api, found):
    truth = api.truth()
    counts = Counter(row.get("status", "absent") for row in found["execution"])
    assert truth["statusCounts"] == {status: counts[status] for status in truth["statusCounts"]}
    assert sum(truth["statusCounts"].values()) == truth["execution"]["count"] == 2000
    release_of = {cycle["id"]: cycle["releaseId"] for cycle in found["cycle"]}
    phase_release = {phase["id"]: release_of[phase["cycleId"]] for phase in found["cyclePhase"]}
    per_release = Counter(phase_release[row["cyclePhaseId"]] for row in found["execution"])
    assert {int(key): counts["execution"] for key, counts in truth["perRelease"].items()} == {
        release["id"]: per_release[release["id"]] for release in found["release"]
    }
    assert truth["release"]["hidden"] == len(found["project"])


def test_foreign_keys_resolve(found):
    ids = {entity: {row["id"] for row in rows} for entity, rows in found.items()}
    phases = {node["id"] for node in found["testcasetree"] if node["type"] == "Phase"}
    outer = {row["id"]: row["tcrCatalogTreeId"] for row in found["testcase"]}
    stable = {row["testcase"]["testcaseId"] for row in found["testcase"]}
    assert {row["projectId"] for row in found["release"]} <= ids["project"]
    assert {row["releaseId"] for row in found["cycle"]} <= ids["release"]
    assert {row["tcrCatalogTreeId"] for row in found["cyclePhase"]} <= phases
    assert {row["releaseId"] for row in found["testcasetree"]} <= ids["release"]
    assert set(outer.values()) <= ids["testcasetree"]
    assert {row["cyclePhaseId"] for row in found["execution"]} <= ids["cyclePhase"]
    assert all(outer[row["tcrTreeTestcase"]["id"]] == row["tcrTreeTestcase"]["tcrCatalogTreeId"] for row in found["execution"])
    assert {row["testerId"] for row in found["execution"]} <= ids["user"] | {-10, 0}
    assert {member["userId"] for row in found["project"] for member in row["members"]} <= ids["user"]
    assert {number for row in found["testcase"] for number in row["testcase"]["requirementIds"]} <= ids["requirement"]
    assert {number for row in found["requirement"] for number in row["testcaseIds"]} <= stable
    assert {number for row in found["requirement"] for number in row["releaseIds"]} <= ids["release"]
    assert not ids["testcasetree"] & {number for row in found["testcase"] for number in (row["id"], row["testcase"]["id"])}


def test_cover_is_told_alike_from_both_sides(found):
    forward = {
        (row["testcase"]["testcaseId"], number) for row in found["testcase"] for number in row["testcase"]["requirementIds"]
    }
    backward = {(case, row["id"]) for row in found["requirement"] for case in row["testcaseIds"]}
    assert forward == backward
    covering = sum(bool(row["testcase"]["requirementIds"]) for row in found["testcase"])
    assert 0.5 < covering / len(found["testcase"]) < 0.7


def test_there_are_gaps_everywhere(found):
    phases, cycles = {row["cyclePhaseId"] for row in found["execution"]}, {row["releaseId"] for row in found["cycle"]}
    planned = {row["projectId"] for row in found["release"] if not row["projectRelease"]}
    rooted = {node["releaseId"] for node in found["testcasetree"]}
    assert [row for row in found["cyclePhase"] if row["id"] not in phases]
    assert [row for row in found["cycle"] if not row["cyclePhases"]]
    assert [row for row in found["release"] if row["id"] not in cycles and not row["projectRelease"]]
    assert [row for row in found["project"] if row["id"] not in planned]
    assert [row for row in found["release"] if row["id"] not in rooted]
    assigned = [row["assignmentDate"] for row in found["execution"]]
    assert max(assigned) - min(assigned) > 200 * 86_400_000


def test_days_change_what_they_say_and_truth_follows(make):
    api, other = make(executions=400), make(executions=400)
    before = walk(api)
    assert api.standin.advance() == 1
    after = walk(api)
    for entity, rows in after.items():
        assert same(api.truth()[entity], rows), entity
    old = {entity: {row["id"]: row for row in rows} for entity, rows in before.items()}
    changed = {
        entity: [row for row in rows if row["id"] in old[entity] and row != old[entity][row["id"]]]
        for entity, rows in after.items()
    }
    assert len([row for row in changed["release"] if row["name"].endswith("(day 1)")]) == 1
    assert [row["status"] != old["cycle"][row["id"]]["status"] for row in changed["cycle"]] == [True]
    assert [row["name"].endswith("(day 1)") for row in changed["requirement"]] == [True]
    assert [row["accountEnabled"] for row in changed["user"]] == [False]
    moved = [row for row in changed["execution"] if row.get("status") != old["execution"][row["id"]].get("status")]
    assert 3 <= len(moved) == len(changed["execution"])
    new = {entity: len(rows) - len(before[entity]) for entity, rows in after.items() if len(rows) != len(before[entity])}
    assert new == {"release": 1, "cycle": 1, "cyclePhase": 1, "testcasetree": 1, "execution": 12}
    counts = Counter(row.get("status", "absent") for row in after["execution"])
    assert +Counter(api.truth()["statusCounts"]) == counts
    other.standin.advance()
    assert other.truth() == api.truth()
    api.standin.advance()
    assert same(api.truth()["execution"], walk(api)["execution"])


def test_same_seed_same_bytes(make):
    one, same_one, another = make(executions=300, seed=3), make(executions=300, seed=3), make(executions=300, seed=4)
    paths = ("/project", "/release", "/user", "/execution?releaseid=3&pagesize=0", "/v4/requirementtree", "/testcase/tree/267")
    assert [one.get(path).content for path in paths] == [same_one.get(path).content for path in paths]
    assert all(one.get(path).content != another.get(path).content for path in paths)
    assert one.truth() == same_one.truth()


@pytest.mark.parametrize("executions", [0, 1, 60])
def test_small_servers_hold_together(make, executions):
    api = make(executions=executions)
    found, truth = walk(api), api.truth()
    for entity, rows in found.items():
        assert same(truth[entity], rows), entity
    api.standin.advance()
    assert api.truth()["execution"]["count"] == executions + 12
