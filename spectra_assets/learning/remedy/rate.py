"""The rate of requests: an API that refuses what comes too fast is asked more slowly."""

from __future__ import annotations

from collections.abc import Iterator

from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.registry import EXTRACT, remedies_for, rule

_OF_WHAT_IT_TOOK = 0.8
"""Share of the rate at which requests were answered that is asked for: what is refused costs more than what waits."""


@remedies_for(Cause.RATE_LIMITED)
def slower(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """A limit a little below what the API answered; half of what is set, if that was still too fast."""
    counted = next((fact.expected for fact in gap.evidence if fact.kind == "perMinute"), None) or ""
    answered = int(counted) if counted.isdigit() else 0
    known = int(facts.playbooks.setting("requests_per_minute", gap.source))
    stated = facts.covenant.pipeline.server.requests_per_second
    wanted = int(answered * _OF_WHAT_IT_TOOK) or int(60 * (stated or 4) / 2)
    if known:
        wanted = min(wanted, known // 2)
    if wanted < 1:
        return
    told = (
        f"{answered} requests a minute were answered, others refused with 429" if answered else "requests were refused with 429"
    )
    values = {"name": "requests_per_minute", "value": wanted}
    yield rule(RemedyKind.SLOW_DOWN, EXTRACT, "setting", {"source": gap.source}, values, f"{told}: {wanted} a minute are sent")
