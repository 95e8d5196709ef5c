"""Dagster's records in SQLite, with connections that are kept.

Dagster's own SQLite storage opens an engine and a connection for every statement: 4,748 of them in a run of 75 small
assets, which takes 26 s instead of 5 s. The files and their schema stay Dagster's; its own storage reads them.
`dagster.yaml` names this class.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite_storage import (
    DagsterSqliteStorage,
    _event_logs_directory,
    _runs_directory,
    _schedule_directory,
)
from dagster._utils import mkdir_p
from sqlalchemy.pool import QueuePool

_BUSY_SECONDS = 30
_OPEN_FILES = 8
"""Every run has an event file of its own; so many stay open."""


class PooledSqliteStorage(DagsterSqliteStorage):
    """Runs, events and schedules below `base_dir`, as DagsterSqliteStorage lays them out."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self.base_dir = base_dir
        self._run_storage = _Runs.from_local(_runs_directory(base_dir))
        self._event_log_storage = _Events(_event_logs_directory(base_dir))
        self._schedule_storage = SqliteScheduleStorage.from_local(_schedule_directory(base_dir))
        self._inst_data = inst_data
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]
        atexit.register(_dispose, weakref.ref(self))

    @classmethod
    def from_local(cls, base_dir: str, inst_data: Any = None) -> PooledSqliteStorage:
        """The storage in a folder, which is made if there is none."""
        mkdir_p(base_dir)
        return cls(base_dir, inst_data=inst_data)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> PooledSqliteStorage:
        """How Dagster makes it from `dagster.yaml`."""
        return cls.from_local(inst_data=inst_data, **config_value)


def _dispose(ours: weakref.ref[PooledSqliteStorage]) -> None:
    """Close the files if nobody has: the last to close one joins its write-ahead log."""
    if (storage := ours()) is not None:
        storage.dispose()


class _Events(SqliteEventLogStorage):
    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            engine = self._engines.get(shard)
            if engine is None:
                engine = self._engines[shard] = _engine(self.conn_string_for_shard(shard))
                while len(self._engines) > _OPEN_FILES:
                    self._engines.popitem(last=False)[1].dispose()
            else:
                self._engines.move_to_end(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._tables:  # Dagster asks inside a connection: the lock must not be taken again here
            if not super().has_table(table_name):
                return False
            self._tables.add(table_name)
        return True

    def dispose(self) -> None:
        super().dispose()
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


class _Runs(SqliteRunStorage):
    _engine: sa.Engine | None = None
    _guard = threading.Lock()

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        with self._guard:
            if self._engine is None:
                self._engine = _engine(self._conn_string)
        with self._engine.connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        super().dispose()
        if self._engine is not None:
            self._engine.dispose()


def _engine(address: str) -> sa.Engine:
    engine = sa.create_engine(
        address,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=4,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
    )

    @sa.event.listens_for(engine, "connect")
    def _fast(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")  # with the write-ahead log a killed process loses nothing

    return engine
