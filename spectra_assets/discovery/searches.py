"""Searches by POST: the permission that a person gives, as it is written down, and taken back from what turns out to be none."""

from __future__ import annotations

from collections.abc import Iterable

from spectra_assets.covenant.access import Search
from spectra_assets.discovery.build import Facts
from spectra_assets.intelligence.model import Evidence

ALLOWED = "--allow-post-search"
"""How a pack and a covenant tell that the person who began the discovery allowed a search."""


def allow(facts: Facts, now: bool, before: Iterable[Search]) -> None:
    """Write down which searches may be sent: those that a person named `before`, and if the option allows them `now`, or did so
    before, those whose description shows, as it is today, that they only read. Where a GET is at the same path, that is asked."""
    gets = {each.path for each in facts.endpoints if each.method == "GET"}
    reading = {each.path for each in facts.endpoints if each.method == "POST" and each.reads}
    earlier = {search.path: search for search in before if search.allowed_by != ALLOWED or search.path in reading}
    allowed = []
    for each in facts.endpoints:
        if each.method != "POST" or each.path in gets:
            continue
        fresh = Search(path=each.path, allowed_by=ALLOWED, evidence=each.because) if each.reads and now else None
        search = earlier.get(each.path) or fresh
        if search is not None:
            allowed.append(search)
            told, why = f"a search by POST, allowed by {search.allowed_by}", each.because or "a person said so"
            facts.evidence.append(Evidence(about=f"POST {each.path}", finding=told, evidence=why))
    facts.server = facts.server.model_copy(update={"searches": allowed})


def strike(facts: Facts) -> None:
    """Take the permission back from what changed something, or can't be read."""
    closed = {route.path: route.reason for route in facts.routes if route.method == "POST" and route.kind == "closed"}
    kept = [search for search in facts.server.searches if search.path not in closed]
    facts.server = facts.server.model_copy(update={"searches": kept})
    for place, each in enumerate(facts.endpoints):
        if each.method == "POST" and each.path in closed:
            facts.endpoints[place] = each.model_copy(update={"reads": False, "because": closed[each.path][:500]})
