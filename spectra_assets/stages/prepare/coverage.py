"""Coverage: what became of every endpoint that reads, and of every id that names an entity nobody reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spectra_assets.client.totals import plain
from spectra_assets.covenant.canon import Canon
from spectra_assets.intelligence.model import BY_HAND, EMPTY, NAMED_EMPTY, Pack
from spectra_assets.intelligence.verbs import MAY_ACT
from spectra_assets.stages.asking.locations import noun_of
from spectra_assets.stages.asking.sampling import read_sample
from spectra_assets.stages.prepare.paging.measuring import lasting, measured_rows
from spectra_assets.stages.prepare.within import cut_short
from spectra_assets.stages.source.probing import is_read
from spectra_assets.stages.tables import table_of
from spectra_assets.stages.work import Draft, Work, action
from spectra_assets.untrusted import parts_of

_CLOSED: Mapping[str, str] = {
    "unauthorized": "the credential may not read it",
    "forbidden": "the credential may not read it",
    "gone": "it is gone",
    "notFound": "it is not found",
    "broken": "it fails on the server",
    "notJson": "its answer is no JSON",
}
"""Categories of endpoints that nothing can be read from, and what that means."""

_MISSING = ("gone", "notFound")
"""Those of them that are gaps where a description says that a list is there."""


@action("prepare.cover_endpoints")
def cover_endpoints(draft: Draft, work: Work) -> None:
    """`prepare.coverage`: each endpoint that reads is ingested, excluded with its reason, or a gap; and each field whose ids
    belong to no entity that is ingested is a gap, as are rows that only another route shows, and those of lists inside of records
    of which the records hold a page."""
    routes = work.read("prepare.dependencies").to_pylist()
    endpoints = [row for row in work.read("source.endpoints").to_pylist() if is_read(row)]
    rows = [
        *_endpoints(endpoints, routes, lasting(work)),
        *_searches(work.pack),
        *_references(work.canon, work.pack),
        *_missed(routes),
        *_kept_back(measured_rows(work), routes),
        *_cut_short(work, routes),
    ]
    rows += _unread(work.pack, {row["name"] for row in rows})
    draft.rows = table_of("prepare.coverage", rows)
    gaps = sum(row["disposition"] == "gap" for row in rows)
    work.say(
        f"{len(endpoints)} endpoints that read: {sum(row['disposition'] == 'ingested' for row in rows)} ingested, {gaps} gaps"
    )


def _endpoints(
    endpoints: Iterable[Mapping[str, Any]], routes: Iterable[Mapping[str, Any]], pack: Pack
) -> Iterable[dict[str, Any]]:
    chosen = {row["path"]: row["entity"] for row in routes if row["chosen"]}
    later = {path: waiting for waiting in pack.postponed for path in waiting.hint.routes}
    tried: dict[str, Mapping[str, Any]] = {}
    for row in routes:
        tried.setdefault(row["path"], row)
    ingested = set(chosen.values())
    for endpoint in endpoints:
        path = endpoint["path"]
        disposition, entity, reason = _judged(endpoint, chosen, tried.get(path), ingested, pack)
        if disposition == "gap" and path in later:
            entity, reason = later[path].hint.entity, later[path].why
        yield {
            "kind": "endpoint",
            "name": path,
            "disposition": disposition,
            "entity": entity,
            "rowsSeen": endpoint["rowCount"],
            "reason": reason[:300],
        }


def _judged(
    endpoint: Mapping[str, Any],
    chosen: Mapping[str, str],
    route: Mapping[str, Any] | None,
    ingested: set[str],
    pack: Pack,
) -> tuple[str, str | None, str]:
    """(disposition, entity, reason) of one endpoint."""
    path, category = endpoint["path"], endpoint["category"]
    if path in chosen:
        return "ingested", chosen[path], "the proven route" + ("; its name was guessed" if path in _guessed(pack) else "")
    if route is not None and route["entity"] in ingested:
        return "excluded", route["entity"], f"another route of {route['entity']}, {route['verdict']}: {route['evidence']}"
    if (reason := pack.why_excluded(path)) in (EMPTY, NAMED_EMPTY) and endpoint["rowCount"]:
        return (
            "gap",
            None,
            f"it was empty when the API was discovered, and answers with {endpoint['rowCount']} records now: --rediscover",
        )
    if reason:
        return "gap" if reason in (MAY_ACT, NAMED_EMPTY) else "excluded", None, reason
    if category == "notJson" and endpoint["answerShape"] != "html":
        return (
            "gap",
            endpoint["entity"],
            f"{_CLOSED[category]}: {endpoint['reason'] or 'it may hold records that can not be read'}",
        )
    if category in (*_MISSING, "notJson") and (whose := _promised(pack, path)):
        return "gap", endpoint["entity"], f"{whose}, and {_CLOSED[category]}: {endpoint['reason'] or category}"
    if category == "broken" and pack.origin == "discovered" and "{" not in path and path not in _guessed(pack):
        return "gap", endpoint["entity"], f"{_CLOSED[category]}: {endpoint['reason'] or category}; once it answers: --rediscover"
    if category in _CLOSED:
        return "excluded", endpoint["entity"], f"{_CLOSED[category]}: {endpoint['reason'] or category}"
    above = next((place for place in (_above(path), f"{_above(path)}.json") if place in chosen), "")
    if above:
        return "excluded", chosen[above], f"one record of {above}"
    if pack.origin == "curated" and endpoint["entity"] is None:
        return "excluded", None, "the intelligence pack knows no entity here"
    if route is not None:
        return "gap", route["entity"], f"no route of {route['entity']} is proven: {route['evidence']}"
    if category == "readable" and endpoint["answerShape"] in ("object", "empty") and not endpoint["rowCount"]:
        return "excluded", None, "it answers without records"
    if category == "readable":
        anew = "; --rediscover takes it in" if pack.origin == "discovered" else ""
        return "gap", None, f"it answers with {endpoint['rowCount'] or 0} records, which belong to no entity{anew}"
    return "gap", None, endpoint["reason"] or f"it was not read: {category}"


def _promised(pack: Pack, path: str) -> str:
    """Who says that a list is at the path that any request may ask for: a person, or a description; empty if nobody does."""
    known = {endpoint.path: endpoint for endpoint in pack.endpoints if endpoint.method == "GET"}.get(path)
    if pack.origin != "discovered" or known is None or "{" in path:
        return ""
    return known.summary if known.summary == BY_HAND else "the description has it" if known.origin == "documented" else ""


def _guessed(pack: Pack) -> set[str]:
    return {endpoint.path for endpoint in pack.endpoints if endpoint.summary.startswith("a usual name")}


def _above(path: str) -> str:
    """`/users` of `/users/{id}`; empty if the path does not end with a parameter."""
    head, _, last = path.rpartition("/")
    return head if last.startswith("{") and last.endswith("}") else ""


def _searches(pack: Pack) -> Iterable[dict[str, Any]]:
    """Searches by POST that nobody allowed, and what is only named like one, where no GET is."""
    known = {endpoint.path for endpoint in pack.reading}
    for endpoint in pack.endpoints:
        if endpoint.method != "POST" or endpoint.path in known or not (endpoint.reads or endpoint.because):
            continue
        asked = "a search by POST: not sent unless a person allows it (--allow-post-search)"
        yield {
            "kind": "search",
            "name": endpoint.path,
            "disposition": "gap" if endpoint.reads else "excluded",
            "reason": asked if endpoint.reads else f"no search that only reads: {endpoint.because}"[:300],
        }


def _references(canon: Canon, pack: Pack) -> Iterable[dict[str, Any]]:
    keys = {field.target for entity in canon.entities for field in entity.fields if field.key and not field.unresolved}
    for entity in canon.entities:
        for field in entity.fields:
            if field.unresolved and field.target not in keys:  # a field that a rule names like a key refers to it
                name = f"{entity.entity}.{field.raw}"[:300]
                why = pack.why_excluded(name)
                yield {
                    "kind": "reference",
                    "name": name,
                    "disposition": "excluded" if why else "gap",
                    "entity": entity.entity,
                    "reason": why or f"its ids name {field.unresolved!r}, of which no endpoint is ingested",
                }


def _missed(routes: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for row in routes:
        if row["chosen"] and row["missed"]:
            yield {
                "kind": "rows",
                "name": row["entity"],
                "disposition": "gap",
                "entity": row["entity"],
                "reason": f"{row['path']} does not give them: {row['missed']}"[:300],
            }


def _kept_back(constraints: Iterable[Mapping[str, Any]], routes: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """Rows that only a parameter gives, in place of those of the list: no list holds both."""
    chosen = {row["path"] for row in routes if row["chosen"]}
    for row in constraints:
        if row["constraint"] == "hiddenRows" and row["path"] in chosen:
            yield {
                "kind": "rows",
                "name": f"{row['path']}?{row['value']}",
                "disposition": "gap",
                "entity": row["entity"],
                "rowsSeen": None,
                "reason": row["evidence"][:300],
            }


def _cut_short(work: Work, routes: Sequence[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """Lists inside of records of which sampled ones hold a page only, where no list of each record is read that has them all."""
    chosen = [row for row in routes if row["chosen"]]
    for entity in work.canon.entities:
        own = {plain(noun_of(row["path"])) for row in chosen if row["parentEntity"] == entity.entity} - {""}
        sample = read_sample(work.lakehouse, entity.entity, entity.primary_key)
        for cut in cut_short(sample):
            read = bool(cut.names & own)
            told = f"{cut.records} of {len(sample)} sampled records hold a part of {cut.path} ({cut.sign})"
            yield {
                "kind": "rows",
                "name": f"{entity.entity}.{cut.path}"[:300],
                "disposition": "excluded" if read else "gap",
                "entity": entity.entity,
                "rowsSeen": None,
                "reason": f"{told}; {'a list of each record has all' if read else 'no list that is read has the rest'}"[:300],
            }


def _unread(pack: Pack, told: set[str]) -> Iterable[dict[str, Any]]:
    """Endpoints and addresses that discovery saw and could not read, if nothing of `told` is at their path."""
    for each in pack.evidence:
        name = each.about.removeprefix("GET ")
        if each.finding != "gap" or not name.startswith(("/", "http://", "https://")) or " " in name:
            continue
        if name not in told and _path(name) not in told:
            told.add(name)
            why = pack.why_excluded(name)
            yield {
                "kind": "endpoint",
                "name": name,
                "disposition": "excluded" if why else "gap",
                "reason": (why or each.evidence)[:300],
            }


def _path(address: str) -> str:
    parts = parts_of(address)
    return parts.path if parts else address
