"""A file that is replaced whole or not at all: a draft beside it takes its place in one step."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

from spectra_assets.errors import StorageError

_DRAFT = re.compile(r"\..+\.[0-9]+(-[0-9]+)?")


def is_draft(file: Path) -> bool:
    """Whether it has the name of a draft, as a process that was killed leaves it."""
    return _DRAFT.fullmatch(file.name) is not None


def write_whole(file: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Write the file, and its folder where there is none. Text is UTF-8, its line ends stay as they are. With `durable` the disk
    has the content before the file's place is taken. Whoever writes at the same time, one of both is there whole.
    Raises OSError; no draft is left then."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with draft.open("wb") as out:
            out.write(content.encode("utf-8") if isinstance(content, str) else content)
            if durable:
                out.flush()
                os.fsync(out.fileno())
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def replace_text(file: Path, text: str, what: str) -> bool:
    """Replace a text by another; False if the file already says the same. Raises StorageError, which calls it `what`."""
    try:
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            return False
        write_whole(file, text)
    except OSError as error:
        raise StorageError(f"can't write {what} {file}: {error.strerror}") from None
    return True
