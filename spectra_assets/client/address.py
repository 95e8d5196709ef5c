"""Where an API is: its base URL checked, and the URL of each request made from it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

from spectra_assets.errors import ConfigurationError

Query = Mapping[str, str | int | Sequence[str | int]]
"""Parameters of a request; a sequence repeats its parameter."""

_VERSION = r"/(?:latest|v\d+)"
_LEADING_VERSION = re.compile(r"/v\d+(?=/|$)")
_LAST_VERSION = re.compile(_VERSION + "$")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Address:
    """An API's root, `https://host[:port]/path` without a slash at the end, and the variable it came from."""

    root: str
    variable: str

    @classmethod
    def parse(cls, base_url: str, base_path: str, variable: str) -> Address:
        """Check `base_url` and add `base_path`, unless it contains it already (with any version as last segment).

        Raises ConfigurationError naming `variable` and what is wrong; the value itself is not repeated, since a
        refused URL may hold a password.
        """
        parts = _checked(base_url, variable)
        path = parts.path.rstrip("/")
        wanted = "/" + base_path.strip("/") if base_path.strip("/") else ""
        if wanted and not _contains(path, wanted):
            path += wanted
        return cls(f"{parts.scheme}://{parts.netloc}{path}", variable)

    @property
    def host(self) -> str:
        """`host:port`, for people."""
        return host_of(self.root)

    def url(self, path: str, query: Query | None = None) -> str:
        """The URL of one request.

        A version in front of `path` (`/v4/…`) replaces the version at the end of the root (`/latest`, `/v3`).
        Raises ConfigurationError for a path that holds a query, a fragment or dot segments.
        """
        path = "/" + path.lstrip("/")
        if "?" in path or "#" in path or {".", ".."} & set(unquote(path).split("/")):
            raise ConfigurationError(
                f"{path!r} is not a valid path of a request: parameters belong into its query, and the segments "
                "'.' and '..' are refused"
            )
        root = self.root
        if _LEADING_VERSION.match(path):
            root = _LAST_VERSION.sub("", root)
        pairs = urlencode(dict(query), doseq=True) if query else ""
        return root + quote(path, safe="/%:@!$&'()*+,;=~") + (f"?{pairs}" if pairs else "")


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port. Raises ValueError if there is no such thing in `url`."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.hostname:
        raise ValueError("not an http address")
    return scheme, parts.hostname.lower(), parts.port or _PORTS[scheme]


def host_of(url: str) -> str:
    """`host:port` of a URL, for people; never its user or password."""
    try:
        _, host, port = origin(url)
    except ValueError:
        return "an address that is not valid"
    return f"{host}:{port}"


def _checked(base_url: str, variable: str) -> SplitResult:
    parts, fault = None, "it is not a valid URL"
    try:
        parts = urlsplit(base_url)
        origin(base_url)
        (parts.hostname or "").encode("idna")
        fault = _fault(base_url, parts)
    except ValueError:  # also UnicodeError: a host no name server could know
        if parts is not None and parts.scheme.lower() not in _PORTS:
            fault = "it must start with http:// or https://"
        elif parts is not None and not parts.netloc:
            fault = "it has no host"
    if parts is None or fault:
        raise ConfigurationError(
            f"{variable} is not usable as the base URL of the API: {fault}; an example is https://api.example.com"
        )
    return parts


def _fault(base_url: str, parts: SplitResult) -> str:
    if "@" in parts.netloc:
        return "a user or password must not stand in it (the credential has a variable of its own)"
    if parts.query or "?" in base_url:
        return "a query (?…) must not stand in it"
    if parts.fragment or "#" in base_url:
        return "a fragment (#…) must not stand in it"
    if not base_url.isprintable() or " " in base_url or "\\" in base_url:
        return "spaces, backslashes and control characters must not stand in it"
    return ""


def _contains(path: str, wanted: str) -> bool:
    """Whether `wanted` is in `path`, segment by segment; its version (`/latest`, `/v3`), if any, may be another."""
    stem = _LAST_VERSION.sub("", wanted)
    pattern = re.escape(stem) + (_VERSION if stem != wanted else "") + "(?=/|$)"
    return re.search(pattern, path) is not None
