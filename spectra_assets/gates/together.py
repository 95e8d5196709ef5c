"""Records that go in one run. Of many tables at once much: each alone would be worth a word, all together are another
environment. Of one table more than half: a list that was emptied, a right that was lost, a filter that came. So of the rows of a
list inside of records that stay: that list has another name now, or is elsewhere.

The API's own word that this is all proves nothing here, and saying it again proves no more: whoever lost a right is told the same
every day. So it is a person who takes it over, unless the table itself has shown that its records come and go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Flattening
from spectra_assets.covenant.model import DataType, Table
from spectra_assets.covenant.paths import ARRAY, PARENT, split_path
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Result, Rule
from spectra_assets.gates.keys import primary_key
from spectra_assets.gates.registry import gate
from spectra_assets.lakehouse.conditions import any_of
from spectra_assets.lakehouse.types import quoted
from spectra_assets.names import TableRef

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

FALLS = "falls"
"""Name under which a commit tells how often much of its table went at once."""

TURNED = "records_stay"
"""The gate that sees that many of the known records went, whatever came in their place."""

ACCEPTED = "changes_accepted"
"""The setting that names what may follow which versions of tables: `clean.order@3, clean.customer.total@2`."""

_KNOWN, _MOST_GONE = 20, 0.3
"""Of so many known records at least, more than this share gone at once is a fall."""

_ENDED = 0.01
"""Of a table of which as many records are left as a list ends after, more than this share gone at once is a fall, too."""

_HALF = 0.5
"""Of a table that keeps less than this share, nobody else needs to fall; of those that refer to what went, so many must stay."""

_USUAL = 2
"""Times that much of one table went after which it is its life: a queue, or what is kept for a while only."""

_MANY, _FEW, _SHARE = 3, 2, 0.6
"""Tables that must fall together; of a small source so many, if they are this share of its tables."""

_ENDING, _SHORTEST, _SHORT = 3, 3, 10
"""Records whose lists had more rows than any has now, and all have as many now: so many records with so many rows are no chance;
of shorter lists so many records."""

_EXPLAINED = 0.8
"""Share of what a table lost that went with what it refers to, from which on nothing happened to the table itself."""


class Fall(NamedTuple):
    """A table that lost much: its records before and now, and the version that stands."""

    table: Table
    before: int
    now: int
    version: int
    cap: int | None = None
    """Rows of a list that no record has more of now, where several had."""


@gate("source_stays", kinds=("flattening",), needs=primary_key)
def source_stays(candidate: Candidate) -> Judged:
    """A table does not lose much of its records in the same run as many others of the source, nor more than half of them alone;
    it may, if it did before, or if they went with what they refer to. Of a list inside of records only those rows count whose
    records are still there, and it does not end after as many rows in all records that had more."""
    own = _unusual(candidate)
    together = _together(candidate, own) if own is not None and not own.table.array else []
    fallen = together or [fall for fall in (own, _capped(candidate)) if fall is not None and _is_cut(candidate, fall)][:1]
    counts = ["before", "now", "version"] + ["cap"] * any(fall.cap is not None for fall in fallen)
    columns = {"table": DataType.TEXT, **dict.fromkeys(counts, DataType.INT64)}
    rows = [{**each._asdict(), "table": each.table.table, "kept": False} for each in fallen]
    kept = {**dict.fromkeys(columns), "table": candidate.table.table, "kept": True}
    facts = candidate.small({**columns, "kept": DataType.BOOL}, rows or [kept])
    return Judged(facts, (_rule(fallen),), unit="tables", show=tuple(columns), advice=_advice(fallen))


def _rule(fallen: Sequence[Fall]) -> Rule:
    if len(fallen) != 1:
        return Rule("kept", "lost much of their records in one run")
    (one,) = fallen
    if one.cap is not None:
        told = f"no record has more than {one.cap} rows of a list inside of it now, and those that had more all have as many"
        return Rule("kept", f"{told}: {one.before - one.now:,} of {one.before:,} rows went", whole=True)
    bound = ", a number after which lists end" if _is_ended(one) else ""
    what = "rows of a list inside of records that stay" if one.table.array else "records"
    told = f"{one.before - one.now:,} of {one.before:,} {what} went in one run, {one.now:,} are left{bound}"
    return Rule("kept", told, whole=True)


def _advice(fallen: Sequence[Fall]) -> str:
    approve = "If it is right as it is, `solution-engine lessons approve` takes it over once"
    if len(fallen) != 1:
        return (
            "look where the address of the API leads: another environment, or a database that was restored in part, looks so. "
            f"{approve}"
        )
    return (
        "look at the source, and at what the credential may read: a right that was lost, a filter that came, or a list that was "
        f"emptied by mistake looks so. {approve}; of a table that lives so, such as a queue, the setting {ACCEPTED} names it "
        "without a version"
    )


def carried(candidate: Candidate, results: Iterable[Result] = ()) -> str:
    """How often much of the table went at once, as the commit tells it: in number, or by other records in their place."""
    falls = _falls(candidate, candidate.table.ref) if candidate.lakehouse.exists(candidate.table.ref) else 0
    turned = any(each.gate == TURNED and not each.passed for each in results)
    return str(falls + (turned or _own(candidate) is not None))


def _unusual(candidate: Candidate) -> Fall | None:
    """The candidate's own fall, if nobody accepted it and it is not the table's life."""
    own = _own(candidate)
    return None if own is None or candidate.accepts(own.version) or _is_usual(candidate, own) else own


def _together(candidate: Candidate, own: Fall) -> list[Fall]:
    """The tables that fell in this run, this one first, if they are many."""
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
    return fall.before >= _KNOWN and (fall.before - fall.now > _MOST_GONE * fall.before or _is_ended(fall))


def _is_ended(fall: Fall) -> bool:
    """Whether a list lost records and ends after so many as may be its bound: 100, 250, 1,000, 10,000."""
    bound = fall.now >= 100 and str(fall.now).rstrip("0") in ("1", "2", "25", "5")
    return bound and not fall.table.array and fall.before - fall.now > max(_KNOWN, _ENDED * fall.before)


def _is_cut(candidate: Candidate, fall: Fall) -> bool:
    """Whether a table alone lost more than half, or ends where lists do, and not with what it refers to; or its lists end after
    as many rows."""
    if fall.cap is not None:
        return True
    much = _is_ended(fall) or fall.now < _HALF * fall.before
    return much and not _went_with(candidate, fall.table, frozenset())


def _went_with(candidate: Candidate, table: Table, below: frozenset[str]) -> bool:
    """Whether nearly all that a table lost refers to records of another one which Extract no longer has, most of which are still
    there: a few projects were deleted with all their tasks. Where most of those went too, they must have gone with others."""
    gone = _lost(candidate, table)
    if gone is None:
        return False
    count = gone.count()
    held = candidate.engine.read(candidate.lakehouse.path(table.ref))
    for column, above, keys in _referred(candidate, table) if count else ():
        value = F.col(quoted(column)).cast("string").alias("_above")
        without = gone.select(value).where("_above IS NOT NULL").join(keys, ["_above"], "left_anti").count()
        if without < _EXPLAINED * count:
            continue
        known = held.select(value).where("_above IS NOT NULL").distinct()
        if known.join(keys, ["_above"], "left_semi").count() >= _HALF * known.count():
            return True
        if above.table not in below and _went_with(candidate, above, below | {table.table}):
            return True
    return False


def _referred(candidate: Candidate, table: Table) -> Iterator[tuple[str, Table, DataFrame]]:
    """Each column that refers to records of another table, that table, and the keys (`_above`) which Extract has of it now."""
    tables = {each.entity: each for each in _tables(candidate)}
    for column in table.schema_:
        entity, _, path = (column.references or "").partition(".")
        above = tables.get(entity)
        source = candidate.extracted(above) if above is not None and above.table != table.table else None
        if above is None or source is None or not _is_plain(path) or not candidate.lakehouse.exists(source.ref):
            continue
        records = candidate.engine.read(candidate.lakehouse.path(source.ref))
        yield column.name, above, records.select(F.get_json_object("record", _pointer(path)).alias("_above")).distinct()


def comes_and_goes(candidate: Candidate) -> bool:
    """Whether much of the candidate's table went at once before: its life is so."""
    return _falls(candidate, candidate.table.ref) >= _USUAL


def _is_usual(candidate: Candidate, fall: Fall) -> bool:
    return _falls(candidate, fall.table.ref) >= _USUAL


def _falls(candidate: Candidate, ref: TableRef) -> int:
    told = candidate.lakehouse.describe(ref).metadata.get(f"spectra.{FALLS}", "0")
    return int(told) if told.isdigit() else 0


def _own(candidate: Candidate) -> Fall | None:
    """The candidate's own fall; None if it stands."""
    table = candidate.table
    if table.array == PARENT or not candidate.lakehouse.exists(table.ref):
        return None
    state = candidate.lakehouse.describe(table.ref)
    fall = Fall(table, state.rows, candidate.counts.rows, state.version)
    if table.array and _is_fall(fall):
        fall = fall._replace(before=_in_records_that_stay(candidate))
    return fall if _is_fall(fall) else None


def _in_records_that_stay(candidate: Candidate) -> int:
    """How many of the published rows of a list inside lie in records that Extract still has."""
    table = candidate.table
    held = candidate.engine.read(candidate.lakehouse.path(table.ref))
    owner = _owner(table)
    for column, _, keys in _referred(candidate, table):
        if column == owner:
            value = F.col(quoted(column)).cast("string").alias("_above")
            return int(held.select(value).join(keys, ["_above"], "left_semi").count())
    return 0


def _capped(candidate: Candidate) -> Fall | None:
    """What a list inside of records, not one inside of another, lost because it ends after as many rows in each: a first page of
    it is all that comes."""
    table, column = candidate.table, _owner(candidate.table)
    inside = table.array is not None and table.array != PARENT and ARRAY not in table.array
    if not inside or column is None or not candidate.lakehouse.exists(table.ref):
        return None
    state = candidate.lakehouse.describe(table.ref)
    if candidate.accepts(state.version) or state.rows < _KNOWN or column not in state.columns:
        return None
    held = candidate.engine.read(candidate.lakehouse.path(table.ref))
    was, now = (
        rows.groupBy(F.col(quoted(column)).cast("string").alias("_above")).agg(F.count(F.lit(1)).alias(name))
        for rows, name in ((held, "was"), (candidate.accepted, "now"))
    )
    cap = int(now.agg(F.max("now")).collect()[0][0] or 0)
    longer = was.join(now, ["_above"]).where(F.col("was") > cap)
    count, alike, lost = longer.agg(
        F.count(F.lit(1)), F.count(F.when(F.col("now") == cap, F.lit(1))), F.sum(F.col("was") - F.col("now"))
    ).collect()[0]
    if not cap or count < (_ENDING if cap >= _SHORTEST else _SHORT) or alike < count:
        return None
    return Fall(table, state.rows, state.rows - int(lost), state.version, cap)


def _owner(table: Table) -> str | None:
    """The column of a list inside of records that says in which record its rows lie."""
    entities = (column for column in table.schema_ if (column.references or "").partition(".")[0] == table.entity)
    return next((column.name for column in entities if not any(ARRAY in path for path in column.source)), None)


def _standing(candidate: Candidate, table: Table) -> Fall | None:
    """The records that a table of Clean has, and those that Extract has for it now; None of few, or if there are none yet."""
    source = candidate.extracted(table)
    lakehouse = candidate.lakehouse
    if source is None or not (lakehouse.exists(table.ref) and lakehouse.exists(source.ref)):
        return None
    state = lakehouse.describe(table.ref)
    return Fall(table, state.rows, lakehouse.describe(source.ref).rows, state.version) if state.rows >= _KNOWN else None


def _tables(candidate: Candidate) -> Iterator[Table]:
    """The tables of Clean that hold entities."""
    return (t for t in candidate.covenant.tables() if isinstance(t.build, Flattening) and not t.array and t.primary_key)


def _lost(candidate: Candidate, table: Table) -> DataFrame | None:
    """The published rows whose key is not among the records that Extract has now; None if the key can't be read there."""
    source = candidate.extracted(table)
    paths = [next((path for path in table.columns[name].source), "") for name in table.primary_key]
    if source is None or not all(map(_is_plain, paths)):
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
    return bool(hit) and count > 0 and gone.where(any_of(hit)).count() >= _EXPLAINED * count


def _is_plain(path: str) -> bool:
    """Whether the engine finds the path in a record's text."""
    return bool(path) and not path.startswith("@") and "[]" not in path and "'" not in path


def _pointer(path: str) -> str:
    return "$" + "".join(f"['{key}']" for key in split_path(path))
