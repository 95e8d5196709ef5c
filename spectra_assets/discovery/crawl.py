"""An API without a description: its endpoints by following what its answers name."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from spectra_assets.covenant.paths import one_record
from spectra_assets.discovery.kinds import key_of
from spectra_assets.discovery.references import counted_by, named, named_by, reference
from spectra_assets.discovery.route import Fill, Route, entity_name, likely_key, plain_values, shape
from spectra_assets.discovery.scout import Look, Scout, joined, segments
from spectra_assets.discovery.templates import Seen, address, generalised, spelled, static_prefix, values_of
from spectra_assets.intelligence.verbs import MAY_ACT, acts, may_act
from spectra_assets.names import camel, pascal, plural, singular, words
from spectra_assets.stages.asking.answers import Record
from spectra_assets.stages.asking.links import (
    Link,
    is_address_list,
    is_directory,
    links_of,
    may_lead,
    names_in,
    template_of,
)

_FIRST_NAMES = 8
"""Names in a document of which most must answer before the others are tried."""

_GUESSES = 60
"""Addresses at most that are tried because of names in records."""

_RECORDS, _PLACES, _TRIES = 20, 40, 3


@dataclass
class Crawl:
    """Walks an API. `routes` are its endpoints by the shape of their path; `gaps` what records name and nothing answers."""

    scout: Scout
    say: Callable[[str], None] = lambda _: None
    routes: dict[str, Route] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    """Guessed paths that want a credential, or a better one: they may be there."""
    _linked: deque[Route] = field(default_factory=deque)
    _guessed: deque[Route] = field(default_factory=deque)
    _guesses: int = 0
    missed: set[str] = field(default_factory=set)
    _elsewhere: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Follow what the root names, then what records name."""
        self._root()
        self.drain()

    @property
    def fruitful(self) -> bool:
        """Whether anything with records was found."""
        return any(route.kind in ("list", "object") for route in self.routes.values())

    def go_on(self, routes: Iterable[Route]) -> None:
        """Follow what the records of these name, which were seen since."""
        for route in routes:
            self._harvest(route)
        self.drain()

    # ---------------------------------------------------------------- where to begin

    def _root(self) -> None:
        for path in dict.fromkeys(("/", "" if self.scout.base else "/")):
            look = self.scout.look(path)
            if look.readable and look.sight.shape != "empty":
                self.scout.known_inside(look)
                self.document(look, Route(path or "/", "the root of the API", looks=[look]))
                return

    def document(self, look: Look, route: Route) -> None:
        """A root document: addresses of lists, or a list itself."""
        value = look.sight.value
        if is_directory(value) or is_address_list(value, look.path):
            route.kind, route.reason = "directory", "addresses of other endpoints"
            self.routes[shape(route.path)] = route
            for link in links_of(value, document=True):
                self._lead(link, look.path, f"the root names it {link.name!r}")
        elif self._names(value, look.path):
            route.kind, route.reason = "directory", "names of other endpoints"
            self.routes[shape(route.path)] = route
        elif look.listed and look.records:
            route.name = entity_name(self.scout.base)
            self._keep(route, look)
        elif isinstance(value, dict):
            for link in links_of(value, document=True):
                self._lead(link, look.path, f"the root names it {link.name!r}")
        target = self.scout.local(look.next, look.path) if look.next else None
        if target:
            route.query |= dict.fromkeys(target[1])

    def _names(self, value: object, below: str) -> bool:
        """Whether a document lists names (`{"name": "builders"}`), and most of the first few are endpoints: all are tried."""
        told = names_in(value)
        names, doing = [name for name in told if not may_act(name)], [name for name in told if may_act(name)]
        for name in names[:_FIRST_NAMES]:
            self.ask(Route(f"{below.rstrip('/')}/{name}", f"the root names it {name!r}", name))
        there = sum(shape(f"{below.rstrip('/')}/{name}") in self.routes for name in names[:_FIRST_NAMES])
        if 2 * there <= len(names[:_FIRST_NAMES]):
            return False
        for name in doing:
            route = Route(f"{below.rstrip('/')}/{name}", f"the root names it {name!r}", name, reason=MAY_ACT)
            self.routes.setdefault(shape(route.path), route)
        for name in names[_FIRST_NAMES:]:
            self._linked.append(Route(f"{below.rstrip('/')}/{name}", f"the root names it {name!r}", name))
        return True

    def _lead(self, link: Link, below: str, why: str) -> None:
        """An address of a document: no record fills its parameters."""
        texts, names = template_of(link.url)
        for text in texts:
            target = self.scout.local(text, below if below.endswith("/") else f"{below}/")
            if target is None:
                if may_lead(link):
                    self.gaps[link.url[:200]] = "outside of the base URL, not followed"
                continue
            path, query = target
            if text in self.scout.proxied:
                self._elsewhere.setdefault(path, link.url[:200])
                why = f"{why} on another host, {link.url[:200]!r}, asked for at the base URL"
            route = Route(path, why, link.name, query=dict.fromkeys((*query, *sorted(names))))
            nowhere = link.nowhere(path)
            if nowhere or "{" in path:
                route.kind, route.reason = "unknown", nowhere or "its parameters are not known"
                self.routes.setdefault(shape(path), route)
            else:
                self._linked.append(route)

    # ---------------------------------------------------------------- one endpoint

    def drain(self) -> None:
        while (self._linked or self._guessed) and not self.scout.spent:
            guess = not self._linked
            self.ask(self._guessed.popleft() if guess else self._linked.popleft(), guess)

    def ask(self, route: Route, guess: bool = True, tries: int = _TRIES) -> None:
        """Ask an endpoint, with at most `tries` of its examples; keep it if it is there, or if the API itself named it."""
        known = self.routes.get(shape(route.path))
        if known is not None:
            known.query |= route.query
            if not known.fills:
                known.fills, known.examples = route.fills, route.examples
            if known.looks or known.kind == "detail":
                return
        if guess and shape(route.path) in self.missed:
            return
        look: Look | None = None
        route.examples = tuple(dict.fromkeys((*_spread(route.examples), *route.examples)))
        for example in route.examples[:tries] if route.fills else ((),):
            look = self.scout.look(*address(route, example))
            if look.status is None and "budget" in look.reason:
                break
            route.looks.append(look)
            if look.records or (look.readable and not look.listed and not _nothing_there(look)):
                break
        if look is None or not route.looks:
            route.reason = (
                "the budget of discovery is used up" if self.scout.spent else "no record shows a value for its parameters"
            )
            self.routes.setdefault(shape(route.path), route)
            return
        best = max(route.looks, key=lambda look: (bool(look.records), look.readable and not _nothing_there(look), look.readable))
        if self.scout.absent(best) or (guess and best.refused):
            if guess:
                self.missed.add(shape(route.path))
                self.refused += [route.path] if best.refused else []
                return
            if route.path in self._elsewhere:
                self.gaps[self._elsewhere[route.path]] = (
                    f"on another host, not followed; at the base URL it is not: {best.status}"
                )
                return
            route.kind, route.reason = "closed", best.reason or f"{best.status}: what the server answers for any path"
            self.routes[shape(route.path)] = route
            return
        self._keep(route, best)

    def _keep(self, route: Route, look: Look) -> None:
        self.routes[shape(route.path)] = route
        value = look.sight.value
        if not look.readable:
            route.kind, route.reason = "closed", look.reason or str(look.status)
            route.query |= dict.fromkeys(_asked_for(look.reason))
        elif is_directory(value) or is_address_list(value, look.path):
            route.kind, route.reason = "directory", "addresses of other endpoints"
            for link in links_of(value, document=True):
                self._lead(link, look.path, f"GET {route.path} names it {link.name!r}")
            return
        elif look.listed or look.sight.shape == "empty":
            route.kind = "list"
        else:
            route.kind = "object" if isinstance(value, dict) and not _tells_of_list(value, route.path) else "closed"
            route.reason = "" if route.kind == "object" else "no records"
        if look.next and (target := self.scout.local(look.next, look.path)):
            route.query |= dict.fromkeys(name for name in target[1] if name not in {fill.parameter for fill in route.fills})
        self.say(f"{route.path}: {route.kind}, {len(look.records)} records ({self.scout.sent} requests)")
        self._harvest(route)

    # ---------------------------------------------------------------- what records name

    def _harvest(self, route: Route) -> None:
        """Addresses and ids in the records of a list (or in one object) that name further endpoints."""
        rows = list(_rows(route))[:_RECORDS]
        if not rows:
            return
        owner = self._owner(route)
        places: dict[str, list[tuple[Seen, Mapping[str, str], Link]]] = {}
        for record, own, below in rows:
            for link in links_of(record):
                for number, text in enumerate(template_of(link.url)[0]):
                    target = self.scout.local(text, below)
                    if target is not None and (len(places) < _PLACES or f"{link.place}#{number}" in places):
                        seen = Seen(record, target[0], dict.fromkeys(template_of(link.url)[1], "") | target[1])
                        places.setdefault(f"{link.place}#{number}", []).append((seen, own, link))
        for entries in places.values():
            self._follow(owner, entries)
        records = [record for record, *_ in rows][:5]
        self._references(route, records)
        self._counts(route, records)

    def _owner(self, route: Route) -> Route:
        """The list whose records these are: of one record of a list that list."""
        above = self.routes.get(shape(route.path).rpartition("/")[0] or "/")
        one = route.kind == "object" and shape(route.path).endswith("{}")
        return above if one and above is not None and above.kind == "list" else route

    def _follow(self, owner: Route, entries: list[tuple[Seen, Mapping[str, str], Link]]) -> None:
        link = entries[0][2]
        template = generalised([seen for seen, *_ in entries], owner, [own for _, own, _ in entries])
        why = f"{link.place.partition('#')[0]!r} in the records of GET {owner.path}"
        route = Route(template.path, why, link.name, template.fills, template.examples, dict(template.query))
        nowhere = link.nowhere(template.path)
        if nowhere:
            if shape(template.path) not in self.routes:
                route.reason = nowhere
                self.routes[shape(template.path)] = route
            return
        if template.names_one:
            above = joined(segments(template.path)[:-1])
            inside = set(re.findall(r"\{([^}]*)\}", above))
            fills = tuple(fill for fill in template.fills if fill.parameter in inside)
            examples = tuple(dict.fromkeys(tuple(row[template.fills.index(fill)] for fill in fills) for row in template.examples))
            if inside <= {fill.parameter for fill in fills} and segments(above):
                self._guess(Route(above, f"the address above one record, {why}", "", fills, examples), sure=True)
        if template.open:
            if template.names_one and shape(template.path) not in self.routes:
                route.kind, route.reason = "detail", "one record of a list"
                self.routes[shape(template.path)] = route
            return
        self._linked.append(route)

    def follow_ids(self, most: int) -> None:
        """Ask for lists that ids in the records of known ones name, by at most `most` requests: some are described nowhere."""
        for route in list(self.routes.values()):
            if route.kind == "list":
                self._references(route, route.records[:5])
        until = self.scout.sent + most
        while self._guessed and self.scout.sent < until and not self.scout.spent:
            self.ask(self._guessed.popleft())
        self._guessed.clear()

    def _references(self, route: Route, records: list[Record]) -> None:
        """Ids of other records (`authorId`, `author.id`, `authorCode`): lists that may be there."""
        prefix = static_prefix(route.path)
        ending = ".json" if route.path.endswith(".json") else ""
        style = segments(route.path)[-1].removesuffix(ending) if segments(route.path) else ""
        for path, stem in named_by(records).items():
            if not self.listed(stem):
                for name in spelled(stem, style):
                    self._guess(Route(f"{prefix}/{name}{ending}", f"{path!r} in the records of GET {route.path}"))

    def _counts(self, route: Route, records: list[Record]) -> None:
        """Counts of other records (`commentCount`): lists that may hang on these."""
        for path, stem in counted_by(records).items() if route.kind == "list" and not route.fills else ():
            for hanging in self.hanging(route, plural(singular(stem)), f"{path!r} in the records of GET {route.path}"):
                self._guess(hanging)

    def unanswered(self) -> Iterator[tuple[str, str]]:
        """(list, field) of ids in records that name no endpoint found."""
        for route in self.routes.values():
            if route.kind == "list":
                own = key_of(route.records[:_RECORDS])
                for key in dict.fromkeys(key for record in route.records[:5] for key in record):
                    stem = reference(key)
                    if stem and key != own and not self.listed(stem):
                        yield route.path, key

    def listed(self, stem: str) -> bool:
        """Whether a list of this name is known."""
        told = {singular(word).lower() for word in (stem, camel(stem), *words(stem)[-1:])}
        return any(entity_name(route.path).lower() in told for route in self.routes.values() if route.kind == "list")

    def hanging(self, route: Route, name: str, why: str) -> list[Route]:
        """Where a list may be that hangs on each record of another: below the address of one, and, of a list that hangs on others
        itself, below its name alone. None if nothing names the records."""
        rows = [
            (example, plain_values(record, 1))
            for example, look in zip(route.examples or ((),), route.looks, strict=False)
            for record in look.records[:5]
        ]
        common = [key for key in (rows[0][1] if rows else {}) if all(key in row for _, row in rows)]
        named = [key for key in common if likely_key(key)[0] < 9] or [
            key for key in common if len({row[key] for _, row in rows}) == len(rows) and not self._foreign(key, route)
        ]
        if not named or "?" in route.path:
            return []
        key = min(named, key=likely_key)
        parameter = f"{entity_name(route.path)}{pascal(key)}"
        ending = ".json" if route.path.endswith(".json") else ""
        whole = route.path.removesuffix(ending).rstrip("/")
        own = Fill(parameter, route.path, key)
        values = [(example, quote(row[key], safe="")) for example, row in rows]
        short = f"{static_prefix(route.path)}/{segments(whole)[-1]}"
        found = [Route(f"{short}/{{{parameter}}}/{name}{ending}", why, "", (own,), tuple((value,) for _, value in values))]
        if route.fills:
            examples = tuple((*example, value) for example, value in values)
            found.append(Route(f"{whole}/{{{parameter}}}/{name}{ending}", why, "", (*route.fills, own), examples))
        return found

    def _foreign(self, key: str, route: Route) -> bool:
        """Whether a field names records of another list."""
        stem = named(key)
        return bool(stem) and self.listed(stem) and entity_name(route.path).lower() not in (camel(stem).lower(), stem.lower())

    def _guess(self, route: Route, sure: bool = False) -> None:
        """Ask later, if there are not too many; for what may do something never, but where the API gave an address below it."""
        if acts("", route.path) or (may_act(route.path) and not sure):
            return
        if self._guesses < _GUESSES and shape(route.path) not in self.missed and shape(route.path) not in self.routes:
            self._guesses += 1
            self._guessed.append(route)


def _rows(route: Route) -> Iterator[tuple[Record, Mapping[str, str], str]]:
    """(record, what filled the route's parameters, path it came from) of all that was seen, a record of each answer in turn."""
    answers = []
    for example, look in zip(route.examples or ((),), route.looks, strict=False):
        records = look.records or (look.sight.records if one_record(look.sight.location) else [])
        answers.append([(record, values_of(route, example) if route.fills else {}, look.path) for record in records])
    for place in range(max(map(len, answers), default=0)):
        yield from (rows[place] for rows in answers if place < len(rows))


def _spread(examples: tuple[tuple[str, ...], ...]) -> list[tuple[str, ...]]:
    """The first example, one from the middle, the last: neighbours are often alike."""
    places = dict.fromkeys((0, len(examples) // 2, len(examples) - 1))
    return [examples[place] for place in places if 0 <= place < len(examples)]


def _nothing_there(look: Look) -> bool:
    """Whether an answer says that there is no such record: `{"data": null}`."""
    return look.sight.shape == "empty"


def _tells_of_list(value: Record, path: str) -> bool:
    """Whether an object is about a list, and no record: `/products` → `{"products": {"mappings": {…}, "aliases": {}}}`, in which
    nothing but further objects stands below its own name."""
    about = value.get(segments(path)[-1]) if len(value) == 1 and segments(path) else None
    return isinstance(about, dict) and bool(about) and all(isinstance(below, dict) for below in about.values())


def _asked_for(reason: str) -> list[str]:
    """Names of parameters that a refusal asks for: `postId is required`."""
    return list(re.findall(r"\b[a-z][A-Za-z]*(?:_id|Id|_ids|Ids|_key|Key)\b", reason))[:3]
