"""Turns: one run at a time extracts an entity."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from spectra_assets.errors import StorageError
from spectra_assets.lakehouse.raw import RAW
from spectra_assets.lakehouse.segments import storing
from spectra_assets.lakehouse.store import Lakehouse


class Turn:
    """The right to extract an entity, which one run at a time has; the operating system takes it from a process that died."""

    def __init__(self, lakehouse: Lakehouse, entity: str, run_id: str, wait: float, say: Callable[[str], None]) -> None:
        """Waits for it up to `wait` seconds. Raises StorageError naming the run that has it."""
        path = lakehouse.files("locks", f"{RAW}.{entity}.lock")
        self._holder = path.with_suffix(".json")
        self._handle = FileLock(path, thread_local=False)
        with storing(path.parent, "written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._handle.acquire(timeout=0)
            except Timeout:
                say(f"{entity} is being extracted by {self._who()}; waiting for it up to {wait:g} s")
                try:
                    self._handle.acquire(timeout=wait)
                except Timeout:
                    raise StorageError(
                        f"{entity} is being extracted by {self._who()}, which did not end within {wait:g} s: let it end, or end "
                        "it, and run again"
                    ) from None
            me = {"run": run_id, "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
            self._holder.write_text(json.dumps(me), encoding="utf-8")

    def leave(self) -> None:
        """Let the next run in."""
        self._handle.release()

    def _who(self) -> str:
        try:
            holder = json.loads(self._holder.read_text(encoding="utf-8"))
            return f"run {holder['run']} (process {holder['pid']}, since {holder['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another run"
