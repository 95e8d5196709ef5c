"""Spark frames as the stages from Clean on hand them from action to action.

Columns whose names start with `_` are the actions' own: `_raw`, `_reasons` and `_duplicate` stay for whoever publishes the
table, the others only pass something on to a later action and are dropped after the table's last step.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar, overload

from pyspark.sql import functions as F  # noqa: N812  # the name every Spark programmer reads

from spectra_assets.covenant.access import Model
from spectra_assets.errors import SpectraError, one_of
from spectra_assets.lakehouse.parts import DUPLICATE, REASONS
from spectra_assets.lakehouse.types import quoted

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from spectra_assets.stages.work import Draft, Work

RAW = "_raw"
"""The record (or the array's element) that a row was made from."""

KEPT = (RAW, REASONS, DUPLICATE)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

B = TypeVar("B", bound=Model)
C = TypeVar("C", bound=Model)


def col(name: str) -> Column:
    """The column called `name`, whatever characters it has."""
    return F.col(quoted(name))


def plain(names: Iterable[str]) -> list[str]:
    """The names which are not the actions' own."""
    return [name for name in names if not name.startswith("_")]


def micros(moment: datetime) -> int:
    """Microseconds since 1970; a moment without zone is in UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)


def instant(moment: datetime) -> Column:
    """The moment as a timestamp literal, the same on every engine whatever zone the process is in."""
    return F.timestamp_micros(F.lit(micros(moment)).cast("bigint"))


@overload
def build_of(work: Work, kind: type[B], /) -> B: ...
@overload
def build_of(work: Work, kind: type[B], other: type[C], /) -> B | C: ...
def build_of(work: Work, *kinds: type[Model]) -> Model:
    """The table's build, which is one of `kinds`. Raises SpectraError."""
    build = work.table.build
    if not isinstance(build, kinds):
        valid = one_of(str(kind.model_fields["kind"].default) for kind in kinds)
        raise SpectraError(f"{work.table.table} is a table of kind {build.kind}; the action is for {valid}")
    return build


def first_input(work: Work) -> str:
    """The table's first input. Raises SpectraError if it has none."""
    if not work.table.inputs:
        raise SpectraError(f"{work.table.table} has no input to be made from; give one in `from`")
    return work.table.inputs[0]


def drafted(draft: Draft, work: Work, earlier: Iterable[str]) -> DataFrame:
    """What the actions so far have made. Raises SpectraError naming the `earlier` actions of which one must come first."""
    if draft.frame is None:
        raise SpectraError(
            f"{work.table.table} has no rows yet: its steps are {', '.join(work.table.steps)}, and none before this one is "
            f"{one_of(earlier)}"
        )
    return draft.frame


def finished(frame: DataFrame, work: Work, action: str) -> DataFrame:
    """`frame`; after the table's last step without helper columns and in the covenant's order of columns."""
    if not work.table.steps or work.table.steps[-1] != action:
        return frame
    there = frame.columns
    declared = [name for name in work.table.columns if name in there]
    others = [name for name in plain(there) if name not in declared and not declared]
    return frame.select(*(col(name) for name in (*declared, *others, *(name for name in KEPT if name in there))))
