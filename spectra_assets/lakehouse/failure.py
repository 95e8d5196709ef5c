"""What goes wrong with a disk, told as a StorageError with the path and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from spectra_assets.errors import SpectraError, StorageError

_OS_ERROR = re.compile(r"(?:os error |code: |\[Errno )(\d+)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST = 300
_ADVICE = {
    "1": "give this user the right to write there",
    "13": "give this user the right to write there",
    "17": "a file stands where a folder must be; move it away",
    "20": "a file stands where a folder must be; move it away",
    "27": "raise the file size limit (ulimit -f)",
    "28": "free space on that disk, or set SPECTRA_LAKEHOUSE to a folder on another one",
    "30": "that disk is read-only; set SPECTRA_LAKEHOUSE to a folder that can be written",
    "122": "the disk quota is used up; free space, or set SPECTRA_LAKEHOUSE to another folder",
}


@contextmanager
def guarded(path: str, doing: str) -> Iterator[None]:
    """Turn what storage raises into a StorageError: deltalake has no common base for its errors but Exception."""
    try:
        yield
    except SpectraError:
        raise
    except Exception as error:
        raise storage_error(path, doing, error) from error


@contextmanager
def writing(place: str) -> Iterator[None]:
    """Turn an OSError that tells of the disk into a StorageError which names its file, or `place` where it names none."""
    try:
        yield
    except OSError as error:
        if str(error.errno) not in _ADVICE:
            raise
        raise storage_error(str(error.filename or place), "written", error) from error


def storage_error(path: str, doing: str, error: Exception) -> StorageError:
    """`path` can't be `doing` because of `error`, and what to do as far as the operating system's number tells."""
    plain = _COLOUR.sub("", str(error))
    number = _OS_ERROR.search(plain)
    if number and len(plain) > _LONGEST:  # the line that tells, out of another engine's stack trace
        plain = plain[plain.rfind("\n", 0, number.start()) + 1 :].partition("\n")[0]
    text = " ".join(plain.split())[:_LONGEST]
    advice = _ADVICE.get(number[1]) if number else None
    return StorageError(f"{path} can't be {doing}: {text}{f'; {advice}' if advice else ''}")


def is_storage_failure(error: Exception) -> bool:
    """Whether the text of another engine's error tells of the disk, not of the query."""
    number = _OS_ERROR.search(str(error))
    return number is not None and number[1] in _ADVICE
