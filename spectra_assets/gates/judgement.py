"""The one way in which anything is judged: a frame, rules as boolean expressions, evaluated by pandera on the engine.

A rule holds or not for each row; a rule whose value is NULL is broken. One query measures a frame however many rules it has;
only when something is broken a second one fetches examples. All checks are pandera's dataframe-level checks. Its Columns are not
used: `nullable` costs one query per column, a decimal or list column of another type raises instead of being reported (0.35),
and a column that is absent makes it fetch a row and quote it, personal data included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.model import DataType, Gate, Severity
from spectra_assets.errors import SpectraError
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.sample import ROWS, example, one_line, take
from spectra_assets.lakehouse.conditions import any_of
from spectra_assets.lakehouse.types import ddl

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row


MESSAGE = 1000
"""Characters of a finding in a message at most."""


@dataclass(frozen=True)
class Rule:
    """What every row must satisfy: `good`, a boolean expression of Spark SQL; NULL counts as broken.

    `problem` says what is wrong with rows that break it, after "3 of 10 rows". `detail` tells the rules of a gate apart: a
    column, an aspect. `whole`: `problem` is a sentence of its own, said without the counts.
    """

    good: str
    problem: str
    detail: str = ""
    whole: bool = False


@dataclass(frozen=True)
class Judged:
    """A frame with its rules, and columns it must have (name → type, None for any type).

    `unit` is what a row is, in the plural; `show` are the columns of the sample (none: all); `quote` names the column whose
    text explains a broken row; `advice` says what to do.
    """

    frame: DataFrame
    rules: tuple[Rule, ...] = ()
    columns: Mapping[str, DataType | None] = field(default_factory=dict)
    unit: str = "rows"
    show: tuple[str, ...] = ()
    quote: str | None = None
    advice: str = ""


@dataclass(frozen=True)
class Result:
    """What a gate found. `failed` of `total` rows (or columns, keys, …) broke it; `sample` holds up to 20 of them, masked.

    `rule_id` is the gate's name, or `<stage>.<gate>:<detail>` of its first broken rule; `details` has every broken rule's count.
    """

    gate: str
    table: str
    passed: bool
    severity: Severity
    failed: int
    total: int
    sample: list[dict[str, Any]]
    rule_id: str
    message: str
    details: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        return {**asdict(self), "severity": str(self.severity)}


@dataclass
class _Measure:
    """What the check functions saw: pandera keeps only their verdicts."""

    wrong: dict[str, str] = field(default_factory=dict)
    """Column that is not as it must be → the type it has, or absent."""
    row: Row | None = None
    error: Exception | None = None


def judge(candidate: Candidate, gate: Gate, judged: Judged) -> Result:
    """Evaluate one frame. Raises SpectraError if it can't be judged: that is no failed gate, and no passed one."""
    measure = _Measure()
    faults = _validate(gate.name, judged, measure)
    if measure.error is not None:
        raise _unjudged(candidate, gate, measure.error) from measure.error
    failed, total = (int(measure.row[1]), int(measure.row[0])) if measure.row is not None else (0, len(judged.columns))
    if faults != bool(measure.wrong) + bool(failed) or (judged.rules and measure.row is None and not measure.wrong):
        raise _unjudged(candidate, gate, f"pandera reports {faults} faults for {len(measure.wrong)} columns and {failed} rows")
    if measure.wrong:
        return _wrong_columns(candidate, gate, judged, measure.wrong)
    if not failed or measure.row is None:
        return _passed(candidate, gate, total, judged.unit if judged.rules else "columns")
    return _broken_rows(candidate, gate, judged, failed, total, [int(count) for count in measure.row[2:]])


def _validate(name: str, judged: Judged, measure: _Measure) -> int:
    """How many of the checks pandera found broken."""
    import pandera.pyspark as pandera  # not at import: it takes half a second, and a covenant is loaded without judging
    from pandera.config import ValidationDepth, config_context

    rules = judged.rules

    def columns_hold(frame: DataFrame) -> bool:
        there = {column.name: column.dataType.simpleString() for column in frame.schema.fields}
        for column, kind in judged.columns.items():
            if column not in there or (kind is not None and there[column] != ddl(kind)):
                measure.wrong[column] = there.get(column, "absent")
        return not measure.wrong

    def rows_hold(frame: DataFrame) -> bool:
        if measure.wrong:  # rules may name a column that is not there
            return True
        counts = [_count(_breaks(rule)) for rule in rules] if len(rules) > 1 else []
        measure.row = frame.agg(F.count(F.lit(1)), _count(any_of(map(_breaks, rules))), *counts).collect()[0]
        return int(measure.row[1]) == 0

    def kept(check: Callable[[DataFrame], bool]) -> Callable[[DataFrame], bool]:
        def run(frame: DataFrame) -> bool:
            try:
                return check(frame)
            except Exception as error:
                measure.error = measure.error or error  # pandera would report it as broken rows
                raise

        return run

    checks = [pandera.Check(kept(columns_hold), name=f"{name}: columns")] if judged.columns else []
    checks += [pandera.Check(kept(rows_hold), name=name)] if rules else []
    # whatever PANDERA_VALIDATION_ENABLED and its like say: a gate that checks nothing would pass
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA, cache_dataframe=False):
        errors = pandera.DataFrameSchema(checks=checks).validate(judged.frame).pandera.errors
    return sum(len(faults) for kinds in errors.values() for faults in kinds.values())


def _breaks(rule: Rule) -> Column:
    return ~F.coalesce(F.expr(rule.good), F.lit(False))


def _count(condition: Column) -> Column:
    return F.count(F.when(condition, F.lit(1)))


def _passed(candidate: Candidate, gate: Gate, total: int, unit: str) -> Result:
    table = candidate.table.table
    message = f"{table}: {total} {unit} judged, none broken"
    return Result(gate.name, table, True, gate.severity, 0, total, [], gate.name, message, {})


def nothing_to_judge(candidate: Candidate, gate: Gate) -> Result:
    """The covenant promises nothing of what the gate is about: no reference, no rule, no key."""
    message = f"{candidate.table.table}: nothing to check: the covenant declares nothing for {gate.name}"
    return Result(gate.name, candidate.table.table, True, gate.severity, 0, 0, [], gate.name, message, {})


def _wrong_columns(candidate: Candidate, gate: Gate, judged: Judged, wrong: Mapping[str, str]) -> Result:
    rows: list[dict[str, Any]] = []
    for name, found in sorted(wrong.items()):
        kind = judged.columns[name]
        rows.append({"column": name, "expected": ddl(kind) if kind else "any type", "found": one_line(found)})
    words = "; ".join(f"{row['column']} is {row['found']} instead of {row['expected']}" for row in rows[:5])
    text = f"{len(wrong)} of {len(judged.columns)} columns are not as the covenant says: {words}"
    details = {"rules": {_rule_id(candidate, gate, name): 1 for name in sorted(wrong)[:ROWS]}}
    return _failure(candidate, gate, len(wrong), len(judged.columns), rows[:ROWS], text, judged.advice, details)


def _broken_rows(candidate: Candidate, gate: Gate, judged: Judged, failed: int, total: int, counts: list[int]) -> Result:
    broken = [(rule, count) for rule, count in zip(judged.rules, counts or [failed], strict=True) if count]
    sample = take(judged.frame, any_of(map(_breaks, judged.rules)), judged.show, candidate.personal, candidate.dumps)
    parts = [rule.problem if rule.whole else f"{count} of {total} {judged.unit} {rule.problem}" for rule, count in broken[:3]]
    if len(broken) > 3:
        parts.append(f"{len(broken) - 3} more rules are broken")
    text = "; ".join(parts)
    told = sample[0].get(judged.quote) if judged.quote and sample else None
    if told:
        text += f": {told}"
    elif sample:
        text += f", for example {example(sample[0])}"
    details = {"rules": {_rule_id(candidate, gate, rule.detail): count for rule, count in broken}}
    return _failure(candidate, gate, failed, total, sample, text, judged.advice, details)


def _failure(
    candidate: Candidate,
    gate: Gate,
    failed: int,
    total: int,
    sample: list[dict[str, Any]],
    text: str,
    advice: str,
    details: dict[str, Any],
) -> Result:
    table = candidate.table.table
    message = f"{table}: {one_line(text, MESSAGE)}" + (f". {advice[0].upper()}{advice[1:]}" if advice else "")
    rule_id = next(iter(details["rules"]))
    return Result(gate.name, table, False, gate.severity, failed, total, sample, rule_id, message, details)


def _rule_id(candidate: Candidate, gate: Gate, detail: str) -> str:
    return f"{candidate.table.ref.schema}.{gate.name}:{detail}" if detail else gate.name


def _unjudged(candidate: Candidate, gate: Gate, why: Exception | str) -> SpectraError:
    text = f"{type(why).__name__}: {why}" if isinstance(why, Exception) else why
    return SpectraError(f"the gate {gate.name} of {candidate.table.table} could not be judged: {one_line(text)}")


def unjudged(candidate: Candidate, gate: Gate, why: PySparkException) -> SpectraError:
    """The error for a frame that the engine could not even prepare."""
    return _unjudged(candidate, gate, why)
