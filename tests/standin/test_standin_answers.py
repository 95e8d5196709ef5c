"""Each quirk of the API, asked over HTTP."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from spectra_assets.standin.catalogue import Endpoint, endpoints

GETS = [endpoint for endpoint in endpoints() if endpoint.method == "GET"]
ENVELOPE = ["firstResult", "resultSize", "pageNumber", "results", "type"]
UNKNOWN = {"/defect/{defectId}": "0", "/field/{id}": "0", "/project/{id}": "0", "/user/{id}": "0", "/attachment/{id}": "0"}
REAL = {"/testcasetree/{tctId}": "3", "/assignmenttree/{cyclephaseid}": "1"}


def plain(endpoint: Endpoint, truth: dict[str, Any]) -> str:
    """The path as a probe calls it: no query, ids that mean something unless the status shows that they didn't."""
    if endpoint.path.endswith("/teststep"):
        case = next(key for key in truth["teststep"]["keys"]) // 10
        return f"/testcase/{8 * case + 5}/teststep"
    value = UNKNOWN.get(endpoint.path) or REAL.get(endpoint.path) or "1"
    return re.sub(r"\{[^}]*\}", value, endpoint.path)


def test_every_get_of_the_catalogue_answers_as_probed(api):
    truth = api.truth()
    wrong = []
    for endpoint in GETS:
        status = api.get(plain(endpoint, truth)).status_code
        if endpoint.probed_status is not None and status != endpoint.probed_status:
            wrong.append((endpoint.path, endpoint.probed_status, status))
        assert status not in (404, 405) or endpoint.probed_status == 404, endpoint.path
    assert wrong == []
    assert len(GETS) >= 130


@pytest.mark.parametrize(
    ("path", "status", "message", "code"),
    [
        ("/admin/preference", 400, "name cannot be null.", "141z05"),
        ("/field/validate", 400, "entityName cannot be null.", "122z04"),
        ("/execution/path", 400, 'For input string: "null"', "Bad Request"),
        ("/testcase", 400, "Insufficient parameters. word and zqlquery both cannot be null", "Bad Request"),
        ("/user/validZbotUsers", 403, "User does not have access to perform this operation", "Forbidden"),
        ("/testcase/requirement/5", 410, "API is deprecated,kindly contact to customer support", "Gone"),
        ("/testcasetree/lite", 417, "release Id and type are mandatory.", "Expectation Failed"),
        ("/field", 428, "fieldName cannot be null.", "Precondition Required"),
    ],
)
def test_recorded_refusals(api, path, status, message, code):
    response = api.get(path)
    assert (response.status_code, response.json()) == (status, {"errorMsg": message, "errorCode": code})


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/admin/preference", {"key": "testresult.testresultStatus.LOV"}),
        ("/field/validate", {"entityname": "testcase", "searchfieldname": "name"}),
        ("/execution/path", {"scheduleid": 1}),
        ("/testcase", {"word": "form"}),
        ("/testcasetree/lite", {"type": "Phase", "releaseid": 2}),
        ("/field", {"name": "name"}),
        ("/field/name", {"name": "name"}),
        ("/field/ids", {"ids": [1, 2]}),
        ("/cycle/cycleName/2", {"cycleName": "cycle"}),
        ("/cycle/phase/name", {"ids": [1, 2]}),
        ("/execution/ids", {"ids": [1, 2]}),
        ("/execution/user/project", {"projectid": 1}),
        ("/execution/byfilter", {"testcaseid": 12}),
        ("/executionchangehistory", {"releaseTestScheduleId": 1}),
        ("/testcase/nodes", {"treeids": [11, 19]}),
        ("/testcase/count", {"tcrcatalogtreeid": 3}),
        ("/testcase/path", {"testcaseid": 5}),
        ("/testcase/planning/11", {}),
        ("/license/peak/detail", {"licensetype": "named"}),
        ("/project/1", {}),
        ("/user/1", {}),
        ("/field/1", {}),
        ("/attachment", {"itemid": 13, "type": "testcase"}),
        ("/assignmenttree/1", {}),
        ("/summary/release/2", {}),
        ("/v3/summary/project/1", {}),
        ("/v4/requirementtree/1", {}),
        ("/v4/admin/preference/all/system", {}),
    ],
)
def test_mandatory_parameters_bring_data(api, path, query):
    assert api.json(path, **query)


def test_only_other_methods_exist_on_the_plain_cycle_path(api):
    assert api.get("/cycle", projectId=1, releaseId=2).status_code == 405
    assert api.get("/no/such/thing").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/project/details", "/project", "/release", "/release/project/1", "/cycle/release/2", "/user",
     "/testcasetree/projectrepository/1", "/testcasetree/phases/2", "/v4/requirementtree?projectId=1"],
)  # fmt: skip
def test_bare_arrays(api, path):
    assert isinstance(api.json(path), list)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/execution", {"cyclephaseid": 1}),
        ("/testcase/tree/267", {}),
        ("/testcase/planning/267", {}),
        ("/release/paged/project/1", {}),
        ("/requirement", {"requirementtreeid": 2}),
    ],
)
def test_envelopes_page_by_row_offset(api, path, query):
    whole = api.json(path, pagesize=0, **query)["results"]
    assert len(whole) > 3
    default = api.json(path, **query)
    assert list(default) == ENVELOPE
    assert (default["firstResult"], default["resultSize"], default["pageNumber"]) == (0, 0, 10)
    assert default["results"] == whole[:10]
    second = api.json(path, offset=1, pagesize=2, **query)
    assert (second["results"], second["pageNumber"]) == (whole[1:3], 2)
    assert api.json(path, offset=len(whole), **query)["results"] == []
    assert api.json(path, isascorder="false", pagesize=0, **query)["results"] == whole[::-1]


def test_unknown_parameters_are_ignored_and_executions_without_filter_are_always_the_same_ten(api):
    first = api.json("/execution")["results"]
    assert len(first) == 10
    for query in ({"cycleid": 3}, {"offset": 10}, {"pagesize": 500}, {"cycleid": 1, "offset": 50, "pagesize": 0}):
        assert api.json("/execution", **query)["results"] == first
    assert api.json("/release", projectid=1) == api.json("/release")


def test_execution_filters(api):
    phase = api.json("/execution", cyclephaseid=2, pagesize=0)["results"]
    assert phase
    assert {row["cyclePhaseId"] for row in phase} == {2}
    release = api.json("/execution", releaseid=2, pagesize=0)["results"]
    assert {row["id"] for row in phase} < {row["id"] for row in release}
    assert api.json("/execution", releaseid=2, cyclephaseid=2, pagesize=0)["results"] == phase
    tester = phase[0]["testerId"]
    mine = api.json("/execution", testerid=tester, releaseid=2, pagesize=0)["results"]
    assert mine == [row for row in release if row["testerId"] == tester]
    node = phase[0]["tcrTreeTestcase"]["tcrCatalogTreeId"]
    assert phase[0] in api.json("/execution", parentid=node, pagesize=0)["results"]
    assert api.json("/execution", cyclephaseid=999_999)["results"] == []


def test_executions_of_a_testcase(api):
    outer = api.json("/execution/1")["tcrTreeTestcase"]["id"]
    rows = api.json("/execution/byfilter", testcaseid=outer, pagesize=0)["results"]
    every = [row for release in api.json("/release") for row in api.all_pages("/execution", releaseid=release["id"])]
    assert {row["id"] for row in rows} == {row["id"] for row in every if row["tcrTreeTestcase"]["id"] == outer}


@pytest.mark.parametrize("path", ["/project/99", "/user/9999", "/field/99", "/attachment/99999999", "/execution/0"])
def test_unknown_ids_are_500(api, path):
    assert api.get(path).status_code == 500


def test_ids_are_repeated_not_comma_separated(api):
    assert api.get("/execution/ids", ids="1,2").status_code == 404
    assert [row["id"] for row in api.json("/execution/ids", ids=[1, 2])] == [1, 2]
    assert api.get("/execution", cyclephaseid="1,2").status_code == 404


def test_hidden_release(api):
    hidden = [release for release in api.json("/release") if release["projectRelease"]]
    assert {release["name"] for release in hidden} == {"Project Test Repository"}
    assert [release["projectId"] for release in hidden] == [project["id"] for project in api.json("/project")]
    assert not any("startDate" in release or "endDate" in release for release in hidden)
    paged = api.json("/release/paged/project/1", pagesize=0)["results"]
    listed = api.json("/release/project/1")
    assert [release for release in paged if not release["projectRelease"]] == listed
    assert api.json("/testcasetree/phases/1") == api.json("/testcasetree/projectrepository/1")


def test_dates_come_twice(api):
    dated = [release for release in api.json("/release") if "startDate" in release]
    pairs = [(release["startDate"], release["releaseStartDate"]) for release in dated]
    for cycle in api.json("/cycle/release/2"):
        pairs.append((cycle["endDate"], cycle["cycleEndDate"]))
        pairs += [(phase["startDate"], phase["phaseStartDate"]) for phase in cycle["cyclePhases"]]
    for epoch, text in pairs:
        assert datetime.fromtimestamp(epoch / 1000, UTC) == datetime.strptime(text, "%m/%d/%Y").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/project", {"externalId", "endDate"}),
        ("/release", {"status", "description", "startDate", "releaseStartDate", "endDate", "releaseEndDate"}),
        ("/execution?releaseid=2&pagesize=40", {"status", "executedBy", "lastTestResult", "actualTime"}),
    ],
)
def test_optional_keys_are_there_and_missing(api, path, keys):
    rows = api.json(path)
    rows = rows["results"] if isinstance(rows, dict) else rows
    for key in keys:
        assert {key in row for row in rows} == {True, False}, key


def test_execution_record(api):
    rows = api.all_pages("/execution", releaseid=2)
    users = api.truth()["user"]["count"]
    for row in rows:
        assert row["versionId"].isdigit()
        assert ("status" in row) == ("executedBy" in row) == ("lastTestResult" in row)
        if row["testerId"] in (-10, 0):
            assert row["testerIdName"] == "Anyone"
            assert "status" not in row
        else:
            assert 1 <= row["testerId"] <= users
        if "lastTestResult" in row:
            assert row["lastTestResult"]["releaseTestScheduleId"] == row["id"]
            assert row["lastTestResult"]["executionStatus"] == row["status"]
    assert {row.get("status") for row in rows} == {"1", "2", "3", "4", None}
    assert {-10, 0} <= {row["testerId"] for row in rows}
    defect = next(row["defects"][0] for row in rows if row["defects"])
    assert set(defect) == {"id", "externalId", "status", "priority", "description"}
    assert api.json(f"/defect/{defect['id']}") == defect
    assert api.json(f"/execution/{rows[5]['id']}") == rows[5]


def test_trees(api):
    roots = api.json("/testcasetree/projectrepository/2")
    assert {root["type"] for root in roots} == {"Phase"}
    module = roots[1]["categories"][0]
    leaf = module["categories"][0]
    assert (module["type"], module["parentId"], leaf["parentId"]) == ("Module", roots[1]["id"], module["id"])
    assert api.json(f"/testcasetree/{module['id']}") == module
    assert api.json(f"/testcasetree/hierarchy/{roots[1]['id']}") == [child["id"] for child in roots[1]["categories"]]
    assert roots[0]["cumulativeTestcaseCount"] >= roots[0]["categories"][0]["testcaseCount"]
    lite = api.json("/testcasetree/lite", type="Module", releaseid=5, parentid=roots[1]["id"])
    assert [node["id"] for node in lite] == [child["id"] for child in roots[1]["categories"]]


def test_three_testcase_ids_and_steps(api):
    rows = api.json("/testcase/tree/267")["results"]
    ids = [number for row in rows for number in (row["id"], row["testcase"]["id"], row["testcase"]["testcaseId"])]
    assert len(set(ids)) == len(ids)
    answers = {}
    for row in api.json("/testcase/nodes", treeids=[267, 299, 307]):
        response = api.get(f"/testcase/{row['testcase']['id']}/teststep")
        answers[response.status_code] = (row, response)
        assert api.get(f"/testcase/{row['id']}/teststep").status_code == 500
    assert set(answers) == {200, 204}
    row, response = answers[200]
    steps = response.json()
    assert (steps["tctId"], steps["tcId"]) == (row["id"], row["testcase"]["id"])
    assert [step["orderId"] for step in steps["steps"]] == list(range(1, steps["maxId"] + 1))
    assert api.get("/testcase/267/teststep").status_code == 204


def test_attachments(api):
    rows = api.json("/v3/attachment", itemid=13, type="testcase")
    assert api.json("/attachment", itemid=13, type="testcase") == rows
    assert api.json("/v3/attachment", itemid=13, type="Testcase") == []
    assert api.json("/v3/attachment", itemid=11, type="testcase")[0]["refId"] == rows[0]["refId"]  # C18
    url = f"{api.standin.base_url}/flex/download"
    file = api.session.get(url, params={"action": "download", "fileId": rows[0]["refId"]}, timeout=200)
    assert file.headers["Content-Type"] == "application/octet-stream"
    assert file.content
    assert api.json(f"/attachment/{rows[0]['id']}")["refId"] == rows[0]["refId"]
    assert api.session.get(url, params={"action": "download", "fileId": "testcase-0"}, timeout=200).status_code == 500


def test_requirements_need_a_tree_and_filter_by_release(api):
    assert api.get("/requirement").status_code == 400
    rows = api.json("/requirement", requirementtreeid=2, pagesize=0)["results"]
    release = next(row["releaseIds"][0] for row in rows if row["releaseIds"])
    some = api.json("/requirement", requirementtreeid=2, releaseid=release, pagesize=0)["results"]
    assert some == [row for row in rows if release in row["releaseIds"]]
    assert 0 < len(some) < len(rows)


def test_search_is_limited_to_100_rows(api):
    query = {"word": "*", "releaseid": 5, "zql": "false", "firstresult": 0, "maxresults": 50_000}
    found = api.json("/advancesearch", entitytype="testcase", **query)[0]
    assert list(found) == ["results", "resultSize", "type"]
    assert len(found["results"]) == min(found["resultSize"], 100)
    assert api.get("/advancesearch", entitytype="testcase").status_code == 400


def test_awkward_texts_are_served(api):
    text = api.get("/testcase/tree/267", pagesize=0).text + api.get("/project").text + api.get("/user").text
    for part in ("|", "<", "\\n", '\\"', "'", "ü"):
        assert part in text
    assert any(ord(letter) > 0xFFFF for letter in text)
