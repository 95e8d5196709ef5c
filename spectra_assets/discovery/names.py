"""Names that the lists of an API may have, likeliest first: by its address, by what was found there, by what its records say.

The names are those of `vocabulary.yaml`, whose domains become likelier with each of their names that is found and with each word
of theirs in the API's address, and less likely with each name that is not there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from spectra_assets.intelligence.nouns import singular_of
from spectra_assets.names import plural, words
from spectra_assets.stages.asking.answers import Record

_USUAL, _FAR_USUAL = 0.12, 50.0
_DOMAIN, _CUE, _LOOKED_AT, _FAR = 0.12, 3.0, 6.0, 30.0
"""How often the first name of a domain that nothing tells is there, what a word that tells it counts, how soon that is believed,
and how fast names further down get less likely."""

LEAST = 0.012
"""Chance below which a name is not worth a request."""

_HANGING, _ANYWHERE, _SIBLING, _DOING = 0.25, 0.05, 0.1, 0.06
_DONE = re.compile(r"(.{2,}?)(?:ed|d)_?(?:on|at|by|until)", re.IGNORECASE)
_NAMING = frozenset(("name", "title", "code", "no", "number", "ref", "key", "id", "ids", "uuid", "slug", "type"))


@dataclass(frozen=True)
class Domain:
    """What an API may be about. `lists` and `below` hold names in plural, with underscores between their words."""

    cues: frozenset[str]
    lists: tuple[str, ...]
    below: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Vocabulary:
    usual: tuple[str, ...]
    below: tuple[str, ...]
    fields: frozenset[str]
    domains: tuple[Domain, ...]


@cache
def vocabulary() -> Vocabulary:
    """The names that come with the package."""
    text = (resources.files("spectra_assets.discovery") / "vocabulary.yaml").read_text(encoding="utf-8")
    told: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (the safe loader's C form)
    domains = (
        Domain(
            frozenset(each["cues"]),
            tuple(each["lists"]),
            {name: tuple(below) for name, below in each.get("below", {}).items()},
        )
        for each in told["domains"].values()
    )
    return Vocabulary(tuple(told["usual"]), tuple(told["below"]), frozenset(told["fields"]), tuple(domains))


@cache
def _every() -> frozenset[str]:
    known = vocabulary()
    lists = {name for domain in known.domains for name in (*domain.lists, *domain.below)}
    return frozenset(
        lists | {*known.usual, *known.below} | {name for each in known.domains for b in each.below.values() for name in b}
    )


def of(text: str) -> str:
    """A name of the vocabulary's form, whatever its spelling: `PurchaseOrder` and `purchase-orders` are purchase_orders."""
    parts = [word.lower() for word in words(text)]
    name = "_".join(parts)
    return name if name in _every() or not parts else "_".join([*parts[:-1], plural(singular_of(parts[-1]))])


class Names:
    """Names to guess at one place of an API. `told`: texts that may say what it is about."""

    def __init__(self, told: Iterable[str]) -> None:
        self._known = vocabulary()
        said = {word.lower() for text in told for word in words(text)}
        said |= {singular_of(word) for word in said}
        self._cues = [bool(domain.cues & said) for domain in self._known.domains]
        self._hits = [0.0] * len(self._known.domains)
        self._misses = [0] * len(self._known.domains)
        self._domains: dict[str, list[tuple[int, int]]] = {}
        for number, domain in enumerate(self._known.domains):
            for rank, name in enumerate(domain.lists):
                self._domains.setdefault(name, []).append((number, rank))
        self._hints: dict[str, tuple[float, str]] = {}
        self._usual = {name: rank for rank, name in enumerate(self._known.usual)}
        self.found: set[str] = set()
        self.missed: set[str] = set()
        self.done: set[str] = set()
        """Those that only tell what was done (`restartedAt`): in the singular each is a verb."""

    def likeliest(self) -> tuple[str, float, str] | None:
        """(name, its chance, why) of the best that was not tried; None if nothing is worth a request."""
        left = (self._usual.keys() | self._domains.keys() | self._hints.keys()) - self.found - self.missed
        best = max(left, key=lambda name: (self.chance(name), -self._usual.get(name, 999), name), default=None)
        if best is None or (chance := self.chance(best)) < LEAST:
            return None
        return best, chance, self._hints[best][1] if best in self._hints else "a usual name"

    def chance(self, name: str) -> float:
        """How likely a list of this name is there."""
        left = 1.0 - (_USUAL * math.exp(-self._usual[name] / _FAR_USUAL) if name in self._usual else 0.0)
        for number, rank in self._domains.get(name, ()):
            left *= 1.0 - self._rate(number) * math.exp(-rank / _FAR)
        return 1.0 - left * (1.0 - self._hints.get(name, (0.0, ""))[0])

    def _rate(self, number: int) -> float:
        seen = _DOMAIN + _CUE * self._cues[number] + self._hits[number]
        return min(0.9, seen / (_LOOKED_AT + 0.6 * self._misses[number] + self._hits[number]))

    def hit(self, name: str) -> None:
        """A list of this name is there."""
        if name not in self.found:
            self.found.add(name)
            domains = self._domains.get(name, ())
            for number, _ in domains:
                self._hits[number] += 2.0 / len(domains) ** 0.7

    def miss(self, name: str) -> None:
        """None is."""
        if name not in self.missed:
            self.missed.add(name)
            for number, _ in self._domains.get(name, ()):
                self._misses[number] += 1

    def read(self, records: Iterable[Record], where: str) -> None:
        """Take hints from the fields of records: what nests, what was done (`loanedOn`), what has a name or a code there."""
        for name, chance, field in _fields(records):
            if chance == _DOING and name not in _every():
                self.done.add(name)
            if chance > self._hints.get(name, (0.0, ""))[0]:
                self._hints[name] = (chance, f"{field!r} in the records of {where}")

    def below(self, name: str) -> dict[str, float]:
        """Names of lists that may hang on a record of this one, and how likely each is; those found elsewhere among them."""
        found: dict[str, float] = {}
        for rank, child in enumerate(self._known.below):
            found[child] = _ANYWHERE * 0.9**rank
        for number, domain in enumerate(self._known.domains):
            rate = self._rate(number)
            for rank, child in enumerate(domain.lists if rate > 0.1 else ()):
                found[child] = max(found.get(child, 0.0), _SIBLING * rate * math.exp(-rank / _FAR))
            for rank, child in enumerate(domain.below.get(name, ())):
                found[child] = max(found.get(child, 0.0), _HANGING * (0.5 + rate) * 0.93**rank)
        found.pop(name, None)
        return found


def _fields(records: Iterable[Record]) -> Iterator[tuple[str, float, str]]:
    """(name, chance, field) of lists that the fields of records may name."""
    plain = vocabulary().fields
    for key, value in dict.fromkeys((key, kind_of(value)) for record in records for key, value in record.items()):
        parts = [word.lower() for word in words(key)]
        if not parts or len(key) > 40:
            continue
        done = _DONE.fullmatch("_".join(parts))
        stem = parts
        while len(stem) > 1 and stem[-1] in _NAMING:
            stem = stem[:-1]
        if done and len(words(done[1])) == 1:
            yield of(done[1]), _DOING, key
        elif stem != parts:
            yield of("_".join(stem)), 0.15, key
        elif value in ("object", "objects") and key not in plain:
            yield of(key), 0.15, key
        elif value == "values":
            yield of(key), 0.1, key
        elif value == "text" and len(parts) == 1 and key.lower() not in plain:
            yield of(key), 0.05, key


def kind_of(value: object) -> str:
    """`object`, `objects` (an array of them), `values` (an array of others), `text`; empty for what names nothing."""
    if isinstance(value, list):
        return "objects" if value and isinstance(value[0], dict) else "values" if value else ""
    return "object" if isinstance(value, dict) else "text" if isinstance(value, str) else ""
