"""From a covenant's table to a published one: make, stage, judge, publish, record. Done here once, for every table.

Write, audit, publish: the candidate is staged as files, its gates are evaluated on them, and only then does one Delta commit make
it visible. When a blocking gate fails, nothing is published and the last good version stays readable.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from spectra_assets.covenant.forms import HASHING, VOLATILE
from spectra_assets.draft import write_whole
from spectra_assets.errors import GateError, RequestError, SpectraError, StorageError
from spectra_assets.gates.candidate import Candidate
from spectra_assets.gates.carried import carried
from spectra_assets.gates.evaluate import blocking, evaluate
from spectra_assets.gates.judgement import Result
from spectra_assets.gates.together import ACCEPTED
from spectra_assets.lakehouse import quarantine
from spectra_assets.lakehouse.commit import ELEMENTS, CommitInfo, Published
from spectra_assets.lakehouse.failure import writing
from spectra_assets.lakehouse.staged import Staged
from spectra_assets.lakehouse.staging import Staging
from spectra_assets.lakehouse.standing import standing
from spectra_assets.lakehouse.types import arrow_schema, schema_hash
from spectra_assets.names import LOG
from spectra_assets.stages.trust import trusting
from spectra_assets.stages.twin import recorded
from spectra_assets.stages.work import Draft, Work, make

Status = Literal["published", "unchanged", "blocked", "failed"]


class Outcome(BaseModel):
    """What became of one table in one run: the row of `log.manifest`, and what the command line shows."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    source: str
    table: str
    status: Status
    started_at: datetime
    finished_at: datetime
    rows_in: int | None = None
    rows_out: int | None = None
    quarantined: int = 0
    duplicates: int = 0
    version: int | None = None
    schema_hash: str | None = None
    covenant_version: str
    gates_run: tuple[str, ...] = ()
    gates_failed: tuple[str, ...] = ()
    gates_warned: tuple[str, ...] = ()
    error: str | None = None

    def row(self) -> dict[str, Any]:
        """As a row of `log.manifest`."""
        return {
            "runId": self.run_id,
            "stage": self.table.split(".", 1)[0],
            "table": self.table,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
            "status": self.status,
            "rowsIn": self.rows_in,
            "rowsOut": self.rows_out,
            "quarantined": self.quarantined,
            "duplicates": self.duplicates,
            "deltaVersion": self.version,
            "schemaHash": self.schema_hash,
            "covenantVersion": self.covenant_version,
            "gatesPassed": len(self.gates_run) - len(self.gates_failed) - len(self.gates_warned),
            "gatesFailed": [*self.gates_failed, *self.gates_warned],
            "gatesRun": list(self.gates_run),
            "error": self.error,
        }


class Delivery:
    """One attempt at one table. A context manager: leaving it clears the staging and records what happened.

    Call `audit`, then `publish` if it left nothing blocking.
    """

    def __init__(self, work: Work) -> None:
        self.draft = Draft(afterwards=[])
        self.work = recorded(trusting(work), self.draft)
        self.ref = work.table.ref
        self.started_at = datetime.now(UTC)
        self.results: list[Result] = []
        self.published: Published | None = None
        self.failure: SpectraError | None = None
        """Why it could not be published."""
        self.outcome: Outcome | None = None
        self._staging = Staging(work.lakehouse, work.run_id, work.engine)
        self._staged: Staged | None = None
        self._told: dict[str, str] = {}

    def audit(self) -> list[Result]:
        """Make the candidate and evaluate its gates. Raises whatever its actions raise."""
        with writing(self._place):
            self._staging.hold()
            make(self.work, self.draft)
            self._staged = self._stage(self.draft)
            if self.draft.recount is not None and self._staged.counts().rows != self.draft.rows_in:
                self.draft.rows_in = self.draft.recount()
        if self.work.ledger.dropped:  # only the last of very many requests are in `log.requests`
            self.draft.notes["requests not recorded"] = self.work.ledger.dropped
            self.work.say(f"{self.work.ledger.dropped:,} of its requests are not in log.requests, which keeps the last ones")
        candidate = Candidate(
            table=self.work.table,
            covenant=self.work.covenant,
            lakehouse=self.work.lakehouse,
            engine=self.work.engine,
            staged=self._staged,
            rows_in=self.draft.rows_in,
            evidence=self.draft.evidence,
            accepted_changes=self.work.playbooks.named(ACCEPTED, self.work.covenant.source),
        )
        self.results = evaluate(candidate)
        self._told = carried(candidate, self.results)
        return self.results

    def publish(self) -> Published:
        """Make the candidate the table. Raises GateError if a blocking gate failed, StorageError."""
        if (failed := blocking(self.results)) and self.ref.schema != LOG:  # a log also tells what went wrong
            names = ", ".join(f"{result.gate} ({result.message})" for result in failed)
            raise GateError(f"{self.ref} is not published, its last good version stays: {names}", [each.gate for each in failed])
        assert self._staged is not None, "audit comes first"  # noqa: S101 (a programmer's error, not an input's)
        try:
            self.published = self._publish(self._staged)
        except SpectraError as error:
            self.failure = error
            raise
        return self.published

    def _publish(self, staged: Staged) -> Published:
        """The table and its quarantine, in the order in which no row is in neither, whenever it is killed: what is rejected now
        is in quarantine before the table goes without it, and what was rejected before stays there until the table has it."""
        commit = self._commit_info()
        held = quarantine.count(self.work.lakehouse, self.ref)
        if staged.counts().rejected:
            self._keep_rejected(staged, commit, beside=bool(held))
        published = self.work.lakehouse.publish(self.ref, staged, commit, self.work.table.description)
        self._tell_untidy(published)
        if held:
            self._keep_rejected(staged, commit)
        return published

    def _keep_rejected(self, staged: Staged, commit: CommitInfo, beside: bool = False) -> None:
        kept = quarantine.keep(
            self._staging,
            self.ref,
            staged.rejected(),
            [name for name in self.work.table.primary_key if name in staged.schema.names],
            commit,
            rules=[gate.name for gate in self.work.table.gates],
            beside=beside,
        )
        self._tell_untidy(kept)

    def _tell_untidy(self, published: Published | None) -> None:
        if published is not None and published.untidy:
            self.work.say(f"published; files of its older versions stay: {published.untidy}")

    @property
    def _place(self) -> str:
        """Where what it writes lies."""
        return str(self.work.lakehouse.files().parent)

    @property
    def staged(self) -> Staged | None:
        """The candidate, once `audit` made it."""
        return self._staged

    @property
    def fingerprint(self) -> str:
        """What the candidate's rows sum up to: the same rows have the same. `audit` comes first."""
        return self._staged.fingerprint if self._staged is not None else ""

    def _stage(self, draft: Draft) -> Staged:
        volatile = VOLATILE.get(str(self.ref), VOLATILE.get(self.ref.schema, frozenset()))
        if HASHING in self.work.table.steps:  # the hash tells of the record
            volatile |= {"record"}
        if draft.standing:
            schema = arrow_schema(self.work.table.schema_)
            return standing(self.work.engine, self.work.lakehouse, self.ref, schema, volatile)
        if draft.frame is not None:
            quick = draft.unrepeated
            if quick is not None and quick.of is draft.frame:
                staged = self._staging.stage_frame(self.ref, quick.frame, volatile=volatile)
                if not staged.repeats(quick.key):
                    return staged
            return self._staging.stage_frame(self.ref, draft.frame, volatile=volatile, ordered=draft.ordered)
        data = draft.rows if draft.rows is not None else draft.batches
        if data is None:
            raise SpectraError(f"the actions of {self.ref} made no rows: {', '.join(self.work.table.steps)}")
        schema = arrow_schema(self.work.table.schema_)
        staged = self._staging.stage_arrow(self.ref, data, schema, volatile)
        if draft.mend is None:
            return staged
        mended = draft.mend(staged.batches())
        return self._staging.stage_arrow(self.ref, mended, schema, volatile, part="mended")

    def _commit_info(self) -> CommitInfo:
        gates = [{"gate": result.gate, "passed": result.passed, "failed": result.failed} for result in self.results]
        counted = self.draft.evidence.get(ELEMENTS)
        elements = {ELEMENTS: json.dumps(counted, ensure_ascii=False, sort_keys=True)} if counted else {}
        return CommitInfo(
            run_id=self.work.run_id,
            covenant_version=self.work.covenant.version,
            rows_in=self.draft.rows_in,
            gates=json.dumps(gates),
            extra={"inputs": ",".join(self.work.table.inputs), **elements, **self._told},
        )

    def _finish(self, error: BaseException | None) -> Outcome:
        counts = self._staged.counts() if self._staged is not None and error is None else None
        failed = blocking(self.results)
        status: Status = "failed"
        if failed:
            status = "blocked"
        elif self.published is not None:
            status = "published" if self.published.changed else "unchanged"
        message = str(error) if error is not None else "; ".join(result.message for result in failed)
        return Outcome(
            run_id=self.work.run_id,
            source=self.work.covenant.source,
            table=str(self.ref),
            status=status,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
            rows_in=self.draft.rows_in,
            rows_out=self.published.rows if self.published else None,
            quarantined=counts.rejected if counts else 0,
            duplicates=counts.duplicates if counts else 0,
            version=self.published.version if self.published else None,
            schema_hash=schema_hash(self._staged.schema) if self._staged is not None else None,
            covenant_version=self.work.covenant.version,
            gates_run=tuple(result.gate for result in self.results),
            gates_failed=tuple(result.gate for result in failed),
            gates_warned=tuple(result.gate for result in self.results if not result.passed and result not in failed),
            error=message[:2000] or None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if isinstance(error, GeneratorExit) and self.failure is not None:
                error = self.failure  # Dagster ends a step whose output it could not keep
            self.outcome = self._finish(None if isinstance(error, GeneratorExit) else error)
            self._tell(self.outcome, self.work.ledger.drain(), error)
        finally:
            self.work.close()
            self._staging.close()

    def _tell(self, outcome: Outcome, requests: Sequence[dict[str, Any]], error: BaseException | None) -> None:
        """Record what happened, and let everybody who waits for the end hear of it, whatever one of them raises. The first error
        is the one to tell."""
        with ExitStack() as endings:  # which ends with what was pushed first
            quiet = suppress(*([StorageError] if error is not None else []))
            for hear in reversed(self.draft.afterwards or ()):
                endings.callback(_in_peace, quiet, self._place, hear, outcome.status, error)
            if self.ref.schema != LOG and not isinstance(error, RequestError):  # a slip that says nothing of the table
                endings.callback(_in_peace, quiet, self._place, leave_record, self.work, outcome, requests)


def _in_peace(quiet: AbstractContextManager[None], place: str, do: Callable[..., None], *arguments: Any) -> None:
    with quiet, writing(place):
        do(*arguments)


def leave_record(work: Work, outcome: Outcome, requests: Sequence[dict[str, Any]]) -> None:
    """Leave what happened under `Files/log/`, one file per attempt, for `log.manifest` and `log.requests` to collect."""
    folder = work.lakehouse.files("log", "waiting")
    name = f"{outcome.started_at:%Y%m%dT%H%M%S%f}-{outcome.table}-{os.getpid()}.json"
    text = json.dumps(
        {"manifest": outcome.row(), "requests": [{**row, "runId": work.run_id, "table": outcome.table} for row in requests]},
        default=_json,
    )
    try:
        write_whole(folder / name, text)
    except OSError as error:
        raise StorageError(f"can't record what became of {outcome.table} in {folder}: {error.strerror}") from None


def _json(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
