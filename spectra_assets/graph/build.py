"""Covenants → Dagster definitions: assets with their checks, one job per pipeline, the lessons sensor, resources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dagster as dg

from spectra_assets.covenant.files import covenant_files, read_all
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import ConfigurationError
from spectra_assets.graph.assets import ENGINE, IO_MANAGER, PROJECT, pipeline_assets
from spectra_assets.graph.io import LakehouseIOManager
from spectra_assets.graph.learning import learn_job
from spectra_assets.graph.resources import EngineResource, ProjectResource
from spectra_assets.graph.sensor import lessons_sensor
from spectra_assets.settings import DAILY, Settings
from spectra_assets.untrusted import prose


def covenants_of(settings: Settings) -> list[Covenant]:
    """The covenants in `covenants/`, or only those that SPECTRA_SOURCES names. Raises DocumentError, ConfigurationError."""
    return read_all(covenant_files(settings.covenants, settings.sources))


def definitions(covenants: Sequence[Covenant], settings: Settings, patient: bool = False) -> dg.Definitions:
    """Definitions of these pipelines, and nothing that no covenant says.

    `patient`: tables whose API can't be reached are tried again some minutes later. So Dagster loads them; at the command line a
    person hears of it at once. No pool limits them: runs that share a lakehouse share one budget per host (`client/budget.py`).
    """
    jobs = list(_jobs(covenants))
    return dg.Definitions(
        assets=[asset for covenant in covenants for asset in pipeline_assets(covenant, settings, patient)],
        jobs=[*jobs, learn_job],
        schedules=[_schedule(job, settings.schedule) for job in jobs],
        sensors=[lessons_sensor(jobs, job_name)],
        resources={ENGINE: EngineResource(), PROJECT: ProjectResource(), IO_MANAGER: LakehouseIOManager()},
        executor=dg.in_process_executor,
    )


def _schedule(job: dg.UnresolvedAssetJobDefinition, cron: str) -> dg.ScheduleDefinition:
    """A schedule of the pipeline that a person switches on. Raises ConfigurationError if `cron` is none."""
    try:
        return dg.ScheduleDefinition(name=f"{job.name}_schedule", job=job, cron_schedule=cron, execution_timezone="UTC")
    except dg.DagsterInvalidDefinitionError:
        raise ConfigurationError(f"SPECTRA_SCHEDULE is {cron!r}; valid is cron with five fields, such as {DAILY}") from None


def job_name(source: str) -> str:
    """Job that materialises a whole pipeline."""
    return f"{source}_pipeline"


def _jobs(covenants: Iterable[Covenant]) -> Iterable[dg.UnresolvedAssetJobDefinition]:
    for covenant in covenants:
        yield dg.define_asset_job(
            job_name(covenant.source),
            selection=dg.AssetSelection.key_prefixes([covenant.source]),
            description=f"Everything of {prose(covenant.pipeline.title)}, from Source to Analyse and the log.",
        )
