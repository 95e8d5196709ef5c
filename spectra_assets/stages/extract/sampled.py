"""The sample that Prepare took beside the table that stands: whether rows changed of which their time of change tells nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from spectra_assets.client.jsontext import decoded
from spectra_assets.covenant.access import Fetch
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.asking.moments import reader
from spectra_assets.stages.asking.sampling import read_sample
from spectra_assets.stages.cursors import unstamped
from spectra_assets.stages.extract.keys import told_apart
from spectra_assets.stages.extract.landing import hash_of
from spectra_assets.stages.work import Work


def told_nothing(work: Work, fetch: Fetch) -> str:
    """Why asking for what changed would miss something, by the sample: a value that is written otherwise now, a field that is
    new, in rows that say they did not change. Empty if it shows nothing of the kind."""
    if fetch.incremental is None:
        return ""
    sample = {hash_of(record): record for record in read_sample(work.lakehouse, fetch.entity, fetch.primary_key)}
    hashes = pa.array(sample, pa.string())
    for batch in work.lakehouse.batches(work.table.ref, ["recordHash"]) if sample else ():
        column = batch.column(0)
        for digest in column.filter(pc.is_in(column, hashes)).to_pylist():
            sample.pop(digest, None)
    keys = unstamped(fetch, _standing(work, fetch, sample.values()), sample.values()) if sample else []
    if not keys:
        return ""
    return f"{len(keys)} of the rows sampled are not as they stand, though their {fetch.incremental.cursor} did not change"


def _standing(work: Work, fetch: Fetch, sample: Iterable[Record]) -> Iterator[Record]:
    """The rows that stand with the keys of these."""
    key = reader(fetch.primary_key)
    wanted = {told_apart(value) for record in sample for value in values_at(record, fetch.primary_key)}
    for batch in work.lakehouse.batches(work.table.ref, ["record"]):
        for text in batch.column(0).to_pylist():
            if told_apart(key(text)) in wanted:
                yield decoded(text)
