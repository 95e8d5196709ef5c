"""The pack from all that discovery saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spectra_assets.covenant.access import PagingStyle, Server
from spectra_assets.discovery.kinds import Kind, kinds_of
from spectra_assets.discovery.odata import completed
from spectra_assets.discovery.route import Route, entity_name, shape
from spectra_assets.intelligence.description.edmx import EntitySet
from spectra_assets.intelligence.description.findings import brief
from spectra_assets.intelligence.model import EMPTY, NAMED_EMPTY, Endpoint, EntityHint, Evidence, Identifier, Pack
from spectra_assets.intelligence.verbs import ACTS, MAY_ACT
from spectra_assets.names import words

_MOST_EVIDENCE = 400
_NO_DATA = {
    "health", "healthz", "healthcheck", "ping", "status", "version", "info", "ready", "readyz", "live", "livez", "metrics",
    "heartbeat", "time", "robots", "favicon", "ratelimit", "rate", "csrf", "session",
}  # fmt: skip


@dataclass
class Facts:
    """What discovery has: `routes` by asking; `endpoints`, `hints`, `identifiers`, `excluded` and `paging` by the description.

    `gaps`: endpoint or address → why it is not ingested although it might hold records.
    """

    source: str
    title: str
    server: Server
    evidence: list[Evidence]
    routes: list[Route] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)
    hints: list[EntityHint] = field(default_factory=list)
    identifiers: list[Identifier] = field(default_factory=list)
    excluded: dict[str, str] = field(default_factory=dict)
    paging: list[PagingStyle] = field(default_factory=list)
    gaps: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    """Paths that nothing names and that want a credential."""
    paths: list[str] = field(default_factory=list)
    """Lists that a person named, and that are there."""
    names: dict[str, str] = field(default_factory=dict)
    """Path of a list → the name that a person gave to its records."""
    model: Mapping[str, EntitySet] = field(default_factory=dict)
    """Path of a list → what OData's `$metadata` tells of it."""
    requests: int = 0
    budget: int = 0
    spent: bool = False


def pack_of(facts: Facts) -> Pack:
    """Entities by the records seen, endpoints with what became of each, evidence for all of it."""
    hinted = {path: hint.entity for hint in reversed(facts.hints) for path in hint.routes}
    for route in facts.routes:
        if route.kind == "object" and _tells_no_data(route):
            route.kind, route.reason = "closed", "the state of the service, no record"
            facts.excluded.setdefault(route.path, route.reason)
    kinds = kinds_of(facts.routes, hinted, facts.source, facts.names)
    entities = [_entity(kind, facts.hints) for kind in kinds]
    named_by_hand = {text[text.index("/") :] for text in facts.paths}
    for kind, entity in zip(kinds, entities, strict=True):
        if not entity.fields and not any(route.records for route in kind.routes):
            facts.excluded |= dict.fromkeys(entity.routes, EMPTY)
            asked_for = [path for path in entity.routes if path in named_by_hand]
            facts.excluded |= dict.fromkeys(asked_for, NAMED_EMPTY)
            facts.gaps |= {f"GET {path}": NAMED_EMPTY for path in asked_for}
    entities = [entity for entity in entities if not set(entity.routes) <= facts.excluded.keys()]
    kinds = [kind for kind in kinds if any(entity.entity == kind.name for entity in entities)]
    named = {path: entity.entity for entity in entities for path in entity.routes}
    entities = [completed(entity, facts.model, named) for entity in entities]
    unseen = _unseen(facts, kinds)
    entities += unseen
    identifiers = _identifiers(facts, kinds, {entity.entity for entity in entities})
    excluded = facts.excluded | _excluded(facts.routes)
    routes = {path for entity in entities for path in entity.routes}
    excluded = {path: why for path, why in excluded.items() if path not in routes}
    endpoints = _endpoints(facts)
    gaps = _gaps(facts, endpoints, routes, excluded)
    evidence = [*facts.evidence, *_of_kinds(kinds, facts.hints), *gaps, _spending(facts)]
    return Pack(
        source=facts.source, title=facts.title, server=facts.server, paging=facts.paging, endpoints=endpoints,
        entities=sorted(entities, key=lambda entity: entity.entity), identifiers=identifiers, origin="discovered",
        excluded=dict(sorted(excluded.items())), evidence=[_told(each) for each in evidence[:_MOST_EVIDENCE]], paths=facts.paths,
    )  # fmt: skip


def _told(evidence: Evidence) -> Evidence:
    """The same on one line each, bounded: it quotes what the API said."""
    return evidence.model_copy(
        update={
            "about": brief(evidence.about, 300),
            "finding": brief(evidence.finding, 300),
            "evidence": brief(evidence.evidence, 800),
        }
    )


def _tells_no_data(route: Route) -> bool:
    last = {word.lower() for word in words(route.path.rpartition("/")[2])}
    return not route.fills and bool(last & _NO_DATA) and len(last) <= 2


def _entity(kind: Kind, hints: Iterable[EntityHint]) -> EntityHint:
    by_name = {hint.entity: hint for hint in hints}
    described = by_name.get(kind.hint or "")
    first = kind.routes[0]
    told = described.description if described else ""
    whole = f"Records of {first.method} {first.path}." if first.kind == "list" else f"The object of GET {first.path}."
    return EntityHint(
        entity=kind.name,
        description=(told or whole)[:300],
        routes=list(dict.fromkeys(route.path for route in kind.routes)),
        records=_records(kind, described),
        recursive=described.recursive if described else None,
        key=described.key if described else None,
        fields=described.fields if described else [],
    )


def _records(kind: Kind, described: EntityHint | None) -> str | None:
    """Where the records are, where the answers of all its endpoints agree."""
    seen = {route.location for route in kind.routes if route.location is not None}
    if len(seen) == 1:
        return seen.pop() or (described.records if described else None)
    return described.records if described and not seen else None


def _unseen(facts: Facts, kinds: Iterable[Kind]) -> list[EntityHint]:
    """Described entities that no request could show, since what they hang on is empty: their routes are kept as they are."""
    seen = {path for kind in kinds for route in kind.routes for path in [route.path]}
    named = {kind.name for kind in kinds} | {kind.hint for kind in kinds}
    routes = {route.path: route for route in facts.routes}
    empty = {kind.name for kind in kinds if not any(route.records for route in kind.routes)}
    empty |= {str(kind.hint) for kind in kinds if kind.hint and not any(route.records for route in kind.routes)}
    found: list[EntityHint] = []
    while True:
        fresh = []
        for hint in facts.hints:
            if hint.entity in named or set(hint.routes) & seen:
                continue
            paths = [path for path in hint.routes if path in routes and routes[path].kind == "unknown"]
            parents = {text.partition(".")[0] for known in facts.identifiers for text in known.candidates
                       if any(f"{{{known.parameter}}}" in path for path in paths)}  # fmt: skip
            if paths and parents & empty:
                fresh.append(hint.model_copy(update={"routes": paths}))
        fresh = [hint for hint in fresh if hint.entity not in {known.entity for known in found}]
        if not fresh:
            return found
        found += fresh
        empty |= {hint.entity for hint in fresh}


def _identifiers(facts: Facts, kinds: Iterable[Kind], entities: set[str]) -> list[Identifier]:
    """What fills each parameter: as an answer showed it first, then as the description has it, by the entities' new names."""
    kinds = list(kinds)
    homes = {path: kind.name for kind in kinds for route in kind.routes for path in (route.path, shape(route.path))}
    renamed: dict[str, list[str]] = {}
    for kind in kinds:
        if kind.hint:
            renamed.setdefault(kind.hint, []).append(kind.name)
    made: dict[tuple[str, str | None], list[str]] = {}
    for route in facts.routes:
        for fill in (*route.fills, *route.alike):
            home = homes.get(fill.of) or homes.get(shape(fill.of))
            if home and route.kind in ("list", "object", "detail") and fill.path:
                shown = made.setdefault((fill.parameter, route.path), [])
                shown += [text for text in [f"{home}.{fill.path}"] if text not in shown]
    for known in facts.identifiers:
        candidates = []
        for text in known.candidates:
            name, _, path = text.partition(".")
            candidates += [f"{new}.{path}" for new in renamed.get(name, [name] if name in entities else [])]
        if candidates:
            held = made.setdefault((known.parameter, known.path), [])
            held += [text for text in candidates if text not in held]
            if known.path is None:  # what was seen on one path does not hide what is described for all
                for (parameter, where), other in made.items():
                    if parameter.lower() == known.parameter.lower() and where is not None:
                        other += [text for text in candidates if text not in other]
    return [Identifier(parameter=name, candidates=texts, path=where) for (name, where), texts in made.items()]


def _excluded(routes: Iterable[Route]) -> dict[str, str]:
    found = {}
    for route in routes:
        if route.kind in ("detail", "directory") or (route.kind == "unknown" and not route.looks and _is_final(route.reason)):
            found[route.path] = route.reason
    return found


def _is_final(reason: str) -> bool:
    return reason in (ACTS, MAY_ACT) or reason.startswith(("a file", "a page of"))


def _endpoints(facts: Facts) -> list[Endpoint]:
    """Every operation known, with the status a request got."""
    status: dict[tuple[str, str], int | None] = {}
    for route in facts.routes:
        if route.looks:
            best = next((look for look in route.looks if look.readable), route.looks[-1])
            status[route.method, route.path] = best.status
    made = []
    for each in facts.endpoints:
        seen = status.get((each.method, each.path))
        made.append(each.model_copy(update={"probed_status": seen}) if seen is not None else each)
    known = {each.path for each in made if each.method == "GET"}
    for route in facts.routes:
        if route.method == "GET" and route.path not in known:
            known.add(route.path)
            inside = set(route.parameters)
            query = [*route.query, *(fill.parameter for fill in route.fills if fill.parameter not in inside)]
            made.append(
                Endpoint(
                    method="GET", path=route.path, group=entity_name(route.path, facts.source), query=list(dict.fromkeys(query)),
                    summary=brief(route.why, 200), probed_status=status.get(("GET", route.path)), origin="discovered",
                )
            )  # fmt: skip
    return sorted(made, key=lambda each: (each.path, each.method))


def _gaps(facts: Facts, endpoints: Iterable[Endpoint], routes: set[str], excluded: Mapping[str, str]) -> list[Evidence]:
    """Endpoints that read and are neither ingested nor excluded, searches by POST, and what records name and nobody answers."""
    by_path = {(route.method, route.path): route for route in facts.routes}
    gets = {endpoint.path for endpoint in endpoints if endpoint.method == "GET"}
    found = []
    for endpoint in endpoints:
        told = f"{endpoint.method} {endpoint.path}"
        route = by_path.get((endpoint.method, endpoint.path))
        asked = endpoint.method == "GET" or (endpoint.method == "POST" and route is not None)
        if asked and endpoint.path not in routes and endpoint.path not in excluded:
            why = (route.reason if route else "") or "not asked within the budget"
            found.append(_gap(told, why, 1.0 if route and route.looks else 0.5))
        elif endpoint.method == "POST" and route is None and endpoint.path not in gets and endpoint.because:
            found.append(_gap(told, _unsent(endpoint), 1.0))
    return [*found, *(_gap(name, why, 0.8) for name, why in sorted(facts.gaps.items()))]


def _unsent(endpoint: Endpoint) -> str:
    """Why a POST that is named like a search is not sent."""
    if not endpoint.reads:
        return f"not sent: {endpoint.because}"
    return f"needs POST, which is sent only if a person allows it (--allow-post-search): {endpoint.because}"


def _gap(about: str, why: str, confidence: float) -> Evidence:
    return Evidence(about=about[:300], finding="gap", evidence=why[:500], confidence=confidence)


def _of_kinds(kinds: Iterable[Kind], hints: Iterable[EntityHint]) -> list[Evidence]:
    found = []
    for kind in kinds:
        rows = sum(len(route.records) for route in kind.routes)
        paths = ", ".join(f"{route.method} {route.path}" for route in kind.routes)
        told = [f"{rows} records seen from {paths}", *(dict.fromkeys(route.why for route in kind.routes)), *kind.notes]
        finding = f"one kind of record at {len(kind.routes)} endpoint{'s' if len(kind.routes) > 1 else ''}"
        found.append(Evidence(about=kind.name, finding=finding, evidence="; ".join(told)[:800], confidence=0.9 if rows else 0.5))
    return found


def _spending(facts: Facts) -> Evidence:
    short = "; the budget is used up: what was not asked is a gap" if facts.spent else ""
    return Evidence(
        about="requests", finding=f"{facts.requests} of {facts.budget}", evidence=f"requests that discovery sent{short}"
    )
