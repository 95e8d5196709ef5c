"""The relational engine behind the PySpark DataFrame API: Sail in this process, or a Spark Connect server elsewhere.

Sail (Rust, no JVM) serves Spark Connect on a loopback port, with a capped memory pool and a spill folder of its own.
Every session is in UTC. Tables and staged files are passed by path, so a remote engine must see the same paths; its
Python workers write staged files by this package.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import os
import re
import shutil
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import pyarrow as pa
from filelock import FileLock

from spectra_assets.errors import ConfigurationError
from spectra_assets.lakehouse.alive import hold, holders, is_held
from spectra_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CONNECT_PORT = 15002
"""Spark Connect's default port."""

BATCH_ROWS = 4096
"""Rows that pass through a query at a time: half of what Sail takes, for as much CPU and 40 MB less of long records."""

SESSION_SECONDS = 30 * 86_400
"""A session may ask for nothing so long: longer than any run."""

PROBE_SECONDS = 5.0
INTERRUPT_SECONDS = 0.5
"""From one look for queries that are to be given up to the next."""

_ARENA_MAX, _ARENAS = -8, 2
"""glibc's number of the setting, and heaps: 30 to 60 MB less at the peak for as much CPU."""

_PREFIX = "spectra-engine-"
"""Of the folder of an engine's process, in the system's temporary folder."""

_YOUNG = 60.0
"""Seconds of a folder's age below which its process may be about to hold it."""

_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./:@+=,~-]*")


class Engine:
    """One running engine and its session. A context manager; `stop` may be called more than once.

    Sail's memory cap and spill folder are process-wide environment variables that it reads as it starts: start one
    engine per process (`shared`). A forked child must not use its parent's engine; `shared` starts another there.
    """

    def __init__(self, kind: str, memory_mb: int, address: str, server: Any, folder: Path, alive: FileLock) -> None:
        from pyspark.sql import SparkSession

        from spectra_assets.lakehouse.retry import UnreadableAnswer

        self.kind = kind
        self.memory_mb = memory_mb
        self.address = address
        self._server = server
        self._folder = folder
        self._alive = alive
        self._pid = os.getpid()
        self._stopped = False
        self.session: SparkSession = SparkSession.builder.remote(address).create()
        client = self.session.client
        client.set_retry_policies([*client.get_retry_policies(), UnreadableAnswer()])
        self.session.conf.set("spark.sql.session.timeZone", "UTC")
        self.session.conf.set("spark.python.sql.dataFrameDebugging.enabled", "false")  # else each expression walks the stack
        atexit.register(self.stop)

    @classmethod
    def start(cls, kind: str = "sail", memory_mb: int = 1024) -> Engine:
        """Start Sail with at most `memory_mb` MiB for its operators, or connect to the server at `kind` = `sc://host:port`.

        Raises ConfigurationError if `kind` is neither or nothing listens there.
        """
        _few_arenas()
        if kind != "sail":
            _probe(kind)
        _sweep()
        with ExitStack() as undo:  # whatever fails
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            alive = hold(folder)
            undo.callback(alive.release)
            server, address = (None, kind) if kind != "sail" else _serving(folder / "spill", memory_mb)
            if server is not None:
                undo.callback(server.stop)
            made = cls(kind, memory_mb, address, server, folder, alive)
            undo.pop_all()
        return made

    @property
    def running(self) -> bool:
        """False once stopped (also by someone else's `session.stop()`) and in a forked child."""
        return not self._stopped and self._pid == os.getpid() and not self.session.is_stopped

    @property
    def embedded(self) -> bool:
        """Whether it is Sail in this process, whose ways are known; else it may be any engine that speaks Spark Connect."""
        return self._server is not None

    def read(self, path: str) -> DataFrame:
        """The current version of the Delta table at `path`, with all its columns."""
        return self.session.read.format("delta").load(self._reachable(path))

    def read_parquet(self, path: str) -> DataFrame:
        """The Parquet files in the folder `path`."""
        return self.session.read.parquet(self._reachable(path))

    @contextmanager
    def given_up_at(self, instant: float) -> Iterator[None]:
        """What this thread asks of the engine meanwhile is given up once the monotonic clock says `instant`: its queries end in
        an error, and so do all that follow."""
        tag, done = f"until-{uuid.uuid4().hex}", threading.Event()

        def watch() -> None:
            left = instant - time.monotonic()
            while not done.wait(max(left, 0)):
                with suppress(Exception):  # a query that ended meanwhile, a server that is gone: nothing is left to give up
                    self.session.interruptTag(tag)
                left = INTERRUPT_SECONDS

        watching = threading.Thread(target=watch, name=tag, daemon=True)
        self.session.addTag(tag)
        watching.start()
        try:
            yield
        finally:
            done.set()
            self.session.removeTag(tag)
            watching.join()

    def stop(self) -> None:
        """End the session, then the server: the other way round the process hangs as it exits."""
        if self._stopped or self._pid != os.getpid():
            return
        self._stopped = True
        atexit.unregister(self.stop)
        self.session.stop()
        if self._server is not None:
            self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._alive.release()

    def _reachable(self, path: str) -> str:
        """`path`, or a link to it: Sail finds no Delta log below a folder with a space or an accent in its name."""
        if "://" in path or _PLAIN_PATH.fullmatch(path) or self._server is None:
            return path
        link = self._folder / hashlib.sha256(path.encode()).hexdigest()[:16]
        with suppress(FileExistsError):  # another thread was here first
            link.symlink_to(Path(path).resolve(), target_is_directory=True)
        return str(link)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


_lock = threading.Lock()
_shared: Engine | None = None


def shared(settings: Settings) -> Engine:
    """The process's engine as the settings want it: started at first use, kept until exit, restarted if it ended.

    Raises ConfigurationError if a remote engine does not answer.
    """
    global _shared
    with _lock:
        wanted = (settings.engine, settings.engine_memory)
        if _shared is not None and _shared.running and (_shared.kind, _shared.memory_mb) == wanted:
            return _shared
        if _shared is not None:
            _shared.stop()
        _shared = Engine.start(*wanted)
        return _shared


def give_back() -> None:
    """Give memory that this process freed back to the system: its long texts lie in other allocators than an engine's."""
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):  # musl has none
        libc.malloc_trim(0)


def _few_arenas() -> None:
    """Let the threads of this process share glibc's heaps: with one for each thread, what one of them freed serves no other."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_ARENA_MAX, _ARENAS)


def _serving(spill: Path, memory_mb: int) -> tuple[Any, str]:
    """Sail's server and its address."""
    spill.mkdir()
    os.environ.setdefault("RUST_LOG", "error")
    os.environ["SAIL_RUNTIME__MEMORY_POOL__TYPE"] = "fair"
    os.environ["SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE"] = str(memory_mb * 2**20)
    os.environ["SAIL_RUNTIME__TEMPORARY_FILES__PATHS"] = f'["{spill.as_posix()}"]'
    os.environ.setdefault("SAIL_EXECUTION__BATCH_SIZE", str(BATCH_ROWS))
    # its own end of a session that asks for nothing, minutes, would come while a long list is read
    os.environ.setdefault("SAIL_SPARK__SESSION_TIMEOUT_SECS", str(SESSION_SECONDS))
    # its allocator: huge pages take a seventh more memory, and longer to be cleared than they save
    os.environ.setdefault("MIMALLOC_ALLOW_THP", "0")
    from pysail.spark import SparkConnectServer  # after the variables: its logging is set up once, by RUST_LOG

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    return server, f"sc://{host}:{port}"


def _sweep() -> None:
    """Remove the folders of this user's processes that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            state = left.lstat()
            old = time.time() - state.st_mtime > _YOUNG and holders(left)
            if old and state.st_uid == os.getuid() and not is_held(left):
                shutil.rmtree(left, ignore_errors=True)


def is_running() -> bool:
    """Whether this process has a shared engine running."""
    return _shared is not None and _shared.running


def _probe(address: str) -> None:
    """A dead remote hangs the client for minutes, so see first whether its port answers."""
    parts = urlsplit(address)
    try:
        host, port = parts.hostname, parts.port or CONNECT_PORT
    except ValueError:
        host, port = None, CONNECT_PORT
    if parts.scheme != "sc" or not host:
        raise ConfigurationError(f"engine {address!r} is unknown; valid are sail and sc://host:port of a Spark Connect server")
    try:
        socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
    except OSError as error:
        raise ConfigurationError(
            f"no Spark Connect server answers at {host}:{port} ({error}); start it, or set SPECTRA_ENGINE to sail"
        ) from error
