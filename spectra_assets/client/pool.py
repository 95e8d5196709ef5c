"""Kept-alive connections to one server: certificates verified, through the proxy which the environment names."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from ssl import SSLContext

import certifi
import urllib3
from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.util import Url, make_headers, parse_url
from urllib3.util.ssl_ import create_urllib3_context

from spectra_assets import settings
from spectra_assets.client.line import Line
from spectra_assets.errors import ConfigurationError

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_PORTS = {"http": 80, "https": 443}


class Pool:
    """Lines to the server of `root`: those that are idle, the last used first, or new ones. Safe for threads.

    `host` is what the header of that name says; `direct`: requests name a path alone, and else the whole address, for a proxy.
    """

    def __init__(self, root: str) -> None:
        """Nothing is sent yet. Raises ConfigurationError for certificates that are not there and for a proxy that is none."""
        self._server = parse_url(root)
        self._proxy, self._proven = _proxy(root)
        bundle = _bundle()
        secure = self._server.scheme == "https"
        self._context = _context(bundle) if secure or (self._proxy is not None and self._proxy.scheme == "https") else None
        self._idle: deque[Line] = deque()
        self._closed = False
        self.direct = self._proxy is None or secure
        port = self._server.port
        self.host = (
            f"{self._server.host}:{port}" if port not in (None, _PORTS[str(self._server.scheme)]) else str(self._server.host)
        )
        self.headers = {} if self.direct else self._proven
        """What a request to the proxy itself proves who asks with."""

    def line(self, seconds: float) -> Line:
        """A line to send a request over, connected within so many seconds; `back` takes it once the answer has come.

        Raises urllib3's HTTPError and OSError.
        """
        while self._idle:
            try:
                line = self._idle.pop()
            except IndexError:  # another thread took it
                break
            if line.waits:
                return line
            line.close()
        connection = self._connection(seconds)
        try:
            connection.connect()
        except Exception as error:
            connected = connection.has_connected_to_proxy
            connection.close()
            if self._proxy is not None and (not connected or "Tunnel connection failed" in str(error)):
                raise urllib3.exceptions.ProxyError("no way through the proxy", error) from error
            raise
        return Line(connection)

    def back(self, line: Line) -> None:
        """Keep the line for the next request, if it is of use."""
        if line.usable and not self._closed:
            self._idle.append(line)
        else:
            line.close()

    def close(self) -> None:
        """Close the lines that are idle; those in use are closed when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _connection(self, seconds: float) -> HTTPConnection:
        server, proxy = self._server, self._proxy
        host, port = str(server.host).strip("[]"), server.port or _PORTS[str(server.scheme)]
        if proxy is None:
            if server.scheme == "http":
                return HTTPConnection(host, port, timeout=seconds)
            return HTTPSConnection(host, port, timeout=seconds, ssl_context=self._context)
        place = str(proxy.host).strip("[]"), proxy.port or _PORTS[str(proxy.scheme)]
        if server.scheme == "http" and proxy.scheme == "http":
            return HTTPConnection(*place, timeout=seconds, proxy=proxy)
        config = ProxyConfig(self._context, False, None, None)
        made = HTTPSConnection(*place, timeout=seconds, ssl_context=self._context, proxy=proxy, proxy_config=config)
        if server.scheme == "https":
            made.set_tunnel(host, port, self._proven, scheme=str(proxy.scheme))
        return made


def _proxy(root: str) -> tuple[Url | None, dict[str, str]]:
    """The proxy that the environment names for this server, and the headers which prove who asks it."""
    named = select_proxy(root, get_environ_proxies(root))
    if named is None:
        return None, {}
    named = named if "://" in named else f"http://{named}"
    user, password = get_auth_from_url(named)
    headers = dict(make_headers(proxy_basic_auth=f"{user}:{password}")) if user or password else {}
    try:
        proxy = parse_url(named)
    except (urllib3.exceptions.HTTPError, ValueError):
        proxy = None
    if proxy is not None and proxy.scheme in _PORTS and proxy.host:
        return proxy._replace(auth=None), headers
    # nothing of it is told: the address of a proxy may hold a password
    raise ConfigurationError(
        "the proxy which HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names is not usable; valid is an address such as "
        "http://proxy.example.com:3128"
    )


def _bundle() -> str:
    """File or folder of the certificate authorities to trust. Raises ConfigurationError if the one that is set is not there."""
    for name in _BUNDLES:
        path = settings.variable(name)
        if path is not None:
            if not Path(path).exists():
                raise ConfigurationError(f"{name} is {path!r}, where there is no file or folder of certificates")
            return path
    return certifi.where()


def _context(bundle: str) -> SSLContext:
    """TLS as all lines speak it: the authorities are read once. Raises ConfigurationError for a bundle that is none."""
    context = create_urllib3_context()
    try:
        context.load_verify_locations(**({"capath": bundle} if Path(bundle).is_dir() else {"cafile": bundle}))
    except OSError as error:
        raise ConfigurationError(f"{bundle} holds no certificates that can be read ({type(error).__name__})") from error
    return context
