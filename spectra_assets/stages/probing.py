"""Asking endpoints: ids that fill their parameters, a budget of requests, and the waves in which they can be asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from spectra_assets.client.api import ApiClient
from spectra_assets.client.verdict import PASSING
from spectra_assets.errors import CredentialError, RetriableError, SkippableError
from spectra_assets.intelligence.model import Endpoint, Pack
from spectra_assets.stages.answers import Record, Sight, flattened, recursive_field, sight, values_at

Id = str | int

PROBE_ROWS = 25
"""Rows asked for where an endpoint can be told how many."""

_KEPT_IDS = 60
_TRIES = 9
"""Ids tried for a route of an entity until one shows rows."""

_ENOUGH_ROWS = 5
_REFUSED_IN_A_ROW = 3
_SILENT_IN_A_ROW = 4


@dataclass(frozen=True)
class Pick:
    """An id that fills a parameter: the value at `path` of a record of `entity`."""

    entity: str
    path: str
    value: Id


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


class Wire:
    """GETs of one action, counted against its budget. Safe for threads.

    Raises CredentialError and RetriableError once the API refuses or is silent several times in a row: the others would be
    too.
    """

    def __init__(self, client: ApiClient, budget: int) -> None:
        self.client = client
        self.budget = budget
        self.sent = 0
        self._refused = 0
        self._silent = 0
        self._lock = threading.Lock()

    @property
    def spent(self) -> bool:
        """Whether no request is left."""
        return self.sent >= self.budget

    def get(
        self, path: str, query: Mapping[str, Any] | None = None, records: str | None = None
    ) -> tuple[Sight, int | None, float | None]:
        """(sight, status, latency in ms). Passing failures are tried again; what stays silent is `unreachable`."""
        with self._lock:
            self.sent += 1
        try:
            answer = self._patient(path, query)
        except SkippableError as error:
            return Sight("broken", "text", reason=str(error)[:200]), error.status, None
        except RetriableError as error:
            self._count(silent=True)
            if self._silent >= _SILENT_IN_A_ROW:
                raise
            return Sight("unreachable", "empty", reason=str(error)[:200]), None, None
        found = sight(answer, records)
        self._count(refused=found.category == "unauthorized")
        if self._refused >= _REFUSED_IN_A_ROW:
            raise CredentialError(f"the API refuses the credential since GET {path} (401): set it to a valid one and run again")
        return found, answer.status, round(answer.elapsed_ms, 1)

    def _patient(self, path: str, query: Mapping[str, Any] | None) -> Any:
        """One try, and the client's whole patience only for what may pass: a 500 is mostly final."""
        try:
            answer = self.client.get(path, query, attempts=1)
        except RetriableError:
            return self.client.get(path, query)
        return self.client.get(path, query) if answer.status in PASSING else answer

    def _count(self, refused: bool = False, silent: bool = False) -> None:
        with self._lock:
            self._refused = self._refused + 1 if refused else 0
            self._silent = self._silent + 1 if silent else 0


class Ids:
    """Ids seen in answers, by (entity, JSON path), in order of appearance."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._wanted: dict[str, set[str]] = {entity.entity: {"id"} for entity in pack.entities}
        for identifier in pack.identifiers:
            for entity, path in pack.candidates(identifier.parameter):
                self._wanted.setdefault(entity, set()).add(path)
        self._held: dict[tuple[str, str], list[Id]] = {}
        self._lists: dict[str, list[Id]] = {}

    def harvest(self, entity: str | None, path: str, records: Sequence[Record]) -> None:
        """Keep the ids in the records that GET `path` gave."""
        flat = flattened(records, recursive_field(records))
        if "{" not in path:
            self._lists.setdefault(path.rstrip("/"), ids_in(flat, "id"))
        for wanted in sorted(self._wanted.get(entity or "", ())):
            held = self._held.setdefault((entity or "", wanted), [])
            held += [value for value in ids_in(flat, wanted) if value not in held][: max(0, _KEPT_IDS - len(held))]

    def picks(self, endpoint: Endpoint, parameter: str) -> Iterator[Pick]:
        """Ids that may fill the parameter, those of the likeliest source and those of the others in turn."""
        sources = [(entity, path, self._held.get((entity, path), [])) for entity, path in self.sources(endpoint, parameter)]
        if not any(values for *_, values in sources) and f"{{{parameter}}}" in endpoint.path:
            above = endpoint.path.partition(f"/{{{parameter}}}")[0]
            sources = [(f"GET {above}", "id", self._lists.get(above, []))]
        for place in range(max((len(values) for *_, values in sources), default=0)):
            for entity, path, values in sources:
                if place < len(values):
                    yield Pick(entity, path, values[_spread(place, len(values))])

    def sources(self, endpoint: Endpoint, parameter: str) -> list[tuple[str, str]]:
        """(entity, path) whose ids may fill the parameter: by the pack, else by the name in front of it in the path."""
        known = self._pack.candidates(parameter)
        if known or f"{{{parameter}}}" not in endpoint.path:
            return known
        names = {entity.entity.lower(): entity.entity for entity in self._pack.entities}
        before = endpoint.path.partition(f"{{{parameter}}}")[0].strip("/").lower().split("/")
        return [(names[segment], "id") for segment in before[::-1] if segment in names][:1] if parameter.lower() == "id" else []


class Prober:
    """Asks every GET endpoint: first those without parameters, then those whose parameters ids fill, until nothing is new."""

    def __init__(self, wire: Wire, pack: Pack) -> None:
        self._wire = wire
        self._pack = pack
        self._ids = Ids(pack)
        self._sizes = {style.size_param for style in pack.paging}

    def run(self) -> list[Probe]:
        """All GET endpoints with what they answered, in the pack's order."""
        probes = [Probe(each, entity_of(self._pack, each.path)) for each in self._pack.endpoints if each.method == "GET"]
        waiting = self._waves(sorted(probes, key=lambda probe: probe.entity is None))
        wanting = [probe for probe in probes if self._wants_query(probe)]
        self._together(self._probe_with_query, wanting)
        self._waves(waiting)
        for probe in probes:
            if probe.sight is None and not probe.reason:
                probe.reason = "the budget of requests is used up" if self._wire.spent else self._unfilled(probe.endpoint)
        return probes

    def _waves(self, waiting: list[Probe]) -> list[Probe]:
        """Ask what can be asked, harvest ids, and again until nothing new can be; what could not be asked."""
        while waiting and not self._wire.spent:
            ready = [probe for probe in waiting if self._fillable(probe.endpoint)]
            if not ready:
                break
            self._together(self._probe, ready)
            waiting = [probe for probe in waiting if probe not in ready]
        return waiting

    def _together(self, ask: Callable[[Probe], None], probes: list[Probe]) -> None:
        with ThreadPoolExecutor(self._wire.client.in_flight) as pool:
            list(pool.map(ask, probes))
        for probe in probes:
            if probe.sight is not None:
                self._ids.harvest(probe.entity, probe.endpoint.path, probe.sight.records)

    def _fillable(self, endpoint: Endpoint) -> bool:
        return all(next(self._ids.picks(endpoint, name), None) for name in endpoint.path_parameters)

    def _unfilled(self, endpoint: Endpoint) -> str:
        missing = [name for name in endpoint.path_parameters if next(self._ids.picks(endpoint, name), None) is None]
        return f"no id is known for {', '.join(missing)}"

    def _probe(self, probe: Probe) -> None:
        names = probe.endpoint.path_parameters
        most = _TRIES if probe.entity else 1
        choices = [list(_first(self._ids.picks(probe.endpoint, name), most)) for name in names]
        for place in range(max((len(choice) for choice in choices), default=1)):
            picks = {name: choice[min(place, len(choice) - 1)] for name, choice in zip(names, choices, strict=True)}
            if self._wire.spent or self._ask(probe, picks):
                return

    def _wants_query(self, probe: Probe) -> bool:
        """Whether the endpoint gave nothing, and query parameters of its own can be filled."""
        if probe.sight is None or (probe.sight.category, probe.sight.rows > 0) == ("readable", True):
            return False
        return probe.sight.category in ("needsParameters", "readable") and any(
            next(self._ids.picks(probe.endpoint, name), None) for name in probe.endpoint.query
        )

    def _probe_with_query(self, probe: Probe) -> None:
        names = [name for name in probe.endpoint.query if next(self._ids.picks(probe.endpoint, name), None)]
        if probe.entity is None:
            picks = {name: next(self._ids.picks(probe.endpoint, name)) for name in names}
            if not self._wire.spent:
                self._ask(probe, probe.picks | picks)
            return
        for name in names:
            for pick in _first(self._ids.picks(probe.endpoint, name), _TRIES):
                if self._wire.spent or self._ask(probe, probe.picks | {name: pick}):
                    return

    def _ask(self, probe: Probe, picks: dict[str, Pick]) -> bool:
        """Ask once, keep the answer if it is better than the one before; whether it is good enough."""
        endpoint = probe.endpoint
        path, query = endpoint.path, {}
        for name, pick in picks.items():
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", str(pick.value))
            else:
                query[name] = str(pick.value)
        query |= {name: str(PROBE_ROWS) for name in endpoint.query if name in self._sizes}
        hint = self._pack.entity(probe.entity).records if probe.entity else None
        found, status, latency = self._wire.get(path, query, hint)
        if probe.sight is None or _better(found, probe.sight):
            probe.sight, probe.status, probe.latency_ms = found, status, latency
            probe.picks, probe.reason = picks, found.reason
            probe.url = path + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")
        return found.category == "readable" and (probe.entity is None or found.rows >= _ENOUGH_ROWS or not picks)


def entity_of(pack: Pack, path: str) -> str | None:
    """The entity whose records GET `path` may list."""
    return next((entity.entity for entity in pack.entities if path in entity.routes), None)


def picks_json(picks: Mapping[str, Pick]) -> str | None:
    """`probedWith` as JSON text; None without parameters."""
    if not picks:
        return None
    return json.dumps({name: {"entity": pick.entity, "path": pick.path, "value": pick.value} for name, pick in picks.items()})


def _better(new: Sight, old: Sight) -> bool:
    return (new.category == "readable", new.rows) > (old.category == "readable", old.rows)


def ids_in(records: Iterable[Record], path: str) -> list[Id]:
    """The different ids at `path` of the records, in order of appearance."""
    found = (value for record in records for value in values_at(record, path))
    return list(dict.fromkeys(value for value in found if is_id(value)))


def is_id(value: object) -> bool:
    """Whether a value can name a record."""
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _spread(place: int, count: int) -> int:
    """First, last, middle and then the others: neighbours are often alike."""
    special = list(dict.fromkeys((0, count - 1, count // 2)))
    return special[place] if place < len(special) else [n for n in range(count) if n not in special][place - len(special)]


def _first(picks: Iterator[Pick], most: int) -> Iterator[Pick]:
    yield from (pick for _, pick in zip(range(most), picks, strict=False))
