"""What each GET endpoint of a catalogue is: a list of something, one object, or nothing to read rows from."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from spectra_assets.intelligence.description.model import Description, Reply
from spectra_assets.intelligence.model import Endpoint
from spectra_assets.intelligence.nouns import FULLER, LEANER, VERSION, noun, noun_at, plain, same, stem
from spectra_assets.intelligence.purposes import FILE, NOTHING, ONE_OBJECT, STREAM, VALUES, purpose
from spectra_assets.names import words

_PARAMETER = re.compile(r"\{([^}]+)\}")
_FILE_PARAMETER = re.compile(r"(archive_?)?(format|extension|ext|filename|file_name)", re.IGNORECASE)

_SEARCHED = frozenset(("q", "query", "search", "searchterm", "searchtext", "term", "keyword", "keywords", "text", "zql", "jql"))


@dataclass(frozen=True)
class Way:
    """A path cut into segments, without those that only say which API and version it is."""

    path: str
    segments: tuple[str, ...]

    @property
    def fixed(self) -> list[str]:
        return [segment for segment in self.segments if "{" not in segment]

    @property
    def ends_open(self) -> bool:
        """Whether the last segment is a parameter."""
        return bool(self.segments) and "{" in self.segments[-1]

    @property
    def last(self) -> str:
        """The last fixed segment."""
        return next((segment for segment in reversed(self.segments) if "{" not in segment), "")

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall("/".join(self.segments))


@dataclass
class Listing:
    """An endpoint that may list records. `name` is what the path calls them, empty if it only says how; `above` are the nouns
    in front of it, nearest first."""

    endpoint: Endpoint
    reply: Reply
    way: Way
    name: str
    above: list[str] = field(default_factory=list)
    one: bool = False
    """One object for each parent."""
    owner: str = ""
    """Noun of the collection that the name stands in directly, without a parameter between (`/testcase/tags`)."""

    @property
    def path(self) -> str:
        return self.endpoint.path

    @property
    def rank(self) -> tuple[int, bool, int, int, int]:
        """Better routes first: few parameters, not deprecated, nothing left out."""
        told = {word.lower() for segment in self.way.fixed for word in words(segment)} | {s.lower() for s in self.way.fixed}
        wanted = sum(known.required and known.location == "query" for known in self.endpoint.parameters)
        lean = 2 if any(plain(name).endswith("ids") for name in self.endpoint.query) else 0
        lean = lean or (1 if told & LEANER else -1 if told & FULLER else 0)
        return len(self.way.parameters), self.reply.deprecated, wanted, lean, len(self.way.segments)


class Catalogue:
    """The endpoints of a description that may be asked, `searches` by POST among them, and what paths exist beside each other."""

    def __init__(self, description: Description, searches: Collection[str] = ()) -> None:
        self.endpoints = [
            each for each in description.endpoints if each.method == "GET" or (each.method == "POST" and each.path in searches)
        ]
        self._replies = description.replies
        paths = [each.path for each in self.endpoints]
        cut = _shared(paths)
        self.ways = {path: _way(path, cut) for path in paths}
        self._lists: dict[tuple[str, ...], str] = {}
        self._collections: set[tuple[str, ...]] = set()
        self._members: dict[tuple[str, ...], str] = {}
        self._firsts: set[str] = set()
        self._below: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for path, way in self.ways.items():
            shape = _template(way.segments)
            for place in range(1, len(shape)):
                self._below[shape[:place]].add(shape[place])
            if not way.ends_open:
                self._lists.setdefault(shape, path)
                self._collections.add(shape)
            elif len(shape) > 1:
                self._collections.add(shape[:-1])
                self._members.setdefault(shape[:-1], way.parameters[-1])
            if way.segments and noun_at(way.segments, 0):
                self._firsts.add(plain(noun_at(way.segments, 0)))

    def reply(self, path: str) -> Reply:
        return self._replies.get(path) or Reply()

    def list_at(self, segments: Iterable[str]) -> str | None:
        """The endpoint without a parameter at its end at this place."""
        return self._lists.get(_template(segments))

    def is_collection(self, segments: Iterable[str]) -> bool:
        """Whether something is listed there, or its members are."""
        return _template(segments) in self._collections

    def member_of(self, path: str) -> str | None:
        """The parameter that names one record of the list at a path: `imo` of `/vessels` beside `/vessels/{imo}`."""
        return self._members.get(_template(self.ways[path].segments))

    def holds_one(self, segments: Iterable[str]) -> bool:
        """Whether a single path goes on from there: a segment that says what is listed rather than where it belongs."""
        return len(self._below[_template(segments)]) == 1

    def is_first(self, name: str) -> bool:
        """Whether paths begin with this noun."""
        return plain(name) in self._firsts


def listings(catalogue: Catalogue) -> tuple[list[Listing], dict[str, str]]:
    """(endpoints that may list records, path → why it does not) in the catalogue's order.

    Of an object that has no list beside it, whether it is one record of another list is left open (`Listing.one`).
    """
    found: list[Listing] = []
    excluded: dict[str, str] = {}
    for endpoint in catalogue.endpoints:
        judged = _judged(catalogue, endpoint)
        if isinstance(judged, str):
            excluded[endpoint.path] = judged
        else:
            found.append(judged)
    return found, excluded


def _judged(catalogue: Catalogue, endpoint: Endpoint) -> Listing | str:
    """The listing that an endpoint is, or why it is none."""
    way, reply = catalogue.ways[endpoint.path], catalogue.reply(endpoint.path)
    why = _no_rows(way, reply) or _search(endpoint)
    if why:
        return why
    if reply.kind == "list":
        return _named(catalogue, endpoint, reply, way)
    if way.ends_open:
        return _open(catalogue, endpoint, reply, way)
    if reply.kind == "object":
        known = purpose(way.fixed)
        if not way.parameters:
            return known or ONE_OBJECT
        return ONE_OBJECT if known else _named(catalogue, endpoint, reply, way, one=True)
    return _closed(catalogue, endpoint, reply, way)


def _no_rows(way: Way, reply: Reply) -> str:
    known = {"file": FILE, "nothing": NOTHING, "values": VALUES}.get(reply.kind, "")
    if known:
        return known
    told = purpose(way.fixed)
    if told == STREAM or (told and reply.kind == "unknown"):
        return told
    if reply.kind != "list" and way.ends_open and any(map(_FILE_PARAMETER.fullmatch, _PARAMETER.findall(way.segments[-1]))):
        return FILE
    return "" if way.segments else "the root of the API"


def _search(endpoint: Endpoint) -> str:
    """Why a list can't be had whole: it wants to be told what to look for."""
    asked = (known.name for known in endpoint.parameters if known.location == "query" and known.required and not known.values)
    name = next((name for name in asked if plain(name) in _SEARCHED), "")
    return f"a search: {name} must say what for" if name else ""


def _named(catalogue: Catalogue, endpoint: Endpoint, reply: Reply, way: Way, one: bool = False) -> Listing:
    """A list by its schema: named by its last fixed segment, or the nearest one before that is a noun."""
    nouns = _nouns(way.segments)
    generic = bool(way.fixed) and not next(_each_noun(way.segments))
    name = "" if generic or not nouns else nouns[0]
    above = nouns if generic else nouns[1:]
    if way.ends_open and reply.kind == "list" and len(way.segments) > 2 and "{" not in way.segments[-2]:
        owner, by = noun_at(way.segments, len(way.segments) - 3), way.segments[-2]
        asked = stem(_last_parameter(way))
        if owner and catalogue.is_first(noun(by)) and (not asked.of or same(by, asked.of)):
            name, above = owner, nouns[2:]
    return Listing(endpoint, reply, way, name, above, one)


def _open(catalogue: Catalogue, endpoint: Endpoint, reply: Reply, way: Way) -> Listing | str:
    """An endpoint with a parameter at its end: one record of a list, or a list for each of other things.

    `/release/{releaseid}` is one release; `/cycle/release/{releaseid}` are the cycles of a release, if releases stand elsewhere
    as well; `/testcase/tags/{releaseid}` are the tags of a release.
    """
    place = next((at for at in range(len(way.segments) - 1, -1, -1) if "{" not in way.segments[at]), -1)
    if place < 0:
        return Listing(endpoint, reply, way, "", [], one=True)
    q, asked = way.segments[place], stem(_last_parameter(way))
    listed = catalogue.list_at(way.segments[: place + 1])
    about_q = not asked.of or same(q, asked.of) or reply.kind == "object" or place < len(way.segments) - 2
    if listed is not None and (about_q or not catalogue.is_first(asked.of)):
        return f"one record of {listed}"
    before = _without_manners(way.segments[:place])
    owner = noun_at(before, len(before) - 1) if before else ""
    name = noun_at(way.segments, place)
    if reply.kind == "object":
        return _one_of(endpoint, reply, way, name or owner)
    if owner and not catalogue.is_collection(before) and catalogue.is_first(name) and catalogue.holds_one(before):
        return Listing(endpoint, reply, way, owner, [name])
    if not owner or not catalogue.is_collection(before):
        if about_q and listed is None:
            return _one_of(endpoint, reply, way, name or owner)
        return Listing(endpoint, reply, way, name or owner, [owner] if owner else [])
    if not name and q.lower() in FULLER | {"id", "byid", "key", "uuid", "name"}:
        return _one_of(endpoint, reply, way, owner)
    many = name and plain(name) != plain(q) and not same(q, asked.of) and not catalogue.is_first(name)
    if listed is not None or (many and not plain(q).endswith(plain(before[-1]) + "s")):
        return Listing(endpoint, reply, way, name, [owner], owner=owner)
    return Listing(endpoint, reply, way, owner, [name])


def _one_of(endpoint: Endpoint, reply: Reply, way: Way, name: str) -> Listing:
    return Listing(endpoint, reply, way, name, [], one=True)


def _closed(catalogue: Catalogue, endpoint: Endpoint, reply: Reply, way: Way) -> Listing:
    """An endpoint with a fixed segment at its end, of whose answer nothing is known."""
    segments = _without_manners(way.segments)
    name = noun_at(segments, len(segments) - 1)
    above = _nouns(segments[:-1])
    if not name:
        return Listing(endpoint, reply, way, "", above or _nouns(segments))
    around = next((place for place in range(len(segments) - 1, 0, -1) if catalogue.is_collection(segments[:place])), 0)
    held = noun_at(segments, around - 1) if around and not any("{" in segment for segment in segments[around - 1 :]) else ""
    if not held or plain(held) == plain(name):
        return Listing(endpoint, reply, way, name, above)
    if catalogue.is_first(name):
        return Listing(endpoint, reply, way, held + name[0].upper() + name[1:], above)
    return Listing(endpoint, reply, way, name, above, owner=held)


def _each_noun(segments: tuple[str, ...]) -> Iterator[str]:
    """The nouns of the fixed segments, the last one first, empty where one only says how."""
    return (noun_at(segments, place) for place in range(len(segments) - 1, -1, -1) if "{" not in segments[place])


def _nouns(segments: tuple[str, ...]) -> list[str]:
    return [found for found in _each_noun(segments) if found]


def _without_manners(segments: tuple[str, ...]) -> tuple[str, ...]:
    """Without the words at the end that only say how something is listed (`/release/paged`)."""
    end = len(segments)
    while end > 1 and "{" not in segments[end - 1] and not noun_at(segments, end - 1):
        end -= 1
    return segments[:end]


def _last_parameter(way: Way) -> str:
    return str(_PARAMETER.findall(way.segments[-1])[-1])


def _template(segments: Iterable[str]) -> tuple[str, ...]:
    """Segments whose parameters have no names."""
    return tuple("{}" if "{" in segment else segment.lower() for segment in segments)


def _way(path: str, cut: int) -> Way:
    segments = [segment for segment in path.split("/") if segment][cut:]
    kept = [segment for number, segment in enumerate(segments) if not VERSION.fullmatch(segment) or number == len(segments) - 1]
    return Way(path, tuple(kept))


def _shared(paths: list[str]) -> int:
    """How many fixed segments all paths begin with, beside others after them."""
    if len(paths) < 2:
        return 0
    cut = [[segment for segment in path.split("/") if segment] for path in paths]
    most = min(len(segments) for segments in cut) - 1
    place = 0
    while place < most and "{" not in cut[0][place] and len({segments[place] for segments in cut}) == 1:
        place += 1
    return place
