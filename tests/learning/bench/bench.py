"""One case, from the healthy pipeline to the verified lesson."""

from __future__ import annotations

import io
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dagster as dg

from spectra_assets.covenant.files import covenant_file, read, write
from spectra_assets.covenant.model import Covenant
from spectra_assets.engine.console import Console
from spectra_assets.engine.run import run_sentence
from spectra_assets.engine.source import Options
from spectra_assets.graph import runner
from spectra_assets.graph.learning import look
from spectra_assets.graph.sensor import learn
from spectra_assets.intelligence.model import load_pack
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.lesson import Lesson, read_all
from spectra_assets.learning.person import WAITS, approve
from spectra_assets.learning.remedy.model import RemedyKind
from spectra_assets.names import LOG, Stage
from spectra_assets.settings import Settings
from spectra_assets.stages.adoption import keep_canon, published, taken_over
from spectra_assets.stages.design import canon_of, design
from tests.conformance.discovering import options_of
from tests.conformance.pipeline import new_project
from tests.learning.bench.cases import Case
from tests.learning.bench.truth import changes, faults, others
from tests.learning.bench.worlds import Row, World

_STAGES = tuple(Stage)
_LATER = ("transform.", "refine.", "analyse.", "log.")
_USED = ("applied", "verified", "ineffective", "reverted")


@dataclass
class Verdict:
    """What one case came to. `lessons` are (cause, status) of each; `problems` say what is not as it must be."""

    case: str
    kind: str
    outcome: str
    failed: tuple[str, ...] = ()
    seen: bool = False
    """Run 1 failed at a gate that must say so."""
    healed: bool = False
    """Run 2 passed with right data, with nobody's help."""
    verified: bool = False
    asked: bool = False
    back: str = ""
    """What became of it when the API went back to how it was: it `passes` at once, `heals` alone, `asks`, or what is wrong."""
    back_asks: tuple[str, ...] = ()
    lessons: tuple[tuple[str, str], ...] = ()
    wrong: tuple[str, ...] = ()
    """Data that are not true, after a run that passed."""
    problems: list[str] = field(default_factory=list)
    said: tuple[str, ...] = ()
    """What the loop said, where something is not as it must be."""
    seconds: float = 0.0


class Project:
    """A project folder with one pipeline."""

    def __init__(self, folder: Path, world: World, beside: World | None = None) -> None:
        self.folder = folder
        self.world = world
        self.beside = beside
        self.settings = Settings(project=folder, lakehouse_root=str(folder / "lakehouse"))
        self.source = world.name()
        self.lakehouse = Lakehouse(self.settings.lakehouse_root, self.source)
        self.console = Console(out=io.StringIO())
        self.last_run = ""
        self.said: list[str] = []

    @contextmanager
    def environment(self) -> Iterator[None]:
        """What a person sets for it."""
        values = {
            "SPECTRA_PROJECT": str(self.folder),
            "SPECTRA_LAKEHOUSE": self.settings.lakehouse_root,
            "DAGSTER_HOME": str(self.folder / ".dagster"),
            f"{self.source.upper()}_BASE_URL": self.world.base_url,
            "SPECTRA_LESSONS_COMMIT": "off",
        }
        if self.beside is not None:
            values[f"{self.beside.name().upper()}_BASE_URL"] = self.beside.base_url
        if self.world.token_env is not None:
            values[self.world.token_env] = self.world.credential
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    @property
    def covenant(self) -> Covenant:
        return read(covenant_file(self.settings.covenants, self.source))

    @property
    def lessons(self) -> list[Lesson]:
        return read_all(self.settings.lessons)

    def create(self, new: bool = True) -> None:
        """The pipeline by its sentence, all healthy, in a new project or beside another source's."""
        if new:
            new_project(self.folder)
        with self.environment():
            options = options_of(self.world) if self.world.unknown else Options()
            sentence = f"create SPECTRA pipeline for {self.source}"
            summary = run_sentence(sentence, self.settings, self.console, options=options)
        if not summary.ok:
            raise AssertionError(f"{self.source} is not healthy: {summary.problem}")
        shutil.rmtree(self.settings.lessons)
        self.settings.lessons.mkdir()

    def copy(self, folder: Path) -> Project:
        """The same project in another folder, with no memory of its runs."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns(".dagster"))
        return Project(folder, self.world, self.beside)

    @property
    def other(self) -> Project:
        """The pipeline of the other source in the same project."""
        assert self.beside is not None
        return Project(self.folder, self.beside, self.world)

    def redesign(self) -> None:
        """The covenant by the playbooks as they are now."""
        pack = load_pack(self.source, self.settings.intelligence)
        canon = canon_of(self.settings, pack)
        covenant, _ = design(self.settings, pack, canon)
        write(covenant_file(self.settings.covenants, self.source), covenant)
        keep_canon(self.settings, covenant, canon)

    def adopt(self) -> None:
        """What Prepare samples now is taken over, as far as a run by a sentence takes it over."""
        self.run(Stage.PREPARE)
        pack = load_pack(self.source, self.settings.intelligence)
        made = taken_over(self.settings, pack, self.covenant, published(self.settings, self.covenant))
        write(covenant_file(self.settings.covenants, self.source), made.covenant)
        keep_canon(self.settings, made.covenant, made.canon)

    def run(self, to: Stage | None = None) -> bool:
        """The pipeline as its schedule would run it: all of it, or the stages to this one."""
        self.console = Console(out=io.StringIO())
        covenant = self.covenant
        stages = _STAGES[: _STAGES.index(to) + 1] if to is not None else (*_STAGES, LOG)
        tables = [table.table for table in covenant.tables() if table.ref.schema in stages]
        result = runner.run(covenant, tables, self.settings, self.console)
        self.last_run = result.run_id
        return result.success

    def learn(self) -> list[Lesson]:
        """What the sensor and its job do after a run."""
        with dg.DagsterInstance.get() as instance:
            seen = learn(instance)
        return [*look(self.settings, seen, self.said.append).changed.values()]

    def approve(self) -> list[Lesson]:
        """A person's yes to all that waits: the lessons as they were asked."""
        waiting = [lesson for lesson in self.lessons if lesson.status in WAITS]
        for lesson in waiting:
            approve(self.settings, lesson.id)
        return waiting

    @property
    def failed(self) -> tuple[str, ...]:
        """`stage.table:gate` of every gate that failed in the last run, and `stage.table:table_made` of tables that ended in an error."""
        found = []
        for outcome in self.console.outcomes:
            found += [f"{outcome.table}:{gate}" for gate in (*outcome.gates_failed, *outcome.gates_warned)]
            found += [f"{outcome.table}:table_made"] if outcome.status == "failed" else []
        return tuple(found)


class Bench:
    """Healthy projects, made once for each world. A context manager: its servers run meanwhile."""

    def __init__(self, folder: Path, whole: bool = False, back: bool = False) -> None:
        self.folder = folder
        self.whole = whole
        """Every case to the last stage, and with a second run whether or not anything was learned."""
        self.back = back
        """What was healed goes back to how it was."""
        self._healthy: dict[tuple[type[World], type[World] | None], Project] = {}
        self._servers = ExitStack()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.close()

    def project(self, world: type[World], name: str, beside: type[World] | None = None) -> Project:
        """A healthy project of its own, with the pipeline of another source beside it."""
        if (world, beside) not in self._healthy:
            running = self._servers.enter_context(world())
            other = self._servers.enter_context(beside()) if beside is not None else None
            made = Project(self.folder / f"healthy-{len(self._healthy)}-{world.__name__.lower()}", running, other)
            made.create()
            if other is not None:
                made.other.create(new=False)
            self._healthy[world, beside] = made
        place = self.folder / "".join(char if char.isalnum() else "-" for char in name)
        shutil.rmtree(place, ignore_errors=True)
        return self._healthy[world, beside].copy(place)

    def case(self, case: Case) -> Verdict:
        """Run 1, the loop, run 2, the loop again; as far as the case shows anything there.

        Rows are compared in Clean: what no later table and no document of a person has a part in ends there. Where run 1 changed
        nothing of the covenant, and either passed or must leave a question, run 2 would be run 1 again.
        """
        later = case.documents is not None or case.healthy or any(each.startswith(_LATER) for each in case.fails)
        to = None if self.whole or later else Stage.CLEAN
        project = self.project(case.world, case.name, case.beside)
        begun = time.process_time()
        verdict = Verdict(case.name, case.kind, case.outcome)
        with project.environment(), project.world.changed(case.change or (lambda world: None)), ExitStack() as also:
            if case.documents:
                case.documents(project.settings.playbooks)
                project.redesign()
            if project.beside is not None:
                also.enter_context(project.beside.changed(case.change_beside or (lambda world: None)))
                project.other.redesign()
                if not project.other.run():
                    raise AssertionError(f"{project.other.source} is not healthy: {', '.join(project.other.failed)}")
            asked: list[Lesson] = []
            if case.adopted:
                project.adopt()
            passed = project.run(to)
            project.learn()
            verdict.failed = again = project.failed
            checks = {f"{lesson.stage}.{lesson.table}:{lesson.check}" for lesson in project.lessons}
            seen = {*verdict.failed, *checks, *(lesson.check for lesson in project.lessons)}
            verdict.seen = bool(seen & set(case.fails))
            if case.approved:
                asked = project.approve()
            used = any(lesson.status in _USED for lesson in project.lessons)
            settled = case.outcome == "asks" or (passed and not project.lessons)
            if self.whole or used or not settled:
                for _ in range(case.rounds):
                    passed = project.run(to)
                    project.learn()
                again = project.failed
            if passed:
                verdict.wrong = tuple(self._wrong(case, project))
            self._judge(case, verdict, project, passed and not set(again) & set(case.fails), asked)
            if project.beside is not None:
                verdict.problems += self._regressions(case, project)
        if self.back and verdict.verified and case.outcome != "asks" and not (case.documents or case.beside or verdict.problems):
            with project.environment():
                self._go_back(case, verdict, project, to)
        questions = (f"asks: {lesson.question}" for lesson in project.lessons if lesson.question)
        verdict.said = (*project.said, *questions) if verdict.problems else ()
        verdict.seconds = round(time.process_time() - begun, 1)
        shutil.rmtree(project.folder, ignore_errors=True)
        return verdict

    def _go_back(self, case: Case, verdict: Verdict, project: Project, to: Stage | None) -> None:
        """The API is as it was before its change: the data must be right in two runs, or a person is asked."""
        passed, again = project.run(to), 0
        project.learn()
        failed = project.failed
        while not passed and again < case.rounds:
            passed, again = project.run(to), again + 1
            project.learn()
        as_meant = replace(case, meant=lambda row: _meant(case, row))
        wrong = self._wrong(as_meant, project) if passed else []
        asked = [lesson.question for lesson in project.lessons if lesson.question]
        verdict.back = "asks" if asked and not wrong else "heals" if again else "passes"
        verdict.back_asks = tuple(asked)
        if wrong or not (passed or asked):
            verdict.back = f"gone back: {'; '.join(wrong) or 'fails at ' + ', '.join(failed)}"[:600]
            verdict.problems.append(verdict.back)

    def _regressions(self, case: Case, project: Project) -> list[str]:
        """What is no longer right of the other source in the same project, and what no proof showed of it although it must."""
        other = project.other
        passed = other.run()
        found = [f"the other source failed: {', '.join(other.failed)}"] if not passed else []
        if case.refused:
            told = [each.outcome for lesson in project.lessons for each in lesson.tried]
            if not any(f"breaks {other.source}: " in outcome for outcome in told):
                found.append(f"nothing was refused because of {other.source}: {'; '.join(told) or 'nothing was tried'}"[:400])
        else:
            beside = replace(case, meant=dict, lists=tuple(other.world.lists), unsure=())
            found += faults(beside, other.world, other.covenant, other.lakehouse)
        return found

    def _wrong(self, case: Case, project: Project) -> list[str]:
        before = self._healthy[case.world, case.beside]
        if not case.healthy:
            other = others(before.covenant, project.covenant) if case.adopted else []
            return [*other, *faults(case, project.world, project.covenant, project.lakehouse)]
        return changes(case, (before.covenant, before.lakehouse), (project.covenant, project.lakehouse))

    def _judge(self, case: Case, verdict: Verdict, project: Project, passed: bool, approved: list[Lesson]) -> None:
        lessons = project.lessons
        verdict.lessons = tuple((f"{lesson.cause} {lesson.subject}".strip(), str(lesson.status)) for lesson in lessons)
        used = [lesson for lesson in lessons if lesson.status in _USED]
        if case.outcome == "asks":  # what only adds a column takes nothing from a person's choice
            used = [lesson for lesson in used if lesson.status != "verified" or lesson.remedy.kind != RemedyKind.ADD_FIELD]
        verdict.verified = any(lesson.status == "verified" for lesson in lessons)
        verdict.healed = passed and not verdict.wrong and verdict.verified
        verdict.asked = bool(approved or lessons) and (case.approved or not used)
        if case.outcome == "copes":
            verdict.healed = passed and not verdict.wrong and (verdict.verified or all(lesson.closed for lesson in lessons))
            if not verdict.healed:
                verdict.problems.append(f"did not cope: {'; '.join(verdict.wrong or project.failed)}"[:400])
            return
        if not verdict.seen:
            verdict.problems.append(f"run 1 failed at {', '.join(verdict.failed) or 'nothing'}, not at {' or '.join(case.fails)}")
        if (case.approved or case.outcome == "heals") and not verdict.healed:
            why = verdict.wrong or (project.failed if not passed else ("no lesson is verified",))
            verdict.problems.append(f"not healed: {'; '.join(why)}"[:400])
        if case.says and not any(case.says in (lesson.question or "") for lesson in (*approved, *lessons)):
            verdict.problems.append(f"nobody is asked about {case.says}")
        told = " ".join(f"{lesson.question} {lesson.remedy.said if lesson.remedy else ''}" for lesson in (*approved, *lessons))
        if case.never and (found := re.search(case.never, told)):
            verdict.problems.append(f"a lesson says {found[0]!r}")
        if case.partly:
            return
        if case.approved and not approved:
            verdict.problems.append("nothing waits for a person's yes")
        if case.outcome == "asks" and used and not case.approved:
            verdict.problems.append(f"the machine decided what a person must: {', '.join(lesson.id for lesson in used)}")

    def healthy(self, name: str, world: type[World], change: Any) -> list[str]:
        """Lessons that a healthy run left: there must be none."""
        project = self.project(world, f"healthy {name}")
        with project.environment(), project.world.changed(change or (lambda world: None)):
            passed = project.run(None if self.whole else Stage.CLEAN)
            project.learn()
            found = [f"{lesson.id} ({lesson.cause} {lesson.subject})" for lesson in project.lessons]
        shutil.rmtree(project.folder, ignore_errors=True)
        return found + ([] if passed else [f"the run failed: {', '.join(project.failed)}"])


def _meant(case: Case, row: Row) -> Row:
    """What a row means as it was before the change: writings are read as then, and no row is left out."""
    try:
        return case.meant(row) or row
    except (KeyError, TypeError, ValueError, AttributeError):
        return row


def table(verdicts: Sequence[Verdict]) -> str:
    """The report's table."""
    lines = ["| gap | kind | run 1 failed at | healed | verified | lessons | CPU s |", "|---|---|---|---|---|---|---|"]
    for each in verdicts:
        told = ", ".join(f"{cause}: {status}" for cause, status in each.lessons[:4])
        healed = "yes" if each.healed else "asks" if each.outcome == "asks" and not each.problems else "**no**"
        gates = ", ".join(each.failed[:3])
        verified = "yes" if each.verified else "no"
        lines.append(f"| {each.case} | {each.kind} | {gates} | {healed} | {verified} | {told} | {each.seconds} |")
    return "\n".join(lines)
