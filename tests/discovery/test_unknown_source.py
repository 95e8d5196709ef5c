"""The whole way for a source that nobody described: one sentence, seven stages, the pack that is followed afterwards."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from spectra_assets.covenant.files import covenant_file, read
from spectra_assets.engine.cli import commands
from spectra_assets.engine.console import Console
from spectra_assets.engine.run import run_sentence
from spectra_assets.engine.source import Options
from spectra_assets.engine.summary import Summary
from spectra_assets.errors import ConfigurationError, CredentialError, RequestError
from spectra_assets.graph.sensor import learn
from spectra_assets.intelligence.model import load_pack
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.lesson import read_all
from spectra_assets.names import TableRef
from spectra_assets.settings import Settings
from spectra_assets.settings import load as load_settings
from spectra_assets.stages.trust import distrust

REPOSITORY = Path(__file__).parent.parent.parent
SENTENCE = "create SPECTRA pipeline for tracker"
TOKEN = "tok-Secret-99"
VARIABLES = ("SPECTRA_PROJECT", "SPECTRA_LAKEHOUSE", "DAGSTER_HOME", "TRACKER_BASE_URL", "TRACKER_TOKEN")

PROJECTS = [{"id": n, "name": f"Project {n}", "createdAt": f"2024-01-{n:02}T08:00:00Z"} for n in range(1, 13)]
ISSUES = [
    {
        "id": 1000 + n,
        "projectId": 1 + n % 12,
        "title": f"Issue {n}",
        "state": ("open", "closed", "waiting")[n % 3],
        "labels": ["bug", "ui", "api"][: n % 4],
        "openedAt": f"2024-0{1 + n % 6}-{1 + n % 28:02}T09:30:00Z",
    }
    for n in range(90)
]
COMMENTS = {issue["id"]: [{"id": issue["id"] * 10 + n, "text": f"c{n}"} for n in range(issue["id"] % 3)] for issue in ISSUES}


def page(rows: list[dict[str, Any]], query: dict[str, str]) -> Any:
    number, size = int(query.get("page", 1)), min(int(query.get("per_page", 20)), 40)
    more = {"Link": f'<{{origin}}/issues?page={number + 1}&per_page={size}>; rel="next"'} if number * size < len(rows) else {}
    return 200, rows[(number - 1) * size : number * size], more


@pytest.fixture
def tracker(serve: Callable[..., Any]) -> Any:
    def guard(path: str, query: dict[str, str], headers: Any) -> Any:
        return None if headers.get("Authorization") == f"Bearer {TOKEN}" else (401, {}, {"WWW-Authenticate": "Bearer"})

    return serve(
        {
            "/": {"projects": "{origin}/projects", "issues": "{origin}/issues{?page,per_page}"},
            "/projects": PROJECTS,
            "/issues": lambda match, query, headers: page(
                [issue | {"comments_url": f"{{origin}}/issues/{issue['id']}/comments"} for issue in ISSUES], query
            ),
            r"/issues/(?P<id>\d+)/comments": lambda match, *_: COMMENTS.get(int(match["id"])) or [],
        },
        guard=guard,
    )


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Settings]:
    shutil.copytree(REPOSITORY / "playbooks", tmp_path / "playbooks")
    (tmp_path / "covenants").mkdir()
    (tmp_path / "lessons").mkdir()
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.pop("TRACKER_BASE_URL", None)
    os.environ.update(
        SPECTRA_PROJECT=str(tmp_path),
        SPECTRA_LAKEHOUSE=str(tmp_path / "lakehouse"),
        DAGSTER_HOME=str(tmp_path / ".dagster"),
        TRACKER_TOKEN=TOKEN,
    )
    yield load_settings()
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def run(settings: Settings, options: Options) -> tuple[Summary, str]:
    console = Console(out=io.StringIO())
    summary = run_sentence(SENTENCE, settings, console, options=options)
    return summary, console.out.getvalue()  # type: ignore[attr-defined]


def test_one_sentence_makes_the_pipeline_and_the_next_run_follows_what_was_proven(project: Settings, tracker: Any) -> None:
    summary, said = run(project, Options(base_url=tracker.base_url, token_env="TRACKER_TOKEN"))
    assert summary.ok, said
    assert tracker.methods == {"GET"}
    lakehouse = Lakehouse(project.lakehouse_root, "tracker")
    rows = {name: lakehouse.describe(TableRef.parse(name)).rows for name in ("clean.project", "clean.issue", "clean.comment")}
    assert rows == {"clean.project": 12, "clean.issue": 90, "clean.comment": sum(map(len, COMMENTS.values()))}
    assert summary.export == f"export TRACKER_BASE_URL={tracker.base_url}"
    assert "TRACKER_BASE_URL" not in os.environ

    pack = load_pack("tracker", project.intelligence)
    assert pack.origin == "discovered"
    assert pack.entity("comment").routes == [next(path for path in pack.entity("comment").routes)]
    assert pack.entity("issue").key == "id"
    assert any(each.finding.startswith("proven by Prepare") for each in pack.evidence)
    for file in (project.intelligence / "tracker.yaml", project.covenants / "tracker.yaml"):
        assert TOKEN not in file.read_text(encoding="utf-8")
    assert TOKEN not in said

    written = (project.intelligence / "tracker.yaml").read_bytes()
    asked = len(tracker.asked)
    os.environ["TRACKER_BASE_URL"] = tracker.base_url
    summary, said = run(project, Options())
    assert summary.ok, said
    assert not any("no-such-thing" in address or "openapi" in address for address in tracker.asked[asked:])
    assert (project.intelligence / "tracker.yaml").read_bytes() == written
    assert not summary.covenant_changed, summary.changes
    changed = [table["table"] for table in summary.tables if table["status"] == "published"]
    assert not any(name.startswith(("extract.", "clean.", "transform.", "refine.", "analyse.")) for name in changed), changed
    # the credential, one page of each list to see that what was proven fits, what Extract reads (94 pages), and a few requests
    # that the pack as it was proven asks in another way than the one before
    assert "what was proven is trusted" in said
    assert len(tracker.asked) - asked <= 1 + 3 + 94 + 10, tracker.asked[asked:]
    requests = lakehouse.read(TableRef.parse("log.requests"), ["runId", "origin"]).to_pylist()
    now = [row["origin"] for row in requests if row["runId"] in summary.runs]
    assert sum(origin != "tape" for origin in now) == len(tracker.asked) - asked, (
        "the log tells what was asked, and what was played"
    )

    with pytest.raises(CredentialError, match="--token-env names TRACKER_TOKEM, which is not set"):
        run(project, Options(base_url=tracker.base_url, token_env="TRACKER_TOKEM"))
    assert (project.intelligence / "tracker.yaml").read_bytes() == written, "a name that is mistyped is not remembered"


def test_what_only_the_extraction_sees_is_measured_again_in_the_same_run(project: Settings, serve: Callable[..., Any]) -> None:
    issues = [dict(issue) for issue in ISSUES]
    routes = {"/": {"issues": "{origin}/issues{?page,per_page}"}, "/issues": lambda _, query, __: page(issues, query)}
    api = serve(routes)
    summary, said = run(project, Options(base_url=api.base_url))
    assert summary.ok, said
    for issue in issues[-3:]:  # on the last page
        issue["severity"] = "high"
    summary, said = run(project, Options(base_url=api.base_url))
    assert summary.ok, said
    assert said.index("what was proven is trusted") < said.index("what was proven before does not fit any more")
    rows = Lakehouse(project.lakehouse_root, "tracker").read(TableRef.parse("clean.issue")).to_pylist()
    assert sorted(str(row["severity"]) for row in rows)[:4] == ["None", "None", "None", "None"]
    assert sum(row["severity"] == "high" for row in rows) == 3


def counted(serve: Callable[..., Any], given: Callable[[], list[dict[str, Any]]], total: Callable[[int], int]) -> Any:
    """The issues by page, with a total that may depend on the size of the page."""

    def answer(_: Any, query: dict[str, str], __: Any) -> Any:
        number, size, rows = int(query.get("page", 1)), min(int(query.get("per_page", 20)), 40), given()
        return {"items": rows[(number - 1) * size : number * size], "total": total(size)}

    return serve({"/": {"issues": "{origin}/issues{?page,per_page}"}, "/issues": answer})


def believed(settings: Settings) -> str:
    return read(covenant_file(settings.covenants, "tracker")).fetches()["issue"].totals


def test_rows_that_are_withheld_and_still_counted_are_missed_until_a_person_gives_the_number_up(
    project: Settings, serve: Callable[..., Any]
) -> None:
    withheld = False
    api = counted(serve, lambda: [row for n, row in enumerate(ISSUES) if n % 10 or not withheld], lambda size: len(ISSUES))
    summary, said = run(project, Options(base_url=api.base_url))
    assert summary.ok, said
    withheld = True
    for _ in range(2):
        summary, said = run(project, Options(base_url=api.base_url))
        assert (summary.ok, believed(project)) == (False, "credible"), said
        assert "check declaredTotal, expected 90, found 81" in str(summary.problem)
        assert any("no longer believed" in held for held in summary.held)
    lessons = read_all(project.lessons, "tracker")
    assert any("extract.issues: the API declares 90 rows and gave 81." in (lesson.question or "") for lesson in lessons)
    CliRunner().invoke(commands, ["covenant", "generate", "tracker"], catch_exceptions=False)
    summary, said = run(project, Options(base_url=api.base_url))
    assert (summary.ok, summary.held, believed(project)) == (True, (), "notCredible"), said
    assert Lakehouse(project.lakehouse_root, "tracker").describe(TableRef.parse("clean.issue")).rows == 81


def test_a_number_that_was_wrong_only_while_it_was_measured_is_still_believed(
    project: Settings, serve: Callable[..., Any]
) -> None:
    """A row came and went between two pages: nothing fails for it, and the next run measures again."""
    moves = False
    api = counted(serve, lambda: ISSUES, lambda size: len(ISSUES) + (moves and size < 40))
    summary, said = run(project, Options(base_url=api.base_url))
    assert (summary.ok, believed(project)) == (True, "credible"), said
    lakehouse, moves = Lakehouse(project.lakehouse_root, "tracker"), True
    distrust(lakehouse)
    summary, said = run(project, Options(base_url=api.base_url))
    assert (summary.ok, believed(project)) == (True, "credible"), said
    assert any("no longer believed" in held for held in summary.held)
    moves = False
    summary, said = run(project, Options(base_url=api.base_url))
    assert (summary.ok, summary.held, believed(project)) == (True, (), "credible"), said


def test_an_entity_of_a_person_that_is_not_there_is_told_and_nothing_is_called_done(
    project: Settings, serve: Callable[..., Any]
) -> None:
    """Discovery leaves out what it can't prove; what a person's corrections name, it can't."""
    api = serve(
        {"/": {"projects": "{origin}/projects"}, "/projects": PROJECTS, "/ghosts": (400, {"error": "shop is required"}, {})}
    )
    project.intelligence.mkdir()
    override = project.intelligence / "tracker.override.yaml"
    override.write_text("endpoints:\n- {method: GET, path: /ghosts}\nentities:\n- {entity: ghost, routes: [/ghosts]}\n")
    summary, said = run(project, Options(base_url=api.base_url))
    assert not summary.ok, said
    assert summary.exit_code == 7
    assert "ghost" in str(summary.problem) + said
    assert said.count("trying again") == 0


def test_a_list_that_is_closed_holds_back_its_own_tables_alone(project: Settings, serve: Callable[..., Any]) -> None:
    notes = [{"id": n, "text": f"t{n}", "projectId": n} for n in range(1, 10)]
    routes: dict[str, Any] = {"/": {"projects": "{origin}/projects", "notes": "{origin}/notes"}}
    routes |= {"/projects": PROJECTS, "/notes": notes}
    api = serve(routes)
    summary, said = run(project, Options(base_url=api.base_url))
    assert summary.ok, said
    routes |= {"/notes": (403, {"error": "no more"}, {}), "/projects": [{**PROJECTS[0], "name": "renamed"}, *PROJECTS[1:]]}
    summary, said = run(project, Options(base_url=api.base_url))
    assert summary.exit_code == 7, said
    assert "note" in str(summary.problem)
    statuses = {table["table"]: table["status"] for table in summary.tables}
    assert statuses["clean.project"] == "published"
    assert "clean.note" not in statuses
    names = Lakehouse(project.lakehouse_root, "tracker").read(TableRef.parse("clean.project"), ["projectName"])
    assert "renamed" in names["projectName"].to_pylist()
    assert summary.proposed


def test_what_discovery_drops_by_itself_is_no_lesson(project: Settings, serve: Callable[..., Any]) -> None:
    """The echo is a list by all that discovery sees; Prepare shows that it is the same for every project."""
    api = serve(
        {
            "/": {"projects": "{origin}/projects"},
            "/projects": [each | {"echo_url": f"{{origin}}/projects/{each['id']}/echo"} for each in PROJECTS],
            r"/projects/(\w+)/echo": [{"word": f"w{n}", "loud": n % 2 == 0} for n in range(9)],
        }
    )
    summary, said = run(project, Options(base_url=api.base_url))
    assert summary.ok, said
    assert "trying again without them" in said
    assert len(summary.runs) == 3
    gaps = [each.about for each in load_pack("tracker", project.intelligence).evidence if each.finding == "gap"]
    assert any("/echo" in about for about in gaps), gaps
    with dg.DagsterInstance.get() as instance:
        assert learn(instance) == [], "nor does the sensor write one"
    assert not [file for file in project.lessons.glob("*.md") if "dependencies" in file.name or "schema" in file.name]


def test_what_is_missing_is_asked_for_by_name(project: Settings, tracker: Any) -> None:
    with pytest.raises(RequestError, match="give its address by --base-url"):
        run(project, Options())
    with pytest.raises(ConfigurationError, match="--base-url is not usable as the base URL"):
        run(project, Options(base_url="tracker"))
    with pytest.raises(CredentialError, match="NO_SUCH_TOKEN is not set"):
        run(project, Options(base_url=tracker.base_url, token_env="NO_SUCH_TOKEN"))
    assert not (project.intelligence / "tracker.yaml").exists()


def test_a_curated_pack_is_never_discovered_again(project: Settings) -> None:
    answer = CliRunner().invoke(
        commands, ["run", "create SPECTRA pipeline for zephyr", "--rediscover", "--base-url", "http://127.0.0.1:9"]
    )
    assert answer.exit_code == 2
    assert "comes with the package" in answer.output
