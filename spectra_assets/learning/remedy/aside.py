"""Rows set aside: what helps the columns for which most of them were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from spectra_assets.lakehouse import quarantine
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy
from spectra_assets.learning.remedy.registry import FAMILIES, remedies_for
from spectra_assets.names import TableRef

_CAUSES = {"required_present": Cause.NULL_IN_REQUIRED, "types_hold": Cause.CHANGED_TYPE}
"""Rule that a row broke → the gap that its column has."""

_SHARE = 0.5
"""Share of the rows set aside that must have broken a column's rule for its remedies to be tried."""


@remedies_for(Cause.QUARANTINE)
def set_aside(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The remedies for the rules which most of the rows broke."""
    reasons: Counter[str] = Counter()
    rows = 0
    for rejected in quarantine.rows(facts.lakehouse, TableRef.parse(gap.full_table)):
        rows += 1
        reasons.update(set(rejected.reasons))
    for reason, count in reasons.most_common():
        rule, _, column = reason.rpartition(".")[2].partition(":")
        cause = _CAUSES.get(rule)
        if cause is None or not column or count < _SHARE * rows:
            continue
        one = gap.model_copy(update={"cause": cause, "subject": column})
        for family in FAMILIES.get(cause, ()):
            yield from family(one, facts)
