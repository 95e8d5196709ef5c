"""A remedy applied and taken back: lesson, playbook and covenants together, as one commit, whole or not at all.

What is to be written lies in a journal first (`lessons/.journal.json`: each file with its text before and after). A process
that is killed leaves it, and whoever comes next finishes what it says, or takes it back if a person changed a file meanwhile.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spectra_assets.covenant.files import covenant_file, covenant_files, read, text_of
from spectra_assets.errors import DocumentError, MissingInputError, SpectraError, StorageError
from spectra_assets.intelligence.model import load_pack
from spectra_assets.learning import git
from spectra_assets.learning.lesson import Lesson, Tried
from spectra_assets.learning.lesson import read as read_lesson
from spectra_assets.learning.lesson import text_of as lesson_text
from spectra_assets.learning.lesson import write as write_file
from spectra_assets.learning.remedy.model import AddGate, AddRule, Remedy
from spectra_assets.playbook.edit import add_gate, add_rule, add_step, remove_marked, remove_rule
from spectra_assets.settings import Settings
from spectra_assets.stages.design import canon_of, design

JOURNAL = ".journal.json"


def rule_id(lesson: str) -> str:
    """Id of the rule that a lesson brings."""
    return f"lesson-{lesson}"[:120]


def mark(lesson: str) -> str:
    """How a gate or step says which lesson it came from."""
    return f"(Lesson: `{lesson}`.)"


def changed(playbooks: Path, remedy: Remedy, lesson: str) -> dict[str, str]:
    """File below `playbooks` → its text with the remedy, marked with the id of its lesson; nothing is written.

    Raises DocumentError if the document does not take it.
    """
    texts: dict[str, str] = {}
    for edit in remedy.edits:
        path = playbooks / edit.file
        if isinstance(edit, AddRule):
            texts[edit.file] = add_rule(path, {"id": rule_id(lesson), **edit.rule, "lesson": lesson})
        elif isinstance(edit, AddGate):
            texts[edit.file] = add_gate(path, edit.gate, edit.tables, edit.severity, f"{edit.text} {mark(lesson)}")
        else:
            prose = f"{edit.prose} {mark(lesson)}"
            texts[edit.file] = add_step(path, edit.title, prose, edit.action, edit.makes, edit.before)
    return texts


def undone(playbooks: Path, remedy: Remedy, lesson: str) -> dict[str, str]:
    """The same without the remedy. Raises DocumentError if it is not there, or can't be removed alone."""
    edit = remedy.edits[0]
    path = playbooks / edit.file
    text = remove_rule(path, rule_id(lesson)) if isinstance(edit, AddRule) else remove_marked(path, mark(lesson))
    return {edit.file: text}


def apply(settings: Settings, lesson: Lesson, remedy: Remedy) -> Lesson:
    """Apply the remedy: the lesson, now `applied`. The caller holds the lessons' lock.

    Raises DocumentError if playbooks or covenant don't take it, StorageError; then nothing has changed.
    """
    texts = changed(settings.playbooks, remedy, lesson.id)
    covenants, version = _covenants(settings, lesson.source, texts, remedy)
    made = lesson.but(
        status="applied",
        remedy=remedy,
        playbook=_place(texts, lesson.id),
        applied_at=_now(),
        applied_version=version,
        question=None,
        closed=None,
    )
    return _carry_out(settings, made, texts, covenants, f"Lesson {lesson.id}: {remedy.said}"[:200])


def take_back(settings: Settings, lesson: Lesson, status: str, why: str) -> Lesson:
    """Take the lesson's remedy back: the lesson with the new status. The caller holds the lessons' lock. Raises as `apply`."""
    assert lesson.remedy is not None  # noqa: S101  (the caller's condition)
    texts = undone(settings.playbooks, lesson.remedy, lesson.id)
    covenants, _ = _covenants(settings, lesson.source, texts, lesson.remedy)
    tried = (*lesson.tried, Tried(remedy=lesson.remedy.said[:2000], outcome=why[:1000]))[-20:]
    made = lesson.but(status=status, playbook=None, applied_at=None, applied_version=None, commit=None, remedy=None, tried=tried)
    return _carry_out(settings, made, texts, covenants, f"Lesson {lesson.id} taken back: {why}"[:200])


def raise_to_standard(settings: Settings, lessons: Sequence[Lesson], rule: str, texts: Mapping[str, str]) -> list[Lesson]:
    """Write the standards with a rule that held for these lessons, which name it from now on. The caller holds the lock."""
    made = [lesson.but(standard=rule) for lesson in lessons]
    files = {settings.playbooks / name: text for name, text in texts.items()}
    clean = _committable(settings, [*files])
    told = {settings.lessons / f"{lesson.id}.md": lesson_text(lesson) for lesson in made}
    _journal(settings, files | told, made[0].id, f"Standard {rule}: held for {len(made)} lessons", clean)
    finish(settings)
    return made


def difference(settings: Settings, lesson: Lesson, remedy: Remedy) -> dict[Path, tuple[str, str]]:
    """File → its text before and after, as `apply` would write them, without the lesson."""
    texts = changed(settings.playbooks, remedy, lesson.id)
    covenants, _ = _covenants(settings, lesson.source, texts, remedy)
    files = {settings.playbooks / name: text for name, text in texts.items()} | covenants
    return {file: (_text(file) or "", text) for file, text in files.items()}


@contextmanager
def scratch(settings: Settings, texts: Mapping[str, str]) -> Iterator[Settings]:
    """A project like this one, with other texts of playbooks: to see what they come to before anything is changed."""
    with tempfile.TemporaryDirectory(prefix="spectra-lesson-") as folder:
        project = Path(folder)
        shutil.copytree(settings.playbooks, project / "playbooks")
        for name, text in texts.items():
            (project / "playbooks" / name).write_text(text, encoding="utf-8", newline="")
        for name in ("covenants", "lessons"):
            (project / name).symlink_to(getattr(settings, name), target_is_directory=True)
        yield settings.model_copy(update={"project": project})


def _covenants(settings: Settings, source: str, texts: Mapping[str, str], remedy: Remedy) -> tuple[dict[Path, str], str | None]:
    """Covenant file → its new text, of the source, and of every other one that the same playbooks change; the source's version.

    A source that never came as far as its canon has none yet: Design makes it in the next run.
    """
    found: dict[Path, str] = {}
    version = None
    with scratch(settings, texts) as other:
        for file in covenant_files(settings.covenants):
            mine = file.stem == source
            if not mine and _is_scoped(remedy, source):
                continue
            try:
                pack = load_pack(file.stem, settings.intelligence)
                made, _ = design(other, pack, canon_of(other, pack))
            except MissingInputError:
                continue
            except SpectraError:
                if mine:
                    raise
                continue
            text = text_of(made)
            version = made.version if mine else version
            if text != _text(file) and (mine or _same_but(settings, file, made.version)):
                found[covenant_file(settings.covenants, file.stem)] = text
    return found, version


def _is_scoped(remedy: Remedy, source: str) -> bool:
    """Whether a remedy is about this source alone."""
    edit = remedy.edits[0]
    return isinstance(edit, AddRule) and edit.rule.get("scope", {}).get("source") == source


def _same_but(settings: Settings, file: Path, version: str) -> bool:
    """Whether another source's covenant is what the present playbooks say, so that only the remedy changes it."""
    pack = load_pack(file.stem, settings.intelligence)
    now, _ = design(settings, pack, canon_of(settings, pack))
    return now.version == read(file).version != version


def _carry_out(
    settings: Settings, lesson: Lesson, texts: Mapping[str, str], covenants: Mapping[Path, str], message: str
) -> Lesson:
    """Write all files, the lesson last, and commit them."""
    file = settings.lessons / f"{lesson.id}.md"
    files = {settings.playbooks / name: text for name, text in texts.items()} | dict(covenants)
    clean = _committable(settings, [*files])
    _journal(settings, files | {file: lesson_text(lesson)}, lesson.id, message, clean)
    return finish(settings) or lesson


def finish(settings: Settings) -> Lesson | None:
    """What a journal says is done to its end, or taken back if a file is neither as before nor as after; the lesson then.

    None if there is no journal. The caller holds the lessons' lock. Raises StorageError.
    """
    journal = settings.lessons / JOURNAL
    if not journal.is_file():
        return None
    try:
        entry: dict[str, Any] = json.loads(journal.read_text(encoding="utf-8"))
        files = {_inside(settings, name): both for name, both in entry["files"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise DocumentError(
            f"is no journal of the learning loop ({error}); remove it, and look at `git status`", journal
        ) from None
    foreign = [file for file, (before, after) in files.items() if _text(file) not in (before, after)]
    if foreign:
        for file, (before, after) in files.items():
            if before is not None and _text(file) == after:
                write_file(file, before)
            elif before is None and _text(file) == after:
                file.unlink(missing_ok=True)
        journal.unlink()
        return None
    for file, (_, after) in files.items():
        if _text(file) != after:
            write_file(file, after)
    lesson = settings.lessons / f"{entry['lesson']}.md"
    made = read_lesson(lesson)
    if entry["commit"] and settings.lessons_commit != "off":
        texts: dict[Path, str | None] = {file: after for file, (_, after) in files.items()}
        branch = settings.lessons_commit.removeprefix("branch:") if settings.lessons_commit != "current" else None
        hashed = git.commit(settings.project, texts, entry["message"], settings.lessons_author, branch)
        if hashed is not None and made.status == "applied":
            made = made.but(commit=hashed)
            write_file(lesson, lesson_text(made))
    journal.unlink(missing_ok=True)
    return made


def _inside(settings: Settings, name: str) -> Path:
    """A file that a journal names: below playbooks/, covenants/ or lessons/ of the project, and nowhere else."""
    file = (settings.project / name).resolve()
    if not any(file.is_relative_to(room.resolve()) for room in (settings.playbooks, settings.covenants, settings.lessons)):
        raise ValueError(f"{name} is outside of playbooks/, covenants/ and lessons/")
    return file


def _journal(settings: Settings, files: Mapping[Path, str], lesson: str, message: str, clean: bool) -> None:
    root = settings.project.resolve()
    entry = {
        "lesson": lesson,
        "message": message,
        "commit": clean,
        "files": {str(file.resolve().relative_to(root)): [_text(file), text] for file, text in files.items()},
    }
    write_file(settings.lessons / JOURNAL, json.dumps(entry, ensure_ascii=False))


def _committable(settings: Settings, files: list[Path]) -> bool:
    """Whether these files can be committed with nobody else's changes in them. A covenant that was never committed can."""
    if settings.lessons_commit == "off" or git.root_of(settings.project) is None:
        return False
    try:
        known = [file for file in files if file.is_relative_to(settings.playbooks) or git.tracked(settings.project, file)]
        return not git.dirty(settings.project, known)
    except StorageError:
        return False


def _place(texts: Mapping[str, str], lesson: str) -> str:
    """`file:line` of what a lesson brought."""
    (name, text), *_ = texts.items()
    wanted = (rule_id(lesson), mark(lesson))
    line = next((n for n, each in enumerate(text.splitlines(), 1) if any(word in each for word in wanted)), 1)
    return f"{name}:{line}"


def _text(file: Path) -> str | None:
    return file.read_bytes().decode("utf-8") if file.is_file() else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
