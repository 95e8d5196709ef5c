"""Lists below a parent of which only few have rows: asked for more of the parents, before they are taken for empty."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from spectra_assets.client.target import segment
from spectra_assets.discovery.route import Route, entity_name, plain_values, shape
from spectra_assets.discovery.scout import Scout, segments
from spectra_assets.discovery.templates import address
from spectra_assets.names import singular, words
from spectra_assets.stages.asking.answers import Record
from spectra_assets.stages.asking.sampling import spread

MOST_PARENTS = 64
"""Parents that one list is asked for at most."""

_TELLING = re.compile(r"(?:num|number|total|count|has|is)|(?:count|total|number|num)s?", re.IGNORECASE)
"""Words beside the name of the children in a field that tells how many, or whether there are any."""


_MOST_TOLD = 10**15
"""What a number above counts as: an integer of a record may be larger than any float."""


def with_more_parents(scout: Scout, routes: Sequence[Route]) -> list[Route]:
    """Ask lists in which no parent showed a record yet for further parents; those that got one.

    Parents whose records tell of children come first. All of them together take a third of the requests that are left.
    """
    homes = {shape(route.path): route for route in routes}
    empty = [route for route in routes if _is_open(route)]
    left, found = scout.left // 3, []
    for place, route in enumerate(empty):
        most = min(MOST_PARENTS, left // (len(empty) - place))
        sent = scout.sent
        for example in list(_parents(route, homes))[:most]:
            look = scout.look(*address(route, example), attempts=1)
            if look.status is None:
                break
            if look.records:
                route.examples, route.looks = (*route.examples[: len(route.looks)], example), [*route.looks, look]
                found.append(route)
                break
        left -= scout.sent - sent
    return found


def _is_open(route: Route) -> bool:
    """Whether it is a list by one parent that answered without records."""
    one = len({fill.of for fill in route.fills}) == 1
    return route.method == "GET" and route.kind == "list" and one and bool(route.looks) and not route.records


def _parents(route: Route, homes: Mapping[str, Route]) -> Iterator[tuple[str, ...]]:
    """What to fill the route with, of its parents, but for what it was asked with: those first that tell of children."""
    home = homes.get(shape(route.fills[0].of))
    asked = set(route.examples[: len(route.looks)])
    rows: dict[tuple[str, ...], float] = {}
    for record in home.records if home is not None else ():
        values = plain_values(record)
        if all(fill.path in values for fill in route.fills):
            row = tuple(quote(segment(route.path, fill.parameter, values[fill.path]), safe="") for fill in route.fills)
            rows.setdefault(row, told(record, segments(route.path)[-1]))
    fresh = [row for row in rows if row not in asked]
    telling = sorted((row for row in fresh if rows[row] > 0), key=lambda row: -rows[row])
    yield from telling
    silent = [row for row in fresh if rows[row] == 0]
    yield from dict.fromkeys((*spread(silent, MOST_PARENTS), *silent))


def told(record: Record, name: str) -> float:
    """How many children a record tells of: by a number, an array or a flag that is named after them; 0 if nothing does."""
    stem = {singular(word).lower() for word in words(entity_name(f"/{name}"))}
    found = [0.0]
    for key, value in record.items():
        rest = [word for word in words(key) if singular(word).lower() not in stem]
        named = len(rest) < len(words(key)) and all(_TELLING.fullmatch(word) for word in rest)
        if named and isinstance(value, bool | int | float):
            found.append(float(min(max(value, 0), _MOST_TOLD)))
        elif named and isinstance(value, Iterable) and not isinstance(value, str | dict):
            found.append(float(len(list(value))))
    return max(found)
