"""GETs of discovery: counted, bounded in time, none sent twice; the answer that means "no such thing" is recognised."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from spectra_assets.client.address import Address, origin
from spectra_assets.client.api import ApiClient
from spectra_assets.client.mask import Secret
from spectra_assets.client.pacing import Pace
from spectra_assets.client.pager import linked, query_of
from spectra_assets.client.target import stands
from spectra_assets.client.transport import Answer
from spectra_assets.client.verdict import CLOSED, TOO_MANY
from spectra_assets.covenant.access import Auth, Server
from spectra_assets.covenant.paths import one_record
from spectra_assets.errors import ConfigurationError, CredentialError, RetriableError, SourceError, SpectraError
from spectra_assets.stages.asking.answers import Category, Record, Sight, sight
from spectra_assets.stages.asking.links import is_address_list, links_of, may_lead

NOWHERE = "no-such-thing-987654321"
"""A segment that names nothing."""

WORDLIKE = "nosuchthing"
"""Another one, of letters alone as names of lists are."""

_SILENT_IN_A_ROW = 4
_TIMEOUT = (10.0, 20.0)
_SHORTEST_PAUSE = 0.05
"""Seconds between requests at least, once the API has said that they come too fast."""

_ATTEMPTS = 3
"""How often an answer that may pass (429, with the wait it tells) is asked for: the next request would be refused as well."""

_PATIENCE = 3
"""How often a path is asked for anew that came too fast in spite of all waiting."""

ANSWER_SECONDS = 15.0
"""Seconds that one answer may take to its last byte."""

_MOST_BYTES = 16 << 20
_MOST_DOCUMENT = 64 << 20
_LARGE, _KEPT = 1 << 18, 200
_PROXIED = 1_000
_SIGN_IN = re.compile(r"(?:^|[/_.-])(?:sign|log)[-_]?(?:in|on)(?:[/_.-]|$)", re.IGNORECASE)
_SAFE = re.compile(r"[^\x00-\x20\"<>\\^`]{0,1500}")


@dataclass(frozen=True)
class Look:
    """One answer. `path` is below the base URL, `status` None if none came, which `reason` then tells."""

    path: str
    query: tuple[tuple[str, str], ...]
    status: int | None
    sight: Sight
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    told: bytes = field(default=b"", repr=False)
    """Hash of the body without the words of its own address."""
    reason: str = ""
    sign_in: bool = False
    """Whether it led to a page for people to sign in at."""

    @property
    def readable(self) -> bool:
        return self.sight.category == "readable"

    @property
    def refused(self) -> bool:
        """Whether a credential, or a better one, is asked for."""
        return self.status in CLOSED or self.sign_in

    @property
    def found(self) -> bool:
        """Whether something is there, be it closed, or in need of parameters."""
        return self.readable or self.sight.category in ("unauthorized", "forbidden", "needsParameters")

    @property
    def records(self) -> list[Record]:
        """The records of a list; none of one object."""
        return [] if one_record(self.sight.location) else self.sight.records

    @property
    def listed(self) -> bool:
        """Whether the answer is a list, be it empty."""
        return self.readable and self.sight.location is not None and not one_record(self.sight.location)

    @property
    def next(self) -> str:
        """Address of the next page by the header `Link`."""
        return linked(self.headers.get("Link", ""), "next")


class Scout:
    """Asks one API below `base` (the path of the base URL, empty or `/api/v1`), at most `budget` times and for `seconds`.

    Raises RetriableError once the API is silent several times in a row.
    """

    def __init__(
        self,
        base_url: str,
        variable: str,
        budget: int,
        seconds: float = 900.0,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Nothing is sent; `headers` will go with every request. Raises ConfigurationError for an address that can't be used."""
        self._headers = dict(headers)
        self._pace = Pace(None, _SHORTEST_PAUSE, 1)
        checked = ApiClient(self._server(variable, Auth(kind="none")), base_url, None)
        parts = urlsplit(checked.base_url)
        checked.close()
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.base = parts.path.rstrip("/")
        self.budget = budget
        self.sent = 0
        self.with_query: set[str] = set()
        """Paths with fixed parameters, which a person gave; one that an API gives is none."""
        self.bare = False
        """Whether the base URL is asked for as it stands, without a slash: it is a list itself."""
        self.proxied: dict[str, str] = {}
        """Address on another host → path asked for here in its place."""
        self._inside: tuple[str, str, int] | None = None
        self._variable = variable
        self.until = time.monotonic() + seconds
        """When (monotonic) the last request may be sent."""
        self._silent = 0
        self._seen: dict[tuple[str, tuple[tuple[str, str], ...]], Look] = {}
        self._nothing: dict[str, Look] = {}
        self._signed: tuple[Auth, Secret | None, str | None] = (Auth(kind="none"), None, None)
        self._client = self._made(*self._signed)

    def close(self) -> None:
        self._client.close()

    @property
    def spent(self) -> bool:
        return self.sent >= self.budget or time.monotonic() > self.until

    @property
    def left(self) -> int:
        """Requests that may still be sent."""
        return 0 if self.spent else self.budget - self.sent

    def sign(self, auth: Auth, secret: Secret | None, user: str | None) -> None:
        """Send the credential from now on; what was seen without it is forgotten."""
        self._client.close()
        self._signed = (auth, secret, user)
        self._client = self._made(auth, secret, user)
        self._seen.clear()
        self._nothing.clear()

    def trial(self, path: str, auth: Auth, secret: Secret | None, user: str | None) -> Look:
        """One answer with another credential, which is not kept. A look without status is one of a credential that can't be sent,
        or for which there is no token: `unauthorized` if that is what refuses it."""
        try:
            client = self._made(auth, secret, user)
        except SpectraError as error:
            return _unseen(path, (), error)
        try:
            return self._patient(client, self.base, path, {}, 1)
        except ConfigurationError as error:  # where tokens were supposed to come from nothing is
            return _unseen(path, (), error)
        finally:
            client.close()

    def look(self, path: str, query: Mapping[str, str] | None = None, attempts: int = 2) -> Look:
        """The answer to GET `path` below the base URL; of an address asked before, that one. A spent budget is a look too."""
        return self._look(self.base, path, query or {}, attempts)

    def look_at_host(self, path: str) -> Look:
        """The answer to GET `path` of the host, wherever the base URL is."""
        return self._look("", path, {}, 1)

    def document(self, path: str, query: Mapping[str, str] | None = None) -> tuple[bytes, str, Mapping[str, str]]:
        """(body, why there is none, headers) of GET `path` of the host, whatever it is, up to 64 MiB. Not remembered."""
        if self.spent:
            return b"", "the budget of discovery is used up", {}
        self.sent += 1
        auth, secret, user = self._signed
        client = self._made(auth, secret, user, _MOST_DOCUMENT)
        try:
            answer = client.get(path, dict(query or {}), _ATTEMPTS)
        except SpectraError as error:
            return b"", str(error)[:300], {}
        finally:
            client.close()
        return (answer.body, "", answer.headers) if answer.status == 200 else (b"", str(answer.status), answer.headers)

    def absent(self, look: Look, host: bool = False) -> bool:
        """Whether this is what the server answers for a path that names nothing (some answer 200 there).

        `host`: the look's path is one of the host.
        """
        if not look.found:
            return True
        above = ("" if host else self.base) + look.path.rstrip("/").rpartition("/")[0]
        if _alike(look, self._at(f"{above}/{NOWHERE}")):
            return True
        # `400 Invalid table x` to each name that could be one, 404 to others
        return look.sight.category == "needsParameters" and not host and _alike(look, self._at(f"{above}/{WORDLIKE}"))

    def _at(self, path: str) -> Look:
        """The answer to a path of the host that names nothing."""
        if path not in self._nothing:
            self._nothing[path] = self.look_at_host(path)
        return self._nothing[path]

    def rebase(self, base_path: str) -> None:
        """From now on paths are below the base URL and this path."""
        self.base += base_path.rstrip("/")

    def local(self, url: str, below: str = "/") -> tuple[str, dict[str, str]] | None:
        """(path below the base URL, query) of an address found in the answer to GET `below`; None if it is not the API's.

        A server behind a proxy names itself by a host of its own: an address there whose path lies below the base path, or
        whose host is the one that `known_inside` tells, stands for the same path here. Nothing is sent to the other host.
        """
        if not _SAFE.fullmatch(url):
            return None
        try:
            named = urljoin(f"{self.origin}{self.base}{below}", url)
            if "@" in urlsplit(named).netloc:
                return None
            there = origin(named)
            root = f"{self.origin}{self.base}"
            full = self._here(named) if there == self._inside else Address(root, self._variable).follow(named, root)
        except (ValueError, SourceError):
            return None
        path = urlsplit(full).path
        if {".", ".."} & set(unquote(path).split("/")) or not (path + "/").startswith(f"{self.base}/"):
            return None
        if there != origin(self.origin) and len(self.proxied) < _PROXIED:
            self.proxied.setdefault(url, path)
        return path[len(self.base) :] or "/", query_of(full)

    def known_inside(self, root: Look) -> None:
        """Take the host that all absolute addresses of a root document name, if it is one, for the API's name behind a proxy."""
        value = root.sight.value
        self._inside = None
        if not root.readable or (root.listed and not is_address_list(value, root.path)):
            return
        try:
            hosts = {origin(link.url) for link in links_of(value, document=True) if "://" in link.url and may_lead(link)}
        except ValueError:
            return
        self._inside = hosts.pop() if len(hosts) == 1 else None

    def _here(self, url: str) -> str:
        """The same path and query on this API's host."""
        ours = urlsplit(self.origin)
        return urlsplit(url)._replace(scheme=ours.scheme, netloc=ours.netloc, fragment="").geturl()

    def _look(self, base: str, path: str, query: Mapping[str, str], attempts: int) -> Look:
        asked = tuple(query.items())
        if (base + path, asked) in self._seen:
            return replace(self._seen[(base + path, asked)], path=path)
        if self.spent:
            return Look(path, asked, None, Sight("notProbed", "empty"), reason="the budget of discovery is used up")
        if "?" in path and path not in self.with_query:
            return _unseen(path, asked, ConfigurationError(f"{path!r} is no path of a request"))
        found = self._patient(self._client, base, path, query, attempts)
        self._seen[(base + path, asked)] = found
        return found

    def _patient(self, client: ApiClient, base: str, path: str, query: Mapping[str, str], attempts: int) -> Look:
        """One answer; what came too fast says nothing of the path, and is asked for again."""
        found = self._ask(client, base, path, query, attempts)
        for _ in range(_PATIENCE):
            if found.status != TOO_MANY or self.spent:
                break
            found = self._ask(client, base, path, query, attempts)
        return found

    def _ask(self, client: ApiClient, base: str, path: str, query: Mapping[str, str], attempts: int) -> Look:
        self.sent += 1
        asked = tuple(query.items())
        try:
            answer = client.get(
                base + ("" if self.bare and base and path == "/" else path), dict(query), attempts, ANSWER_SECONDS
            )
        except RetriableError as error:
            self.sent += attempts - 1
            self._silent += error.status != TOO_MANY
            if self._silent >= _SILENT_IN_A_ROW or attempts > _ATTEMPTS:
                raise
            return _unseen(path, asked, error)
        except ConfigurationError:
            if "?" not in path and "#" not in path and all(map(stands, segments(path))):
                raise
            return _unseen(path, asked, ConfigurationError(f"{path!r} is no path of a request"))
        except SpectraError as error:
            return _unseen(path, asked, error)
        self._silent = 0
        self.sent += answer.attempts - 1
        found = _bounded(sight(answer, client.mask), len(answer.body))
        told, sign_in = _told(path, answer.body), _signs_in(base + path, answer, found)
        return Look(path, asked, answer.status, found, answer.headers, told, found.reason, sign_in)

    def _server(self, variable: str, auth: Auth) -> Server:
        return Server(base_url_env=variable, auth=auth, probe="/", in_flight=1, headers=self._headers)

    def _made(self, auth: Auth, secret: Secret | None, user: str | None, most: int = _MOST_BYTES) -> ApiClient:
        return ApiClient(
            self._server(self._variable, auth), self.origin, secret, user, timeout=_TIMEOUT, max_body=most, pace=self._pace
        )


def segments(path: str) -> list[str]:
    """The parts of a path, empty ones and fixed parameters left out."""
    return [part for part in path.partition("?")[0].split("/") if part]


def joined(parts: Iterable[str]) -> str:
    """The path of these parts."""
    return "/" + "/".join(parts)


def _unseen(path: str, query: tuple[tuple[str, str], ...], error: SpectraError) -> Look:
    category: Category = "unauthorized" if isinstance(error, CredentialError) else "unreachable"
    status = error.status if isinstance(error, RetriableError) else None
    return Look(path, query, status, Sight(category, "empty", reason=str(error)[:300]), reason=str(error)[:300])


def _alike(look: Look, nothing: Look) -> bool:
    """Whether an answer tells no more than the one for nothing: the same text, or an object with the same keys and no list."""
    if look.status != nothing.status or nothing.refused:
        return False
    if look.told == nothing.told:
        return True
    if not nothing.readable:  # `400 Invalid request URL` to whatever is no path
        return not look.readable and bool(look.reason) and _worded(look) == _worded(nothing)
    both: tuple[Any, Any] = (look.sight.value, nothing.sight.value)
    objects = all(isinstance(value, dict) for value in both)
    objects = objects and one_record(look.sight.location) and look.sight.location == nothing.sight.location
    return objects and set(both[0]) == set(both[1])


def _worded(look: Look) -> str:
    """The reason of a refusal without the words of its own address."""
    text = look.reason
    for part in segments(look.path)[-1:]:
        text = text.replace(part, "")
    return text


def _signs_in(asked: str, answer: Answer, found: Sight) -> bool:
    """Whether a redirect led to a page for people whose path says that one signs in there."""
    there = urlsplit(answer.address).path
    return found.shape == "html" and there != asked and _SIGN_IN.search(there) is not None


def _told(path: str, body: bytes) -> bytes:
    for part in segments(path)[-1:]:
        body = body.replace(part.encode(), b"")
    return blake2b(body, digest_size=16).digest()


def _bounded(found: Sight, size: int) -> Sight:
    """A large answer without what nobody looks at: many are kept."""
    if size < _LARGE:
        return found
    return replace(found, records=found.records[:_KEPT], value=found.value if one_record(found.location) else None)
