"""`prepare.constraints`: how every route of an entity pages, which limits there are, and what can't be read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from pydantic import TypeAdapter

from spectra_assets.covenant.access import NoPaging, Paging, PagingStyle
from spectra_assets.intelligence.model import Endpoint, EntityHint, Pack
from spectra_assets.names import TableRef
from spectra_assets.stages.asking.ids import Ids
from spectra_assets.stages.asking.pagenames import opening
from spectra_assets.stages.asking.sampling import Asked, Explorer, spread
from spectra_assets.stages.asking.wire import Wire
from spectra_assets.stages.evidence import Measuring
from spectra_assets.stages.prepare.paging.constraints import Finding, Habits, Measured, filled, measure
from spectra_assets.stages.prepare.paging.hidden import Trial, hidden
from spectra_assets.stages.prepare.paging.limits import ENDLESS
from spectra_assets.stages.prepare.paging.spans import spanned
from spectra_assets.stages.rulings import ruled_paging
from spectra_assets.stages.source.probing import SOURCE_SHARE, is_read, sent_at_most
from spectra_assets.stages.tables import table_of
from spectra_assets.stages.work import Draft, Work, action

CONSTRAINTS_SHARE = 0.12
"""Part of the setting `probe_requests` that measuring may send."""

DEPENDENCIES_SHARE = 0.42
"""Part of it that the proof of dependencies may send; Source has the rest."""

EVERYWHERE = "*"
"""Path of the constraints that hold for the whole API."""

_PAGING: TypeAdapter[Paging] = TypeAdapter(Paging)
_STYLE: TypeAdapter[PagingStyle] = TypeAdapter(PagingStyle)
_TRIED_IDS = 2
_SLOW_MS = 10_000
_EACH = 10
"""Requests for each route of an API that was found out about: nobody has told how its lists page."""

_KEPT_BACK = 3
"""Requests for each list that are left for the search for rows it keeps back."""

_AGAIN = 20
"""Requests that must be left for a route to be measured once more."""

_UNAVAILABLE = ("forbidden", "unauthorized", "gone", "notFound", "broken", "notJson", "unreachable")

Reads = Mapping[str, Mapping[str, Any]]
"""Path of an endpoint that reads → its row of `source.endpoints`."""


@action("prepare.measure_constraints")
def measure_constraints(draft: Draft, work: Work) -> None:
    """`prepare.constraints`: per route of an entity how it pages, proven by fetching; per other endpoint why it can't be read.

    What holds for the whole API has the path `*`. The best routes of all entities come first, should the budget not suffice.
    Evidence `measuring` (Measuring).
    """
    routes = list(_best_first(work.pack))
    found_out = work.pack.origin == "discovered"
    least = min(_EACH * len(routes), work.requests_allowed // 2) if found_out else 0
    wire = Wire(work.client, max(least, budget_of(work, CONSTRAINTS_SHARE)))
    rows = work.read("source.endpoints").to_pylist()
    reads = {row["path"]: row for row in rows if is_read(row)}
    size = int(work.playbooks.setting("page_size", work.covenant.source))
    survey = _Survey(Explorer(wire, work.pack, {}), reads, size, Habits())
    results: dict[str, tuple[str, list[Finding], str]] = {}
    # a limit that is not seen loses no row, a list that keeps some back does
    reserve = min(_KEPT_BACK * len(routes), wire.budget // 3) if found_out else 0
    wire.budget -= reserve
    for hint, path in routes:
        if path not in results:
            findings, why = survey.route(path)
            results[path] = hint.entity, findings, why
            work.say(f"{path}: {'; '.join(f'{f.constraint} {f.value}' for f in findings if f.constraint != 'paging')[:160]}")
    for path in survey.early:  # a size that another list showed since tells whether a list that came whole has pages too
        entity, *before = results[path]
        results[path] = entity, *(survey.once_more(path) or before)
    for path in survey.faulty:  # what an error hid is no fact: last, it may have passed
        entity, *before = results[path]
        results[path] = entity, *(survey.again(path) or before)
    wire.budget += reserve
    for path, hides in survey.kept_back(list(results)).items():
        entity, findings, why = results[path]
        anew = {each.constraint for each in hides} - {"requiredQuery"}
        results[path] = entity, _joined([*(each for each in findings if each.constraint not in anew), *hides]), why
    found = [_row(entity, path, finding) for path, (entity, findings, _) in results.items() for finding in findings]
    for row in reads.values():
        if row["category"] in _UNAVAILABLE and row["path"] not in results:
            found.append(_row(row["entity"], row["path"], _unavailable(row)))
    found += [_row(None, EVERYWHERE, finding) for finding in _everywhere(work, reads)]
    draft.rows = table_of("prepare.constraints", found)
    latencies = [row["latencyMs"] for row in reads.values() if row["latencyMs"] is not None]
    draft.notes |= {"requests": wire.sent} | ({"latencyMedianMs": round(median(latencies), 1)} if latencies else {})
    unmeasured = {path: why for path, (_, _, why) in results.items() if why}
    draft.evidence["measuring"] = Measuring(requests=wire.sent, budget=wire.budget, unmeasured=unmeasured)


def budget_of(work: Work, share: float) -> int:
    """Requests that one of the two steps of Prepare may send: its share, and half of what Source surely left of its own."""
    most = work.requests_allowed
    theirs = int(most * SOURCE_SHARE)
    left = theirs - sent_at_most(work.read("source.endpoints").to_pylist(), theirs)
    return max(1, int(most * share) + left // 2)


def measured_rows(work: Work) -> list[dict[str, Any]]:
    """The rows of `prepare.constraints`; none if the playbook does not measure."""
    made = work.lakehouse.exists(TableRef("prepare", "constraints"))
    return list(work.read("prepare.constraints").to_pylist()) if made else []


def endless_lists(work: Work) -> dict[str, str]:
    """Path of each list that was shown to never end → how."""
    rows = measured_rows(work)
    return {row["path"]: row["evidence"] for row in rows if (row["constraint"], row["value"]) == ("availability", ENDLESS)}


def lasting(work: Work) -> Pack:
    """The pack without the entities that only lists which never end give: those are excluded, with that reason."""
    endless = endless_lists(work)
    if not endless:
        return work.pack
    entities = [hint for hint in work.pack.entities if not hint.routes or not set(hint.routes) <= endless.keys()]
    return work.pack.model_copy(update={"entities": entities, "excluded": work.pack.excluded | endless})


def known_paging(work: Work) -> tuple[dict[str, Paging], dict[str, dict[str, str]], dict[str, str]]:
    """As `prepare.constraints` has it: path → how it pages, what must be sent along, and where its records are.

    The last one only where several answers showed another place than a single one would. Of an endpoint that was not
    measured, the pack's style whose parameters it names is assumed.
    """
    paging: dict[str, Paging] = {}
    size = int(work.playbooks.setting("page_size", work.covenant.source))
    for endpoint in work.pack.reading:
        style = next((style for style in work.pack.paging if _named_by(style, endpoint)), None)
        if style is not None:
            paging[endpoint.path] = style.model_copy(update={"size": size})
    facts: dict[str, dict[str, str]] = {}
    for row in measured_rows(work):
        facts.setdefault(row["path"], {})[row["constraint"]] = row["value"]
    queries: dict[str, dict[str, str]] = {}
    for path, found in facts.items():
        if "paging" in found:
            paging[path] = _PAGING.validate_json(found["paging"])
        if "requiredQuery" in found:
            queries.setdefault(path, {}).update(json.loads(found["requiredQuery"]))
        if found.get("offsetIgnored") == "true" and found.get("largestPageSize") == "0":
            queries.setdefault(path, {})[found["sizeParameter"]] = "0"
    paging = ruled_paging(paging, work.pack, work.playbooks)
    return paging, queries, {path: found["recordsAt"] for path, found in facts.items() if "recordsAt" in found}


def untrue_totals(work: Work) -> set[str]:
    """Paths whose answers declare a number of rows that counting refuted, as `prepare.constraints` has it."""
    rows = measured_rows(work)
    return {row["path"] for row in rows if (row["constraint"], row["value"]) == ("declaredTotal", "notCredible")}


class _Survey:
    """Measures the routes one after the other, each with what those before showed."""

    def __init__(self, explorer: Explorer, reads: Reads, size: int, habits: Habits) -> None:
        self._explorer = explorer
        self._pack = explorer.pack
        self._reads = reads
        self._size = size
        self._habits = habits
        self._lists: dict[str, tuple[Asked, Paging]] = {}
        self.faulty: dict[str, int] = {}
        """Routes that were measured while the server failed → how often it did."""
        self.early: list[str] = []
        """Routes that came whole before any list of the API was shown to have pages."""

    def route(self, path: str) -> tuple[list[Finding], str]:
        """Findings of one route, and why it could not be measured (empty if it was)."""
        before = self._explorer.wire.failed
        found = self._route(path)
        failed = self._explorer.wire.failed - before
        if failed:
            self.faulty.setdefault(path, failed)
        return found

    def once_more(self, path: str) -> tuple[list[Finding], str] | None:
        """The findings of a list that came whole, by what others showed since; None if none did, or nothing is left."""
        return self._route(path) if self._habits.styles and self._explorer.wire.left >= _AGAIN else None

    def again(self, path: str) -> tuple[list[Finding], str] | None:
        """The findings of a faulty route that is measured once more; None if the server fails as before, or nothing is left."""
        wire = self._explorer.wire
        if wire.left < _AGAIN:
            return None
        before = wire.failed
        found = self._route(path)
        return found if wire.failed - before < self.faulty[path] and not wire.spent else None

    def _route(self, path: str) -> tuple[list[Finding], str]:
        row = self._reads.get(path)
        if row is None or row["category"] != "readable":
            why = (row["reason"] or row["category"]) if row else "it is not in the catalogue"
            return [_unavailable(row)] if row else [], f"it can't be read: {why}"
        picks = json.loads(row["probedWith"]) if row["probedWith"] else {}
        findings = [*_demanded(self._pack, path, picks), *_slow(row)]
        knowing = bool(self._habits.styles)
        asked = Asked(path, tuple(each for each in filled(picks) if picks[each[0]]["entity"] or opening(each[0]) is None))
        result = self._measured(asked, row)
        of_nobody = row["answerShape"] != "array" and not any(pick["entity"] for pick in picks.values())
        if result.unmeasured and isinstance(result.paging, NoPaging) and of_nobody:
            fuller = self._fullest(asked, row["queryParameters"])
            other = self._measured(fuller, None) if fuller != asked else result
            result = other if other.ignores_offset or not other.unmeasured else result
        if not knowing and not result.unmeasured and isinstance(result.paging, NoPaging):
            self.early.append(path)
        told = {finding.constraint for finding in result.findings}
        self._lists[path] = asked, result.paging
        return [*result.findings, *(each for each in findings if each.constraint not in told)], result.unmeasured

    def kept_back(self, paths: Sequence[str]) -> dict[str, list[Finding]]:
        """Path of each list that keeps rows back unless it is asked for them → how, and how it pages with them if it came whole
        without. What one list takes others take too."""
        found: dict[str, list[Finding]] = {}
        shown: list[Trial] = []
        for path in paths:
            hides, by = self._hidden(path)
            if hides:
                found[path] = hides
            if by is not None and by.path:
                shown.append(by)
        for path in paths if shown else ():
            if path not in found and (hides := self._hidden(path, shown)[0]):
                found[path] = hides
        return {path: [*hides, *self._pages_with(path, hides)] for path, hides in found.items()}

    def _pages_with(self, path: str, hides: Sequence[Finding]) -> list[Finding]:
        """How a list that came whole pages with what it kept back, which may be too long for one page."""
        asked, paging = self._lists[path]
        further = [json.loads(each.value or "{}") for each in hides if each.constraint == "requiredQuery"]
        if not further or not isinstance(paging, NoPaging) or self._explorer.wire.spent:
            return []
        query = dict(asked.query) | {name: value for each in further for name, value in each.items()}
        found = self._measured(replace(asked, query=tuple(query.items())), None)
        return (
            [] if isinstance(found.paging, NoPaging) else [each for each in found.findings if each.constraint != "requiredQuery"]
        )

    def _hidden(self, path: str, shown: Sequence[Trial] | None = None) -> tuple[list[Finding], Trial | None]:
        if path not in self._lists:
            return [], None
        asked, paging = self._lists[path]
        endpoint, discovered = self._pack.endpoint(path), self._pack.origin == "discovered"
        spans = spanned(self._explorer, asked, paging, endpoint, discovered) if shown is None else []
        for span in spans:
            if span.constraint == "requiredQuery":
                asked = replace(asked, query=(*asked.query, *json.loads(span.value or "{}").items()))
        self._lists[path] = asked, paging
        found, by = hidden(self._explorer, asked, paging, endpoint, discovered, shown)
        told = {each.constraint for each in found}
        return _joined(
            [*found, *(span for span in spans if span.constraint == "requiredQuery" or span.constraint not in told)]
        ), by

    def _measured(self, asked: Asked, row: Mapping[str, Any] | None) -> Measured:
        named = self._pack.endpoint(asked.path).query
        # without page parameters of its own, Source's request was the plain one
        sized = {style.size_param for style in self._pack.paging} & set(named)
        rows = row["rowCount"] if row is not None and not sized else None
        return measure(self._explorer, asked, self._pack.paging, named, self._size, rows, self._habits)

    def _fullest(self, alone: Asked, parameters: Iterable[str]) -> Asked:
        """The list with the most rows among those that query parameters with known ids give: without any, lists may not page."""
        ids = Ids(self._pack)
        endpoint = self._pack.endpoint(alone.path)
        tried: list[tuple[int, Asked]] = []
        for name in parameters:
            if name in dict(alone.filled) or opening(name) is not None:
                continue
            for entity, _ in self._pack.candidates(name, alone.path):
                self._harvest(ids, entity)
            for pick in spread(list(ids.picks(endpoint, name)), _TRIED_IDS):
                asked = Asked(alone.path, (*alone.filled, (name, pick.value)))
                if pick.entity and not self._explorer.wire.spent:
                    tried.append((self._explorer.one(asked).rows, asked))
        rows, asked = max(tried, key=lambda entry: entry[0], default=(0, alone))
        return asked if rows else alone

    def _harvest(self, ids: Ids, entity: str) -> None:
        """Read the entity's best route again as Source read it, for its ids."""
        routes = [row for row in self._reads.values() if row["entity"] == entity and row["category"] == "readable"]
        best = max(routes, key=lambda row: row["rowCount"] or 0, default=None)
        if best is not None:
            asked = Asked(best["path"], filled(json.loads(best["probedWith"]) if best["probedWith"] else {}))
            ids.harvest(entity, best["path"], self._explorer.listing(asked).records)


def _best_first(pack: Pack) -> Iterator[tuple[EntityHint, str]]:
    """Every route with its entity: the first of each, then the second, and so on."""
    for rank in range(max((len(hint.routes) for hint in pack.entities), default=0)):
        for hint in pack.entities:
            if rank < len(hint.routes):
                yield hint, hint.routes[rank]


def _everywhere(work: Work, reads: Reads) -> Iterator[Finding]:
    """Limits of the whole API: what answers stated of its rate, and how fast it answers."""
    seen = work.client.seen_limit
    if seen is not None:
        window = f" per {seen.window_seconds:g} s" if seen.window_seconds else ""
        yield Finding("rateLimit", f"{seen.limit}{window}", f"stated by the header {seen.header}; never tried", 1.0)
    latencies = [row["latencyMs"] for row in reads.values() if row["latencyMs"] is not None]
    if latencies:
        # a class, as the figure itself differs in every run: it stands in the notes of the table
        middle = median(latencies)
        value = "under 1 s" if middle < 1_000 else "under 10 s" if middle < 10_000 else "10 s and more"
        yield Finding("latency", value, f"median of the {len(latencies)} answers that Source got", 0.8)


def _demanded(pack: Pack, path: str, picks: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Constants that must be sent along, and whether one of them keeps rows back."""
    fixed = {name: str(pick["value"]) for name, pick in picks.items() if not pick["entity"] and f"{{{name}}}" not in path}
    fixed = {name: value for name, value in fixed.items() if opening(name) is None}
    if not fixed:
        return []
    endpoint = pack.endpoint(path)
    narrow = [name for name in fixed if endpoint.parameter(name).default is None and len(endpoint.parameter(name).values) > 1]
    told = "; ".join(
        f"{name} is one of {', '.join(endpoint.parameter(name).values[:8])}: other values are not read" for name in narrow
    )
    why = told[:300] or "demanded by the description, which gives this value"
    return [Finding("requiredQuery", json.dumps(fixed, sort_keys=True), why, 0.4 if narrow else 0.9)]


def _joined(findings: list[Finding]) -> list[Finding]:
    """Of several constants that must be sent along one finding."""
    demanded = [each for each in findings if each.constraint == "requiredQuery"]
    if len(demanded) < 2:
        return findings
    query = {name: value for each in demanded for name, value in json.loads(each.value or "{}").items()}
    told = "; ".join(each.evidence for each in demanded)
    sure = min(each.confidence for each in demanded)
    kept = [each for each in findings if each.constraint != "requiredQuery"]
    return [*kept, Finding("requiredQuery", json.dumps(query, sort_keys=True), told, sure)]


def _slow(row: Mapping[str, Any]) -> list[Finding]:
    latency = row["latencyMs"] or 0
    return [Finding("availability", "slow", f"an answer took {_SLOW_MS // 1000} s or more")] if latency >= _SLOW_MS else []


def _unavailable(row: Mapping[str, Any]) -> Finding:
    return Finding("availability", row["category"], row["reason"] or row["category"])


def _named_by(style: PagingStyle, endpoint: Endpoint) -> bool:
    """Whether an endpoint's description names the parameters of a style."""
    fields = ("offset_param", "page_param", "cursor_param", "after_param", "size_param")
    names = {name for each in fields if (name := getattr(style, each, None))}
    return bool(names) and names <= set(endpoint.query)


def _row(entity: str | None, path: str, finding: Finding) -> dict[str, Any]:
    return {
        "entity": entity,
        "path": path,
        "constraint": finding.constraint,
        "value": finding.value,
        "evidence": finding.evidence[:2000],
        "confidence": finding.confidence,
    }
