"""The lessons sensor: every failed gate evaluation of every finished run becomes part of one lesson, counted once.

Runs are read with `instance.fetch_run_status_changes`, which sees runs started by the command line, the UI and the daemon alike,
also those that ended while no daemon ran. The position is kept in the instance itself, so that the sensor and the command line
share it; a lesson remembers its evaluations, so that a crash between writing it and moving on counts nothing twice.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any

import dagster as dg

from spectra_assets.graph.learning import catching_up, learn_job, observations, passes, telling
from spectra_assets.graph.presence import bury
from spectra_assets.learning.gap import Evaluation
from spectra_assets.learning.lesson import Lesson
from spectra_assets.learning.loop import observe
from spectra_assets.learning.told import leave, untold
from spectra_assets.settings import load as load_settings

_ENDED = (dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED)
_POSITION = "spectra_lessons"
_SECONDS = 20.0
"""Of a look: Dagster gives up one that takes longer than a minute. What is read in one goes on to its end."""

_BATCH = 16
"""Runs of each kind that are read at once: together no more than a lesson remembers evaluations."""


def learn(instance: dg.DagsterInstance, seconds: float = inf) -> list[Lesson]:
    """Read the runs that ended since the last time and write their lessons; those that changed. Raises DocumentError.

    Lessons that were applied are judged as well: one that did not hold is taken back. No more runs are begun after so many
    `seconds`: the next call goes on behind those that were read.
    """
    begun = time.monotonic()
    settings = load_settings()
    bury(instance)  # what a killed run showed counts too
    position = _position(instance)
    changed: dict[str, Lesson] = observe(settings, ()).changed  # what a killed pass left is finished first
    more = True
    while more and time.monotonic() - begun <= seconds:
        runs, reached, more = ended(instance, position)
        for run_id in runs:
            changed |= observe(settings, evaluations(instance, run_id)).changed
        if reached != position:
            position = reached
            instance.daemon_cursor_storage.set_cursor_values({_POSITION: json.dumps(position)})
    leave(settings, {lesson.source for lesson in changed.values()} | untold(settings))
    for each in observations(changed.values()):
        instance.report_runless_asset_event(each)
    return list(changed.values())


def lessons_sensor(pipelines: Sequence[Any], job: Callable[[str], str]) -> dg.SensorDefinition:
    """The sensor over these pipelines' jobs; `job` gives the name of a source's job."""

    @dg.sensor(
        name="lessons",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        jobs=[learn_job, *pipelines],
        description="Writes one lesson for each distinct gap, has remedies looked for, and lets a healed pipeline catch up.",
    )
    def lessons(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        settings = load_settings()
        changed = learn(context.instance, _SECONDS)
        loaded = context.repository_def
        known = loaded.asset_graph.get_all_asset_keys() if loaded is not None else None
        requests = [*passes(context.instance, settings, changed), *catching_up(context.instance, settings, job, known)]
        requests = requests or list(telling(context.instance, settings, job))
        yield from requests
        if not requests:
            names = ", ".join(lesson.id for lesson in changed)
            yield dg.SkipReason(
                f"wrote {len(changed)} lessons: {names}"[:1000] if changed else "no failed gate since the last look"
            )

    return lessons


def ended(instance: dg.DagsterInstance, position: Mapping[str, str]) -> tuple[list[str], dict[str, str], bool]:
    """Runs that ended behind the position, in the order in which they ended (a gap that a later run no longer shows is closed by
    it), the position behind them, and whether there are more.

    Each kind of end is read for itself. Where one has more than were read, those of the others that ended later have to wait.
    """

    def page(kind: str, limit: int) -> Any:
        return instance.fetch_run_status_changes(
            dg.DagsterEventType(kind), limit=limit, cursor=position.get(kind), ascending=True
        )

    pages = {kind.value: page(kind.value, _BATCH) for kind in _ENDED}
    last = min((_ended_at(each.records[-1]) for each in pages.values() if each.has_more), default=(inf, 0))
    found: list[Any] = []
    reached = dict(position)
    for kind, each in pages.items():
        now = [entry for entry in each.records if _ended_at(entry) <= last]
        found += now
        if now:
            reached[kind] = (each if len(now) == len(each.records) else page(kind, len(now))).cursor
    more = any(each.has_more for each in pages.values())
    return [entry.event_log_entry.run_id for entry in sorted(found, key=_ended_at)], reached, more


def _ended_at(entry: Any) -> tuple[float, int]:
    return float(entry.event_log_entry.timestamp), int(entry.storage_id)


def _position(instance: dg.DagsterInstance) -> dict[str, str]:
    values = instance.daemon_cursor_storage.get_cursor_values({_POSITION})
    return dict(json.loads(values[_POSITION])) if _POSITION in values else {}


def evaluations(instance: dg.DagsterInstance, run_id: str) -> Iterator[Evaluation]:
    """The evaluations of a run, oldest first, of our own assets."""
    cursor = None
    while True:
        page = instance.get_records_for_run(
            run_id, cursor=cursor, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION, limit=1000, ascending=True
        )
        for entry in page.records:
            found = _evaluation(run_id, entry)
            if found is not None:
                yield found
        if not page.has_more:
            return
        cursor = page.cursor


def _evaluation(run_id: str, entry: Any) -> Evaluation | None:
    event = entry.event_log_entry.dagster_event
    evaluation = event.event_specific_data
    key = evaluation.asset_key.path
    if len(key) != 3:
        return None
    numbers = {name: value.value for name, value in evaluation.metadata.items() if isinstance(value, dg.IntMetadataValue)}
    texts = {name: str(value.value) for name, value in evaluation.metadata.items() if isinstance(value, dg.TextMetadataValue)}
    examples = evaluation.metadata.get("examples")
    rows = examples.records if isinstance(examples, dg.TableMetadataValue) else ()
    return Evaluation(
        source=key[0],
        stage=key[1],
        table=key[2],
        check=evaluation.check_name,
        passed=evaluation.passed,
        severity=evaluation.severity.value,
        covenant_version=texts.get("covenant version", ""),
        run_id=run_id,
        key=f"{run_id}:{key[1]}.{key[2]}:{evaluation.check_name}",
        seen_at=datetime.fromtimestamp(entry.event_log_entry.timestamp, UTC).isoformat(timespec="seconds"),
        failed=numbers.get("failed rows"),
        total=numbers.get("rows"),
        rule=texts.get("rule", ""),
        message=evaluation.description or "",
        sample=tuple(dict(row.data) for row in rows),
    )
