"""Lessons: one Markdown file per distinct gap, written from its validated front matter. Writing one is idempotent.

Text that came from an API or an error is untrusted: in the front matter it is quoted YAML, bounded; in the prose it stands only
in a fenced block, with nothing that could end it.
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
from spectra_assets.learning.gap import FACTS, Cause, Fact, Gap
from spectra_assets.learning.remedy.model import Remedy
from spectra_assets.names import check_source

Status = Literal["observed", "proposed", "proven", "applied", "verified", "ineffective", "reverted"]

REMEMBERED = 50
"""Evaluations a lesson remembers, so that a crash between writing it and noting the run counts nothing twice."""

MOST_LESSONS = 200
"""Lessons of one source; further gaps are counted in one lesson for all of them."""

MOST_RETURNS = 3
"""Times a gap may come back after a remedy; then only a person goes on."""

ROLLED = "further gaps"
"""Subject of the lesson that counts the gaps beyond MOST_LESSONS."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_QUOTE_LIMIT = 600
_LOCK_SECONDS = 60
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


class Tried(BaseModel):
    """A remedy that did not help, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    remedy: str = Field(max_length=2000)
    outcome: str = Field(max_length=1000)


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
    message: str = Field(default="", max_length=_QUOTE_LIMIT)
    evidence: tuple[Fact, ...] = Field(default=(), max_length=FACTS)
    remedy: Remedy | None = None
    """The one that is proposed, proven or applied."""
    playbook: str | None = None
    """`file:line` of the rule, step or gate that it brought."""
    applied_at: str | None = None
    applied_version: str | None = None
    """Version of the covenant with it."""
    commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{7,64}$")
    standard: str | None = Field(default=None, max_length=120)
    """Id of the rule in STANDARDS.md to which it was raised."""
    tried: tuple[Tried, ...] = Field(default=(), max_length=20)
    question: str | None = Field(default=None, max_length=2000)
    """What a person is asked."""
    closed: str | None = Field(default=None, max_length=500)
    """Why there is nothing to do any more, where no rule did it."""
    evaluations: tuple[str, ...] = ()

    @property
    def full_table(self) -> str:
        """`stage.table`."""
        return f"{self.stage}.{self.table}"

    @property
    def open(self) -> bool:
        """Whether the loop still has something to do or to ask."""
        return self.status in ("observed", "ineffective", "reverted") and self.closed is None and self.subject != ROLLED

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
        )

    def but(self, **changes: Any) -> Lesson:
        """The lesson with these changes, validated."""
        return Lesson.model_validate({**{name: getattr(self, name) for name in type(self).model_fields}, **changes})


def record(folder: Path, gaps: Iterable[Gap]) -> list[Lesson]:
    """Write or update one lesson per distinct gap; an evaluation that a lesson already counted changes nothing.

    Returns the lessons that changed. Raises DocumentError for a malformed lesson, StorageError if the folder can't be written.
    """
    changed = {}
    with locked(folder):
        counts: dict[str, int] = {}
        for gap in gaps:
            file = folder / f"{gap.lesson_id}.md"
            if not file.is_file():
                if gap.source not in counts:
                    counts[gap.source] = len(list(folder.glob(f"{_prefix(gap.source)}*.md")))
                if counts[gap.source] >= MOST_LESSONS:
                    gap = _rolled(gap)
                    file = folder / f"{gap.lesson_id}.md"
                else:
                    counts[gap.source] += 1
            known = read(file) if file.is_file() else None
            if known and gap.evaluation in known.evaluations:
                continue
            lesson = _counted(known, gap)
            save(folder, lesson)
            changed[lesson.id] = lesson
    return list(changed.values())


def _prefix(source: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-") + "-"


def _rolled(gap: Gap) -> Gap:
    """The gap as one of those beyond the number that a source may have."""
    told = f"more than {MOST_LESSONS} different gaps of {gap.source}; the last one: {gap.full_table} {gap.cause} {gap.subject}"
    same = {"stage": "log", "table": "manifest", "check": "further_gaps", "cause": Cause.OTHER, "subject": ROLLED}
    return gap.model_copy(update={**same, "entity": None, "severity": "WARN", "evidence": (), "message": told, "failed": None,
                                  "total": None})  # fmt: skip


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


def find(folder: Path, lesson_id: str) -> Lesson:
    """The lesson of this id. Raises RequestError naming the lessons there are."""
    file = folder / f"{lesson_id}.md"
    known = {each.stem for each in folder.glob("*.md")} - {"README"}
    if lesson_id not in known:
        raise RequestError(f"there is no lesson {lesson_id!r}; there are {one_of(known)}")
    return read(file)


def show(folder: Path, lesson_id: str) -> str:
    """The text of one lesson. Raises RequestError naming the lessons there are."""
    find(folder, lesson_id)
    return (folder / f"{lesson_id}.md").read_text(encoding="utf-8")


def save(folder: Path, lesson: Lesson) -> None:
    """Write the lesson, whole or not at all; the caller holds the folder's lock. Raises StorageError."""
    write(folder / f"{lesson.id}.md", text_of(lesson))


def withdraw(folder: Path, source: str, run_id: str) -> set[str]:
    """Take back the lessons that only this run showed, and that nobody acted on: the run was a try, and what failed in it was
    resolved. Their ids. Raises StorageError and DocumentError."""
    gone = set()
    with locked(folder):
        for lesson in read_all(folder, source):
            only = lesson.seen == len(lesson.evaluations) and all(key.startswith(f"{run_id}:") for key in lesson.evaluations)
            if only and lesson.status in ("observed", "proposed"):
                (folder / f"{lesson.id}.md").unlink(missing_ok=True)
                gone.add(lesson.id)
    return gone


def _counted(known: Lesson | None, gap: Gap) -> Lesson:
    if known is None:
        return Lesson(
            id=gap.lesson_id,
            fingerprint=gap.fingerprint,
            source=gap.source,
            stage=gap.stage,
            table=gap.table,
            check=gap.check,
            cause=gap.cause,
            subject=gap.subject,
            first_seen=gap.seen_at,
            seen=1,
            **_latest(gap),
            evaluations=(gap.evaluation,),
        )
    evaluations = (*known.evaluations, gap.evaluation)[-REMEMBERED:]
    return known.but(seen=known.seen + 1, **_latest(gap), evaluations=evaluations, closed=None)


def _latest(gap: Gap) -> dict[str, Any]:
    """What a lesson tells of the last time."""
    return {
        "entity": gap.entity,
        "severity": "WARN" if gap.severity == "WARN" else "ERROR",
        "last_seen": gap.seen_at,
        "last_run": gap.run_id,
        "covenant_version": gap.covenant_version,
        "failed_rows": gap.failed,
        "total_rows": gap.total,
        "message": _bounded(gap.message),
        "evidence": gap.evidence,
    }


# ---------------------------------------------------------------- as text


def text_of(lesson: Lesson) -> str:
    """The lesson as Markdown: front matter, then prose for people."""
    content = {name: value for name, value in lesson.model_dump(mode="json").items() if value not in (None, [], "")}
    content["evidence"] = [{k: v for k, v in fact.items() if v is not None} for fact in content.get("evidence", [])]
    front = yaml.safe_dump(
        {name: value for name, value in content.items() if value != []}, sort_keys=False, allow_unicode=True, width=120
    )
    parts = [f"# {_title(lesson)}", _told(lesson), f"## What the gate said\n\n{quoted(lesson.message)}", _cause(lesson)]
    return (
        f"---\n{front}---\n\n"
        + "\n\n".join(part for part in (*parts, _remedy(lesson), _tried(lesson), _asked(lesson)) if part)
        + "\n"
    )


def _title(lesson: Lesson) -> str:
    return f"{lesson.check} failed on {lesson.source}/{lesson.stage}/{lesson.table}"


def _told(lesson: Lesson) -> str:
    counted = "" if lesson.failed_rows is None else f" {lesson.failed_rows} of {lesson.total_rows} rows failed last time."
    blocked = "The tables after it did not run; its last good version stayed." if lesson.severity == "ERROR" else "It only warns."
    return (
        f"Status: **{lesson.status}**. Seen {times(lesson.seen)}, first {lesson.first_seen}, last {lesson.last_seen} in run "
        f"{lesson.last_run}, under covenant version {lesson.covenant_version}.{counted} {blocked}"
    )


def _cause(lesson: Lesson) -> str:
    about = f", about\n\n{quoted(lesson.subject)}" if lesson.subject else "."
    return f"## Cause\n\n{lesson.cause.replace('_', ' ').capitalize()}{about}"


def _remedy(lesson: Lesson) -> str:
    if lesson.remedy is None:
        return f"## What became of it\n\n{lesson.closed}" if lesson.closed else ""
    state = {
        "proposed": "Proposed; it waits for a person.",
        "proven": "Proven on recorded answers; not applied yet.",
        "applied": "Applied; the next run shows whether it holds.",
        "verified": f"Applied, and it held: the gate passed {times(lesson.helped)} since.",
        "ineffective": "Applied, and the gap came back.",
        "reverted": "Taken back.",
        "observed": "Thought of.",
    }[lesson.status]
    place = f" It stands at `playbooks/{lesson.playbook}`." if lesson.playbook else ""
    commit = f" Commit {lesson.commit}." if lesson.commit else ""
    commit += f" It holds for every source now, by the rule `{lesson.standard}` of STANDARDS.md." if lesson.standard else ""
    needs = f"\n\nWhy a person decides:\n\n{quoted(lesson.remedy.needs_person)}" if lesson.remedy.needs_person else ""
    text = f"{lesson.remedy.said}. Because {lesson.remedy.why}"
    return f"## Remedy\n\n{state}{place}{commit}\n\n{quoted(text)}{needs}"


def _tried(lesson: Lesson) -> str:
    if not lesson.tried:
        return ""
    return "## Tried before\n\n" + quoted(" // ".join(f"{each.remedy}: {each.outcome}" for each in lesson.tried))


def _asked(lesson: Lesson) -> str:
    return f"## Question to a person\n\n{quoted(lesson.question)}" if lesson.question else ""


def times(count: int) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count} times"


def _bounded(text: str) -> str:
    plain = "".join(char if char.isprintable() else " " for char in text.replace("\n", " "))
    return plain if len(plain) <= _QUOTE_LIMIT else plain[: _QUOTE_LIMIT - 1] + "…"


def quoted(text: str) -> str:
    """Untrusted text as a fenced block: bounded, without control characters or anything that could end the fence."""
    plain = _bounded(text).replace("`", "'").replace("~", "-")
    return f"~~~text\n{plain or '(nothing)'}\n~~~"


def _line(front: str, key: str) -> int:
    first = key.split(".", 1)[0]
    return next((n for n, line in enumerate(front.splitlines(), 2) if line.startswith(f"{first}:")), 1)


# ---------------------------------------------------------------- files


def write(file: Path, text: str) -> None:
    """Replace the file's text at once. Raises StorageError."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
    except OSError as error:
        raise StorageError(f"can't write {file}: {error.strerror}") from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only this process changes lessons, and what they change, meanwhile. Raises StorageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=_LOCK_SECONDS):
            yield
    except Timeout:
        raise StorageError(f"another process has held {folder / '.lock'} for {_LOCK_SECONDS} seconds") from None
    except OSError as error:
        raise StorageError(f"can't write lessons to {folder}: {error.strerror}") from None
