"""What a run showed to be otherwise than promised: failed evaluations taken apart into gaps, one per subject and cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spectra_assets.learning.evidence import CAUSES, TAKEN, text, whole
from spectra_assets.learning.gap import FACTS, Cause, Evaluation, Fact, Gap
from spectra_assets.names import plural

SEEN = ("table_made", "requests_calm", "values_mapped", "outputs_gated", "plan_holds", "steps_ran", "requests_steady",
        "rows_accepted", "times_kept")  # fmt: skip
"""Checks of the learning loop itself, for what no gate judges (`expected.py`)."""


def gaps_of(evaluation: Evaluation) -> list[Gap]:
    """The gaps that one failed evaluation shows, one per cause and subject, in the order of its rows; none if it passed."""
    if evaluation.passed:
        return []
    take = TAKEN.get(evaluation.check, whole)
    found: dict[tuple[Cause, str], list[Fact]] = {}
    lawful = False
    for row in evaluation.sample:
        taken = take(evaluation, row)
        if taken is None:
            lawful = True
            continue
        cause, subject, fact = taken
        found.setdefault((cause, text(subject) or ""), []).append(fact)
    if not found and not (lawful and evaluation.severity == "WARN"):
        found[CAUSES.get(evaluation.check, Cause.OTHER), ""] = []
    return [gap(evaluation, cause, subject, facts) for (cause, subject), facts in found.items()]


def gap(evaluation: Evaluation, cause: Cause, subject: str, facts: Iterable[Fact]) -> Gap:
    """A gap of one evaluation."""
    held = tuple(facts)[:FACTS]
    return Gap(
        source=evaluation.source,
        stage=evaluation.stage,
        table=evaluation.table,
        check=evaluation.check,
        severity=evaluation.severity,
        covenant_version=evaluation.covenant_version,
        run_id=evaluation.run_id,
        evaluation=evaluation.key,
        seen_at=evaluation.seen_at,
        cause=cause,
        subject=subject,
        entity=next((fact.entity for fact in held if fact.entity), None),
        failed=evaluation.failed,
        total=evaluation.total,
        message=evaluation.message,
        evidence=held,
    )


def of_runs(evaluations: Iterable[Evaluation]) -> Iterator[Gap]:
    """The gaps of several evaluations. An empty column is told once: by Extract, where no record has its field any more. So is
    one in another unit: by the records that show it."""
    gaps = [gap for evaluation in evaluations for gap in gaps_of(evaluation)]
    gone = {(gap.run_id, gap.source, gap.table, gap.subject) for gap in gaps if gap.check in ("fields_seen", "no_schema_drift")}
    shown = {(gap.run_id, gap.full_table, gap.subject) for gap in gaps if gap.check == "units_stay"}
    for gap in gaps:
        if gap.check == "scale_kept" and (gap.run_id, gap.full_table, gap.subject) in shown:
            continue
        paths = [(gap.run_id, gap.source, plural(gap.table), fact.path) for fact in gap.evidence if fact.kind == "emptied"]
        if not any(path in gone for path in paths):
            yield gap
