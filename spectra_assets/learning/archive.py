"""The archive: lessons that are over leave the folder that people read. A gap that returns brings its lesson back, whole.

Over is what held in several runs, and what was closed and stayed away for several runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from spectra_assets.errors import StorageError
from spectra_assets.learning.lesson import ARCHIVE, Lesson, prefix, read, read_all, state_of, write
from spectra_assets.learning.prose import text_of

HELD = 5
"""Runs after which what held is no news any more."""

QUIET = 5
"""Runs without the gap after which a closed lesson is over."""

MOST = 500
"""Lessons of one source that are kept although no rule of theirs stands in a playbook; the oldest go first."""


def is_over(lesson: Lesson) -> bool:
    """Whether nobody needs the lesson before its eyes any more."""
    held = lesson.status == "verified" and lesson.helped >= HELD
    return (held or (lesson.closed is not None and lesson.quiet >= QUIET)) and lesson.question is None


def put_away(folder: Path, lessons: Iterable[Lesson]) -> list[Lesson]:
    """Move those that are over into the archive; the caller holds the lessons' lock. Raises StorageError, DocumentError."""
    over = [lesson for lesson in lessons if is_over(lesson)]
    for lesson in over:
        try:
            (folder / ARCHIVE).mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(f"can't write to {folder / ARCHIVE}: {error.strerror}") from None
        write(
            folder / ARCHIVE / f"{lesson.id}.md", text_of(lesson)
        )  # a process killed here leaves both, and the first one counts
        for file in (folder / f"{lesson.id}.md", state_of(folder / f"{lesson.id}.md")):
            file.unlink(missing_ok=True)
    for source in {lesson.source for lesson in over}:
        _prune(folder, source)
    return over


def archived(folder: Path, ids: Collection[str]) -> list[Lesson]:
    """Those of these lessons that lie in the archive alone. Raises DocumentError for a malformed one."""
    files = [folder / ARCHIVE / f"{name}.md" for name in sorted(ids) if not (folder / f"{name}.md").is_file()]
    return [read(file) for file in files if file.is_file()]


def of_source(folder: Path, source: str) -> list[Lesson]:
    """All lessons of a source, those of the archive last. Raises DocumentError for a malformed one."""
    away = (read(file) for file in files_of(folder, source))
    return [*read_all(folder, source), *(lesson for lesson in away if lesson.source == source)]


def everything(folder: Path) -> list[Lesson]:
    """All lessons, those of the archive last. Raises DocumentError for a malformed one."""
    return [*read_all(folder), *archived(folder, {file.stem for file in (folder / ARCHIVE).glob("*.md")})]


def files_of(folder: Path, source: str) -> list[Path]:
    """The files of a source's archived lessons, by id; those of a source whose name begins so are among them."""
    found = sorted((folder / ARCHIVE).glob(f"{prefix(source)}*.md"))
    return [file for file in found if not (folder / file.name).is_file()]


def _prune(folder: Path, source: str) -> None:
    files = files_of(folder, source)
    if len(files) <= MOST:
        return
    lessons = [lesson for file in files if (lesson := read(file)).source == source and lesson.playbook is None]
    lessons.sort(key=lambda lesson: (lesson.last_seen, lesson.id))
    for lesson in lessons[: max(0, len(lessons) - MOST)]:
        (folder / ARCHIVE / f"{lesson.id}.md").unlink(missing_ok=True)
