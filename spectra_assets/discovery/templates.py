"""From concrete addresses in records to the path template they follow: `/users/42/posts` in the record of user 42 is
`/users/{userId}/posts`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from spectra_assets.client.target import segment
from spectra_assets.covenant.paths import split_path
from spectra_assets.discovery.route import Fill, Route, entity_name, filled, likely_key, plain_values
from spectra_assets.discovery.scout import joined, segments
from spectra_assets.names import camel, pascal, plural, words
from spectra_assets.stages.asking.answers import Record

MOST_EXAMPLES = 8

_ID = re.compile(r"\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{12,}|(?=\w*\d)(?=\w*[A-Za-z])[\w-]{6,}", re.IGNORECASE)
_PAGING = re.compile(
    r"(page|offset|limit|cursor|size|per_?page|start|after|before|sort|order|format|fields|include|expand|\$\w+)\w*", re.I
)


@dataclass(frozen=True)
class Seen:
    """One address below the base URL, in a record."""

    record: Record
    path: str
    query: Mapping[str, str]


@dataclass
class Template:
    """What the addresses have in common. `open` are parameters that no field of the record fills."""

    path: str
    fills: tuple[Fill, ...] = ()
    examples: tuple[tuple[str, ...], ...] = ()
    query: dict[str, None] = field(default_factory=dict)
    open: tuple[str, ...] = ()

    @property
    def names_one(self) -> bool:
        """Whether its last segment is a parameter."""
        return self.path.rstrip("/").endswith("}")


def generalised(seen: Sequence[Seen], owner: Route, held: Sequence[Mapping[str, str]]) -> Template:
    """The template of addresses which stand at one place in the records of `owner`; `held` are what filled the owner's own
    parameters, one mapping per record of `seen`."""
    length = Counter(len(segments(each.path)) for each in seen).most_common(1)[0][0]
    kept = [(each, own) for each, own in zip(seen, held, strict=True) if len(segments(each.path)) == length]
    rows = [segments(each.path) for each, _ in kept]
    plain = [plain_values(each.record) for each, _ in kept]
    work = _Work(owner, plain, [own for _, own in kept])
    parts: list[str] = []
    for place in range(length):
        parts.append(work.part([row[place] for row in rows], joined(parts)))
    path = joined(parts) + ("/" if kept[0][0].path.endswith("/") and length else "")
    query: dict[str, None] = {}
    for name in dict.fromkeys(name for each, _ in kept for name in each.query):
        values = [each.query.get(name, "") for each, _ in kept]
        query[name] = None
        if not _PAGING.fullmatch(name):
            work.parameter(values, name)
    return Template(path, tuple(work.fills), work.rows(), query, tuple(work.open))


class _Work:
    """The parameters of one template so far."""

    def __init__(self, owner: Route, plain: Sequence[Mapping[str, str]], held: Sequence[Mapping[str, str]]) -> None:
        self.owner = owner
        self.plain = plain
        self.held = held
        self.fills: list[Fill] = []
        self.values: list[list[str]] = []
        self.open: list[str] = []

    def part(self, texts: list[str], before: str) -> str:
        """A segment of the template: the text itself, or its parameter. `before` is what stands in front of it."""
        if all("{" in text for text in texts):
            self.open.append(re.sub(r"\W", "", texts[0]) or "value")
            return f"{{{self.open[-1]}}}"
        varies = len(set(texts)) > 1
        if not varies and not _ID.fullmatch(texts[0]) and not self._names_record(texts[0]):
            return texts[0]
        name = self.parameter([unquote(text) for text in texts], before=f"{before.rstrip('/')}/")
        if name is None and not varies and len(texts) > 2:
            return texts[0]
        if name is None:
            self.open.append(f"value{len(self.open) + 1 if self.open else ''}")
            return f"{{{self.open[-1]}}}"
        return f"{{{name}}}"

    def parameter(self, values: list[str], name: str | None = None, before: str = "") -> str | None:
        """The parameter that these values fill, if a field of the records or a parameter of their list holds them.

        Or the address of a record, that of a list (`before`) and what names it there.
        """
        if len(set(values)) == 1:
            for fill in self.owner.fills:
                if all(own.get(fill.parameter) == value for own, value in zip(self.held, values, strict=True)):
                    return self._add(Fill(name or fill.parameter, fill.of, fill.path), values)
        paths = [
            path for path in self.plain[0] if all(row.get(path) == value for row, value in zip(self.plain, values, strict=True))
        ]
        if not paths and before:
            ending = f"{before}{{}}"
            paths = [
                path
                for path in self.plain[0]
                if all(segment(ending, "", row.get(path, "")) == value for row, value in zip(self.plain, values, strict=True))
            ]
            name = name or (f"{entity_name(before)}Id" if paths else None)
        if not paths:
            return None
        path = min(paths, key=lambda path: (likely_key(path), path))
        return self._add(Fill(name or self._called(path), self.owner.path, path), values)

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The values of all parameters, one row for each different record."""
        rows = zip(*([quote(value, safe="") for value in column] for column in self.values), strict=True)
        return tuple(dict.fromkeys(rows))[:MOST_EXAMPLES]

    def _add(self, fill: Fill, values: list[str]) -> str:
        number, name = 1, fill.parameter
        while name in {known.parameter for known in self.fills}:
            number += 1
            name = f"{fill.parameter}{number}"
        self.fills.append(Fill(name, fill.of, fill.path))
        self.values.append(values)
        return name

    def _called(self, path: str) -> str:
        """`id` of users is userId, `owner.login` is ownerLogin."""
        parts = split_path(path)
        name = camel("_".join(parts[-2:]))
        if len(parts) > 1 or (name.lower().endswith("id") and name != "id"):
            return name
        return f"{entity_name(self.owner.path)}{pascal(name)}"

    def _names_record(self, text: str) -> bool:
        """Whether a segment is the key of the record, or what the list itself was asked for with."""
        value = unquote(text)
        keyed = all(any(row[path] == value and likely_key(path)[0] < 12 for path in row) for row in self.plain)
        return keyed or all(value in own.values() for own in self.held)


def values_of(route: Route, example: Sequence[str]) -> dict[str, str]:
    """Parameter → value, of one example of a route."""
    return {fill.parameter: unquote(value) for fill, value in zip(route.fills, example, strict=True)}


def address(route: Route, example: Sequence[str]) -> tuple[str, dict[str, str]]:
    """(path, query) of one example of a route."""
    path, query = filled(route.path, route.fills, example)
    return path, {name: unquote(value) for name, value in query.items()}


def static_prefix(path: str) -> str:
    """What stands before the first list of a path: `/v2` of `/v2/users/{id}/posts`."""
    parts = segments(path)
    fixed = next((number for number, part in enumerate(parts) if "{" in part), len(parts))
    above = parts[: max(0, fixed - 1)]
    return joined(above) if above else ""


def spelled(stem: str, style: str) -> list[str]:
    """Plural and singular of a name, in the spelling that the API's other paths have; of several words where `style` tells no
    spelling the usual ones."""
    parts = [word.lower() for word in words(stem)] or [stem.lower()]
    glue = "-" if "-" in style else "_" if "_" in style or ("_" in stem and "-" not in style) else ""
    text = glue.join(parts) if glue else parts[0] + "".join(word[:1].upper() + word[1:] for word in parts[1:])
    if style[:1].isupper():
        text = text[:1].upper() + text[1:]
    told = len(parts) == 1 or glue == "-" or len(words(style)) > 1
    others = () if told else (plural("-".join(parts)), plural("_".join(parts)))
    return list(dict.fromkeys((plural(text), *others, text)))
