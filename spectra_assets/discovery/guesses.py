"""An API that names nothing: its lists by names that such APIs have, then lists that may hang on their records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from spectra_assets.discovery.crawl import Crawl
from spectra_assets.discovery.kinds import OWN_ADDRESS
from spectra_assets.discovery.names import LEAST, Names, of
from spectra_assets.discovery.route import Route, shape
from spectra_assets.discovery.scout import segments
from spectra_assets.intelligence.nouns import singular_of
from spectra_assets.intelligence.verbs import may_act
from spectra_assets.names import words
from spectra_assets.stages.asking.links import is_address_list, is_directory

GUESSED = "a usual name"
"""Why a list was asked for that nothing named."""

_PREFIXES = ("/api", "/api/v1", "/v1", "/rest")
_FIRST, _FIRST_ELSEWHERE, _SINGULAR = 24, 8, 10
"""Names of which one must answer at the base URL, below a usual prefix or with an ending, before others are tried there."""

_KEPT, _KEPT_EACH = 20, 2
"""Requests that are left for what comes after: for single records, and for parents whose lists have rows."""

_WANTED = 0.12
"""Chance that what an id names, and no list was found of, hangs on the records of a list."""

_TIRED = 6.0
"""Names that are not there below a record after which another half as likely is."""


@dataclass
class Guesses:
    """Tries names with `crawl`, which keeps what is there. `told`: texts that may say what the API is about."""

    crawl: Crawl
    told: list[str]
    places: dict[tuple[str, str], Names] = field(default_factory=dict)
    cut: bool = False
    """Whether the budget ended before all that is likely was asked for."""
    there: bool = False
    """Whether anything was found by its name alone, be it closed."""
    _read: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Guess at the base URL, else below a usual prefix; where something answers, go on there and below the lists found."""
        scout = self.crawl.scout
        root = scout.look("/")
        self.told += [scout.base, urlsplit(scout.origin).hostname or "", *_texts(root.sight.value)]
        place = self._place(root.sight.shape == "html")
        if place is not None:
            self._spread(*place)

    def _place(self, pages: bool) -> tuple[str, str] | None:
        """(prefix, ending) of the lists; None if nothing answers anywhere."""
        if self._answers("", "", _FIRST_ELSEWHERE if pages else _FIRST):
            return "", ""
        for prefix in _PREFIXES if not self.crawl.scout.base else ():
            if self._directory(prefix):
                return None
            if self._answers(prefix, "", _FIRST_ELSEWHERE):
                return prefix, ""
        if pages or self.crawl.scout.look("/users").sight.shape == "html":
            return ("", ".json") if self._answers("", ".json", _FIRST_ELSEWHERE) else None
        if self._answers("", "", _SINGULAR, single=True) or self._answers("", "", self.crawl.scout.left // 2):
            return "", ""
        return None

    def _answers(self, prefix: str, ending: str, first: int, single: bool = False) -> bool:
        """Whether one of the `first` names that are likeliest there answers; all are asked for until then."""
        names = Names(self.told) if single else self.places.setdefault((prefix, ending), Names(self.told))
        for _ in range(first):
            best = names.likeliest()
            if best is None or self.crawl.scout.spent:
                return False
            if self._ask(best, names, prefix, ending, single):
                self.places[prefix, ending] = names
                return True
        return False

    def _ask(self, guess: tuple[str, float, str], names: Names, prefix: str, ending: str, single: bool = False) -> bool:
        """Ask for one name, and for what the records there name; whether it answered."""
        name, _, why = guess
        spelt = self._spelt(name, single)
        path = f"{prefix}/{spelt}{ending}"
        if may_act(path) or (name in names.done and singular_of(spelt) == spelt):
            names.miss(name)
            return False
        known = shape(path) in self.crawl.routes
        if not known:
            self.crawl.ask(Route(path, why))
        if shape(path) not in self.crawl.routes and self._singular() and (alone := self._spelt(name, True)) != spelt:
            path = f"{prefix}/{alone}{ending}"
            if not may_act(path) and shape(path) not in self.crawl.routes:
                self.crawl.ask(Route(path, why))
        if shape(path) not in self.crawl.routes:
            names.miss(name)
            return False
        self.there = self.there or not known
        names.hit(name)
        self.crawl.drain()
        self._learn(names)
        return True

    def _singular(self) -> bool:
        """Whether records of a list in the plural have their own address below its singular (`/users` gives `…/user?id=7`): then
        others may be there by their singular alone."""
        for route in self.crawl.routes.values():
            if route.kind == "list" and route.records and (last := _last(route)) != singular_of(last):
                for text in (value for key in OWN_ADDRESS if isinstance(value := route.records[0].get(key), str)):
                    target = self.crawl.scout.local(text)
                    if target is not None and singular_of(last) in segments(target[0]) and last not in segments(target[0]):
                        return True
        return False

    def _learn(self, names: Names) -> None:
        """Take what the lists say that were found since."""
        for place, route in list(self.crawl.routes.items()):
            if place not in self._read and route.kind in ("list", "object") and segments(route.path):
                self._read.add(place)
                if not route.fills:
                    names.hit(of(_last(route)))
                names.read(route.records[:5], f"GET {route.path}")

    def _spelt(self, name: str, single: bool = False) -> str:
        """The name as this API would write it: glued, in the plural or not, as the others are."""
        lists = [_last(route) for route in self.crawl.routes.values() if route.kind == "list" and not route.fills]
        if single or (lists and sum(last == singular_of(last) for last in lists) > len(lists) / 2):
            name = singular_of(name)
        parts = name.split("_")
        written = Counter(glue for last in lists for glue in ("-", "_", "camel") if _glued(last, glue))
        fields = [key for route in self.crawl.routes.values() for record in route.records[:1] for key in record]
        glue = written.most_common(1)[0][0] if written else "_" if any("_" in key.strip("_") for key in fields) else "-"
        text = parts[0] + "".join(part.title() for part in parts[1:]) if glue == "camel" else glue.join(parts)
        return text[:1].upper() + text[1:] if lists and all(last[:1].isupper() for last in lists) else text

    def _directory(self, prefix: str) -> bool:
        """Whether addresses of lists stand at the prefix."""
        crawl = self.crawl
        look = crawl.scout.look(f"{prefix}/", attempts=1)
        if crawl.scout.absent(look) or not (is_directory(look.sight.value) or is_address_list(look.sight.value, look.path)):
            return False
        crawl.document(look, Route(f"{prefix}/", "a usual prefix", looks=[look]))
        crawl.drain()
        return any(route.path.startswith(f"{prefix}/") and route.kind in ("list", "object") for route in crawl.routes.values())

    # ---------------------------------------------------------------- all that may be there

    def _spread(self, prefix: str, ending: str) -> None:
        """Ask for further names, and for lists that may hang on the records of those found, whatever is likelier, as long as
        anything is likely."""
        names, below = self.places[prefix, ending], _Below(self.crawl)
        self._search(f"{prefix}/search{ending}", names)
        while not self.crawl.scout.spent:
            lists = sum(route.kind == "list" for route in self.crawl.routes.values())
            name, hanging = names.likeliest(), below.likeliest(names)
            best = max(name[1] if name else 0.0, hanging[0] if hanging else 0.0)
            if best < LEAST:
                return
            if self.crawl.scout.left < min(_KEPT, self.crawl.scout.budget // 4) + _KEPT_EACH * lists:
                break
            if name is not None and name[1] == best:
                self._ask(name, names, prefix, ending)
            elif hanging is not None:
                _, child, parent = hanging
                below.tried(parent, child, self._hang(parent, child, names))
        self.cut = True

    def _search(self, path: str, names: Names) -> None:
        """Ask for what lists everything, where nothing else may list some of it; one that wants words to search for is none."""
        self.crawl.ask(Route(path, GUESSED))
        found = self.crawl.routes.get(shape(path))
        if found is not None and not found.records:
            del self.crawl.routes[shape(path)]
            self.crawl.missed.add(shape(path))
        elif found is not None:
            self.crawl.drain()
            self._learn(names)

    def _hang(self, parent: Route, child: str, names: Names) -> bool:
        """Whether lists of this name hang on the records of another."""
        for route in self.crawl.hanging(parent, self._spelt(child), f"{GUESSED} below {parent.path}"):
            if may_act(route.path):
                return False
            if shape(route.path) not in self.crawl.routes:
                self.crawl.ask(route, tries=1)
            if shape(route.path) in self.crawl.routes:
                self.there = True
                self.crawl.drain()
                self._learn(names)
                return True
        return False


class _Below:
    """Names of lists that may hang on the records of those found, likeliest first."""

    def __init__(self, crawl: Crawl) -> None:
        self._crawl = crawl
        self._lists = -1
        self._chances: dict[tuple[str, str], float] = {}
        self._parents: dict[str, Route] = {}
        self._tried: set[tuple[str, str]] = set()
        self._empty: Counter[str] = Counter()
        self._absent: Counter[str] = Counter()

    def likeliest(self, names: Names) -> tuple[float, str, Route] | None:
        """(chance, name, the list) of the best that was not tried."""
        if len(self._crawl.routes) != self._lists:  # what was found since tells of others
            self._lists = len(self._crawl.routes)
            self._weigh(names)
        left = self._chances.keys() - self._tried
        best = max(left, key=lambda each: (self._chance(*each), *each), default=None)
        if best is None:
            return None
        return self._chance(*best), best[1], self._parents[best[0]]

    def tried(self, parent: Route, child: str, there: bool) -> None:
        """It was asked for."""
        self._tried.add((parent.path, child))
        if there:
            return
        self._empty[parent.path] += 1
        self._absent[child] += 1

    def _weigh(self, names: Names) -> None:
        lists = (route for route in self._crawl.routes.values() if route.kind == "list")
        self._parents = {route.path: route for route in lists if route.records and len(route.fills) < 2}
        wanted = {of(" ".join(words(key)[:-1])) for _, key in self._crawl.unanswered()}
        self._chances = {}
        for path, route in self._parents.items():
            for child, chance in names.below(of(_last(route))).items():
                if child not in names.found or (chance >= _WANTED and not self._told(child, route)):
                    self._chances[path, child] = chance
            for child in wanted:
                self._chances[path, child] = self._chances.get((path, child), 0.0) + _WANTED

    def _told(self, child: str, parent: Route) -> bool:
        """Whether a list that is known by itself says already which of its records hang on the parent's."""
        stem = {word.lower() for word in words(singular_of(_last(parent)))}
        homes = (route for route in self._crawl.routes.values() if route.kind == "list" and of(_last(route)) == child)
        keys = {key for route in homes for record in route.records[:5] for key in record}
        return any(stem <= {word.lower() for word in words(key)} for key in keys)

    def _chance(self, path: str, child: str) -> float:
        return self._chances[path, child] / ((1 + self._empty[path] / _TIRED) * (1 + self._absent[child] / 2))


def _last(route: Route) -> str:
    return segments(route.path)[-1].removesuffix(".json")


def _glued(text: str, glue: str) -> bool:
    return glue in text.strip("_-") if glue != "camel" else len(words(text)) > 1 and not set("-_") & set(text)


def _texts(value: object) -> Iterable[str]:
    """Short texts of a root document, which may say what the API is about."""
    if not isinstance(value, dict):
        return []
    return [text[:200] for text in value.values() if isinstance(text, str)][:20]
