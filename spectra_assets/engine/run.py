"""`solution-engine run`: Discover, Design, Build, Test, Deploy, Monitor, Finalise. Each step may be run again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from spectra_assets.client.api import ApiClient
from spectra_assets.covenant.build import Calendar
from spectra_assets.covenant.files import covenant_file
from spectra_assets.covenant.model import Covenant
from spectra_assets.discovery.discover import base_url_variable
from spectra_assets.engine.commit import commit
from spectra_assets.engine.console import Console
from spectra_assets.engine.document import write_document
from spectra_assets.engine.pipeline import Pipeline, relative
from spectra_assets.engine.replay import below
from spectra_assets.engine.sentence import understand
from spectra_assets.engine.source import Options, addressed, pack_for
from spectra_assets.engine.summary import Summary
from spectra_assets.intelligence.model import Pack
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.gap import Cause
from spectra_assets.names import LOG, Stage, TableRef
from spectra_assets.settings import Settings, variable
from spectra_assets.stages.adoption import Made
from spectra_assets.stages.design import canon_of, design, written
from spectra_assets.untrusted import flat

_FIRST = (Stage.SOURCE, Stage.PREPARE)
_LOSING = (Cause.EMPTIED_FIELD, Cause.MISSING_FIELD)
"""What only warns, but loses values, so that it is looked at in each run: a field that went to another name is followed before
anybody reads the empty column."""

_ROUNDS = 4
"""Times that the pipeline, or its first two stages, are made at most in one call while remedies are found."""


def run_sentence(
    sentence: str,
    settings: Settings,
    console: Console,
    commit_files: bool = False,
    options: Options = Options(),  # noqa: B008 (it is frozen)
) -> Summary:
    """Carry out the sentence. Raises SpectraError for what stops it before a table is tried; the rest is in the summary."""
    begun = time.monotonic()
    source = _source(sentence, settings, options)
    with addressed(settings, source, options) as export:
        pack = pack_for(settings, source, options, console)
        ApiClient.from_environment(pack.server).close()
        engine = Pipeline(settings, console, source, options.rediscover)
        engine.export = export
        covenant = _carry_out(engine, pack, commit_files)
        return engine.summary(covenant, begun)


def _source(sentence: str, settings: Settings, options: Options) -> str:
    """The source that the sentence names: a known one, or any whose address is known."""
    source = understand(sentence, settings.intelligence, new=True).source
    addressable = options.base_url is not None or variable(base_url_variable(source)) is not None
    return understand(sentence, settings.intelligence, new=addressable).source


def _carry_out(engine: Pipeline, pack: Pack, commit_files: bool) -> Covenant:
    """From Discover to Finalise; the covenant as far as it came. After a failed gate for which a remedy was proven, again."""
    settings = engine.settings
    engine.console.step("Discover", f"{pack.title}: connect, catalogue, sample, prove")
    before = written(settings, engine.source)
    tables: Sequence[str] = _FIRST
    for left in reversed(range(_ROUNDS)):
        found = _discovered(engine, pack, tables)
        if found is None:
            known = len(engine.lessons)
            covenant = _others(engine, before) or design(settings, engine.pack or pack, None)[0]
            if not left or len(engine.lessons) == known or not engine.heal(covenant):
                return covenant
            tables = _FIRST  # what the others showed was the cause: records in another form, whose children nobody could find
            continue
        pack = engine.prove(found)
        covenant = _designed(engine, pack, before)
        delivered = _delivered(engine, covenant)
        if left and (not delivered or engine.odd) and engine.measure():
            tables = _FIRST
            continue
        again = (engine.heal(covenant, _LOSING) if delivered else engine.heal(covenant)) if left else ()
        if delivered and not again:
            engine.settled(covenant)
            if engine.held:
                engine.propose()
            return _finalised(engine, pack, covenant, commit_files)
        if not again:
            _released(engine, covenant)
            engine.propose()
            return covenant
        tables = again
        engine.console.step("Test", "once more, with what was learned")
    return covenant


def _discovered(engine: Pipeline, pack: Pack, tables: Sequence[str]) -> Pack | None:
    """Source and Prepare (or those of their tables that are named), again while a remedy helps or what is not proven can be left
    out; the pack that was proven, None if it can't be."""
    for left in reversed(range(_ROUNDS)):
        engine.pack = pack
        first, _ = design(engine.settings, pack, None)
        if engine.discover(first, _tables(first, tables)):
            return pack
        if left and engine.measure():
            continue
        if left and engine.heal(first):
            tables = _FIRST
            continue
        fewer = engine.settle(pack) if left else None
        if fewer is None:
            return None
        pack, tables = fewer, _FIRST
    return None


def _others(engine: Pipeline, now: Covenant | None) -> Covenant | None:
    """Make what does not hang on the entities that can't be had today, by the covenant in force: one list that is closed holds
    back its own tables, and no others. What is wrong stays the problem. None if that is not why Source or Prepare failed."""
    lost = engine.unreachable()
    if now is None or not lost:
        return None
    closed = [table.table for table in now.tables() if table.ref.schema == Stage.EXTRACT and table.entity in lost]
    kept = _held_back(engine, now, closed)
    others = [table.table for table in now.tables() if table.ref.schema not in (*_FIRST, LOG) and table.table not in kept]
    what = f"every table that does not depend on {', '.join(sorted(lost))[:200]}, by the covenant in force"
    _beside(engine, now, others, what)
    return now


def _released(engine: Pipeline, covenant: Covenant) -> None:
    """Make what waits for a table that was held back by the calendar alone: all facts have dates, and the calendar has the days
    of what stands. So one table holds back what is made from it, and no others."""
    failed = [outcome.table for outcome, _, _ in engine.console.problems]
    waiting = {*below(covenant, failed)} - _held_back(engine, covenant, failed)
    others = [table for table in covenant.tables() if table.table in waiting and table.ref.schema != LOG]
    if any(not isinstance(table.build, Calendar) and not set(table.inputs) <= waiting for table in others):
        _beside(engine, covenant, [table.table for table in others], "every table that does not depend on what was held back")


def _held_back(engine: Pipeline, covenant: Covenant, tables: Iterable[str]) -> set[str]:
    """These tables and what is made from them; not by a calendar, if all that it is made from stands."""
    lakehouse = Lakehouse(engine.settings.lakehouse_root, covenant.source)
    found = set(tables)
    for table in covenant.tables():  # parents come first
        stands = isinstance(table.build, Calendar) and all(lakehouse.exists(TableRef.parse(name)) for name in table.inputs)
        if found & set(table.inputs) and not stands:
            found.add(table.table)
    return found


def _beside(engine: Pipeline, covenant: Covenant, tables: Sequence[str], what: str) -> None:
    """Make these tables though something is wrong, which stays the problem."""
    if tables:
        problem = engine.problem
        engine.console.step("Test", what)
        engine.materialise(covenant, tables)
        engine.problem = problem


def _designed(engine: Pipeline, pack: Pack, before: Covenant | None) -> Covenant:
    console = engine.console
    console.step("Design", "playbooks + intelligence + canon → covenant")
    canon = canon_of(engine.settings, pack)
    made, notices = design(engine.settings, pack, canon)
    covenant = engine.adopt(pack, Made(made, canon, tuple(notices)), before)
    console.step("Build", f"{len(list(covenant.tables()))} tables, {len(covenant.edges())} edges, {_gates(covenant)} gates")
    return covenant


def _delivered(engine: Pipeline, covenant: Covenant) -> bool:
    engine.console.step("Test", "materialise every table, evaluate every gate")
    return engine.materialise(covenant, [table.table for table in covenant.tables() if table.ref.schema not in _FIRST])


def _finalised(engine: Pipeline, pack: Pack, covenant: Covenant, commit_files: bool) -> Covenant:
    settings, console = engine.settings, engine.console
    console.step("Deploy", "local: Dagster serves this pipeline (make dev)")
    console.step("Monitor", engine.health(covenant))
    document, changed = write_document(settings.project, covenant)
    console.step("Finalise", f"{relative(document, settings)} {'written' if changed else 'unchanged'}")
    if commit_files:
        files = [covenant_file(settings.covenants, covenant.source), document, *engine.intelligence(pack)]
        engine.commit = commit(settings.project, files, f"{flat(pack.title)}: covenant {covenant.version} and its document")
        console.line(f"committed as {engine.commit[:10]}" if engine.commit else "nothing to commit: both are committed already")
    engine.document = document
    return covenant


def _tables(covenant: Covenant, stages: Iterable[str]) -> list[str]:
    """The tables of these stages, or those that are named."""
    wanted = tuple(stages)
    return [table.table for table in covenant.tables() if table.ref.schema in wanted or table.table in wanted]


def _gates(covenant: Covenant) -> int:
    return sum(len(table.gates) for table in covenant.tables())
