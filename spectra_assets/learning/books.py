"""Lessons that git holds: what was decided of them is committed, and what runs only counted is kept beside them.

So a pass leaves a clean work tree, a branch does not grow with each run, and a person's `git pull` finds nothing in its way.
What a person wrote into a lesson, or staged, is left alone. A lesson that git does not hold yet is written whole, and comes into
git with what it brings (`apply.py`), or once it asks a person, or there is nothing left to do about it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from spectra_assets import git
from spectra_assets.errors import DocumentError
from spectra_assets.learning.journal import branch_of, commit, commits, settled, text_at, waits
from spectra_assets.learning.lesson import ARCHIVE, Lesson, forget, parse, read, removed, set_aside, write
from spectra_assets.learning.prose import text_of
from spectra_assets.settings import Settings

DECIDED = ("status", "remedy", "playbook", "applied_at", "applied_version", "returned", "harmed", "standard", "tried")
"""What of a lesson is worth a commit. All else is counted, or told of the last time."""


def balance(settings: Settings) -> None:
    """Bring git and the lessons together, whoever changed them. Raises StorageError, DocumentError."""
    if not commits(settings):
        forget(settings.lessons, removed(settings.lessons))
        return
    with settled(settings):
        held = git.changed(settings.project, settings.lessons, branch_of(settings)) if not waits(settings) else {}
        gone = removed(settings.lessons)
        decided: dict[Path, str | None] = {}
        told: list[Lesson] = []
        for file, text in held.items():
            if not file.is_file():
                decided |= {file: None} if file.stem in gone else _moved(settings, file)
            elif (lesson := _ours(file)) is not None and _is_due(lesson, parse(text, file), file, text):
                decided[file] = text_at(file)
                told.append(lesson)
        for file in _fresh(settings) if not waits(settings) else ():
            if (lesson := _ours(file)) is not None and _is_told(lesson):
                decided[file] = text_at(file)
                told.append(lesson)
        if not waits(settings):
            forget(settings.lessons, gone - {file.stem for file in held})  # what git holds is seen to be gone by the next pass
        if decided:
            commit(settings, decided, _message(told))


def _fresh(settings: Settings) -> list[Path]:
    """Lessons that git does not hold yet."""
    return git.lacking(settings.project, sorted(settings.lessons.glob("*.md")), settings.lessons, branch_of(settings))


def _is_told(lesson: Lesson) -> bool:
    """Whether others should know of a lesson that nothing was applied for: a person is asked, or it is over. What could not be
    committed once is not tried again."""
    return lesson.uncommitted is None and (lesson.question is not None or lesson.closed is not None)


def _ours(file: Path) -> Lesson | None:
    """The lesson, if its file is as the machine wrote it."""
    try:
        return read(file) if file.suffix == ".md" and text_of(parse(text_at(file) or "", file)) == text_at(file) else None
    except DocumentError:  # a person is at work on it; whoever needs it is told
        return None


def _is_due(lesson: Lesson, before: Lesson, file: Path, text: str) -> bool:
    """Whether the lesson is to be committed. If runs only counted, the counts go beside its file, which is as git holds it."""
    if all(getattr(lesson, name) == getattr(before, name) for name in DECIDED):
        set_aside(file, lesson, text)
        write(file, text)
        return False
    return lesson.uncommitted is None or lesson.uncommitted == before.uncommitted


def _moved(settings: Settings, file: Path) -> dict[Path, str | None]:
    """What becomes of a file that is no more, and that the machine did not remove: it lies in the other room, or the archive was
    pruned; else a person took it."""
    room = settings.lessons if file.parent.name == ARCHIVE else settings.lessons / ARCHIVE
    other = room / file.name
    if other.is_file():
        return {file: None, other: text_at(other)}
    return {file: None} if file.parent.name == ARCHIVE else {}


def _state(lesson: Lesson) -> str:
    told = "asks a person" if lesson.question else "went away" if lesson.closed else lesson.status
    return told if lesson.status == "observed" else str(lesson.status)


def _message(lessons: list[Lesson]) -> str:
    if len(lessons) == 1:
        return f"Lesson {lessons[0].id}: {_state(lessons[0])}"
    states = Counter(map(_state, lessons))
    told = ", ".join(f"{count} {status}" for status, count in sorted(states.items()))
    return f"Lessons: {told}" if told else "Archive closed lessons"
