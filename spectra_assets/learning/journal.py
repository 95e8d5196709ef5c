"""The journal: files that change together, and the commit of them, whole or not at all.

What is to be written lies in `lessons/.state/journal.json` first: each file with its text before and after, later the commit
that was made. A process that is killed leaves it, and whoever comes next finishes what it says, or takes it back if a person
changed a file meanwhile. A commit that can't be made (a hook refuses it, HEAD is on no branch) leaves the files changed and a
lesson that says why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from spectra_assets import git
from spectra_assets.errors import DocumentError, StorageError
from spectra_assets.learning.lesson import STATE, Lesson, locked, read, sweep
from spectra_assets.learning.lesson import write as write_file
from spectra_assets.learning.prose import text_of
from spectra_assets.settings import Settings

JOURNAL = f"{STATE}/journal.json"

_TRIES = 3
"""Times a commit is made where another one came between."""


class Entry(BaseModel):
    """What the journal holds. Paths are below the project."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lesson: str
    """The one that it is about; empty: all those among the files."""
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


def carry_out(settings: Settings, files: Mapping[Path, str], lesson: str, message: str, own: Collection[Path] = ()) -> Lesson:
    """Write all files, and commit them: the lesson as it is then. The caller holds the lessons' lock.

    Nobody's changes are committed with them but those in `own`, files which this software wrote as they are.
    Raises StorageError if a file can't be written, or somebody is in the middle of a merge; then nothing has changed.
    """
    finish(settings)
    wanted = commits(settings)
    if wanted and (what := git.busy(settings.project)):
        raise StorageError(f"the repository is in the middle of {what}: nothing is changed until that is ended")
    if waits(settings):
        raise StorageError("git does not know of the last change yet: its index is locked by another process")
    others = {file: text_at(file) for file in files if not file.is_relative_to(settings.lessons) and file not in own}
    obstacle = git.obstacle(settings.project, others, branch_of(settings)) if wanted else None
    _keep(settings, _entry(settings, lesson, message, files, wanted, obstacle))
    return finish(settings) or read(settings.lessons / f"{lesson}.md")


def commit(settings: Settings, files: Mapping[Path, str | None], message: str) -> None:
    """Commit lessons that are written, or gone (None), already; those that can't be committed say why.

    The caller holds the lessons' lock. Raises StorageError.
    """
    obstacle = git.obstacle(settings.project, {}, branch_of(settings))
    _keep(settings, _entry(settings, "", message, files, True, obstacle))
    finish(settings)


def commits(settings: Settings) -> bool:
    """Whether what the loop changes is to be committed."""
    return settings.lessons_commit != "off" and git.root_of(settings.project) is not None


def waits(settings: Settings) -> bool:
    """Whether the last change is not ended: git's index is locked by another process."""
    return (settings.lessons / JOURNAL).is_file()


def branch_of(settings: Settings) -> str | None:
    """The branch for what is learned; None: the current one."""
    return settings.lessons_commit.removeprefix("branch:") if settings.lessons_commit.startswith("branch:") else None


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
    problem, message = "", settings.lessons_message.replace("{message}", entry.message)
    for _ in range(_TRIES):
        try:
            made = git.make(settings.project, texts, message, settings.lessons_author, branch_of(settings))
            if made is None:
                return entry.model_copy(update={"made": None, "obstacle": "git is told to ignore these files"})
            entry = entry.model_copy(update={"made": made})
            _keep(settings, entry)
            git.publish(settings.project, made, message)
            return entry
        except StorageError as error:
            problem = str(error)
    return entry.model_copy(update={"made": None, "obstacle": problem})


def _conclude(settings: Settings, entry: Entry, files: Mapping[Path, list[str | None]]) -> Lesson | None:
    """The index knows of the commit, each lesson says why it is in none, the one that was applied names it, and the journal goes.

    The lesson that it was about.
    """
    journal = settings.lessons / JOURNAL
    place = (settings.lessons / f"{entry.lesson}.md").resolve()
    if entry.made is not None:
        try:
            git.settle(settings.project, entry.made, {each: states[-1] for each, states in files.items()})
        except StorageError:
            return read(place) if place.is_file() else None  # the journal stays, so that the next pass lets the index know
    told = None
    for file, states in files.items():
        if not file.is_relative_to(settings.lessons.resolve()) or not file.is_file() or text_at(file) not in states:
            continue
        lesson = read(file)
        made = lesson.but(uncommitted=entry.obstacle)
        if entry.made is not None and file == place and lesson.status == "applied":
            made = made.but(commit=entry.made.commit)
        if made != lesson:
            name = str(file.relative_to(settings.project.resolve()))
            entry = entry.model_copy(update={"files": entry.files | {name: [*entry.files[name], text_of(made)]}})
            _keep(settings, entry)
            write_file(file, text_of(made))
        told = made if file == place else told
    journal.unlink(missing_ok=True)
    return told


def _entry(
    settings: Settings, lesson: str, message: str, files: Mapping[Path, str | None], wanted: bool, obstacle: str | None
) -> Entry:
    root = settings.project.resolve()
    both = {str(file.resolve().relative_to(root)): [text_at(file), text] for file, text in files.items()}
    return Entry(lesson=lesson, message=message, commit=wanted and not obstacle, obstacle=obstacle, files=both)


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
