"""Gates about a table as a whole, whatever its stage: its key, its types, its columns that must be filled, its row counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pyarrow import compute as pc
from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.build import Extraction, Flattening
from spectra_assets.covenant.model import DataType, Table
from spectra_assets.covenant.paths import asked_place
from spectra_assets.errors import SpectraError
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.judgement import Judged, Rule
from spectra_assets.gates.links import lost_links
from spectra_assets.gates.registry import gate
from spectra_assets.gates.rejected import too_many
from spectra_assets.lakehouse.staged import AT_ONCE
from spectra_assets.lakehouse.types import quoted
from spectra_assets.names import TableRef

_MOVED, _MOVED_SHARE = 3, 0.01
"""Records of several parents, and share of all, that may be another one under each since they changed while the lists were read:
as many show that each is a row of its parent."""

_STAYED = 0.7
"""Share of the published rows that a table must keep for its repetitions to be believed."""

COUNTED = ("flattening", "fact", "bridge", "refinement")
"""Kinds of build whose every input row has one fate."""


def unique(candidate: Candidate, key: Sequence[str], advice: str) -> Judged:
    """No two rows with the same values in `key`; NULL equals NULL. Of many rows it is judged how many values there are, and only
    if they are fewer, each value."""
    problem = f"of {' and '.join(key)} stand on more than one row"
    rows = candidate.counts.accepted
    if rows > AT_ONCE and not candidate.staged.repeats(key):
        counts = {"rows": rows, "different": candidate.staged.different(key)}
        frame = candidate.small(dict.fromkeys(counts, DataType.INT64), [counts])
        return Judged(frame, (Rule("rows = different", problem),), unit="keys", advice=advice)
    counted = candidate.accepted.groupBy(*(F.col(quoted(name)) for name in key)).agg(F.count(F.lit(1)).alias("rows"))
    return Judged(counted, (Rule("rows = 1", problem),), unit="values", advice=advice)


def not_empty(candidate: Candidate, why: str, advice: str) -> Judged:
    """At least one row, else `why` is said: where a rule about every row would be true of none."""
    frame = candidate.small({"rows": DataType.INT64}, [{"rows": candidate.counts.accepted}])
    return Judged(frame, (Rule("rows > 0", why, "rows", whole=True),), unit="counts", advice=advice)


def primary_key(candidate: Candidate) -> list[str]:
    """Columns of the primary key. Raises SpectraError without one."""
    if not candidate.table.primary_key:
        raise SpectraError(f"{candidate.table.table} has no primary key in its covenant, so no gate can judge it")
    return candidate.table.primary_key


@gate("primary_key_unique", needs=primary_key)
def primary_key_unique(candidate: Candidate) -> Judged:
    """No two rows have the same primary key."""
    advice = "a de-duplication that keeps one row per key is missing, or the key is not the right one"
    return unique(candidate, primary_key(candidate), advice)


@gate("grain_unique", needs=lambda candidate: candidate.table.primary_key)
def grain_unique(candidate: Candidate) -> Iterator[Judged]:
    """No two rows have the same primary key, and a refined table has its input's rows. Without a key there is one row at most."""
    grain = candidate.table.grain or "one row per primary key"
    advice = f"the grain is {grain}: a join found more than one partner, or the input holds the row twice"
    if candidate.table.primary_key:
        yield unique(candidate, candidate.table.primary_key, advice)
    else:
        frame = candidate.small({"rows": DataType.INT64}, [{"rows": candidate.counts.accepted}])
        rule = Rule("rows <= 1", "are more than the one row the table may have", "rows")
        yield Judged(frame, (rule,), unit="counts", advice=advice)
    if candidate.table.build.kind == "refinement" and candidate.rows_in is not None:
        yield _balance(candidate, "balance")


@gate("required_present", needs=lambda candidate: _required(candidate))
def required_present(candidate: Candidate) -> Iterator[Judged]:
    """Required columns and the primary key have a value on every row, and few rows were set aside for having none."""
    names = _required(candidate)
    advice = "the source leaves it out, or it moved to another place in the record"
    if names:
        rules = tuple(Rule(f"{quoted(name)} IS NOT NULL", f"have no {name}", name) for name in names)
        show = tuple(dict.fromkeys([*candidate.table.primary_key, *names]))
        yield Judged(candidate.accepted, rules, show=show, advice=advice)
    broken = too_many(candidate, "required_present", "lack a required value too often", advice)
    if broken is not None:
        yield broken


def _required(candidate: Candidate) -> list[str]:
    required = [column.name for column in candidate.table.schema_ if column.required]
    return list(dict.fromkeys([*candidate.table.primary_key, *required]))


@gate("rows_conserved", kinds=(*COUNTED, "extraction"))
def rows_conserved(candidate: Candidate) -> Iterator[Judged]:
    """Rows in = rows published + quarantined + left out as repetitions or as deleted; in Extract, every record and every row of
    before has a fate: it is landed, was there already, took another one's place, or went. Each input has the rows that were
    delivered. What is left out as a repetition of others is one, where the table would lose much by it. A bridge has each link of
    its input."""
    yield _fates(candidate) if candidate.table.build.kind == "extraction" else _balance(candidate)
    yield from filter(None, (_tampered(candidate), _of_one_parent(candidate) or _left_out(candidate), lost_links(candidate)))


def _tampered(candidate: Candidate) -> Judged | None:
    """Inputs with more or fewer rows than their delivery published: somebody changed them since. None if all are as they were."""
    facts = []
    for name in candidate.table.inputs:
        ref = TableRef.parse(name)
        state = candidate.lakehouse.describe(ref) if candidate.lakehouse.exists(ref) else None
        if state is not None and state.delivered not in (None, state.rows):
            told = f"{name} has {state.rows} rows, and {state.delivered} were delivered"
            facts.append({"input": name, "rows": state.rows, "delivered": state.delivered, "told": told})
    if not facts:
        return None
    columns = {"input": DataType.TEXT, "rows": DataType.INT64, "delivered": DataType.INT64, "told": DataType.TEXT}
    rule = Rule("rows = delivered", "were changed past the pipeline", "inputs")
    advice = f"materialise {', '.join(str(fact['input']) for fact in facts)} again, then this table"
    return Judged(candidate.small(columns, facts), (rule,), unit="inputs", quote="told", advice=advice)


def _of_one_parent(candidate: Candidate) -> Judged | None:
    """Records that several parents list, in a table with one row of each: to whom else they belong would be gone where it names
    one parent, and what they say of each parent where they are not equal. None where each came below one parent, or the equal
    ones of several are told elsewhere: in the record itself, or in a table of pairs."""
    table, counts, build = candidate.table, candidate.counts, candidate.table.build
    if not isinstance(build, Flattening) or build.array or not counts.duplicates or _repeats(candidate):
        return None
    named = [column.name for column in table.schema_ if any(asked_place(path) is not None for path in column.source)]
    if not set(named).isdisjoint(table.primary_key):
        return None
    records = counts.accepted + counts.rejected + counts.duplicates
    left_out, why = counts.duplicates, f"came below another parent too, and {', '.join(named)} has room for one"
    if not named:
        raw = candidate.extracted(table)
        if raw is None or not isinstance(raw.build, Extraction) or raw.build.fetch.parent is None:
            return None
        left_out, why = _unlike(candidate, raw)[0], "came below another parent too, and say something else there"
        if left_out < max(_MOVED, _MOVED_SHARE * records):
            return None
    key = ", ".join(table.primary_key)
    row = {"key": key, "records": records, "leftOut": left_out, "told": f"{left_out} of {records} records {why}"}
    columns = dict.fromkeys(("key", "told"), DataType.TEXT) | dict.fromkeys(("records", "leftOut"), DataType.INT64)
    advice = f"a rule of kind primary_key with `within: parent` makes a row of each: {key} is different below one parent only"
    rule = Rule("leftOut = 0", "would be left out", "leftOut")
    return Judged(candidate.small(columns, [row]), (rule,), unit="tables", quote="told", advice=advice)


def _unlike(candidate: Candidate, raw: Table) -> tuple[int, int]:
    """Of the records left out as repetitions how many are equal to none that is kept; and how many records there are."""
    hashes = candidate.lakehouse.read(raw.ref, ["recordHash"]).column(0)
    return candidate.counts.duplicates - (len(hashes) - int(pc.count_distinct(hashes).as_py())), len(hashes)


def _repeats(candidate: Candidate) -> bool:
    """Whether a list of the entity may hold a record more than once, so that what is left out need not be of another parent."""
    raw = candidate.extracted(candidate.table)
    return raw is not None and isinstance(raw.build, Extraction) and raw.build.fetch.repeats != "none"


def _left_out(candidate: Candidate) -> Judged | None:
    """Records left out as repetitions that are none: other records have their key now. Looked at only where the table lost much
    of what stands, since one record may be read at two moments. None if there is nothing to say."""
    ref, counts = candidate.table.ref, candidate.counts
    raw = candidate.extracted(candidate.table)
    if raw is None or not counts.duplicates or candidate.table.array is not None:
        return None
    stands = candidate.lakehouse.describe(ref).rows if candidate.lakehouse.exists(ref) else 0
    if counts.accepted >= _STAYED * stands:
        return None
    unlike, records = _unlike(candidate, raw)
    key = ", ".join(candidate.table.primary_key)
    told = f"{unlike} of {records} records, under keys that other records have as well"
    row = {"key": key, "records": records, "leftOut": unlike, "stood": stands, "told": told}
    columns = dict.fromkeys(("key", "told"), DataType.TEXT) | dict.fromkeys(("records", "leftOut", "stood"), DataType.INT64)
    rule = Rule(f"leftOut <= {1 - _STAYED} * records", "would be left out", "leftOut")
    advice = f"{key} does not tell the records apart any more, perhaps only below each parent: covenant generate designs anew"
    return Judged(candidate.small(columns, [row]), (rule,), unit="tables", quote="told", advice=advice)


def _fates(candidate: Candidate) -> Judged:
    """Of an extraction: records fetched, and rows that stood where only a part was asked for, against the rows landed."""
    facts = candidate.known("extraction")
    merged = candidate.evidence.get("merge")
    landed = candidate.counts.rows
    parts = ("unchanged", "changed", "removed", "repeated", "incomplete")
    if merged is None:
        row: dict[str, Any] = {"stood": 0, "fetched": facts["rows"], **dict.fromkeys(parts, 0)}
    else:
        row = {"stood": merged["stood"], "fetched": merged["fetched"], **{part: merged[part] for part in parts}}
        # a tree's nodes are counted by the flattening; the merge counted their holders
        row["fetched"] += facts["rows"] - merged["rows"]
    row["landed"] = landed
    told = ", ".join(f"{count} {part}" for part, count in row.items() if count and part not in ("stood", "fetched"))
    row["balance"] = f"{row['stood']} rows that stood and {row['fetched']} fetched became {told or 'nothing'}"
    columns = dict.fromkeys(("stood", "fetched", "landed", *parts), DataType.INT64) | {"balance": DataType.TEXT}
    rule = Rule(f"stood + fetched = landed + {' + '.join(parts)}", "does not add up")
    advice = "a row was lost or doubled while pages became rows: that is a fault of this software, not of the source"
    return Judged(candidate.small(columns, [row]), (rule,), unit="balances", quote="balance", advice=advice)


def _balance(candidate: Candidate, detail: str = "") -> Judged:
    counts = candidate.counts
    deleted = candidate.evidence.get("deleted", 0)
    went_in = "an unknown number of" if candidate.rows_in is None else candidate.rows_in
    came_out = counts.accepted + counts.rejected + counts.duplicates + deleted
    words = (
        f"{went_in} rows went in, but {came_out} came out ({counts.accepted} accepted, {counts.rejected} to quarantine, "
        f"{counts.duplicates} duplicates{f', {deleted} left out as deleted' if deleted else ''})"
    )
    columns = dict.fromkeys(("rowsIn", "accepted", "rejected", "duplicates", "deleted"), DataType.INT64)
    row = {
        "rowsIn": candidate.rows_in,
        "accepted": counts.accepted,
        "rejected": counts.rejected,
        "duplicates": counts.duplicates,
        "deleted": deleted,
        "balance": words,
    }
    rule = Rule("rowsIn = accepted + rejected + duplicates + deleted", "does not add up", detail)
    advice = "more rows out means a join that multiplies, fewer means rows that were dropped without a reason"
    return Judged(
        candidate.small(columns | {"balance": DataType.TEXT}, [row]), (rule,), unit="balances", quote="balance", advice=advice
    )
