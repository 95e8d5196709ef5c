"""Proof of a remedy before it is used: on recordings, in a scratch copy, for the source it is for and for all the others.

Reproduced: without the remedy the table shows the same gap. Repaired: with it the gap is gone, no other gate fails that does not
fail without it, but for what befell other fields meanwhile and is seen only now, and no row is lost; what those lose who read the
tables are its costs, which only a person may pay (`covenant/diff.py` says which). Where designing again repairs as much, because
what was sampled shows it by now, the remedy must not do more. Regressions: other sources whose pipeline the remedy would change
for the worse, or of which the contrary can't be shown. Only tables that the remedy changes, and what is made from them, are made
again, by the covenant to which applying it would come (`stages/adoption.py`): what is proven is what is applied.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf
from typing import Any

from spectra_assets.client.pacing import Clock
from spectra_assets.client.wire import Throttle
from spectra_assets.covenant.amounts import NUMBERS
from spectra_assets.covenant.canon import Canon
from spectra_assets.covenant.diff import Consent
from spectra_assets.covenant.model import Covenant, Table
from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.apply import changed
from spectra_assets.learning.comparison import beyond, failures, faults_of, gaps_in, left_out_by, losses, ungated
from spectra_assets.learning.detect import of_runs
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.lesson import ECHOES
from spectra_assets.learning.remake import Remade, remake
from spectra_assets.learning.remedy.model import KEEP_REQUESTS, AddRule, Remedy, RemedyKind, TakeBack
from spectra_assets.learning.scratch import Deadline, Made, Scratch
from spectra_assets.learning.verify import is_of_columns, is_of_others
from spectra_assets.names import Stage, TableRef
from spectra_assets.playbook.model import Playbooks
from spectra_assets.settings import Settings
from spectra_assets.stages.adoption import as_before
from spectra_assets.stages.design import playbooks_of
from spectra_assets.stages.log import latest_attempts
from spectra_assets.stages.twin import Twin

_TOO_MANY, _REFUSALS = 429, 3
"""The status of what came too fast, and how often it must come to be a gap."""

_OF_ROWS = (
    RemedyKind.RECORDS, RemedyKind.PAGING, RemedyKind.CHOOSE_ROUTE, RemedyKind.REPLACE_ENDPOINT, RemedyKind.TAKE_BACK
)  # fmt: skip
"""Remedies that say, or may say, how rows come: one that fits what came, and leaves most rows out, looks like a repair."""

_OF_FIELDS = (RemedyKind.FOLLOW_RENAME, RemedyKind.ADD_FIELD, RemedyKind.DATE_FORMAT, RemedyKind.WIDEN_TYPE)
"""Remedies that are about fields, and change no other column of a table."""

_OF_LISTS = (RemedyKind.RECORDS, RemedyKind.PAGING, RemedyKind.CHOOSE_ROUTE, RemedyKind.REPLACE_ENDPOINT)
"""Remedies that are about lists as a whole, and change no values of their records."""

_COUNTED = ("records_stay", "source_stays", "primary_key_unique", "rows_conserved", "quarantine_small")
"""Gates that tell whether a list's records came as they must, also where they only warn."""

_KNOWN, _STAYED = 20, 0.7
"""Of so many rows that stand at least, this share must come with such a remedy, or a person decides."""

_LEFT = 0.05
"""Of a table of Clean this share must come with any remedy: what is nearly empty may have another name now."""

_TOLD = 8
_WIDTH = 400


@dataclass(frozen=True)
class Proof:
    """What a proof came to. `regressions` and `notes` say why, for people; `seconds` is what it took.

    `costs` are tables, columns and rows that would no longer be there: what repairs at such a price is for a person to decide.
    `despite` are the gates (`stage.table:gate`) that fail with the remedy as they do without it.
    """

    reproduced: bool
    repaired: bool
    regressions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    costs: tuple[str, ...] = ()
    despite: tuple[str, ...] = ()
    canon: Canon | None = None
    """What Prepare found out in it, where a rule went that said so before: a covenant without the rule is made from that."""

    @property
    def holds(self) -> bool:
        """Whether the remedy may be used."""
        return self.reproduced and self.repaired and not self.regressions and not self.costs

    @property
    def needs_person(self) -> str | None:
        """Why only a person may use it although it repairs; None if nothing speaks for it, or nothing against."""
        if not (self.reproduced and self.repaired and self.costs) or self.regressions:
            return None
        return f"it repairs, but {'; '.join(self.costs)}"[:_WIDTH]


def prove(
    settings: Settings, covenant: Covenant, gap: Gap, remedy: Remedy, others: Sequence[Covenant], until: float = inf
) -> Proof:
    """Try the remedy on what was recorded. `covenant` is the one under which the gap was seen; `others` are those of the other
    sources.

    It takes as long as the setting `proof_seconds` says at most, and ends at the instant `until` of the monotonic clock. Where
    the remedy asks what was never recorded, the API itself is asked, `proof_requests` times at most. Raises DocumentError if the
    playbook does not take the remedy; what goes wrong with a table is in the proof.
    """
    begun = time.monotonic()
    edited = changed(settings.playbooks, remedy, gap.lesson_id)
    playbooks = playbooks_of(settings)
    deadline = Deadline(min(until, begun + int(playbooks.setting("proof_seconds", covenant.source))))
    reproduced, faults, costs, regressions, notes, despite = False, ["it was not tried"], [], [], [], []
    canon: Canon | None = None
    try:
        if gap.cause == Cause.RATE_LIMITED:
            return _slower(settings, covenant, gap, others, edited, deadline)
        requests = int(playbooks.setting("proof_requests", covenant.source))
        twin = Twin(_lakehouse(settings, covenant), requests, (deadline.check,), anew=_read_later(remedy))
        before = _made_before(settings, covenant, gap, twin, deadline)
        # what is to be taken back may be gone already: then it was by other documents that the run showed the gap
        gone = remedy.kind == RemedyKind.TAKE_BACK and not edited
        reproduced = gone or gap.fingerprint in gaps_in(before) | ungated(covenant)
        if not reproduced:
            what = before.error or "; ".join(sorted(before.failed)) or "every gate passes"
            notes.append(f"on the recording {gap.full_table} does not show this gap: {what}")
        else:
            trial = _Trial(settings, covenant, gap, remedy, before, twin, deadline)
            control = trial.control() if not gone else None
            with Scratch(settings, covenant.source, twin, deadline, edited) as scratch:
                made = trial.remake(scratch, edited)
                faults = [*trial.faults(made), *beyond(control, made, gap, remedy)]
                costs = list(trial.costs(made))[:_TOLD]
                despite = trial.despite(made)
                canon = scratch.canon() if remedy.kind == RemedyKind.TAKE_BACK else None
                notes.append(f"{len(made.tables)} tables made again: {', '.join(list(made.tables)[:_TOLD])}")
                if control is not None and not faults:
                    notes.append("by what is sampled now, designing again repairs it too; this keeps it so")
                if not faults:
                    then = playbooks_of(scratch.settings)
                    regressions = list(_regressions(settings, (playbooks, then), others, edited, deadline))
            notes += faults[:_TOLD]
        if twin.meter.taken:
            notes.append(f"{twin.meter.taken} requests were sent for what the recordings lack")
    except SpectraError as error:
        faults.append("it could not be tried to the end")
        notes.append(f"{type(error).__name__}: {error}")
    return Proof(
        reproduced,
        reproduced and not faults,
        tuple(text[:_WIDTH] for text in regressions),
        tuple(text[:_WIDTH] for text in notes),
        round(time.monotonic() - begun, 2),
        tuple(text[:_WIDTH] for text in costs),
        tuple(despite[:ECHOES]),
        canon,
    )


def _slower(
    settings: Settings, covenant: Covenant, gap: Gap, others: Sequence[Covenant], edited: Mapping[str, str], deadline: Deadline
) -> Proof:
    """The recording played by an API that refuses what is above the rate it was seen to bear, by the twin's own clock."""
    begun = time.monotonic()
    counted = next((fact.expected for fact in gap.evidence if fact.kind == "perMinute"), None) or ""
    if not counted.isdigit() or not int(counted):
        raise SpectraError("how many requests a minute were answered is not known")
    refused: list[int] = []
    regressions: list[str] = []
    faults: list[str] = []
    for texts in ({}, edited):
        clock = Clock()
        throttle = Throttle(int(counted) / 60, 1, clock)
        twin = Twin(_lakehouse(settings, covenant), 0, (throttle, deadline.check), clock, without=_TOO_MANY)
        with Scratch(settings, covenant.source, twin, deadline, texts) as scratch:
            scratch.bring(table.table for table in covenant.tables())
            first = scratch.first()
            made = scratch.make(first, first.table(gap.full_table))
            faults = [f"{gap.full_table}: {each}" for each in (*sorted(made.failed), *([made.error] if made.error else []))]
            refused.append(throttle.refused)
            if texts and not faults:
                playbooks = (playbooks_of(settings), playbooks_of(scratch.settings))
                regressions = list(_regressions(settings, playbooks, others, edited, deadline))
    note = f"of what the recording asks, an API that bears {counted} a minute refuses {refused[0]}, with it {refused[1]}"
    repaired = refused[1] < min(refused[0], _REFUSALS) and not faults
    taken = round(time.monotonic() - begun, 2)
    return Proof(refused[0] >= _REFUSALS, repaired, tuple(regressions), (note, *faults[:_TOLD]), taken)


def _made_before(settings: Settings, covenant: Covenant, gap: Gap, twin: Twin, deadline: Deadline) -> Made:
    """The gap's table made again by the documents as they are, from the same inputs."""
    with Scratch(settings, covenant.source, twin, deadline) as scratch:
        scratch.bring(table.table for table in covenant.tables())
        return scratch.make(covenant, covenant.table(gap.full_table))


@dataclass(frozen=True)
class _Trial:
    """The pipeline of the gap's source, made again as far as other documents change it."""

    settings: Settings
    covenant: Covenant
    gap: Gap
    remedy: Remedy
    before: Made
    twin: Twin
    deadline: Deadline

    def remake(self, scratch: Scratch, edited: Collection[str], alone: bool = False) -> Remade:
        """What is made again in `scratch`; `alone`: the gap's table and the canon."""
        since = _began(self.settings, self.covenant, self.gap)
        canon_only = self.remedy.kind in KEEP_REQUESTS
        back, anew = self.remedy.edits[0], set[str]()
        if isinstance(back, TakeBack):  # what the rule said is found out again, from the first stage on
            edited, anew = (), {back.entity} - {""}
        return remake(scratch, self.covenant, edited, {self.gap.full_table}, since, canon_only, alone, anew)

    def control(self) -> Covenant | None:
        """The covenant by the documents as they are, if designing again is all that it takes."""
        with Scratch(self.settings, self.covenant.source, self.twin, self.deadline) as scratch:
            made = self.remake(scratch, (), alone=True)
        return made.covenant if not [*self.faults(made), *self._losses(made)] else None

    def faults(self, made: Remade) -> Iterator[str]:
        """Why the gap is not repaired, and what is worse than before."""
        left_out = left_out_by(self.covenant, self.gap, self.remedy)
        mine = made.tables.get(self.gap.full_table)
        if mine is not None:
            yield from faults_of(mine, self.before, self.gap, self.remedy)
        elif self.gap.full_table not in left_out:
            yield f"{self.gap.full_table} was not made: {made.ended or 'what it is made from was held back'}"
        known = latest_attempts(_lakehouse(self.settings, self.covenant))
        others = {
            name: self._without_others(each, made.covenant)
            for name, each in made.tables.items()
            if name != self.gap.full_table and not self._elsewhere(each)
        }
        anyway = self._anyway([name for name, each in others.items() if any(failures({name: each}, known))], known)
        yield from failures(others, known | anyway)
        if made.covenant is not None and self.gap.fingerprint in ungated(made.covenant):
            yield f"{self.gap.full_table} lacks the gate with it too"

    def despite(self, made: Remade) -> list[str]:
        """What fails beside in a trial without faults: it does so without the remedy too."""
        others = (each for name, each in made.tables.items() if name != self.gap.full_table)
        return sorted(f"{each.table}:{gate}" for each in others for gate in each.failed)

    def _without_others(self, made: Made, covenant: Covenant | None) -> Made:
        """What a table came to without the gates that fail for other fields than the remedy is about: each column is made of its
        own, and what befell those is another gap of the same time, which is seen only once this one no longer hides it.

        `covenant` is that of the remedy; None if there is none, so that only tables of Source and Prepare are made."""
        table = next((each for each in covenant.tables() if each.table == made.table), None) if covenant is not None else None
        if table is None or not made.failed:
            return made
        gaps = [gap for gap in of_runs(made.evaluations) if gap.severity == "ERROR"]
        shown = {gate: [gap for gap in gaps if gate in (gap.check, *(echo.check for echo in gap.also))] for gate in made.failed}
        others = {gate for gate, mine in shown.items() if mine and all(self._is_of_others(gap, made, table) for gap in mine)}
        return replace(made, results=tuple(each for each in made.results if each.gate not in others)) if others else made

    def _is_of_others(self, gap: Gap, made: Made, table: Table) -> bool:
        """Whether a gap that a table shows is about what the remedy does not touch: other fields than its own; of a list as a
        whole a few columns of numbers, where all its records came as they must, by their number and keys."""
        if self.remedy.kind in _OF_LISTS:
            numbers = {name for name, column in table.columns.items() if column.type in NUMBERS}
            counted = all(each.passed for each in made.results if each.gate in _COUNTED)
            few = all(2 * each.failed < each.total for each in made.results if each.gate == gap.check)
            return is_of_columns(gap) and counted and few and all(fact.column in numbers for fact in gap.evidence)
        whole = is_of_columns(gap) and self._is_about_key(table)
        return self.remedy.kind in _OF_FIELDS and not whole and is_of_others(gap, self.remedy, self.gap.entity)

    def _is_about_key(self, table: Table) -> bool:
        """Whether the remedy is about what tells the records of a table apart, and so about all their values."""
        edit = self.remedy.edits[0]
        keys = {path for name in table.primary_key for path in table.columns[name].source}
        return isinstance(edit, AddRule) and not keys.isdisjoint(edit.paths)

    def _elsewhere(self, made: Made) -> bool:
        """Whether a table shows only what came to other endpoints as well: where one is replaced, that is seen only then."""
        edit = self.remedy.edits[0]
        if self.remedy.kind != RemedyKind.REPLACE_ENDPOINT or not isinstance(edit, AddRule) or (made.error and not made.failed):
            return False
        shown = [gap for gap in of_runs(made.evaluations) if gap.severity == "ERROR"]
        new = edit.rule["instead"]
        mine = [gap for gap in shown if gap.cause != self.gap.cause or any(fact.endpoint == new for fact in gap.evidence)]
        return bool(shown) and not mine

    def _anyway(self, names: Collection[str], known: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Their last attempts, with what fails by the documents as they are and what is sampled now: another gap of the same time
        fails these tables whatever is done about this one, though no attempt showed it, since their parents were held back."""
        found: dict[str, dict[str, Any]] = {}
        if not names:
            return found
        with Scratch(self.settings, self.covenant.source, self.twin, self.deadline) as scratch:
            covenant = self.remake(scratch, (), alone=True).covenant
            promised = {table.table: table for table in covenant.tables()} if covenant is not None else {}
            for name in names:
                if covenant is not None and name in promised:
                    made, last = scratch.make(covenant, promised[name]), known.get(name, {})
                    status = "failed" if made.error and not made.failed else last.get("status")
                    found[name] = {"gatesFailed": sorted(made.failed | set(last.get("gatesFailed") or ())), "status": status}
        return found

    def costs(self, made: Remade) -> Iterator[str]:
        """What would no longer be there, beside what the remedy leaves out on purpose; and rows.

        What the data of now would lose without it as well is another gap's, and is held back when this remedy is applied.
        """
        yield from self._fewer(made)
        lost = [*self._losses(made)]
        if not lost:
            return
        with Scratch(self.settings, self.covenant.source, self.twin, self.deadline) as scratch:
            anyway = {*self._losses(self.remake(scratch, (), alone=True))}
        yield from (loss for loss in lost if loss not in anyway)

    def _fewer(self, made: Remade) -> Iterator[str]:
        """Tables of raw records that the remedy is about and that would have much less than what stands, and tables of Clean that
        would be published with nearly nothing of it. Other lists may have changed at the same time: what they lack is another
        gap's."""
        lakehouse = _lakehouse(self.settings, self.covenant)
        for name, each in made.tables.items():
            ref = TableRef.parse(name)
            about = self.remedy.kind in _OF_ROWS and ref.schema == Stage.EXTRACT and self._is_about(name)
            emptied = ref.schema == Stage.CLEAN and each.published
            if each.rows is None or not (about or emptied) or not lakehouse.exists(ref):
                continue
            stands = self._stood(lakehouse, ref)
            if stands >= _KNOWN and each.rows < (_STAYED if about else _LEFT) * stands:
                yield f"{name} would have {each.rows:,} rows, and {stands:,} stand"

    def _stood(self, lakehouse: Lakehouse, ref: TableRef) -> int:
        """Rows of the table before the run that showed the gap: where that one only warned, it published what the gap brought."""
        version = lakehouse.version_before(ref, self.gap.run_id)
        if version is None:
            return lakehouse.describe(ref).rows
        return sum(batch.num_rows for batch in lakehouse.batches(ref, [], version))

    def _is_about(self, name: str) -> bool:
        edit = self.remedy.edits[0]
        entity = edit.rule.get("scope", {}).get("entity", "*") if isinstance(edit, AddRule) else "*"
        entity = edit.entity or "*" if isinstance(edit, TakeBack) else entity
        mine = next((table.entity for table in self.covenant.tables() if table.table == name), None)
        return entity == "*" or mine in (entity, None)

    def _losses(self, made: Remade) -> Iterator[str]:
        """Of a renamed field nothing is lost that only the run with the gap brought: its values are where they were before."""
        if made.covenant is not None:
            lakehouse, before = _lakehouse(self.settings, self.covenant), self.covenant
            if self.remedy.kind == RemedyKind.FOLLOW_RENAME:
                before = as_before(lakehouse, before, made.covenant, self.gap.run_id)
            left_out = left_out_by(self.covenant, self.gap, self.remedy)
            yield from (loss for name, loss in losses(lakehouse, before, made.covenant) if name not in left_out)


def _read_later(remedy: Remedy) -> Collection[str]:
    """Entities that the remedy has extracted later than before: what was recorded of them was recorded too early."""
    edit = remedy.edits[0]
    late = remedy.kind == RemedyKind.ORDER_PARENT and isinstance(edit, AddRule)
    return (str(edit.rule["scope"]["entity"]),) if late and isinstance(edit, AddRule) else ()


def _regressions(
    settings: Settings,
    playbooks: tuple[Playbooks, Playbooks],
    others: Sequence[Covenant],
    edited: Mapping[str, str],
    deadline: Deadline,
) -> Iterator[str]:
    """Other sources that the edited documents would harm, with the reason, or of which the contrary can't be shown.

    `playbooks` are those before and after.
    """
    for covenant in others:
        now, then = (_applying(each, covenant.source) for each in playbooks)
        if now == then:
            continue
        try:
            lakehouse = _lakehouse(settings, covenant)
            with Scratch(settings, covenant.source, Twin(lakehouse, 0, (deadline.check,)), deadline, edited) as scratch:
                made = remake(scratch, covenant, edited)
            harm = [*failures(made.tables, latest_attempts(lakehouse))]
            harm += [made.ended] if made.ended else []
            harm += [loss for _, loss in losses(lakehouse, covenant, made.covenant, Consent.PROOF)] if made.covenant else []
            yield from (f"{covenant.source}: {each}" for each in harm[:_TOLD])
        except SpectraError as error:
            yield f"{covenant.source}: nothing can be shown: {type(error).__name__}: {error}"


def _applying(playbooks: Playbooks, source: str) -> list[Any]:
    """All in the documents that is for one source. Design and the stages read nothing else of them, so that equal ones make an
    equal covenant and equal tables."""
    books = playbooks.playbooks
    return [
        [(type(rule), rule.model_dump()) for rule in playbooks.all_rules() if rule.applies(source)],
        [(book.stage, step.action, step.makes) for book in books for step in book.steps],
        [
            (book.stage, output.table, output.inputs, output.grain, output.primary_key)
            for book in books
            for output in book.outputs
        ],
        [(book.stage, gate.name, gate.tables, gate.severity) for book in books for gate in book.gates],
    ]


def _began(settings: Settings, covenant: Covenant, gap: Gap) -> datetime | None:
    """When the attempt that showed the gap began."""
    began: datetime | None = latest_attempts(_lakehouse(settings, covenant)).get(gap.full_table, {}).get("startedAt")
    return began


def _lakehouse(settings: Settings, covenant: Covenant) -> Lakehouse:
    return Lakehouse(settings.lakehouse_root, covenant.source)
