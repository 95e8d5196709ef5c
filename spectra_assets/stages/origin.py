"""What the covenant in force was made from: its canon, and the rules of then. They lie in the lakehouse's `Files/canon.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from spectra_assets.covenant.canon import Canon
from spectra_assets.draft import replace_text
from spectra_assets.errors import StorageError
from spectra_assets.lakehouse.store import Lakehouse

CANON = "canon.json"
"""Below `Files/`: the canons of the last covenants."""

_KEPT = 8
"""Versions of a covenant whose canon is known: that of the one in force is among them, whoever else writes one meanwhile."""

_LOCK_SECONDS = 60


class Origin(NamedTuple):
    """A canon, and id → rule of all that were for the source."""

    canon: Canon
    rules: dict[str, Any]


def keep(lakehouse: Lakehouse, version: str, origin: Origin) -> None:
    """Remember what the covenant of this version was made from. Raises StorageError.

    The last few stay beside it: a remedy for one source may write the covenant of another one whose run adopts a newer one.
    """
    file = lakehouse.files(CANON)
    told = {"canon": origin.canon.model_dump(mode="json"), "rules": origin.rules}
    with _alone(file):
        others = [(name, each) for name, each in _read(file).items() if name != version]
        content = {**dict(others[-(_KEPT - 1) :]), version: told}
        replace_text(file, json.dumps(content, ensure_ascii=False), "the canon of the covenant in force")


def known(lakehouse: Lakehouse, version: str) -> Origin | None:
    """What the covenant of this version was made from; None if it was made elsewhere, or the file is not whole. Raises
    StorageError."""
    return _origin(_read(lakehouse.files(CANON)).get(version))


def latest(lakehouse: Lakehouse) -> Origin | None:
    """What the covenant was made from that was written last; None if that is not known. Raises StorageError."""
    return _origin(next(reversed(_read(lakehouse.files(CANON)).values()), None))


def _origin(told: Any) -> Origin | None:
    try:
        return Origin(Canon.model_validate(told["canon"]), dict(told["rules"]))
    except (ValueError, TypeError, KeyError):
        return None


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Nobody else reads and writes the file meanwhile."""
    lock = FileLock(file.with_name(f".{file.name}.lock"))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout:
        raise StorageError(f"another process has held {lock.lock_file} for {_LOCK_SECONDS} seconds") from None
    except OSError as error:
        raise StorageError(f"can't write {file}: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    except OSError as error:
        raise StorageError(f"can't read {file}: {error.strerror}") from None
    return content if isinstance(content, dict) else {}
