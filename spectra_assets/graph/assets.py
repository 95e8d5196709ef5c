"""One Dagster asset per covenant table, with exactly the covenant's edges and its gates as asset checks."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from spectra_assets.covenant.files import covenant_file, table_lines
from spectra_assets.covenant.model import Covenant, Severity, Table
from spectra_assets.errors import GateError, RequestError, RetriableError, SpectraError
from spectra_assets.gates.evaluate import GATES, blocking
from spectra_assets.gates.judgement import Result
from spectra_assets.graph.metadata import check_metadata, definition_metadata
from spectra_assets.graph.progress import watcher
from spectra_assets.lakehouse.raw import RAW
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import LOG, Stage
from spectra_assets.settings import Settings
from spectra_assets.stages.deliver import Delivery
from spectra_assets.stages.work import Work
from spectra_assets.untrusted import prose

REPLAY = "spectra/replay"
"""Tag of a run that makes tables again from what was kept. With the value `raw`, Extract reads the raw pages and asks no API."""

BACKFILL = "spectra/backfill"
"""Tag of a run that reads lists again: a JSON object of Extract tables and the parents to read, all if none is named."""

PROVEN = "proven"
TRUST = "spectra/trust"
"""Tag of a run that may trust what Source and Prepare proved before (`proven`), see stages/trust.py: whoever starts it sees to it
that what fails is measured (engine/pipeline.py)."""

ENGINE = "engine"
PROJECT = "project"
IO_MANAGER = "lakehouse"

_STAGES = (*(stage.value for stage in Stage), LOG)
"""Among the tables that could be made next, those of an earlier stage come first: people watch stage by stage."""

_CALLS_API = (Stage.SOURCE, Stage.PREPARE, Stage.EXTRACT)

_AGAIN = dg.RetryPolicy(max_retries=2, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""Of tables that ask the API, for what may pass by itself (RetriableError). Extract goes on where it stood."""

Event = dg.AssetCheckResult | dg.Output[Any]
"""What an asset's function yields: evaluations of its gates, then the table that passed them."""


def pipeline_assets(covenant: Covenant, settings: Settings, patient: bool) -> list[dg.AssetsDefinition]:
    """The assets of one covenant, in stage order. `patient`: what may pass by itself is tried again some minutes later."""
    lines = table_lines(covenant_file(settings.covenants, covenant.source))
    return [_asset(covenant, table, settings, lines.get(table.table, 1), patient) for table in covenant.tables()]


def asset_key(covenant: Covenant, table: str) -> dg.AssetKey:
    """Key of the asset that makes `stage.table`."""
    return dg.AssetKey(covenant.table(table).ref.asset_path(covenant.source))


def group_name(source: str, stage: str) -> str:
    """Assets are grouped by source and stage."""
    return f"{source}_{stage}"


def _asset(covenant: Covenant, table: Table, settings: Settings, line: int, patient: bool) -> dg.AssetsDefinition:
    key = asset_key(covenant, table.table)
    stage = covenant.stage_of(table)

    def compute(context: dg.AssetExecutionContext) -> Iterator[Event]:
        yield from _deliver(context, covenant, table)

    return dg.asset(
        key=key,
        deps=[asset_key(covenant, name) for name in table.inputs],
        group_name=group_name(covenant.source, stage.name),
        description=_description(table),
        metadata=definition_metadata(covenant, table, settings, line),
        owners=[_owner(covenant.pipeline.owner)],
        kinds={"deltalake", "python" if stage.name in (*_CALLS_API, "log") else "pyspark"},
        tags={"source": covenant.source, "stage": stage.name},
        code_version=_code_version(table),
        check_specs=[
            dg.AssetCheckSpec(
                name=gate.name,
                asset=key,
                description=GATES[gate.name].description if gate.name in GATES else None,
                blocking=gate.severity == Severity.ERROR,
            )
            for gate in table.gates
        ],
        io_manager_key=IO_MANAGER,
        required_resource_keys={ENGINE, PROJECT},
        retry_policy=_AGAIN if patient and stage.name in _CALLS_API else None,
        op_tags={"dagster/priority": str(-_STAGES.index(stage.name))},
    )(compute)


def _code_version(table: Table) -> str:
    """Changes when what the covenant says of this very table does."""
    return hashlib.sha256(table.model_dump_json().encode()).hexdigest()[:12]


def _owner(owner: str) -> str:
    return owner if "@" in owner else f"team:{owner}"


def _description(table: Table) -> str:
    text, grain = table.description, table.grain or ""
    told = not grain or text.lower().startswith(grain.lower())
    return "\n\n".join(prose(each[:1].upper() + each[1:]) for each in (text, "" if told else f"{grain}.") if each)


def _deliver(context: dg.AssetExecutionContext, covenant: Covenant, table: Table) -> Iterator[Event]:
    """Make, judge, publish one table; the gates' evaluations are recorded first, whatever becomes of the table."""
    someone = watcher()
    work = _work(context, covenant, table)
    if someone:
        someone.started(table)
    delivery = Delivery(work)
    error: BaseException | None = None
    try:
        with delivery:
            results = delivery.audit()
            for result in results:
                yield _check(covenant, table, result)
            failed = blocking(results)
            if failed and table.ref.schema != LOG:
                raise _blocked(table, failed)
            # by what the table holds: a version of the same rows is no change for those below
            context.set_data_version(asset_key(covenant, table.table), dg.DataVersion(delivery.fingerprint))
            yield dg.Output(delivery)
            if failed:  # a log also tells what went wrong: it is published, and fails
                raise GateError(" ".join(f"{result.gate}: {result.message}" for result in failed))
    except GeneratorExit:
        error = delivery.failure
        raise
    except SpectraError as problem:
        error = problem
        again = isinstance(problem, RetriableError)
        raise dg.Failure(description=str(problem), metadata={"error": type(problem).__name__}, allow_retries=again) from problem
    except BaseException as problem:
        error = problem
        raise
    finally:
        if someone and delivery.outcome is not None:
            someone.finished(delivery.outcome, delivery.results, error)


def _work(context: dg.AssetExecutionContext, covenant: Covenant, table: Table) -> Work:
    project = getattr(context.resources, PROJECT)
    someone = watcher()

    def say(text: str) -> None:
        context.log.info(text)
        if someone:
            someone.said(table, text)

    return Work(
        settings=project.settings,
        covenant=covenant,
        table=table,
        lakehouse=Lakehouse(project.settings.lakehouse_root, covenant.source),
        engine=getattr(context.resources, ENGINE).engine,
        playbooks=project.playbooks,
        run_id=context.run.run_id,
        now=_started(context),
        say=say,
        replay=context.run.tags.get(REPLAY) == RAW,
        remakes=REPLAY in context.run.tags,
        trusts=context.run.tags.get(TRUST) == PROVEN,
        backfill=_backfill(context, table),
    )


def _backfill(context: dg.AssetExecutionContext, table: Table) -> tuple[str, ...] | None:
    """The parents whose lists of this table the run reads again. Raises RequestError for a tag that says nothing."""
    text = context.run.tags.get(BACKFILL)
    if text is None:
        return None
    try:
        parents = json.loads(text).get(table.table)
        return None if parents is None else tuple(map(str, parents))
    except (ValueError, AttributeError, TypeError):
        raise RequestError(f'the tag {BACKFILL} is {text[:100]!r}; valid is {{"extract.executions": ["12"]}}') from None


def _started(context: dg.AssetExecutionContext) -> datetime:
    """The run's instant, the same for all its tables: a dimension's versions begin together."""
    record = context.instance.get_run_record_by_id(context.run.run_id)
    assert record is not None  # noqa: S101  (the run is under way)
    return record.create_timestamp.astimezone(UTC).replace(tzinfo=UTC)  # type: ignore[no-any-return]


def _check(covenant: Covenant, table: Table, result: Result) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if result.severity == Severity.ERROR else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        passed=result.passed,
        asset_key=asset_key(covenant, table.table),
        check_name=result.gate,
        severity=severity,
        description=result.message,
        metadata=check_metadata(result, covenant.version),
    )


def _blocked(table: Table, failed: list[Result]) -> GateError:
    reasons = " ".join(f"{result.gate}: {result.message}" for result in failed)
    return GateError(f"{table.table} is not published, its last good version stays. {reasons}", [each.gate for each in failed])
