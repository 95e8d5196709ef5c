"""One source's pipeline within one call of the command line: what has happened to it so far, and what it came to."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from spectra_assets.covenant.diff import diff, grouped, no_longer_believed
from spectra_assets.covenant.files import covenant_file, write
from spectra_assets.covenant.model import Covenant
from spectra_assets.discovery.proven import proven, without
from spectra_assets.engine import stop
from spectra_assets.engine.console import Console
from spectra_assets.engine.ending import ended_by, exit_code
from spectra_assets.engine.leftover import left_over
from spectra_assets.engine.source import requests_setting
from spectra_assets.engine.status import covered
from spectra_assets.engine.summary import Summary
from spectra_assets.errors import (
    CredentialError,
    DocumentError,
    StorageError,
)
from spectra_assets.gates.judgement import Result
from spectra_assets.graph import runner
from spectra_assets.graph.sensor import learn
from spectra_assets.intelligence.model import OVERRIDE, Pack, load_pack, pack_as_written
from spectra_assets.intelligence.writing import pack_file
from spectra_assets.intelligence.writing import write as write_pack
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.gap import Cause
from spectra_assets.learning.healing import heal
from spectra_assets.learning.lesson import Lesson
from spectra_assets.learning.loop import Learned, latest, made_again
from spectra_assets.learning.person import WAITS, doubled
from spectra_assets.learning.record import withdraw
from spectra_assets.names import Stage
from spectra_assets.settings import Settings
from spectra_assets.stages.adoption import Adopted, Made, adopt, as_read, keep_canon, published
from spectra_assets.stages.asking.wire import NOT_TRIED
from spectra_assets.stages.deliver import Outcome
from spectra_assets.stages.design import written
from spectra_assets.stages.proposal import DRIFT, propose, proposed_file
from spectra_assets.stages.proposal import withdraw as withdraw_proposal
from spectra_assets.stages.trust import distrust, trust, trust_of

_BREAKING = " (breaking)"

_PROOFS = ("hierarchy_proven", "dependencies_proven", "schema_has_all_entities")
"""Gates which show that an entity of the pack can't be fetched."""


class Pipeline:
    """What has happened so far to one source's pipeline in this call."""

    def __init__(self, settings: Settings, console: Console, source: str, anew: bool) -> None:
        self.settings = settings
        self.anew = anew
        """A person wants it found out again: what was promised does not count."""
        self.console = console
        self.source = source
        self.lakehouse = Lakehouse(settings.lakehouse_root, source)
        self.runs: list[str] = []
        self.lessons: list[Lesson] = []
        self.notices: tuple[str, ...] = ()
        self.changes: tuple[str, ...] = ()
        self.held: tuple[str, ...] = ()
        self.next: Covenant | None = None
        """The covenant as it would be, where another one is kept."""
        self.left_over: tuple[str, ...] = ()
        self.covenant_changed = False
        self.document: Path | None = None
        self.commit: str | None = None
        self.problem: BaseException | None = None
        self.export: str | None = None
        self.pack: Pack | None = None
        self.trusts = not anew
        """The next run of Source and Prepare may trust what they proved before."""
        self._first: Covenant | None = None
        self._trusted: list[str] = []
        """Runs of this call by trust, see stages/trust.py."""
        self.learned: list[str] = []
        self.learning = 0.0
        """Seconds spent on remedies in this call."""
        self.untaught: str | None = None
        """Why lessons could not be written, or read."""

    def discover(self, covenant: Covenant, tables: Sequence[str]) -> bool:
        """`materialise`, of Source and Prepare: the first time in a call by what they proved before, if that still fits."""
        trusts, self.trusts, self._first = self.trusts, False, covenant
        if not trusts:
            self._trusted.clear()
        made = self.materialise(covenant, tables, trusts)
        known = trust_of(self.lakehouse) if trusts else None
        if known is not None and known.run_id == self.runs[-1]:
            self._trusted.append(known.run_id)
            self.console.line(
                f"each list answers as it did on {known.measured_at:%Y-%m-%d}, when it was measured: what was proven is trusted"
            )
        return made

    def measure(self) -> bool:
        """Whether what failed may do so since Source and Prepare measured nothing: then they do next, and nothing failed yet."""
        if not self._trusted or isinstance(self.problem, CredentialError):
            return False
        distrust(self.lakehouse)
        self.console.line("what was proven before does not fit any more: Source and Prepare measure it again")
        shown = self.runs[self.runs.index(self._trusted[0]) :]
        self._forget(shown)
        self._trusted.clear()
        return True

    @property
    def odd(self) -> bool:
        """Whether an extraction found something unusual."""
        return any(each.gates_warned for each in self.console.outcomes if each.table.startswith(f"{Stage.EXTRACT}."))

    def settled(self, covenant: Covenant) -> None:
        """All tables are made: the next call may trust what was proven, unless an extraction found something unusual, or Prepare
        found a number of rows wrong that the covenant believes: a list that moved while it was counted looks like that."""
        if self.odd or self._first is None or (self.next is not None and no_longer_believed(covenant, self.next)):
            distrust(self.lakehouse)
        elif not self._trusted:
            trust(self.lakehouse, self._first, datetime.now(UTC))

    def _forget(self, runs: Sequence[str]) -> None:
        """What these runs showed is no lesson, and no problem."""
        resolved = {name for run in runs for name in withdraw(self.settings.lessons, self.source, run)} if self.lessons else set()
        self.lessons = [lesson for lesson in self.lessons if lesson.id not in resolved]
        self.console.forget()
        self.problem = None

    def materialise(self, covenant: Covenant, tables: Sequence[str], trusts: bool = False) -> bool:
        """One run over `tables`; False if a table was blocked or failed."""
        result = runner.run(covenant, tables, self.settings, self.console, trusts=trusts)
        self.console.close()
        stop.check()
        self.runs.append(result.run_id)
        try:
            with dg.DagsterInstance.get() as instance:
                self.lessons += learn(instance)
        except (StorageError, DocumentError) as error:  # what can't be learned keeps no table from being made
            self.untaught = f"the learning step failed; the run itself is not affected: {error}"
            self.console.line(f"! {self.untaught}")
        if not result.success:
            self.problem = ended_by(self.console, result.run_id)
        return result.success

    def heal(self, covenant: Covenant, causes: Collection[Cause] = tuple(Cause)) -> tuple[str, ...]:
        """Look for remedies of what failed by one of these causes, and of what nobody looked at yet, and apply those that are
        proven: what of Source and Prepare is to be made again before the rest; empty if nothing was learned."""
        if self.settings.learning != "apply" or isinstance(self.problem, CredentialError):
            return ()
        seen = {lesson.id: lesson for lesson in self.lessons if lesson.source == self.source}
        now = {name: found for name, lesson in seen.items() if (found := latest(self.settings, lesson)) is not None}
        new = {name for name, lesson in now.items() if not lesson.tried and lesson.question is None}
        mine = {name: each for name, each in now.items() if each.curable and (each.cause in causes or name in new)}
        if not mine:
            return ()
        learned = Learned(changed=mine)
        self.console.step(
            "Learn", f"{len(mine)} gap{'' if len(mine) == 1 else 's'}: look for remedies, prove them on what was recorded"
        )
        begun = time.monotonic()
        try:
            heal(self.settings, learned, self.console.line, covenant, self.learning)
        except (StorageError, DocumentError) as error:
            self.untaught = f"remedies could not be looked for: {error}"
            self.console.line(f"! {self.untaught}")
        self.learning += time.monotonic() - begun
        self.lessons += learned.changed.values()
        if not learned.applied and not learned.taken_back:
            return ()
        self.learned += [f"{lesson.remedy.said} (lesson {lesson.id})" for lesson in learned.applied if lesson.remedy]
        self.learned += [f"lesson {lesson.id} taken back: {lesson.closed}" for lesson in learned.taken_back]
        self.console.forget()
        self.problem = None
        return made_again(learned)

    def propose(self) -> None:
        """Where records or samples are not as the covenant promises them: write down what the covenant would be by them."""
        failed = {result.gate for _, results, _ in self.console.problems for result in results if not result.passed}
        if not self.held and not failed & DRIFT:
            return
        changes = propose(self.settings, self.source, self.next)
        if changes:
            file, breaking = proposed_file(self.settings, self.source), sum(change.breaking for change in changes)
            self.console.line(
                f"{relative(file, self.settings)}: the covenant as it would be by what was seen, {len(changes)} changes, "
                f"{breaking} of them breaking; solution-engine covenant diff {self.source} tells them"
            )

    def adopt(self, pack: Pack, made: Made, before: Covenant | None) -> Covenant:
        """The covenant that this run goes by, written: `made`, without what would break published tables by nothing but what the
        data are now. `before` was in force when the call began.

        What is held back stays as the covenant in force promises it: gates say what is wrong, remedies keep the promise, and a
        person takes the rest over (`covenant generate`). What changed rules say is taken over; all is, if a person wants it found
        out again.
        """
        now = written(self.settings, self.source)
        self.held, self.next = (), None
        taken = Adopted(made)
        if now is not None and not self.anew:
            taken = adopt(self.settings, pack, now, made, published(self.settings, now))
        self.notices = tuple(str(notice) for notice in taken.made.notices)
        if taken.held:
            self.next = made.covenant
            self.held = tuple(f"{group.about}: {group.text}" for group in grouped(taken.held))
        if taken.made.kept:  # first: what a covenant in force was made from is always known
            keep_canon(self.settings, taken.made.covenant, taken.made.canon)
        if now is None or taken.made.covenant != now or not taken.held:
            self._designed(before, taken.made.covenant)
        self._told_held(taken)
        return taken.made.covenant

    def _told_held(self, taken: Adopted) -> None:
        if not taken.held:
            withdraw_proposal(self.settings, self.source)
            return
        place, whose = f"covenants/{self.source}.yaml", ", ".join(taken.entities)
        if whose:
            self.console.line(f"{place}: changed, except for what would break the tables of {whose}; those stay as they are:")
        else:
            why = taken.why or "the API's data no longer fits it"
            self.console.line(f"{place}, version {taken.made.covenant.version}: {why}, so it stays:")
        diff_command = f"solution-engine covenant diff {self.source}"
        self.console.some([f"! {line}" for line in self.held], f"{diff_command} lists them all")
        self.console.line(
            "a breaking change is never applied by itself; to accept it: "
            f"solution-engine covenant generate {self.source}, then run the same command again"
        )

    def settle(self, pack: Pack) -> Pack | None:
        """After a failed proof: the discovered pack without what could not be proven, which are gaps from now on, or postponed
        if the budget was too small. None if that is not why it failed, or nothing would be left.

        What is resolved so is no lesson: those that only this run showed are taken back. An entity that the covenant promises
        already is never left out here: its tables would go, which only a person decides (`lessons approve`).
        """
        promised = set() if self.anew else _promised(self.settings, self.source)
        refuted = refuted_by([result for _, results, _ in self.console.problems for result in results])
        hints = {hint.entity for hint in pack.entities}
        refuted = {
            entity: why
            for entity, why in refuted.items()
            if entity in hints and (entity not in promised or why.startswith(NOT_TRIED))
        }
        if pack.origin != "discovered" or not refuted or len(refuted) == len(pack.entities):
            return None
        budget = requests_setting(self.settings, self.source)
        fewer = without(pack_as_written(self.source, self.settings.intelligence), refuted, budget)
        write_pack(self.settings.intelligence, fewer)
        left = load_pack(self.source, self.settings.intelligence)
        if refuted.keys() & {hint.entity for hint in left.entities}:
            return None  # a person's corrections name them: what is wrong with them is the person's to hear
        later = {waiting.hint.entity for waiting in fewer.postponed} & refuted.keys()
        gaps = refuted.keys() - later
        told = [f"not proven, so told as gap{'' if len(gaps) == 1 else 's'}: {', '.join(sorted(gaps))[:300]}"] if gaps else []
        told += [f"no requests left to try, so postponed to the next run: {', '.join(sorted(later))[:300]}"] if later else []
        self.console.line(f"{'; '.join(told)}; trying again without them")
        self._forget(self.runs[-1:])
        return left

    def unreachable(self) -> set[str]:
        """Entities of the covenant in force to which this call proved no route."""
        refuted = refuted_by([result for _, results, _ in self.console.problems for result in results])
        return refuted.keys() & _promised(self.settings, self.source)

    def prove(self, pack: Pack) -> Pack:
        """What Prepare proved goes into the pack that discovery wrote; a person's corrections stay over it."""
        if pack.origin != "discovered":
            return pack
        if write_pack(
            self.settings.intelligence, proven(pack_as_written(self.source, self.settings.intelligence), self.lakehouse)
        ):
            self.console.line(f"covenants/intelligence/{self.source}.yaml: now holds what was proven")
        return load_pack(self.source, self.settings.intelligence)

    def intelligence(self, pack: Pack) -> list[Path]:
        """Files of what discovery found out, and of a person's corrections."""
        folder = self.settings.intelligence
        files = [folder / f"{self.source}{OVERRIDE}", *([pack_file(folder, self.source)] if pack.origin == "discovered" else [])]
        return [file for file in files if file.is_file()]

    def _designed(self, before: Covenant | None, covenant: Covenant) -> None:
        """Write the covenant and tell what changed since this call began, by whoever: a remedy may have written it already."""
        known = before is not None and before.version == covenant.version
        self.covenant_changed = write(covenant_file(self.settings.covenants, covenant.source), covenant) or not known
        changes = diff(as_read(self.lakehouse, before, covenant), covenant) if before else []
        self.changes = tuple(f"{group.about}: {group.text}{_BREAKING if group.breaking else ''}" for group in grouped(changes))
        place = f"covenants/{covenant.source}.yaml, version {covenant.version}"
        if not self.covenant_changed:
            self.console.line(f"{place}: unchanged")
        elif before is None:
            self.console.line(f"{place}: new")
        else:
            breaking = [line for line in self.changes if line.endswith(_BREAKING)]
            self.console.line(f"{place}: {len(changes)} changes, {len(breaking)} of them breaking")
            for line in breaking:
                self.console.line(f"! {line}")
            others = [line for line in self.changes if not line.endswith(_BREAKING)]
            self.console.some(others, f"git diff covenants/{covenant.source}.yaml shows them all, --json tells them")
        self.console.some(self.notices, "--verbose or --json lists them all")
        left = tuple(str(ref) for ref in left_over(covenant, self.lakehouse))
        if left:
            names = ", ".join(left[:8]) + (f" and {len(left) - 8} more" if len(left) > 8 else "")
            self.console.line(
                f"no longer in the covenant, the tables are kept: {names}; solution-engine retire {self.source} archives them"
            )
        self.left_over = left

    def _last_known(self) -> Iterable[Lesson]:
        """The lessons of this call as they were seen last."""
        return {lesson.id: lesson for lesson in self.lessons}.values()

    def health(self, covenant: Covenant) -> str:
        """Whether every table of the covenant is there."""
        missing = [table.table for table in covenant.tables() if not self.lakehouse.exists(table.ref)]
        return f"missing: {', '.join(missing)}" if missing else "every table is there, every blocking gate passed"

    def summary(self, covenant: Covenant, begun: float) -> Summary:
        """What a person or script is told in the end."""
        outcomes = self.console.outcomes
        warned = sum(len(outcome.gates_warned) for outcome in outcomes)
        failed = sum(len(outcome.gates_failed) for outcome in outcomes)
        twice = doubled(self._last_known())
        asking = [lesson for lesson in self._last_known() if lesson.id not in twice]
        ran = sum(len(outcome.gates_run) for outcome in outcomes)
        return Summary(
            source=self.source,
            ok=self.problem is None,
            covenant_version=covenant.version,
            covenant_changed=self.covenant_changed,
            changes=self.changes,
            held=self.held,
            notices=(*self.notices, *([self.untaught] if self.untaught else [])),
            tables=tuple(_shown(outcome) for outcome in outcomes),
            gates_passed=ran - failed - warned,
            gates_failed=failed,
            gates_warned=warned,
            left_over=self.left_over,
            lessons=tuple(dict.fromkeys(lesson.id for lesson in self.lessons)),
            waiting=tuple(lesson.id for lesson in asking if lesson.question),
            proposed={lesson.id: lesson.remedy.said for lesson in asking if lesson.remedy and lesson.status in WAITS},
            learned=tuple(self.learned),
            runs=tuple(self.runs),
            lakehouse=f"{self.lakehouse.root}/{self.lakehouse.name}",
            coverage=covered(self.lakehouse, covenant.pipeline.server.guessed),
            document=str(self.document) if self.document else None,
            export=self.export,
            commit=self.commit,
            seconds=round(time.monotonic() - begun, 1),
            problem=str(self.problem) if self.problem else None,
            exit_code=exit_code(self.problem),
        )


def _promised(settings: Settings, source: str) -> set[str]:
    """Entities that the covenant of before makes tables of."""
    covenant = written(settings, source)
    return {table.entity for table in covenant.tables() if table.entity} if covenant is not None else set()


def refuted_by(results: Iterable[Result]) -> dict[str, str]:
    """Entity → why no route to it is proven, from the gates that judge this."""
    found: dict[str, str] = {}
    for result in results:
        if result.gate in _PROOFS and not result.passed:
            for row in result.sample:
                if row.get("entity"):
                    found.setdefault(str(row["entity"]), str(row.get("reason") or row.get("evidence") or result.message)[:300])
    return found


def _shown(outcome: Outcome) -> dict[str, Any]:
    return {
        "table": outcome.table,
        "status": outcome.status,
        "rows": outcome.rows_out,
        "quarantined": outcome.quarantined,
        "version": outcome.version,
        "gates_failed": list(outcome.gates_failed),
        "gates_warned": list(outcome.gates_warned),
        "seconds": round((outcome.finished_at - outcome.started_at).total_seconds(), 2),
        "error": outcome.error,
    }


def relative(file: Path, settings: Settings) -> str:
    return str(file.relative_to(settings.project)) if file.is_relative_to(settings.project) else str(file)
