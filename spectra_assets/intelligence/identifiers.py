"""Where the ids may come from that parameters take: candidates by path, by the parameter's name and by the records' fields."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from spectra_assets.covenant.paths import split_path
from spectra_assets.intelligence.listings import Catalogue, Way
from spectra_assets.intelligence.model import Endpoint, FieldSpec, Identifier
from spectra_assets.intelligence.nouns import Stem, noun, noun_at, plain, stem
from spectra_assets.names import singular

_MOST = 5
"""Candidates of one parameter."""

_MOST_OF_ONE = 2
_MOST_SIMILAR = 2_000
"""Names for which similar ones are looked for."""

_SHORTEST_PART = 3
"""Letters that a name must have to be taken for the beginning or end of another."""

_PAGING = frozenset(
    ("page", "limit", "offset", "size", "count", "per_page", "cursor", "sort", "order", "q", "query", "search", "filter",
     "fields", "include", "expand", "format", "lang", "locale", "since", "until", "from", "to", "start", "end", "state",
     "status", "type")
)  # fmt: skip
_AROUND = ("metadata", "meta", "sys", "attributes", "properties")
_NEVER_IDS = frozenset(("sha", "path", "ref"))
_INITIALS = re.compile(r"[a-z]{1,2}id")
_BY_VALUE = ("name", "slug", "key", "login", "username", "code", "number", "uuid")
"""Fields by which a record is named where a parameter says nothing (`/repos/{repo}`)."""


@dataclass
class Source:
    """An entity whose records may hold the ids."""

    entity: str
    noun: str
    ways: list[Way]
    fields: Sequence[FieldSpec]
    key: str | None

    @cached_property
    def paths(self) -> dict[str, tuple[str, ...]]:
        """JSON path → its keys, of all plain fields outside of arrays."""
        return {f.raw: tuple(split_path(f.raw)) for f in self.fields if f.type not in ("record", "array") and "[]" not in f.raw}

    @cached_property
    def own(self) -> dict[str, str]:
        """Key in plain letters → JSON path, of the record's own plain fields."""
        return {plain(keys[0]): raw for raw, keys in reversed(self.paths.items()) if len(keys) == 1}

    @cached_property
    def nested(self) -> dict[str, dict[str, str]]:
        """Key of a nested record in plain letters → its plain fields in the same way."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for raw, keys in self.paths.items():
            if len(keys) == 2:
                found[plain(keys[0])].setdefault(plain(keys[1]), raw)
        return found

    def own_or_around(self, key: str) -> str | None:
        """The record's field of this name, or that of a record inside which only describes it (`metadata.name`)."""
        return self.own.get(key) or next((raw for each in _AROUND if (raw := self.nested.get(each, {}).get(key))), None)

    @cached_property
    def arrays(self) -> dict[str, str]:
        """Singular of an array of records with ids, in plain letters → JSON path of the ids."""
        ids = ((f.raw, split_path(f.raw)) for f in self.fields if f.raw.endswith("[].id"))
        return {plain(singular(keys[-2].removesuffix("[]"))): raw for raw, keys in ids}


class _Finder:
    """Candidates of parameters, from one catalogue's entities."""

    def __init__(self, catalogue: Catalogue, sources: Sequence[Source]) -> None:
        self._catalogue = catalogue
        self._plain = [(plain(source.entity), source) for source in sources]
        self._named: dict[str, Source] = {}
        self._listed: dict[tuple[str, ...], Source] = {}
        self._arrays: dict[str, list[str]] = defaultdict(list)
        self._references: dict[str, list[str]] = defaultdict(list)
        self._similar: dict[str, list[Source]] = {}
        for source in sources:
            self._named.setdefault(plain(source.entity), source)
            for way in source.ways:
                self._listed.setdefault(_template(way.segments), source)
            for name, raw in source.arrays.items():
                self._arrays[name].append(f"{source.entity}.{raw}")
            for name, raw in source.own.items():
                self._references[name].append(f"{source.entity}.{raw}")
        for source in sources:
            self._named.setdefault(plain(source.noun), source)

    def in_path(self, endpoint: Endpoint) -> Iterator[tuple[str, list[str]]]:
        """(parameter, candidates) of the path's parameters."""
        segments = self._catalogue.ways[endpoint.path].segments
        for place, segment in enumerate(segments):
            if "{" not in segment:
                continue
            for name in _names(segment):
                fixed = next((at for at in range(place - 1, -1, -1) if "{" not in segments[at]), -1)
                own = self._listed.get(_template(segments))
                yield name, self._candidates(name, segments, fixed, own, follows=place - fixed > 1)

    def in_query(self, endpoint: Endpoint) -> Iterator[tuple[str, list[str]]]:
        """(parameter, candidates) of the query's parameters that name a record by its id, or as a known entity."""
        for name in endpoint.query:
            asked = stem(name)
            if not asked.of or name.lower() in _PAGING or not (asked.by == "id" or asked.of in self._named):
                continue
            known = self._named.get(asked.of)
            if known is not None:
                found = self._values(known, name, asked)
            else:
                found = self._arrays.get(asked.of, []) or self._of_similar(name, asked)
            if found:
                yield name, found[:_MOST]

    def _candidates(self, name: str, segments: tuple[str, ...], fixed: int, own: Source | None, follows: bool) -> list[str]:
        """Those of one parameter: `fixed` is the place of the segment in front of it, `own` the entity that the path lists.
        A parameter that follows another one (`/repos/{owner}/{repo}`) must be among the fields by its name."""
        asked = stem(name)
        before = segments[fixed] if fixed >= 0 else ""
        by_name = self._named.get(asked.of) if asked.of else None
        sources = [by_name, self._listed.get(_template(segments[: fixed + 1])) if before else None]
        sources.append(self._named.get(plain(noun_at(segments, fixed))) if before else None)
        if fixed > 0 and "{" not in segments[fixed - 1]:
            above = plain(noun_at(segments, fixed - 1))
            sources += [self._named.get(above + plain(noun(before) or before)), self._named.get(above + asked.of)]
        if asked.of and asked.by == "id":
            sources = [by_name] if by_name else [each for each in sources if each is not own or _is_about(own, asked)]
        kept = [each for each in _once(sources) if not follows or _is_about(each, asked) or _names_it(each, name)]
        found = [value for source in kept for value in self._values(source, name, asked)]
        if by_name is None and asked.of:
            found = self._arrays.get(asked.of, [])[:_MOST_OF_ONE] + found
        if not found:
            found = self._of_similar(name, asked)
        if not found and asked.of:
            found = self._references.get(plain(name), [])[:_MOST_OF_ONE]
        if not found and _INITIALS.fullmatch(name.lower()):
            around = [self._named.get(plain(noun_at(segments, at))) for at in range(fixed, -1, -1) if "{" not in segments[at]]
            around = [each for each in around if each is not own]
            found = [value for source in _once(around) for value in self._values(source, name, asked)]
        return list(dict.fromkeys(found))[:_MOST]

    def _of_similar(self, name: str, asked: Stem) -> list[str]:
        """Of entities whose name ends or begins with the parameter's (`tree`: testcasetree; `org`: organization)."""
        if len(asked.of) < _SHORTEST_PART:
            return []
        if asked.of not in self._similar and len(self._similar) >= _MOST_SIMILAR:
            return []
        if asked.of not in self._similar:
            ends = [source for entity, source in self._plain if entity.endswith(asked.of)]
            starts = [source for entity, source in self._plain if entity.startswith(asked.of)]
            self._similar[asked.of] = sorted(_once([*ends, *starts]), key=lambda source: len(source.entity))[:2]
        return [value for source in self._similar[asked.of] for value in self._values(source, name, asked)]

    def _values(self, source: Source, name: str, asked: Stem) -> list[str]:
        """The fields of an entity that may hold what the parameter takes, likeliest first."""
        return [f"{source.entity}.{raw}" for raw in _raws(source, name, asked)[:_MOST_OF_ONE]]


def _is_about(source: Source | None, asked: Stem) -> bool:
    return source is not None and (not asked.of or asked.of in (plain(source.noun), plain(source.entity)))


def _names_it(source: Source, name: str) -> bool:
    """Whether a field of the entity has the parameter's name."""
    return plain(name) in source.own or plain(name) in source.nested


def _raws(source: Source, name: str, asked: Stem) -> list[str]:
    """JSON paths of an entity's fields that may hold the parameter's values, likeliest first."""
    own, nested = source.own, source.nested
    about_it = _is_about(source, asked)
    found: list[str | None] = [own.get(plain(name)) if plain(name) != "id" and not (about_it and asked.by == "id") else None]
    if asked.by and asked.by != "id":
        found += [source.own_or_around(asked.by), asked.by if not source.fields else None]
        found += [own.get(each) for each in ("login", "username", "name")] if asked.by == "username" else []
    elif not asked.by and plain(name) in nested:
        found += [nested[plain(name)].get(each) for each in (*_BY_VALUE, "id")]
    elif not asked.by and about_it:
        found += [source.own_or_around(each) for each in _BY_VALUE]
    if asked.by in _NEVER_IDS and source.fields:
        return list(dict.fromkeys(raw for raw in found if raw))
    unknown = () if source.fields else ("id",) if asked.by or not about_it else (_BY_VALUE[0], "id")
    found += [source.key, own.get("id"), own.get(f"{plain(source.noun)}id"), *unknown]
    if not any(found):
        found += [next((raw for key, raw in own.items() if stem(split_path(raw)[0]).by == "id"), None)]
    return list(dict.fromkeys(raw for raw in found if raw))


def identifiers(catalogue: Catalogue, sources: Sequence[Source]) -> list[Identifier]:
    """For each parameter the candidates that most of its paths have, and for every other path its own."""
    finder = _Finder(catalogue, sources)
    told: dict[str, list[tuple[str, str, tuple[str, ...]]]] = defaultdict(list)
    for endpoint in catalogue.endpoints:
        for name, candidates in (*finder.in_path(endpoint), *finder.in_query(endpoint)):
            if candidates:
                told[name.lower()].append((name, endpoint.path, tuple(candidates)))
    found: list[Identifier] = []
    for entries in told.values():
        counts = Counter(candidates for _, _, candidates in entries)
        usual = counts.most_common(1)[0][0] if stem(entries[0][0]).of else ()
        if usual:
            found.append(Identifier(parameter=entries[0][0], candidates=list(usual)))
        found += [
            Identifier(parameter=name, candidates=list(candidates), path=path)
            for name, path, candidates in dict.fromkeys(entries)
            if candidates != usual
        ]
    return found


def _names(segment: str) -> list[str]:
    return [part.partition("}")[0] for part in segment.split("{")[1:]]


def _template(segments: Sequence[str]) -> tuple[str, ...]:
    return tuple("{}" if "{" in segment else segment.lower() for segment in segments)


def _once(sources: Sequence[Source | None]) -> list[Source]:
    return list({id(source): source for source in sources if source is not None}.values())
