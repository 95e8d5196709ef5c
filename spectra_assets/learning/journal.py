"""The journal: files that change together, and the commit of them, whole or not at all.

What is to be written lies in `lessons/.journal.json` first: each file with its text before and after, later the commit that was
made. A process that is killed leaves it, and whoever comes next finishes what it says, or takes it back if a person changed a
file meanwhile. A commit that can't be made (a hook refuses it, HEAD is on no branch) leaves the files changed and a lesson that
says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from spectra_assets.errors import DocumentError, StorageError
from spectra_assets.learning import git
from spectra_assets.learning.lesson import Lesson, locked, read, sweep
from spectra_assets.learning.lesson import write as write_file
from spectra_assets.learning.prose import text_of
from spectra_assets.settings import Settings

JOURNAL = ".journal.json"

_TRIES = 3
"""Times a commit is made where another one came between."""


class Entry(BaseModel):
    """What the journal holds. Paths are below the project."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lesson: str
    message: str
    commit: bool
    """Whether the change is to be committed."""
    obstacle: str | None = None
    """Why it can't be, if it should."""
    files: dict[str, list[str | None]]
    """File → its text before, and those that it may have since; the last one is the one to reach. None: there is no such file."""
    made: git.Made | None = None


@contextmanager
def settled(settings: Settings) -> Iterator[None]:
    """Only this process changes lessons, and what they change, meanwhile; what another one left is finished first.

    Raises StorageError, DocumentError.
    """
    with locked(settings.lessons):
        finish(settings)
        yield


def carry_out(settings: Settings, files: Mapping[Path, str], lesson: str, message: str) -> Lesson:
    """Write all files, and commit them: the lesson as it is then. The caller holds the lessons' lock.

    Raises StorageError if a file can't be written, or somebody is in the middle of a merge; then nothing has changed.
    """
    finish(settings)
    wanted = settings.lessons_commit != "off" and git.root_of(settings.project) is not None
    if wanted and (what := git.busy(settings.project)):
        raise StorageError(f"the repository is in the middle of {what}: nothing is changed until that is ended")
    if (settings.lessons / JOURNAL).is_file():
        raise StorageError("git does not know of the last change yet: its index is locked by another process")
    others = {file: text_at(file) for file in files if not file.is_relative_to(settings.lessons)}
    obstacle = git.obstacle(settings.project, others, _branch(settings)) if wanted else None
    root = settings.project.resolve()
    both: dict[str, list[str | None]] = {
        str(file.resolve().relative_to(root)): [text_at(file), text] for file, text in files.items()
    }
    _keep(settings, Entry(lesson=lesson, message=message, commit=wanted and not obstacle, obstacle=obstacle, files=both))
    return finish(settings) or read(settings.lessons / f"{lesson}.md")


def finish(settings: Settings) -> Lesson | None:
    """What a journal says is done to its end, or taken back if a file is neither as before nor as after; the lesson then.

    None if there is no journal, or it was taken back. The caller holds the lessons' lock. Raises StorageError if a file can't be
    written.
    """
    sweep(settings.lessons)
    journal = settings.lessons / JOURNAL
    if not journal.is_file():
        return None
    entry = _read(journal)
    files = {_inside(settings, journal, name): states for name, states in entry.files.items()}
    if entry.made is None or not git.holds(settings.project, entry.made):
        if any(text_at(file) not in states for file, states in files.items()):
            _take_back(files)
            journal.unlink()
            return None
        _write(files, journal)
        if entry.commit:
            entry = _commit(settings, entry, {file: states[-1] for file, states in files.items()})
    return _conclude(settings, entry, files)


def text_at(file: Path) -> str | None:
    """The text of a file; None if there is none."""
    return file.read_bytes().decode("utf-8") if file.is_file() else None


def _write(files: Mapping[Path, list[str | None]], journal: Path) -> None:
    try:
        for file, states in files.items():
            for draft in file.parent.glob(f".{file.name}.[0-9]*"):
                draft.unlink(missing_ok=True)
            if text_at(file) != states[-1] and states[-1] is not None:
                write_file(file, states[-1])
    except (StorageError, OSError):
        _take_back(files)
        journal.unlink()
        raise


def _take_back(files: Mapping[Path, list[str | None]]) -> None:
    """Give each file that is not a person's by now the text of before."""
    for file, (before, *after) in files.items():
        if text_at(file) in after and text_at(file) != before:
            if before is None:
                file.unlink(missing_ok=True)
            else:
                write_file(file, before)


def _commit(settings: Settings, entry: Entry, texts: Mapping[Path, str | None]) -> Entry:
    """The entry with the commit that its branch holds now, or with what stands in the way."""
    problem = ""
    for _ in range(_TRIES):
        try:
            made = git.make(settings.project, texts, entry.message, settings.lessons_author, _branch(settings))
            if made is None:
                return entry.model_copy(update={"made": None, "obstacle": "git is told to ignore these files"})
            entry = entry.model_copy(update={"made": made})
            _keep(settings, entry)
            git.publish(settings.project, made, entry.message)
            return entry
        except StorageError as error:
            problem = str(error)
    return entry.model_copy(update={"made": None, "obstacle": problem})


def _conclude(settings: Settings, entry: Entry, files: Mapping[Path, list[str | None]]) -> Lesson | None:
    """The lesson names its commit, or why there is none, the index knows of it, and the journal goes."""
    journal = settings.lessons / JOURNAL
    file = settings.lessons / f"{entry.lesson}.md"
    lesson = read(file) if file.is_file() else None
    if entry.made is not None:
        try:
            git.settle(settings.project, entry.made, {each: states[-1] for each, states in files.items()})
        except StorageError:
            return lesson  # the journal stays, so that the next pass lets the index know
    states = next((states for each, states in files.items() if each == file.resolve()), [])
    if lesson is not None and text_at(file) in states:
        made = lesson.but(uncommitted=entry.obstacle)
        if entry.made is not None and lesson.status == "applied":
            made = made.but(commit=entry.made.commit)
        if made != lesson:
            name = str(file.resolve().relative_to(settings.project.resolve()))
            _keep(settings, entry.model_copy(update={"files": entry.files | {name: [*entry.files[name], text_of(made)]}}))
            write_file(file, text_of(made))
        lesson = made
    journal.unlink(missing_ok=True)
    return lesson


def _branch(settings: Settings) -> str | None:
    return settings.lessons_commit.removeprefix("branch:") if settings.lessons_commit.startswith("branch:") else None


def _keep(settings: Settings, entry: Entry) -> None:
    write_file(settings.lessons / JOURNAL, entry.model_dump_json())


def _read(journal: Path) -> Entry:
    try:
        return Entry.model_validate_json(journal.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        told = " ".join(str(error).split())[:200]
        raise DocumentError(
            f"is no journal of the learning loop ({told}); remove it, and look at `git status`", journal
        ) from None


def _inside(settings: Settings, journal: Path, name: str) -> Path:
    """A file that a journal names: below playbooks/, covenants/ or lessons/ of the project, and nowhere else."""
    file = (settings.project / name).resolve()
    if not any(file.is_relative_to(room.resolve()) for room in (settings.playbooks, settings.covenants, settings.lessons)):
        raise DocumentError(
            f"is no journal of the learning loop: {name} is outside of playbooks/, covenants/ and lessons/; remove it", journal
        )
    return file
