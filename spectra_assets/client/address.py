"""Where an API is: its base URL checked, and the URL of each request made from it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, parse_qsl, quote, quote_plus, unquote, urlencode, urljoin, urlsplit

from spectra_assets.errors import ConfigurationError, SourceError

Query = Mapping[str, str | int | Sequence[str | int]]
"""Parameters of a request; a sequence repeats its parameter."""

_VERSION = r"/(?:latest|v\d+)"
_LEADING_VERSION = re.compile(r"/v\d+(?=/|$)")
_LAST_VERSION = re.compile(_VERSION + "$")
_PORTS = {"http": 80, "https": 443}
_LONGEST = 8_192
"""Characters of an address that an API gives."""


@dataclass(frozen=True)
class Address:
    """An API's root, `https://host[:port]/path` without a slash at the end, and the variable it came from."""

    root: str
    variable: str
    bare: bool = False
    """Whether the path `/` is the root as it stands, without a slash."""

    @classmethod
    def parse(cls, base_url: str, base_path: str, variable: str, bare: bool = False) -> Address:
        """Check `base_url` and add `base_path`, unless it contains it already (with any version as last segment).

        Raises ConfigurationError naming `variable` and what is wrong; the value itself is not repeated, since a
        refused URL may hold a password.
        """
        parts = _checked(base_url, variable)
        path = parts.path.rstrip("/")
        wanted = "/" + base_path.strip("/") if base_path.strip("/") else ""
        if wanted and not _contains(path, wanted):
            path += wanted
        return cls(f"{parts.scheme}://{parts.netloc}{path}", variable, bare)

    @property
    def host(self) -> str:
        """`host:port`, for people."""
        return host_of(self.root)

    def url(self, path: str, query: Query | None = None) -> str:
        """The URL of one request.

        A version in front of `path` (`/v4/…`) replaces the version at the end of the root (`/latest`, `/v3`). What `path` is
        asked with in any case (see `fixed`) comes before `query`, which wins.
        Raises ConfigurationError for a path with any other query, a fragment or dot segments.
        """
        path, always = _written(path)
        root = self.root
        if _LEADING_VERSION.match(path):
            root = _LAST_VERSION.sub("", root)
        if self.bare and path == "/":
            path = ""
        own = [(name, value) for name, value in always if name not in (query or {})]
        pairs = _pairs([*own, *(query or {}).items()])
        return root + path + (f"?{pairs}" if pairs else "")

    def follow(self, link: str, here: str, start: str | None = None) -> str:
        """The URL that `link`, found in the answer of `here`, leads to: always on this API's scheme, host and port.

        `start` is the URL of a list's first page. A server behind a proxy gives links to a host of its own; such a link is
        not followed, but if its path lies below the base path, or is that of the list, the same path and query are asked
        for here. Every other link elsewhere raises SourceError naming both hosts.
        """
        if len(link) > _LONGEST:
            raise SourceError(f"an address of {len(link):,} characters is not followed; the most are {_LONGEST:,}")
        try:
            parts = urlsplit(urljoin(here, link.strip()))._replace(fragment="")
            theirs = origin(parts.geturl())
        except ValueError:
            raise SourceError(f"an answer of {self.host} leads on to an address that is not valid") from None
        if "@" in parts.netloc:
            raise SourceError(f"an answer of {self.host} leads on to an address with a user in it, which is not followed")
        if theirs == origin(self.root):
            return parts.geturl()
        path = self._ours(parts.path, start)
        if path is None:
            raise SourceError(
                f"an answer of {self.host} leads on to another server, {parts.scheme}://{host_of(parts.geturl())}; this is not "
                f"followed and the credential was not sent there. If it is the right one, set {self.variable} to it"
            )
        ours = urlsplit(self.root)
        return parts._replace(scheme=ours.scheme, netloc=ours.netloc, path=path).geturl()

    def _ours(self, path: str, start: str | None) -> str | None:
        """The path on this server that a path of another one stands for, if it is below the base path or the list's own."""
        base = urlsplit(self.root).path
        listed = urlsplit(start).path if start else ""
        if (base and _below(path, base)) or (listed and _below(path, listed)):
            return path
        # a proxy may add the base path, of which the server behind it knows nothing
        if base and _below(listed, base) and _below(path, listed.removeprefix(base)):
            return base + path
        return None


_UNQUOTED = "$,:*@"
"""What stands as it is in the fixed parameters of a path; no slash and no brace, so that they are no part of the path."""


def fixed(path: str) -> tuple[str, list[tuple[str, str]]]:
    """(path, parameters) of a path whose list is always asked for with the same ones: `/coins/markets?vs_currency=usd`.

    Only a query as `with_fixed` writes it is one; any other stays in the path.
    """
    bare, _, text = path.partition("?")
    pairs = parse_qsl(text, keep_blank_values=True)
    return (bare, pairs) if pairs and with_fixed(bare, pairs) == path else (path, [])


def with_fixed(path: str, parameters: Sequence[tuple[str, str]]) -> str:
    """The path of a list that is always asked for with these parameters: another list than without them."""
    return path + (f"?{urlencode(parameters, safe=_UNQUOTED)}" if parameters else "")


@lru_cache(maxsize=4_096)
def _written(path: str) -> tuple[str, Sequence[tuple[str, str]]]:
    """The path as an address has it, and what it is asked with in any case. Kept, as every page of a list asks for the same."""
    path, always = fixed("/" + path.lstrip("/"))
    if "?" in path or "#" in path or {".", ".."} & set(unquote(path).split("/")):
        raise ConfigurationError(
            f"{path!r} is not a valid path of a request: parameters belong into its query, and the segments "
            "'.' and '..' are refused"
        )
    return quote(path, safe="/%:@!$&'()*+,;=~"), tuple(always)


_quoted = lru_cache(maxsize=4_096)(quote_plus)


def _pairs(pairs: Sequence[tuple[str, str | int | Sequence[str | int]]]) -> str:
    """The parameters as an address has them."""
    if all(type(value) is str for _, value in pairs):
        return "&".join([f"{_quoted(name)}={_quoted(str(value))}" for name, value in pairs])
    return urlencode(pairs, doseq=True)


def without(url: str, parameter: str) -> str:
    """`url` without a parameter of its query; the others stay as they are written."""
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and [*parse_qsl(pair, True), ("", "")][0][0] != parameter]
    return parts._replace(query="&".join(kept)).geturl()


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


def _below(path: str, above: str) -> bool:
    """Whether a path is another one, or below it."""
    above = above.rstrip("/")
    return bool(above) and (path == above or path.startswith(above + "/"))


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
