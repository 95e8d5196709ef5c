"""The Zephyr stand-in as a world of the bench, changed by its own faults. The truth is what its healthy pipeline made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from spectra_assets.standin.server import StandIn
from tests.learning.bench.cases import Case, Change
from tests.learning.bench.worlds import List, World

_EXECUTIONS, _SEED = 300, 7


class Zephyr(World):
    """A loopback Zephyr Enterprise, whose pack is curated."""

    unknown = False
    token_env = "ZEPHYR_API_TOKEN"
    credential: ClassVar[str] = ""

    def __init__(self) -> None:
        self.standin = StandIn(executions=_EXECUTIONS, seed=_SEED)
        super().__init__()

    def made(self) -> dict[str, List]:
        return {}

    @property
    def origin(self) -> str:
        return self.standin.base_url

    def start(self) -> Self:
        self.standin.start()
        type(self).credential = self.standin.token
        return self

    def stop(self) -> None:
        self.standin.stop()

    @contextmanager
    def changed(self, change: Callable[[Any], None]) -> Iterator[None]:
        try:
            change(self)
            yield
        finally:
            self.standin.set_faults([])


def _with(*faults: str) -> Change:
    def applied(world: World) -> None:
        assert isinstance(world, Zephyr)
        world.standin.set_faults(faults)

    return applied


def _case(name: str, kind: str, faults: tuple[str, ...], *fails: str, **more: Any) -> Case:
    return Case(f"Zephyr: {name}", kind, Zephyr, _with(*faults), fails, healthy=True, **more)


ZEPHYR: tuple[Case, ...] = (
    _case("a new field", "add a field to the canon", ("add-field:cycle.colour",), "extract.cycles:no_schema_drift"),
    _case(
        "a field has another name",
        "follow a renamed field",
        ("rename-field:cycle.build=buildNumber",),
        "extract.cycles:no_schema_drift",
    ),
    _case(
        "a new field and one with another name",
        "two gaps at once",
        ("add-field:user.colour", "rename-field:requirement.priority=importance"),
        "extract.users:no_schema_drift",
        "extract.requirements:no_schema_drift",
    ),
    _case(
        "keys become texts", "widen a type", ("text-ids:requirement",), "extract.requirements:no_schema_drift", outcome="copes"
    ),
    _case(
        "a status that nobody configured",
        'map a new status value to "unmapped" and ask',
        ("new-status:9",),
        "values_mapped",
        outcome="asks",
        unsure=(
            "clean.execution.status",
            "clean.execution.lastTestResultExecutionStatus",
            "clean.testcase.lastTestResultExecutionStatus",
        ),
    ),
    _case(
        "a list is forbidden",
        "skip or replace a forbidden endpoint",
        ("forbid:/requirement",),
        "extract.requirements:extract_complete",
        "extract.requirements:table_made",
        "extract.requirementtrees:table_made",
        "source.portfolio:hierarchy_proven",
        outcome="asks",
    ),
)
