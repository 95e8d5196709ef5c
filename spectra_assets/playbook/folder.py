"""The folder of playbooks: all documents read, and what is doubtful between them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from spectra_assets.errors import DocumentError, Mistakes
from spectra_assets.playbook.model import (
    FILES,
    FOLDER,
    STANDARDS,
    Notice,
    Playbook,
    Playbooks,
    Standards,
    TablePattern,
)
from spectra_assets.playbook.parse import check_ids, parse_playbook, parse_standards

MAX_BYTES = 512 * 1024


def load_playbooks(folder: Path, actions: Collection[str], gates: Collection[str]) -> Playbooks:
    """Read STANDARDS.md and every playbook below `folder` (the project's `playbooks/`).

    `actions` and `gates` are the names the machine can carry out (a mapping from them will do). Raises a DocumentError
    that tells every mistake; what is merely doubtful is in the result's `warnings`.
    """
    top = folder.parent
    known = frozenset(actions), frozenset(gates)
    mistakes = Mistakes()
    standards = mistakes.each(lambda path: _standards(_read(path, top), _label(path, top)), [folder / STANDARDS])
    found = sorted((folder / FOLDER).glob("*.md"))
    playbooks = mistakes.each(lambda path: _playbook(_read(path, top), _label(path, top), *known), found)
    for name, (_, stage) in FILES.items():
        if name not in {path.name for path in found}:
            mistakes.found.append(DocumentError(f"the playbook of stage {stage} is missing", _label(folder / FOLDER / name, top)))
    mistakes.end()
    loaded = Playbooks(standards[0], tuple(playbooks))
    check_ids(loaded.all_rules())
    loaded.warnings.extend(notices(playbooks))
    return loaded


@lru_cache(maxsize=8)
def _standards(text: str, file: str) -> Standards:
    return parse_standards(text, file)


@lru_cache(maxsize=64)
def _playbook(text: str, file: str, actions: frozenset[str], gates: frozenset[str]) -> Playbook:
    """One command asks for the playbooks eight times and more: what has not changed since is not read anew."""
    return parse_playbook(text, file, actions, gates)


def _label(path: Path, top: Path) -> str:
    return path.relative_to(top).as_posix()


def _read(path: Path, top: Path) -> str:
    return read_document(path, _label(path, top))


def read_document(path: Path, file: str) -> str:
    """The text of a document, byte for byte. Raises DocumentError if it is absent, too long or not UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DocumentError(f"can't be read: {error.strerror}", file) from error
    if len(data) > MAX_BYTES:
        raise DocumentError(f"has {len(data)} bytes; valid are at most {MAX_BYTES}", file)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise DocumentError(message, file, line) from None


def notices(playbooks: Collection[Playbook]) -> Iterator[Notice]:
    """What no error is but does nothing: promises no step keeps, gates nothing reaches, tables nobody promised."""
    for book in playbooks:
        made = [table for step in book.steps for table in step.makes]
        promised = [output.table for output in book.outputs]
        listed = [item.table for item in book.inputs]
        read = [table for output in book.outputs for table in output.inputs]
        for output in book.outputs:
            if not _reached(output.table, made):
                yield Notice(f"output {output.table}: no step makes it", book.file, output.line)
            for table in output.inputs:
                if table.schema != book.stage and not _reached(table, listed):
                    text = f"output {output.table} reads {table}, which Inputs does not list"
                    yield Notice(text, book.file, output.line)
        for gate in book.gates:
            for table in gate.tables:
                if not _reached(table, made):
                    yield Notice(f"gate {gate.name} on {table}: no step makes such a table", book.file, gate.line)
        for step in book.steps:
            for table in step.makes:
                if not _reached(table, promised):
                    yield Notice(f"step {step.number} makes {table}, which Outputs does not list", book.file, step.line)
        for item in book.inputs:
            if not _reached(item.table, read):
                yield Notice(f"input {item.table}: no output is made from it", book.file, item.line)
            if not _reached(item.table, [output.table for other in playbooks for output in other.outputs]):
                yield Notice(f"input {item.table}: no playbook's outputs list it", book.file, item.line)


def _reached(table: TablePattern, among: Iterable[TablePattern]) -> bool:
    return any(table.overlaps(other) for other in among)
