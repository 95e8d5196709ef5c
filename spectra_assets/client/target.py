"""What one parent is asked with: its values in the path and query of a fetch, and their text form."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote

from spectra_assets.covenant.access import Fetch
from spectra_assets.errors import ConfigurationError, SkippableError
from spectra_assets.untrusted import parts_of

Single = str | int
ParentValue = Single | tuple[Single, ...]
"""What a request is made for: the value of `Fetch.parent`, or those of (`parameter`, *`also`) in this order."""


def parent_text(value: ParentValue) -> str:
    """A parent's value as tables and ledger hold it: `7`, or of several values a JSON array of texts, `["octo","repo"]`."""
    if isinstance(value, tuple):
        return json.dumps([str(each) for each in value], ensure_ascii=False, separators=(",", ":"))
    return str(value)


def parent_parts(text: str | None) -> list[str]:
    """The texts of the single values in a parent's text: of one value itself, of several each of them."""
    if text is None:
        return []
    if not text.startswith("["):
        return [text]
    try:
        parts = json.loads(text)
    except ValueError:
        return [text]
    return parts if isinstance(parts, list) and all(isinstance(part, str) for part in parts) else [text]


class Target(NamedTuple):
    """Where a fetch is asked for one parent. `inside` are the values that stand in the body of a search by POST."""

    path: str
    query: dict[str, str]
    inside: dict[str, Single]


def target(fetch: Fetch, parent_value: ParentValue | None) -> Target:
    """Path, query and what else names the parent.

    Raises ConfigurationError if plan and parent don't fit, SkippableError for a value that can't stand in a path.
    """
    path, query = fetch.path, dict(fetch.query)
    inside: dict[str, Single] = {}
    for name, location, given in _fillings(fetch, parent_value):
        value = str(given)
        if location == "query" and fetch.method == "POST":
            inside[name] = given
            continue
        if location == "query":
            query[name] = value
            continue
        text = segment(fetch.path, name, value)
        if not stands(text):
            raise SkippableError(f"{value!r} can't stand for {name} in {fetch.path}")
        place = f"{{{name}}}"
        if place not in fetch.path:
            raise ConfigurationError(f"{fetch.path} of {fetch.entity} has no place for {place}")
        path = path.replace(place, quote(text, safe=""))  # which leaves no brace a later parameter could mistake for its place
    if "{" in path:
        raise ConfigurationError(f"nothing fills {path[path.index('{') :]} in {fetch.path} of {fetch.entity}")
    return Target(path, query, inside)


def stands(text: str) -> bool:
    """Whether a text can be one part of a path: `.` and `..` would lead to another path, whatever their quoting."""
    return text not in ("", ".", "..")


def segment(path: str, parameter: str, value: str) -> str:
    """What stands for a value in a path: the value itself, or of the address of a record what that address has in this place.

    Some records have no id, but their address: `https://api.example.com/v1/books/7/` stands in `/books/{id}/reviews` as `7`.
    """
    if "/" not in value or not value.startswith(("/", "http://", "https://")):
        return value
    before = path.partition(f"{{{parameter}}}")[0]
    parts = parts_of(value)
    found = _addressed(before).fullmatch(parts.path) if parts and before.strip("/") else None
    return unquote(found[1]) if found else value


@lru_cache(1024)
def _addressed(before: str) -> re.Pattern[str]:
    """Paths of records that are listed at a path which ends here, with what names them."""
    fixed = (re.escape(part) for part in re.split(r"\{[^}]*\}", before))
    return re.compile(f"(?:.*){'[^/]+'.join(fixed)}([^/]+)/?")


def _fillings(fetch: Fetch, parent_value: ParentValue | None) -> list[tuple[str, str, Single]]:
    """(parameter, path or query, value) of each value."""
    if fetch.parent is None or parent_value is None:
        if fetch.parent is None and parent_value is None:
            return []
        needs = "needs no parent value" if fetch.parent is None else f"needs a value for {fetch.parent.parameter}"
        raise ConfigurationError(f"the fetch of {fetch.entity} ({fetch.path}) {needs}")
    places = [(fetch.parent.parameter, fetch.parent.location), *((fill.parameter, fill.location) for fill in fetch.parent.also)]
    if fetch.parent.across is not None:
        places.append((fetch.parent.across.parameter, fetch.parent.across.location))
    values = parent_value if isinstance(parent_value, tuple) else (parent_value,)
    if len(values) != len(places):
        names = ", ".join(name for name, _ in places)
        raise ConfigurationError(
            f"the fetch of {fetch.entity} ({fetch.path}) needs a value for each of {names}, and got {len(values)}"
        )
    return [(name, location, value) for (name, location), value in zip(places, values, strict=True)]
