"""Source: what is catalogued, what is asked, and that nothing but GET ever leaves."""

from __future__ import annotations

import json
from collections import Counter
from unittest.mock import patch

import pytest

from spectra_assets.errors import ConfigurationError, CredentialError, RetriableError
from spectra_assets.playbook.model import Playbooks, Standards
from spectra_assets.playbook.rules import SettingRule


def setting(name, value):
    rule = SettingRule(id="test-setting", name=name, value=value)
    return Playbooks(Standards("", "", (), (rule,), "STANDARDS.md"), ())


def endpoints(runner):
    return {(row["method"], row["path"]): row for row in runner.rows("source.endpoints")}


def test_every_operation_is_listed_once(prepared):
    rows = prepared.rows("source.endpoints")
    assert len(rows) == 245 == len(endpoints(prepared))
    assert sum(row["origin"] == "documented" for row in rows) == 222
    assert prepared.drafts["source.endpoints"].evidence["probing"]["listed"] == 245


def test_only_get_is_sent_and_writes_are_never_called(prepared):
    assert set(prepared.standin.methods) == {"GET"}
    writes = [row for row in prepared.rows("source.endpoints") if row["method"] != "GET"]
    assert {row["category"] for row in writes} == {"write"}
    assert all(row["httpStatus"] is None for row in writes)


@pytest.mark.parametrize(
    ("path", "category", "shape", "records"),
    [
        ("/project/details", "readable", "array", ""),
        ("/execution", "readable", "envelope", "results"),
        ("/testcase/{testcaseVersionId}/teststep", "readable", "envelope", "steps"),
        ("/user/current", "readable", "object", "$"),
        ("/project/count/allprojects", "readable", "text", None),
        ("/field/name", "readable", "empty", None),
        ("/user/validZbotUsers", "forbidden", "text", None),
        ("/testcase/requirement/{testcaseid}", "gone", "text", None),
        ("/admin/preference", "needsParameters", "text", None),
        ("/externalGroup/search", "broken", "text", None),
    ],
)
def test_answers_are_told_apart(prepared, path, category, shape, records):
    row = endpoints(prepared)["GET", path]
    assert (row["category"], row["answerShape"], row["recordsPath"]) == (category, shape, records)


def test_path_parameters_are_filled_with_ids_that_were_found(prepared):
    rows = endpoints(prepared)
    steps = rows["GET", "/testcase/{testcaseVersionId}/teststep"]
    assert json.loads(steps["probedWith"])["testcaseVersionId"]["path"] == "testcase.id"
    assert steps["rowCount"] > 0
    assert json.loads(rows["GET", "/assignmenttree/{cyclephaseid}"]["probedWith"])["cyclephaseid"]["path"] == "cyclePhases[].id"
    unfilled = rows["GET", "/gadget/{dashboardId}"]
    assert (unfilled["category"], unfilled["reason"]) == ("notProbed", "no id is known for dashboardId")


def test_a_query_parameter_is_filled_where_nothing_comes_without(prepared):
    row = endpoints(prepared)["GET", "/requirement"]
    assert json.loads(row["probedWith"])["requirementtreeid"]["entity"] == "requirementtree"
    assert row["rowCount"] > 0


def test_the_hierarchy_is_proven_with_ids_of_parents(prepared):
    hierarchy = {proof["entity"]: proof for proof in prepared.drafts["source.portfolio"].evidence["hierarchy"]}
    assert len(hierarchy) == 10
    assert all(proof["reachable"] for proof in hierarchy.values())
    assert (hierarchy["cycle"]["parentEntity"], hierarchy["cycle"]["parentPath"]) == ("release", "id")
    assert hierarchy["project"]["parentEntity"] is None


def test_the_portfolio_counts_the_catalogue(prepared):
    (row,) = prepared.rows("source.portfolio")
    categories = Counter(each["category"] for each in prepared.rows("source.endpoints"))
    assert json.loads(row["categoryCounts"]) == dict(categories)
    assert (row["endpointCount"], row["getCount"], row["writeCount"]) == (245, 133, 112)
    assert (row["authStatus"], row["health"], row["hierarchyProven"]) == ("valid", "healthy", True)
    assert row["supportsIncremental"] is False
    assert "execution.lastModifiedOn" in row["incrementalEvidence"]
    assert "modifiedById" not in row["incrementalEvidence"]


def test_no_table_holds_the_secret(prepared):
    for name in ("source.config", "source.credentials", "source.endpoints", "source.portfolio"):
        assert prepared.standin.token not in json.dumps(prepared.rows(name), default=str)
    (credential,) = prepared.rows("source.credentials")
    assert (credential["isValid"], credential["account"]) == (True, "test.manager")
    assert credential["maskedValue"].startswith("****")
    config = {row["key"]: row["value"] for row in prepared.rows("source.config")}
    assert (config["tokenVariable"], config["setting.page_size"]) == ("ZEPHYR_API_TOKEN", "500")


def test_a_refused_credential_is_a_row_and_no_error(fresh):
    runner = fresh()
    runner.standin.token = runner.standin.token[::-1]
    with patch.object(type(runner), "environment", lambda self: patch.dict("os.environ", wrong(self))):
        evidence = runner.make("source.credentials").evidence["credential"]
    assert (evidence["isValid"], evidence["httpStatus"]) == (False, 401)
    assert "set ZEPHYR_API_TOKEN" in evidence["message"]


def test_a_path_that_is_gone_is_no_refused_credential(fresh):
    evidence = fresh("gone:/").make("source.credentials").evidence["credential"]
    assert (evidence["isValid"], evidence["httpStatus"]) == (True, 410)
    assert "is gone, and no other list answers" in evidence["message"]


def wrong(runner):
    return {"ZEPHYR_BASE_URL": runner.standin.base_url, "ZEPHYR_API_TOKEN": "not-the-token"}


def test_a_web_page_is_no_valid_credential(fresh):
    evidence = fresh("html").make("source.credentials").evidence["credential"]
    assert (evidence["isValid"], evidence["httpStatus"]) == (False, 200)
    assert "ZEPHYR_BASE_URL" in evidence["message"]


@pytest.mark.parametrize(("missing", "error"), [("ZEPHYR_API_TOKEN", CredentialError), ("ZEPHYR_BASE_URL", ConfigurationError)])
def test_a_missing_variable_is_an_error_that_names_it(fresh, missing, error):
    variables = {"ZEPHYR_BASE_URL": "http://127.0.0.1:9", "ZEPHYR_API_TOKEN": "x"} | {missing: ""}
    runner = fresh()
    with (
        patch.object(type(runner), "environment", lambda self: patch.dict("os.environ", variables)),
        pytest.raises(error, match=missing),
    ):
        runner.make("source.credentials")


def test_the_budget_is_kept_and_what_it_cuts_is_told(fresh):
    runner = fresh(playbooks=setting("probe_requests", 60))
    probing = runner.make("source.endpoints").evidence["probing"]
    assert probing["requests"] <= probing["budget"] < 60
    assert len(runner.standin.requests) <= 60
    assert "not tried: the budget of requests is used up" in probing["notProbed"].values()


def test_a_token_that_expires_stops_the_probing(fresh):
    runner = fresh("expire-after:20")
    with pytest.raises(CredentialError, match="401"):
        runner.make("source.endpoints")
    assert len(runner.standin.requests) < 60


def test_a_silent_api_stops_the_probing(fresh, monkeypatch):
    monkeypatch.setattr("spectra_assets.client.exchange.backoff", lambda *_: 0.0)
    with pytest.raises(RetriableError):
        fresh("down").make("source.endpoints")
