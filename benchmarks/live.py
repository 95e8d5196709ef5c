"""Several gaps in one run, healed under a real `solution-engine dev`: `python -m benchmarks.live [--only TEXT] [FOLDER]`.

Each case makes healthy pipelines in a git repository, starts web server, daemon and code location, changes the APIs, and asks for one
run of each pipeline, as a schedule does. What follows is the sensor's: learning, catching up, judging. Told at the end: every run
with who asked for it, the commits, the lessons, and what is not as it must be (wrong data, a dirty tree, a lesson that no run
judged, or that was judged by a run which had begun before the lesson was applied). In the last case two sources have the same gap,
so that what held for both must be a standard, and a third one must have it at Design, before it fails.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster_graphql import DagsterGraphQLClient

from benchmarks.flood import below, until
from spectra_assets.engine.console import Console
from spectra_assets.engine.run import run_sentence
from spectra_assets.graph.build import job_name
from tests.conformance.discovering import options_of
from tests.learning.bench.bench import Project
from tests.learning.bench.cases import Case, Change, both, listed, renamed, rows
from tests.learning.bench.shapes import Depot
from tests.learning.bench.truth import faults
from tests.learning.bench.worlds import Archive, Market, Row, Stream, World
from tests.learning.kills import git

REPOSITORY = Path(__file__).parent.parent
_CALM = 75.0
"""Seconds without a run after which the sensor, which looks each half minute, has nothing left to do."""


@dataclass
class Pair:
    """What becomes of one API, or of two beside each other, and what must come of it."""

    name: str
    case: Case
    beside: Case | None = None
    used: int = 2
    """Lessons that must be applied and verified in the end."""
    asked: int = 0
    """Lessons that must ask a person."""
    back: bool = False
    """The API goes back to how it was: what was brought must be taken back, and nothing asked."""
    third: Case | None = None
    """A source that comes when the others are healed; no sample of it shows what the standard must know."""
    found: list[str] = field(default_factory=list)


def _german(row: Row) -> str:
    return "{2}.{1}.{0}".format(*row["placed"].split("-"))


def _iso(row: Row) -> Row:
    text = row.get("placed", "")
    return {**row, "placed": "-".join(reversed(text.split(".")))} if "." in text else row


def _case(world: type[World], change: Change, renamed_from: str, *lists: str, meant: Callable[[Row], Row] = dict) -> Case:
    return Case("live", "live", world, change, lists=lists, meant=meant, unsure=(renamed_from,))


def _dated(least: int) -> Change:
    """From this row on every third day is written in another form."""
    return rows("order", lambda n, row: {**row, "placed": _german(row)} if n % 3 == 0 and n >= least else row)


FEW = "- {id: few-records, kind: setting, scope: {source: stream}, name: sample_records, value: 10}"
_SAMPLED = 40
"""Rows of a list of which nothing is in a sample of ten."""

PAIRS = (
    Pair(
        "rename and a second form of dates",
        _case(
            Market,
            both(
                rows("order", renamed("note", "remark")),
                rows("order", lambda n, row: {**row, "placed": _german(row)} if n % 3 == 0 else row),
            ),
            "note",
            "customer",
            "order",
            meant=_iso,
        ),
    ),
    Pair(
        "envelope and a renamed field of the child",
        _case(
            Depot,
            both(listed("depot", place=("results",)), rows("parcel", renamed("label", "caption"))),
            "label",
            "depot",
            "parcel",
        ),
    ),
    Pair(
        "paging parameter, renamed field and a new status",
        _case(
            Market,
            both(
                listed("order", style="page", names=("page", "limit")),
                rows("order", lambda n, row: {**row, "status": "returned" if n % 9 == 0 else row["status"]}),
                rows("customer", renamed("city", "town")),
            ),
            "city",
            "customer",
            "order",
        ),
        used=1,  # how the other list pages, Prepare measured in the same run: the covenant takes it over with the first rule
    ),
    Pair(
        "pages that are counted, and offsets again",
        _case(Market, listed("order", style="page", names=("page", "limit")), "", "customer", "order"),
        used=1,
        back=True,
    ),
    Pair(
        "the same gap at two sources is a standard for the third",
        _case(Market, _dated(0), "", "customer", "order", meant=_iso),
        _case(Archive, _dated(0), "", "customer", "order", meant=_iso),
        third=_case(Stream, _dated(_SAMPLED), "", "customer", "order", meant=_iso),
    ),
)


@contextlib.contextmanager
def development(project: Project, log: Path) -> Iterator[int]:
    """`solution-engine dev` over the project: its port. In the end it is asked to end; what is left after a minute is killed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(REPOSITORY / ".venv" / "bin" / "solution-engine"), "dev", "--port", str(port), "--executions", "0"]
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=project.folder, start_new_session=True)
    try:
        yield port
    finally:
        every = [process.pid, *below(process.pid)]
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        for number in every:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def quiet(instance: dg.DagsterInstance, calm: list[float]) -> bool:
    """Whether no run was under way for a while; `calm` remembers since when."""
    now = time.monotonic()
    if not calm or any(not run.is_finished for run in instance.get_runs(limit=20)):
        calm[:] = [now]
    return now - calm[0] > _CALM


def see(pair: Pair, folder: Path) -> None:
    """Heal one pair; what came is printed, what is wrong is in `pair.found`."""
    with ExitStack() as stack:
        world = stack.enter_context(pair.case.world())
        other = stack.enter_context(pair.beside.world()) if pair.beside is not None else None
        project = Project(folder, world, other)
        project.create()
        projects = [(project, pair.case)]
        if pair.beside is not None:
            project.other.create(new=False)
            projects.append((project.other, pair.beside))
        standards = folder / "playbooks" / "STANDARDS.md"
        standards.write_text(f"{standards.read_text(encoding='utf-8').rstrip()}\n\n```yaml\n{FEW}\n```\n", encoding="utf-8")
        for each, _ in projects:
            each.redesign()
        shutil.copy(REPOSITORY / "workspace.yaml", folder)
        (folder / ".gitignore").write_text("/.dagster/\n/lakehouse/\n/dagster.log\n")
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
            git(folder, *arguments)
        stack.enter_context(project.environment())
        os.environ["SPECTRA_LESSONS_COMMIT"] = "current"
        os.environ["ZEPHYR_BASE_URL"] = world.base_url  # so that no stand-in is started beside
        port = stack.enter_context(development(project, folder / "dagster.log"))
        client = DagsterGraphQLClient("127.0.0.1", port_number=port)
        instance = stack.enter_context(dg.DagsterInstance.get())
        before = {run.run_id for run in instance.get_runs()}
        changes = stack.enter_context(ExitStack())
        for each, case in projects:
            changes.enter_context(each.world.changed(case.change or (lambda world: None)))

        def healed() -> None:
            for each, _ in projects:
                until(lambda each=each: client.submit_job_execution(job_name(each.source), tags={}), 180, "dev takes a run")
            calm: list[float] = []
            until(lambda: quiet(instance, calm), 900, "the sensor has nothing left to do")

        healed()
        _tell(pair, project, instance, before)
        for each, case in projects:
            pair.found += [f"data: {fault}" for fault in faults(case, each.world, each.covenant, each.lakehouse)]
        if pair.back:
            before = {run.run_id for run in instance.get_runs()}
            changes.close()
            healed()
            _gone_back(pair, project, instance, before)
        if pair.third is not None:
            _third(pair, pair.third, Project(folder, stack.enter_context(pair.third.world())), stack)


def _gone_back(pair: Pair, project: Project, instance: dg.DagsterInstance, before: set[str]) -> None:
    """The API is as it was before its change: so are the playbooks, by commits of the loop, and nobody is asked."""
    for run in sorted((run for run in instance.get_runs() if run.run_id not in before), key=lambda run: run.run_id):
        print(f"  gone back: {run.job_name}, by {run.tags.get('dagster/run_key', 'a person')}: {run.status.value}")
    print("  " + git(project.folder, "log", "--format=%h %cI %s").replace("\n", "\n  "))
    for lesson in project.lessons:
        print(f"  {lesson.id}: {lesson.status}; {lesson.question or lesson.closed or ''}")
        if lesson.question or not lesson.closed:
            pair.found.append(f"gone back: {lesson.id} is {lesson.status} and {'asks' if lesson.question else 'is not over'}")
    if not any(lesson.withdrawn_at for lesson in project.lessons):
        pair.found.append("gone back: nothing was taken back")
    first = git(project.folder, "rev-list", "--max-parents=0", "HEAD").strip()
    if told := git(project.folder, "diff", "--stat", first, "HEAD", "--", "playbooks"):
        pair.found.append(f"gone back: the playbooks are not as they were: {told}")
    if dirty := git(project.folder, "status", "--porcelain"):
        pair.found.append(f"gone back: the tree is not clean: {dirty}")
    last = max(instance.get_run_records(), key=lambda record: record.create_timestamp).dagster_run
    if not last.is_success:
        pair.found.append(f"gone back: the last run, of {last.job_name}, is {last.status.value}")
    pair.found += [f"gone back: {each}" for each in faults(pair.case, project.world, project.covenant, project.lakehouse)]


def _third(pair: Pair, case: Case, project: Project, stack: ExitStack) -> None:
    """A further source of the project, by its sentence: it has the standard at Design, and fails at nothing."""
    found = {lesson.standard for lesson in project.lessons if lesson.standard}
    print(f"  standards: {', '.join(sorted(found)) or 'none'}")
    if len(found) != 1:
        pair.found.append(f"{len(found)} standards came")
    stack.enter_context(project.environment())
    stack.enter_context(project.world.changed(case.change or (lambda world: None)))
    console = Console(out=io.StringIO())
    sentence = f"create SPECTRA pipeline for {project.source}"
    summary = run_sentence(sentence, project.settings, console, options=options_of(project.world))
    form = project.covenant.table("clean.order").columns["placed"].date_format
    print(
        f"  {project.source}: ok {summary.ok}, placed is read as {form}, {len(summary.learned)} things learned in its first call"
    )
    mine = [lesson.id for lesson in project.lessons if lesson.source == project.source]
    if not summary.ok or mine or "✗" in console.out.getvalue():  # type: ignore[attr-defined]
        pair.found.append(f"{project.source} failed first: {summary.problem}, lessons {', '.join(mine) or 'none'}")
    pair.found += [f"data: {fault}" for fault in faults(case, project.world, project.covenant, project.lakehouse)]


def _tell(pair: Pair, project: Project, instance: dg.DagsterInstance, before: set[str]) -> None:
    records = sorted(
        (r for r in instance.get_run_records() if r.dagster_run.run_id not in before), key=lambda r: r.create_timestamp
    )
    begun = {}
    for record in records:
        run = record.dagster_run
        begun[run.run_id] = record.start_time or 0.0
        by = run.tags.get("dagster/run_key", "a person")
        chosen = f"{len(run.asset_selection)} assets" if run.asset_selection else "whole"
        took = (record.end_time or 0) - (record.start_time or 0)
        at = datetime.fromtimestamp(record.start_time or 0, UTC).strftime("%H:%M:%S")
        print(f"  {at} {run.job_name} ({chosen}), by {by}: {run.status.value} in {took:.0f} s, {run.run_id[:8]}")
    print("  " + git(project.folder, "log", "--format=%h %cI %s").replace("\n", "\n  "))
    ticks = [tick for selector in instance.all_instigator_state() for tick in instance.get_ticks(
        selector.instigator_origin_id, selector.selector_id) if selector.instigator_name == "lessons"]  # fmt: skip
    bad = [tick for tick in ticks if tick.error]
    took = [tick.end_timestamp - tick.timestamp for tick in ticks if tick.end_timestamp]
    print(f"  {len(ticks)} looks of the sensor, the longest {max(took, default=0):.1f} s, {len(bad)} with an error")
    pair.found += [f"the sensor failed: {tick.error.message[:300]}" for tick in bad if tick.error]
    used, asked = [], []
    for lesson in project.lessons:
        judged = "" if lesson.judged_run is None else f", judged by {lesson.judged_run[:8]}"
        print(
            f"  {lesson.id}: {lesson.status}, seen {lesson.seen}, helped {lesson.helped}{judged}; {lesson.question or lesson.closed or ''}"
        )
        used += [lesson] if lesson.status == "verified" else []
        asked += [lesson] if lesson.question else []
        if lesson.status in ("applied", "ineffective", "reverted"):
            pair.found.append(f"{lesson.id} is {lesson.status}")
        if lesson.status == "verified" and lesson.applied_at and lesson.judged_run in begun:
            applied = datetime.fromisoformat(lesson.applied_at).timestamp()
            if begun[lesson.judged_run] < applied - 1:
                pair.found.append(f"{lesson.id} was judged by a run that had begun before")
    if (len(used), len(asked)) != (pair.used, pair.asked):
        pair.found.append(f"{len(used)} lessons are verified and {len(asked)} ask, not {pair.used} and {pair.asked}")
    if dirty := git(project.folder, "status", "--porcelain"):
        pair.found.append(f"the tree is not clean: {dirty}")
    subjects = git(project.folder, "log", "--format=%s").splitlines()
    commits = [line for line in subjects if re.fullmatch("Lesson .*: (rule|gate|step) .*", line)]
    if len(commits) != len(used):
        pair.found.append(f"{len(commits)} commits of remedies, {len(used)} lessons verified")
    last = records[-1].dagster_run if records else None
    if last is not None and not last.is_success:
        pair.found.append(f"the last run, of {last.job_name}, is {last.status.value}")


def main() -> int:
    """Every pair that was asked for; how many are not as they must be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="pairs whose name holds one of these texts, parted by |")
    parser.add_argument("folder", nargs="?", type=Path, help="where the projects are kept; a temporary one, removed in the end")
    options = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="spectra-live-") as temporary:
        for number, pair in enumerate(PAIRS):
            if not any(part in pair.name for part in options.only.split("|")):
                continue
            print(f"{pair.name}: from {datetime.now(UTC):%H:%M:%S}", flush=True)
            see(pair, (options.folder or Path(temporary)) / f"pair-{number}")
            bad += bool(pair.found)
            print(f"{pair.name}: {'; '.join(pair.found) or 'right'}\n", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main())
