"""Gates of Source: the credential is accepted, the catalogue is whole, every entity can be reached."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spectra_assets.client.verdict import CLOSED
from spectra_assets.covenant.model import DataType
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.keys import not_empty, unique
from spectra_assets.gates.registry import gate

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
CATEGORIES = (
    *("readable", "needsParameters", "unauthorized", "forbidden", "gone", "notFound", "broken", "notJson"),
    *("unreachable", "notProbed", "write"),
)


def one_of_texts(column: str, texts: tuple[str, ...]) -> str:
    """The rule that `column` has one of the texts."""
    return f"`{column}` IN ({', '.join(repr(text) for text in texts)})"


@gate("auth_valid", needs=lambda _: ("isValid", "message"))
def auth_valid(candidate: Candidate) -> Iterator[Judged]:
    """The API accepts every credential."""
    advice = "set the environment variable that the row names to a valid credential"
    yield not_empty(candidate, "no credential was tried", advice)
    rule = Rule("isValid", "are not accepted by the API")
    show = ("kind", "tokenVariable", "isValid", "httpStatus", "message")
    yield Judged(candidate.accepted, (rule,), unit="credentials", show=show, quote="message", advice=advice)


@gate("endpoints_unique", needs=lambda _: ("method", "path"))
def endpoints_unique(candidate: Candidate) -> Judged:
    """No method and path stand twice."""
    return unique(candidate, ("method", "path"), "the pack lists one endpoint twice; keep the one that answers")


@gate("endpoints_parsed", needs=lambda _: ("method", "path", "category", "pathParameters"))
def endpoints_parsed(candidate: Candidate) -> Iterator[Judged]:
    """Every endpoint of the pack is there, with a known method and category, a path, and a parameter per placeholder."""
    advice = "correct the named entry in the intelligence pack"
    placeholders = "length(path) - length(replace(path, '{', ''))"
    rules = (
        Rule(one_of_texts("method", METHODS), "have no known method", "method"),
        Rule("startswith(path, '/')", "have a path that does not start with a slash", "path"),
        Rule(one_of_texts("category", CATEGORIES), "have no known category", "category"),
        Rule(f"coalesce(size(pathParameters), 0) = {placeholders}", "have parameters that don't fit their path", "parameters"),
    )
    show = ("method", "path", "category", "pathParameters")
    yield Judged(candidate.accepted, rules, unit="endpoints", show=show, advice=advice)
    probing: Mapping[str, Any] = candidate.known("probing")
    row = {"listed": probing["listed"], "parsed": candidate.counts.accepted}
    frame = candidate.small({"listed": DataType.INT64, "parsed": DataType.INT64}, [row])
    problem = f"the pack lists {row['listed']} endpoints, {row['parsed']} are here"
    yield Judged(frame, (Rule("parsed = listed AND parsed > 0", problem, "count", whole=True),), unit="catalogues", advice=advice)


@gate("hierarchy_proven", needs=lambda _: ("hierarchyProven",))
def hierarchy_proven(candidate: Candidate) -> Iterator[Judged]:
    """Every entity is reachable, those with a parent by an id found in it."""
    proofs = candidate.evidence.get("hierarchy", ())
    failed = [str(proof["reason"] or "") for proof in proofs if not proof["reachable"]]
    advice = to_do(failed, "give the credential's user access to the entity, or correct its route in the pack")
    if proofs:
        columns = dict.fromkeys(("entity", "route", "parentEntity", "reason"), DataType.TEXT) | {"reachable": DataType.BOOL}
        rule = Rule("reachable", "can't be reached", "entity")
        show = ("entity", "route", "parentEntity", "reason")
        yield Judged(candidate.small(columns, proofs), (rule,), unit="entities", show=show, advice=advice)
    yield not_empty(candidate, "the portfolio is empty", advice)
    rule = Rule("hierarchyProven", "do not prove the hierarchy")
    shown = ("source", "hierarchyProven", "entityCount", "reachableEntityCount", "health")
    yield Judged(candidate.accepted, (rule,), unit="portfolios", show=shown, advice=advice)


_STATUS = re.compile(r"(?:^|[ :])([1-5][0-9]{2})(?=[:;| ]|$)")
_TO_DO = {
    4: "correct its route in the pack, or leave the entity out there",
    5: "the API failed: run again once it answers; if it stays so, tell whoever runs it",
}


def to_do(reasons: Iterable[str], otherwise: str) -> str:
    """What helps against answers of one kind of status, which reasons name first; `otherwise`, also where access is refused."""
    told = [_STATUS.search(reason) for reason in reasons]
    statuses = {int(found[1]) for found in told if found is not None}
    kinds = {status // 100 for status in statuses}
    refused = not statuses.isdisjoint(CLOSED) or None in told
    return otherwise if refused or len(kinds) != 1 else _TO_DO.get(kinds.pop(), otherwise)
