"""What the headers of an answer say of the API's rate limit, in each of the forms that servers use.

IETF drafts: `RateLimit: "default";r=50;t=30` with `RateLimit-Policy: "default";q=100;w=60` (structured fields),
`RateLimit: limit=100, remaining=50, reset=5`, and `RateLimit-Limit`, `-Remaining`, `-Reset`, where the limit may name its
window (`100, 100;w=60`). Custom: `X-RateLimit-*`, `X-Rate-Limit-*`, with the window as a suffix in some (`…-Limit-Minute`), and
a reset in seconds, as an instant in epoch seconds or milliseconds, or as a date.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from spectra_assets.client.headers import Headers
from spectra_assets.client.pacing import LONGEST_WAIT, Pace, SeenLimit, instant

_FAMILIES = ("RateLimit", "X-RateLimit", "X-Rate-Limit")
_UNITS = {"": None, "-Second": 1.0, "-Minute": 60.0, "-Hour": 3_600.0, "-Day": 86_400.0}
_NUMBER = re.compile(r"\s*\"?(\d{1,15}(?:\.\d+)?)\"?\s*(?:$|[,;])", re.ASCII)
_PARAMETER = re.compile(r"(?:^|[;,])\s*(limit|remaining|reset|q|w|r|t)\s*=\s*\"?(\d{1,15}(?:\.\d+)?)", re.ASCII)
_EPOCH = 1e8
"""From here on a reset is an instant, not a number of seconds (which would be three years)."""

_MILLISECONDS = 1e11
_USUAL = (1, 10, 60, 300, 600, 900, 1_800, 3_600, 86_400)
"""Windows in seconds. Where none is stated, the reset of an untouched limit tells it if it is one of these."""


@dataclass(frozen=True)
class Quota:
    """One limit: `remaining` of `limit` requests per `window` seconds, renewed in `reset` seconds. None is not said."""

    header: str
    limit: int | None = None
    window: float | None = None
    remaining: int | None = None
    reset: float | None = None


class Gauge:
    """Reads the limits in answers, lets `pace` keep them, and remembers the strictest in `seen`. Safe for threads."""

    def __init__(self, pace: Pace) -> None:
        self.seen: SeenLimit | None = None
        self._pace = pace
        self._lock = threading.Lock()

    def read(self, headers: Mapping[str, str]) -> None:
        """Account for one answer."""
        for quota in quotas(headers):
            span = quota.window if quota.reset is None else quota.reset
            if quota.remaining is not None and span is not None:
                self._pace.spend(quota.header, quota.remaining, span, quota.limit)
            elif quota.remaining is None and quota.limit and quota.window:
                self._pace.allow(quota.header, quota.limit, quota.window)
            if quota.limit:
                self._remember(SeenLimit(quota.limit, quota.window or _untouched(quota), quota.header))

    def _remember(self, found: SeenLimit) -> None:
        with self._lock:
            if self.seen is None or _strictness(found) > _strictness(self.seen):
                self.seen = found


def _strictness(limit: SeenLimit) -> tuple[bool, float]:
    """A limit with a window says more than one without."""
    return limit.window_seconds is not None, (limit.window_seconds or 1) / limit.limit


def _untouched(quota: Quota) -> float | None:
    """The window of a limit of which the first request is just spent: all of it is still ahead."""
    if quota.limit is None or quota.remaining is None or quota.reset is None or quota.remaining < quota.limit - 1:
        return None
    return next((float(usual) for usual in _USUAL if 0.97 * usual <= quota.reset <= usual + 1), None)


def quotas(headers: Mapping[str, str]) -> list[Quota]:
    """Every limit the headers speak of; none where they say nothing, or nothing that makes sense."""
    if not (headers.mention("rate") if isinstance(headers, Headers) else any("rate" in name.lower() for name in headers)):
        return []
    found = [*_structured(headers), *(quota for family in _FAMILIES for quota in _spelled(headers, family))]
    return [quota for quota in found if quota.limit or (quota.limit is None and quota.remaining is not None)]


def spent(headers: Mapping[str, str]) -> bool:
    """Whether the answer says that no request is left."""
    return any(quota.remaining == 0 for quota in quotas(headers))


def renewal(headers: Mapping[str, str]) -> float | None:
    """Seconds until a limit that is used up is renewed, at most LONGEST_WAIT; None if the answer does not say."""
    resets = [quota.reset for quota in quotas(headers) if quota.reset is not None and not quota.remaining]
    return min(max(resets), LONGEST_WAIT) if resets else None


def _structured(headers: Mapping[str, str]) -> Iterator[Quota]:
    """The fields `RateLimit` and `RateLimit-Policy`, which belong together by the name of the policy."""
    policies = dict(_members(headers.get("RateLimit-Policy", "")))
    for name, facts in _members(headers.get("RateLimit", "")):
        policy = policies.pop(name, None) or (policies.pop(next(iter(policies))) if len(policies) == 1 else {})
        limit = facts.get("limit", policy.get("q"))
        remaining = facts.get("r", facts.get("remaining"))
        reset = facts.get("t", facts.get("reset"))
        yield Quota("RateLimit", _whole(limit), policy.get("w"), _whole(remaining), reset)
    for policy in policies.values():
        yield Quota("RateLimit-Policy", _whole(policy.get("q")), policy.get("w"))


def _members(text: str) -> Iterator[tuple[str, dict[str, float]]]:
    """(name, parameters) of a list such as `"a";q=100;w=60, "b";q=5;w=1`; `100;w=60` has its quota in front."""
    if "limit=" in text:  # an older draft: one limit, its parts separated by commas
        yield "", {key: float(value) for key, value in _PARAMETER.findall(text[:500])}
        return
    for member in text[:500].split(","):
        facts = {key: float(value) for key, value in _PARAMETER.findall(member)}
        front = _NUMBER.match(member)
        if front:
            facts.setdefault("q", float(front[1]))
        if facts:
            yield member.partition(";")[0].strip().strip('"'), facts


def _spelled(headers: Mapping[str, str], family: str) -> Iterator[Quota]:
    """A header for each of the limit's facts."""
    for unit, seconds in _UNITS.items():
        name = f"{family}-Limit{unit}"
        text = headers.get(name, "")
        limit, remaining = _first(text), _first(headers.get(f"{family}-Remaining{unit}", ""))
        if limit is None and remaining is None:
            continue
        yield Quota(name, _whole(limit), seconds or _window(text, limit), _whole(remaining), _reset(headers, family, unit))


def _window(text: str, limit: float | None) -> float | None:
    """The window which a limit such as `100, 100;w=60, 5000;w=3600` names for itself."""
    windows = [(facts.get("q") != limit, facts["w"]) for _, facts in _members(text) if facts.get("w")]
    return min(windows)[1] if windows else None


def _reset(headers: Mapping[str, str], family: str, unit: str) -> float | None:
    """Seconds until the limit is renewed, by the clock of the answer."""
    after = _first(headers.get(f"{family}-Reset-After", ""))
    text = headers.get(f"{family}-Reset{unit}", "")
    value = after if after is not None else _first(text)
    now = instant(headers.get("Date", ""))
    clock = now.timestamp() if now else time.time()
    if value is None:
        until = instant(text)
        return max(until.timestamp() - clock, 0.0) if until else None
    if value < _EPOCH:
        return value
    return max((value / 1000 if value > _MILLISECONDS else value) - clock, 0.0)


def _first(text: str) -> float | None:
    found = _NUMBER.match(text[:500])
    return float(found[1]) if found else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
