"""What the words in paths and parameters are about: `getAllUsers` → user, `project_id` → project and id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from spectra_assets.names import camel, plural, singular, words

_IRREGULAR = {
    "people": "person", "children": "child", "men": "man", "women": "woman", "indices": "index", "indexes": "index",
    "matrices": "matrix", "vertices": "vertex", "series": "series", "species": "species", "news": "news", "movies": "movie",
    "cookies": "cookie", "calories": "calorie", "categories": "category", "statuses": "status", "bonuses": "bonus",
    "campuses": "campus", "viruses": "virus", "buses": "bus", "aliases": "alias", "canvases": "canvas", "biases": "bias",
    "data": "data", "metadata": "metadata", "media": "media", "criteria": "criterion", "analyses": "analysis",
    "caches": "cache", "axes": "axis", "quizzes": "quiz", "toes": "toe", "shoes": "shoe",
}  # fmt: skip

_VERBS = frozenset(
    ("get", "list", "find", "search", "fetch", "read", "query", "show", "lookup", "retrieve", "all", "browse", "export")
)
GENERIC = frozenset(
    ("all", "list", "lists", "items", "item", "search", "query", "find", "lookup", "browse", "index", "data", "records",
     "entries", "results", "result", "rows", "values", "objects", "collection", "elements", "filter", "filters",
     "filtered", "advancedsearch", "detail", "details", "detailed", "full", "expanded", "extended", "lite", "light",
     "simple", "basic", "brief", "short", "compact", "minimal", "paged", "paginated", "page", "pages", "bulk", "batch",
     "mine", "my", "own", "public", "private", "normal", "default", "active", "inactive", "enabled", "disabled",
     "archived", "deleted", "shared", "recent", "latest", "newest", "current", "open", "closed", "popular", "trending",
     "featured", "top", "hot", "new", "best", "upcoming", "available", "allocated", "assigned", "visible", "hidden",
     "favorite", "favorites", "favourite", "favourites", "ids", "byid", "byids", "get", "read", "fetch", "view",
     "hierarchy", "tree", "flat", "nested", "info")
)  # fmt: skip
"""Words at the end of a path which say how something is listed, not what."""

FULLER = frozenset(("detail", "details", "detailed", "full", "expanded", "extended"))
LEANER = frozenset(
    ("lite", "light", "simple", "basic", "brief", "short", "compact", "minimal", "search", "filter", "active", "inactive",
     "archived", "deleted", "shared", "recent", "latest", "public", "private", "mine", "my", "own", "normal", "current",
     "open", "closed", "popular", "trending", "featured", "top", "favorite", "favorites", "ids", "allocated", "assigned",
     "visible", "hidden")
)  # fmt: skip
"""Words of lists that may leave rows or fields out."""

_ID_WORDS = frozenset(
    ("id", "ids", "key", "keys", "uuid", "guid", "uid", "slug", "name", "number", "code", "num", "no", "nr", "ref",
     "identifier", "pk", "sha", "login", "handle", "path")
)  # fmt: skip
_GLUED_ID = re.compile(r"(.{2,}?)(ids?|uuid|guid)", re.IGNORECASE)
_NO_ID = frozenset(
    ("grid", "paid", "valid", "void", "hybrid", "android", "fluid", "solid", "raid", "bid", "mid", "avoid", "said")
)
_KEEPS = 80


@cache
def singular_of(word: str) -> str:
    """The singular of an English word in lower or camel case; only its last word changes."""
    parts = words(word)
    last = parts[-1] if parts else word
    known = _IRREGULAR.get(last.lower())
    if known is None:
        return singular(word)
    before = word[: len(word) - len(last)]
    return before + (known.capitalize() if last[:1].isupper() else known)


@cache
def noun(segment: str) -> str:
    """What a fixed segment names, as camelCase singular; empty if it only says how (`search`, `findByStatus`, `all`)."""
    stem = re.sub(r"\.(json|xml|ya?ml|php|aspx?|jsp|do)$", "", segment, flags=re.IGNORECASE).partition(":")[0]
    parts = words(stem[:_KEEPS])
    lower = [part.lower() for part in parts]
    if "by" in lower:
        parts = parts[: lower.index("by")]
    while parts and parts[0].lower() in _VERBS:
        parts = parts[1:]
    while parts and parts[-1].lower() in GENERIC:
        parts = parts[:-1]
    if not parts or (len(parts) == 1 and re.fullmatch(r"by[a-z]+|get|all", parts[0].lower())):
        return ""
    return singular_of(camel("_".join(parts)))


def plain(text: str) -> str:
    """Letters and digits of a name in lower case."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def same(segment: str, stem: str) -> bool:
    """Whether a fixed segment and the stem of a parameter name the same thing, in singular or plural."""
    one, other = plain(segment), plain(stem)
    return bool(one) and bool(other) and (one == other or plain(noun(segment)) == other or one == plain(plural(other)))


@dataclass(frozen=True)
class Stem:
    """A parameter's name: what it identifies (empty: nothing is said), and by what (`id`, `slug`, …; empty: nothing is said)."""

    of: str
    by: str


@cache
def stem(parameter: str) -> Stem:
    """`project_id` → (project, id), `projectid` → (project, id), `owner` → (owner, ''), `id` → ('', id)."""
    parts = [part.lower() for part in words(parameter)]
    if not parts:
        return Stem("", "")
    if len(parts) > 2 and parts[-2] == "or" and parts[-1] in _ID_WORDS:
        parts = parts[:-2]
    if parts[-1] in _ID_WORDS:
        return Stem("".join(parts[:-1]), parts[-1].rstrip("s") if parts[-1] in ("ids", "keys") else parts[-1])
    whole = "".join(parts)
    glued = _GLUED_ID.fullmatch(whole)
    if glued and whole not in _NO_ID:
        return Stem(glued.group(1), "id")
    return Stem(whole, "")
