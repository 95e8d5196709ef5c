"""Gates of Extract."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spectra_assets.covenant.access import Fetch, ParentKey
from spectra_assets.covenant.build import Extraction, Flattening
from spectra_assets.covenant.forms import EXTRACT_FORM
from spectra_assets.covenant.model import Table
from spectra_assets.errors import SpectraError
from tests.gates.conftest import Bench, column, table

WHOLE: dict[str, Any] = {
    "parentsAsked": 3,
    "rows": 2,
    "pages": 3,
    "skippedCount": 0,
    "skipped": [],
    "brokenCount": 0,
    "broken": [],
    "unansweredCount": 0,
    "repeatedCount": 0,
    "repeated": [],
    "missingKeyCount": 0,
    "missingKeys": [],
    "mismatchCount": 0,
    "mismatches": [],
}


def extracted(entity: str, *gates: str, parent: str | None = None, key: str = "id") -> Table:
    link = ParentKey(entity="phase", path=parent, parameter="id") if parent else None
    fetch = Fetch(entity=entity, path=f"/{entity}", parent=link, primary_key=key)
    return table(f"extract.{entity}s", *gates, columns=EXTRACT_FORM, entity=entity, build=Extraction(fetch=fetch))


def record(content: Any, parent: str | None = None, sequence: int = 0) -> dict[str, Any]:
    text = content if isinstance(content, str) else json.dumps(content)
    return {"record": text, "parentKey": parent, "sequence": sequence, "requestId": "q1"}


TWO = [record({"id": 1}), record({"id": 2})]


def test_an_extraction_is_complete(bench: Bench) -> None:
    promised = extracted("run", "extract_complete")
    assert bench.judge(promised, TWO, extraction=WHOLE).total == 6
    skipped = {"skippedCount": 2, "skipped": [{"parent": "7", "status": 500, "reason": "x\n" * 500}]}
    result = bench.judge(promised, TWO, extraction={**WHOLE, **skipped})
    assert (result.failed, result.total, result.rule_id) == (1, 6, "extract.extract_complete:skipped")
    assert "2 parents could not be read (parent 7, status 500" in result.message
    assert len(result.message) < 600
    assert result.message.isprintable()


@pytest.mark.parametrize(
    ("aspect", "facts"),
    [
        ("pages", {"brokenCount": 1, "broken": [{"parent": None, "page": 2, "status": 500, "reason": "oops"}]}),
        ("unanswered", {"unansweredCount": 1}),
        ("repeated", {"repeatedCount": 1, "repeated": [{"parent": "7", "key": "1"}]}),
        ("mismatch", {"mismatchCount": 1, "mismatches": [{"parent": None, "check": "recount", "expected": 3, "found": 2}]}),
        ("landed", {"rows": 3}),
        ("skipped", {"skippedCount": None}),
    ],
)
def test_what_is_missing_is_named(bench: Bench, aspect: str, facts: dict[str, Any]) -> None:
    result = bench.judge(extracted("run", "extract_complete"), TWO, extraction={**WHOLE, **facts})
    assert result.rule_id == f"extract.extract_complete:{aspect}"


@pytest.mark.parametrize(
    ("merge", "says"),
    [({"unlike": 0}, "1 rows came twice, alike both times (key a/1 of parent 7)"),
     ({"unlike": 1}, "1 rows came twice, 1 of them with other values the second time (key a/1 of parent 7)"),
     (None, "1 rows came twice (key a/1 of parent 7)")],
)  # fmt: skip
def test_rows_that_come_twice_are_told_as_they_are(bench: Bench, merge: dict[str, int] | None, says: str) -> None:
    facts = {**WHOLE, "repeatedCount": 1, "repeated": [{"parent": "7", "key": "a/1"}, {"parent": "", "key": "2"}]}
    more = {"merge": {"repeated": 1, **merge}} if merge is not None else {}
    message = bench.judge(extracted("run", "extract_complete"), TWO, extraction=facts, **more).message
    assert says in message
    assert "another run changes nothing" in message
    assert "continues where it stopped" not in message


def test_without_evidence_nothing_is_complete(bench: Bench) -> None:
    for gate in ("extract_complete", "no_schema_drift"):
        with pytest.raises(SpectraError, match="needs the evidence"):
            bench.judge(extracted("run", gate), TWO)


def test_drift_is_found(bench: Bench) -> None:
    promised = extracted("run", "no_schema_drift")
    clean = table(
        "clean.run",
        columns=[column("runId", source=["id"], required=True), column("note", source=["note"])],
        entity="run",
        build=Flattening(),
        **{"from": ["extract.runs"]},
    )
    assert bench.judge(promised, TWO, others=[clean], drift={}).passed
    change = {"expected": "int64", "seen": "text", "count": 2, "example": "text(12)"}
    gone = {"kind": "missingField", "expected": "int64", "seen": None, "count": 2, "example": ""}
    assert bench.judge(promised, TWO, others=[clean], drift={"note": gone}).passed
    drift = {"id": gone, "note": {"kind": "changedType", **change}, "more|<b>": {"kind": "newField", **change, "expected": None}}
    result = bench.judge(promised, TWO, others=[clean], drift=drift)
    assert (result.failed, result.total) == (3, 3)
    assert len(result.details["rules"]) == 3
    assert [row["path"] for row in result.sample] == ["id", "more|<b>", "note"]
    few = {"note": {"kind": "changedType", **change}}
    assert bench.judge(promised, TWO, others=[clean], drift=few, extraction={"rows": 200}).passed, "Clean sets two of 200 aside"
    assert not bench.judge(promised, TWO, others=[clean], drift=few, extraction={"rows": 199}).passed
    seen = extracted("run", "fields_seen")
    assert bench.judge(seen, TWO, others=[clean], drift=drift).passed, "what is required is told once"
    told = bench.judge(seen, TWO, others=[clean], drift={**drift, "note": gone, "other": gone})
    assert (told.failed, [row["path"] for row in told.sample]) == (2, ["note", "other"])


@pytest.mark.parametrize("evidence", [True, False])
def test_records_have_their_key(bench: Bench, evidence: bool) -> None:
    promised = extracted("run", "primary_key_present", key="a.id")
    good = [record({"a": {"id": number}}) for number in (1, 2)]
    assert bench.judge(promised, good, **({"extraction": WHOLE} if evidence else {})).passed
    bad = [record({"a": {"id": None}, "email": "jane@x.org"}, sequence=2)]
    bad += [record({"a": 1}), record("nope"), record({"a": {"id": " "}})]
    facts = {"extraction": {**WHOLE, "missingKeyCount": 4, "rows": 6}} if evidence else {}
    result = bench.judge(promised, [*good, *bad], **facts)
    assert (result.failed, result.total) == (4, 6)
    assert result.sample[-1] == {"sequence": 2, "requestId": "q1", "record": "{a, email}"}
    assert "jane" not in str(result.to_json())


def test_what_extract_counted_is_believed(bench: Bench) -> None:
    for key in ("id", "parts[].id", "@index"):
        result = bench.judge(extracted("run", "primary_key_present", key=key), TWO, extraction={**WHOLE, "missingKeyCount": 1})
        assert not result.passed
        assert "1 of 2 rows" in result.message


@pytest.mark.parametrize(
    ("path", "parents"),
    [
        ("id", [{"id": 7}, {"id": "k 8"}, {"id": None}]),
        ("a.id", [{"a": {"id": 7}}, {"a": {"id": "k 8"}}, {"a": None}]),
        ("parts[].id", [{"parts": [{"id": 7}, {"id": "k 8"}]}, {"parts": []}, {"parts": None}, {}]),
        ("a.ids[]", [{"a": {"ids": [7, "k 8"]}}]),
        ("a\\.b.od-d", [{"a.b": {"od-d": 7}}, {"a.b": {"od-d": "k 8"}}]),
    ],
)
def test_parents_are_there(bench: Bench, path: str, parents: list[Any]) -> None:
    phases = bench.publish(extracted("phase"), [record(parent) for parent in parents])
    promised = extracted("run", "parents_resolved", parent=path)
    good = [record({"id": 1}, "7"), record({"id": 2}, "k 8"), record({"id": 3}, "7")]
    assert bench.judge(promised, good, others=[phases]).total == 2
    result = bench.judge(promised, [*good, record({}, "9", 4), record({}, "9", 5), record({}, None, 6)], others=[phases])
    assert (result.failed, result.total) == (2, 4)
    assert result.sample == [
        {"parentKey": None, "records": 1, "sequence": 6},
        {"parentKey": "9", "records": 2, "sequence": 4},
    ]
    assert bench.judge(promised, [], others=[phases]).passed


@pytest.mark.parametrize(
    ("paths", "parents"),
    [
        (["owner.login", "name"], [({"owner": {"login": "o"}, "name": "a"}, None), ({"owner": {"login": "p"}, "name": 7}, None)]),
        (["@parent", "id"], [({"id": "a"}, "o"), ({"id": 7}, "p")]),
        (["@parent[0]", "id"], [({"id": "a"}, "o"), ({"id": 7}, '["p","x"]')]),
        (["@parent[1]", "id"], [({"id": "a"}, '["x","o"]'), ({"id": 7}, '["y","p"]')]),
        (["a.l[].o", "a.l[].n"], [({"a": {"l": [{"o": "o", "n": "a"}, {"o": "p", "n": 7}, {"o": "o"}]}}, None), ({}, None)]),
        (["l[].o", "l[].ns[]"], [({"l": [{"o": "o", "ns": ["a"]}, {"o": "p", "ns": [7, 8]}]}, None)]),
    ],
)
def test_parents_of_several_values_are_there(bench: Bench, paths: list[str], parents: list[Any]) -> None:
    phases = bench.publish(extracted("phase"), [record(parent, asked) for parent, asked in parents])
    also = [{"parameter": "name", "path": path} for path in paths[1:]]
    link = ParentKey(entity="phase", path=paths[0], parameter="owner", also=also)
    build = Extraction(fetch=Fetch(entity="run", path="/{owner}/{name}", parent=link))
    promised = table("extract.runs", "parents_resolved", columns=EXTRACT_FORM, entity="run", build=build)
    good = [record({"id": 1}, '["o","a"]'), record({"id": 2}, '["p","7"]'), record({"id": 3}, '["o","a"]')]
    assert bench.judge(promised, good, others=[phases]).total == 2
    bad = [record({}, '["o","7"]', 4), record({}, '["p","a"]', 5), record({}, "o", 6), record({}, None, 7)]
    result = bench.judge(promised, [*good, *bad], others=[phases])
    assert (result.failed, result.total) == (4, 6)


def test_no_parent_is_none_to_resolve(bench: Bench) -> None:
    assert "declares nothing" in bench.judge(extracted("run", "parents_resolved"), TWO).message


def test_a_parent_that_is_not_extracted_is_an_error(bench: Bench) -> None:
    with pytest.raises(SpectraError, match="phase, which the covenant does not extract"):
        bench.judge(extracted("run", "parents_resolved", parent="id"), TWO)
