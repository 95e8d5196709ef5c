"""A described API: what its endpoints really answer, asked once each within the budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from spectra_assets.client.api import ApiClient
from spectra_assets.client.target import segment
from spectra_assets.covenant.paths import one_record, split_path
from spectra_assets.discovery.route import Fill, Route, likely_key, plain_values
from spectra_assets.discovery.scout import Look, Scout
from spectra_assets.intelligence.model import Identifier, Pack
from spectra_assets.names import words
from spectra_assets.stages.asking.links import is_directory
from spectra_assets.stages.asking.wire import Wire
from spectra_assets.stages.source.probing import Probe, Prober

_SECOND_TRIES = 40
"""Requests at most for ids that might be meant instead."""

_OTHER_IDS, _OTHER_VALUES = 3, 4


def survey(
    client: ApiClient, pack: Pack, budget: int, say: Callable[[str], None], until: float = math.inf
) -> tuple[list[Route], int]:
    """(what each endpoint of the pack that may be asked answers, requests sent). Those of entities come first; what is left
    when the budget is used up, or at the instant `until` (monotonic), is not asked.

    A search by POST that turns out to change something is `closed`, and not asked again.
    Raises CredentialError, RetriableError if the API stops accepting the credential, or falls silent.
    """
    wire = Wire(client, max(1, budget), until)
    prober = Prober(wire, pack)
    probes = [probe for probe in prober.run() if probe.endpoint.path not in pack.excluded]
    lists = {probe.entity: probe.endpoint.path for probe in reversed(probes) if probe.entity and _rows(probe)}
    say(f"{wire.sent} requests: {sum(probe.sight is not None for probe in probes)} of {len(probes)} endpoints asked")
    routes = [_route(probe, lists) for probe in probes]
    for route, probe in zip(routes, probes, strict=True):
        why = _changes(client, prober, probe) if route.method == "POST" and route.looks else ""
        if why:
            route.kind, route.reason = "closed", why
    return routes, wire.sent


def _changes(client: ApiClient, prober: Prober, probe: Probe) -> str:
    """Why a search by POST is none: it answered as what creates something does, or lists more when it is asked the same again."""
    struck = client.struck.get(probe.endpoint.path, "")
    if struck or probe.sight is None or probe.sight.category != "readable":
        return struck
    again = prober.again(probe)
    struck = client.struck.get(probe.endpoint.path, "")
    before, after = (each.declared_total if each.declared_total is not None else each.rows for each in (probe.sight, again))
    return struck or (f"two equal requests gave {before} and then {after} rows: it may create some" if after > before else "")


def _route(probe: Probe, lists: Mapping[str, str]) -> Route:
    endpoint, sight = probe.endpoint, probe.sight
    fills = tuple(
        Fill(name, pick.entity.removeprefix("GET ") if pick.entity.startswith("GET ") else lists.get(pick.entity, ""), pick.path)
        for name, pick in probe.picks.items()
    )
    route = Route(endpoint.path, "described", method=endpoint.method, fills=fills, query=dict.fromkeys(endpoint.query))
    values = ((name, segment(endpoint.path, name, str(pick.value))) for name, pick in probe.picks.items())
    route.examples = (tuple(quote(value, safe="") for _, value in values),)
    if sight is None:
        route.reason = probe.reason
        return route
    route.looks.append(Look(endpoint.path, (), probe.status, sight, reason=sight.reason))
    if sight.category != "readable":
        route.kind, route.reason = "closed", probe.reason or sight.reason or sight.category
    elif is_directory(sight.value):
        route.kind, route.reason = "directory", "addresses of other endpoints"
    elif one_record(sight.location):
        route.kind = "object"
    elif sight.location is not None or sight.shape == "empty":
        route.kind = "list"
    else:
        route.kind, route.reason = "closed", "it holds no records"
    return route


def _rows(probe: Probe) -> bool:
    return probe.sight is not None and bool(probe.sight.records)


def with_other_ids(scout: Scout, routes: Sequence[Route], identifiers: Iterable[Identifier], homes: Mapping[str, str]) -> None:
    """Ask again what refused an id: a record may hold several (`id`, `version.id`), of which another is meant.

    `homes`: path → entity. Changes the routes that answer.
    """
    left = min(_SECOND_TRIES, scout.left // 4)
    for route in routes:
        if (
            route.method != "GET"
            or route.kind != "closed"
            or len(route.parameters) != 1
            or not route.looks
            or route.looks[-1].status in (401, 403, 410)
        ):
            continue
        parameter = route.parameters[0]
        meant = {text.partition(".")[0] for each in identifiers if each.parameter == parameter for text in each.candidates}
        for fills, values in _others(parameter, route, routes, meant, homes):
            for value in values:
                if left <= 0:
                    return
                left -= 1
                look = scout.look(route.path.replace(f"{{{parameter}}}", quote(value, safe="")), attempts=1)
                if look.readable and (look.sight.records or route.kind == "closed"):
                    route.kind, route.reason = "object" if one_record(look.sight.location) else "list", ""
                    route.fills, route.examples, route.looks = fills[:1], ((value,),), [look]
                    route.alike = tuple(fills[1:])
                if look.sight.records:
                    break
            if route.kind != "closed":
                break


def _others(
    parameter: str, route: Route, routes: Iterable[Route], meant: set[str], homes: Mapping[str, str]
) -> Iterator[tuple[tuple[Fill, ...], list[str]]]:
    """Ids in the records of the entities meant that share a word with the parameter, what looks most like a key first: where
    they are, and some of them."""
    told = {word.lower() for word in words(parameter)} - {"id"}
    tried = {fill.path for fill in route.fills}
    found: dict[str, tuple[list[Fill], list[str]]] = {}
    for other in sorted(routes, key=lambda other: (len(other.fills), -len(other.records))):
        if homes.get(other.path) in meant and other.kind == "list" and other.records:
            rows = [plain_values(record, 3) for record in other.records[:20]]
            for path in dict.fromkeys(path for row in rows for path in row):
                shared = told & {word.lower() for part in split_path(path) for word in words(part)}
                if shared and path not in tried and path.lower().endswith("id"):
                    values = list(dict.fromkeys(row[path] for row in rows if path in row))
                    fills, held = found.setdefault(path, ([], []))
                    fills.append(Fill(parameter, other.path, path))
                    held += [value for value in values if value not in held]
    for path in sorted(found, key=lambda path: (likely_key(path), path))[:_OTHER_IDS]:
        fills, held = found[path]
        yield tuple(fills), held[:_OTHER_VALUES]
