"""Fetch plans: how an entity is listed now, by what Prepare found since or the API shows, against what the covenant follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from spectra_assets.covenant.access import Fetch, NoPaging, Paging
from spectra_assets.covenant.model import Extraction
from spectra_assets.errors import SpectraError
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.registry import EXTRACT, PREPARE, SOURCE, carried, remedies_for, rule, scope
from spectra_assets.names import plural
from spectra_assets.stages.asking.answers import values_at
from spectra_assets.stages.asking.locations import location_of, noun_of, records_at
from spectra_assets.stages.asking.sampling import Asked
from spectra_assets.stages.prepare.paging.constraints import measure

_SAME = 0.8
"""Share of the records known that another list must hold to be the same one."""

_LISTS = 20
"""Lists that are looked at in search of one that is gone."""

_PLANS = (
    Cause.PAGE_LIMIT, Cause.PAGING_CHANGED, Cause.INCOMPLETE_EXTRACT, Cause.ENVELOPE_CHANGED, Cause.ENDPOINT_BROKEN,
    Cause.ENDPOINT_GONE, Cause.ENDPOINT_FORBIDDEN, Cause.UNPROVEN_DEPENDENCY, Cause.IGNORED_PARAMETER, Cause.OTHER,
    Cause.MISSING_KEY, Cause.DUPLICATE_ROWS,
)  # fmt: skip


@remedies_for(*_PLANS)
def another_plan(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """What of the plan is another now: place of the records, paging, route."""
    promised = _promised(gap, facts)
    if promised is None:
        return
    now = _found(promised.entity, facts) or promised
    if now.records != promised.records:
        yield _records(gap, facts, now.records, "Prepare found them there since")
    elif gap.cause in (Cause.ENVELOPE_CHANGED, Cause.ENDPOINT_BROKEN, Cause.OTHER, Cause.MISSING_KEY):
        yield from _moved(gap, facts, promised)
    if now.paging != promised.paging:
        yield from _paging(gap, facts, now.paging, "Prepare measured it since")
    elif gap.cause in (Cause.PAGE_LIMIT, Cause.PAGING_CHANGED, Cause.INCOMPLETE_EXTRACT, Cause.DUPLICATE_ROWS):
        yield from _measured(gap, facts, promised)
    if (now.path, now.parent) != (promised.path, promised.parent):
        yield from _route(gap, facts, now)


def _promised(gap: Gap, facts: Facts) -> Fetch | None:
    """The plan of the covenant for the gap's entity."""
    entity = gap.entity or facts.entity_of(gap.full_table)
    for table in facts.covenant.tables():
        if isinstance(table.build, Extraction) and table.entity == entity:
            return table.build.fetch
    return None


def _found(entity: str, facts: Facts) -> Fetch | None:
    """The plan that Prepare chose last."""
    row = next((row for row in facts.rows("prepare.dependencies") if row["entity"] == entity and row["chosen"]), None)
    return Fetch.model_validate_json(row["fetch"]) if row and row["fetch"] else None


def _records(gap: Gap, facts: Facts, place: str, how: str) -> Remedy:
    why = f"the records stand at {place or 'the top'} of the answer now: {how}"
    return rule(RemedyKind.RECORDS, EXTRACT, "records", scope(gap, facts), {"at": place}, why)


def _moved(gap: Gap, facts: Facts, promised: Fetch) -> Iterator[Remedy]:
    """Where the answers of the last extraction, or of one more request, hold the records."""
    values = [each.value for each in facts.came(promised.entity) if each.value is not None][:5]
    if not values or all(records_at(value, promised.records) for value in values):
        asked = _asked(promised, facts)
        met = facts.explorer.one(asked).value if facts.explorer is not None and asked is not None else None
        values = [met] if met is not None else []
    place = location_of(values, noun_of(promised.path)).path if values else None
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
        yield from _paging(gap, facts, found.paging, "measured by fetching")


def _paging(gap: Gap, facts: Facts, paging: Paging, how: str) -> Iterator[Remedy]:
    values: dict[str, Any] = {"style": paging.kind}
    if not isinstance(paging, NoPaging):
        fields = ("offset_param", "page_param", "cursor_param", "after_param")
        values |= {"parameter": next((getattr(paging, each) for each in fields if getattr(paging, each, None)), None)}
        values |= {"at": getattr(paging, "next", None) or getattr(paging, "field", None)}
        values |= {"first": getattr(paging, "first", None), "size_parameter": paging.size_param, "size": paging.size}
    values = {name: value for name, value in values.items() if value is not None}
    if carried(*(value for value in values.values() if isinstance(value, str))):
        told = ", ".join(f"{name} {value}" for name, value in values.items())
        yield rule(
            RemedyKind.PAGING, EXTRACT, "paging", scope(gap, facts), values, f"the list pages another way now ({how}): {told}"
        )


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


# ---------------------------------------------------------------- endpoints that do not answer


@remedies_for(Cause.ENDPOINT_GONE, Cause.ENDPOINT_FORBIDDEN, Cause.ENDPOINT_BROKEN, Cause.UNREACHABLE_ENTITY)
def another_endpoint(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """Another list that holds the same records; else the entity is left out: if it was read before, a person decides that."""
    promised = _promised(gap, facts)
    entity = gap.entity or (promised.entity if promised else None)
    if entity is None:
        return
    path = promised.path if promised else next(iter(_routes(entity, facts)), None)
    if path is None:
        return
    found = _same_list(entity, path, facts)
    if found is not None:
        values = {"path": path, "instead": found[0], "reason": f"it answers no more; GET {found[0]} lists the same records"}
        why = f"GET {path} does not answer, and GET {found[0]} lists {found[1]} of its {found[2]} records"
        yield rule(RemedyKind.REPLACE_ENDPOINT, SOURCE, "endpoint", {"source": gap.source}, values, why)
    told = {Cause.ENDPOINT_GONE: "it is gone", Cause.ENDPOINT_FORBIDDEN: "the credential may not read it"}
    reason = told.get(gap.cause, "it does not answer")
    needs = None
    if facts.published(entity):
        needs = f"{plural(entity)} were read before: without them their tables are no longer made, so a person decides"
    elif gap.cause not in told:
        needs = "what is broken may be mended: a person decides whether to go on without it"
    values = {"path": path, "reason": reason}
    yield rule(RemedyKind.SKIP_ENDPOINT, SOURCE, "endpoint", {"source": gap.source}, values, f"GET {path}: {reason}", needs)


def _routes(entity: str, facts: Facts) -> list[str]:
    return next((hint.routes for hint in facts.pack.entities if hint.entity == entity), [])


def _same_list(entity: str, path: str, facts: Facts) -> tuple[str, int, int] | None:
    """(path, records found there, records known) of a list without parameters that holds the records known of an entity."""
    known = facts.entity(entity)
    before = facts.published(entity) or facts.sampled(entity)
    if known is None or facts.explorer is None or not before:
        return None
    keys = {str(value) for record in before for value in values_at(record, known.primary_key)}
    for other in _others(path, facts):
        try:
            listing = facts.explorer.listing(Asked(other), pages=1)
        except SpectraError:
            return None
        here = {str(value) for record in listing.records for value in values_at(record, known.primary_key)}
        mine = len(here & keys)
        alike = bool(listing.records) and set(before[0]) & set(listing.records[0]) == set(before[0])
        if here and alike and mine >= _SAME * min(len(here), len(keys)):
            return other, mine, len(keys)
    return None


def _others(path: str, facts: Facts) -> list[str]:
    """Lists that may have taken the place of one: those of the catalogue, and what the root of the API names now."""
    taken = {route for hint in facts.pack.entities for route in hint.routes}
    listed = [each.path for each in facts.pack.endpoints if each.method == "GET" and "{" not in each.path]
    root = facts.explorer.one(Asked("/")).value if facts.explorer is not None else None
    named = [_below(value, facts) for value in (root.values() if isinstance(root, dict) else ()) if isinstance(value, str)]
    found = [each for each in dict.fromkeys([*named, *listed]) if each and each not in taken and each != path and carried(each)]
    return [each for each in found if each][:_LISTS]


def _below(address: str, facts: Facts) -> str | None:
    """The path below the base URL that an address of the same server has."""
    assert facts.wire is not None  # noqa: S101  (the caller's condition)
    base = urlsplit(facts.wire.client.base_url)
    there = urlsplit(address)
    if there.netloc not in ("", base.netloc) or there.query or "{" in there.path:
        return None
    path = there.path.removeprefix(base.path.rstrip("/"))
    return path if path.startswith("/") and len(path) > 1 else None
