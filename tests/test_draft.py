"""A file is replaced whole or not at all."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spectra_assets.draft import is_draft, replace_text, write_whole
from spectra_assets.errors import StorageError


def test_a_file_and_its_folder_are_made_and_line_ends_stay(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b.txt"
    write_whole(file, "ä\r\nb\n", durable=True)
    assert file.read_bytes() == b"\xc3\xa4\r\nb\n"
    assert [each.name for each in file.parent.iterdir()] == ["b.txt"]


def test_what_cannot_be_replaced_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_whole(tmp_path / "taken", b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]
    with pytest.raises(StorageError, match=r"can't write the note .*taken: Is a directory"):
        replace_text(tmp_path / "taken", "x", "the note")


def test_a_draft_that_a_killed_process_left_is_known_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "note.md"
    if (child := os.fork()) == 0:
        Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment,method-assign]
        write_whole(file, "x")
    os.waitpid(child, 0)
    (left,) = tmp_path.iterdir()
    assert is_draft(left)
    assert not any(map(is_draft, (file, tmp_path / ".gitignore", tmp_path / "a.1", tmp_path / ".hidden.md")))


def test_of_many_writers_one_is_there_whole(tmp_path: Path) -> None:
    file = tmp_path / "shared"
    texts = [str(digit) * 50_000 for digit in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_whole(file, text), texts))
    assert file.read_text() in texts
    assert [each.name for each in tmp_path.iterdir()] == ["shared"]


def test_a_text_that_says_the_same_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "note"
    assert replace_text(file, "x", "the note") is True
    before = file.stat().st_ino
    assert replace_text(file, "x", "the note") is False
    assert file.stat().st_ino == before
    assert replace_text(file, "y", "the note") is True
