"""Asking endpoints: within a budget, in waves, with parameters filled by ids that were seen before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from spectra_assets.intelligence.model import Endpoint, Pack
from spectra_assets.intelligence.verbs import ACTS, MAY_ACT
from spectra_assets.names import words
from spectra_assets.stages.asking.answers import Sight
from spectra_assets.stages.asking.ids import Ids, Pick, described_value
from spectra_assets.stages.asking.pagenames import opening, sizes_in
from spectra_assets.stages.asking.searches import body
from spectra_assets.stages.asking.wire import NOT_TRIED, Met, Wire, fill

SOURCE_SHARE = 0.46
"""Part of the setting `probe_requests` that Source may send; Prepare has the rest."""

PROBE_ROWS = 25
"""Rows asked for where an endpoint can be told how many."""

_TRIES = 9
"""Ids tried for a route of an entity until one shows rows, if the budget is wide; at least two are."""

_ENOUGH_ROWS = 5

_ASKED_AGAIN = 8
"""Requests at most by which the API is shown to be alive while endpoints are silent or closed."""


@dataclass
class Probe:
    """One endpoint and what it answered; `sight` is None if it was not asked."""

    endpoint: Endpoint
    entity: str | None
    sight: Sight | None = None
    status: int | None = None
    latency_ms: float | None = None
    url: str | None = None
    picks: dict[str, Pick] = field(default_factory=dict)
    reason: str = ""


class Prober:
    """Asks every endpoint that reads, those of entities first: without parameters, then with ids, until nothing is new."""

    def __init__(self, wire: Wire, pack: Pack) -> None:
        self._wire = wire
        self._pack = pack
        self._ids = Ids(pack)
        self._sizes = {style.size_param for style in pack.paging} - {None}
        self._entities = {path: entity.entity for entity in reversed(pack.entities) for path in entity.routes}
        self._tries = max(2, min(_TRIES, wire.budget // max(1, len(self._entities))))

    def run(self) -> list[Probe]:
        """All endpoints that read, with what they answered, in the pack's order; what may do something is not asked."""
        every = [Probe(each, self._entities.get(each.path)) for each in self._pack.reading]
        for probe in every:
            why = self._pack.why_excluded(probe.endpoint.path)
            probe.reason = why if why in (ACTS, MAY_ACT) and probe.entity is None else ""
        probes = [probe for probe in every if not probe.reason]
        routes = [probe for probe in probes if probe.entity is not None]
        for some in (routes, probes):
            self._waves(some)
            self._together(self._probe_with_query, [probe for probe in some if self._wants_query(probe)])
            self._waves(some)
        for probe in probes:
            if probe.sight is None and not probe.reason:
                probe.reason = NOT_TRIED if self._wire.spent else self._unfilled(probe.endpoint)
        return every

    def _waves(self, probes: list[Probe]) -> None:
        """Ask what can be asked, harvest ids, and again until nothing new can be; then those that lack a query parameter."""
        waiting = [probe for probe in probes if probe.sight is None]
        while waiting and not self._wire.spent:
            fillable = [probe for probe in waiting if self._fillable(probe.endpoint)]
            ready = [probe for probe in fillable if not self._lacking(probe.endpoint)] or fillable
            if not ready:
                break
            self._together(self._probe, ready)
            asked = {id(probe) for probe in ready}
            waiting = [probe for probe in waiting if id(probe) not in asked]

    def _together(self, ask: Callable[[Probe], None], probes: list[Probe]) -> None:
        with ThreadPoolExecutor(self._wire.client.in_flight) as pool:
            list(pool.map(ask, probes))
        for probe in probes:
            if probe.sight is not None:
                self._ids.harvest(probe.entity, probe.endpoint.path, probe.sight.records, probe.picks)

    def _fillable(self, endpoint: Endpoint) -> bool:
        return next(self._ids.fills(endpoint), None) is not None

    def _lacking(self, endpoint: Endpoint) -> list[str]:
        """Query parameters that the description demands and nothing fills yet."""
        return [name for name in _needed(endpoint) if next(self._ids.picks(endpoint, name), None) is None]

    def _unfilled(self, endpoint: Endpoint) -> str:
        missing = [name for name in endpoint.path_parameters if next(self._ids.picks(endpoint, name), None) is None]
        return f"no id is known for {', '.join(missing)}"

    def _probe(self, probe: Probe) -> None:
        along = self._demanded(probe.endpoint)
        # a demanded value that keeps rows back is left out, if the server does not mind
        free = {name: pick for name, pick in along.items() if not _narrows(probe.endpoint, name)}
        for picks in islice(self._ids.fills(probe.endpoint), self._tries if probe.entity else 1):
            for demanded in (free, along) if free != along else (along,):
                if self._wire.spent or self._ask(probe, demanded | picks):
                    return

    def _demanded(self, endpoint: Endpoint) -> dict[str, Pick]:
        """What fills the query parameters that the description demands."""
        found = {name: next(self._ids.picks(endpoint, name), None) for name in _needed(endpoint) if name not in self._sizes}
        return {name: pick for name, pick in found.items() if pick is not None}

    def _wants_query(self, probe: Probe) -> bool:
        """Whether the endpoint gave nothing, and query parameters of its own can be filled."""
        if probe.sight is None or (probe.sight.category, probe.sight.rows > 0) == ("readable", True):
            return False
        return probe.sight.category in ("needsParameters", "readable") and any(self._fillers(probe))

    def _fillers(self, probe: Probe) -> Iterator[str]:
        return (name for name in probe.endpoint.query if next(self._ids.picks(probe.endpoint, name), None))

    def _probe_with_query(self, probe: Probe) -> None:
        names = list(self._fillers(probe))
        if probe.entity is None:
            picks = {name: next(self._ids.picks(probe.endpoint, name)) for name in names}
            if not self._wire.spent:
                self._ask(probe, probe.picks | picks)
            return
        before = dict(probe.picks)
        for name in names:
            for pick in islice(self._ids.picks(probe.endpoint, name), self._tries):
                if self._wire.spent or self._ask(probe, before | {name: pick}):
                    return

    def _ask(self, probe: Probe, picks: dict[str, Pick]) -> bool:
        """Ask once, keep the answer if it is better than the one before; whether it is good enough."""
        (found, status, latency), url = self._sent(probe, picks)
        if probe.sight is None or _better(found, probe.sight):
            probe.sight, probe.status, probe.latency_ms = found, status, latency
            probe.picks, probe.reason, probe.url = picks, found.reason, url
        return found.category == "readable" and (probe.entity is None or found.rows >= _ENOUGH_ROWS or not picks)

    def again(self, probe: Probe) -> Sight:
        """The answer to the same request once more."""
        return self._sent(probe, probe.picks)[0].sight

    def _sent(self, probe: Probe, picks: Mapping[str, Pick]) -> tuple[Met, str]:
        """What one request met, and where it was sent."""
        endpoint, once = probe.endpoint, probe.entity is None
        hint = self._pack.entity(probe.entity).records if probe.entity else None
        sizes = {
            name: str(int(min(PROBE_ROWS, endpoint.parameter(name).maximum or PROBE_ROWS)))
            for name in endpoint.query
            if name in self._sizes and name not in picks
        }
        if endpoint.method == "POST":
            inside = {name: pick for name, pick in picks.items() if name not in endpoint.path_parameters}
            path, _ = fill(endpoint.path, {name: pick.value for name, pick in picks.items() if name not in inside})
            ids = {name: pick.value for name, pick in inside.items() if pick.entity}
            told = {name: str(pick.value) for name, pick in inside.items() if not pick.entity}
            sent = body(endpoint, ids, told | sizes)
            return self._wire.search(path, sent, hint, endpoint.path, once), f"{path} {sent.decode()}"
        path, query = fill(endpoint.path, {name: pick.value for name, pick in picks.items()})
        met = self._wire.get(path, query | sizes, hint, endpoint.path, once)
        if sizes and met.sight.category == "needsParameters" and any(name in met.sight.reason for name in sizes):
            sizes = {}  # even so few rows are too many for one page, says the refusal
            met = self._wire.get(path, query, hint, endpoint.path, once)
        if not sizes and met.sight.category == "needsParameters" and (name := _opens(endpoint, query, met.sight.reason)):
            told = {name: str(PROBE_ROWS)}
            fuller = self._wire.get(path, query | told, hint, endpoint.path, once)
            met, sizes = (fuller, told) if fuller.sight.category == "readable" else (met, sizes)
        query |= sizes
        return met, path + (f"?{urlencode(query)}" if query else "")


def _opens(endpoint: Endpoint, query: Mapping[str, Any], refusal: str) -> str:
    """The described parameter for a page's size of which the refusal speaks, or of what it belongs to (`searchCriteria` of
    `searchCriteria[pageSize]`); empty if there is none, or it was sent."""
    told = {word.lower() for word in words(refusal)}
    missed = (name for name in sizes_in(endpoint.query) if told & {word.lower() for word in words(name.partition("[")[0])})
    return next((name for name in missed if name not in query), "")


def is_read(row: Mapping[str, Any]) -> bool:
    """Whether a row of `source.endpoints` is one that may be asked."""
    return bool(row["category"] != "write")


def sent_at_most(rows: Iterable[Mapping[str, Any]], budget: int) -> int:
    """Requests that probing may have sent, by the rows of `source.endpoints` it left: at most its budget."""
    reads = [row for row in rows if is_read(row) and row["apiStatus"] != "notProbed"]
    tries = [3 if not row["entity"] else 1 if row["rowCount"] and not row["probedWith"] else
             (2 + len(row["queryParameters"])) * _TRIES for row in reads]  # fmt: skip
    return min(budget, sum(tries) + _ASKED_AGAIN)


def constants(endpoint: Endpoint) -> dict[str, str]:
    """Query parameters that the description demands, with the value it gives, unless other values would give other rows."""
    found = {name: described_value(endpoint, name) for name in _fixed(endpoint)}
    return {name: str(pick.value) for name, pick in found.items() if pick is not None}


def picks_json(picks: Mapping[str, Pick]) -> str | None:
    """`probedWith` as JSON text; None without parameters."""
    if not picks:
        return None
    found = {
        name: {"entity": pick.entity or None, "path": pick.path or None, "value": pick.value} for name, pick in picks.items()
    }
    return json.dumps(found)


def _narrows(endpoint: Endpoint, name: str) -> bool:
    """Whether a demanded parameter has several values and no default: each gives other rows."""
    known = endpoint.parameter(name)
    return known.default is None and len(known.values) > 1


def _needed(endpoint: Endpoint) -> list[str]:
    """Query parameters that the description demands."""
    return [known.name for known in endpoint.parameters if known.required and known.location == "query"]


def _fixed(endpoint: Endpoint) -> list[str]:
    """Those that are the same in every request: neither of paging, nor with values of which each gives other rows."""
    return [name for name in _needed(endpoint) if opening(name) is None and not _narrows(endpoint, name)]


def _better(new: Sight, old: Sight) -> bool:
    return (new.category == "readable", new.rows) > (old.category == "readable", old.rows)
