"""Lessons: one Markdown file per distinct gap, written from its validated front matter (`prose.py`).

Those that are open, or that a run may still judge, lie in `lessons/`; what is over lies in `lessons/archive/` (`archive.py`).
Of a lesson that git holds, what runs only counted since lies in `.state/` beside it (`books.py`), and is read with it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from filelock import FileLock, Timeout
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from spectra_assets.draft import is_draft, write_whole
from spectra_assets.errors import DocumentError, RequestError, StorageError, one_of
from spectra_assets.lakehouse.failure import writing
from spectra_assets.learning.gap import FACTS, Cause, Echo, Fact, Gap
from spectra_assets.learning.prose import QUOTED, bounded, text_of
from spectra_assets.learning.remedy.model import Remedy
from spectra_assets.names import check_source

Status = Literal["observed", "proposed", "proven", "applied", "verified", "ineffective", "reverted"]

MOST_RETURNS = 3
"""Times a gap may come back after a remedy; then only a person goes on."""

ARCHIVE = "archive"
"""Folder below the lessons of those that are over."""

ECHOES = 20
"""Other gates that a lesson names at most."""

STATE = ".state"
"""Folder beside lessons for what is the machine's alone; git is told to ignore it."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LOCK_SECONDS = 60
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


def _said(most: int) -> BeforeValidator:
    """A text is cut to so many characters, on one line, without what can't be shown."""
    return BeforeValidator(lambda value: bounded(value, most) if isinstance(value, str) else value)


class Outcome(StrEnum):
    """What became of a remedy that did not help."""

    UNPROVEN = "unproven"
    UNAPPLIED = "unapplied"
    """The documents did not take it."""
    REJECTED = "rejected"
    """By a person, as REVERTED: neither is proposed again."""
    REVERTED = "reverted"
    FAILED = "failed"
    """It was used, and a run showed that it does not hold."""
    OUTDATED = "outdated"
    """It held until the source went back to how it was before: it may be used again."""


class Tried(BaseModel):
    """A remedy that did not help: `key` is what it is known by, `remedy` and `outcome` tell a person what it was, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = ""
    """Empty in lessons that were written before it was kept: they know a remedy by its words."""
    how: Outcome
    remedy: Annotated[str, _said(2000)]
    outcome: Annotated[str, _said(1000)]

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, values: Any) -> Any:
        """Lessons written before `how` told it by words alone."""
        if not isinstance(values, Mapping) or "how" in values:
            return values
        told = str(values.get("outcome", ""))
        return {**values, "how": next((how for words, how in _WORDS.items() if told.startswith(words)), Outcome.FAILED)}

    @classmethod
    def of(cls, remedy: Remedy, how: Outcome, why: str) -> Tried:
        """The remedy, with what became of it."""
        return cls(key=remedy.key, how=how, remedy=remedy.said, outcome=why)

    def is_of(self, remedy: Remedy) -> bool:
        """Whether it is about this remedy."""
        return self.key == remedy.key if self.key else self.remedy == bounded(remedy.said, 2000)


_WORDS = {
    "not proven": Outcome.UNPROVEN,
    "could not be applied": Outcome.UNAPPLIED,
    "a person rejected it": Outcome.REJECTED,
    "a person took it back": Outcome.REVERTED,
}


class Lesson(BaseModel):
    """The front matter of a lesson. Times are UTC, ISO 8601."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,110}$")
    fingerprint: str = Field(pattern=r"^[0-9a-f]{64}$")
    status: Status = "observed"
    source: str
    stage: str
    table: str
    check: str
    cause: Cause
    subject: str = Field(default="", max_length=200)
    """What the gap is about within its table: a field, an entity, an endpoint, a column."""
    entity: str | None = None
    severity: Literal["ERROR", "WARN"]
    seen: int = Field(ge=1)
    helped: int = Field(default=0, ge=0)
    """Runs whose gate passed under the lesson's rule."""
    harmed: int = Field(default=0, ge=0)
    """Runs in which something failed under it that had not failed before."""
    returned: int = Field(default=0, ge=0)
    """Times the gap came back although a remedy had been applied."""
    first_seen: str
    last_seen: str
    last_run: str
    covenant_version: str
    failed_rows: int | None = None
    total_rows: int | None = None
    message: Annotated[str, _said(QUOTED)] = ""
    evidence: tuple[Fact, ...] = Field(default=(), max_length=FACTS)
    remedy: Remedy | None = None
    """The one that is proposed, proven or applied."""
    playbook: str | None = None
    """`file:line` of the rule, step or gate that it brought."""
    applied_at: str | None = None
    applied_version: str | None = None
    """Version of the covenant with it."""
    commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{7,64}$")
    uncommitted: Annotated[str | None, _said(500)] = None
    """Why what it changed is in no commit, where it should be."""
    judged_run: str | None = None
    judged_at: str | None = None
    """The last run that said whether what was applied holds, and when: no run says so twice."""
    standard: str | None = Field(default=None, max_length=120)
    """Id of the rule in STANDARDS.md to which it was raised."""
    tried: tuple[Tried, ...] = Field(default=(), max_length=20)
    question: Annotated[str | None, _said(2000)] = None
    """What a person is asked."""
    closed: Annotated[str | None, _said(500)] = None
    """Why there is nothing to do any more, where no rule did it."""
    withdrawn_at: str | None = None
    """When what it had brought was taken back because the source is as it was before."""
    quiet: int = Field(default=0, ge=0)
    """Runs without the gap since it was closed."""
    many: int | None = Field(default=None, ge=1)
    """So many gaps share this lesson, as far as one run showed; None: it is about one."""
    despite: tuple[str, ...] = Field(default=(), max_length=ECHOES)
    """`stage.table:gate` of what its proof saw fail with the remedy and without it: another gap, which this one had hidden."""
    also: tuple[Echo, ...] = Field(default=(), max_length=ECHOES)
    """Other gates that show the same: they have no lesson of their own as long as this one is open."""
    evaluations: tuple[str, ...] = ()

    @property
    def full_table(self) -> str:
        """`stage.table`."""
        return f"{self.stage}.{self.table}"

    @property
    def open(self) -> bool:
        """Whether the loop still has something to do or to ask."""
        return self.status in ("observed", "ineffective", "reverted") and self.closed is None

    @property
    def waits(self) -> bool:
        """Whether a remedy waits for a person."""
        return self.status in ("proposed", "proven")

    @property
    def curable(self) -> bool:
        """Whether a remedy may be looked for: not for a crowd of gaps, for which one rule each would be no remedy."""
        return self.open and self.many is None

    def gap(self) -> Gap:
        """The gap as it was seen last."""
        return Gap(
            source=self.source,
            stage=self.stage,
            table=self.table,
            check=self.check,
            severity=self.severity,
            covenant_version=self.covenant_version,
            run_id=self.last_run,
            evaluation=self.evaluations[-1] if self.evaluations else "",
            seen_at=self.last_seen,
            cause=self.cause,
            subject=self.subject,
            entity=self.entity,
            failed=self.failed_rows,
            total=self.total_rows,
            message=self.message,
            evidence=self.evidence,
            also=self.also,
        )

    def but(self, **changes: Any) -> Lesson:
        """The lesson with these changes, validated."""
        return Lesson.model_validate({**{name: getattr(self, name) for name in type(self).model_fields}, **changes})


def read(file: Path) -> Lesson:
    """The lesson in `file`, with what was counted since. Raises DocumentError naming file, line, key and what is valid."""
    try:
        text = file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"can't be read: {error}", file) from None
    return _counted_since(file, text) or parse(text, file)


def parse(text: str, file: Path) -> Lesson:
    """The lesson that a text holds. Raises as `read`."""
    front = _FRONT.match(text)
    if not front:
        raise DocumentError("a lesson starts with front matter between two lines of ---", file, 1)
    try:
        content = yaml.load(front[1], Loader=_LOADER)  # noqa: S506 (the safe loader's C form)
        lesson = Lesson.model_validate(content)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DocumentError(
            f"front matter is not valid YAML: {getattr(error, 'problem', error)}", file, mark.line + 2 if mark else 1
        ) from None
    except ValidationError as error:
        # a misspelt key is told before the one that is missing for it
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"])
        valid = f"; valid keys: {', '.join(Lesson.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise DocumentError(f"{key}: {first['msg']}{valid}", file, _line(front[1], key)) from None
    if lesson.id != file.stem:
        raise DocumentError(f"id is {lesson.id!r}; the file's name says {file.stem!r}", file, _line(front[1], "id"))
    return lesson


def read_all(folder: Path, source: str | None = None) -> list[Lesson]:
    """All lessons by id, of one source if given, without the archive. Raises DocumentError at the first malformed one."""
    form = "*.md"
    if source is not None:
        form = f"{prefix(check_source(source))}*.md"
    lessons = [read(file) for file in sorted(folder.glob(form)) if file.name != "README.md"]
    return [lesson for lesson in lessons if source is None or lesson.source == source]


def prefix(source: str) -> str:
    """How the ids of a source's lessons begin."""
    return re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-") + "-"


def place(folder: Path, lesson_id: str) -> Path | None:
    """The lesson's file, in the archive or not; None if there is none."""
    files = (folder / f"{lesson_id}.md", folder / ARCHIVE / f"{lesson_id}.md")
    return next((file for file in files if file.is_file()), None)


def find(folder: Path, lesson_id: str) -> Lesson:
    """The lesson of this id, or of the only id that begins so, or ends with these characters after its last dash.

    Raises RequestError naming the lessons there are.
    """
    files = [*folder.glob("*.md"), *(folder / ARCHIVE).glob("*.md")]
    known = {each.stem for each in files} - {"README"}
    alike = [name for name in sorted(known) if lesson_id and (name.startswith(lesson_id) or name.endswith(f"-{lesson_id}"))]
    found = [lesson_id] if lesson_id in known else alike
    if len(found) == 1 and (file := place(folder, found[0])) is not None:
        return read(file)
    if found:
        raise RequestError(f"{len(found)} lessons begin or end with {lesson_id!r}: {one_of(found)}")
    if not known:
        raise RequestError(f"there is no lesson {lesson_id!r}: there are none yet, for no gate has failed")
    raise RequestError(f"there is no lesson {lesson_id!r}; there are {one_of(known)} (`solution-engine lessons list`)")


def show(folder: Path, lesson_id: str) -> str:
    """The text of one lesson. Raises RequestError naming the lessons there are."""
    return text_of(find(folder, lesson_id))


def save(folder: Path, lesson: Lesson) -> None:
    """Write the lesson, whole or not at all; the caller holds the folder's lock. Raises StorageError."""
    write(folder / f"{lesson.id}.md", text_of(lesson))
    others = (state_of(folder / f"{lesson.id}.md"), _gone(folder, lesson.id), folder / ARCHIVE / f"{lesson.id}.md")
    for file in others:
        file.unlink(missing_ok=True)


def remove(folder: Path, ids: Iterable[str]) -> None:
    """Remove lessons that are told elsewhere by now, or were none, and note that it was not a person; the caller holds the
    folder's lock."""
    for name in ids:
        _gone(folder, name).touch()
        (folder / f"{name}.md").unlink(missing_ok=True)
        state_of(folder / f"{name}.md").unlink(missing_ok=True)


def removed(folder: Path) -> set[str]:
    """Ids of the lessons that the machine removed, until they are forgotten."""
    return {file.stem for file in (folder / STATE).glob("*.gone")}


def forget(folder: Path, ids: Iterable[str]) -> None:
    """Nobody needs to know any more that these were removed; the caller holds the folder's lock."""
    for name in ids:
        _gone(folder, name).unlink(missing_ok=True)


def _gone(folder: Path, lesson_id: str) -> Path:
    return folder / STATE / f"{lesson_id}.gone"


def _line(front: str, key: str) -> int:
    first = key.split(".", 1)[0]
    return next((n for n, line in enumerate(front.splitlines(), 2) if line.startswith(f"{first}:")), 1)


# ---------------------------------------------------------------- what was counted since


def state_of(file: Path) -> Path:
    """Where lies what was counted since a lesson's file was written."""
    return file.parent / STATE / f"{file.stem}.json"


def set_aside(file: Path, lesson: Lesson, text: str) -> None:
    """Keep what the lesson counts beside its file, which holds `text`, or will at once: of any other text it does not count.

    The caller holds the folder's lock. Raises StorageError.
    """
    _room(file.parent)
    write(state_of(file), json.dumps({"of": _digest(text), "lesson": lesson.model_dump(mode="json")}, ensure_ascii=False))


def _counted_since(file: Path, text: str) -> Lesson | None:
    """The lesson as it was counted last; None if it is as its file says."""
    try:
        held = json.loads(state_of(file).read_text(encoding="utf-8"))
        return Lesson.model_validate(held["lesson"]) if held["of"] == _digest(text) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nothing was counted; or the counts are spoilt, and begin at the file again


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# ---------------------------------------------------------------- files


def write(file: Path, text: str) -> None:
    """Replace the file's text at once. Raises StorageError."""
    try:
        write_whole(file, text, durable=True)
    except OSError as error:
        raise StorageError(f"can't write {file}: {error.strerror}") from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only this process changes lessons, and what they change, meanwhile. Raises StorageError for the lock, and for what tells of
    the disk while it is held, with the file that it is about."""
    lock = folder / STATE / "lock"
    try:
        _room(folder)
        held = FileLock(lock, timeout=_LOCK_SECONDS, is_singleton=True).acquire()  # who holds it may take it again
    except Timeout:
        raise StorageError(f"another process has held {lock} for {_LOCK_SECONDS} seconds") from None
    except OSError as error:
        raise StorageError(f"can't write lessons to {folder}: {error.strerror}") from None
    with held, writing(str(folder)):
        yield


def sweep(folder: Path) -> None:
    """Remove what processes that were killed left half written; the caller holds the lessons' lock."""
    for room in (folder, folder / STATE):
        for file in room.iterdir() if room.is_dir() else ():
            if is_draft(file):
                file.unlink(missing_ok=True)


def _room(folder: Path) -> None:
    """The folder for what is the machine's alone, which git ignores by a file of its own. Raises OSError."""
    (folder / STATE).mkdir(parents=True, exist_ok=True)
    if not (folder / STATE / ".gitignore").exists():
        (folder / STATE / ".gitignore").write_text("*\n", encoding="utf-8")
