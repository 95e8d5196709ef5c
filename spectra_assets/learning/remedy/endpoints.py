"""Endpoints that do not answer any more: another one that holds the same records, else the question whether to go on without."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from spectra_assets.client.pager import linked
from spectra_assets.client.verdict import CLOSED
from spectra_assets.covenant.access import Fetch
from spectra_assets.errors import SpectraError
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.plans import promised_plan, promised_plan_of
from spectra_assets.learning.remedy.registry import SOURCE, carried, remedies_for, rule, scope
from spectra_assets.names import plural
from spectra_assets.playbook.rules import EndpointRule
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.asking.links import leads_nowhere, links_of, may_lead, template_of
from spectra_assets.stages.asking.sampling import Asked
from spectra_assets.untrusted import parts_of

_SAME = 0.8
"""Share of the records known that another list must hold to be the same one."""

_LISTS = 20
"""Lists that are looked at in search of one that is gone."""

_ADDRESSES = 100
"""Addresses that are taken from what the root of the API answers."""

_PARENTS = 4
"""Parents that are asked for with a path which may have taken the place of another one."""

_REFUSED = 50
"""Parents that one rule names at most."""

_SUCCESSORS = ("successor-version", "latest-version", "alternate", "canonical")
"""Relations of an address that holds the same in another place."""

_DESCRIPTIONS = ("/openapi.json", "/swagger.json", "/v3/api-docs", "/api-docs")
"""Where an API may describe itself as it is now."""

_PARAMETER = re.compile(r"\{[^{}/]*\}")


@remedies_for(Cause.ENDPOINT_FORBIDDEN)
def refused_parents(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The lists of some parents are refused while those of most are read: a person may have them stay as they were."""
    skipped = next((fact for fact in gap.evidence if fact.kind == "skipped"), None)
    plan = promised_plan(gap, facts)
    if skipped is None or plan is None or plan.parent is None:
        return
    lists: dict[str, list[int | None]] = {}
    for each in facts.came(plan.entity):
        if each.parent is not None:
            lists.setdefault(each.parent, []).append(each.status)
    refused = sorted(parent for parent, statuses in lists.items() if CLOSED.intersection(statuses))
    parents = sorted({*refused, *plan.refused})
    if len(refused) != skipped.count or 2 * len(refused) >= len(lists) or len(parents) > _REFUSED or not carried(*parents):
        return
    told = f"{', '.join(refused[:_PARENTS])}{', …' if len(refused) > _PARENTS else ''}"
    many = "list is" if len(refused) == 1 else "lists are"
    why = f"of {len(lists)} lists of {plan.entity} {len(refused)} {many} refused: that of {plan.parent.entity} {told}"
    needs = (
        f"{why}. With a credential that may read them they come by themselves. Yes reads all others from now on: rows of the "
        f"refused stay as they were, {gap.check} counts them, and they are asked for each time, so that they are read again once "
        "that is allowed"
    )
    yield rule(RemedyKind.ACCEPT_REFUSED, SOURCE, "refused", scope(gap, facts), {"parents": parents}, why, needs)


@remedies_for(Cause.ENDPOINT_GONE, Cause.ENDPOINT_FORBIDDEN, Cause.ENDPOINT_BROKEN, Cause.UNREACHABLE_ENTITY)
def another_endpoint(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """Another list that holds the same records; else the entity is left out: if it was read before, a person decides that.

    A list that answers, if only for some parents, is never left out.
    """
    proves = gap.check == "auth_valid"
    entity = facts.pack.entity_at(facts.covenant.pipeline.server.probe) if proves else gap.entity
    promised = promised_plan(gap, facts) if entity is None else promised_plan_of(entity, facts)
    entity = entity or (promised.entity if promised else None)
    if entity is None:
        return
    path = promised.path if promised else next(iter(_routes(entity, facts)), None)
    if path is None or (facts.has_learned and _is_new(path, facts)):
        return
    found = _same_list(entity, path, promised, facts)
    if found is not None:
        values = {"path": path, "instead": found[0], "reason": f"it answers no more; GET {found[0]} lists the same records"}
        why = f"GET {path} does not answer, and GET {found[0]} lists {found[1]} of its {found[2]} records"
        yield rule(RemedyKind.REPLACE_ENDPOINT, SOURCE, "endpoint", {"source": gap.source}, values, why)
    if proves or _answers(path, promised, facts):
        return  # without it nothing can be asked; or it is not the list that is gone
    told = {Cause.ENDPOINT_GONE: "it is gone", Cause.ENDPOINT_FORBIDDEN: "the credential may not read it"}
    reason = told.get(gap.cause, "its answers can't be used")
    needs = None
    if facts.published(entity):
        needs = f"{plural(entity)} were read before: without them their tables are no longer made, so a person decides"
    elif gap.cause not in told:
        needs = "a person decides whether to go on without it"
    if gap.cause not in told:
        needs = f"{needs}. What fails may be mended by itself: each run asks for it again, and this is over once it answers"
    values = {"path": path, "reason": reason}
    yield rule(RemedyKind.SKIP_ENDPOINT, SOURCE, "endpoint", {"source": gap.source}, values, f"GET {path}: {reason}", needs)


def _is_new(path: str, facts: Facts) -> bool:
    """Whether a rule says that this path took the place of another one."""
    return any(rule.instead == path for rule in facts.playbooks.rules(EndpointRule, facts.source))


def _routes(entity: str, facts: Facts) -> list[str]:
    return next((hint.routes for hint in facts.pack.entities if hint.entity == entity), [])


def _same_list(entity: str, path: str, plan: Fetch | None, facts: Facts) -> tuple[str, int, int] | None:
    """(path, records found there, records known) of a list that holds the records known of an entity."""
    known = facts.entity(entity)
    before = facts.published(entity) or facts.sampled(entity)
    if known is None or facts.explorer is None or not before:
        return None
    keys = {str(value) for record in before for value in values_at(record, known.primary_key)}
    parents = _parents(plan, facts)
    if bool(parents) != (plan is not None and plan.parent is not None) or ("{" in path and not parents):
        return None
    for other in _others(path, facts):
        try:
            rows = _rows(other, plan, parents, facts)
        except SpectraError:
            return None
        here = {str(value) for record in rows for value in values_at(record, known.primary_key)}
        mine = len(here & keys)
        alike = bool(rows) and set(before[0]) & set(rows[0]) == set(before[0])
        if here and alike and mine >= _SAME * min(len(here), len(keys)):
            return other, mine, len(keys)
    return None


def _rows(path: str, plan: Fetch | None, parents: Sequence[Any], facts: Facts) -> list[Record]:
    """The first rows of a list, or of the lists of some parents."""
    assert facts.explorer is not None  # noqa: S101  (the caller's condition)
    if plan is None or plan.parent is None or not parents:
        return facts.explorer.listing(Asked(path), pages=1).records
    asked = [Asked(path, ((plan.parent.parameter, parent),)) for parent in parents]
    return [record for each in asked for record in facts.explorer.listing(each, pages=1).records]


def _answers(path: str, plan: Fetch | None, facts: Facts) -> bool:
    """Whether the list gives records now, asked whole or for one of some parents."""
    parents = _parents(plan, facts)
    if facts.explorer is None or ("{" in path and not parents):
        return False
    asked = [Asked(path, ((plan.parent.parameter, parent),)) for parent in parents] if plan and plan.parent else [Asked(path)]
    try:
        return any(facts.explorer.listing(each, pages=1).records for each in asked)
    except SpectraError:
        return False


def _parents(plan: Fetch | None, facts: Facts) -> list[Any]:
    """Values of some parents by which the plan asks, in its path or by a parameter."""
    if plan is None or plan.parent is None or plan.parent.composite:
        return []
    records = facts.published(plan.parent.entity)
    return [value for record in records for value in values_at(record, plan.parent.path)][:_PARENTS]


def _others(path: str, facts: Facts) -> list[str]:
    """Lists that may have taken the place of one, with its parameters: what its own refusal names, what the root of the API names
    now, what the API describes now, those of the catalogue; first those called as it is. No address that is an action."""
    taken = {route for hint in facts.pack.entities for route in hint.routes}
    listed = [each.path for each in facts.pack.endpoints if each.method == "GET"]
    assert facts.wire is not None  # noqa: S101  (the caller's condition)
    base = facts.wire.client.base_url
    named = [below(address, base) for address in (*_successors(path, facts), *addresses_in(_told("/", facts)))]
    parameters = _PARAMETER.findall(path)
    found = dict.fromkeys(_called(each, parameters) for each in [*named, *_described(facts), *listed] if each)
    others = [each for each in found if each and each not in taken and each != path and carried(each)]
    lists = [each for each in others if not leads_nowhere(_PARAMETER.sub("", each).rstrip("/").rpartition("/")[2], each)]
    return sorted(lists, key=lambda each: _last(each) != _last(path))[:_LISTS]


def _last(path: str) -> str:
    """The last segment of a path that is no parameter."""
    return next((part for part in reversed(path.split("/")) if part and not _PARAMETER.fullmatch(part)), "").lower()


def _successors(path: str, facts: Facts) -> list[str]:
    """Where a list that is gone says that it went, in the headers of its refusal (RFC 5829, RFC 9110) or in its words."""
    if facts.explorer is None or "{" in path:
        return []
    try:
        refusal = facts.explorer.one(Asked(path))
    except SpectraError:
        return []
    link = refusal.headers.get("Link", "")
    told = (*(linked(link, relation) for relation in _SUCCESSORS), refusal.headers.get("Location", ""), *refusal.named)
    return [text for text in told if text]


def addresses_in(told: Any) -> list[str]:
    """The addresses that a root names and that may lead to lists, the outermost first, a hundred at most."""
    links = sorted(filter(may_lead, links_of(told, document=True)), key=lambda link: link.place.count("."))
    return list(dict.fromkeys(text for link in links for text in template_of(link.url)[0]))[:_ADDRESSES]


def _described(facts: Facts) -> list[str]:
    """The paths that the API's own description names now, without its base path."""
    base = urlsplit(facts.wire.client.base_url).path.rstrip("/") if facts.wire is not None else ""
    for place in _DESCRIPTIONS:
        told = _told(place, facts)
        paths = told.get("paths") if isinstance(told, dict) else None
        if isinstance(paths, dict):
            reads = [path for path, methods in paths.items() if isinstance(methods, dict) and "get" in methods]
            return [path.removeprefix(base) if base else path for path in reads if isinstance(path, str)]
    return []


def _told(place: str, facts: Facts) -> Any:
    """What the API answers there; None if nothing."""
    try:
        return facts.explorer.one(Asked(place)).value if facts.explorer is not None else None
    except SpectraError:
        return None


def _called(path: str, parameters: Sequence[str]) -> str | None:
    """The path with its parameters called as those; None if it has not as many."""
    if len(_PARAMETER.findall(path)) != len(parameters):
        return None
    names = iter(parameters)
    return _PARAMETER.sub(lambda _: next(names), path)


def below(address: str, base_url: str) -> str | None:
    """The path below the base URL that an address of the same server has; None of what is elsewhere, or no address."""
    base, there = urlsplit(base_url), parts_of(address)
    if there is None or there.netloc not in ("", base.netloc) or there.query:
        return None
    path = there.path.removeprefix(base.path.rstrip("/"))
    return path if path.startswith("/") and len(path) > 1 else None
