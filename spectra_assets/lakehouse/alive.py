"""Folders that go with their process: it holds a lock in its folder for as long as it lives, whoever kills it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

_ENDING = ".alive"
"""Of the file that a process holds locked; a folder may be that of several processes."""


def hold(folder: Path) -> FileLock:
    """A lock of this process's own in the folder; its file goes before it is released. Raises OSError."""
    handle, path = tempfile.mkstemp(_ENDING, dir=folder)
    os.close(handle)
    lock = FileLock(path, thread_local=False)
    lock.acquire(timeout=0)
    return lock


def holders(folder: Path) -> list[Path]:
    """The files of the processes that held the folder, and did not give it back."""
    return [*folder.glob(f"*{_ENDING}")]


def is_held(folder: Path) -> bool:
    """Whether a process that lives holds the folder."""
    return any(map(_is_locked, holders(folder)))


def _is_locked(lock: Path) -> bool:
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # gone meanwhile, or it can't be told: then it is not for us to clear away
        return True
