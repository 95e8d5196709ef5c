"""Gates of Transform and of the whole pipeline's manifest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from spectra_assets.covenant.build import Bridge, Calendar, Dimension, Enumeration, Fact, Reference
from spectra_assets.covenant.forms import FORMS
from spectra_assets.covenant.model import Column, DataType, Gate, Severity, Table
from spectra_assets.errors import MissingInputError, SpectraError
from tests.gates.conftest import Bench, column, table, text

HISTORY = [*(column(name, DataType.TIMESTAMP) for name in ("validFrom", "validTo")), column("isCurrent", DataType.BOOL)]
DIMENSION = Dimension(natural_key="cycleId", surrogate_key="cycleKey")


def dimension(*gates: str, build: Any = DIMENSION) -> Table:
    columns = [column("cycleKey"), column("cycleId"), *HISTORY]
    return table("transform.dimCycle", *gates, columns=columns, primary_key=["cycleKey"], build=build)


def day(number: int | None) -> datetime | None:
    return datetime(2024, 1, number, tzinfo=UTC) if number else None


def version(
    key: int, natural: int | None, start: int | None, end: int | None = None, current: bool | None = None
) -> dict[str, Any]:
    is_current = (end is None) if current is None else current
    return {"cycleKey": key, "cycleId": natural, "validFrom": day(start), "validTo": day(end), "isCurrent": is_current}


GOOD = [
    *(version(-1, None, 1), version(-2, None, 1)),
    *(version(1, 7, 1, 3), version(2, 7, 3, 5), version(3, 7, 5)),
    *(version(4, 8, 1, 2), version(5, 8, 4)),  # vanished and came back
    version(6, 9, 1, 2),  # gone
]


def test_one_version_is_current(bench: Bench) -> None:
    promised = dimension("one_current_row")
    result = bench.judge(promised, GOOD)
    assert (result.passed, result.total) == (True, 5)
    bad = [
        *(version(10, 70, 1), version(11, 70, 2)),  # two current
        *(version(12, 71, 1, 2), version(13, 71, 2, None, current=False)),  # an open one that is not
        {**version(14, 72, 1), "isCurrent": None},
    ]
    result = bench.judge(promised, [*GOOD, *bad])
    assert (result.failed, result.total) == (3, 8)
    assert result.details["rules"] == {"transform.one_current_row:several": 1, "transform.one_current_row:none": 2}
    assert result.sample[0] == {"cycleId": 70, "current": 2, "open": 2, "versions": 2}
    assert bench.judge(promised, []).passed


def test_enumerations_have_versions_too(bench: Bench) -> None:
    build = Enumeration(
        column="clean.run.n",
        natural_key="cycleId",
        surrogate_key="cycleKey",
        label="l",
        labels={},
        absent="none",
        unmapped="?",
    )
    assert bench.judge(dimension("one_current_row", build=build), GOOD).passed
    assert bench.judge(dimension("validity_has_no_gap_or_overlap", build=build), GOOD).passed


def test_versions_follow_each_other(bench: Bench) -> None:
    promised = dimension("validity_has_no_gap_or_overlap")
    assert bench.judge(promised, GOOD).total == 8
    bad = [
        *(version(10, 70, 1, 4), version(11, 70, 3)),  # overlap
        *(version(12, 71, 1), version(13, 71, 2)),  # the first never ends
        *(version(14, 72, 3, 3), version(15, 73, 3, 2), version(16, 74, None)),  # no time at all
        *(version(17, 75, 1), version(18, 75, 1)),  # the same start
    ]
    result = bench.judge(promised, [*GOOD, *bad])
    assert (result.failed, result.total) == (6, 17)
    rules = result.details["rules"]
    assert rules == {f"transform.validity_has_no_gap_or_overlap:{name}": 3 for name in ("order", "overlap")}
    assert [row["cycleKey"] for row in result.sample] == [10, 12, 14, 15, 16, 17]
    assert bench.judge(promised, []).passed


# ---------------------------------------------------------------- keys of facts and bridges


def calendar() -> Table:
    return table("transform.dimDate", columns=[column("dateKey")], primary_key=["dateKey"], build=Calendar(columns=[]))


def fact(*references: str, dates: dict[str, str] | None = None, kind: type = Fact) -> Table:
    links = [Reference(name=name, dimension="dimCycle", column="x") for name in references]
    columns: list[Column] = [column("runId"), *(column(name) for name in (*references, *(dates or {})))]
    inputs = ["transform.dimCycle", *(["transform.dimDate"] if dates else [])]
    build = Fact(references=links, dates=dates or {}) if kind is Fact else Bridge(references=links)
    more: Any = {"primary_key": ["runId"], "build": build, "from": inputs}
    return table("transform.factRun", "foreign_keys_resolve", columns=columns, **more)


def test_foreign_keys_resolve(bench: Bench) -> None:
    others = [bench.publish(dimension(), GOOD), bench.publish(calendar(), [{"dateKey": -1}, {"dateKey": 20240101}])]
    promised = fact("cycleKey", "otherKey", dates={"startKey": "start"})
    good = [
        {"runId": 1, "cycleKey": -1, "otherKey": 5, "startKey": 20240101},
        {"runId": 2, "cycleKey": 5, "otherKey": -2, "startKey": -1},
    ]
    assert bench.judge(promised, good, others=others).passed
    bad = [
        {"runId": 3, "cycleKey": 99, "otherKey": 5, "startKey": -1},
        {"runId": 4, "cycleKey": None, "otherKey": 98, "startKey": -1},
        {"runId": 5, "cycleKey": 1, "otherKey": 1, "startKey": 20250101},
    ]
    result = bench.judge(promised, [*good, *bad], others=others)
    assert (result.failed, result.total) == (3, 5)
    assert result.details["rules"] == {
        "transform.foreign_keys_resolve:cycleKey": 2,
        "transform.foreign_keys_resolve:otherKey": 1,
        "transform.foreign_keys_resolve:startKey": 1,
    }
    assert result.sample[1] == {"runId": 4, "cycleKey": None, "otherKey": 98, "startKey": -1}


def test_repeated_members_don_t_multiply_a_fact(bench: Bench) -> None:
    others = [bench.publish(dimension(), [*GOOD, version(1, 7, 1)])]
    promised = fact("cycleKey", kind=Bridge)
    result = bench.judge(promised, [{"runId": 1, "cycleKey": 1}, {"runId": 2, "cycleKey": 77}], others=others)
    assert (result.failed, result.total) == (1, 2)


def test_a_dimension_has_its_unknown_member(bench: Bench) -> None:
    others = [bench.publish(dimension(), GOOD[1:])]
    result = bench.judge(fact("cycleKey"), [], others=others)
    assert result.sample == [{"dimension": "transform.dimCycle", "unknownMembers": 0}]
    assert result.rule_id == "transform.foreign_keys_resolve:unknown"


def test_dimensions_must_be_there(bench: Bench) -> None:
    with pytest.raises(MissingInputError, match="acme/transform/dimCycle"):
        bench.judge(fact("cycleKey"), [], others=[dimension()])
    bare = fact("cycleKey").model_copy(update={"inputs": []})
    with pytest.raises(SpectraError, match=r"refers to transform\.dimCycle, which its covenant does not make"):
        bench.judge(bare, [])
    with pytest.raises(SpectraError, match="no calendar among its inputs"):
        bench.judge(fact(dates={"startKey": "start"}).model_copy(update={"inputs": []}), [])


def test_a_fact_without_keys_has_nothing_to_judge(bench: Bench) -> None:
    assert bench.judge(fact().model_copy(update={"inputs": []}), [{"runId": 1}]).passed


def open_reference(name: str, *columns: str, **more: Any) -> Reference:
    first, *also = columns
    return Reference(name=name, dimension="dimCycle", column=first, also={c: c for c in also}, unmatched="unknown", **more)


def test_values_without_a_member_are_told(bench: Bench) -> None:
    columns = [column(name) for name in ("runId", "cycleId", "a", "b", "cycleKey", "pairKey", "farKey")]
    links = [
        open_reference("cycleKey", "cycleId"),
        open_reference("pairKey", "a", "b"),
        open_reference("farKey", "a", via=[{"table": "clean.x", "key": "a", "take": "b"}]),
    ]
    promised = table(
        "transform.factRun", "references_matched", columns=columns, primary_key=["runId"], build=Fact(references=links)
    )
    names = [one.name for one in columns]
    good = [(1, 7, 1, 1, 3, 4, -1), (2, None, 1, None, -1, -1, -1)]
    assert bench.judge(promised, [dict(zip(names, row, strict=True)) for row in good]).passed
    bad = [(3, 99, 1, 1, -1, 4, -1), (4, 98, 5, 5, -1, -1, -1)]
    result = bench.judge(promised, [dict(zip(names, row, strict=True)) for row in [*good, *bad]])
    assert (result.failed, result.total) == (2, 4)
    assert result.details["rules"] == {"transform.references_matched:cycleKey": 2, "transform.references_matched:pairKey": 1}
    assert "of -1, though their cycleId has a value" in result.message


def test_pairs_without_a_member_are_told(bench: Bench) -> None:
    links = [open_reference("cycleKey", "cycleId"), open_reference("otherKey", "otherId")]
    columns = [column("cycleKey"), column("otherKey")]
    promised = table("transform.bridgeX", "references_matched", columns=columns, build=Bridge(references=links))
    assert bench.judge(promised, [{"cycleKey": 1, "otherKey": 2}]).passed
    assert bench.judge(promised, [{"cycleKey": 1, "otherKey": -1}]).failed == 1


def test_a_bridge_has_every_link_of_its_clean_table(bench: Bench) -> None:
    """Whatever dropped it: the balance of a bridge counts the pairs that were selected, the links are read anew."""
    names = ("cycleId", "otherId", "farId")
    clean = table("clean.x", columns=[column(name) for name in names])
    links = [open_reference(f"{name[:-2]}Key", name) for name in names]
    columns = [column(link.name) for link in links]
    promised = table(
        "transform.bridgeX",
        "rows_conserved",
        columns=columns,
        primary_key=[link.name for link in links],
        build=Bridge(references=links),
        **{"from": ["clean.x", "transform.dimCycle"]},
    )
    told = [(7, 8, None), (7, 9, 8), (8, 9, None), (8, 70, None), (8, 71, None), (9, None, None), (7, 8, None)]
    others = [
        bench.publish(dimension(), GOOD),
        bench.publish(clean, [dict(zip(names, row, strict=True)) for row in told]),
    ]
    keys = [link.name for link in links]
    whole = [(3, 5, -1), (2, 6, 5), (5, 6, -1), (5, -1, -1)]
    rows = [dict(zip(keys, row, strict=True)) for row in whole]
    assert bench.judge(promised, rows, others=others, rows_in=4).passed
    result = bench.judge(promised, rows[1:2], others=others, rows_in=1)
    assert (result.failed, result.rule_id) == (3, "transform.rows_conserved:links")
    assert {(row["cycleId"], row["otherId"], row["farId"]) for row in result.sample} == {
        (7, 8, None),
        (8, 9, None),
        (8, None, None),
    }
    matched = promised.model_copy(update={"gates": [Gate(name="references_matched", severity=Severity.WARN)]})
    assert bench.judge(matched, rows, others=others).details["rules"] == {"transform.references_matched:otherKey": 2}


# ---------------------------------------------------------------- the manifest


A, B = table("clean.a", "types_hold", "quarantine_small"), table("clean.b", **{"from": ["clean.a"]})


def manifest(*gates: str) -> Table:
    return table("log.manifest", *gates, columns=FORMS["log.manifest"], **{"from": ["clean.a", "clean.b"]})


def attempt(of: str, hour: int = 1, **more: Any) -> dict[str, Any]:
    started, finished = datetime(2024, 1, 1, hour, tzinfo=UTC), datetime(2024, 1, 1, hour, 30, tzinfo=UTC)
    row = {"runId": f"r{hour}", "table": of, "startedAt": started, "finishedAt": finished, "status": "published", "rowsOut": 1}
    gates = ["types_hold", "quarantine_small"]
    return {**row, "deltaVersion": 0, "schemaHash": "x", "covenantVersion": "1", "gatesRun": gates, **more}


def test_lineage_is_the_covenant_s(bench: Bench) -> None:
    promised = manifest("lineage_matches_covenant")
    assert bench.judge(promised, [], others=[A, B], lineage=[("clean.a", "clean.b"), ("clean.a", "log.manifest")]).total == 1
    result = bench.judge(promised, [], others=[A, B], lineage=[["extract.x", "clean.b"]])
    assert (result.failed, result.total) == (2, 2)
    assert len(result.details["rules"]) == 2
    assert result.sample[0] == {"input": "clean.a", "output": "clean.b", "inCovenant": True, "recorded": False}
    with pytest.raises(SpectraError, match="needs the evidence lineage"):
        bench.judge(promised, [], others=[A, B])


def test_all_outputs_exist(bench: Bench) -> None:
    promised = manifest("all_outputs_exist")
    here = bench.publish(table("clean.a", columns=[column("n")]), [])
    assert bench.judge(promised, [], others=[here, B]).sample == [{"table": "clean.b"}]
    bench.publish(table("clean.b", columns=[column("n")]), [])
    assert bench.judge(promised, [], others=[here, B]).total == 2


def test_all_gates_ran(bench: Bench) -> None:
    promised = manifest("all_gates_ran")
    rows = [attempt("clean.a", 2), attempt("clean.a", 1, gatesRun=[]), attempt("clean.b", gatesRun=None)]
    assert bench.judge(promised, rows, others=[A, B]).total == 2
    result = bench.judge(promised, [attempt("clean.a", 2, gatesRun=["types_hold"]), attempt("clean.a", 1)], others=[A, B])
    assert result.sample == [{"table": "clean.a", "gate": "quarantine_small"}]
    assert bench.judge(promised, [], others=[A, B]).failed == 2
    stopped = attempt("clean.a", 3, status="failed", gatesRun=None)
    assert bench.judge(promised, [stopped], others=[A, B]).total == 0, "manifest_complete tells of it"


def test_what_others_try_meanwhile_is_theirs(bench: Bench) -> None:
    mine, theirs = attempt("clean.a", 1), attempt("clean.a", 2, status="failed", gatesRun=None)
    rows = [mine, attempt("clean.b", 1), theirs]
    for gate in ("manifest_complete", "all_gates_ran"):
        assert bench.judge(manifest(gate), rows, others=[A, B], run="r1").total == 2
        assert bench.judge(manifest(gate), rows, others=[A, B], run="r1").failed == 0
    assert bench.judge(manifest("manifest_complete"), rows, others=[A, B], run="r3").failed == 1


def test_the_manifest_is_complete(bench: Bench) -> None:
    promised = manifest("manifest_complete")
    old = attempt("clean.a", 1, status="failed", schemaHash=None)
    assert bench.judge(promised, [old, attempt("clean.a", 2), attempt("clean.b", status="unchanged")], others=[A, B]).total == 2
    failed = attempt("clean.a", 3, status="blocked", error="jane@x.org\n" + "x" * 5000)
    result = bench.judge(promised, [attempt("clean.a", 2), failed], others=[A, B])
    assert (result.failed, result.total) == (2, 2)
    assert set(result.details["rules"]) == {"log.manifest_complete:missing", "log.manifest_complete:delivered"}
    result = bench.judge(promised, [attempt("clean.a", 3, deltaVersion=None), attempt("clean.b")], others=[A, B])
    assert result.details["rules"] == {"log.manifest_complete:recorded": 1}


def test_columns_may_be_absent_from_an_old_manifest(bench: Bench) -> None:
    old = manifest("manifest_complete").model_copy(update={"schema_": [text("table"), text("runId")]})
    result = bench.judge(old, [{"table": "clean.a"}], others=[A, B])
    assert {"column": "status", "expected": "any type", "found": "absent"} in result.sample
