"""What a person sees while a pipeline runs: one line per stage, its tables as they come, problems in full."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TextIO

from spectra_assets.covenant.model import Table
from spectra_assets.engine import stop
from spectra_assets.gates.judgement import Result
from spectra_assets.stages.deliver import Outcome
from spectra_assets.stages.prepare.routes.forecast import PREDICTED
from spectra_assets.untrusted import lines, printable

_WIDTH = 12
_TICK = 1.0


@dataclass
class StageTally:
    """Counts of one stage's tables so far."""

    tables: int = 0
    changed: int = 0
    rows: int = 0
    passed: int = 0
    failed: int = 0
    warned: int = 0
    seconds: float = 0.0


@dataclass
class Console:
    """A Watcher that prints. On a terminal the line of the stage under way is redrawn; elsewhere only whole lines appear."""

    out: TextIO = field(default_factory=lambda: sys.stderr)
    outcomes: list[Outcome] = field(default_factory=list)
    problems: list[tuple[Outcome, list[Result], BaseException | None]] = field(default_factory=list)
    stages: dict[str, StageTally] = field(default_factory=dict)
    quiet: bool = False
    verbose: bool = False
    """Details are printed; otherwise they pass by on a terminal, and the files tell them."""
    _shown: str = ""
    _stage: str = ""
    _last: float = 0.0

    def step(self, name: str, text: str) -> None:
        """One of the seven steps of the solution engine begins."""
        self.close()
        self._print(f"\n{name:<{_WIDTH}} {text}")

    def line(self, text: str) -> None:
        """One more line about the step under way."""
        self.close()
        self._print(f"{'':<{_WIDTH}} {text}")

    def detail(self, text: str) -> None:
        """What only those want to read who look closely."""
        if self.verbose:
            self.line(text)
        elif self.out.isatty() and not self.quiet:
            self._shown = f"{'':<{_WIDTH}} {printable(text)}"[:110]
            self.out.write(f"\r\033[K{self._shown}")
            self.out.flush()

    def some(self, lines: Sequence[str], rest: str, most: int = 8) -> None:
        """The first of several lines, and where the rest of them is; all of them if details are wanted."""
        most = len(lines) if self.verbose else most
        for line in lines[:most]:
            self.line(f"· {line}")
        if len(lines) > most:
            self.line(f"· and {len(lines) - most} more: {rest}")

    def started(self, table: Table) -> None:
        """Raises KeyboardInterrupt if the process was asked to stop, and whoever ran then took no notice."""
        stop.check()
        stage = table.ref.schema
        if stage != self._stage:
            self.close()
            self._stage = stage
        self._draw(f"{table.ref.table} …")

    def said(self, table: Table, text: str) -> None:
        if PREDICTED in text:  # what a person wants to know before it begins
            self._clear()
            self._print(f"{'':<{_WIDTH}} {text}")
        elif time.monotonic() - self._last >= _TICK:
            self._draw(f"{table.ref.table}: {text}", always=True)

    def finished(self, outcome: Outcome, results: list[Result], error: BaseException | None) -> None:
        self.outcomes.append(outcome)
        tally = self.stages.setdefault(outcome.table.split(".", 1)[0], StageTally())
        tally.tables += 1
        tally.changed += outcome.status == "published"
        tally.rows += outcome.rows_out or 0
        tally.failed += len(outcome.gates_failed)
        tally.warned += len(outcome.gates_warned)
        tally.passed += len(outcome.gates_run) - len(outcome.gates_failed) - len(outcome.gates_warned)
        tally.seconds += (outcome.finished_at - outcome.started_at).total_seconds()
        for result in results:
            if not result.passed:
                self._clear()
                word = "failed" if result.severity == "ERROR" else "warns"
                self._print(
                    f"{'':<{_WIDTH}} {'✗' if word == 'failed' else '!'} {result.gate} {word} on {outcome.table}: {result.message}"
                )
        if outcome.status in ("blocked", "failed"):
            self.problems.append((outcome, results, error))
            if outcome.status == "failed":
                self._clear()
                self._print(f"{'':<{_WIDTH}} ✗ {outcome.table} could not be made: {outcome.error}")
        self._draw(outcome.table.split(".", 1)[1])

    def forget(self) -> None:
        """Start to count anew: what was tried is tried again."""
        self.outcomes.clear()
        self.problems.clear()
        self.stages.clear()

    def close(self) -> None:
        """End the line of the stage under way with what it came to."""
        stage, self._stage = self._stage, ""
        tally = self.stages.get(stage)
        self._clear()
        if stage and tally:
            gates = (
                f"{tally.passed} gates passed"
                + (f", {tally.failed} failed" if tally.failed else "")
                + (f", {tally.warned} warned" if tally.warned else "")
            )
            self._print(f"  {stage:<{_WIDTH - 2}} {tally.tables} tables, {tally.rows:,} rows, {gates}, {tally.seconds:.1f} s")

    def _clear(self) -> None:
        """Take the unfinished line off the terminal."""
        if self._shown and self.out.isatty():
            self.out.write("\r\033[K")
        self._shown = ""

    def _draw(self, text: str, always: bool = False) -> None:
        self._last = time.monotonic()
        if self.quiet:
            return
        if self.out.isatty():
            tally = self.stages.get(self._stage, StageTally())
            self._shown = f"  {self._stage:<{_WIDTH - 2}} {tally.tables} tables, {tally.rows:,} rows — {printable(text)}"[:110]
            self.out.write(f"\r\033[K{self._shown}")
            self.out.flush()
        elif always:
            self._print(f"  {self._stage:<{_WIDTH - 2}} {text}")

    def _print(self, text: str) -> None:
        if not self.quiet:
            print(lines(text), file=self.out, flush=True)
