"""Many tables that lost much at once: a person may take the new state over, once."""

from __future__ import annotations

from collections.abc import Iterator

from spectra_assets.gates.together import ACCEPTED
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.registry import CLEAN, remedies_for, rule


@remedies_for(Cause.SOURCE_SHRANK)
def taken_over(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The versions that stand may be followed by what has much less: their next versions, and none after."""
    lost = [(fact.note, fact.expected, fact.seen, fact.count) for fact in gap.evidence if fact.note and fact.count is not None]
    if not lost:
        return
    told = ", ".join(f"{table} {before} to {now}" for table, before, now, _ in lost)
    values = {"name": ACCEPTED, "value": ", ".join(f"{table}@{version}" for table, _, _, version in lost)}
    why = f"{len(lost)} tables lost much of their records in one run: {told}"
    needs = f"{why}. If {gap.source} really lost them, the new state is taken over once; if not, what stands stays"
    yield rule(RemedyKind.ACCEPT_LOSS, CLEAN, "setting", {"source": gap.source}, values, why, needs)
