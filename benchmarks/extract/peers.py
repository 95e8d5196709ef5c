"""Other programs for the same job. Runs in an environment of its own: nothing of this repository is imported.

    python peers.py dlt | dlt-arrow | pandas | limit-raw | limit-typed <url> <folder>

dlt is tuned as its performance guide says: whole pages are yielded, requests run in parallel, buffers and files are large, rows are
normalised in two processes and written as Parquet. `dlt-arrow` yields Arrow tables, which it does not normalise. The limits are the fastest Python we
could write: http.client over 8 connections, pages split or read by pyarrow without a Python object per record, one Delta commit.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PAGE, IN_FLIGHT = 100, 16
PLURALS = ("projects", "releases", "cycles", "phases", "executions")


def _dlt(url: str, folder: Path, arrow: bool) -> None:
    settings = {
        "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
        "DATA_WRITER__FILE_MAX_ITEMS": "250000",
        "EXTRACT__WORKERS": "16",
        "EXTRACT__MAX_PARALLEL_ITEMS": "64",
        "NORMALIZE__WORKERS": "2",
        "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
        "LOAD__WORKERS": "4",
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
    }
    os.environ |= settings
    import dlt
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=IN_FLIGHT))

    def pages(path: str) -> Iterator[Any]:
        offset, total = 0, 1
        while offset < total:
            answer = session.get(f"{url}/{path}", params={"offset": offset, "size": PAGE})
            if arrow:
                rows, total = _arrow_page(answer.content)
                yield rows
                offset += rows.num_rows
            else:
                body = answer.json()
                rows, total = body["items"], body["total"]
                yield rows
                offset += len(rows)
            if not total:
                return

    def ids(page: Any) -> list[int]:
        return page["id"].to_pylist() if arrow else [row["id"] for row in page]

    @dlt.resource(name="projects", table_format="delta")
    def projects() -> Iterator[Any]:
        yield from pages("projects")

    def below(parent: str, plural: str, source: Any) -> Any:
        @dlt.transformer(name=plural, data_from=source, table_format="delta")
        def children(page: Any) -> Iterator[Any]:
            for parent_id in ids(page):
                yield one(parent_id)

        @dlt.defer
        def one(parent_id: int) -> Any:
            found = list(pages(f"{parent}/{parent_id}/{plural}"))
            if arrow:
                import pyarrow as pa

                return pa.concat_tables(found)
            return [row for page in found for row in page]

        return children

    resources = [projects]
    for parent, plural in pairwise(PLURALS):
        resources.append(below(parent, plural, resources[-1]))
    pipeline = dlt.pipeline(
        "speed",
        pipelines_dir=str(folder / "pipelines"),
        dataset_name="speed",
        destination=dlt.destinations.filesystem(bucket_url=f"file://{folder}"),
    )
    info = pipeline.run(resources, write_disposition="replace", loader_file_format="parquet")
    info.raise_on_failed_jobs()


def _arrow_page(body: bytes) -> tuple[Any, int]:
    """The records as a table, without a Python object for each; explicit types, so that pages agree."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    rows, total = _split(body)
    if b"testcase" in body[:2000]:
        options = arrow_json.ParseOptions(explicit_schema=_execution())
        return arrow_json.read_json(pa.BufferReader(b"\n".join(rows)), parse_options=options), total
    return arrow_json.read_json(pa.BufferReader(b"\n".join(rows))), total


def _split(body: bytes) -> tuple[list[bytes], int]:
    import msgspec

    found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return [*map(bytes, msgspec.json.decode(found["items"], type=list[msgspec.Raw]))], int(bytes(found["total"]))


def _execution() -> Any:
    import pyarrow as pa

    text, whole = pa.string(), pa.int64()

    def record(**fields: Any) -> Any:
        return pa.struct(list(fields.items()))

    return pa.schema(
        {
            "id": whole, "uuid": text, "phaseId": whole, "status": whole, "executedOn": whole, "createdOn": pa.timestamp("us", "UTC"),
            "duration": pa.float64(), "automated": pa.bool_(), "cost": whole,
            "tester": record(id=whole, login=text, displayName=text, email=text, team=record(id=whole, name=text)),
            "testcase": record(
                id=whole, key=text, name=text, version=whole, priority=record(id=whole, name=text), component=text, estimate=whole
            ),
            "environment": record(os=record(name=text, version=text), browser=text, build=text, host=text, region=text),
            "comment": text, "requirement": text, "sprint": text, "defectKey": text,
            "customFields": record(zcf_1=text, zcf_2=text, zcf_3=whole, zcf_4=text),
            "steps": pa.list_(record(order=whole, action=text, expected=text, result=text)),
        }
    )  # fmt: skip


def _pandas(url: str, folder: Path) -> None:
    """A plain script, as many are: one session, pages one after the other, json_normalize, Parquet."""
    import pandas as pd
    import requests

    session, ids = requests.Session(), [None]
    for depth, plural in enumerate(PLURALS):
        rows: list[dict[str, Any]] = []
        for parent in ids:
            path, offset, total = f"{PLURALS[depth - 1]}/{parent}/{plural}" if depth else plural, 0, 1
            while offset < total:
                body = session.get(f"{url}/{path}", params={"offset": offset, "size": PAGE}).json()
                rows += body["items"]
                offset, total = offset + len(body["items"]), body["total"]
        ids = [row["id"] for row in rows]
        pd.json_normalize(rows).to_parquet(folder / f"{plural}.parquet")


class _Bare:
    """One connection of http.client per thread."""

    def __init__(self, url: str) -> None:
        import threading

        self._host = urlsplit(url)
        self._mine = threading.local()

    def get(self, path: str) -> bytes:
        if not hasattr(self._mine, "connection"):
            self._mine.connection = http.client.HTTPConnection(self._host.hostname or "", self._host.port)
        self._mine.connection.request("GET", path)
        return self._mine.connection.getresponse().read()


def _limit(url: str, folder: Path, typed: bool) -> None:
    """Records as they came with a hash (raw), or read into typed columns (typed): one Delta table per entity, streamed."""
    import pyarrow as pa
    from deltalake import write_deltalake

    bare, pool, ids = _Bare(url), ThreadPoolExecutor(8), [0]

    def raw(plural: str, parent: int) -> list[Any]:
        made, offset, total = [], 0, 1
        path = f"/{PLURALS[PLURALS.index(plural) - 1]}/{parent}/{plural}" if parent else f"/{plural}"
        while offset < total:
            body = bare.get(f"{path}?offset={offset}&size={PAGE}")
            if typed:
                table, total = _arrow_page(body)
                count = table.num_rows
                made += table.to_batches()
            else:
                rows, total = _split(body)
                count = len(rows)
                hashes = [hashlib.blake2b(row, digest_size=16).digest() for row in rows]
                made.append(pa.record_batch({"record": pa.array(rows, pa.string()), "hash": pa.array(hashes, pa.binary())}))
            offset += count
        return made

    for plural in PLURALS:
        found = _ahead(pool, lambda parent, plural=plural: raw(plural, parent), ids)
        kept: list[int] = []

        def batches(found: Iterator[list[Any]], plural: str, kept: list[int]) -> Iterator[Any]:
            for made in found:
                for batch in made:
                    if plural != PLURALS[-1]:
                        kept += batch["id"].to_pylist() if typed else [json.loads(row.as_py())["id"] for row in batch["record"]]
                    yield batch

        stream = batches(found, plural, kept)
        first = next(stream)
        reader = pa.RecordBatchReader.from_batches(first.schema, _with(first, stream))
        write_deltalake(str(folder / plural), reader, mode="overwrite")
        ids = kept


def _ahead(pool: Any, work: Any, pieces: list[int]) -> Iterator[Any]:
    """Results in order, a bounded number of pieces under way."""
    from collections import deque

    waiting: deque[Any] = deque()
    for piece in pieces:
        waiting.append(pool.submit(work, piece))
        if len(waiting) >= IN_FLIGHT:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _with(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def main() -> None:
    kind, url, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    programs = {
        "dlt": lambda: _dlt(url, folder, arrow=False),
        "dlt-arrow": lambda: _dlt(url, folder, arrow=True),
        "pandas": lambda: _pandas(url, folder),
        "limit-raw": lambda: _limit(url, folder, typed=False),
        "limit-typed": lambda: _limit(url, folder, typed=True),
    }
    programs[kind]()


if __name__ == "__main__":
    main()
