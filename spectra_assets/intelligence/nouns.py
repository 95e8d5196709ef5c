"""What the words in paths and parameters are about: `getAllUsers` → user, `project_id` → project and id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

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

_LINES = frozenset(("items", "item", "entries"))
"""What follows the name of something else for what it is made of: the items of an order are no orders."""

_SOMETIMES = frozenset(
    ("items", "item", "entries", "records", "results", "rows", "values", "objects", "elements", "tree", "pages", "page", "lists",
     "list", "filters", "collection", "result", "favorites", "favourites", "data", "info")
)  # fmt: skip
"""Those of them that are nouns where no other is in front."""

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
NO_ID = frozenset(("grid", "paid", "valid", "void", "hybrid", "android", "fluid", "solid", "raid", "bid", "mid", "avoid", "said"))
"""Words that end like a name with `id` behind it, and are none."""
_KEEPS = 80


@lru_cache(maxsize=1 << 16)
def singular_of(word: str) -> str:
    """The singular of an English word in lower or camel case; only its last word changes."""
    parts = words(word)
    last = parts[-1] if parts else word
    known = _IRREGULAR.get(last.lower())
    if known is None and last.lower().endswith("statuses"):
        known = last.lower()[:-2]
    if known is None:
        return singular(word)
    before = word[: len(word) - len(last)]
    return before + (known.capitalize() if last[:1].isupper() else known)


VERSION = re.compile(r"v\d+([._]\d+)*((alpha|beta|rc)\d*)?|api|rest|latest|odata|\d{4}-\d{2}(-\d{2})?|\d+(\.\d+)*", re.IGNORECASE)
"""Segments that only say which API and version it is."""


@lru_cache(maxsize=1 << 16)
def noun(segment: str) -> str:
    """What a fixed segment names, as camelCase singular; empty if it only says how (`search`, `findByStatus`, `all`)."""
    stem = re.sub(r"\.(json|xml|ya?ml|php|aspx?|jsp|do)$", "", segment, flags=re.IGNORECASE).partition(":")[0]
    parts = words(stem[:_KEEPS]) if not VERSION.fullmatch(segment) else []
    lower = [part.lower() for part in parts]
    if "by" in lower:
        parts = parts[: lower.index("by")]
    while parts and parts[0].lower() in _VERBS:
        parts = parts[1:]
    while parts and parts[-1].lower() in GENERIC and not _made_of(parts):
        parts = parts[:-1]
    if not parts or (len(parts) == 1 and re.fullmatch(r"by[a-z]+|get|all", parts[0].lower())):
        return ""
    return singular_of(camel("_".join(parts)))


def _made_of(parts: Sequence[str]) -> bool:
    """Whether the words name what something is made of: `order_items`, and not `all_items`."""
    return len(parts) > 1 and parts[-1].lower() in _LINES and parts[-2].lower() not in GENERIC


def noun_at(segments: Sequence[str], place: int) -> str:
    """The noun of a fixed segment where it stands: `items` behind a parameter or at the start of a path is what is listed."""
    segment = segments[place]
    if "{" in segment:
        return ""
    found = noun(segment)
    if not found and segment.lower() in _SOMETIMES and (place == 0 or "{" in segments[place - 1]):
        return singular_of(segment.lower())
    return found


@lru_cache(maxsize=1 << 16)
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


@lru_cache(maxsize=1 << 16)
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
    if whole == "username":
        return Stem("user", "username")
    glued = _GLUED_ID.fullmatch(whole)
    if glued and whole not in NO_ID:
        return Stem(glued.group(1), "id")
    return Stem(whole, "")
