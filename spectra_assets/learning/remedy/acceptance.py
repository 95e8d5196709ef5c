"""What only a person can know to be right: the new state may be taken over, once."""

from __future__ import annotations

from collections.abc import Iterator

from spectra_assets.errors import StorageError
from spectra_assets.gates.together import ACCEPTED
from spectra_assets.learning.detect import rekeyed
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.registry import CLEAN, remedies_for, rule
from spectra_assets.names import TableRef


@remedies_for(Cause.SOURCE_SHRANK)
def taken_over(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The versions that stand may be followed by what has much less: their next versions, and none after."""
    lost = [(fact.note, fact.expected, fact.seen, fact.count) for fact in gap.evidence if fact.note and fact.count is not None]
    if not lost:
        return
    told = ", ".join(f"{table} {before} to {now}" for table, before, now, _ in lost)
    what = "1 table lost much of its" if len(lost) == 1 else f"{len(lost)} tables lost much of their"
    why = f"{what} records in one run: {told}"
    cap = next((fact.total for fact in gap.evidence if fact.total), None)
    if cap is not None:
        why = f"no record has more than {cap} rows of {lost[0][0]} now, and all that had more have as many: of rows {told}"
    needs = f"{why}. If {gap.source} really lost them, the new state is taken over once; if not, what stands stays"
    yield _accepted(gap, [f"{table}@{version}" for table, _, _, version in lost], why, needs)


@remedies_for(Cause.CHANGED_VALUES, Cause.CHANGED_UNIT, Cause.CHANGED_WORDS, Cause.PLACEHOLDER, Cause.SECOND_DATE_FORMAT)
def as_it_is(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The version that stands may be followed by columns to which something was done at once; no later one. With the keys of a
    table that is true of what refers to them."""
    own = [(gap.full_table, fact.column) for fact in gap.evidence if fact.column]
    if gap.check != "values_stay" or not own:
        return
    referring = list(_referring(gap, facts))
    try:
        names = [
            f"{table}.{column}@{facts.lakehouse.describe(TableRef.parse(table)).version}"
            for table, column in dict.fromkeys((*own, *referring))
        ]
    except StorageError:
        return
    why = "; ".join(fact.note for fact in gap.evidence if fact.note)
    also = f", and with them {' and '.join(f'{table}.{column}' for table, column in referring)}" if referring else ""
    needs = (
        f"{why}. If that is right, the new values are taken over once{also}, and the old ones stay in the history; if not, "
        f"{gap.full_table} stays as it is until {gap.source} is mended"
    )
    yield _accepted(gap, names, why, needs)


def _referring(gap: Gap, facts: Facts) -> Iterator[tuple[str, str]]:
    """(table, column) of what changed in the same run since it refers to records that have other keys."""
    keys = rekeyed(gap)
    for echo in gap.also:
        table = facts.table(echo.table) if echo.check == gap.check else None
        columns = table.schema_ if table is not None else ()
        yield from ((echo.table, column.name) for column in columns if column.references in keys)


def _accepted(gap: Gap, names: list[str], why: str, needs: str) -> Remedy:
    values = {"name": ACCEPTED, "value": ", ".join(names)}
    return rule(RemedyKind.ACCEPT, CLEAN, "setting", {"source": gap.source}, values, why, needs)
