"""Fetch plans: how an entity is listed now, by what Prepare found since or the API shows, against what the covenant follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spectra_assets.covenant.access import Fetch, NoPaging, Paging
from spectra_assets.errors import SpectraError
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.registry import EXTRACT, PREPARE, carried, remedies_for, rule, scope
from spectra_assets.stages.asking.answers import values_at
from spectra_assets.stages.asking.locations import location_of, noun_of, records_at
from spectra_assets.stages.asking.sampling import Asked, Listing
from spectra_assets.stages.prepare.paging.constraints import measure

_PLANS = (
    Cause.PAGE_LIMIT, Cause.PAGING_CHANGED, Cause.INCOMPLETE_EXTRACT, Cause.ENVELOPE_CHANGED, Cause.ENDPOINT_BROKEN,
    Cause.ENDPOINT_GONE, Cause.ENDPOINT_FORBIDDEN, Cause.UNPROVEN_DEPENDENCY, Cause.IGNORED_PARAMETER, Cause.OTHER,
    Cause.MISSING_KEY, Cause.DUPLICATE_ROWS,
)  # fmt: skip


@remedies_for(*_PLANS)
def another_plan(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """What of the plan is another now: place of the records, paging, route."""
    promised = promised_plan(gap, facts)
    if promised is None:
        return
    now = _found(promised.entity, facts) or promised
    if now.records != promised.records:
        yield from _moved(gap, facts, promised, now.records)
    elif gap.cause in (Cause.ENVELOPE_CHANGED, Cause.ENDPOINT_BROKEN, Cause.OTHER, Cause.MISSING_KEY):
        yield from _moved(gap, facts, promised)
    if now.paging != promised.paging:
        yield from _paging(gap, facts, promised, now.paging, "Prepare measured it since")
    elif gap.cause in (Cause.PAGE_LIMIT, Cause.PAGING_CHANGED, Cause.INCOMPLETE_EXTRACT, Cause.DUPLICATE_ROWS):
        yield from _measured(gap, facts, promised)
    if (now.path, now.parent) != (promised.path, promised.parent):
        yield from _route(gap, facts, now)


def promised_plan(gap: Gap, facts: Facts) -> Fetch | None:
    """The plan of the covenant for the gap's entity."""
    entity = gap.entity or facts.entity_of(gap.full_table)
    return promised_plan_of(entity, facts) if entity is not None else None


def promised_plan_of(entity: str, facts: Facts) -> Fetch | None:
    """The plan by which the covenant extracts an entity."""
    return facts.in_force.fetches().get(entity)


def listed(plan: Fetch, facts: Facts, pages: int) -> Listing | None:
    """The first pages of a list without parents as the API gives them now; None if it can't be asked, or does not answer."""
    if plan.parent is not None or facts.explorer is None:
        return None
    facts.explorer.paging[plan.path] = plan.paging
    try:
        return facts.explorer.listing(Asked(plan.path, query=tuple(plan.query.items())), pages=pages)
    except SpectraError:
        return None


def _found(entity: str, facts: Facts) -> Fetch | None:
    """The plan that Prepare chose last."""
    row = next((row for row in facts.rows("prepare.dependencies") if row["entity"] == entity and row["chosen"]), None)
    return Fetch.model_validate_json(row["fetch"]) if row and row["fetch"] else None


def _records(gap: Gap, facts: Facts, place: str, how: str) -> Remedy:
    why = f"the records stand at {place or 'the top'} of the answer now: {how}"
    return rule(RemedyKind.RECORDS, EXTRACT, "records", scope(gap, facts), {"at": place}, why)


def _moved(gap: Gap, facts: Facts, promised: Fetch, found: str | None = None) -> Iterator[Remedy]:
    """Where the answers of the last extraction, or of one more request, hold the records: where Prepare `found` some since, or
    by themselves. What lacks their key is none of them."""
    values = [each.value for each in facts.came(promised.entity) if each.value is not None][:5]
    if not values or all(records_at(value, promised.records) for value in values):
        asked = _asked(promised, facts)
        met = facts.explorer.one(asked).value if facts.explorer is not None and asked is not None else None
        values = [met] if met is not None else []
    place = found if found is not None else location_of(values, noun_of(promised.path)).path if values else None
    if place is None or place == promised.records or (place and not carried(place)):
        return
    records = [record for value in values for record in records_at(value, place) or ()]
    if records and all(next(values_at(record, promised.primary_key), None) is not None for record in records):
        yield _records(gap, facts, place, f"{len(records)} records with their {promised.primary_key} were seen there")


def _measured(gap: Gap, facts: Facts, promised: Fetch) -> Iterator[Remedy]:
    """How the list pages, measured once more."""
    asked = _asked(promised, facts)
    if facts.explorer is None or asked is None:
        return
    try:
        named = facts.pack.endpoint(promised.path).query
    except KeyError:
        named = []
    size = int(facts.playbooks.setting("page_size", gap.source))
    try:
        found = measure(facts.explorer, asked, facts.pack.paging, named, size)
    except SpectraError:
        return
    if not found.unmeasured and found.paging != promised.paging:
        yield from _paging(gap, facts, promised, found.paging, "measured by fetching")


def _paging(gap: Gap, facts: Facts, promised: Fetch, paging: Paging, how: str) -> Iterator[Remedy]:
    values: dict[str, Any] = {"style": paging.kind}
    if not isinstance(paging, NoPaging):
        fields = ("offset_param", "page_param", "cursor_param", "after_param")
        values |= {"parameter": next((getattr(paging, each) for each in fields if getattr(paging, each, None)), None)}
        values |= {"at": getattr(paging, "next", None) or getattr(paging, "field", None)}
        values |= {"opening": getattr(paging, "opening", None)}
        values |= {"first": getattr(paging, "first", None), "size_parameter": paging.size_param, "size": paging.size}
    values = {name: value for name, value in values.items() if value is not None}
    if carried(*(value for value in values.values() if isinstance(value, str))):
        told = ", ".join(f"{name} {value}" for name, value in values.items())
        why = f"the list pages another way now ({how}): {told}"
        if isinstance(paging, NoPaging) and _says_more(promised, facts):
            return
        needs = _loss(promised, facts) if isinstance(paging, NoPaging) else None
        if needs is not None and gap.subject == "pages":
            return  # a page that could not be read is no sign that there are none any more
        yield rule(RemedyKind.PAGING, EXTRACT, "paging", scope(gap, facts), values, why, needs)


def _says_more(promised: Fetch, facts: Facts) -> bool:
    """Whether one answer says itself that there are more rows than it holds."""
    asked = _asked(promised, facts)
    try:
        seen = facts.explorer.one(asked) if facts.explorer is not None and asked is not None else None
    except SpectraError:
        return False
    return seen is not None and (seen.declared_total or 0) > seen.rows


def _loss(promised: Fetch, facts: Facts) -> str | None:
    """What would be lost if a list that had pages were read as one answer; None if that answer holds as many rows as were read
    before."""
    had = len(facts.published(promised.entity))
    if isinstance(promised.paging, NoPaging) or not had:
        return None
    one = listed(promised.model_copy(update={"paging": NoPaging()}), facts, pages=1)
    came = len(one.records) if one is not None and not one.failure else None
    if came is not None and came >= had:
        return None
    shown = "how many one answer holds is not known" if came is None else f"one answer holds {came:,}"
    return f"{had:,} rows were read page by page, {shown}: a person decides whether the others are gone"


def _route(gap: Gap, facts: Facts, now: Fetch) -> Iterator[Remedy]:
    values: dict[str, Any] = {"path": now.path}
    if now.parent is not None and not now.parent.also:
        values |= {"parameter": now.parent.parameter, "parent": f"{now.parent.entity}.{now.parent.path}"}
    elif now.parent is not None:
        return
    why = f"Prepare proved GET {now.path} since, and the route followed before not any more"
    if carried(*values.values()):
        yield rule(RemedyKind.CHOOSE_ROUTE, PREPARE, "route", scope(gap, facts), values, why)


def _asked(promised: Fetch, facts: Facts) -> Asked | None:
    """The list itself, or that of the parent with the most rows."""
    query = tuple(promised.query.items())
    if promised.parent is None:
        return Asked(promised.path, query=query)
    if promised.parent.also:
        return None
    lists = facts.lists(promised.entity)
    parent = max((name for name in lists if name), key=lambda name: sum(map(len, lists[name])), default=None)
    return Asked(promised.path, ((promised.parent.parameter, parent),), query) if parent is not None else None
