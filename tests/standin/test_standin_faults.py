"""Each fault shows, and parse_fault says what is valid."""

from __future__ import annotations

import time

import pytest
import requests

from spectra_assets.errors import RequestError
from spectra_assets.standin.faults import fault_forms
from spectra_assets.standin.server import parse_fault

LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def executions(api, **query):
    return api.json("/execution", releaseid=2, **({"pagesize": 0} | query))["results"]


def test_latency(make):
    api = make("latency:60")
    started = time.monotonic()
    api.get("/user/current")
    assert time.monotonic() - started >= 0.06


def test_latency_of_the_stand_in(make):
    api = make(latency=60)
    started = time.monotonic()
    api.get("/user/current")
    assert time.monotonic() - started >= 0.06


def test_rate_limit(make):
    api = make("rate-limit:0.001/3")
    answers = [api.get("/user/current") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 3
    assert answers[-1].headers["Retry-After"] == "1"
    api.standin.set_faults(["rate-limit:5/1"])
    for _ in range(3):
        api.get("/user/current")
    time.sleep(0.3)
    assert api.get("/user/current").status_code == 200


def test_error_500(make):
    api = make("error-500:3")
    assert [api.get("/user/current").status_code for _ in range(6)] == [200, 200, 500, 200, 200, 500]


def test_down_and_up_again(make):
    api = make()
    assert api.get("/project").status_code == 200
    api.standin.set_faults(["down"])
    for _ in range(2):
        with pytest.raises(LOST):
            api.get("/project")
    api.standin.set_faults([])
    assert api.get("/project").status_code == 200


def test_cut(make):
    api = make("cut:2")
    assert api.get("/project").status_code == 200
    with pytest.raises(LOST):
        api.get("/project")
    assert api.get("/project").status_code == 200


def test_truncate(make):
    api = make("truncate:2")
    assert api.json("/project")
    response = api.get("/project")
    assert response.status_code == 200
    assert int(response.headers["Content-Length"]) == len(response.content)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        response.json()


def test_slow_body(make):
    api = make("slow-body:0.2")
    started = time.monotonic()
    assert len(api.json("/project")) == 4
    assert time.monotonic() - started >= 0.2


def test_html_and_not_json(make):
    api = make("html")
    assert "text/html" in api.get("/project").headers["Content-Type"]
    api.standin.set_faults(["not-json"])
    response = api.get("/project")
    assert response.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        response.json()


def test_forbid_gone_break_and_expire(make):
    api = make("forbid:/cycle/", "gone:/testcase/tree", "break:/release", "expire-after:4")
    paths = ("/cycle/release/2", "/testcase/tree/11", "/release", "/project", "/user")
    assert [api.get(path).status_code for path in paths] == [403, 410, 500, 200, 401]


def test_ignore_offset(make):
    api = make("ignore-offset:/execution")
    assert executions(api, pagesize=5, offset=5) == executions(api, pagesize=5)
    assert api.json("/testcase/tree/267", offset=1)["results"] != api.json("/testcase/tree/267")["results"]


def test_empty_lose_and_duplicate_rows(make):
    api = make()
    whole = [row["id"] for row in executions(api)]
    middle = len(whole) // 2
    api.standin.set_faults(["lose-rows:execution"])
    paged = [row["id"] for row in api.all_pages("/execution", pagesize=7, releaseid=2)]
    assert paged == [*whole[:middle], whole[middle - 1], *whole[middle + 1 :]]
    api.standin.set_faults(["duplicate-ids:execution"])
    paged = [row["id"] for row in api.all_pages("/execution", pagesize=7, releaseid=2)]
    assert len(paged) == len(whole) + -(-len(whole) // 10)
    assert sorted(set(paged)) == whole
    api.standin.set_faults(["empty:execution", "empty:cyclePhase"])
    assert executions(api) == []
    cycles = api.json("/cycle/release/2")
    assert cycles
    assert all(cycle["cyclePhases"] == [] for cycle in cycles)
    api.standin.set_faults(["empty:requirement"])
    assert {len(row["testcase"]["requirementIds"]) for row in api.all_pages("/testcase/tree/267")} == {0}
    assert api.truth()["execution"]["count"] == 2000


def test_ids(make):
    api = make("text-ids:execution", "null-ids:testcase", "text-ids:testcasetree")
    assert all(isinstance(row["id"], str) for row in executions(api))
    root = api.json("/testcasetree/phases/1")[0]
    assert isinstance(root["categories"][0]["id"], str)
    ids = [row["id"] for row in api.json("/testcase/nodes", treeids=list(range(267, 388, 8)))]
    assert 0 < ids.count(None) <= len(ids) / 5


@pytest.mark.parametrize(
    ("entity", "path", "key"),
    [
        ("release", "/release", "projectId"),
        ("cycle", "/cycle/release/2", "releaseId"),
        ("testcasetree", "/testcasetree/phases/1", "releaseId"),
        ("testcase", "/testcase/nodes?" + "&".join(f"treeids={node}" for node in range(267, 388, 8)), "tcrCatalogTreeId"),
        ("requirement", "/requirement?requirementtreeid=2&pagesize=0", "projectId"),
        ("requirementtree", "/v4/requirementtree?projectId=1", "projectId"),
        ("cyclePhase", "/cycle/release/2", "tcrCatalogTreeId"),
    ],
)
def test_orphans(make, entity, path, key):
    api = make(f"orphan:{entity}")
    assert f'"{key}":987654321' in api.get(path).text
    api.standin.set_faults([])
    assert "987654321" not in api.get(path).text


def test_orphan_executions(make):
    rows = executions(make("orphan:execution"))
    lost = [row for row in rows if row["tcrTreeTestcase"]["id"] == 987_654_321]
    assert 0 < len(lost) < len(rows) / 5


def test_field_faults_reach_nested_fields(make):
    api = make(
        "rename-field:execution.testerId=assignee",
        "add-field:execution.tcrTreeTestcase.colour",
        "drop-field:execution.assignmentDate",
        "retype-field:execution.versionId",
        "rename-field:cyclePhase.name=title",
        "retype-field:testcase.testcase.requirementIds",
        "drop-field:teststep.data",
        "new-status:77",
    )
    for row in executions(api):
        assert "assignee" in row
        assert "testerId" not in row
        assert "assignmentDate" not in row
        assert row["tcrTreeTestcase"]["colour"].startswith("added")
        assert set(row["versionId"]) == {"value"}
        assert (row.get("status") == "77") == (row["id"] % 10 == 3)
    assert all("title" in phase for cycle in api.json("/cycle/release/2") for phase in cycle["cyclePhases"])
    assert isinstance(api.json("/testcase/tree/267")["results"][0]["testcase"]["requirementIds"], str)
    case = api.truth()["teststep"]["keys"][0] // 10
    assert all("data" not in step for step in api.json(f"/testcase/{8 * case + 5}/teststep")["steps"])
    one = api.json("/execution/3")
    assert one == next(row for row in executions(api) if row["id"] == 3)
    api.standin.set_faults([])
    assert all("testerId" in row and "colour" not in row["tcrTreeTestcase"] for row in executions(api))


def test_some_rows_are_hit(make):
    api = make("retype-some:execution.versionId", "bad-date:release.createdDate", "bad-date:execution.assignmentDate")
    rows = executions(api)
    hit = [row["id"] for row in rows if isinstance(row["versionId"], dict)]
    assert hit == [row["id"] for row in rows if row["id"] % 10 == 3]
    assert hit == [row["id"] for row in rows if isinstance(row["assignmentDate"], str)]
    assert any(isinstance(release["createdDate"], str) for release in api.json("/release"))


@pytest.mark.parametrize(
    ("entity", "path"),
    [("execution", "/execution/3"), ("project", "/project"), ("testcase", "/testcase/detail/28"), ("user", "/user/3")],
)
def test_big_record(make, entity, path):
    assert len(make(f"big-record:{entity}:1.5").get(path).content) > 1_500_000


@pytest.mark.parametrize(
    "text",
    ["latency:20", "rate-limit:5", "rate-limit:2.5/10", "ignore-offset", "down", "big-record:user:2", "new-status:9"],
)
def test_valid_faults(text):
    assert parse_fault(text).text == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("explode", "cut:EVERY_NTH"),
        ("", "latency:MS"),
        ("latency", "latency:MS"),
        ("latency:soon", "needs a number"),
        ("cut:0", "whole number from 1"),
        ("rate-limit:0", "rate-limit:PER_SECOND[/BURST]"),
        ("down:now", "takes no argument"),
        ("empty:cycles", "cyclePhase"),
        ("orphan:user", "requirementtree"),
        ("drop-field:cycle", "cycle.build"),
        ("rename-field:cycle.build", "its new name"),
        ("big-record:user", "size in MB"),
        ("forbid:", "part of a path"),
    ],
)
def test_a_bad_fault_names_what_is_valid(text, told):
    with pytest.raises(RequestError, match="--fault") as caught:
        parse_fault(text)
    assert told in str(caught.value)


def test_a_bad_fault_changes_nothing(make):
    api = make("forbid:/user")
    with pytest.raises(RequestError):
        api.standin.set_faults(["nonsense"])
    assert api.get("/user").status_code == 403


def test_every_fault_is_described():
    assert len(fault_forms()) == 28
    assert all("  " in form for form in fault_forms())
