"""What happens to many tables of a source at once: each alone would be worth a word, all together are another environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Extraction, Flattening
from spectra_assets.covenant.model import DataType, Table
from spectra_assets.covenant.paths import split_path
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.keys import primary_key
from spectra_assets.gates.registry import gate
from spectra_assets.lakehouse.types import quoted
from spectra_assets.names import TableRef

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

FALLS = "falls"
"""Name under which a commit tells how often its table lost much at once."""

ACCEPTED = "changes_accepted"
"""The setting that names what may follow which versions of tables: `clean.order@3, clean.customer.total@2`."""

_KNOWN, _MOST_GONE = 20, 0.3
"""Of so many known records at least, more than this share gone at once is a fall."""

_USUAL = 2
"""Falls of one table after which they are its life: what is kept for a while only is purged again and again."""

_MANY, _FEW, _SHARE = 3, 2, 0.6
"""Tables that must fall together; of a small source so many, if they are this share of its tables."""

_EXPLAINED = 0.8
"""Share of what a table lost that went with what it refers to, from which on nothing happened to the table itself."""


class Fall(NamedTuple):
    """A table that lost much: its records before and now, and the version that stands."""

    table: Table
    before: int
    now: int
    version: int


@gate("source_stays", kinds=("flattening",), needs=primary_key)
def source_stays(candidate: Candidate) -> Judged:
    """A table does not lose much of its records in the same run as many others of the source, which it did not before."""
    columns = {"table": DataType.TEXT, "before": DataType.INT64, "now": DataType.INT64, "version": DataType.INT64}
    rows = [
        {"table": each.table.table, "before": each.before, "now": each.now, "version": each.version, "kept": False}
        for each in _together(candidate)
    ]
    kept = {"table": candidate.table.table, "before": None, "now": None, "version": None, "kept": True}
    advice = (
        "look where the address of the API leads: another environment, or a database that was restored in part, looks so. If it "
        "is right as it is, `solution-engine lessons approve` takes it over once"
    )
    rule = Rule("kept", "lost much of their records in one run")
    facts = candidate.small({**columns, "kept": DataType.BOOL}, rows or [kept])
    return Judged(facts, (rule,), unit="tables", show=tuple(columns), advice=advice)


def carried(candidate: Candidate) -> str:
    """How often the table lost much at once, as the commit tells it."""
    falls = _falls(candidate, candidate.table.ref) if candidate.lakehouse.exists(candidate.table.ref) else 0
    return str(falls + (_own(candidate) is not None))


def _together(candidate: Candidate) -> list[Fall]:
    """The tables that fell in this run, this one first, if they are many; none if this one stands, or its fall was accepted."""
    own = _own(candidate)
    if own is None or f"{own.table.table}@{own.version}" in candidate.accepted_changes or _is_usual(candidate, own):
        return []
    others = [table for table in _tables(candidate) if table.table != own.table.table]
    known = [fall for table in others if (fall := _standing(candidate, table)) is not None]
    fallen = [own, *(fall for fall in known if _is_fall(fall) and not _is_usual(candidate, fall))]
    if not _are_many(fallen, 1 + len(known)):
        return []
    lost = {fall.table.table: _lost(candidate, fall.table) for fall in fallen}
    tables = {fall.table.table: fall.table for fall in fallen}
    alone = [fall for fall in fallen if not _is_explained(fall.table, lost, tables)]
    return fallen if _are_many(alone, 1 + len(known)) else []


def _are_many(fallen: Sequence[Fall], among: int) -> bool:
    return len(fallen) >= _MANY or (len(fallen) >= _FEW and len(fallen) >= _SHARE * among)


def _is_fall(fall: Fall) -> bool:
    return fall.before >= _KNOWN and fall.before - fall.now > _MOST_GONE * fall.before


def _is_usual(candidate: Candidate, fall: Fall) -> bool:
    return _falls(candidate, fall.table.ref) >= _USUAL


def _falls(candidate: Candidate, ref: TableRef) -> int:
    told = candidate.lakehouse.describe(ref).metadata.get(f"spectra.{FALLS}", "0")
    return int(told) if told.isdigit() else 0


def _own(candidate: Candidate) -> Fall | None:
    """The candidate's own fall; None if it stands."""
    table = candidate.table
    if _array(table) or not candidate.lakehouse.exists(table.ref):
        return None
    state = candidate.lakehouse.describe(table.ref)
    fall = Fall(table, state.rows, candidate.counts.rows, state.version)
    return fall if _is_fall(fall) else None


def _standing(candidate: Candidate, table: Table) -> Fall | None:
    """The records that a table of Clean has, and those that Extract has for it now; None of few, or if there are none yet."""
    source = _extracted(candidate, table)
    lakehouse = candidate.lakehouse
    if source is None or not (lakehouse.exists(table.ref) and lakehouse.exists(source.ref)):
        return None
    state = lakehouse.describe(table.ref)
    return Fall(table, state.rows, lakehouse.describe(source.ref).rows, state.version) if state.rows >= _KNOWN else None


def _tables(candidate: Candidate) -> Iterator[Table]:
    """The tables of Clean that hold entities."""
    return (t for t in candidate.covenant.tables() if isinstance(t.build, Flattening) and not _array(t) and t.primary_key)


def _array(table: Table) -> str | None:
    return getattr(table.build, "array", None)


def _extracted(candidate: Candidate, table: Table) -> Table | None:
    names = set(table.inputs)
    return next((t for t in candidate.covenant.tables() if t.table in names and isinstance(t.build, Extraction)), None)


def _lost(candidate: Candidate, table: Table) -> DataFrame | None:
    """The published rows whose key is not among the records that Extract has now; None if the key can't be read there."""
    source = _extracted(candidate, table)
    paths = [next((path for path in table.columns[name].source), "") for name in table.primary_key]
    if source is None or not all(path and not path.startswith("@") and "[]" not in path and "'" not in path for path in paths):
        return None
    there = candidate.engine.read(candidate.lakehouse.require(source.ref))
    keys = [F.get_json_object("record", _pointer(path)).alias(f"_key{n}") for n, path in enumerate(paths)]
    held = candidate.engine.read(candidate.lakehouse.path(table.ref))
    mine = [F.col(quoted(name)).cast("string").alias(f"_key{n}") for n, name in enumerate(table.primary_key)]
    return held.select("*", *mine).join(there.select(*keys).distinct(), [f"_key{n}" for n in range(len(keys))], "left_anti")


def _is_explained(table: Table, lost: Mapping[str, DataFrame | None], entities: Mapping[str, Table]) -> bool:
    """Whether nearly all that a table lost referred to what another one lost. `entities` are these tables by their names."""
    gone = lost[table.table]
    if gone is None:
        return False
    count = gone.count()
    hit: list[Expression] = []
    for column in table.schema_:
        entity, _, path = (column.references or "").partition(".")
        name = next((each for each in lost if each != table.table and entities[each].entity == entity), None)
        above = lost.get(name or "")
        key = next((each.name for each in entities[name].schema_ if path in each.source), None) if name else None
        if above is not None and key is not None:
            place = len(hit)
            keys = above.select(F.col(quoted(key)).cast("string").alias(f"_above{place}")).distinct()
            gone = gone.join(keys, F.col(quoted(column.name)).cast("string") == F.col(f"_above{place}"), "left")
            hit.append(F.col(f"_above{place}").isNotNull())
    return bool(hit) and count > 0 and gone.where(reduce(or_, hit)).count() >= _EXPLAINED * count


def _pointer(path: str) -> str:
    return "$" + "".join(f"['{key}']" for key in split_path(path))
