"""Lessons from real runs: one per gap, counted once per evaluation, whoever started the run and whatever was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from spectra_assets.covenant.files import read
from spectra_assets.engine.cli import commands
from spectra_assets.graph.learning import look
from spectra_assets.graph.runner import dagster_home
from spectra_assets.graph.sensor import learn
from spectra_assets.learning.lesson import Lesson, read_all
from spectra_assets.stages.proposal import proposed_file
from tests.pipeline.conftest import REPOSITORY, Project

FAULTS = ("add-field:user.nickname", "null-ids:requirement")
TABLES = ("extract.users", "extract.requirements", "clean.user")
POSITION = "spectra_lessons"


def lessons(project: Project) -> dict[tuple[str, str], Lesson]:
    return {(lesson.table, lesson.check): lesson for lesson in read_all(project.folder / "lessons")}


def position(instance: dg.DagsterInstance) -> dict[str, str]:
    return dict(instance.daemon_cursor_storage.get_cursor_values({POSITION}))


def test_one_lesson_per_gap_and_a_repeat_raises_its_counter(project: Project) -> None:
    project.standin.set_faults(FAULTS)
    first = project.materialise(*TABLES)["extract.users"].run_id
    with dg.DagsterInstance.get() as instance:
        written = {lesson.id for lesson in learn(instance)}
        assert learn(instance) == []
    assert {gap: lesson.seen for gap, lesson in lessons(project).items()} == {
        ("users", "no_schema_drift"): 1,
        ("requirements", "primary_key_present"): 1,
    }
    assert written == {lesson.id for lesson in lessons(project).values()}

    project.standin.set_faults(FAULTS[:1])
    second = project.materialise(*TABLES)["extract.users"].run_id
    with dg.DagsterInstance.get() as instance:
        written_again = {lesson.table: lesson for lesson in learn(instance)}
    assert {table: lesson.seen for table, lesson in written_again.items()} == {"users": 2, "requirements": 1}
    assert written_again["users"].closed is None
    assert "passed again in run" in str(written_again["requirements"].closed)
    lesson = lessons(project)["users", "no_schema_drift"]
    assert (lesson.last_run, lesson.failed_rows, lesson.covenant_version) == (second, 1, project.covenant.version)
    assert [evaluation.split(":")[0] for evaluation in lesson.evaluations] == [first, second]
    assert "nickname" in (project.folder / "lessons" / f"{lesson.id}.md").read_text(encoding="utf-8")
    the_next_version_is_proposed(project)


def the_next_version_is_proposed(project: Project) -> None:
    """Where no remedy is applied, the covenant as it would be by the drifted records lies beside the one that holds."""
    settings = project.settings.model_copy(update={"learning": "off"})
    before = project.covenant
    look(settings, lessons(project).values())
    proposed = read(proposed_file(settings, "zephyr"))
    gained = {column for column in proposed.table("clean.user").columns if column not in before.table("clean.user").columns}
    assert gained == {"nickname"}
    assert project.covenant == before
    shown = CliRunner().invoke(commands, ["covenant", "diff", "zephyr"])
    assert "the column nickname (text) is new" in shown.output
    CliRunner().invoke(commands, ["covenant", "generate", "zephyr"])
    assert project.covenant == proposed
    assert not proposed_file(settings, "zephyr").exists()


def test_a_gate_that_warns_gives_a_lesson_and_a_good_run_none(project: Project) -> None:
    project.standin.set_faults(["ignore-offset:/requirement"])
    assert project.materialise("prepare.constraints")["prepare.constraints"].status == "published"
    with dg.DagsterInstance.get() as instance:
        learn(instance)
    assert {gap: lesson.severity for gap, lesson in lessons(project).items()} == {("constraints", "page_limits_known"): "WARN"}

    project.standin.set_faults([])
    project.materialise("prepare.constraints")
    with dg.DagsterInstance.get() as instance:
        (closed,) = learn(instance)
        shown = instance.fetch_observations(dg.AssetKey(["zephyr", "prepare", "constraints"]), limit=9).records
    assert [closed.id in str(each.event_log_entry.dagster_event) for each in shown] == [True, True], "the page knows how it ended"
    assert (closed.seen, closed.status) == (1, "observed")
    assert "page_limits_known passed again" in str(closed.closed)
    project.materialise("prepare.constraints")
    with dg.DagsterInstance.get() as instance:
        assert learn(instance) == []


def test_requests_that_needed_several_tries_are_told(project: Project) -> None:
    project.standin.set_faults(["cut:3"])
    assert project.materialise("extract.requirements", "extract.users")["extract.requirements"].status != "failed"
    with dg.DagsterInstance.get() as instance:
        learn(instance)
    (lesson,) = [each for each in read_all(project.folder / "lessons") if each.check == "requests_steady"]
    (fact,) = lesson.evidence
    assert (lesson.severity, lesson.table, str(lesson.cause)) == ("WARN", "requirements", "unsteady_endpoint")
    assert lesson.subject == fact.endpoint == "/requirement"
    assert (fact.count or 0) >= 3


def test_a_crash_between_lesson_and_position_counts_nothing_twice(project: Project) -> None:
    dagster_home(project.settings)
    with dg.DagsterInstance.get() as instance:
        before = position(instance)
    project.standin.set_faults(FAULTS)
    project.materialise(*TABLES)
    with dg.DagsterInstance.get() as instance:
        assert len(learn(instance)) == 2
        assert position(instance) != before
        instance.daemon_cursor_storage.set_cursor_values({POSITION: before.get(POSITION, json.dumps({}))})
        assert learn(instance) == []
    assert {lesson.seen for lesson in lessons(project).values()} == {1}


def test_the_sensor_sees_runs_of_the_command_line_and_survives_being_killed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECTRA_LEARNING", "off")  # what the job makes of lessons is the matter of other tests
    dagster_home(project.settings)
    project.standin.set_faults(FAULTS)
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "spectra_assets.definitions", "--select"]
    ended = subprocess.run([*command, "zephyr/extract/users,zephyr/extract/requirements"], capture_output=True, timeout=240)
    assert ended.returncode != 0, ended.stderr
    assert b"no_schema_drift" in ended.stderr + ended.stdout
    assert not list((project.folder / "lessons").glob("*.md"))

    daemon = _daemon(project.folder / "first.log")
    try:
        _until(lambda: any((project.folder / "lessons").glob("*.md")), 120, project.folder / "first.log")
    finally:
        _kill(daemon)
    _forget_interval()
    since = time.time()
    daemon = _daemon(project.folder / "second.log")
    try:
        _until(lambda: _looked(since), 200, project.folder / "second.log")
    finally:
        _kill(daemon)
    assert {gap: lesson.seen for gap, lesson in lessons(project).items()} == {
        ("users", "no_schema_drift"): 1,
        ("requirements", "primary_key_present"): 1,
    }
    with dg.DagsterInstance.get() as instance:
        assert learn(instance) == []


def _daemon(log: Path) -> subprocess.Popen[bytes]:
    """A daemon in a session of its own, with the code server it starts."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(REPOSITORY / "workspace.yaml")]
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=log.parent, start_new_session=True)


def _kill(daemon: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the daemon and to the code server below it, which runs the sensor in a session of its own."""
    for number in [daemon.pid, *_below(daemon.pid)]:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    daemon.wait(200)


def _below(process: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, timeout=200)
    return [pid for child in map(int, found.stdout.split()) for pid in (child, *_below(child))]


def _looked(since: float) -> bool:
    """Whether the sensor has looked from start to end. The tick that was killed counts as ended too, but said nothing, and asked for no run."""
    with dg.DagsterInstance.get() as instance:
        states = instance.all_instigator_state()
        ticks = [tick for state in states for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id)]
    assert not [tick.error for tick in ticks if tick.error]
    return any(tick.timestamp > since and tick.is_completed and (tick.skip_reason or tick.run_ids) for tick in ticks)


def _forget_interval() -> None:
    """Let the next daemon look at once, instead of half a minute after the last look. The sensor's position is kept elsewhere."""
    with dg.DagsterInstance.get() as instance:
        for state in instance.all_instigator_state():
            instance.delete_instigator_state(state.instigator_origin_id, state.selector_id)


def _until(holds: Callable[[], bool], seconds: float, log: Path) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, log.read_text(encoding="utf-8", errors="replace")[-3000:]
        time.sleep(0.02)
