"""Gates of Source and Prepare."""

from __future__ import annotations

from typing import Any

import pytest

from spectra_assets.covenant.canon import PARALLEL_ARRAYS
from spectra_assets.covenant.forms import FORMS
from spectra_assets.covenant.model import Severity
from spectra_assets.errors import SpectraError
from spectra_assets.gates.prepare import in_circles
from tests.gates.conftest import Bench, table


def form(name: str, gate: str, **more: Any) -> Any:
    return table(name, gate, columns=FORMS[name], **more)


# ---------------------------------------------------------------- Source


def test_every_credential_is_valid(bench: Bench) -> None:
    promised = form("source.credentials", "auth_valid")
    good = {"kind": "bearer", "isValid": True, "message": "accepted"}
    assert bench.judge(promised, [good]).passed
    bad = {"kind": "bearer", "isValid": False, "message": "401: token expired\n<b>", "account": "jane@example.org"}
    result = bench.judge(promised, [good, bad, {"kind": "x", "isValid": None}])
    assert (result.failed, result.total) == (2, 3)
    assert "401: token expired\\n<b>" in result.message
    assert "jane" not in str(result.to_json())


def test_no_credential_is_not_a_valid_one(bench: Bench) -> None:
    result = bench.judge(form("source.credentials", "auth_valid"), [])
    assert (result.passed, result.rule_id) == (False, "source.auth_valid:rows")


def endpoint(path: str, **more: Any) -> dict[str, Any]:
    return {"method": "GET", "path": path, "category": "readable", "pathParameters": [], **more}


def test_endpoints_are_unique(bench: Bench) -> None:
    promised = form("source.endpoints", "endpoints_unique")
    assert bench.judge(promised, [endpoint("/a"), endpoint("/a", method="POST")]).passed
    result = bench.judge(promised, [endpoint("/a"), endpoint("/a"), endpoint("/b")])
    assert (result.failed, result.sample) == (1, [{"method": "GET", "path": "/a", "rows": 2}])


def test_endpoints_are_parsed(bench: Bench) -> None:
    promised = form("source.endpoints", "endpoints_parsed")
    good = [endpoint("/a"), endpoint("/a/{id}/b/{key}", pathParameters=["id", "key"])]
    assert bench.judge(promised, good, probing={"listed": 2}).passed
    bad = [
        *(endpoint("a"), endpoint("/x", method="FETCH"), endpoint("/y", category=None), endpoint("/{id}")),
        endpoint("/z", pathParameters=None),
    ]
    result = bench.judge(promised, [*good, *bad], probing={"listed": 7})
    assert (result.failed, result.total) == (4, 7)
    assert [rule.split(":")[1] for rule in result.details["rules"]] == ["method", "path", "category", "parameters"]


def test_endpoints_are_as_many_as_the_pack_lists(bench: Bench) -> None:
    promised = form("source.endpoints", "endpoints_parsed")
    result = bench.judge(promised, [endpoint("/a")], probing={"listed": 3})
    assert "the pack lists 3 endpoints, 1 are here" in result.message
    assert not bench.judge(promised, [], probing={"listed": 0}).passed
    with pytest.raises(SpectraError, match="needs the evidence probing, which its actions did not leave; there is none"):
        bench.judge(promised, [endpoint("/a")])


def test_the_hierarchy_is_proven(bench: Bench) -> None:
    promised = form("source.portfolio", "hierarchy_proven")
    row = {"source": "acme", "hierarchyProven": True, "entityCount": 2, "reachableEntityCount": 2}
    proof = {"entity": "a", "reachable": True, "route": "/a", "reason": "3 rows", "parentId": 7}
    assert bench.judge(promised, [row], hierarchy=[proof]).passed
    assert not bench.judge(promised, [], hierarchy=[proof]).passed
    assert not bench.judge(promised, [{**row, "hierarchyProven": None}], hierarchy=[proof]).passed
    result = bench.judge(promised, [row], hierarchy=[proof, {"entity": "b", "reachable": False, "reason": "403"}])
    assert (result.failed, result.total, result.sample[0]["entity"]) == (1, 2, "b")
    assert "reason" in result.sample[0]
    assert "user access" in result.message


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        (["500: boom", "503: maintenance 404"], "The API failed"),
        (["403: missing scope 500"], "access"),
        (["500: boom", "403: no"], "access"),
        (["404: Not Found"], "Correct its route"),
        (["the pack names no route that is in the catalogue"], "access"),
    ],
)
def test_what_helps_depends_on_what_the_api_answered(bench: Bench, reasons: list[str], told: str) -> None:
    promised = form("source.portfolio", "hierarchy_proven")
    row = {"source": "acme", "hierarchyProven": False, "entityCount": 2, "reachableEntityCount": 0}
    proofs = [{"entity": f"e{n}", "reachable": False, "reason": reason} for n, reason in enumerate(reasons)]
    message = bench.judge(promised, [row], hierarchy=proofs).message
    assert told in message
    assert ("user access" in message) == (told == "access")


# ---------------------------------------------------------------- Prepare


def route(entity: str, parent: str | None = None, verdict: str = "proven", chosen: bool | None = True) -> dict[str, Any]:
    told = {"verdict": verdict, "chosen": chosen, "rowsSeen": 3 if verdict != "empty" else 0, "evidence": "seen"}
    return {"entity": entity, "path": f"/{entity}", "parentEntity": parent, **told}


def test_dependencies_are_proven(bench: Bench) -> None:
    promised = form("prepare.dependencies", "dependencies_proven")
    good = [route("a", verdict="complete"), route("b", "a"), route("b", "c", "ignored", chosen=False)]
    result = bench.judge(promised, good)
    assert (result.passed, result.total) == (True, 2)
    bad = [route("c", "a", "ignored"), route("d", chosen=False), route("e"), route("e", "a"), route("f", chosen=None)]
    result = bench.judge(promised, [*good, *bad], dependencies={"unproven": {"g": "403 | everywhere"}})
    assert (result.failed, result.total) == (5, 7)
    assert result.details["rules"] == {"prepare.dependencies_proven:chosen": 4, "prepare.dependencies_proven:verdict": 1}
    assert {row["entity"]: row["chosen"] for row in result.sample} == {"c": 1, "d": 0, "e": 2, "f": 0, "g": 0}
    assert next(row for row in result.sample if row["entity"] == "g")["evidence"] == "403 | everywhere"
    assert not bench.judge(promised, []).passed


def test_a_failure_of_the_api_is_told_with_what_to_do(bench: Bench) -> None:
    promised = form("prepare.dependencies", "dependencies_proven")
    why = {"unproven": {"g": "no route is proven: /g error: 500: oops"}, "outages": {"g": "GET /g: 500: oops"}}
    message = bench.judge(promised, [route("a", verdict="complete")], dependencies=why).message
    assert "evidence = 'no route is proven: /g error: 500: oops'" in message
    assert "The API failed when g was asked for (GET /g: 500: oops): run again" in message


def test_an_entity_without_records_has_a_route_where_no_other_showed_any(bench: Bench) -> None:
    promised = form("prepare.dependencies", "dependencies_proven")
    assert bench.judge(promised, [route("a", verdict="empty"), route("a", "b", "error", chosen=False) | {"rowsSeen": 0}]).passed
    result = bench.judge(promised, [route("a", verdict="empty"), route("a", "b", "ignored", chosen=False)])
    assert (result.failed, result.rule_id) == (1, "prepare.dependencies_proven:empty")


def test_dependencies_have_no_circle(bench: Bench) -> None:
    promised = form("prepare.dependencies", "dependencies_acyclic")
    assert bench.judge(promised, [route("a"), route("b", "a"), route("a", "b", chosen=False)]).passed
    assert bench.judge(promised, []).passed
    result = bench.judge(promised, [route("a", "c"), route("b", "a"), route("c", "b"), route("d", "c"), route("e", "e")])
    assert (result.failed, result.total) == (4, 5)
    assert {"parent": "e", "child": "e"} in result.sample


def test_what_leads_to_a_circle_is_none() -> None:
    assert in_circles([("r", "a"), ("a", "b"), ("b", "a"), ("b", "z")]) == {("a", "b"), ("b", "a")}


def test_the_canon_has_all_entities(bench: Bench) -> None:
    promised = form("prepare.schema", "schema_has_all_entities")
    assert bench.judge(promised, [{"entity": "a"}], expected={"entities": ["a"], "unreadable": {}}).passed
    result = bench.judge(promised, [{"entity": "a"}], expected={"entities": ["a", "b"], "unreadable": {"b": "forbidden"}})
    assert result.sample == [{"entity": "b", "reason": "forbidden"}]
    assert not bench.judge(promised, [], expected={"entities": [], "unreadable": {}}).passed


def test_each_row_is_one_entity(bench: Bench) -> None:
    promised = form("prepare.schema", "one_entity_per_row")
    assert bench.judge(promised, [{"entity": "a"}, {"entity": "b"}]).passed
    assert bench.judge(promised, [{"entity": "a"}, {"entity": " "}, {"entity": None}]).failed == 2
    assert bench.judge(promised, [{"entity": "a"}, {"entity": "a"}]).sample == [{"entity": "a", "rows": 2}]


def canon(entity: str, *fields: tuple[str, str | None, str, str | None]) -> dict[str, Any]:
    """(raw, target, type, date format) of each field."""
    arrays = {name: ["x"] * len(fields) for name in PARALLEL_ARRAYS}
    raws, targets, types, formats = zip(*fields, strict=True) if fields else ((), (), (), ())
    arrays |= {"rawField": list(raws), "targetField": list(targets), "dataType": list(types), "dateFormat": list(formats)}
    return {"entity": entity, **arrays}


ID, NAME = ("id", "aId", "int64", None), ("name", "aName", "text", None)


def test_fields_are_arrays_of_one_length(bench: Bench) -> None:
    promised = form("prepare.schema", "fields_as_arrays")
    assert bench.judge(promised, [canon("a", ID, NAME)]).passed
    short, absent = canon("b", ID, NAME), canon("c", ID)
    short["dataType"].pop()
    absent["piiLevel"] = None
    result = bench.judge(promised, [canon("a", ID), short, absent, canon("e", ID, ID)])
    assert (result.failed, result.total) == (3, 4)
    assert set(result.details["rules"].values()) == {1}
    assert [rule.split(":")[1] for rule in result.details["rules"]] == ["dataType", "piiLevel", "twice"]
    assert "fault of the software" in result.message


def test_an_entity_without_fields_is_what_the_api_gives_now(bench: Bench) -> None:
    promised = form("prepare.schema", "fields_as_arrays")
    bench.publish(promised, [canon("a", ID), canon("d", ID, NAME)])
    result = bench.judge(promised, [canon("a", ID), canon("d")])
    assert (result.failed, result.total, result.rule_id) == (1, 2, "prepare.fields_as_arrays:empty")
    assert "1 of 2 entities have no fields (d had 2 before), for example entity = 'd'. The API gives no record" in result.message
    assert "fault" not in result.message


def test_fields_have_names(bench: Bench) -> None:
    promised = form("prepare.schema", "fields_have_target_names")
    assert bench.judge(promised, [canon("a", ID, NAME), canon("b", ID, NAME)]).total == 4
    names = ["", None, "with space", "1a", "ünï", "Upper", "a;drop", "a" * 256]
    result = bench.judge(promised, [canon("a", ID, *((f"f{place}", name, "text", None) for place, name in enumerate(names)))])
    assert (result.failed, result.total) == (8, 9)


@pytest.mark.parametrize(
    ("fields", "passed"),
    [
        ([("at", "at", "timestamp", None), ("atText", "at", "timestamp", "MM/dd/yyyy")], True),
        ([("at", "at", "timestamp", None), ("atText", "at", "text", "MM/dd/yyyy")], False),
        ([("at", "at", "timestamp", None), ("atText", "at", "timestamp", None)], False),
        ([("at", "at", "text", None), ("AT", "aT", "text", None)], False),
        ([("user", "user", "json", None), ("user.name", "user", "text", None)], True),
        ([("user", "user", "json", None), ("username", "user", "text", None)], False),
        ([("tags", "tags", "json", None), ("tags[].a", "tags", "text", None)], True),
    ],
)
def test_names_are_shared_only_by_forms_of_one_date(bench: Bench, fields: list[Any], passed: bool) -> None:
    result = bench.judge(form("prepare.schema", "fields_have_target_names"), [canon("a", *fields)])
    assert result.passed == passed
    if not passed:
        assert (result.failed, result.rule_id) == (1, "prepare.fields_have_target_names:shared")


@pytest.mark.parametrize(
    ("fields", "echoes", "passed"),
    [
        ([("id", "aId", "int64", None), ("bs[].aId", "aId", "int64", None)], ["bs[].aId"], True),
        ([("id", "aId", "int64", None), ("bs[].aId", "aId", "int64", None)], [], False),
        ([("id", "aId", "int64", None), ("bs[].aId", "aId", "text", None)], ["bs[].aId"], False),
        ([("key", "aId", "int64", None), ("bs[].aId", "aId", "int64", None)], ["bs[].aId"], False),
        ([ID, ("bs[].aId", "aId", "int64", None), ("bs[].other", "aId", "int64", None)], ["bs[].aId"], False),
    ],
)
def test_names_are_shared_by_a_key_and_what_always_repeats_it(
    bench: Bench, fields: list[Any], echoes: list[str], passed: bool
) -> None:
    row = canon("a", *fields) | {"primaryKey": ["id"]}
    assert bench.judge(form("prepare.schema", "fields_have_target_names"), [row], echoes={"a": echoes}).passed == passed


def test_page_limits_are_known(bench: Bench) -> None:
    promised = form("prepare.constraints", "page_limits_known", severity=Severity.WARN)

    def seen(path: str, **constraints: str | None) -> list[dict[str, Any]]:
        return [{"path": path, "constraint": name, "value": value} for name, value in constraints.items()]

    whole = seen("/a", sizeParameter="size", largestPageSize="100", pastTheEnd="empty") + seen("/plain", paging="none")
    assert bench.judge(promised, whole, measuring={"unmeasured": {}}).total == 1
    result = bench.judge(promised, whole + seen("/b", offsetParameter="start"), measuring={"unmeasured": {"/c": "too few rows"}})
    assert (result.failed, result.severity) == (2, Severity.WARN)
    assert [row["path"] for row in result.sample] == ["/b", "/c"]
    assert bench.judge(promised, []).passed
