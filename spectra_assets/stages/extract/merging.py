"""What came since, merged into the table that stands: rows keep their place, and each one has a fate that is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from spectra_assets.client.jsontext import decoded
from spectra_assets.covenant.access import Fetch
from spectra_assets.lakehouse.types import fitted
from spectra_assets.stages.asking.moments import reader
from spectra_assets.stages.cursors import mergeable
from spectra_assets.stages.extract.keys import told_apart
from spectra_assets.stages.extract.landing import hashes_of
from spectra_assets.stages.extract.scope import Scope
from spectra_assets.stages.tables import EXTRACT_SCHEMA

_BATCH = 5_000
_HASH, _PARENT, _RECORD, _SEQUENCE = (
    EXTRACT_SCHEMA.get_field_index(name) for name in ("recordHash", "parentKey", "record", "sequence")
)


class Merged(TypedDict):
    """Fates of rows. Stood + fetched = rows + unchanged + changed + removed + repeated + incomplete."""

    stood: int
    """Rows of the table before."""
    fetched: int
    unchanged: int
    """Fetched rows that the table has already."""
    changed: int
    """Fetched rows that took the place of another one with their key."""
    new: int
    removed: int
    """Rows of before that their list, read whole, no longer has, or whose list is gone."""
    repeated: int
    """Fetched rows whose key came again later in the same list."""
    unlike: int
    """Those of them whose record was another one than the later."""
    incomplete: int
    """Fetched rows of lists that could not be read to their end: those lists stay as they were."""
    rows: int


class Spool:
    """Fetched rows on disk, in the order they came, with the hash of each and where each key is. A context manager."""

    def __init__(self, path: Path, batches: Iterable[pa.RecordBatch]) -> None:
        """Reads `batches` to their end."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, EXTRACT_SCHEMA) as writer:
            for batch in batches:
                if batch.column(_HASH).null_count:
                    hashes = hashes_of(map(decoded, batch.column(_RECORD).to_pylist()))
                    batch = batch.set_column(_HASH, EXTRACT_SCHEMA.field(_HASH), pa.array(hashes, pa.string()))
                writer.write_batch(batch)
        self._map = pa.memory_map(str(path))
        self.table: pa.Table = pa.ipc.open_file(self._map).read_all()

    def close(self) -> None:
        """Remove the file, and its folder with the last one."""
        self._map.close()
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._path.parent.rmdir()


class Merge:
    """One merge. `asked` are the lists that were asked for, `failed` those of them that could not be read to their end.

    `moved` are, afterwards, the lists that a row seems to have left for another one: they are doubtful.
    """

    def __init__(self, fetch: Fetch, scope: Scope, asked: frozenset[str], failed: frozenset[str], table: pa.Table) -> None:
        self.facts = Merged(
            stood=0, fetched=table.num_rows, unchanged=0, changed=0, new=0, removed=0, repeated=0, unlike=0, incomplete=0, rows=0
        )
        self.moved: set[str] = set()
        self.alive: Counter[str] = Counter()
        """Rows of each list that was asked for what changed, after the merge."""
        self._scope = scope
        self._asked = asked
        self._failed = failed
        self._table = table
        self._key = reader(fetch.primary_key)
        self._single = mergeable(fetch)
        self._elsewhere = fetch.key_scope == "entity"
        self._rows: dict[tuple[str, Any], int] = {}
        self._lists: dict[Any, str] = {}
        self._new: dict[int, None] = {}
        self._last = -1
        self._index()

    def changes(self, standing: Iterable[pa.RecordBatch]) -> bool:
        """Whether the merge makes another table. `standing` needs the columns parentKey and recordHash alone."""
        if not self._single or self._failed:
            return True
        if len(self._rows) < len(self._new):  # rows without a key
            return True
        hashes = self._table.column(_HASH).to_pylist()
        left = {(name, hashes[row]) for (name, _), row in self._rows.items()}
        whole = self._asked - self._scope.since.keys()
        for batch in standing:
            pairs = zip(batch.column("parentKey").to_pylist(), batch.column("recordHash").to_pylist(), strict=True)
            for name, digest in pairs:
                known = (name or "", digest)
                if known in left:
                    left.discard(known)
                elif (known[0] in whole) or (known[0] not in self._asked and not self._scope.leaves(known[0])):
                    return True
        return bool(left)

    def stand(self, rows: int) -> None:
        """Note that nothing changes a table of so many rows."""
        self.facts |= {"stood": rows, "rows": rows, "unchanged": len(self._rows)}

    def rows(self, standing: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The table after the merge: what stays, what took its place, and what is new in the end."""
        for batch in standing:
            yield from self._batch(fitted(batch, EXTRACT_SCHEMA))
        rows = list(self._new)
        for start in range(0, len(rows), _BATCH):
            some = rows[start : start + _BATCH]
            yield from self._taken(some, [self._last + 1 + start + place for place in range(len(some))])
        self.facts["new"] = len(rows)

    def _index(self) -> None:
        """Where each key is among the fetched rows; a later row of one key counts."""
        names, records = self._table.column(_PARENT), self._table.column(_RECORD)
        for row in range(self._table.num_rows):
            name = names[row].as_py() or ""
            if name in self._failed:
                self.facts["incomplete"] += 1
                continue
            self._new[row] = None
            key = self._key_of(records[row].as_py()) if self._single else None
            if key is None:
                continue
            earlier = self._rows.get((name, key))
            if earlier is not None:
                del self._new[earlier]
                self.facts["repeated"] += 1
                hashes = self._table.column(_HASH)
                self.facts["unlike"] += hashes[earlier].as_py() != hashes[row].as_py()
            self._rows[name, key] = row
            self._lists[key] = name

    def _batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        self.facts["stood"] += batch.num_rows
        self._last = max(self._last, pc.max(batch.column(_SEQUENCE)).as_py() or 0) if batch.num_rows else self._last
        stays: list[bool] = []
        taken: list[int] = []
        places: list[int] = []
        names, records = batch.column(_PARENT).to_pylist(), batch.column(_RECORD)
        for place, name in enumerate(names):
            stay, row = self._fate(name or "", records, batch, place)
            stays.append(stay)
            if row is not None:
                taken.append(row)
                places.append(batch.column(_SEQUENCE)[place].as_py())
        kept = batch if all(stays) else batch.filter(pa.array(stays))
        self.facts["rows"] += kept.num_rows
        self._live(kept)
        if kept.num_rows:
            yield kept
        yield from self._taken(taken, places)

    def _fate(self, name: str, records: pa.Array, batch: pa.RecordBatch, place: int) -> tuple[bool, int | None]:
        """Whether a row of before stays, and the fetched row that takes its place."""
        if name in self._failed or (name not in self._asked and self._scope.leaves(name)):
            return True, None
        if name not in self._asked or not self._single:
            self.facts["removed"] += 1
            return False, None
        key = self._key_of(records[place].as_py())
        row = self._rows.get((name, key))
        if row is None:
            if name in self._scope.since:
                if self._elsewhere and self._lists.get(key, name) != name:
                    self.moved.add(name)
                return True, None
            self.facts["removed"] += 1
            return False, None
        if row not in self._new:  # an earlier row of before had this key, too
            self.facts["removed"] += 1
            return False, None
        del self._new[row]
        if self._table.column(_HASH)[row].as_py() == batch.column(_HASH)[place].as_py():
            self.facts["unchanged"] += 1
            return True, None
        self.facts["changed"] += 1
        return False, row

    def _taken(self, rows: list[int], sequence: list[int]) -> Iterator[pa.RecordBatch]:
        if not rows:
            return
        found = self._table.take(pa.array(rows, pa.int64()))
        field = EXTRACT_SCHEMA.field(_SEQUENCE)
        found = found.set_column(_SEQUENCE, field, pa.array(sequence, field.type))
        if not self._single:  # a tree's rows are still to be made, and hashed then
            found = found.set_column(_HASH, EXTRACT_SCHEMA.field(_HASH), pa.nulls(len(rows), pa.string()))
        self.facts["rows"] += len(rows)
        self._live(found)
        yield from found.combine_chunks().to_batches()

    def _live(self, rows: pa.RecordBatch | pa.Table) -> None:
        if self._scope.since:
            for pair in pc.value_counts(rows.column(_PARENT)).to_pylist():
                name = pair["values"] or ""
                if name in self._scope.since:
                    self.alive[name] += pair["counts"]

    def _key_of(self, record: str) -> Any:
        return told_apart(self._key(record))


def combined(merges: Sequence[Merged]) -> Merged:
    """The fates of rows over several merges, each into what the one before made."""
    total = merges[0].copy()
    for each in merges[1:]:
        total["fetched"] += each["fetched"]
        total["unchanged"] += each["unchanged"]
        total["changed"] += each["changed"]
        total["new"] += each["new"]
        total["removed"] += each["removed"]
        total["repeated"] += each["repeated"]
        total["unlike"] += each["unlike"]
        total["incomplete"] += each["incomplete"]
    total["rows"] = merges[-1]["rows"]
    return total
