"""The learning job, and the runs by which a healed pipeline catches up. The sensor (sensor.py) asks for both.

What is to be done is derived from the lessons alone: open ones that nobody looked at yet are looked at by the job; each remedy
that was applied is followed by one run of what it touches. A process that is killed is made up for at the next look.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from spectra_assets.covenant.files import covenant_files, read
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import SpectraError
from spectra_assets.graph.presence import present
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.healing import heal
from spectra_assets.learning.lesson import Lesson, read_all
from spectra_assets.learning.loop import Learned, made_again
from spectra_assets.learning.prose import quoted, times
from spectra_assets.learning.told import leave
from spectra_assets.learning.verify import awaited
from spectra_assets.names import LOG, TableRef
from spectra_assets.settings import Settings
from spectra_assets.settings import load as load_settings
from spectra_assets.stages.log import LESSONS, latest_attempts
from spectra_assets.stages.proposal import DRIFT, propose, proposed_file, withdraw

LEARNING = "spectra/learning"
"""Tag of the runs that learn, and of those that catch up afterwards: what they are about."""

TOLD = TableRef(LOG, "lessons")
JOB = "learn"
_OP = "find_remedies"
_LAUNCHES = 3
"""Times a run about the same lessons is launched, should it die."""

_LOADED = timedelta(minutes=3)
"""How long tables that a remedy brought are waited for: `solution-engine dev` has them loaded within seconds."""

_MOST_TOLD = 20
_GOOD = [dg.DagsterRunStatus.SUCCESS]
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def unseen(settings: Settings) -> list[Lesson]:
    """Open lessons for which no remedy was looked for yet, without those that await what another one brought.

    Raises DocumentError.
    """
    lessons = read_all(settings.lessons) if settings.lessons.is_dir() else []
    new = [lesson for lesson in lessons if lesson.curable and not lesson.tried and lesson.question is None]
    return [lesson for lesson in new if awaited(lesson, (each for each in lessons if each.source == lesson.source)) is None]


def look(settings: Settings, lessons: Iterable[Lesson], say: Callable[[str], None] = lambda _: None) -> Learned:
    """Look for remedies of these lessons and of the unseen ones, and apply what is proven. Raises DocumentError, StorageError."""
    learned = Learned(changed={lesson.id: lesson for lesson in (*unseen(settings), *lessons)})
    if settings.learning != "off":
        heal(settings, learned, say)
    sources = {lesson.source for lesson in learned.changed.values()}
    for source in sorted(sources):
        _propose(settings, source, say)
    leave(settings, sources)
    return learned


def _propose(settings: Settings, source: str, say: Callable[[str], None]) -> None:
    """Write down what the covenant would be by records that drifted, as long as no remedy holds of such a lesson."""
    waiting = [lesson for lesson in read_all(settings.lessons, source) if lesson.check in DRIFT and lesson.open]
    if not waiting:
        withdraw(settings, source)
        return
    try:
        changes = propose(settings, source)
    except SpectraError as error:  # what can't be designed is no proposal; the lessons stay
        say(f"{source}: no next version of the covenant can be proposed: {error}")
        return
    if changes:
        say(
            f"{source}: {proposed_file(settings, source)} is the covenant as it would be by what was seen: {len(changes)} changes"
        )


@dg.op(
    name=_OP,
    config_schema={"lessons": dg.Field([str], default_value=[], description="Lessons seen again.")},
    description="Looks for remedies of open lessons, proves them on what was recorded, and applies those that hold.",
)
def learn_op(context: dg.OpExecutionContext) -> None:
    """One pass; each lesson that changed is observed on the page of its table."""
    settings = load_settings()
    again = [lesson for lesson in read_all(settings.lessons) if lesson.id in context.op_config["lessons"]]
    with present(context.instance, context.run_id):
        learned = look(settings, again, context.log.info)
    for each in observations(learned.changed.values()):
        context.log_event(each)


@dg.job(name=JOB, description="Looks for remedies of what gates found, proves them, and applies those that hold.")
def learn_job() -> None:
    """The learning job."""
    learn_op()


def observations(changed: Iterable[Lesson]) -> list[dg.AssetObservation]:
    """Lessons that changed, each on the page of the table that showed it; those that ask a person come last, as the page shows
    the last one first."""
    told = sorted(changed, key=lambda lesson: lesson.question is not None)
    return [observation(lesson) for lesson in told[-_MOST_TOLD:]]


def observation(lesson: Lesson) -> dg.AssetObservation:
    """The lesson on the page of the table that showed it."""
    told = {"lesson": dg.MetadataValue.md(summary(lesson)), "status": lesson.status, "seen": lesson.seen}
    key = dg.AssetKey([lesson.source, lesson.stage, lesson.table])
    return dg.AssetObservation(asset_key=key, description=f"lesson {lesson.id}: {lesson.status}", metadata=told)


def summary(lesson: Lesson) -> str:
    """The lesson in Markdown; texts that may come from data stand in fences alone."""
    told = {
        "About": lesson.subject,
        "Remedy": lesson.remedy.said if lesson.remedy else "",
        "A person is asked": lesson.question,
        "Closed": lesson.closed,
    }
    lines = [f"**{lesson.cause.replace('_', ' ')}**, {lesson.status}, seen {times(lesson.seen)}: `lessons/{lesson.id}.md`"]
    return "\n\n".join([*lines, *(f"**{head}**\n\n{quoted(text)}" for head, text in told.items() if text)])


def passes(instance: dg.DagsterInstance, settings: Settings, changed: Iterable[Lesson]) -> Iterator[dg.RunRequest]:
    """The learning job for lessons that changed just now or that nobody looked at, if it is not under way already."""
    if settings.learning == "off":
        return
    wanted = {lesson.id: lesson for lesson in (*unseen(settings), *changed) if lesson.curable}
    if not wanted or instance.get_runs_count(dg.RunsFilter(job_name=JOB, statuses=_UNDER_WAY)):
        return
    about = _key(f"{lesson.id} {lesson.seen} {lesson.returned}" for lesson in wanted.values())
    launched = instance.get_runs_count(dg.RunsFilter(job_name=JOB, tags={LEARNING: about}))
    if launched < _LAUNCHES:
        config = {"ops": {_OP: {"config": {"lessons": sorted(wanted)}}}}
        yield dg.RunRequest(run_key=f"learn-{about}-{launched}", job_name=JOB, run_config=config, tags={LEARNING: about})


def catching_up(
    instance: dg.DagsterInstance, settings: Settings, job: Callable[[str], str], known: Collection[dg.AssetKey] | None = None
) -> Iterator[dg.RunRequest]:
    """One run of `job(source)` for each source with remedies that were applied, or taken back, and that no run followed yet.

    It is about the lessons and how often they were used, and is asked for after the learning job, which may apply more of them.
    One that ended badly, since it was killed or a gate failed, is asked for again, three times in all. A gap that came back
    three times is left to a person (learning/healing.py), so that this ends. `known` are the assets of the code location as
    loaded: what a remedy brought since, such as a table of the charts, can't be asked for until it is loaded again, which is
    waited for a while.
    """
    if instance.get_runs_count(dg.RunsFilter(job_name=JOB, statuses=_UNDER_WAY)):
        return
    for file in covenant_files(settings.covenants, settings.sources):
        lessons = [lesson for lesson in read_all(settings.lessons, file.stem) if _is_used(lesson)]
        if not lessons or instance.get_runs_count(dg.RunsFilter(job_name=job(file.stem), statuses=_UNDER_WAY)):
            continue
        covenant = read(file)
        about = _key(
            f"{lesson.id} {lesson.status} {lesson.applied_at or lesson.withdrawn_at} {lesson.returned} {lesson.harmed}"
            for lesson in lessons
        )
        launched = instance.get_runs_count(dg.RunsFilter(job_name=job(file.stem), tags={LEARNING: about}))
        good = instance.get_runs_count(dg.RunsFilter(job_name=job(file.stem), tags={LEARNING: about}, statuses=_GOOD))
        if good or launched >= _LAUNCHES:
            continue
        keys = [
            dg.AssetKey(covenant.table(name).ref.asset_path(covenant.source)) for name in to_make(settings, covenant, lessons)
        ]
        there = [key for key in keys if known is None or key in known]
        if len(there) < len(keys) and _is_young(lessons):
            continue
        yield dg.RunRequest(
            run_key=f"catch-up-{file.stem}-{about}-{launched}",
            job_name=job(file.stem),
            asset_selection=there,
            tags={LEARNING: about},
        )


def telling(instance: dg.DagsterInstance, settings: Settings, job: Callable[[str], str]) -> Iterator[dg.RunRequest]:
    """A run of `log.lessons` alone for each source of whose lessons it tells something else than what the loop left last."""
    for file in covenant_files(settings.covenants, settings.sources):
        lakehouse = Lakehouse(settings.lakehouse_root, file.stem)
        left = lakehouse.files(LOG, LESSONS)
        if not left.is_file() or not lakehouse.exists(TOLD):
            continue
        text = left.read_text(encoding="utf-8")
        now = {(row["lessonId"], row["status"], row["seen"]) for row in json.loads(text)}
        known = lakehouse.read(TOLD, ["lessonId", "status", "seen"]).to_pylist()
        busy = [job(file.stem), JOB]
        if now == {(row["lessonId"], row["status"], row["seen"]) for row in known}:
            continue
        if any(instance.get_runs_count(dg.RunsFilter(job_name=name, statuses=_UNDER_WAY)) for name in busy):
            continue
        keys = [dg.AssetKey(TOLD.asset_path(file.stem))]
        yield dg.RunRequest(run_key=f"tell-{file.stem}-{_key([text])}", job_name=job(file.stem), asset_selection=keys)


def to_make(settings: Settings, covenant: Covenant, lessons: Iterable[Lesson]) -> list[str]:
    """Tables to make after remedies, in order: what the remedies are about, what was held back or could not be made, all that is
    made from these, and the log."""
    lessons = list(lessons)
    used = Learned(
        applied=[each for each in lessons if each.status == "applied"],
        taken_back=[each for each in lessons if each.status != "applied"],
    )
    first = made_again(used)
    attempts = latest_attempts(Lakehouse(settings.lakehouse_root, covenant.source))
    entities = {lesson.entity for lesson in lessons if lesson.entity}
    about = {lesson.full_table for lesson in lessons}
    wanted: set[str] = set()
    for table in covenant.tables():
        last = attempts.get(table.table, {}).get("status")
        mine = table.table in about or table.entity in entities or last not in ("published", "unchanged")
        below = any(name in wanted for name in table.inputs if name not in first)
        if mine or below or table.table in first or table.ref.schema in first or table.ref.schema == LOG:
            wanted.add(table.table)
    return [table.table for table in covenant.tables() if table.table in wanted]


def _is_young(lessons: Iterable[Lesson]) -> bool:
    """Whether a covenant was changed so shortly ago that its tables may just be about to be loaded."""
    last = max((text for each in lessons if (text := each.applied_at or each.withdrawn_at or each.judged_at)), default=None)
    return last is not None and datetime.now(UTC) - datetime.fromisoformat(last) < _LOADED


def _is_used(lesson: Lesson) -> bool:
    back = lesson.status == "reverted" and (lesson.harmed > 0 or lesson.withdrawn_at is not None)
    return lesson.status == "applied" or back


def _key(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16]
