"""Which POSTs may leave: the searches that the covenant names, but those that turned out to do more than read."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from spectra_assets.client.address import Address
from spectra_assets.client.mask import masked_url
from spectra_assets.covenant.access import Search
from spectra_assets.errors import ConfigurationError, SourceError

_MADE = frozenset((HTTPStatus.CREATED, HTTPStatus.ACCEPTED))
_PARAMETER = re.compile(r"%7B.*?%7D")
_DOTS = frozenset((".", ".."))


class Searches:
    """The allowed searches of one API, by the address that is about to be sent. Safe for threads."""

    def __init__(self, allowed: Iterable[Search], address: Address) -> None:
        self._allowed = {search.path: _pattern(address.url(search.path)) for search in allowed}
        self._struck: dict[str, str] = {}
        self._lock = threading.Lock()

    def check(self, url: str) -> str:
        """The search that a POST to `url` is.

        Raises ConfigurationError if no person allowed it, SourceError if it was struck out.
        """
        parts = urlsplit(url)
        bare = parts._replace(query="", fragment="").geturl()
        dotted = _DOTS & set(unquote(parts.path).split("/"))
        path = next((path for path, pattern in self._allowed.items() if pattern.fullmatch(bare)), None)
        if path is None or dotted:
            known = ", ".join(sorted(self._allowed)) or "none"
            raise ConfigurationError(
                f"POST {masked_url(bare)} is not sent: only searches that a person allowed are (server.searches of the covenant: "
                f"{known})"
            )
        with self._lock:
            reason = self._struck.get(path)
        if reason:
            raise SourceError(f"POST {path} is not sent any more: {reason}")
        return path

    def judge(self, path: str, status: int, headers: Mapping[str, str]) -> None:
        """Strike a search out if it answered as what creates something does. Raises SourceError then."""
        if status in _MADE or (status < HTTPStatus.BAD_REQUEST and "Location" in headers):
            leads = " with a Location" if "Location" in headers else ""
            reason = f"it answered {status}{leads}, as what creates something does"
            with self._lock:
                self._struck[path] = reason
            raise SourceError(f"POST {path}: {reason}; it is no search, and not sent again")

    @property
    def struck(self) -> Mapping[str, str]:
        """Searches that are not sent any more, and why."""
        with self._lock:
            return dict(self._struck)


def _pattern(url: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(re.escape(part) for part in _PARAMETER.split(url)))
