"""Entities without any record: which of their routes to follow, where there is nothing to prove one by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spectra_assets.covenant.paths import HASH
from spectra_assets.intelligence.model import EntityHint
from spectra_assets.stages.asking.answers import Category
from spectra_assets.stages.asking.sampling import Listing
from spectra_assets.stages.prepare.routes.routes import Trial

MOST_PARENTS = 64
"""Parents asked at most to see that none of them has rows."""

_CLOSED: frozenset[Category] = frozenset(("unauthorized", "forbidden", "gone", "notJson", "unreachable"))
"""What an endpoint answers that can't be used, whatever the id."""


def silent(trial: Trial) -> bool:
    """Whether something was asked, and every answer was a list without rows."""
    return bool(trial.tried) and all(map(_without_rows, trial.tried.values()))


def settled(trial: Trial, trials: Iterable[Trial]) -> bool:
    """Whether all there is to ask was asked without finding a row.

    A list without a parent does not tell where its endpoint may be given one: it can be empty for the lack of it.
    """
    if trial.candidate.parent:
        return silent(trial) and trial.every_parent
    return silent(trial) and not any(other.candidate.parent for other in trials if other.candidate.path == trial.candidate.path)


def barred(path: str, trials: Iterable[Trial]) -> bool:
    """Whether an answer of this endpoint says that it can't be read at all."""
    answers = [listing for trial in trials if trial.candidate.path == path for listing in trial.tried.values()]
    return any(listing.category in _CLOSED for listing in answers)


def answers_nobody(listing: Listing, in_path: bool) -> bool:
    """Whether an endpoint answered for an id that is none as one that works does: without rows.

    A path with such an id may well not be found, or be an internal error, as some APIs have it; a query may only be refused.
    """
    lawful: tuple[Category, ...] = ("needsParameters", *(("notFound", "broken") if in_path else ()))
    return _without_rows(listing) if listing.category == "readable" else listing.category in lawful


def pick(trials: Sequence[Trial]) -> Trial | None:
    """The route to follow among those that answered without rows; None if there is none.

    Once all there is was asked one way or another, the fewest requests win; until then those of a route by parents.
    """
    usable = [trial for trial in trials if silent(trial)]
    done = any(settled(trial, trials) for trial in usable)
    by_parent = [trial for trial in usable if trial.candidate.parent]
    ranked = usable if done or not by_parent else by_parent
    return min(ranked, key=lambda trial: trial.predicted if trial.predicted is not None else 10**9, default=None)


def key_of(hint: EntityHint) -> str:
    """The primary key by the description: what it names, `id`, the first plain field named like one, else the record's hash."""
    if hint.key:
        return hint.key
    plain = [field.raw for field in hint.fields if field.type in ("integer", "text") and "[]" not in field.raw]
    named = [raw for raw in plain if raw.lower().endswith(("id", "key"))]
    if "id" in plain or not hint.fields:
        return "id"
    return named[0] if named else HASH


def _without_rows(listing: Listing) -> bool:
    """Whether an answer is nothing at all, or a list of records that has none."""
    return not listing.failure and not listing.records and (listing.shape == "empty" or listing.location is not None)
