"""What the sensor asks for: the learning job while a lesson is unseen, one run after each remedy, and not more."""

from __future__ import annotations

import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from spectra_assets.graph.build import job_name
from spectra_assets.graph.learning import JOB, LEARNING, catching_up, learn_job, passes, summary, unseen
from spectra_assets.graph.sensor import ended
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.lesson import Lesson, save
from spectra_assets.learning.record import record
from spectra_assets.learning.remedy.model import AddRule, Remedy, RemedyKind
from spectra_assets.settings import Settings

REPOSITORY = Path(__file__).parent.parent.parent
HOSTILE = "~~~\n# heading\n<script>alert(1)</script> `x` | $(id) ![](http://x) {{7*7}}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "covenants").mkdir()
    shutil.copy(REPOSITORY / "covenants" / "zephyr.yaml", tmp_path / "covenants")
    return Settings(project=tmp_path, lakehouse_root=str(tmp_path / "lakehouse"))


@pytest.fixture
def lesson(settings: Settings) -> Lesson:
    gap = Gap(
        source="zephyr",
        stage="extract",
        table="users",
        check="no_schema_drift",
        severity="ERROR",
        covenant_version="abc",
        run_id="run-1",
        evaluation="run-1:extract.users:no_schema_drift",
        seen_at="2026-01-01T00:00:00+00:00",
        cause=Cause.NEW_FIELD,
        subject=HOSTILE,
        entity="user",
    )
    return record(settings.lessons, [gap])[0]


def put(instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus, about: str = "") -> None:
    instance.add_run(dg.DagsterRun(job_name=job, run_id=str(uuid.uuid4()), status=status, tags={LEARNING: about}))


def test_an_unseen_lesson_is_looked_at_by_one_job_at_a_time_and_three_times_at_most(settings: Settings, lesson: Lesson) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for number in range(3):
            (request,) = passes(instance, settings, [])
            assert request.job_name == JOB
            assert request.run_config["ops"]["find_remedies"]["config"]["lessons"] == [lesson.id]
            put(instance, JOB, dg.DagsterRunStatus.STARTED, "another")
            assert list(passes(instance, settings, [lesson])) == []
            for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
                instance.delete_run(run.run_id)
            put(instance, JOB, dg.DagsterRunStatus.FAILURE, request.tags[LEARNING])
            assert request.run_key.endswith(f"-{number}")
        assert list(passes(instance, settings, [lesson])) == []
        again = lesson.but(seen=2)
        assert len(list(passes(instance, settings, [again]))) == 1, "seen again, it is another matter"


@pytest.mark.parametrize("change", [{"question": "what?"}, {"closed": "by itself"}, {"status": "verified"}])
def test_what_is_answered_or_asked_is_not_looked_at_again(settings: Settings, lesson: Lesson, change: dict[str, str]) -> None:
    save(settings.lessons, lesson.but(**change))
    with dg.DagsterInstance.ephemeral() as instance:
        assert list(passes(instance, settings, [])) == []


def test_what_another_remedy_may_mend_is_not_looked_at_before_its_run(settings: Settings, lesson: Lesson) -> None:
    other = lesson.but(id="zephyr-users-other-00000000", fingerprint="0" * 64, subject="nickname", status="applied",
                       playbook="STANDARDS.md:1", applied_at="2026-01-01T00:01:00+00:00")  # fmt: skip
    save(settings.lessons, other)
    assert unseen(settings) == []
    save(settings.lessons, other.but(status="verified"))
    assert unseen(settings) == [lesson]


def test_nothing_is_launched_where_learning_is_off(settings: Settings, lesson: Lesson) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert list(passes(instance, settings.model_copy(update={"learning": "off"}), [lesson])) == []


def test_each_use_of_a_remedy_is_followed_by_one_run_of_what_it_touches(settings: Settings, lesson: Lesson) -> None:
    scope = {"source": "zephyr", "entity": "user", "field": "nickname"}
    edit = AddRule(file="STANDARDS.md", rule={"kind": "field", "scope": scope, "data_type": "text"})
    remedy = Remedy(kind=RemedyKind.ADD_FIELD, edits=(edit,), why="a test")
    used = lesson.but(status="applied", remedy=remedy, applied_at="2026-01-01T00:01:00+00:00")
    save(settings.lessons, used)
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = catching_up(instance, settings, job_name)
        loaded = [key for key in request.asset_selection if key.path[-1] != "factOrder"][:3]
        (asked,) = catching_up(instance, settings, job_name, loaded)  # a covenant may hold more by now than what was loaded
        assert asked.asset_selection == loaded
        save(settings.lessons, used.but(applied_at=datetime.now(UTC).isoformat()))
        assert list(catching_up(instance, settings, job_name, loaded)) == [], "they may be about to be loaded"
        assert len(list(catching_up(instance, settings, job_name, set(request.asset_selection)))) == 1
        save(settings.lessons, used)
        assert request.job_name == "zephyr_pipeline"
        made = {"/".join(key.path) for key in request.asset_selection}
        assert {"zephyr/prepare/schema", "zephyr/extract/users", "zephyr/clean/user", "zephyr/log/lessons"} <= made
        assert [each.run_key for each in catching_up(instance, settings, job_name)] == [request.run_key]
        for number in range(1, 3):
            put(instance, "zephyr_pipeline", dg.DagsterRunStatus.FAILURE, request.tags[LEARNING])
            (again,) = catching_up(instance, settings, job_name)
            assert again.run_key == request.run_key.removesuffix("-0") + f"-{number}", "Dagster skips a key that it knows"
            assert again.tags == request.tags
        put(instance, "zephyr_pipeline", dg.DagsterRunStatus.CANCELED, request.tags[LEARNING])
        assert list(catching_up(instance, settings, job_name)) == []
    with dg.DagsterInstance.ephemeral() as instance:
        put(instance, "zephyr_pipeline", dg.DagsterRunStatus.SUCCESS, request.tags[LEARNING])
        assert list(catching_up(instance, settings, job_name)) == [], "it was followed: whatever it said is known"
    with dg.DagsterInstance.ephemeral() as instance:
        put(instance, JOB, dg.DagsterRunStatus.STARTED)
        assert list(catching_up(instance, settings, job_name)) == [], "the job may apply more"
    with dg.DagsterInstance.ephemeral() as instance:
        put(instance, "zephyr_pipeline", dg.DagsterRunStatus.STARTED)
        assert list(catching_up(instance, settings, job_name)) == [], "a run of it is under way"
    save(settings.lessons, used.but(status="verified"))
    with dg.DagsterInstance.ephemeral() as instance:
        assert list(catching_up(instance, settings, job_name)) == []


def test_after_a_pause_runs_are_read_in_the_order_in_which_they_ended() -> None:
    """Each kind of end is paged for itself: the one good run that came last stood before the last failures."""
    kinds = {"failed": dg.DagsterEventType.RUN_FAILURE, "good": dg.DagsterEventType.RUN_SUCCESS}
    order = ["good"] * 2 + ["failed"] * 20 + ["good"] + ["failed"] * 12 + ["good"] * 40
    with dg.DagsterInstance.ephemeral() as instance:
        for number, kind in enumerate(order):
            run = instance.create_run_for_job(learn_job, run_id=str(uuid.UUID(int=number)))
            event = dg.DagsterEvent(event_type_value=kinds[kind].value, job_name=JOB)
            instance.report_dagster_event(event, run.run_id)
        read, position, more = [], {}, True
        while more:
            runs, position, more = ended(instance, position)
            read += runs
        assert read == [str(uuid.UUID(int=number)) for number in range(len(order))]
        assert ended(instance, position) == ([], position, False)


def test_texts_from_data_stand_in_fences_alone(lesson: Lesson) -> None:
    text = summary(lesson.but(question=HOSTILE))
    outside = [part for place, part in enumerate(text.split("~~~")) if place % 2 == 0]
    assert not any(word in part for part in outside for word in ("<script>", "# heading", "$(id)", "![]", "{{"))
