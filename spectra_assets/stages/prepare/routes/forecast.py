"""What the extraction will take, said before it begins: requests and seconds, from what asking showed so far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spectra_assets.covenant.access import OffsetPaging, PagePaging
from spectra_assets.stages.asking.totals import declared_total
from spectra_assets.stages.prepare.routes.known import Known

PREDICTED = "predicted for the extraction"

_USUAL_MS = 200.0
"""Milliseconds of an answer where none was measured."""


@dataclass(frozen=True)
class Forecast:
    """Requests of all entities, and the seconds (to the millisecond) they take if the API answers as it did."""

    requests: int
    seconds: float
    by_entity: Mapping[str, int]

    def __str__(self) -> str:
        return f"{self.requests:,} requests {PREDICTED}, {_duration(self.seconds)}"


def forecast(known: Iterable[Known], latencies: Mapping[str, float], in_flight: int, per_second: float | None) -> Forecast:
    """`latencies`: path → milliseconds. Lists by parent, and counted pages of a list whose total is declared, are asked for
    `in_flight` at a time, other pages of one list one by one; `per_second` is what a rate limit allows, if one is known."""
    usual = sorted(latencies.values())[len(latencies) // 2] if latencies else _USUAL_MS
    requests: dict[str, int] = {}
    seconds = 0.0
    for each in known:
        count = each.trial.predicted or 1
        requests[each.fetch.entity] = count
        together = in_flight if each.fetch.parent is not None or _is_counted(each) else 1
        taken = count * latencies.get(each.fetch.path, usual) / 1000 / max(1, together)
        seconds += max(taken, count / per_second if per_second else 0.0)
    return Forecast(sum(requests.values()), round(seconds, 3), requests)


def _is_counted(known: Known) -> bool:
    """Whether the pages of a list are known beforehand: they are numbered, and a total is declared."""
    if not isinstance(known.fetch.paging, OffsetPaging | PagePaging) or known.fetch.totals == "notCredible":
        return False
    answers = (listing for listing in known.trial.tried.values() if listing.values)
    return any(declared_total(listing.values[0], listing.location, {})[0] is not None for listing in answers)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, math.ceil(seconds))} s"
    minutes = seconds / 60
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"
