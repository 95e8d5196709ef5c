"""A remedy applied and taken back: lesson, playbook and covenants together, as one commit, whole or not at all (`journal.py`)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from spectra_assets.covenant.canon import Canon
from spectra_assets.covenant.files import covenant_file, covenant_files, read
from spectra_assets.covenant.files import text_of as covenant_text
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import MissingInputError, RequestError, SpectraError
from spectra_assets.intelligence.model import Pack, load_pack
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.archive import everything
from spectra_assets.learning.journal import carry_out, text_at
from spectra_assets.learning.lesson import Lesson, Outcome, Tried, find
from spectra_assets.learning.prose import text_of, times
from spectra_assets.learning.remedy.model import AddGate, AddRule, Edit, Remedy, TakeBack
from spectra_assets.playbook.edit import add_gate, add_rule, add_step, remove_marked, remove_rule
from spectra_assets.playbook.model import STANDARDS
from spectra_assets.settings import Settings
from spectra_assets.stages.adoption import keep_canon, kept_canon, published, taken_over
from spectra_assets.stages.asking.sampling import forget_drifted
from spectra_assets.stages.design import canon_of, design


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
        if isinstance(edit, TakeBack):
            texts |= removed(playbooks, edit.added, edit.lesson, edit.standard) if edit.added is not None else {}
        elif isinstance(edit, AddRule):
            texts[edit.file] = add_rule(path, {"id": rule_id(lesson), **edit.rule, "lesson": lesson})
        elif isinstance(edit, AddGate):
            texts[edit.file] = add_gate(path, edit.gate, edit.tables, edit.severity, f"{edit.text} {mark(lesson)}")
        else:
            prose = f"{edit.prose} {mark(lesson)}"
            texts[edit.file] = add_step(path, edit.title, prose, edit.action, edit.makes, edit.before)
    return texts


def removed(playbooks: Path, added: Edit, lesson: str, standard: str | None = None) -> dict[str, str]:
    """File below `playbooks` → its text without what a lesson added, and without the standard that was made of it; what a person
    removed already is not missed. Raises DocumentError if it can't be removed alone."""
    texts: dict[str, str] = {}
    path = playbooks / added.file
    text = text_at(path) or ""
    if rule_id(lesson) in text or mark(lesson) in text:
        is_rule = isinstance(added, AddRule)
        texts[added.file] = remove_rule(path, rule_id(lesson)) if is_rule else remove_marked(path, mark(lesson))
    if standard is not None and standard in (text_at(playbooks / STANDARDS) or ""):
        texts[STANDARDS] = remove_rule(playbooks / STANDARDS, standard)
    return texts


def apply(settings: Settings, lesson: Lesson, remedy: Remedy, canon: Canon | None = None) -> Lesson:
    """Apply the remedy: the lesson, now `applied`; or as it was, where another one's was taken back, which is `reverted` then.

    `canon` is what the proof of that found out where a rule had said so before. The caller holds the lessons' lock.

    Raises DocumentError if playbooks or covenant don't take it, StorageError; then nothing has changed.
    """
    edit = remedy.edits[0]
    if isinstance(edit, TakeBack):
        if edit.entity:
            forget_drifted(Lakehouse(settings.lakehouse_root, lesson.source), edit.entity)
        other = edit.added is not None
        return _withdraw(settings, lesson, edit.lesson, canon) if other else _find_out_again(settings, lesson, canon)
    texts = changed(settings.playbooks, remedy, lesson.id)
    covenants, version = _covenants(settings, lesson.source, texts, _is_scoped(remedy, lesson.source), keep=True)
    made = lesson.but(
        status="applied",
        remedy=remedy,
        playbook=_place(texts, lesson.id),
        applied_at=_now(),
        applied_version=version,
        judged_run=None,
        judged_at=None,
        question=None,
        closed=None,
        withdrawn_at=None,
        commit=None,
        uncommitted=None,
    )
    files = _files(settings, texts) | covenants | _told(settings, [made])
    own = [file for file in covenants if _designed(settings, file)]
    return carry_out(settings, files, lesson.id, f"Lesson {lesson.id}: {words(remedy)}"[:200], own)


def words(remedy: Remedy) -> str:
    """What a remedy does, without any text that a source gave: a commit's message may command whoever reads it."""
    edit = remedy.edits[0]
    if isinstance(edit, AddRule):
        return f"rule {edit.rule['kind']}"
    if isinstance(edit, TakeBack):
        return f"without {edit.lesson}"
    return f"gate {edit.gate}" if isinstance(edit, AddGate) else f"step {edit.action}"


def take_back(settings: Settings, lesson: Lesson, status: str, why: str, how: Outcome = Outcome.FAILED) -> Lesson:
    """Take the lesson's remedy back: the lesson with the new status. The caller holds the lessons' lock. Raises as `apply`.

    What a person removed already is not missed. A standard that was made of the lesson goes too: it held for fewer sources.
    """
    made = _without_remedy(lesson, status, why, how)
    return _carry_back(settings, lesson, (made,), made.id, f"Lesson {lesson.id} taken back: {status}")


def _withdraw(settings: Settings, lesson: Lesson, of: str, canon: Canon | None) -> Lesson:
    """Take back what the lesson `of` brought, as `lesson` is proven to be mended by that: the source is as it was before. Raises
    RequestError if nothing of it stands."""
    other = find(settings.lessons, of)
    if other.remedy is None or other.playbook is None:
        raise RequestError(f"{other.id} is {other.status}: nothing that it brought stands, so that nothing can be taken back")
    why = f"{lesson.check} on {lesson.full_table} passes without it: the source is as it was before (lesson {lesson.id})"
    closed = f"It held {times(other.helped)}, until the source went back to how it was (lesson {lesson.id})."
    made = _without_remedy(other, "reverted", why, Outcome.OUTDATED).but(closed=closed, withdrawn_at=_now(), quiet=0)
    mine = lesson.but(status="observed", remedy=None, question=None, closed=None)
    told = f"Lesson {other.id} taken back: the source is as it was before"
    return _carry_back(settings, other, (made, mine), mine.id, told, canon)


def _find_out_again(settings: Settings, lesson: Lesson, canon: Canon | None) -> Lesson:
    """The same of the lesson's own remedy, which was taken back since it held no more: it did as long as the source was so, and
    what is left to do is a covenant by what is found out without it."""
    closed = f"It held {times(lesson.helped)}, until the source went back to how it was."
    tried = (*lesson.tried[:-1], *(each.model_copy(update={"how": Outcome.OUTDATED}) for each in lesson.tried[-1:]))
    made = lesson.but(status="reverted", remedy=None, closed=closed, withdrawn_at=_now(), quiet=0, question=None, tried=tried)
    told = f"Lesson {lesson.id} taken back: the source is as it was before"
    return _carry_back(settings, made, (made,), made.id, told, canon)


def _without_remedy(lesson: Lesson, status: str, why: str, how: Outcome) -> Lesson:
    assert lesson.remedy is not None  # noqa: S101  (the caller's condition)
    tried = kept((*lesson.tried, Tried.of(lesson.remedy, how, why)))
    return lesson.but(status=status, playbook=None, applied_at=None, applied_version=None, commit=None, uncommitted=None,
                      remedy=None, standard=None, question=None, tried=tried)  # fmt: skip


def _carry_back(
    settings: Settings, lesson: Lesson, made: Sequence[Lesson], about: str, told: str, canon: Canon | None = None
) -> Lesson:
    """Write the documents without what `lesson` brought, with these lessons; the one that it is `about`."""
    files, others = _taken_back(settings, lesson, keep=True, canon=canon)
    own = [file for file in files if file.parent == settings.covenants and _designed(settings, file)]
    return carry_out(settings, files | _told(settings, (*others, *made)), about, told, own)


def without(settings: Settings, lesson: Lesson) -> tuple[dict[str, str], list[Lesson]]:
    """File below `playbooks` → its text without what the lesson brought, and other lessons that lose their standard with it.
    Nothing of one whose remedy is gone already.

    Raises DocumentError if it can't be removed alone.
    """
    if lesson.remedy is None:
        return {}, []
    texts = removed(settings.playbooks, lesson.remedy.edits[0], lesson.id, lesson.standard)
    if lesson.standard is None or STANDARDS not in texts:
        return texts, []
    others = [each for each in everything(settings.lessons) if each.standard == lesson.standard and each.id != lesson.id]
    return texts, [each.but(standard=None) for each in others]


def kept(tried: Sequence[Tried], most: int = 20) -> tuple[Tried, ...]:
    """What is remembered of what was tried: what a person rejected before all, then the last ones."""
    said = [each for each in tried if each.how in (Outcome.REJECTED, Outcome.REVERTED)]
    rest = [each for each in tried if each not in said]
    chosen = [*said[-most:], *rest[max(0, len(rest) + len(said[-most:]) - most) :]]
    return tuple(each for each in tried if each in chosen)[-most:]


def raise_to_standard(settings: Settings, lessons: Sequence[Lesson], rule: str, texts: Mapping[str, str]) -> list[Lesson]:
    """Write the standards with a rule that held for these lessons, which name it from now on, and the covenants, which name the
    documents that they were made by. The caller holds the lock."""
    made = [lesson.but(standard=rule) for lesson in lessons]
    covenants, _ = _covenants(settings, made[0].source, texts, alone=False, keep=True)
    files = _files(settings, texts) | covenants | _told(settings, made)
    own = [file for file in covenants if _designed(settings, file)]
    carry_out(settings, files, made[0].id, f"Standard {rule}: held for {len(made)} lessons", own)
    return made


def difference(settings: Settings, lesson: Lesson, remedy: Remedy) -> dict[Path, tuple[str, str]]:
    """File → its text before and after, as `apply` would write them, without the lesson."""
    edit = remedy.edits[0]
    if isinstance(edit, TakeBack):
        return difference_without(settings, find(settings.lessons, edit.lesson))
    texts = changed(settings.playbooks, remedy, lesson.id)
    covenants, _ = _covenants(settings, lesson.source, texts, _is_scoped(remedy, lesson.source))
    return _both(_files(settings, texts) | covenants)


def difference_without(settings: Settings, lesson: Lesson) -> dict[Path, tuple[str, str]]:
    """The same of taking it back."""
    return _both(_taken_back(settings, lesson)[0])


def _both(files: Mapping[Path, str]) -> dict[Path, tuple[str, str]]:
    return {file: (text_at(file) or "", text) for file, text in files.items()}


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


def _covenants(
    settings: Settings,
    source: str,
    texts: Mapping[str, str],
    alone: bool,
    keep: bool = False,
    canon: Canon | None = None,
) -> tuple[dict[Path, str], str | None]:
    """Covenant file → its new text, of the source, and unless the texts are about it `alone`, of every other one that the same
    playbooks change; the source's version. The source's is made from the `canon`, if one is given.

    With `keep` the lakehouses remember from which canon each was made, beside that of the one in force: they are about to be
    written. A source that never came as far as its canon has none yet: Design makes it in the next run.
    """
    found: dict[Path, str] = {}
    version = None
    with scratch(settings, texts) as other:
        for file in covenant_files(settings.covenants):
            mine = file.stem == source
            if not mine and alone:
                continue
            try:
                pack = load_pack(file.stem, settings.intelligence)
                made = _taken(other, pack, file, keep, canon if mine else None)
            except MissingInputError:
                continue
            except SpectraError:
                if mine:
                    raise
                continue
            text = covenant_text(made)
            version = made.version if mine else version
            if text != text_at(file) and (mine or _same_but(settings, file, made.version)):
                found[covenant_file(settings.covenants, file.stem)] = text
    return found, version


def _taken(settings: Settings, pack: Pack, file: Path, keep: bool, canon: Canon | None) -> Covenant:
    """The covenant with what the playbooks say now; what of the data would break the one in force is not taken over with it."""
    now = read(file)
    taken = taken_over(settings, pack, now, published(settings, now), canon)
    if keep and taken.kept:
        keep_canon(settings, taken.covenant, taken.canon)
    return taken.covenant


def _designed(settings: Settings, file: Path) -> bool:
    """Whether a covenant is just as Design made it of the present playbooks, and nobody has edited it: a run took over what the
    data gained, and did not commit it."""
    try:
        pack, now = load_pack(file.stem, settings.intelligence), read(file)
        canon = kept_canon(settings, now)
        return canon is not None and covenant_text(design(settings, pack, canon)[0]) == text_at(file)
    except SpectraError:
        return False


def _is_scoped(remedy: Remedy | None, source: str) -> bool:
    """Whether a remedy is about this source alone; None: it is gone already, and nothing of the documents changes."""
    if remedy is None:
        return True
    edit = remedy.edits[0]
    return isinstance(edit, AddRule) and edit.rule.get("scope", {}).get("source") == source


def _same_but(settings: Settings, file: Path, version: str) -> bool:
    """Whether another source's covenant is what the present playbooks say, so that only the remedy changes it."""
    pack = load_pack(file.stem, settings.intelligence)
    now, _ = design(settings, pack, canon_of(settings, pack))
    return now.version == read(file).version != version


def _taken_back(
    settings: Settings, lesson: Lesson, keep: bool = False, canon: Canon | None = None
) -> tuple[dict[Path, str], list[Lesson]]:
    """Playbook and covenant files with their texts without what the lesson brought; other lessons that lose their standard."""
    texts, others = without(settings, lesson)
    alone = not others and _is_scoped(lesson.remedy, lesson.source)
    covenants, _ = _covenants(settings, lesson.source, texts, alone, keep, canon)
    return _files(settings, texts) | covenants, others


def _files(settings: Settings, texts: Mapping[str, str]) -> dict[Path, str]:
    return {settings.playbooks / name: text for name, text in texts.items()}


def _told(settings: Settings, lessons: Iterable[Lesson]) -> dict[Path, str]:
    """File of each lesson → its text."""
    return {settings.lessons / f"{lesson.id}.md": text_of(lesson) for lesson in lessons}


def _place(texts: Mapping[str, str], lesson: str) -> str:
    """`file:line` of what a lesson brought."""
    (name, text), *_ = texts.items()
    wanted = (rule_id(lesson), mark(lesson))
    line = next((n for n, each in enumerate(text.splitlines(), 1) if any(word in each for word in wanted)), 1)
    return f"{name}:{line}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
