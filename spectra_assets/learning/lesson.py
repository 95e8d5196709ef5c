"""Lessons: one Markdown file per distinct gap, with validated front matter. Writing one is idempotent.

Text that came from an API or an error is untrusted: it stands only in a fenced block, bounded, with nothing that could end it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import yaml
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spectra_assets.errors import DocumentError, RequestError, StorageError, one_of
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.names import check_source

Status = Literal["observed", "proposed", "proven", "applied", "verified", "ineffective", "reverted"]

REMEMBERED = 50
"""Evaluations a lesson remembers, so that a crash between writing it and noting the run counts nothing twice."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_QUOTE_LIMIT = 600
_LOCK_SECONDS = 30
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


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
    severity: Literal["ERROR", "WARN"]
    seen: int = Field(ge=1)
    helped: int = Field(default=0, ge=0)
    harmed: int = Field(default=0, ge=0)
    first_seen: str
    last_seen: str
    last_run: str
    covenant_version: str
    subject: str = Field(default="", max_length=200)
    """What the gap is about within its table: a field, an entity, an endpoint, a column."""
    entity: str | None = None
    failed_rows: int | None = None
    total_rows: int | None = None
    evaluations: tuple[str, ...] = ()


def record(folder: Path, gaps: Iterable[Gap]) -> list[Lesson]:
    """Write or update one lesson per distinct gap; an evaluation that a lesson already counted changes nothing.

    Returns the lessons that changed. Raises DocumentError for a malformed lesson, StorageError if the folder can't be written.
    """
    changed = {}
    with _locked(folder):
        for gap in gaps:
            file = folder / f"{gap.lesson_id}.md"
            known = read(file) if file.is_file() else None
            if known and gap.evaluation in known.evaluations:
                continue
            lesson = _counted(known, gap)
            _write(file, _text(lesson, gap))
            changed[lesson.id] = lesson
    return list(changed.values())


def read(file: Path) -> Lesson:
    """The lesson in `file`. Raises DocumentError naming file, line, key and what is valid."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"can't be read: {error}", file) from None
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
    """All lessons by id, of one source if given. Raises DocumentError at the first malformed one."""
    if source is not None:
        check_source(source)
    lessons = [read(file) for file in sorted(folder.glob("*.md")) if file.name != "README.md"]
    return [lesson for lesson in lessons if source is None or lesson.source == source]


def show(folder: Path, lesson_id: str) -> str:
    """The text of one lesson. Raises RequestError naming the lessons there are."""
    known = {lesson.id for lesson in read_all(folder)}
    if lesson_id not in known:
        raise RequestError(f"there is no lesson {lesson_id!r}; there are {one_of(known)}")
    return (folder / f"{lesson_id}.md").read_text(encoding="utf-8")


def _counted(known: Lesson | None, gap: Gap) -> Lesson:
    return Lesson(
        id=gap.lesson_id,
        fingerprint=gap.fingerprint,
        status=known.status if known else "observed",
        source=gap.source,
        stage=gap.stage,
        table=gap.table,
        check=gap.check,
        cause=gap.cause,
        subject=gap.subject,
        entity=gap.entity,
        severity="WARN" if gap.severity == "WARN" else "ERROR",
        seen=known.seen + 1 if known else 1,
        helped=known.helped if known else 0,
        harmed=known.harmed if known else 0,
        first_seen=known.first_seen if known else gap.seen_at,
        last_seen=gap.seen_at,
        last_run=gap.run_id,
        covenant_version=gap.covenant_version,
        failed_rows=gap.failed,
        total_rows=gap.total,
        evaluations=(*(known.evaluations if known else ()), gap.evaluation)[-REMEMBERED:],
    )


def _text(lesson: Lesson, gap: Gap) -> str:
    front = yaml.safe_dump(lesson.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    counted = "" if lesson.failed_rows is None else f" {lesson.failed_rows} of {lesson.total_rows} rows failed last time."
    blocked = "The tables after it did not run; its last good version stayed." if lesson.severity == "ERROR" else "It only warns."
    return (
        f"---\n{front}---\n\n"
        f"# {lesson.check} failed on {lesson.source}/{lesson.stage}/{lesson.table}\n\n"
        f"Seen {times(lesson.seen)}, first {lesson.first_seen}, last {lesson.last_seen} in run {lesson.last_run}, "
        f"under covenant version {lesson.covenant_version}.{counted} {blocked}\n\n"
        f"## What the gate said\n\n{quoted(gap.message)}\n\n"
        f"## Cause\n\n{lesson.cause.replace('_', ' ').capitalize()}, as far as the gate alone can tell.\n"
    )


def times(count: int) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count} times"


def quoted(text: str) -> str:
    """Untrusted text as a fenced block: bounded, without control characters or anything that could end the fence."""
    plain = "".join(c if c.isprintable() else " " for c in text.replace("\n", " "))
    plain = plain.replace("`", "'").replace("~", "-")
    if len(plain) > _QUOTE_LIMIT:
        plain = plain[: _QUOTE_LIMIT - 1] + "…"
    return f"~~~text\n{plain or '(nothing)'}\n~~~"


def _line(front: str, key: str) -> int:
    first = key.split(".", 1)[0]
    return next((n for n, line in enumerate(front.splitlines(), 2) if line.startswith(f"{first}:")), 1)


def _write(file: Path, text: str) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise StorageError(f"can't write the lesson {file}: {error.strerror}") from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=_LOCK_SECONDS):
            yield
    except Timeout:
        raise StorageError(f"another process has held {folder / '.lock'} for {_LOCK_SECONDS} seconds") from None
    except OSError as error:
        raise StorageError(f"can't write lessons to {folder}: {error.strerror}") from None
