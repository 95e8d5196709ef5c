"""Lists of children that are asked for by another value of their parent than before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from spectra_assets.covenant.access import Fetch, ParentKey
from spectra_assets.errors import SpectraError
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.plans import listed, promised_plan, promised_plan_of
from spectra_assets.learning.remedy.registry import SOURCE, carried, remedies_for, rule
from spectra_assets.learning.remedy.renames import plain_paths
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.asking.ids import is_id
from spectra_assets.stages.asking.sampling import Asked

_PARENTS = 3
"""Parents whose children must be those of before; two of them must have some."""

_FIELDS = 8
"""Fields of the parents that are tried."""

_LOOKED_AT = 100
"""Parents that are looked at."""

_NAMES = re.compile(r"(?i)(code|key|id|uuid|guid|slug|ref|number|no|num|name|handle)$")
"""How fields are called by whose values one may ask: they are tried first."""


@remedies_for(
    Cause.ENDPOINT_GONE,
    Cause.ENDPOINT_FORBIDDEN,
    Cause.ENDPOINT_BROKEN,
    Cause.UNREACHABLE_ENTITY,
    Cause.UNPROVEN_DEPENDENCY,
    Cause.ENVELOPE_CHANGED,
    Cause.PAGE_LIMIT,
    Cause.INCOMPLETE_EXTRACT,
)
def another_value(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The field of the parents by which their children are listed now: each parent's are those that it had before."""
    plan = promised_plan(gap, facts)
    parent = plan.parent if plan is not None else None
    if plan is None or parent is None or parent.composite or facts.explorer is None:
        return
    known = facts.before_by_parent(plan.entity)
    shown = [record for record in _parents(parent, facts) if known.get(_value(record, parent.path))]
    if len(shown) < 2 or _is_as_before(parent.path, shown, known, plan, facts):
        return
    for field in _fields(shown, parent):
        if _is_as_before(field, shown, known, plan, facts):
            values = {"path": plan.path, "parameter": parent.parameter, "parent": f"{parent.entity}.{field}"}
            why = (
                f"asked with {parent.path} of {parent.entity} GET {plan.path} does not list the records of before, "
                f"and with {field} it does, of each parent its own"
            )
            where = {"source": gap.source, "entity": plan.entity}
            yield rule(RemedyKind.CHOOSE_ROUTE, SOURCE, "route", where, values, why)
            return


def _parents(parent: ParentKey, facts: Facts) -> list[Record]:
    """Parents as the API lists them now, which may show fields that were not there before; else as they were published."""
    plan = promised_plan_of(parent.entity, facts)
    listing = listed(plan, facts, 1) if plan is not None else None
    return (listing.records if listing is not None and listing.records else facts.published(parent.entity))[:_LOOKED_AT]


def _fields(parents: Sequence[Record], parent: ParentKey) -> list[str]:
    """Fields whose values tell the parents apart, those first that are called as keys are."""
    found = []
    for path in plain_paths(parents[0]):
        values = [value for record in parents for value in values_at(record, path) if is_id(value)]
        if path != parent.path and carried(path) and len(set(map(str, values))) == len(values) == len(parents):
            found.append(path)
    return sorted(found, key=lambda path: _NAMES.search(path) is None)[:_FIELDS]


def _is_as_before(field: str, parents: Sequence[Record], known: dict[str, list[Record]], plan: Fetch, facts: Facts) -> bool:
    """Whether the lists asked for with this field hold some children, and no others than each parent had before."""
    assert facts.explorer is not None  # noqa: S101  (the caller's condition)
    assert plan.parent is not None  # noqa: S101  (the caller's condition)
    full = 0
    for record in parents[:_PARENTS]:
        try:
            asked = Asked(plan.path, ((plan.parent.parameter, _value(record, field)),), tuple(plan.query.items()))
            rows = facts.explorer.listing(asked).records
        except SpectraError:
            return False
        before = {_value(each, plan.primary_key) for each in known[_value(record, plan.parent.path)]}
        now = {_value(each, plan.primary_key) for each in rows}
        if not now <= before:
            return False
        full += bool(now)
        if not now and not full:
            return False  # the first of those that had children has none by this field
    return full > 1  # one could be all that the server gives to anybody


def _value(record: Record, path: str) -> str:
    return str(next(values_at(record, path), ""))
