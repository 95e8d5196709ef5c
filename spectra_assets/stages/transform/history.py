"""SCD type 2: how the versions so far and the members of now become the versions of now.

A version is valid from `validFrom` (inclusive) to `validTo` (exclusive, NULL while it is current). The unknown member -1 has
one version for all time, which is changed in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.lakehouse.conditions import all_of
from spectra_assets.stages.frames import col, instant

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

UNKNOWN = -1
"""Natural key and surrogate key of the unknown member."""

BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
"""From when the versions of the first load are valid: nobody knows how it was before."""

HISTORY = ("validFrom", "validTo", "isCurrent")

DELETED = "_deleted"
"""Truth value of members that the API still has although they were deleted: none of their versions is open."""


@dataclass(frozen=True)
class Versioning:
    """What a dimension's history is made by. `now` is the run's instant."""

    natural_key: str
    surrogate_key: str
    now: datetime

    def first(self, members: DataFrame) -> DataFrame:
        """Every member in its first version, which is closed of one that is DELETED already."""
        gone = F.col(DELETED) if DELETED in members.columns else F.lit(False)
        names = [name for name in members.columns if name != DELETED]
        return self._keyed(
            members.select(
                *(col(name) for name in names),
                instant(BEGINNING).alias("validFrom"),
                F.when(gone, instant(self.now)).alias("validTo"),
                (~gone).alias("isCurrent"),
            ),
            names,
        )

    def continued(self, members: DataFrame, so_far: DataFrame) -> DataFrame:
        """The versions `so_far`, with what changed, vanished, appeared and came back among `members`.

        Attributes are compared that both have, in the same type; one that is new or has a new type is filled in where a version
        is current, without a new version. A change in the instant in which a version began replaces that version. What was the
        unknown member by another natural key is none of the versions: the members have their own. A member that is DELETED is one
        that vanished; if it has no version yet, it gets a closed one.
        """
        dead = None
        if DELETED in members.columns:
            known = so_far.select(col(self.natural_key).alias("_known")).distinct()
            unseen = members.where(DELETED).join(known, col(self.natural_key).eqNullSafe(F.col("_known")), "left_anti")
            dead, members = self.first(unseen), members.where(f"NOT {DELETED}").drop(DELETED)
        if self.surrogate_key in so_far.columns:
            so_far = so_far.where((col(self.surrogate_key) != UNKNOWN) | _unknown(col(self.natural_key)))
        open_ = F.coalesce(F.col("isCurrent"), F.lit(False)) | _unknown(col(self.natural_key))
        closed = self._as_now(so_far.where(~open_), members)
        last = closed.groupBy(col(self.natural_key).alias("_lastKey")).agg(F.max("validTo").alias("_lastTo"))
        old = self._as_now(so_far.where(open_), members)
        moved = self._moved(self._joined(old, members, last), members, _comparable(members, so_far, self.natural_key))
        versions = self._keyed(moved.unionByName(closed), members.columns)
        return versions if dead is None else versions.unionByName(dead)

    def _as_now(self, versions: DataFrame, members: DataFrame) -> DataFrame:
        """Old versions with the columns of the members, in their types."""
        there = versions.columns
        return versions.select(
            *(
                (col(field.name) if field.name in there else F.lit(None)).try_cast(field.dataType).alias(field.name)
                for field in members.schema.fields
            ),
            *HISTORY,
        )

    def _joined(self, old: DataFrame, members: DataFrame, last: DataFrame) -> DataFrame:
        """One row per key: the open version as `_old_…`, the member as `_new_…`, and when its last closed version ended."""
        before = old.select(F.lit(True).alias("_was"), *(col(name).alias(f"_old_{name}") for name in old.columns))
        after = members.select(F.lit(True).alias("_is"), *(col(name).alias(f"_new_{name}") for name in members.columns))
        key = col(f"_new_{self.natural_key}")
        both = before.join(after, col(f"_old_{self.natural_key}").eqNullSafe(key), "full_outer")
        return both.join(last, key.eqNullSafe(F.col("_lastKey")), "left")

    def _moved(self, joined: DataFrame, members: DataFrame, compared: Sequence[str]) -> DataFrame:
        """Of each joined row the version that ends (side old) and the one that holds now (side new), where there is one."""
        was, is_ = (F.coalesce(F.col(name), F.lit(False)) for name in ("_was", "_is"))
        since = col("_old_validFrom")
        # by a clock that was set back: a moment after, so that what was is not lost
        now = F.when(since > instant(self.now), F.timestamp_micros(F.unix_micros(since) + 1)).otherwise(instant(self.now))
        same = all_of(col(f"_old_{name}").eqNullSafe(col(f"_new_{name}")) for name in compared)
        stays = same | F.coalesce(since == now, F.lit(False)) | _unknown(col(f"_new_{self.natural_key}"))
        ends = was & F.coalesce(since < now, F.lit(False)) & (~is_ | ~stays)
        start = (
            F.when(was & stays, since)
            .when(_unknown(col(f"_new_{self.natural_key}")), instant(BEGINNING))
            .otherwise(F.greatest(now, F.col("_lastTo")))
        )
        sides = joined.select("*", F.explode(F.array(F.lit(True), F.lit(False))).alias("_ending"))
        ending = F.col("_ending")
        return sides.where((ending & ends) | (~ending & is_)).select(
            *(F.when(ending, col(f"_old_{n}")).otherwise(col(f"_new_{n}")).alias(n) for n in members.columns),
            F.when(ending, since).otherwise(start).alias("validFrom"),
            F.when(ending, F.coalesce(col("_old_validTo"), now)).alias("validTo"),
            (~ending).alias("isCurrent"),
        )

    def _keyed(self, versions: DataFrame, attributes: Sequence[str]) -> DataFrame:
        """The surrogate key in front: the hash of the natural key and of the instant at which the version begins."""
        natural = col(self.natural_key)
        began = F.unix_micros(F.col("validFrom")).cast("string")
        key = F.when(_unknown(natural), F.lit(UNKNOWN)).otherwise(F.xxhash64(natural.cast("string"), began))
        names = [name for name in attributes if name != self.surrogate_key]
        return versions.select(key.cast("bigint").alias(self.surrogate_key), *(col(name) for name in names), *HISTORY)


def _unknown(natural_key: Column) -> Column:
    return F.coalesce(natural_key.cast("string") == str(UNKNOWN), F.lit(False))


def _comparable(members: DataFrame, so_far: DataFrame, natural_key: str) -> list[str]:
    """Attributes of both in the same type."""
    before = {field.name: field.dataType.simpleString() for field in so_far.schema.fields}
    after = {field.name: field.dataType.simpleString() for field in members.schema.fields}
    return [name for name, kind in after.items() if name != natural_key and before.get(name) == kind]
