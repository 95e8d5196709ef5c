"""Refusals that come with status 200: an object that says what went wrong, in place of what was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

TOO_FAST = re.compile(
    r"rate[\W_]?limit|too[\W_]?many[\W_]?(requests|calls)|throttl|slow[\W_]?down|quota[\W_]?(is[\W_])?exceed", re.IGNORECASE
)
"""What APIs say to requests that came too fast."""

_FAILED = frozenset(("error", "fail", "failed", "failure"))
_NO = re.compile(
    r"error|fail|denied|refus|reject|exceed|unavailable|timed?[\W_]?out|invalid|forbidden|unauthori[sz]ed", re.IGNORECASE
)
_NOTHING = re.compile(r"\bno\b|not[\W_]?found|does(n't| not) exist|\bempty\b|nothing|unknown", re.IGNORECASE)
_WORDS = ("message", "title", "detail", "description", "msg", "reason")
_CODES = ("code", "status", "statusCode", "httpStatus")
_KEYS = 8
"""Members that a refusal has at most."""

_SMALL = 2_000
"""Bytes of a refusal at most."""

_PLAIN = frozenset(
    (*_WORDS, *_CODES, "type", "error", "success", "ok", "timestamp", "time", "path", "instance", "requestId", "request_id",
     "traceId", "retryAfter", "retry_after", "help", "documentation_url")
)  # fmt: skip
"""Members of an object that holds nothing but what became of a request."""

_OF_REQUEST = re.compile(
    r"request|trace|correlation|version|time|date|server|host|node|retry|wait|limit|remain|reset|quota|doc|url|link|code|status"
    r"|error|message|method",
    re.IGNORECASE,
)
"""What is in the name of a member that tells of the request, whatever it is called."""


@dataclass(frozen=True)
class Refusal:
    """What a refusal says: its code as an HTTP status, if it has one, and its words on one line, bounded.

    `alone`: the object holds nothing but words about the request. `own`: it has plain members of another kind, as records have;
    `stated`: nothing but its `status` tells that it is an error, which may be that of a job or a payment.
    """

    status: int | None
    text: str
    alone: bool = False
    own: bool = False
    stated: bool = False

    @property
    def too_fast(self) -> bool:
        """Whether the request came too fast, and will be answered later; words of a record are no such news."""
        return self.status == 429 or (not self.own and TOO_FAST.search(self.text) is not None)

    @property
    def of_record(self) -> bool:
        """Whether it is rather a record that tells of a failure of its own."""
        return self.own and self.stated

    @property
    def of_nothing(self) -> bool:
        """Whether it only says that there is nothing."""
        return _NOTHING.search(self.text) is not None

    @property
    def told(self) -> str:
        """The refusal, for people."""
        return f"200, but the answer is an error{': ' + self.text if self.text else ''}"


def refusal_of(value: Mapping[str, Any]) -> Refusal | None:
    """What an object says that is an error in spite of its status 200; None if it is no error.

    An error has a member that says so, a few others, no id, and no list of records; or it is made of nothing but words about the
    request, which say that it was not granted.
    """
    told = next((value[key] for key in ("error", "errors", "fault") if value.get(key)), None)
    denied = value.get("success") is False or value.get("ok") is False
    failed = denied or str(value.get("status", "")).lower() in _FAILED
    lists = any(isinstance(below, list) and below and below is not told for below in value.values())
    if len(value) > _KEYS or lists or "id" in value:
        return None
    first = told[0] if isinstance(told, list) else told
    inner = first if isinstance(first, dict) else {}
    codes = [each.get(key) for each in (value, inner) for key in _CODES]
    status = next((int(str(code)) for code in codes if re.fullmatch("[45][0-9][0-9]", str(code))), None)
    said = [first] if isinstance(first, str) else [value.get(key) or inner.get(key) for key in _WORDS]
    words = _line(said)
    text = _line([*(code for code in codes if isinstance(code, str) and not code.isdigit()), words])
    alone = value.keys() <= _PLAIN
    about = alone and bool(words) and (status is not None or _NO.search(text) or TOO_FAST.search(text))
    own = any(
        isinstance(below, str | int | float) and below not in ("", True, False) and _is_own(key) for key, below in value.items()
    )
    return Refusal(status, text, alone, own, not denied and not told) if failed or (told and text) or about else None


def _is_own(key: str) -> bool:
    return key not in _PLAIN and not _OF_REQUEST.search(key)


def refusal_in(body: bytes) -> Refusal | None:
    """As `refusal_of`, of the body of an answer; None of one that is large, or no JSON object."""
    value = _small(body)
    return refusal_of(value) if value is not None else None


def is_message(body: bytes) -> bool:
    """Whether a body is a small object of plain values alone, with words among them: no list, and nothing that could hold one."""
    values = list((_small(body) or {}).values())
    return any(isinstance(each, str) for each in values) and not any(isinstance(each, dict | list) for each in values)


def _small(body: bytes) -> dict[str, Any] | None:
    """The object that a small body is; None of any other. One in another charset counts, too: its keys are read all the same."""
    if len(body) > _SMALL or body.lstrip()[:1] != b"{":
        return None
    try:
        value = msgspec.json.decode(body.decode(errors="replace"))
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _line(said: list[Any]) -> str:
    return " ".join(" ".join(str(each) for each in said if isinstance(each, str)).split())[:300]
