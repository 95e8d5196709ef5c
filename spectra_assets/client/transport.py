"""One GET on the wire: pooled connections, the credential's header, bounded bodies, redirects by hand.

Nothing of the environment changes what is sent: `~/.netrc` is not read (it would replace the credential) and cookies
are not kept. Proxies (HTTP_PROXY, HTTPS_PROXY, NO_PROXY) and certificate bundles of the environment are honoured.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from spectra_assets import settings
from spectra_assets.client.address import Address, host_of, origin
from spectra_assets.client.mask import Mask, Secret, masked_url
from spectra_assets.client.pacing import StoppedError
from spectra_assets.covenant.model import Auth
from spectra_assets.errors import (
    ConfigurationError,
    CredentialError,
    RetriableError,
    SkippableError,
    SourceError,
    SpectraError,
)

REDIRECTS = 5
_REDIRECT = {301, 302, 303, 307, 308}
_CHUNK = 1 << 20
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATIENCE = 10
"""A whole body may take this many read timeouts, so that a dripping server does not hold a thread for ever."""


@dataclass(frozen=True)
class Answer:
    """What the API answered. `url` is masked; `elapsed_ms` is the last attempt on the wire, waiting excluded."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    elapsed_ms: float
    attempts: int
    url: str

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


class _Session(requests.Session):
    """Leaves redirects alone: requests would read their bodies unbounded, and prepare the next request."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class Transport:
    """Sends GET requests to one API; safe to use from many threads, of which `in_flight` are served at a time."""

    def __init__(self, address: Address, credential: Mapping[str, Secret], limits: Limits, mask: Mask) -> None:
        self._address = address
        self._credential = dict(credential)
        self._limits = limits
        self._mask = mask
        self._slots = threading.BoundedSemaphore(limits.in_flight)
        self._verify = _certificates()
        self._proxies = get_environ_proxies(address.root)
        self._session = _Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update({"Accept": "application/json", "User-Agent": "spectra-assets"})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=limits.in_flight))

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    def get(self, url: str, stop: threading.Event) -> Answer:
        """The answer, whatever its status, after at most five redirects within the same scheme, host and port.

        Raises RetriableError (no connection, cut, too slow), SkippableError (body too large), SourceError (a redirect
        that is not followed), ConfigurationError (certificate not trusted) and StoppedError.
        """
        for _ in range(REDIRECTS + 1):
            with self._slots:
                if stop.is_set():
                    raise StoppedError
                answer = self._exchange(url, stop)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECT or not location:
                return answer
            url = self._follow(url, location)
        raise SourceError(f"GET {masked_url(url)}: more than {REDIRECTS} redirects, given up")

    def _exchange(self, url: str, stop: threading.Event) -> Answer:
        started = time.perf_counter()
        try:
            with self._session.get(
                url,
                headers={name: secret.reveal() for name, secret in self._credential.items()},
                timeout=self._limits.timeout,
                stream=True,
                allow_redirects=False,
                verify=self._verify,
                proxies=self._proxies,
            ) as response:
                body = self._body(response, url, started, stop)
                elapsed = (time.perf_counter() - started) * 1000
                return Answer(response.status_code, response.headers, body, elapsed, 1, masked_url(url))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = self._failure(error, url)
        # raised here and not as `from error`: that exception holds the request with its Authorization header
        raise failure

    def _body(self, response: requests.Response, url: str, started: float, stop: threading.Event) -> bytes:
        declared = response.headers.get("Content-Length", "")
        most = self._limits.max_body
        if declared.isdecimal() and int(declared) > most:
            raise _too_large(url, most)
        deadline = started + _PATIENCE * self._limits.timeout[1]
        body = bytearray()
        # read1 gives what has arrived: the fastest way through urllib3, and the only one that notices a dripping server
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > most:
                raise _too_large(url, most)
            if time.perf_counter() > deadline:
                raise RetriableError(
                    f"GET {masked_url(url)}: the body did not end within {_PATIENCE * self._limits.timeout[1]:g} s"
                )
            if stop.is_set():
                raise StoppedError
        return bytes(body)

    def _follow(self, url: str, location: str) -> str:
        """The address a redirect leads to. Raises SourceError naming both hosts if it is another server."""
        try:
            target = urljoin(url, location)
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

    def _failure(self, error: Exception, url: str) -> SpectraError:
        """What went wrong on the wire, in words that hold nothing of the request."""
        where, check = f"GET {masked_url(url)}", f"check {self._address.variable}"
        kinds = _chain(error)
        connect, read = self._limits.timeout
        if any("CERTIFICATE_VERIFY_FAILED" in str(link) for link in kinds):
            return ConfigurationError(
                f"{where}: the certificate of {host_of(url)} is not trusted here; if it is your organisation's own, "
                "set REQUESTS_CA_BUNDLE to the file with its authority's certificate"
            )
        if _any(kinds, requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
            reason = "the proxy which HTTP_PROXY or HTTPS_PROXY names does not connect"
        elif _any(kinds, requests.exceptions.SSLError, urllib3.exceptions.SSLError):
            reason = f"no secure connection to {host_of(url)} (TLS); {check}"
        elif _any(kinds, requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
            reason = f"{host_of(url)} sent nothing for {read:g} s"
        elif _any(kinds, urllib3.exceptions.NameResolutionError):
            reason = f"the name of the host {host_of(url)} is not known (DNS); {check}"
        elif _any(kinds, ConnectionRefusedError):
            reason = f"nothing listens on {host_of(url)} (connection refused); {check}"
        elif _any(kinds, urllib3.exceptions.NewConnectionError):
            reason = f"no connection to {host_of(url)}; {check}"
        elif _any(kinds, requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError):
            reason = f"no connection to {host_of(url)} within {connect:g} s; {check}"
        elif _any(kinds, urllib3.exceptions.DecodeError):
            reason = "the compressed body is damaged"
        elif _any(kinds, requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError):
            reason = f"{host_of(url)} cut the connection before its answer was complete"
        else:
            return SourceError(f"{where}: the request can't be sent ({type(error).__name__}); {check}")
        return RetriableError(f"{where}: {reason}")


def credential_headers(auth: Auth, secret: Secret | None, user: str | None) -> dict[str, Secret]:
    """The header which carries the credential; none for `auth.kind` none or without a secret.

    Raises CredentialError if the value can't be a header's, without repeating it.
    """
    if auth.kind == "none" or secret is None:
        return {}
    value = secret.reveal()
    variable = auth.token_env or "the token"
    if not value.strip() or not value.isprintable() or (auth.kind != "basic" and re.search(r"[^\x21-\x7e]", value)):
        raise CredentialError(f"{variable} holds no usable credential: only the value itself, with no spaces or quotes around")
    if not _HEADER.fullmatch(auth.header):
        raise ConfigurationError(f"{auth.header!r} is not the name of an HTTP header, for example Authorization")
    if auth.kind == "basic":
        if not user or ":" in user:
            raise CredentialError(
                f"set {auth.user_env or 'the user'} to the user name (it has no colon) for basic authentication"
            )
        value = "Basic " + base64.b64encode(f"{user}:{value}".encode()).decode()
    elif auth.kind == "bearer":
        value = f"Bearer {value}"
    return {auth.header: Secret(value)}


def _certificates() -> str | bool:
    """The bundle of certificate authorities to trust. Raises ConfigurationError if the one that is set is not there."""
    for name in _BUNDLES:
        path = settings.variable(name)
        if path is not None:
            if not Path(path).exists():
                raise ConfigurationError(f"{name} is {path!r}, where there is no file or folder of certificates")
            return path
    return True


def _too_large(url: str, most: int) -> SkippableError:
    return SkippableError(f"GET {masked_url(url)}: the body is larger than {most:,} bytes, the most that is read")


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
