"""Rows set aside: what helps the columns for which they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from spectra_assets.lakehouse import quarantine
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import AddRule, Remedy, RemedyKind
from spectra_assets.learning.remedy.registry import FAMILIES, remedies_for
from spectra_assets.names import TableRef

_CAUSES = {"required_present": Cause.NULL_IN_REQUIRED, "types_hold": Cause.CHANGED_TYPE}
"""Rule that a row broke → the gap that its column has."""

_SHARE = 0.5
"""Share of the rows set aside that must have broken a column's rule for its remedies to be tried."""

_TOLD = 500
"""Characters of a rule's description."""

_OF_CELLS = (RemedyKind.DATE_FORMAT, RemedyKind.READ_AS)
"""Remedies that read cells otherwise and leave the column what it is."""


@remedies_for(Cause.QUARANTINE, Cause.ROWS_SET_ASIDE)
def set_aside(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The remedies for the rules which most of the rows broke. Where they are so few that no gate objected, what reads the cells
    of a column otherwise, and nothing that changes the column for them."""
    few = gap.cause == Cause.ROWS_SET_ASIDE
    found: list[Remedy] = []
    reasons: Counter[str] = Counter()
    rows = 0
    for rejected in quarantine.rows(facts.lakehouse, TableRef.parse(gap.full_table)):
        rows += 1
        reasons.update(set(rejected.reasons))
    for reason, count in reasons.most_common():
        rule, _, column = reason.rpartition(".")[2].partition(":")
        cause = _CAUSES.get(rule)
        if cause is None or not column or (not few and count < _SHARE * rows):
            continue
        one = gap.model_copy(update={"cause": cause, "subject": column})
        for family in FAMILIES.get(cause, ()):
            found += (remedy for remedy in family(one, facts) if not few or remedy.kind in _OF_CELLS)
    yield from _together(found)
    yield from found


def _together(remedies: Sequence[Remedy]) -> Iterator[Remedy]:
    """One rule for all fields whose dates come in the same further form: a row has several of them, and one alone brings none
    back."""
    alike: dict[tuple[str, ...], list[tuple[Remedy, AddRule]]] = {}
    for remedy in remedies:
        edit = remedy.edits[0]
        if remedy.kind == RemedyKind.DATE_FORMAT and remedy.needs_person is None and isinstance(edit, AddRule):
            alike.setdefault(tuple(edit.rule["formats"]), []).append((remedy, edit))
    for first, *others in alike.values():
        paths = [edit.rule["scope"]["field"] for _, edit in others]
        if paths:
            remedy, edit = first
            why = "; ".join(each.why for each, _ in (first, *others))
            told = {**edit.rule, "also": paths, "description": why[:_TOLD]}
            yield remedy.model_copy(update={"why": why, "edits": (edit.model_copy(update={"rule": told}),)})
