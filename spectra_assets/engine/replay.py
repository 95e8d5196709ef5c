"""Making tables again from what was kept: the pipeline from the raw pages or from a stage on, and rows from quarantine.

Nothing is asked of the API, and neither its address nor a credential is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from spectra_assets.covenant.files import read_of
from spectra_assets.covenant.model import Covenant
from spectra_assets.engine import stop
from spectra_assets.engine.console import Console
from spectra_assets.engine.ending import ended_by, exit_code
from spectra_assets.errors import RequestError, one_of
from spectra_assets.graph import runner
from spectra_assets.lakehouse import engine as engines
from spectra_assets.lakehouse import quarantine
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.quarantine import Rejected
from spectra_assets.lakehouse.raw import RAW
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import LOG, Stage
from spectra_assets.settings import Settings

FROM = (RAW, Stage.CLEAN.value, Stage.TRANSFORM.value, Stage.REFINE.value, Stage.ANALYSE.value)
"""What a pipeline may be replayed from. From `raw`, Extract too is made again."""

_STAGES = [stage.value for stage in Stage]
_EXAMPLES = 20


class Replayed(BaseModel):
    """What a replay came to; `--json` prints it. `rows` of quarantine are there after `quarantine replay` only."""

    model_config = ConfigDict(frozen=True)

    source: str
    run: str | None
    ok: bool
    tables: tuple[dict[str, Any], ...]
    problem: str | None = None
    exit_code: int = 0


class Returned(BaseModel):
    """What became of one table's quarantine. Counts are exact, rows are the first of them.

    `returned` are in the table now, `gone` in neither: their records are no longer extracted, or repeat others.
    """

    model_config = ConfigDict(frozen=True)

    table: str
    returned: int
    still: int
    gone: int
    new: int
    returned_rows: tuple[dict[str, Any], ...]
    still_rows: tuple[dict[str, Any], ...]
    reasons: dict[str, int]


def replay(settings: Settings, source: str, start: str, console: Console) -> Replayed:
    """Make every table again from `start` (of FROM) on. Raises RequestError; failures of tables are in the result."""
    covenant = read_of(settings.covenants, source)
    if start not in FROM:
        raise RequestError(f"a pipeline can't be replayed from {start!r}; valid is {one_of(FROM)}")
    first = Stage.EXTRACT if start == RAW else Stage(start)
    stages = (*_STAGES[_STAGES.index(first) :], LOG)
    tables = [table.table for table in covenant.tables() if table.ref.schema in stages]
    console.step("Replay", f"{covenant.pipeline.title}: {len(tables)} tables from {start} on, without the API")
    return remade(covenant, tables, settings, console, start)


def rejected_rows(settings: Settings, source: str) -> list[dict[str, Any]]:
    """The quarantine: one entry per table and set of rules, with how many rows it holds back. Raises RequestError."""
    covenant = read_of(settings.covenants, source)
    lakehouse = Lakehouse(settings.lakehouse_root, covenant.source)
    found = []
    for table in covenant.tables():
        counts = Counter(row.reasons for row in quarantine.rows(lakehouse, table.ref))
        found += [{"table": table.table, "reasons": list(reasons), "rows": count} for reasons, count in sorted(counts.items())]
    return found


def replay_quarantine(settings: Settings, source: str, table: str | None, console: Console) -> tuple[Replayed, list[Returned]]:
    """Make the tables with rows in quarantine again (or `table` alone), and what is made from those that changed.

    Raises RequestError for a table that the covenant does not have.
    """
    covenant = read_of(settings.covenants, source)
    lakehouse = Lakehouse(settings.lakehouse_root, covenant.source)
    names = [each.table for each in covenant.tables()]
    if table is not None and table not in names:
        raise RequestError(f"{source} has no table {table!r}; with rows in quarantine are {one_of(_held(covenant, lakehouse))}")
    affected = [name for name in _held(covenant, lakehouse) if table in (None, name)]
    if not affected:
        return Replayed(source=source, run=None, ok=True, tables=()), []
    before = {name: _rows(covenant, lakehouse, name) for name in affected}
    there = {name: _there(covenant, lakehouse, engines.shared(settings), name, before[name]) for name in affected}
    console.step("Replay", f"{covenant.pipeline.title}: rows in quarantine of {', '.join(affected)}")
    made = remade(covenant, affected, settings, console, "quarantine")
    changed = [table["table"] for table in made.tables if table["table"] in affected and table["status"] == "published"]
    if made.ok:
        made = remade(covenant, below(covenant, changed), settings, console, "quarantine")
    return made, [_compared(covenant, lakehouse, engines.shared(settings), name, before[name], there[name]) for name in affected]


def remade(
    covenant: Covenant,
    tables: Sequence[str],
    settings: Settings,
    console: Console,
    start: str | None = None,
    backfill: Mapping[str, Sequence[str]] | None = None,
) -> Replayed:
    """One run over these tables, see `runner.run`."""
    result = runner.run(covenant, tables, settings, console, replay=start, backfill=backfill)
    console.close()
    stop.check()
    problem = None if result.success else ended_by(console, result.run_id)
    return Replayed(
        source=covenant.source,
        run=result.run_id,
        ok=result.success,
        tables=tuple(
            {"table": each.table, "status": each.status, "rows": each.rows_out, "quarantined": each.quarantined}
            for each in console.outcomes
        ),
        problem=str(problem) if problem is not None else None,
        exit_code=exit_code(problem),
    )


def _held(covenant: Covenant, lakehouse: Lakehouse) -> list[str]:
    """Tables with rows in quarantine, in the order of the covenant."""
    return [table.table for table in covenant.tables() if quarantine.count(lakehouse, table.ref)]


def below(covenant: Covenant, tables: Iterable[str]) -> list[str]:
    """What is made from these tables, directly or not, and the log; in the order of the covenant."""
    found = set(tables)
    for table in covenant.tables():  # parents come first
        if found & set(table.inputs):
            found.add(table.table)
    return [each.table for each in covenant.tables() if each.table in found - set(tables) or each.ref.schema == LOG]


def _rows(covenant: Covenant, lakehouse: Lakehouse, table: str) -> list[Rejected]:
    return list(quarantine.rows(lakehouse, covenant.table(table).ref))


def _there(covenant: Covenant, lakehouse: Lakehouse, engine: Engine, table: str, rows: Iterable[Rejected]) -> set[str]:
    """The keys of these rows that the table has."""
    made = covenant.table(table)
    return quarantine.keys_there(engine, lakehouse, made.ref, made.primary_key, {row.key for row in rows if row.key is not None})


def _compared(
    covenant: Covenant, lakehouse: Lakehouse, engine: Engine, name: str, before: list[Rejected], there: Collection[str]
) -> Returned:
    """`there` are keys that the table had before: another row has them, which is none that came back."""
    after = _rows(covenant, lakehouse, name)
    left = Counter(row.digest for row in after)
    still: list[Rejected] = []
    free: list[Rejected] = []
    for row in before:
        (still if left[row.digest] > 0 else free).append(row)
        left[row.digest] -= 1
    keys = _there(covenant, lakehouse, engine, name, free) - set(there)
    back = [row for row in free if row.key is None or row.key in keys]
    now = {row.digest: row for row in after}
    return Returned(
        table=name,
        returned=len(back),
        still=len(still),
        gone=len(free) - len(back),
        new=len(after) - len(still),
        returned_rows=tuple(_shown([*back])),
        still_rows=tuple(_shown([now[row.digest] for row in still])),
        reasons=dict(Counter(reason for row in after for reason in row.reasons)),
    )


def _shown(rows: Collection[Rejected]) -> Iterator[dict[str, Any]]:
    for row in list(rows)[:_EXAMPLES]:
        yield {"key": row.key, "reasons": list(row.reasons)}
