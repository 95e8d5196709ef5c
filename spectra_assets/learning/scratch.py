"""A scratch copy of one source's pipeline, in which tables are made again from its offline twin.

It lies under `Files/proof/` of the source's own lakehouse, with documents of its own. Tables come over as hard links where the
disk can do that: Delta never writes into a file that is there, so what is made in a scratch copy changes nothing outside of it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pyarrow import compute as pc

from spectra_assets.client.api import ApiClient
from spectra_assets.covenant.canon import Canon, from_rows
from spectra_assets.covenant.files import covenant_file, write
from spectra_assets.covenant.model import Covenant, Severity, Table
from spectra_assets.errors import SpectraError
from spectra_assets.gates.evaluate import blocking
from spectra_assets.gates.judgement import Result
from spectra_assets.intelligence.model import Pack, load_pack
from spectra_assets.lakehouse import engine as engines
from spectra_assets.lakehouse.adopting import link
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.expected import expected
from spectra_assets.learning.gap import Evaluation
from spectra_assets.names import LOG, TableRef
from spectra_assets.settings import Settings
from spectra_assets.stages.adoption import published, taken_over
from spectra_assets.stages.asking.sampling import SAMPLES
from spectra_assets.stages.deliver import Delivery
from spectra_assets.stages.design import SCHEMA, design, playbooks_of, written
from spectra_assets.stages.origin import CANON
from spectra_assets.stages.work import Work

PROOF = "proof"
_CELL = 120
"""Characters of a cell, as the checks in Dagster show it."""

_STALE_SECONDS = 24 * 3600
"""A scratch copy as old as this was left by a process that died."""

Client = Callable[[Work], ApiClient]


@dataclass(frozen=True)
class Made:
    """What one table came to. `rows`: those that pass, None if there is no candidate; `error`: what ended it beside its gates.

    `different`: of raw records those that differ, None where it was not published; others may come by several ways.
    """

    table: str
    results: tuple[Result, ...]
    published: bool
    changed: bool = False
    rows: int | None = None
    different: int | None = None
    rejected: int = 0
    duplicates: int = 0
    columns: frozenset[str] = frozenset()
    error: str | None = None
    evaluations: tuple[Evaluation, ...] = ()

    @property
    def whole(self) -> int:
        """All its rows, also those that were set aside or left out."""
        return (self.rows or 0) + self.rejected + self.duplicates

    @property
    def failed(self) -> frozenset[str]:
        """Blocking gates that failed."""
        return frozenset(result.gate for result in blocking(self.results))


@dataclass(frozen=True)
class Deadline:
    """An instant of the monotonic clock until which a proof must end."""

    at: float

    def check(self, _: str = "") -> None:
        """Raises SpectraError once it is over. It can stand for a fault of the twin: each request looks at the time."""
        if time.monotonic() > self.at:
            raise SpectraError("the proof did not end in time (setting proof_seconds)")


class Scratch:
    """A context manager: the copy goes with it. `edited` are documents below `playbooks/` with another text.

    Nothing is made in it after the `deadline`: what a table asks of the engine is given up then.
    """

    def __init__(
        self, settings: Settings, source: str, client: Client, deadline: Deadline, edited: Mapping[str, str] | None = None
    ) -> None:
        """Raises StorageError."""
        self._deadline = deadline
        self.source = source
        self._real = Lakehouse(settings.lakehouse_root, source)
        self._client = client
        self._run = f"proof-{os.getpid()}-{time.time_ns()}"
        self.folder = self._real.files(PROOF, self._run)
        _clear(self.folder.parent)
        self.settings = settings.model_copy(
            update={"project": self.folder / "project", "lakehouse_root": str(self.folder / "lakehouse")}
        )
        self.lakehouse = Lakehouse(self.settings.lakehouse_root, source)
        self._now = written(settings, source)
        self._published = published(settings, self._now) if self._now is not None else set[str]()
        shutil.copytree(settings.playbooks, self.settings.playbooks)
        for file, text in (edited or {}).items():
            (self.settings.playbooks / file).write_text(text, encoding="utf-8")
        if settings.intelligence.is_dir():
            shutil.copytree(settings.intelligence, self.settings.intelligence)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def bring(self, tables: Iterable[str], before: datetime | None = None) -> None:
        """The tables as they are published, what Prepare sampled, and what the covenant in force was made from. With `before`,
        what Extract kept for the next sample comes only if it is older."""
        for table in tables:
            ref = TableRef.parse(table)
            if "://" not in self._real.root and self._real.exists(ref):
                self._real.copy_out(ref, Path(self.lakehouse.path(ref)))
        for part in ((SAMPLES,), (LOG, "waiting")):
            if self._real.files(*part).is_dir():
                _linked(self._real.files(*part), self.lakehouse.files(*part))
        if self._real.files(CANON).is_file():
            shutil.copyfile(self._real.files(CANON), self.lakehouse.files(CANON))
        for file in self.lakehouse.files(SAMPLES).glob("*.drifted.ndjson") if before else ():
            if before and file.stat().st_mtime >= before.timestamp():
                file.unlink()

    def holds(self, table: str) -> bool:
        """Whether the table is there."""
        return self.lakehouse.exists(TableRef.parse(table))

    @property
    def pack(self) -> Pack:
        """What is known of the source."""
        return load_pack(self.source, self.settings.intelligence)

    def first(self) -> Covenant:
        """The covenant up to Prepare, by the documents here."""
        return design(self.settings, self.pack, None)[0]

    def canon(self) -> Canon:
        """The canon as Prepare delivered it here; empty if it did not."""
        return from_rows(self.lakehouse.read(SCHEMA).to_pylist()) if self.lakehouse.exists(SCHEMA) else Canon(entities=())

    def covenant(self) -> Covenant:
        """The covenant by the documents here and what was sampled, as far as a remedy that is applied takes it over. Raises what
        `canon_of` and `design` raise."""
        return taken_over(self.settings, self.pack, self._now, self._published).covenant

    def make(self, covenant: Covenant, table: Table) -> Made:
        """Make one table: judged, and published here if it passes. Errors are in the result, but for the deadline's."""
        self._deadline.check()
        work = Work(
            settings=self.settings,
            covenant=covenant,
            table=table,
            lakehouse=self.lakehouse,
            engine=engines.shared(self.settings),
            playbooks=playbooks_of(self.settings),
            run_id=self._run,
            now=datetime.now(UTC),
            twin=self._client,
        )
        self.settings.covenants.mkdir(parents=True, exist_ok=True)
        write(covenant_file(self.settings.covenants, self.source), covenant)
        delivery, counts, told = Delivery(work), None, None
        try:
            with work.engine.given_up_at(self._deadline.at), delivery:
                failed = blocking(delivery.audit())
                counts = delivery.staged.counts() if delivery.staged is not None else None
                if not failed or table.ref.schema == LOG:
                    delivery.publish()
        except Exception as error:  # noqa: BLE001  (whatever a remedy makes of a table is what a proof is to find out)
            self._deadline.check()
            told = f"{type(error).__name__}: {error}"[:1000]
        return Made(
            table=table.table,
            results=tuple(delivery.results),
            published=delivery.published is not None,
            changed=delivery.published is not None and delivery.published.changed,
            rows=counts.accepted if counts else None,
            different=self._different(table) if delivery.published is not None else None,
            rejected=counts.rejected if counts else 0,
            duplicates=counts.duplicates if counts else 0,
            columns=frozenset(delivery.staged.schema.names) if delivery.staged is not None else frozenset(),
            error=told,
            evaluations=tuple(self._evaluations(covenant, table, delivery.results)),
        )

    def _different(self, table: Table) -> int | None:
        """How many different raw records the table holds; None if it holds none."""
        if table.build.kind != "extraction":
            return None
        return int(pc.count_distinct(self.lakehouse.read(table.ref, ["recordHash"]).column(0)).as_py())

    def _evaluations(self, covenant: Covenant, table: Table, results: Iterable[Result]) -> Iterator[Evaluation]:
        """What the table's gates said, and what the loop sees of it beside."""
        said = [_evaluation(self.source, covenant.version, self._run, result) for result in results]
        yield from said
        for seen in expected(self.settings, self.source, self._run, said):
            if (seen.stage, seen.table) == (table.ref.schema, table.ref.table):
                yield seen


def _evaluation(source: str, version: str, run: str, result: Result) -> Evaluation:
    """The result as the learning loop reads it, its cells as short texts like those that Dagster keeps."""
    stage, table = result.table.split(".", 1)
    return Evaluation(
        source=source,
        stage=stage,
        table=table,
        check=result.gate,
        passed=result.passed,
        severity="ERROR" if result.severity == Severity.ERROR else "WARN",
        covenant_version=version,
        run_id=run,
        key=f"{run}:{result.table}:{result.gate}",
        seen_at=datetime.now(UTC).isoformat(timespec="seconds"),
        failed=result.failed,
        total=result.total,
        rule=result.rule_id,
        message=result.message,
        sample=tuple({name: _cell(value) for name, value in row.items()} for row in result.sample),
    )


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"


def _linked(origin: Path, place: Path) -> None:
    """The files of a folder, but for those that another run takes away meanwhile, as it has collected or replaced them."""
    place.mkdir(parents=True, exist_ok=True)
    for file in origin.iterdir():
        with suppress(FileNotFoundError):
            link(file, place / file.name)


def _clear(folder: Path) -> None:
    """Remove what died processes left."""
    for left in folder.iterdir() if folder.is_dir() else ():
        if time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
