"""One GET on the wire: pooled connections, the credential, bounded bodies, redirects by hand.

By POST go the searches that a person allowed (see searches.py), and the request for a token to the same server (OAuth 2). Nothing
of the environment changes what is sent:
`~/.netrc` is not read (it would replace the credential) and cookies are not kept. Proxies (HTTP_PROXY, HTTPS_PROXY, NO_PROXY)
and certificate bundles of the environment are honoured.
"""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3
from urllib3.util import make_headers, parse_url

from spectra_assets.client.address import Address, host_of, origin
from spectra_assets.client.credential import Credential
from spectra_assets.client.line import Bounds, CutError, ForeignError, LargeError, SlowError, rendered
from spectra_assets.client.mask import Mask, masked_url
from spectra_assets.client.pacing import StoppedError
from spectra_assets.client.pool import Pool
from spectra_assets.client.searches import Searches
from spectra_assets.client.width import Width
from spectra_assets.errors import (
    ConfigurationError,
    RetriableError,
    SkippableError,
    SourceError,
    SpectraError,
)

REDIRECTS = 5
_REDIRECT = {301, 302, 303, 307, 308}
_ACCEPT = "application/json, application/*+json;q=0.9, application/x-ndjson;q=0.8, */*;q=0.5"
_ALWAYS = {"Accept": _ACCEPT, "User-Agent": "spectra-assets", **make_headers(accept_encoding=True, keep_alive=True)}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}
_PLAIN = re.compile(r"/(?!/)[\w\-.~!$&'()*+,;=:@/?]*(?:%[0-9A-Fa-f]{2}[\w\-.~!$&'()*+,;=:@/?]*)*", re.ASCII)
"""Path and query that need no rewriting: nothing in them but what may stand there (dots that lead elsewhere are looked for)."""

_PATIENCE = 10
"""A whole body may take this many read timeouts, so that a dripping server does not hold a thread for ever."""


@dataclass(frozen=True)
class Answer:
    """What the API answered. `url` is masked; `elapsed_ms` is the last attempt on the wire, waiting excluded.

    `address` is the URL that answered in the end, without the credential: what relative links in the answer refer to.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    elapsed_ms: float
    attempts: int
    url: str
    address: str = field(default="", repr=False)
    method: str = "GET"
    played: bool = False
    """A recording gave it: nothing was asked of the API."""

    @property
    def told(self) -> str:
        """`GET https://…/flows`: what was asked, for people."""
        return f"{self.method} {self.url}"

    @property
    def content_type(self) -> str:
        """Media type in lower case without parameters, `application/json`; empty if the server gave none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Limits:
    """`timeout`: seconds to connect and to wait for the next bytes. `max_body`: bytes of a body, decompressed."""

    in_flight: int
    timeout: tuple[float, float]
    max_body: int


class Transport:
    """Sends GET requests to one API; safe to use from many threads, of which `width` lets `in_flight` through at most."""

    def __init__(
        self,
        address: Address,
        credential: Credential,
        limits: Limits,
        mask: Mask,
        searches: Searches,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`headers` go with every request, on top of the client's own."""
        self._address = address
        self._headers = {**_ALWAYS, **headers}
        self._searches = searches
        self._credential = credential
        self._limits = limits
        self._mask = mask
        self.width = Width(limits.in_flight)
        self._pool = Pool(address.root)
        parts = urlsplit(address.root)
        self._server = f"{parts.scheme}://{parts.netloc}"

    def close(self) -> None:
        """Close the pooled connections."""
        self._pool.close()

    def get(
        self,
        url: str,
        stop: threading.Event,
        seconds: float | None = None,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """The answer, whatever its status, after at most five redirects within the same scheme, host and port.

        `seconds` is what the answer may take to its last byte; by default ten times the timeout for silence. `more` are
        headers on top of the client's own.

        Raises RetriableError (no connection, cut, too slow), SkippableError (body too large), SourceError (a redirect
        that is not followed), ConfigurationError (certificate not trusted), CredentialError (no token is given) and
        StoppedError.
        """
        url, renewed = self._credential.bare(url), False
        for _ in range(REDIRECTS + 1):
            answer, renewed = self._signed("GET", url, None, more, stop, seconds, renewed)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECT or not location:
                return answer
            url = self._follow(url, location)
        raise SourceError(f"GET {masked_url(url)}: more than {REDIRECTS} redirects, given up")

    def search(self, url: str, body: bytes, stop: threading.Event, seconds: float | None = None) -> Answer:
        """The answer to a search by POST with this JSON body, see `get`. No redirect is followed.

        Raises ConfigurationError if no person allowed this search, and SourceError for an answer that no search gives.
        """
        search = self._searches.check(url)
        answer, _ = self._signed("POST", self._credential.bare(url), body, _JSON, stop, seconds, False)
        self._searches.judge(search, answer.status, answer.headers)
        return answer

    def _signed(
        self,
        method: str,
        url: str,
        body: bytes | None,
        more: Mapping[str, str],
        stop: threading.Event,
        seconds: float | None,
        renewed: bool,
    ) -> tuple[Answer, bool]:
        """(the answer with the credential, whether that was renewed once because it was refused)."""
        with self.width.passing():
            if stop.is_set():
                raise StoppedError
            headers = self._credential.headers(self._post)
            sent = self._credential.url(url)
            answer = self._sent(method, url, sent, {**headers, **more}, body, stop, seconds)
            if answer.status == 401 and not renewed and self._credential.renew(headers):
                renewed = True
                answer = self._sent(method, url, sent, {**self._credential.headers(self._post), **more}, body, stop, seconds)
        if answer.status < HTTPStatus.BAD_REQUEST:
            self.width.answered(answer.elapsed_ms / 1000)
        return answer, renewed

    def _post(self, path: str, headers: Mapping[str, str], form: Mapping[str, str]) -> Answer:
        """Ask for a token. `path` is one on the server, or below the base URL; an address must be of the same server."""
        stop = threading.Event()
        base = self._address.root + "/"
        url = self._address.follow(path, base)
        answer = self._sent("POST", url, url, headers, form, stop)
        below = self._address.follow(path.lstrip("/"), base)
        if answer.status in (404, 405) and below != url:
            answer = self._sent("POST", below, below, headers, form, stop)
        return answer

    def _sent(
        self,
        method: str,
        url: str,
        sent: str,
        headers: Mapping[str, str],
        data: Mapping[str, str] | bytes | None,
        stop: threading.Event,
        seconds: float | None = None,
    ) -> Answer:
        """The answer to one request with a form or a body. `sent`, the address with the credential, appears nowhere else."""
        started = time.perf_counter()
        connect, read = self._limits.timeout
        most = seconds or _PATIENCE * read
        bounds = Bounds(min(read, most), started + most, self._limits.max_body)
        if isinstance(data, Mapping):
            headers, data = {**_FORM, **headers}, urlencode(data).encode()
        try:
            target = self._target(sent)
            request = rendered(method, target, {"Host": self._pool.host, **self._pool.headers, **self._headers, **headers}, data)
            line = self._pool.line(min(connect, most))
            try:
                came = line.ask(request, bounds, stop)
            finally:
                self._pool.back(line)  # which closes one whose answer was not read to its end
            body = self._credential.scrub(came.body)
            elapsed = (time.perf_counter() - started) * 1000
            told = masked_url(url)
            return Answer(came.status, self._credential.scrubbed(came.headers), body, elapsed, 1, told, url, method)
        except (urllib3.exceptions.HTTPError, OSError, CutError, SlowError, LargeError, ForeignError, ValueError) as error:
            failure = self._failure(error, method, url, most)
        # raised here and not as `from error`: that exception may hold the request with its Authorization header
        raise failure

    def _target(self, sent: str) -> str:
        """What a request names: path and query, or all of the address for a proxy. Raises urllib3's LocationParseError."""
        if self._pool.direct and sent.startswith(self._server):
            target = sent[len(self._server) :]
            if _PLAIN.fullmatch(target) and "/." not in target:
                return target
        parts = parse_url(sent)
        return parts.request_uri if self._pool.direct else parts._replace(auth=None, fragment=None).url

    def _follow(self, url: str, location: str) -> str:
        """The address a redirect leads to. Raises SourceError naming both hosts if it is another server."""
        try:
            target = self._credential.bare(urljoin(url, location))
            same = origin(target) == origin(url) and "@" not in urlsplit(target).netloc
        except ValueError:
            target, same = "", False
        if same:
            return target
        schemes = f"{urlsplit(url).scheme}://{host_of(url)}", f"{urlsplit(target).scheme}://{host_of(target)}"
        raise SourceError(
            self._mask.line(
                f"GET {masked_url(url)}: {schemes[0]} redirects to another server, {schemes[1]}; this is not followed and "
                f"the credential was not sent there. If it is the right one, set {self._address.variable} to it"
            )
        )

    def _failure(self, error: Exception, method: str, url: str, seconds: float) -> SpectraError:
        """What went wrong on the wire, in words that hold nothing of the request."""
        where, check = f"{method} {masked_url(url)}", f"check {self._address.variable}"
        kinds = _chain(error)
        connect, read = self._limits.timeout
        if isinstance(error, LargeError):
            return SkippableError(f"{where}: the body is larger than {self._limits.max_body:,} bytes, the most that is read")
        if any("CERTIFICATE_VERIFY_FAILED" in str(link) for link in kinds):
            return ConfigurationError(
                f"{where}: the certificate of {host_of(url)} is not trusted here; if it is your organisation's own, "
                "set REQUESTS_CA_BUNDLE to the file with its authority's certificate"
            )
        if isinstance(error, SlowError):
            reason = f"the body did not end within {seconds:g} s"
        elif isinstance(error, ForeignError):
            reason = f"{host_of(url)} answered with what is no valid HTTP ({error}); {check}"
        elif _any(kinds, urllib3.exceptions.ProxyError):
            reason = "the proxy which HTTP_PROXY or HTTPS_PROXY names does not connect"
        elif _any(kinds, ssl.SSLError, urllib3.exceptions.SSLError):
            reason = f"no secure connection to {host_of(url)} (TLS); {check}"
        elif _any(kinds, urllib3.exceptions.NameResolutionError):
            reason = f"the name of the host {host_of(url)} is not known (DNS); {check}"
        elif _any(kinds, ConnectionRefusedError):
            reason = f"nothing listens on {host_of(url)} (connection refused); {check}"
        elif _any(kinds, urllib3.exceptions.ConnectTimeoutError):
            reason = f"no connection to {host_of(url)} within {connect:g} s; {check}"
        elif _any(kinds, urllib3.exceptions.NewConnectionError):
            reason = f"no connection to {host_of(url)}; {check}"
        elif _any(kinds, TimeoutError):
            reason = f"{host_of(url)} sent nothing for {read:g} s"
        elif _any(kinds, urllib3.exceptions.DecodeError):
            reason = "the compressed body is damaged"
        elif _any(kinds, CutError, OSError):
            reason = f"{host_of(url)} cut the connection before its answer was complete"
        else:
            return SourceError(f"{where}: the request can't be sent ({type(error).__name__}); {check}")
        return RetriableError(f"{where}: {reason}")


def _chain(error: BaseException) -> list[BaseException]:
    """`error` and every exception it wraps."""
    found: list[BaseException] = []
    todo: list[object] = [error]
    while todo:
        link = todo.pop()
        if isinstance(link, BaseException) and link not in found:
            found.append(link)
            todo += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]
    return found


def _any(links: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(link, kinds) for link in links)
