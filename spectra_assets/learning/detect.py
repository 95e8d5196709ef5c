"""What a run showed to be otherwise than promised: failed evaluations taken apart into gaps, one per subject and cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spectra_assets.gates.altered import Form
from spectra_assets.learning.evidence import CAUSES, TAKEN, text, whole
from spectra_assets.learning.gap import FACTS, Cause, Echo, Evaluation, Fact, Gap
from spectra_assets.names import plural

SEEN = ("table_made", "requests_calm", "values_mapped", "outputs_gated", "plan_holds", "steps_ran", "requests_steady",
        "rows_accepted", "times_kept", "refusals_stand")  # fmt: skip
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
    return [_gap(evaluation, cause, subject, facts) for (cause, subject), facts in found.items()]


def _gap(evaluation: Evaluation, cause: Cause, subject: str, facts: Iterable[Fact]) -> Gap:
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


def of_runs(evaluations: Iterable[Evaluation]) -> list[Gap]:
    """The gaps of several evaluations, each once: what one gate shows of another one's gap in the same run is named there."""
    gaps = [gap for evaluation in evaluations for gap in gaps_of(evaluation)]
    first = {root: gap.fingerprint for gap in reversed(gaps) for root in _roots(gap)}
    told: list[Gap] = []
    also: dict[str, list[Echo]] = {}
    for gap in gaps:
        known = next((first[root] for root in _echoed(gap) if root in first), None)
        if known is None or known == gap.fingerprint:
            told.append(gap)
        else:
            also.setdefault(known, []).append(gap.echo)
    return [gap.model_copy(update={"also": tuple(also.get(gap.fingerprint, ()))}) for gap in told]


def rekeyed(gap: Gap) -> list[str]:
    """The keys, as `entity.path`, that the records of the gap's table have no more, since they stand under others."""
    return [f"{gap.table}.{fact.path}" for fact in gap.evidence if fact.kind == Form.REKEYED and fact.path]


def _roots(gap: Gap) -> Iterator[tuple[str, ...]]:
    """What others show of this gap as well."""
    run = (gap.run_id, gap.source)
    if gap.check in ("fields_seen", "no_schema_drift"):
        yield (*run, "field", gap.table, gap.subject)
    elif gap.check == "values_stay":
        yield from ((*run, "column", gap.full_table, fact.column or "") for fact in gap.evidence)
        yield from ((*run, "emptied", plural(gap.table), fact.path or "") for fact in gap.evidence if fact.kind == Form.EMPTIED)
        yield from ((*run, "keys", gap.full_table) for fact in gap.evidence if fact.kind == Form.REKEYED)
        yield from ((*run, "referred", place) for place in rekeyed(gap))
    elif gap.cause == Cause.QUARANTINE:
        yield (*run, "rows", gap.full_table)
    elif gap.cause == Cause.SOURCE_SHRANK:
        if len(gap.evidence) > 1:
            yield (*run, "source")
        yield from ((*run, "shrunk", fact.note or "") for fact in gap.evidence)


def _echoed(gap: Gap) -> Iterator[tuple[str, ...]]:
    """What this gap is about, where another one that is told shows it first: an empty column where no record has its field any
    more, sizes where the records themselves show the unit, references to records that have other keys, rows set aside where there
    are too many of them, records gone from one table where they went from many."""
    run = (gap.run_id, gap.source)
    if gap.check == "columns_filled":
        yield (*run, "column", gap.full_table, gap.subject)
        yield from ((*run, "field", plural(gap.table), fact.path) for fact in gap.evidence if fact.path)
    elif gap.check == "fields_seen":
        yield (*run, "emptied", gap.table, gap.subject)
    elif gap.check == "values_stay" and not rekeyed(gap):
        told = {fact.references for fact in gap.evidence}
        yield from ((*run, "referred", place) for place in told if place and len(told) == 1)
    elif gap.check == "scale_kept":
        yield (*run, "column", gap.full_table, gap.subject)
    elif gap.cause == Cause.ROWS_SET_ASIDE:
        yield (*run, "rows", gap.full_table)
    elif gap.cause == Cause.RECORDS_GONE:
        yield (*run, "shrunk", gap.full_table)
        yield (*run, "keys", gap.full_table)
    elif gap.cause == Cause.SOURCE_SHRANK:
        yield (*run, "shrunk", gap.full_table)
        if len(gap.evidence) > 1:
            yield (*run, "source")
