"""Whether an operation by POST is a search: one that reads, and changes nothing, by everything that its description says."""

from __future__ import annotations

import re
from typing import NamedTuple

from spectra_assets.intelligence.description.bodies import Body
from spectra_assets.intelligence.description.model import Reply
from spectra_assets.intelligence.description.pointers import Node, mapping
from spectra_assets.intelligence.nouns import plain
from spectra_assets.names import words

_SEARCHES = frozenset(("search", "query", "find", "lookup", "list", "filter", "advancedsearch", "advancesearch", "searches"))
_WRITES = frozenset(
    ("create", "creates", "add", "adds", "update", "updates", "delete", "deletes", "remove", "removes", "save", "saves", "store",
     "stores", "import", "start", "starts", "run", "execute", "send", "sends", "submit", "register", "upload", "assign", "set",
     "reindex", "subscribe", "schedule", "insert", "upsert", "replace", "patch", "cancel", "archive", "purge", "clear",
     "generate", "publish", "trigger", "enqueue", "retry", "lock", "unlock", "approve", "reject", "move", "merge")
)  # fmt: skip
_FILTERS = re.compile(
    r"filters?|query|where|search|criteria|sort\w*|order\w*|limit|offset|skip|from|size|page\w*|cursor|start\w*|per_?page|max\w*|"
    r"after|before|take|top|q|term|fields?|select|include|expand|projection|aggs|ids|\w+_?ids",
    re.IGNORECASE,
)
"""Members of a body that say what to look for, or how to give it."""

_RECORD = 0.5
"""Share of a body's members that are fields of the records as well, from which on it looks like a record to be stored."""


class Judgement(NamedTuple):
    """Whether it only reads, and what shows that, or speaks against it; nothing is said of what is not named like a search."""

    reads: bool
    because: str


def judged(operation: Node, path: str, reply: Reply, body: Body) -> Judgement:
    """What an operation by POST is."""
    name, summary = str(operation.get("operationId", "")), str(operation.get("summary", ""))
    last = plain(path.rstrip("/").rpartition("/")[2].partition(":")[2] or path.rstrip("/").rpartition("/")[2])
    verb = next(iter(words(name)), "").lower()
    told = next((word for word in (last, verb) if word in _SEARCHES), "")
    if not told:
        return Judgement(False, "")
    codes = {str(code) for code in mapping(operation.get("responses"))}
    made = sorted(codes & {"201", "202", "204"})
    writes = sorted({word.lower() for word in words(f"{name} {summary} {last}"[:400])} & _WRITES)
    if "200" not in codes or made:
        return Judgement(False, f"named a {told}, but it answers {', '.join(made) or 'no 200'}, as what changes something does")
    if writes:
        return Judgement(False, f"named a {told}, but its name or summary speaks of a change ({', '.join(writes)})")
    if reply.kind != "list":
        return Judgement(False, f"named a {told}, but no list of records is described as its answer")
    if body.form:
        return Judgement(False, f"named a {told}, but its body is no JSON")
    if _is_record(body, reply):
        return Judgement(False, f"named a {told}, but its body is described as the records are: it may store one")
    what = f"its body says what to look for ({', '.join(body.keys[:6])})" if body.keys else "it takes no body"
    return Judgement(
        True, f"its name says {told}; {what}; its answer is described as a list, and nothing speaks of a change"[:500]
    )


def _is_record(body: Body, reply: Reply) -> bool:
    """Whether a body has the members of a record, and none that tells a search."""
    own = reply.shape.keys if reply.shape else {}
    if any(_FILTERS.fullmatch(key) for key in body.keys) or not body.keys:
        return False
    return sum(key in own for key in body.keys) >= _RECORD * len(body.keys)
