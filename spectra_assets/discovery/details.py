"""The address of one record: whether it tells more than the list does, which some keep short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from urllib.parse import quote

from spectra_assets.client.target import segment
from spectra_assets.covenant.paths import ARRAY, ITSELF, join_path, one_record
from spectra_assets.discovery.kinds import NOTHING, key_of, tells_more
from spectra_assets.discovery.route import Fill, Route, entity_name, filled, plain_values, shape
from spectra_assets.discovery.scout import Look, Scout
from spectra_assets.discovery.templates import static_prefix
from spectra_assets.stages.asking.answers import Record
from spectra_assets.stages.asking.locations import LINES

_MOST = 60
"""Lists at most whose records are asked for one by one."""

_TRIES = 3
"""Records of one list that are asked for: what the first leaves empty, another may fill."""


def with_details(scout: Scout, routes: Iterable[Route], described: Iterable[str] = ()) -> list[Route]:
    """Further routes: `/orders/{orderId}` of the lists whose records have an address of their own, asked for a record or a few.

    `described` are paths of a description; where they name no such address, the list's own with the key of a record is tried.
    """
    routes = list(routes)
    known = {shape(route.path): route for route in routes}
    named = {shape(path): path for path in described}
    found: list[Route] = []
    listed = [route for route in routes if route.kind == "list" and route.records and "?" not in route.path]
    lists = [route for route in listed if len(route.fills) < 2]
    for above in sorted(lists, key=lambda route: (len(route.fills), route.path))[: min(_MOST, scout.left // 4)]:
        for own in _own(above):
            place = shape(own)
            seen = known.get(place)
            if seen is not None and seen.looks and not _lists_one(seen):
                break
            described_path = named.get(place)
            route = _asked(scout, above, described_path or own, sure=seen is not None or described_path is not None)
            if route is None:
                continue
            if seen is not None:
                seen.path, seen.fills, seen.examples, seen.one_of = route.path, route.fills, route.examples, route.one_of
                seen.looks, seen.kind, seen.reason = route.looks, route.kind, ""
            else:
                known[place] = route
                found.append(route)
            break
    return found


def _lists_one(route: Route) -> bool:
    """Whether an endpoint with a parameter gave lists of one record each: perhaps the one that was asked for."""
    return route.kind == "list" and bool(route.fills) and all(len(look.records) == 1 for look in route.looks)


def _own(above: Route) -> Iterator[str]:
    """Where one record may be: below its list; of a list that hangs on others also below the name of the list alone."""
    ending = next((text for text in ("/", ".json") if above.path.endswith(text)), "")
    whole = above.path.removesuffix(ending)
    one = f"{{{entity_name(above.path)}Id}}{ending}"
    yield f"{whole}/{one}"
    last = whole.rpartition("/")[2]
    if above.fills and "{" not in last:
        yield f"{static_prefix(above.path)}/{last}/{one}"


def _asked(scout: Scout, above: Route, path: str, sure: bool) -> Route | None:
    """The route of one record, if there are such; None if nothing is there, or it is not known what names a record."""
    parameter = path.rpartition("{")[2].partition("}")[0]
    fill = _filling(above, path, parameter)
    if fill is None or path.count("{") not in (1, len(above.fills) + 1):
        return None
    around = above.fills if path.count("{") > 1 else ()
    fills = (*around, fill)
    route = Route(path, f"one record of GET {above.path}", fills=fills, kind="object", one_of=above.path)
    for example, record in _examples(above):
        value = plain_values(record).get(fill.path)
        if value is None:
            continue
        row = (*(example if around else ()), quote(segment(path, parameter, value), safe=""))
        look = _one(scout.look(*filled(path, fills, row), attempts=1), fill.path, value)
        if not look.readable or not one_record(look.sight.location) or (not sure and scout.absent(look)):
            break
        route.examples, route.looks = (*route.examples, row), [*route.looks, look]
        if not _may_tell(look, above):
            break
    return route if route.looks else None


def _one(look: Look, key: str, value: str) -> Look:
    """The look, its record as one where it is the only one of a list and has the id that was asked for."""
    place = look.sight.location
    if not look.listed or place == LINES or len(look.records) != 1 or plain_values(look.records[0]).get(key) != value:
        return look
    return replace(look, sight=replace(look.sight, shape="object", location=f"{ITSELF}{'.' if place else ''}{place}{ARRAY}"))


def _filling(above: Route, path: str, parameter: str) -> Fill | None:
    """What names a record in this path: its own address, else what tells it from the others."""
    rows = [plain_values(record) for record in above.records[:20]]
    for place in rows[0]:
        values = [row.get(place, "") for row in rows]
        if all(segment(path, parameter, value) != value for value in values) and len(set(values)) == len(values):
            return Fill(parameter, above.path, place)
    key = key_of(above.records)
    return Fill(parameter, above.path, key) if key is not None else None


def _examples(above: Route) -> Iterator[tuple[tuple[str, ...], Record]]:
    """(what the list was asked with, one of its records): the first, the last, one between."""
    rows = [
        (example, record) for example, look in zip(above.examples or ((),), above.looks, strict=False) for record in look.records
    ]
    places = dict.fromkeys((0, len(rows) - 1, len(rows) // 2))
    yield from (rows[place] for place in list(places)[:_TRIES])


def _may_tell(look: Look, above: Route) -> bool:
    """Whether another record is worth a request: this one has a field that the list has not, which is empty."""
    listed = {key for record in above.records for key, below in record.items() if below not in NOTHING}
    value = look.sight.records[0] if look.sight.records else None
    inner = [value, *(below for below in value.values() if isinstance(below, dict))] if isinstance(value, dict) else []
    return not tells_more(inner[:1], above.records) and any(
        below in (None, [], {}) and join_path([key]) not in listed for record in inner for key, below in record.items()
    )
