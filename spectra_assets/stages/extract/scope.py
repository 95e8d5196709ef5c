"""Which lists an extraction asks for, and how: every one whole, or some only for what changed since the last time.

A list is named by the text of the parent it belongs to; the only list of an entity without a parent has the name "".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_serializer

from spectra_assets.client.target import ParentValue, parent_text
from spectra_assets.covenant.access import Fetch, Incremental
from spectra_assets.lakehouse.raw import LISTS, SCOPE, Manifest
from spectra_assets.stages.asking.moments import written
from spectra_assets.stages.cursors import mergeable

WATCH = "extract.watch_cursor"
"""The action that keeps how far each list is: without it nothing is known to go on from."""

_WORTH = 0.5
"""Share of the table's rows that must lie in lists of several pages: of others a whole reading costs as much."""

_SET_BACK = timedelta(hours=1)


class Scope(BaseModel):
    """What is asked for. `since`: list → the value that `parameter` is sent with; all others are read whole.

    `only` are the lists that are asked for at all; None: every one. `stays` are lists that are not asked for and stay as they
    are, as their parents did not change; others that are not asked for go.
    """

    model_config = ConfigDict(frozen=True)

    parameter: str = ""
    since: dict[str, str] = {}
    number: bool = False
    """In the body of a search the value is a number."""
    only: tuple[str, ...] | None = None
    stays: frozenset[str] = frozenset()

    def narrow(self, value: ParentValue | None) -> Mapping[str, str | int]:
        """What the list of this parent is asked with on top of the plan."""
        name = list_name(value)
        if name not in self.since:
            return {}
        return {self.parameter: int(self.since[name]) if self.number else self.since[name]}

    def wanted(self, values: Iterable[ParentValue]) -> Iterable[ParentValue]:
        """Of the parents those whose lists are asked for."""
        if self.only is None:
            return (value for value in values if parent_text(value) not in self.stays) if self.stays else values
        names = frozenset(self.only)
        return (value for value in values if parent_text(value) in names)

    def without(self, names: Iterable[str]) -> Scope:
        """The same, but for these lists, which stay as they are."""
        stays = frozenset(names)
        since = {name: value for name, value in self.since.items() if name not in stays}
        return self.model_copy(update={"stays": stays, "since": since})

    @property
    def whole(self) -> bool:
        """Whether every list is asked for, and all of it."""
        return not self.since and not self.stays and self.only is None

    def leaves(self, name: str) -> bool:
        """Whether a list that is not asked for stays as it is."""
        return self.only is not None or name in self.stays

    @field_serializer("stays")
    def _ordered(self, stays: frozenset[str]) -> list[str]:
        return sorted(stays)


class Reached(BaseModel):
    """How far one list was read: its rows and pages, and the greatest instant of its cursor in microseconds.

    `doubtful`: something showed that rows may have left it, so that it is read whole the next time.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    pages: int
    seen: int
    doubtful: bool = False

    def going_on(self, latest: datetime, known: Incremental) -> int:
        """The instant (microseconds) from which on changes are asked for, where `latest` is when the list was read.

        An instant in the future must not hide what changes until then.
        """
        return min(self.seen, _micros(latest)) - known.overlap_seconds * 1_000_000


@dataclass(frozen=True)
class Standing:
    """The table as it stands: the attempts it was made from, oldest first, and how many rows it has."""

    chain: Sequence[tuple[Path, Manifest]]
    rows: int
    elsewhere: str | None = None
    """The address of the API that the table was made from, where the source has another one now: then nothing stands."""

    @property
    def since_whole(self) -> Sequence[tuple[Path, Manifest]]:
        """The attempts from the last one on that asked for everything."""
        scopes = [read_scope(folder) for folder, _ in self.chain]
        last = max((place for place, scope in enumerate(scopes) if scope is None or scope.whole), default=0)
        return self.chain[last:]

    @property
    def lists(self) -> dict[str, Reached]:
        """How far its lists were read; those of one page are not among them."""
        return reached(self.chain[-1][0]) if self.chain else {}


def list_name(value: ParentValue | None) -> str:
    """The name of a parent's list."""
    return "" if value is None else parent_text(value)


def since(fetch: Fetch, steps: Sequence[str], standing: Standing, now: datetime) -> Scope | None:
    """What to ask for in place of everything; None where everything must be read.

    That is so where Prepare proved no way, nothing stands to go on from, a sweep is due, or little would be saved.
    """
    known = fetch.incremental
    if known is None or not standing.chain or WATCH not in steps or not mergeable(fetch):
        return None
    if sweep_due(known.sweep_runs, known.sweep_days, standing, now):
        return None
    lists = {name: each for name, each in standing.lists.items() if each.pages > 1 and not each.doubtful}
    if not lists or sum(each.rows for each in lists.values()) < _WORTH * standing.rows:
        return None
    latest = standing.chain[-1][1].started_at
    asked = {name: written(each.going_on(latest, known), known.form) for name, each in lists.items()}
    return Scope(parameter=known.parameter, since=asked, number=known.number)


def sweep_due(every: int, days: int, standing: Standing, now: datetime) -> bool:
    """Whether everything is to be read again: by every so many runs, and after so many days."""
    chain = standing.since_whole
    whole = chain[0][1]
    runs = len(chain) - 1 + sum(manifest.idle for _, manifest in chain)
    age = now - (whole.swept_at or whole.started_at)
    return runs + 1 >= every or age >= timedelta(days=days) or age < -_SET_BACK


def keep_scope(scope: Scope) -> tuple[str, str]:
    """(name, text) of the file beside the raw pages that says what was asked for."""
    return SCOPE, scope.model_dump_json()


def read_scope(folder: Path) -> Scope | None:
    """What was asked for when these raw pages came; None: everything."""
    file = folder / SCOPE
    return Scope.model_validate_json(file.read_text(encoding="utf-8")) if file.is_file() else None


def keep_reached(lists: Mapping[str, Reached]) -> tuple[str, str]:
    """(name, text) of the file beside the raw pages that says how far each list is."""
    return LISTS, json.dumps({name: each.model_dump() for name, each in lists.items()}, ensure_ascii=False)


def reached(folder: Path) -> dict[str, Reached]:
    """How far each list was when these raw pages had come. Nothing where that can't be read: then everything is."""
    try:
        content: dict[str, Any] = json.loads((folder / LISTS).read_text(encoding="utf-8"))
        return {name: Reached.model_validate(each) for name, each in content.items()}
    except (OSError, ValueError, ValidationError, AttributeError):
        return {}


def _micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
