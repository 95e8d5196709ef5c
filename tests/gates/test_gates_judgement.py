"""The mechanism that all gates share: NULLs, samples, hostile values, and what can't be judged."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from spectra_assets.covenant.build import Flattening
from spectra_assets.covenant.model import DataType, Gate, Severity
from spectra_assets.errors import SpectraError
from spectra_assets.gates.evaluate import blocking, evaluate
from spectra_assets.gates.judgement import Judged, Rule, judge
from spectra_assets.gates.registry import GATES, gate
from tests.gates.conftest import Bench, column, person, table, text

PROBE = Gate(name="probe")
HOSTILE = [
    *("ünïcödé 日本語", "a|b|c", "<script>alert(1)</script>", "line\nbreak\t\x00\x1b[31m"),
    *("x" * 1_000_000, "\u202ereversed", "`; --'\""),
]


def test_a_rule_that_is_null_is_broken(bench: Bench) -> None:
    made = bench.candidate(table("clean.t", columns=[column("n")]), [{"n": 1}, {"n": None}, {"n": -1}])
    result = judge(made, PROBE, Judged(made.accepted, (Rule("n > 0", "are not positive"),)))
    assert (result.passed, result.failed, result.total) == (False, 2, 3)
    assert result.rule_id == "probe"
    assert result.message == "clean.t: 2 of 3 rows are not positive, for example n = null"


def test_each_rule_is_counted_on_its_own(bench: Bench) -> None:
    rows = [{"a": 0, "b": 0}, {"a": 0, "b": 1}, {"a": 1, "b": 1}]
    made = bench.candidate(table("clean.t", columns=[column("a"), column("b")]), rows)
    rules = (Rule("a > 0", "have no a", "a"), Rule("b > 0", "have no b", "b"), Rule("a < 9", "have too much", "c"))
    result = judge(made, PROBE, Judged(made.accepted, rules, advice="repair it"))
    assert (result.failed, result.total) == (2, 3)
    assert result.details == {"rules": {"clean.probe:a": 2, "clean.probe:b": 1}}
    assert result.rule_id == "clean.probe:a"
    assert result.message == "clean.t: 2 of 3 rows have no a; 1 of 3 rows have no b, for example a = 0, b = 0. Repair it"


def test_no_rows_break_no_rule(bench: Bench) -> None:
    made = bench.candidate(table("clean.t", columns=[column("n")]), [])
    result = judge(made, PROBE, Judged(made.accepted, (Rule("n > 0", "are not positive"),)))
    assert (result.passed, result.failed, result.total, result.sample) == (True, 0, 0, [])


def test_samples_are_bounded_masked_and_on_one_line(bench: Bench) -> None:
    columns = [column("id"), text("free"), person("email"), column("raw", DataType.JSON)]
    rows = [
        {"id": number, "free": HOSTILE[number % len(HOSTILE)], "email": f"jane{number}@x.org", "raw": '{"name":"Jane","id":1}'}
        for number in range(50)
    ]
    made = bench.candidate(table("clean.t", columns=columns), rows)
    result = judge(made, PROBE, Judged(made.accepted, (Rule("id < 0", "are here"),)))
    assert (result.failed, len(result.sample)) == (50, 20)
    shown = json.dumps(result.to_json(), ensure_ascii=False)
    assert "jane" not in shown.lower()
    assert len(shown) < 10_000
    assert all(row["email"] == "***" and row["raw"] == "{name, id}" for row in result.sample)
    assert all(len(row["free"]) <= 120 and row["free"].isprintable() for row in result.sample)
    assert "\\n" in next(row["free"] for row in result.sample if row["free"].startswith("line"))
    assert result.message.isprintable()


def test_samples_hold_every_type_as_plain_json(bench: Bench) -> None:
    data = pa.table(
        {
            "id": [1],
            "when": pa.array([datetime(2024, 2, 29, 12, tzinfo=UTC)], pa.timestamp("us", "UTC")),
            "day": [date(1, 1, 1)],
            "cost": pa.array([Decimal("1.5")], pa.decimal128(38, 9)),
            "ratio": [float("nan")],
            "tags": [["a" * 200, None]],
            "pair": [{"x": 1}],
            "blob": [b"\xff"],
        }
    )
    made = bench.candidate(table("clean.t"), data)
    (row,) = judge(made, PROBE, Judged(made.accepted, (Rule("false", "are here"),))).sample
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert (row["day"], row["cost"], row["ratio"]) == ("0001-01-01", "1.500000000", "nan")
    assert (row["pair"], row["blob"]) == ('{"x":1}', "(binary)")
    assert row["tags"] == ["a" * 119 + "…", None]


@pytest.mark.parametrize("value", ["nope", "[1, 2]", '"Jane"', None])
def test_json_that_is_no_object_is_masked(bench: Bench, value: str | None) -> None:
    made = bench.candidate(table("clean.t", columns=[column("raw", DataType.JSON)]), [{"raw": value}])
    (row,) = judge(made, PROBE, Judged(made.accepted, (Rule("false", "are here"),))).sample
    assert row["raw"] == (None if value is None else "***")


def test_columns_are_judged_by_presence_and_type(bench: Bench) -> None:
    made = bench.candidate(table("clean.t", columns=[column("n"), person("email")]), [{"n": 1, "email": "jane@example.org"}])
    wanted = {"n": DataType.TEXT, "email": None, "gone": DataType.DATE}
    result = judge(made, PROBE, Judged(made.accepted, (Rule("gone IS NULL", "x"),), columns=wanted))
    assert (result.failed, result.total, result.rule_id) == (2, 3, "clean.probe:gone")
    assert result.sample == [
        {"column": "gone", "expected": "date", "found": "absent"},
        {"column": "n", "expected": "string", "found": "bigint"},
    ]
    assert "jane" not in json.dumps(result.to_json())


def test_an_expression_that_does_not_work_is_no_failed_gate(bench: Bench) -> None:
    made = bench.candidate(table("clean.t", columns=[column("n")]), [{"n": 1}])
    with pytest.raises(SpectraError, match=r"the gate probe of clean\.t could not be judged: AnalysisException"):
        judge(made, PROBE, Judged(made.accepted, (Rule("nowhere > 0", "x"),)))


def test_pandera_can_not_be_switched_off(bench: Bench) -> None:
    from pandera.config import config_context

    made = bench.candidate(table("clean.t", columns=[column("n")]), [{"n": 1}])
    with config_context(validation_enabled=False, validation_depth="SCHEMA_ONLY"):
        assert not judge(made, PROBE, Judged(made.accepted, (Rule("n > 1", "x"),))).passed


def test_gates_are_evaluated_in_order_and_only_errors_block(bench: Bench) -> None:
    gates = ("primary_key_unique", "required_present")
    promised = table("clean.t", *gates, columns=[column("id")], primary_key=["id"], build=Flattening())
    warned = promised.model_copy(update={"gates": [promised.gates[0], Gate(name="required_present", severity=Severity.WARN)]})
    results = evaluate(bench.candidate(warned, [{"id": None}, {"id": None}]))
    assert [(result.gate, result.passed, result.severity) for result in results] == [
        ("primary_key_unique", False, Severity.ERROR),
        ("required_present", False, Severity.WARN),
    ]
    assert blocking(results) == results[:1]


def test_an_unknown_gate_names_the_known_ones(bench: Bench) -> None:
    with pytest.raises(SpectraError, match=r"clean\.t names the gate typo, which is none of all_gates_ran, .* or values_stay"):
        evaluate(bench.candidate(table("clean.t", "typo", columns=[column("n")]), []))


def test_a_gate_of_another_kind_of_table_is_refused(bench: Bench) -> None:
    with pytest.raises(SpectraError, match=r"kind fixed; the gate one_current_row judges dimension or enumeration"):
        evaluate(bench.candidate(table("clean.t", "one_current_row", columns=[column("n")]), []))


def test_a_gate_is_registered_once() -> None:
    with pytest.raises(SpectraError, match="registered twice"):
        gate("types_hold")(lambda _: ())


def test_every_gate_says_what_it_shows() -> None:
    undescribed: list[Any] = [name for name, registered in GATES.items() if not registered.description.endswith(".")]
    assert undescribed == []


def test_gates_are_those_the_playbooks_demand() -> None:
    folder = Path(__file__).parents[2] / "playbooks" / "fabric" / "pipeline"
    demanded = {name for file in folder.glob("*.md") for name in re.findall(r"^- `(\w+)` on `", file.read_text(), re.MULTILINE)}
    assert demanded == set(GATES)
