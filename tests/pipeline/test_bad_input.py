"""Whatever is wrong with the API, the settings, the documents or the machine: said clearly, and nothing lost or half written."""

from __future__ import annotations

import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import requests
from click.testing import CliRunner

from spectra_assets.covenant.canon import Canon
from spectra_assets.covenant.files import covenant_file
from spectra_assets.engine.cli import commands
from spectra_assets.engine.console import Console
from spectra_assets.engine.pipeline import Pipeline
from spectra_assets.errors import StorageError
from spectra_assets.intelligence.model import load_pack
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.stages.adoption import Made
from spectra_assets.stages.origin import CANON
from tests.pipeline.conftest import SENTENCE, Project

PLAYBOOK_002 = "playbooks/fabric/pipeline/pipeline.002-extract-stage-orchestration.md"


def engine(*arguments: str) -> tuple[int, dict[str, Any]]:
    """`solution-engine … --json` in this process: its exit code and its answer."""
    result = CliRunner().invoke(commands, [*arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, json.loads(result.stdout)


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Every table of the lakehouse: version and rows. Reads each one whole, so that a half-written one is found."""
    lakehouse = Lakehouse(str(folder / "lakehouse"), "zephyr")
    tables = Path(lakehouse.root) / lakehouse.name / "Tables"
    found = {}
    for log in sorted({commit.parent for commit in tables.glob("*/*/_delta_log/*.json")}):  # without a commit there is no table
        ref = TableRef(log.parent.parent.name, log.parent.name)
        rows = lakehouse.read(ref)
        described = lakehouse.describe(ref)
        assert rows.num_rows == described.rows, ref
        found[str(ref)] = (described.version, described.rows)
    return found


def unlogged(tables: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {name: value for name, value in tables.items() if name != "source.config"}


def raw(project: Project, path: str) -> list[bytes]:
    """The records of a list, as the API sends them."""
    answer = requests.get(
        f"{project.standin.base_url}/flex/services/rest/latest{path}",
        headers={"Authorization": f"Bearer {project.standin.token}"},
        timeout=240,
    )
    answer.raise_for_status()
    return [bytes(record) for record in msgspec.json.decode(answer.content, type=list[msgspec.Raw])]


# ---------------------------------------------------------------- the API and the settings


@pytest.mark.parametrize(
    ("variables", "faults", "code", "words"),
    [
        ({"ZEPHYR_API_TOKEN": "not-the-token"}, [], 3, ["401", "ZEPHYR_API_TOKEN"]),
        ({}, ["html"], 2, ["200", "web page", "base URL", "ZEPHYR_BASE_URL"]),
        ({}, ["not-json"], 2, ["200", "no JSON", "ZEPHYR_BASE_URL"]),
        ({}, ["down"], 6, ["/user/current", "tried 5 times"]),
    ],
    ids=["wrong token", "web page", "not JSON", "down"],
)
def test_an_api_that_can_not_be_used_stops_the_run_at_its_first_question(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    faults: list[str],
    code: int,
    words: list[str],
) -> None:
    before = state(project.folder)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    project.standin.set_faults(faults)
    exit_code, answer = engine("run", SENTENCE)
    assert (exit_code, answer["exit_code"], answer["ok"]) == (code, code, False)
    for word in words:
        assert word in answer["problem"]
    assert [table["table"] for table in answer["tables"]] == ["source.config", "source.credentials"]
    assert unlogged(state(project.folder)) == unlogged(before)
    assert "not-the-token" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("variables", "code", "error", "words"),
    [
        ({"ZEPHYR_API_TOKEN": ""}, 3, "CredentialError", ["ZEPHYR_API_TOKEN is not set", "export ZEPHYR_API_TOKEN="]),
        ({"ZEPHYR_BASE_URL": ""}, 2, "ConfigurationError", ["ZEPHYR_BASE_URL is not set", "https://"]),
        ({"ZEPHYR_BASE_URL": "zephyr"}, 2, "ConfigurationError", ["ZEPHYR_BASE_URL", "http:// or https://"]),
        ({"SPECTRA_ENGINE": "duck"}, 2, "ConfigurationError", ["SPECTRA_ENGINE is 'duck'", "sail"]),
        ({"SPECTRA_IN_FLIGHT": "many"}, 2, "ConfigurationError", ["SPECTRA_IN_FLIGHT is 'many'", "whole number"]),
        ({"SPECTRA_PROJECT": "/no/such/project"}, 2, "ConfigurationError", ["/no/such/project", "playbooks/"]),
    ],
    ids=lambda value: next(iter(value.items())).__repr__() if isinstance(value, dict) else "",
)
def test_a_setting_that_can_not_be_used_is_named_before_anything_is_asked(
    project: Project, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], code: int, error: str, words: list[str]
) -> None:
    asked = sum(project.standin.methods.values())
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    exit_code, answer = engine("run", SENTENCE)
    assert (exit_code, answer["error"]) == (code, error)
    for word in words:
        assert word in answer["message"]
    assert sum(project.standin.methods.values()) == asked


@pytest.mark.parametrize("source", ["../x", "..", "Zephyr/..", "zephyr\x00", "zéphyr", "x" * 41])
def test_a_source_that_is_no_name_never_becomes_a_path(project: Project, source: str) -> None:
    for arguments in (("run", f"create SPECTRA pipeline for {source}"), ("status", source), ("covenant", "generate", source)):
        exit_code, answer = engine(*arguments)
        assert exit_code == 2, arguments
        assert answer["error"] in ("ConfigurationError", "RequestError")
    assert sorted(file.name for file in project.folder.parent.iterdir()) == ["project"]


def test_the_exit_code_reaches_the_shell(project: Project) -> None:
    command = [sys.executable, "-m", "spectra_assets.engine.cli", "run", SENTENCE]
    surroundings = {name: value for name, value in os.environ.items() if name != "ZEPHYR_API_TOKEN"}
    ended = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=240, env=surroundings)
    assert ended.returncode == 3
    assert json.loads(ended.stdout)["error"] == "CredentialError"
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, env=surroundings)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith("CredentialError: ZEPHYR_API_TOKEN is not set")
    assert "Traceback" not in ended.stderr


# ---------------------------------------------------------------- answers that are odd


@pytest.mark.parametrize(
    "faults", [("cut:13", "truncate:11"), ("latency:100", "slow-body:0.2", "rate-limit:40/20")], ids=["broken answers", "slow"]
)
def test_an_api_with_bad_manners_still_gives_every_row(project: Project, faults: tuple[str, ...]) -> None:
    project.standin.set_faults(faults)
    outcomes = project.materialise("extract.users", "extract.releases", "extract.cycles", "extract.requirements")
    assert {outcome.table: (outcome.status, outcome.error) for outcome in outcomes.values()} == dict.fromkeys(
        ("extract.users", "extract.releases", "extract.cycles", "extract.requirements"), ("unchanged", None)
    )


def test_a_record_of_ten_megabytes_lands_whole(project: Project) -> None:
    project.standin.set_faults(["big-record:testcase:10"])
    outcomes = project.materialise("extract.testcases", "clean.testcase", "transform.dimTestcase")
    assert {outcome.status for outcome in outcomes.values()} == {"published"}
    for table in ("clean.testcase", "transform.dimTestcase"):
        column = next(name for name in project.table(table).column_names if "description" in name.lower())
        longest = max((value or "" for value in project.table(table)[column].to_pylist()), key=len)
        assert longest == "x" * 10_000_000
    assert project.table("clean.testcase").num_rows == project.truth()["testcase"]["count"]


def test_what_people_wrote_survives_byte_for_byte(finished: Project) -> None:
    for table, path in (("users", "/user"), ("projects", "/project/details"), ("releases", "/release")):
        kept = [record.encode() for record in finished.table(f"extract.{table}")["record"].to_pylist()]
        assert sorted(kept) == sorted(raw(finished, path))
    said = [msgspec.json.decode(record) for record in finished.table("extract.testcases")["record"].to_pylist()]
    odd = {record["testcase"]["testcaseId"]: record["testcase"]["name"].strip() for record in said}
    odd = {key: name for key, name in odd.items() if not name.isascii()}
    assert len(odd) > 10
    for table in ("clean.testcase", "refine.dimTestcase"):
        names = {row["testcaseId"]: row["testcaseName"] for row in finished.rows(table)}
        assert {key: names[key] for key in odd} == odd, table


# ---------------------------------------------------------------- documents


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (PLAYBOOK_002, "`extract.fetch_records`", "`extract.fetch_everything`", r"002[^:]*\.md:\d+: .*extract\.fetch_everything"),
        (PLAYBOOK_002, "## Quality Gates", "## Gates of Quality", r"002[^:]*\.md:\d+: "),
        ("playbooks/STANDARDS.md", "- id: ", "- idd: ", r"STANDARDS\.md:\d+: a rule needs the key 'id'"),
        ("playbooks/STANDARDS.md", "kind: pii", "kind: [", r"STANDARDS\.md:\d+: "),
        ("covenants/zephyr.yaml", "  owner: data-engineering", "  owner: [", r"zephyr\.yaml:\d+: "),
        ("covenants/zephyr.yaml", "  owner: data", "  colour: red\n  owner: data", r"zephyr\.yaml:\d+: .*colour"),
        (
            "covenants/zephyr.yaml",
            "- name: auth_valid\n",
            "- name: auth_valid\n      - name: auth_valid\n",
            r"source\.credentials.*gates twice",
        ),
        ("covenants/zephyr.yaml", "type: bool", "type: boolean", r"zephyr\.yaml:\d+: .*'bool'"),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_a_malformed_document_is_named_with_its_line_and_nothing_runs(
    project: Project, file: str, old: str, new: str, message: str
) -> None:
    document = project.folder / file
    text = document.read_text(encoding="utf-8")
    assert old in text
    document.write_text(text.replace(old, new, 1), encoding="utf-8")
    before, asked = state(project.folder), sum(project.standin.methods.values())
    exit_code, answer = engine("run", SENTENCE)
    assert (exit_code, answer["error"]) == (2, "DocumentError")
    assert re.search(message, answer["message"]), answer["message"]
    assert state(project.folder) == before
    assert sum(project.standin.methods.values()) == asked


def test_a_malformed_lesson_is_named_with_its_line(project: Project) -> None:
    (project.folder / "lessons" / "zephyr-odd.md").write_text("---\nid: zephyr-odd\nseen: many\n---\n", encoding="utf-8")
    exit_code, answer = engine("lessons")
    assert exit_code == 2
    assert re.search(r"zephyr-odd\.md:\d+: ", answer["message"])


# ---------------------------------------------------------------- the machine


def test_a_file_where_the_lakehouse_should_be_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    place = project.folder / "occupied"
    place.write_text("somebody's notes", encoding="utf-8")
    monkeypatch.setenv("SPECTRA_LAKEHOUSE", str(place))
    exit_code, answer = engine("run", SENTENCE)
    assert exit_code == 4
    assert str(place) in answer["problem"]
    assert "a file stands where a folder must be" in answer["problem"]
    assert place.read_text(encoding="utf-8") == "somebody's notes"


KILLED = (
    *("extract.cycles", "extract.requirements", "extract.executions", "clean.cycle", "clean.cyclePhase", "clean.requirement"),
    *("clean.execution", "transform.dimCycle", "transform.dimExecutionStatus", "transform.factExecution"),
    *("refine.factExecution", "analyse.executionsByStatus"),
)
_RUN = """
import sys
from spectra_assets.covenant.files import covenant_file, read
from spectra_assets.engine.console import Console
from spectra_assets.graph import runner
from spectra_assets.settings import load
settings = load()
runner.run(read(covenant_file(settings.covenants, "zephyr")), sys.argv[1:], settings, Console(quiet=True))
"""


def test_a_killed_run_leaves_whole_tables_and_the_next_one_ends_it(project: Project, finished: Project) -> None:
    for name in KILLED:
        shutil.rmtree(project.lakehouse.path(TableRef.parse(name)))
    log = project.folder / "killed.log"
    with log.open("wb") as out:
        run = subprocess.Popen([sys.executable, "-c", _RUN, *KILLED], stdout=out, stderr=out, start_new_session=True)
    end = time.monotonic() + 200
    first = Path(project.lakehouse.path(TableRef.parse("extract.cycles"))) / "_delta_log" / f"{0:020}.json"
    while not first.exists():
        assert run.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(random.uniform(0, 3))  # noqa: S311 (a moment, no secret)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait(200)

    held = state(project.folder)  # reads every table that is there
    assert "extract.cycles" in held
    assert all(held[name][0] == 0 for name in KILLED if name in held)
    outcomes = project.materialise(*KILLED)
    assert {outcome.status for outcome in outcomes.values()} <= {"published", "unchanged"}
    for name in KILLED:
        assert sums(project.table(name)) == sums(_table(finished, name)), name


def _table(project: Project, name: str) -> pa.Table:
    return Lakehouse(str(project.folder / "lakehouse"), "zephyr").read(TableRef.parse(name))


def sums(table: pa.Table) -> dict[str, Any]:
    """Rows, and of each column of numbers but the surrogate keys (which hold the run's instant) its sum."""
    numbers = [c for c in table.column_names if pa.types.is_integer(table[c].type) and not c.endswith("Key")]
    return {"rows": table.num_rows, **{name: pc.sum(table[name]).as_py() for name in numbers}}


def test_no_covenant_is_written_before_it_is_known_what_it_was_made_from(project: Project) -> None:
    """A run that dies between both leaves a covenant of which nobody could tell what rules want and what the data do."""
    file, canon = covenant_file(project.settings.covenants, "zephyr"), project.lakehouse.files(CANON)
    made = Made(project.covenant, Canon(entities=()))
    file.unlink()
    canon.unlink()
    canon.mkdir()
    code, told = engine("covenant", "generate", "zephyr")
    assert (code, "canon.json" in told["message"], file.exists()) == (4, True, False)
    with pytest.raises(StorageError, match=r"canon\.json"):
        Pipeline(project.settings, Console(out=io.StringIO()), "zephyr", anew=True).adopt(load_pack("zephyr"), made, None)
    assert not file.exists()
