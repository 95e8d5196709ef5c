"""Secrets, and how they are kept out of every text a person or a log may see."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import quote as percent
from urllib.parse import quote_plus

from spectra_assets.untrusted import printable

HIDDEN = "***"
QUOTED = 200
"""Characters of an answer's body which an error quotes at most."""

_READ = 8192
"""Bytes of a body looked at to quote it."""


class Secret:
    """A credential. It prints as `***` in every way, is never pickled, and only `reveal` gives the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself: for the header that is sent, and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled or copied")


class Mask:
    """Replaces every occurrence of some secrets in texts, also as URLs, JSON, HTML and base64 write them. Safe for threads."""

    __slots__ = ("_forms", "_lock", "_pattern")

    def __init__(self, secrets: Iterable[Secret | None] = ()) -> None:
        self._forms: list[str] = []
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret | None) -> None:
        """Mask this secret as well, from here on."""
        if secret is not None and secret.reveal():
            with self._lock:
                self._forms = sorted({*self._forms, *_forms(secret.reveal())}, key=len, reverse=True)
                self._pattern = re.compile("|".join(map(re.escape, self._forms)), re.IGNORECASE)

    def __call__(self, text: str) -> str:
        """`text` with each secret as `***`."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def line(self, text: str) -> str:
        """`text` on one line: secrets masked, control characters escaped."""
        return printable(self(text))

    def quote(self, body: bytes) -> str:
        """The start of a body: at most 200 characters on one line, secrets masked, control characters escaped."""
        text = self(body[:_READ].decode("utf-8", "replace"))
        if len(body) > _READ:
            text = self._without_cut_secret(text)
        shown = printable(text[: QUOTED + 1])
        return shown if len(shown) <= QUOTED else shown[: QUOTED - 1] + "…"

    def _without_cut_secret(self, text: str) -> str:
        """`text` without a secret's beginning at its end, where the body was cut."""
        lowered = text.lower()
        for form in self._forms:
            for length in range(len(form) - 1, 0, -1):
                if lowered.endswith(form[:length].lower()):
                    return text[:-length]
        return text


def masked_url(url: str) -> str:
    """Scheme, host and path of `url`; user, password, query and fragment never."""
    bare, _, query = url.partition("#")[0].partition("?")
    scheme, _, rest = bare.partition("://")
    server, slash, path = rest.partition("/")
    return f"{scheme}://{server.rpartition('@')[2]}{slash}{path}{'?' + HIDDEN if query else ''}"


def _forms(value: str) -> set[str]:
    """The ways a server may echo `value`."""
    escaped = json.dumps(value)[1:-1]
    encoded = base64.b64encode(value.encode()).decode()
    return {
        value,
        percent(value, safe=""),
        percent(value),
        quote_plus(value),
        html.escape(value),
        escaped,
        escaped.replace("/", "\\/"),
        encoded,
        encoded.rstrip("="),
    }
