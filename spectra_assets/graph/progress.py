"""Who watches a run: the command line hears of each table as it happens. Nobody watches runs that Dagster starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from spectra_assets.covenant.model import Table
from spectra_assets.gates.judgement import Result
from spectra_assets.stages.deliver import Outcome


class Watcher(Protocol):
    """Hears of a run's tables."""

    def started(self, table: Table) -> None: ...
    def said(self, table: Table, text: str) -> None: ...
    def finished(self, outcome: Outcome, results: list[Result], error: BaseException | None) -> None: ...


_watcher: ContextVar[Watcher | None] = ContextVar("spectra_watcher", default=None)


def watcher() -> Watcher | None:
    """Who watches this run."""
    return _watcher.get()


@contextmanager
def watched_by(someone: Watcher) -> Iterator[None]:
    """Everything that runs in this context tells `someone`."""
    token = _watcher.set(someone)
    try:
        yield
    finally:
        _watcher.reset(token)
