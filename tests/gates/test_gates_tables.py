"""Gates about keys, types, required columns and row counts (Clean and others)."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from spectra_assets.covenant.access import Fetch, ParentKey
from spectra_assets.covenant.build import (
    Derivation,
    Enrichment,
    Extraction,
    Fact,
    Flattening,
    Kpi,
    Reconciliation,
    Reference,
    Refinement,
)
from spectra_assets.covenant.model import DataType
from spectra_assets.errors import MissingInputError, SpectraError
from tests.gates.conftest import Bench, column, person, table, text

CYCLE = {
    "columns": [column("cycleId", required=True), text("cycleName", required=True), person("owner"), column("n")],
    "primary_key": ["cycleId"],
    "build": Flattening(),
}


def rows(*names: str | None, **more: Any) -> list[dict[str, Any]]:
    return [{"cycleId": place, "cycleName": name, "owner": "Jane", "n": place, **more} for place, name in enumerate(names)]


@pytest.mark.parametrize("gate", ["primary_key_unique", "grain_unique"])
def test_keys_are_unique(bench: Bench, gate: str) -> None:
    promised = table("clean.cycle", gate, **CYCLE)
    assert bench.judge(promised, rows("a", "b")).total == 2
    assert bench.judge(promised, []).passed
    result = bench.judge(promised, [*rows("a", "b", "c"), *rows("a", "b"), {"cycleId": None}, {"cycleId": None}])
    assert (result.failed, result.total) == (3, 4)
    assert result.sample == [{"cycleId": None, "rows": 2}, {"cycleId": 0, "rows": 2}, {"cycleId": 1, "rows": 2}]


def test_keys_of_many_rows_are_counted_before_they_are_looked_at(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spectra_assets.gates.keys.AT_ONCE", 2)
    promised = table("clean.cycle", "primary_key_unique", **CYCLE)
    result = bench.judge(promised, rows("a", "b", "c"))
    assert (result.passed, result.total) == (True, 1), "one count of all values"
    result = bench.judge(promised, [*rows("a", "b", "c"), *rows("a")])
    assert (result.failed, result.total, result.sample) == (1, 3, [{"cycleId": 0, "rows": 2}])


def test_a_personal_key_is_masked(bench: Bench) -> None:
    promised = table("clean.person", "primary_key_unique", columns=[person("email")], primary_key=["email"])
    result = bench.judge(promised, [{"email": "jane@example.org"}] * 2)
    assert result.sample == [{"email": "***", "rows": 2}]
    assert "jane" not in json.dumps(result.to_json())


def test_a_gate_about_a_key_needs_one(bench: Bench) -> None:
    with pytest.raises(SpectraError, match="no primary key"):
        bench.judge(table("clean.cycle", "primary_key_unique", columns=[column("a")]), [])


def test_a_table_without_key_has_one_row(bench: Bench) -> None:
    promised = table("analyse.total", "grain_unique", columns=[column("a")])
    assert bench.judge(promised, [{"a": 1}]).passed
    assert not bench.judge(promised, [{"a": 1}, {"a": 2}]).passed


def test_an_absent_key_column_is_a_failure(bench: Bench) -> None:
    result = bench.judge(table("clean.cycle", "primary_key_unique", **CYCLE), pa.table({"n": [1]}))
    assert result.sample == [{"column": "cycleId", "expected": "any type", "found": "absent"}]


def test_required_columns_are_filled(bench: Bench) -> None:
    promised = table("clean.cycle", "required_present", **CYCLE)
    assert bench.judge(promised, rows("a", "", "<b>")).passed
    result = bench.judge(promised, [*rows("a", None, None), {"cycleId": None, "cycleName": None}])
    assert (result.failed, result.total) == (3, 4)
    assert result.details["rules"] == {"clean.required_present:cycleId": 1, "clean.required_present:cycleName": 3}
    assert set(result.sample[0]) == {"cycleId", "cycleName"}


def test_nothing_required_is_nothing_to_judge(bench: Bench) -> None:
    result = bench.judge(table("clean.t", "required_present", columns=[column("a")]), [{"a": None}])
    assert (result.passed, result.total) == (True, 0)
    assert "declares nothing" in result.message


def test_rows_are_conserved(bench: Bench) -> None:
    promised = table("clean.cycle", "rows_conserved", **CYCLE)
    data = [
        *rows("a", "b"),
        *rows("c", _reasons=["clean.types_hold:n"]),
        *rows("d", _duplicate=True),
        *rows("e", _reasons=["clean.types_hold:n"], _duplicate=True),
    ]
    assert bench.judge(promised, data, rows_in=5, control=True).passed
    account = "6 rows went in, but 5 came out (2 accepted, 2 to quarantine, 1 duplicates)"
    for rows_in, words in ((6, account), (None, "an unknown number of rows went in")):
        result = bench.judge(promised, data, rows_in=rows_in, control=True)
        assert (result.passed, result.failed, result.rule_id) == (False, 1, "rows_conserved")
        assert words in result.message
    assert bench.judge(promised, [], rows_in=0).passed


def test_an_input_that_somebody_changed_is_told(bench: Bench) -> None:
    """Not one that was only compacted, nor one whose rows its own delivery replaced."""
    source = bench.publish(table("extract.cycles", columns=[column("cycleId")]), [{"cycleId": n} for n in range(5)])
    promised = table("clean.cycle", "rows_conserved", inputs=["extract.cycles"], **CYCLE)
    delta = DeltaTable(bench.lakehouse.path(source.ref))
    delta.optimize.compact()
    delta.optimize.z_order(["cycleId"])
    assert bench.judge(promised, rows(*"abcde"), others=[source], rows_in=5).passed
    delta.delete("cycleId >= 3")
    result = bench.judge(promised, rows(*"abc"), others=[source], rows_in=3)
    assert (result.passed, result.rule_id) == (False, "clean.rows_conserved:inputs")
    assert "extract.cycles has 3 rows, and 5 were delivered" in result.message
    assert "Materialise extract.cycles again" in result.message
    bench.publish(source, [{"cycleId": n} for n in range(4)])
    assert bench.judge(promised, rows(*"abcd"), others=[source], rows_in=4).passed


@pytest.mark.parametrize(("hashes", "passes"), [("aaaaabbbbb", True), ("abcdefghij", False)])
def test_records_under_the_key_of_others_are_no_repetitions(bench: Bench, hashes: str, passes: bool) -> None:
    source = bench.publish(table("extract.cycles", columns=[text("recordHash")]), [{"recordHash": each} for each in hashes])
    promised = table("clean.cycle", "rows_conserved", inputs=["extract.cycles"], **CYCLE)
    bench.publish(promised, rows(*"abcdefghij"))
    data = [*rows("a", "b"), *rows(*"cdefghij", _duplicate=True)]
    result = bench.judge(promised, data, others=[source], rows_in=10, control=True)
    assert result.passed is passes
    if not passes:
        assert "8 of 10 records, under keys that other records have as well" in result.message
        assert result.rule_id == "clean.rows_conserved:leftOut"


@pytest.mark.parametrize(
    ("below", "build", "passes"),
    [
        (["@parent"], Flattening(), False),
        (["@parent"], Flattening(deduplicate_by="n"), False),
        (["releaseId"], Flattening(), True),  # the record itself tells
        (["@parent[]"], Flattening(array="@parent"), True),  # the table of pairs
    ],
)
def test_what_several_parents_list_needs_room_for_each(bench: Bench, below: list[str], build: Flattening, passes: bool) -> None:
    columns = [*CYCLE["columns"], column("releaseId", source=below)]
    promised = table("clean.cycle", "rows_conserved", columns=columns, primary_key=["cycleId"], build=build)
    data = [*rows("a", "b", releaseId=1), *rows("a", releaseId=2, _duplicate=True)]
    result = bench.judge(promised, data, rows_in=3, control=True)
    assert result.passed is passes
    if not passes:
        assert "1 of 3 records came below another parent too, and releaseId has room for one" in result.message
        assert result.rule_id == "clean.rows_conserved:leftOut"
    keyed = table("clean.cycle", "rows_conserved", columns=columns, primary_key=["cycleId", "releaseId"], build=build)
    assert bench.judge(keyed, data, rows_in=3, control=True).passed


@pytest.mark.parametrize(("hashes", "passes"), [("aabbccddeeff", True), ("aabbccddeexy", True), ("aabbccuvwxyz", False)])
def test_what_several_parents_list_is_one_row_where_it_is_equal(bench: Bench, hashes: str, passes: bool) -> None:
    """The table of pairs tells who lists it: not what it says of each. Few may have changed while they were read."""
    link = ParentKey(entity="app", path="id", parameter="appId")
    fetch = Fetch(entity="cycle", path="/apps/{appId}/users", parent=link)
    promised_raw = table("extract.cycles", columns=[text("recordHash")], build=Extraction(fetch=fetch))
    source = bench.publish(promised_raw, [{"recordHash": each} for each in hashes])
    promised = table("clean.cycle", "rows_conserved", inputs=["extract.cycles"], **{**CYCLE, "build": Flattening()})
    result = bench.judge(
        promised, [*rows(*"abcdef"), *rows(*"abcdef", _duplicate=True)], others=[source], rows_in=12, control=True
    )
    assert result.passed is passes
    if not passes:
        assert "3 of 12 records came below another parent too, and say something else there" in result.message
        assert result.rule_id == "clean.rows_conserved:leftOut"


def test_types_hold(bench: Bench) -> None:
    kinds = list(DataType)
    promised = table("clean.t", "types_hold", columns=[column(f"c{kind.value}", kind) for kind in kinds])
    result = bench.judge(promised, [{}])
    assert (result.passed, result.total) == (True, len(kinds))
    result = bench.judge(promised, pa.table({f"c{kind.value}": pa.array([1], pa.int32()) for kind in kinds}))
    assert (result.failed, result.total) == (len(kinds), len(kinds))
    assert {"column": "cint64", "expected": "bigint", "found": "int"} in result.sample


@pytest.mark.parametrize("gate", ["types_hold", "required_present"])
@pytest.mark.parametrize(
    ("good", "bad", "passed"),
    [(40, 10, True), (39, 11, False), (2, 1, True), (1, 2, False), (0, 1, False), (10, 4, True), (10, 5, False)],
)
def test_a_column_that_many_rows_break_is_a_broken_promise(bench: Bench, gate: str, good: int, bad: int, passed: bool) -> None:
    promised = table("clean.cycle", gate, **CYCLE)
    data = [{"cycleId": number, "cycleName": "x", "n": number, "_reasons": []} for number in range(good)]
    reasons = [f"clean.{gate}:n", "clean.other:n"]
    data += [{"cycleId": number, "cycleName": "x", "n": None, "_reasons": reasons} for number in range(bad)]
    result = bench.judge(promised, data, control=True)
    assert result.passed == passed
    if not passed:
        assert result.rule_id == f"clean.{gate}:n"
        assert result.sample == [{"column": "n", "failed": bad, "total": good + bad}]


def test_values_that_are_absent_don_t_dilute_those_of_a_wrong_type(bench: Bench) -> None:
    data = [{"cycleId": number, "cycleName": "x", "n": None} for number in range(100)]
    data += [{"cycleId": number, "cycleName": "x", "n": None, "_reasons": ["clean.types_hold:n"]} for number in range(5)]
    result = bench.judge(table("clean.cycle", "types_hold", **CYCLE), data, control=True)
    assert result.sample == [{"column": "n", "failed": 5, "total": 5}]


def test_quarantine_is_small(bench: Bench) -> None:
    promised = table("clean.cycle", "quarantine_small", **CYCLE)
    few = [*rows(*"abcdefghijklmnopqrs"), *rows("z", _reasons=["clean.types_hold:n"])]
    assert bench.judge(promised, few, rows_in=20, control=True).passed
    result = bench.judge(promised, [*few, *rows("z", _reasons=["x"])], rows_in=21, control=True)
    assert not result.passed
    assert "2 of 21 rows were set aside" in result.message
    assert "quarantine.clean_cycle" in result.message
    assert bench.judge(promised, [], rows_in=0).passed


# ---------------------------------------------------------------- Refine


def test_rules_are_applied(bench: Bench) -> None:
    rules = [
        Derivation(rule="r.late", column="isLate", expression="n > 1"),
        Enrichment(rule="r.more", table="refine.other", on={"n": "n"}, columns={"label": "x", "free": "y"}),
    ]
    columns = [column("n"), column("isLate", DataType.BOOL), text("label")]
    promised = table("refine.fact", "rules_applied", columns=columns, build=Refinement(rules=rules))
    there = pa.table({"n": [1], "isLate": [None], "label": ["x"], "free": [1]})
    assert not bench.judge(promised, there).passed  # a column without type becomes text
    assert bench.judge(promised, there.set_column(1, "isLate", pa.array([None], pa.bool_()))).total == 3
    result = bench.judge(promised, pa.table({"n": [1], "isLate": ["yes"]}))
    assert (result.failed, result.total) == (3, 3)
    assert [row["column"] for row in result.sample] == ["free", "isLate", "label"]


def test_no_rules_are_nothing_to_judge(bench: Bench) -> None:
    assert bench.judge(table("refine.fact", "rules_applied", columns=[column("n")], build=Refinement()), []).passed


# ---------------------------------------------------------------- Analyse


def kpi(expression: str = "sum(n)", equals: str = "sum(n)", kind: DataType = DataType.INT64) -> Any:
    reconcile = Reconciliation(expression=expression, table="refine.fact", equals=equals)
    build = Kpi(rule="k", table="refine.fact", measures={"n": "sum(n)"}, after={"rate": "n / 2"}, reconcile=reconcile)
    return table("analyse.k", "totals_reconcile", columns=[column("n", kind)], build=build)


def reconciled(bench: Bench, here: list[Any], there: list[Any], kind: DataType = DataType.INT64) -> Any:
    fact = bench.publish(table("refine.fact", columns=[column("n", kind)]), [{"n": value} for value in there])
    return bench.judge(kpi(kind=kind), [{"n": value} for value in here], others=[fact])


@pytest.mark.parametrize(
    ("here", "there", "passed"),
    [([5, 5], [3, 7], True), ([10], [11], False), ([], [], True), ([], [None], True), ([], [1], False)],
)
def test_whole_totals_are_equal(bench: Bench, here: list[Any], there: list[Any], passed: bool) -> None:
    result = reconciled(bench, here, there)
    assert (result.passed, result.total) == (passed, 1)


def test_totals_are_shown(bench: Bench) -> None:
    result = reconciled(bench, [10, 1], [10])
    assert result.sample == [{"total": 11, "expected": 10}]
    assert "sum(n) of analyse.k is not sum(n) of refine.fact" in result.message


@pytest.mark.parametrize(
    ("here", "there", "passed"),
    [
        ([0.1, 0.2, 0.3], [0.6], True),
        ([1e15], [1e15 + 1], True),
        ([1.0], [1.00001], False),
        ([float("nan")], [5.0], False),
        ([float("nan")], [float("nan")], False),
        ([float("inf")], [5.0], False),
        ([5.0], [float("inf")], False),
        ([], [0.0], True),
    ],
)
def test_totals_with_fractions_differ_by_rounding_only(bench: Bench, here: list[Any], there: list[Any], passed: bool) -> None:
    assert reconciled(bench, here, there, DataType.FLOAT64).passed == passed


def test_a_table_to_reconcile_with_must_be_there(bench: Bench) -> None:
    with pytest.raises(MissingInputError, match="acme/refine/fact"):
        bench.judge(kpi(), [], others=[table("refine.fact", columns=[column("n")])])


def test_the_model_is_complete(bench: Bench) -> None:
    links = Fact(references=[Reference(name="key", dimension="dimA", column="x")])
    others = [
        table("transform.fact", columns=[column("key")], build=links),
        table("refine.fact", columns=[column("key"), text("label")], build=Refinement(), **{"from": ["transform.fact"]}),
        table("refine.dimA", columns=[column("key")], build=Refinement()),
        kpi(),
    ]
    promised = table("analyse.semanticModel", "model_complete", columns=[text("kind"), text("table"), text("name")])
    whole = [
        *(("column", "refine.fact", "key"), ("column", "refine.fact", "label"), ("column", "refine.dimA", "key")),
        *(("relationship", "refine.fact", "key"), ("measure", "analyse.k", "n"), ("table", "refine.fact", "fact")),
    ]
    model = [dict(zip(("kind", "table", "name"), entry, strict=True)) for entry in whole]
    assert bench.judge(promised, model, others=others).total == 5
    result = bench.judge(promised, [model[1], model[2], model[5]], others=others)
    assert result.sample == [model[0], model[4], model[3]]


def test_a_refined_table_keeps_its_rows(bench: Bench) -> None:
    promised = table("refine.fact", "grain_unique", columns=[column("n")], primary_key=["n"], build=Refinement())
    assert bench.judge(promised, [{"n": 1}, {"n": 2}], rows_in=2).passed
    assert bench.judge(promised, [{"n": 1}, {"n": 2}], rows_in=3).rule_id == "refine.grain_unique:balance"
    assert bench.judge(promised, [{"n": 1}]).passed


def test_a_table_of_very_many_required_columns_is_judged(bench: Bench) -> None:
    names = [f"a{number}" for number in range(200)]
    promised = table(
        "clean.cycle", "required_present", columns=[column(name, required=True) for name in names], primary_key=["a0"]
    )
    full = [dict.fromkeys(names, number) for number in range(3)]
    assert bench.judge(promised, full).passed
    result = bench.judge(promised, [*full, {**full[0], "a0": 9, "a150": None}])
    assert (result.passed, result.failed) == (False, 1)
    assert "a150" in result.message
