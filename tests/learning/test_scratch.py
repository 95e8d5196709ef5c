"""What a scratch copy takes over while another run of the same pipeline goes on writing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.lakehouse.commit import CommitInfo
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.scratch import Deadline, Scratch
from spectra_assets.names import TableRef
from spectra_assets.settings import Settings
from spectra_assets.stages.work import Work
from tests.lakehouse.rows import Rows

REPOSITORY = Path(__file__).parent.parent.parent
TABLE = TableRef("clean", "order")


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    return Lakehouse(str(tmp_path / "lakehouse"), "small")


def nobody(work: Work) -> ApiClient:
    raise AssertionError(f"{work.table.table} asks the API")


@contextmanager
def scratch(lakehouse: Lakehouse) -> Iterator[Scratch]:
    settings = Settings(project=REPOSITORY, lakehouse_root=lakehouse.root)
    with Scratch(settings, lakehouse.source, nobody, Deadline(float("inf"))) as made:
        yield made


def test_what_waits_for_the_log_may_be_collected_meanwhile(lakehouse: Lakehouse) -> None:
    folder = lakehouse.files("log", "waiting")
    folder.mkdir(parents=True)
    for number in range(3000):
        (folder / f"{number}.json").touch()
    last_first = [entry.path for entry in os.scandir(folder)][:0:-1]
    collector = threading.Thread(target=lambda: [os.unlink(path) for path in last_first])
    with scratch(lakehouse) as made:
        collector.start()
        made.bring(())
        collector.join()
        assert 1 <= len(list(made.lakehouse.files("log", "waiting").iterdir())) < 3000


def test_a_table_comes_as_it_stands_between_two_writers(lakehouse: Lakehouse) -> None:
    """Each copy holds the files that its log names."""
    lakehouse.publish(TABLE, Rows(pa.table({"id": [0]})), CommitInfo("run", "1"))
    for number in range(1000):  # of earlier versions: a copy takes its time
        (Path(lakehouse.path(TABLE)) / f"part-{number}.parquet").touch()
    over = threading.Event()

    def write() -> None:
        for number in range(1, 10_000):
            if over.is_set():
                return
            lakehouse.publish(TABLE, Rows(pa.table({"id": [number]})), CommitInfo("run", "1"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(10):
            with scratch(lakehouse) as made:
                made.bring([str(TABLE)])
                assert made.lakehouse.read(TABLE).num_rows == 1
    finally:
        over.set()
        writer.join()
