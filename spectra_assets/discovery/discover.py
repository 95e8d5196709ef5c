"""From an address, a credential and perhaps a description to an intelligence pack: hypotheses, each with its evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from spectra_assets.client.api import ApiClient
from spectra_assets.covenant.access import Server
from spectra_assets.discovery import describe
from spectra_assets.discovery.auth import LISTED, Recognised, recognise
from spectra_assets.discovery.build import Facts, pack_of
from spectra_assets.discovery.crawl import Crawl
from spectra_assets.discovery.details import with_details
from spectra_assets.discovery.given import Wanted, signature
from spectra_assets.discovery.guesses import Guesses
from spectra_assets.discovery.named import NAMED, Listed, ask_below, ask_plain, told
from spectra_assets.discovery.odata import model_of, unnamed
from spectra_assets.discovery.place import DOORS, UNKNOWN, Place, doors_of, moved, place_of
from spectra_assets.discovery.route import Route, shape
from spectra_assets.discovery.scout import Scout
from spectra_assets.discovery.searches import allow, strike
from spectra_assets.discovery.sparse import with_more_parents
from spectra_assets.discovery.survey import survey, with_other_ids
from spectra_assets.errors import ConfigurationError, CredentialError, SourceError
from spectra_assets.intelligence.description.edmx import EntitySet
from spectra_assets.intelligence.description.model import Description
from spectra_assets.intelligence.description.read import read_description
from spectra_assets.intelligence.entities import entities_of
from spectra_assets.intelligence.model import Endpoint, EntityHint, Evidence, Identifier, Pack
from spectra_assets.intelligence.verbs import MAY_ACT, may_act
from spectra_assets.names import check_source
from spectra_assets.settings import Settings
from spectra_assets.stages.asking.links import leads_nowhere

BUDGET = 300
"""Requests of a discovery, unless a playbook's setting `discovery_requests` says otherwise."""

IN_FLIGHT = 4
"""Requests in flight to an API nobody described."""

MORE = f"there may be more; name them by {LISTED}"
"""What a person is told where lists were guessed."""

CUT = "the budget of requests ended before all usual names were asked for (--request-budget)"
"""What is told beside it if that is so."""

_HYPOTHESES = 24
"""Requests at most for lists that a description leaves out, though ids in records name them."""


def base_url_variable(source: str) -> str:
    """Environment variable with the address of a discovered source: `github` has GITHUB_BASE_URL."""
    return f"{check_source(source).upper()}_BASE_URL"


def discover(
    settings: Settings,
    source: str,
    base_url: str,
    wanted: Wanted = Wanted(),  # noqa: B008 (it is frozen)
    budget: int = BUDGET,
    say: Callable[[str], None] = lambda _: None,
    detail: Callable[[str], None] = lambda _: None,
) -> Pack:
    """Find out what the API at `base_url` offers, by requests that only read, at most `budget` of them. Nothing is written.

    `say` is told what was found out, `detail` each endpoint that was tried on the way.

    Raises ConfigurationError (address, or nothing at it), CredentialError (closed, and nothing opens it), DocumentError and
    RequestError (the description that was given), RetriableError (silent), SourceError (nothing was found).
    """
    variable = base_url_variable(source)
    wanted.given.secret(), wanted.given.user()  # what is named and not set is told before anything is asked
    scout = Scout(base_url, variable, budget, headers=wanted.headers)
    try:
        return _Discovery(settings, source, base_url, variable, wanted, scout, say, detail).run()
    finally:
        scout.close()


@dataclass
class _Discovery:
    settings: Settings
    source: str
    base_url: str
    variable: str
    wanted: Wanted
    scout: Scout
    say: Callable[[str], None]
    detail: Callable[[str], None]
    evidence: list[Evidence] = field(default_factory=list)
    guessed: bool = False
    model: Mapping[str, EntitySet] = field(default_factory=dict)
    """Path of a list → what OData's `$metadata` tells of it."""

    def run(self) -> Pack:
        root = self.scout.look("/", attempts=5)  # an API that is silent is told before anything else
        if self.scout.base and not root.found and self.scout.look("").found:
            self.scout.bare = True
            root = self.scout.look("/")
        description, refused = self._description()
        place = place_of(self.scout, description) if description else Place()
        if description is not None and description.kind == "page" and not place.sure:
            self.evidence.append(
                Evidence(
                    about="catalogue",
                    finding=f"{description.name} is not followed"[:300],
                    evidence="none of the paths it tells is there",
                    confidence=0.5,
                )
            )
            description, place = None, Place()
        self.scout.rebase(place.base_path)
        doors = doors_of(self.scout, description, place, self._plain())
        made_up = [] if description is not None or len(doors) == 1 else [f"/{name}" for name in UNKNOWN]
        made_up = [path for path in made_up if path not in self._plain()]
        auth = recognise(self.scout, self.wanted.given, description.schemes if description else (), doors, made_up)
        self.evidence += auth.evidence
        self.say(f"authentication: {auth.evidence[0].finding}")
        if description is None and refused and auth.auth.kind != "none":
            found = describe.found(self.scout, read_description, refused)
            description, place = found.description, Place()
            self.evidence += found.evidence
        if description is not None and not place.sure:
            base, place = self.scout.base, place_of(self.scout, description)
            self.scout.base = base + place.base_path
        facts = self._facts(description, place, auth)
        if auth.auth.kind == "none" and self.wanted.given.token_env and (closed := _closed(facts)):
            auth = self._signed(auth, description, closed)
            facts = self._facts(description, place, auth) if auth.auth.kind != "none" else facts
        if auth.probe is None or auth.missing:
            facts.server = facts.server.model_copy(update={"probe": self._probe(facts) or facts.server.probe})
        pack = pack_of(facts)
        if not pack.entities and auth.missing:
            raise ConfigurationError(auth.missing)
        if not pack.entities:
            raise SourceError(self._nothing(pack))
        return pack

    def _signed(self, auth: Recognised, description: Description | None, closed: list[str]) -> Recognised:
        """How to open what is closed, where that which was asked first is open to everybody; as it was if nothing does."""
        try:
            found = recognise(self.scout, self.wanted.given, description.schemes if description else (), closed)
        except CredentialError as error:
            self.evidence.append(
                Evidence(about="authentication", finding="not every list is open", evidence=str(error)[:300], confidence=0.5)
            )
            return auth
        self.evidence += found.evidence
        self.say(f"authentication: {found.evidence[0].finding}, which GET {closed[0]} wants")
        return found

    def _description(self) -> tuple[Description | None, list[str]]:
        """(the description, addresses that may hold it but are closed)."""
        if self.wanted.openapi:
            description = describe.given(self.wanted.openapi, self.scout, read_description)
            self._read(description)
            return description, []
        found = describe.found(self.scout, read_description)
        self.evidence += found.evidence
        if found.description is None:
            self.say(f"no description at a usual address ({self.scout.sent} requests)")
        else:
            self._read(found.description)
        return found.description, found.refused

    def _read(self, description: Description) -> None:
        said = f"{description.name}: {description.kind} {description.format}, {len(description.endpoints)} operations"
        self.say(said)
        self.evidence.append(
            Evidence(about="catalogue", finding=said[:300], evidence="the description lists them", confidence=0.9)
        )
        for finding in description.findings:
            self.evidence.append(
                Evidence(about="catalogue", finding=finding[:300], evidence="odd in the description", confidence=1.0)
            )

    @property
    def _paths(self) -> list[str]:
        """The lists that a person named."""
        return [listed.path for listed in self.wanted.lists]

    def _plain(self) -> list[str]:
        """Those of them without parameters: no other path is as sure to be there."""
        return [path for path in self._paths if not {"?", "{"} & set(path)]

    def _facts(self, description: Description | None, place: Place, auth: Recognised) -> Facts:
        title = (description.title if description else "") or self.source.replace("_", " ").title()
        server = Server(
            base_url_env=self.variable,
            base_path=place.base_path,
            bare_root=self.scout.bare,
            auth=auth.auth,
            probe=auth.probe or "/",
            in_flight=self.settings.in_flight or IN_FLIGHT,
            headers=dict(self.wanted.headers),
        )
        facts = Facts(self.source, title[:200], server, self.evidence)
        facts.names = {listed.path: listed.entity for listed in reversed(self.wanted.lists) if listed.entity}
        if description is None:
            crawl = self._crawled()
            facts.refused, facts.paths, facts.model = crawl.refused, self._named(crawl), self.model
            facts.routes, facts.gaps = list(crawl.routes.values()), dict(crawl.gaps)
            facts.routes += with_details(self.scout, facts.routes)
            for path, field_name in crawl.unanswered():
                facts.gaps[f"{path} {field_name}"] = f"{field_name!r} in the records of GET {path} names no endpoint found"
        else:
            self._survey(facts, description, place)
        if self.guessed:
            facts.server = server.model_copy(update={"guessed": True})
        facts.requests, facts.budget, facts.spent = self.scout.sent, self.scout.budget, self.scout.spent
        return facts

    def _probe(self, facts: Facts) -> str | None:
        """A GET that proves that the API answers, where none was seen before: the root, else a list or object that was found."""
        root = self.scout.look("/")
        if root.readable and root.sight.shape != "empty":
            return "/"
        read = [route for route in facts.routes if route.kind in ("list", "object") and not route.fills]
        read.sort(key=lambda route: (not route.records, route.kind == "object"))
        return read[0].path if read else None

    def _survey(self, facts: Facts, description: Description, place: Place) -> None:
        """Ask what the description lists; where it leads to no list, what the answers themselves name."""
        endpoints, outside = moved(description.endpoints, place)
        replies = {path: reply for old, reply in description.replies.items() if (path := place.path(old))}
        facts.endpoints = _distinct(endpoints)
        facts.gaps |= dict.fromkeys(outside, "outside of the base URL")
        described = description.model_copy(update={"endpoints": facts.endpoints, "replies": replies})
        allow(facts, self.wanted.post_search, self.wanted.searches)
        searches = {search.path for search in facts.server.searches}
        facts.hints, facts.identifiers, excluded = entities_of(described, searches)
        facts.excluded |= excluded
        own = description.name.removeprefix(self.scout.origin + self.scout.base)
        if own in {endpoint.path for endpoint in facts.endpoints}:
            facts.excluded.setdefault(own, "the description itself")
        for endpoint in facts.endpoints:
            nowhere = _nowhere(endpoint, description) if endpoint.method == "GET" else ""
            if nowhere:
                facts.excluded.setdefault(endpoint.path, nowhere)
        asked = self._askable(facts)
        secret, user = signature(facts.server.auth, self.wanted.given)
        with ApiClient(facts.server, self.base_url, secret, user) as client:
            facts.routes, sent = survey(client, asked, self.scout.left - self._held_back(), self.say, self.scout.until)
        self.scout.sent += sent
        strike(facts)
        for route in facts.routes:
            bare = route.kind in ("list", "object") and not any(look.records for look in route.looks)
            if route.method == "GET" and bare and all(self.scout.absent(look) for look in route.looks):
                route.kind, route.reason = "closed", "what the server answers for any path"
        with_other_ids(self.scout, facts.routes, facts.identifiers, {path: h.entity for h in facts.hints for path in h.routes})
        with_more_parents(self.scout, facts.routes)
        details = with_details(self.scout, facts.routes, [each.path for each in facts.endpoints if each.method == "GET"])
        for route in details:
            facts.excluded.pop(route.path, None)
        facts.routes += details
        if not any(route.kind in ("list", "object") for route in facts.routes):
            crawl = self._crawled()
        else:
            crawl = Crawl(self.scout, self.detail, {shape(each.path): each for each in facts.routes if each.method == "GET"})
            ask_plain(crawl, self._paths)
            crawl.follow_ids(min(_HYPOTHESES, self.scout.left // 8))
            ask_below(crawl, self._paths)
        known = {route.path for route in facts.routes}
        fresh = [route for route in crawl.routes.values() if route.path not in known]
        facts.routes += fresh
        facts.paths = self._named(crawl)
        facts.gaps |= crawl.gaps
        for route in fresh:
            if route.kind == "list" and route.why != NAMED:
                self.say(f"not described, and there: GET {route.path} ({route.why})")

    def _crawled(self) -> Crawl:
        crawl = Crawl(self.scout, self.detail)
        crawl.run()
        bare = not crawl.fruitful
        ask_plain(crawl, self._paths)
        looks = [self.scout.look("/"), *(look for route in crawl.routes.values() for look in route.looks)]
        self.model = model_of(self.scout, looks, self.evidence)
        for route in unnamed(self.model, [route.path for route in crawl.routes.values()]):
            crawl.ask(route, guess=False)
        crawl.drain()
        ask_below(crawl, self._paths)
        if bare and not self.model:
            guesses = Guesses(crawl, [self.source])
            guesses.run()
            if guesses.there:
                self._tell_guesses(crawl, f"; {CUT}" if guesses.cut else "")
        crawl.go_on(with_more_parents(self.scout, list(crawl.routes.values())))
        kinds = Counter(route.kind for route in crawl.routes.values())
        lists, objects = kinds["list"], kinds["object"]
        others = sum(kinds.values()) - lists - objects
        found = f"{lists} lists, {objects} single records, {others} others"
        self.say(f"followed links, ids and names ({self.scout.sent} requests): {found}")
        return crawl

    def _held_back(self) -> int:
        """Requests that stay for the lists that a person named."""
        return min(self.scout.left // 2, 4 * len(self.wanted.lists))

    def _tell_guesses(self, crawl: Crawl, cut: str) -> None:
        there = [route for route in crawl.routes.values() if route.why != NAMED and route.kind in ("list", "object", "closed")]
        guessed = [route.path for route in there if route.kind == "list"]
        if there:
            self.guessed = True
            what = f"{len(guessed)} lists were" if guessed else "no list, only single records and what is closed, was"
            found = sorted(guessed or [route.path for route in there])
            self.evidence.append(
                Evidence(
                    about="catalogue",
                    finding=f"{what} found by guessing usual names: {MORE}",
                    evidence=f"nothing at the base URL names a list; found: {', '.join(found)[:600]}{cut}",
                    confidence=0.5,
                )
            )

    def _named(self, crawl: Crawl) -> list[str]:
        """The lists that a person named and that are there; one that is none is a gap. Raises ConfigurationError if all that are
        named now are none."""
        wrong = ask_below(crawl, self._paths)
        now = [Listed.of(text).path for text in self.wanted.paths]
        mistaken = {path: why for path, why in wrong.items() if path in now}
        if mistaken and len(mistaken) == len(set(now)):
            raise ConfigurationError(told(mistaken, self.source, self.scout.origin + self.scout.base, crawl))
        for path, why in wrong.items():
            if path in mistaken:
                self.say(f"! named, and no list: {path}: {why}")
            # an endpoint all the same: the next run with the same words need not find out again
            crawl.routes[shape(path)] = Route(path, NAMED, kind="closed", reason=f"named by a person: {why}")
        return [text for text in dict.fromkeys((*self.wanted.kept, *self.wanted.paths)) if Listed.of(text).path not in wrong]

    def _askable(self, facts: Facts) -> Pack:
        """The endpoints that may be asked and may list records, and what the description says of them."""
        searches = {search.path for search in facts.server.searches}
        reads = [each for each in facts.endpoints if each.method == "GET" or (each.method == "POST" and each.path in searches)]
        reads = [each for each in reads if each.path not in facts.excluded]
        paths = {each.path for each in reads}
        hints: list[EntityHint] = []
        for hint in facts.hints:
            routes = [path for path in hint.routes if path in paths]
            if routes:
                hints.append(hint.model_copy(update={"routes": routes}))
        named = {hint.entity for hint in hints}
        identifiers: list[Identifier] = []
        for known in facts.identifiers:
            candidates = [text for text in known.candidates if text.partition(".")[0] in named]
            if candidates:
                identifiers.append(known.model_copy(update={"candidates": candidates}))
        return Pack(
            source=self.source, title=facts.title, server=facts.server, paging=facts.paging, endpoints=reads, entities=hints,
            identifiers=identifiers, origin="discovered",
        )  # fmt: skip

    def _nothing(self, pack: Pack) -> str:
        """Why there is nothing to make a pipeline of."""
        root = self.scout.look("/")
        said = root.reason.partition(": the base URL")[0] or (
            f"{root.status}, {root.sight.shape}" if root.status else "no answer"
        )
        closed = [f"GET {each.path}: {each.probed_status}" for each in pack.endpoints if each.probed_status not in (None, 200)]
        posts = [each.path for each in pack.endpoints if each.method == "POST" and each.reads]
        if posts:
            where = f"{self.scout.origin}{self.scout.base}"
            return (
                f"no list of records can be had by GET at {where}; the description shows {len(posts)} searches by POST that only "
                f"read ({', '.join(posts[:5])}): allow them by --allow-post-search"
            )
        seen = f"; {len(closed)} endpoints answer no data ({'; '.join(closed[:5])})" if closed else ""
        return (
            f"no list of records was found at {self.scout.origin}{self.scout.base} in {self.scout.sent} requests: its root: "
            f"{said}{seen}. Check the base URL (it may need a path such as /api/v1), name its lists by "
            f"{LISTED}, or give a description by --openapi FILE_OR_URL"
        )


def _nowhere(endpoint: Endpoint, description: Description) -> str:
    """Why a described GET is not sent. What a page for people tells may be of any method."""
    doubtful = description.kind == "page" and may_act(endpoint.path)
    return leads_nowhere("", endpoint.path) or (MAY_ACT if doubtful else "")


def _closed(facts: Facts) -> list[str]:
    """GET paths without parameters that want a credential, or a better one: a few."""
    refused = [route.path for route in facts.routes if route.kind == "closed" and route.looks and route.looks[-1].refused]
    return [path for path in (*refused, *facts.refused) if "{" not in path][:DOORS]


def _distinct(endpoints: list[Endpoint]) -> list[Endpoint]:
    """No method and path twice; paths that can be asked for."""
    kept: dict[tuple[str, str], Endpoint] = {}
    for endpoint in endpoints:
        if endpoint.path.startswith("/") and not {"?", "#"} & set(endpoint.path):
            kept.setdefault((endpoint.method, endpoint.path), endpoint)
    return list(kept.values())
