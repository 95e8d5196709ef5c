"""Tables made again from what was kept, without the API; and rows that come back from quarantine once the rule was mended."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from spectra_assets.covenant.files import covenant_file, write
from spectra_assets.covenant.model import Covenant
from spectra_assets.engine.cli import commands
from spectra_assets.lakehouse.quarantine import table_of
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.stages.deliver import Outcome
from tests.pipeline.conftest import Project


def engine(*arguments: str) -> tuple[int, Any]:
    """`solution-engine … --json` in this process: its exit code and its answer."""
    result = CliRunner().invoke(commands, [*arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project with neither an address of the API nor a credential."""
    monkeypatch.delenv("ZEPHYR_BASE_URL")
    monkeypatch.delenv("ZEPHYR_API_TOKEN")
    return project


def tables(project: Project) -> dict[str, pa.Table]:
    """Every table but the log and what a run says of itself, its rows in a fixed order."""
    names = [table.table for table in project.covenant.tables() if table.ref.schema not in ("log", "source", "prepare")]
    return {name: project.table(name) for name in names}


def lose(project: Project, *names: str) -> None:
    for name in names:
        shutil.rmtree(Path(project.lakehouse.path(TableRef.parse(name))))


def assert_same(before: dict[str, pa.Table], after: dict[str, pa.Table]) -> None:
    for name, table in before.items():
        columns = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
        keys = [(column, "ascending") for column in columns]
        assert after[name].schema.equals(table.schema), name
        assert after[name].sort_by(keys).equals(table.sort_by(keys)), name


def test_from_raw_every_table_comes_out_as_it_was_and_what_is_lost_comes_back(alone: Project) -> None:
    lost = ("extract.executions", "extract.cycles", "clean.execution", "refine.factExecution")
    before = tables(alone)
    lose(alone, *lost)
    code, answer = engine("replay", "zephyr", "--from", "raw")
    assert code == 0, answer
    statuses = {table["table"]: table["status"] for table in answer["tables"]}
    assert {name: statuses[name] for name in before} == {name: "published" if name in lost else "unchanged" for name in before}
    assert_same(before, tables(alone))
    asked = {row["requestId"] for row in alone.rows("log.requests") if row["origin"] == "network"}
    assert {row["requestId"] for row in alone.rows("extract.executions")} <= asked


def test_from_clean_extract_is_left_alone_whatever_was_tried_since_with_the_api_down(alone: Project) -> None:
    before = tables(alone)
    versions = {name: alone.lakehouse.version(TableRef.parse(name)) for name in before if name.startswith("extract.")}
    lose(alone, "clean.cycle", "clean.cyclePhase")
    tried_in_vain(alone, "source.credentials")
    code, answer = engine("replay", "zephyr", "--from", "clean")
    assert code == 0, answer
    assert not any(table["table"].startswith("extract.") for table in answer["tables"])
    assert {name: alone.lakehouse.version(TableRef.parse(name)) for name in versions} == versions
    assert_same(before, tables(alone))


def tried_in_vain(project: Project, table: str) -> None:
    """What a run leaves that could not make a table, and whose log is not written yet."""
    now = datetime.now(UTC)
    facts = {"run_id": "down", "source": "zephyr", "covenant_version": project.covenant.version, "error": "no connection"}
    tried = Outcome(table=table, status="failed", started_at=now, finished_at=now, **facts)
    waiting = project.lakehouse.files("log", "waiting")
    waiting.mkdir(parents=True, exist_ok=True)
    (waiting / f"20990101T000000-{table}-1.json").write_text(
        json.dumps({"manifest": tried.row(), "requests": []}, default=lambda value: value.isoformat())
    )


def test_what_can_not_be_replayed_is_said(alone: Project) -> None:
    code, answer = engine("replay", "zephyr", "--from", "prepare")
    assert (code, "valid is analyse, clean, raw, refine or transform" in answer["message"]) == (2, True)
    code, answer = engine("replay", "nowhere", "--from", "raw")
    assert (code, answer["message"]) == (2, "there is no pipeline for 'nowhere'; there are zephyr")
    shutil.rmtree(alone.lakehouse.files("raw", "project"))
    code, answer = engine("replay", "zephyr", "--from", "raw")
    assert (code, "no raw pages of project to replay" in answer["problem"]) == (5, True)


# ---------------------------------------------------------------- quarantine


def stricter(covenant: Covenant, table: str, column: str) -> Covenant:
    """The covenant with one more column required."""
    stages = []
    for stage in covenant.pipeline.stages:
        outputs = []
        for each in stage.outputs:
            if each.table == table:
                columns = [c.model_copy(update={"required": True}) if c.name == column else c for c in each.schema_]
                each = each.model_copy(update={"schema_": columns})
            outputs.append(each)
        stages.append(stage.model_copy(update={"outputs": outputs}))
    return covenant.model_copy(update={"pipeline": covenant.pipeline.model_copy(update={"stages": stages})})


def sparse(project: Project) -> tuple[str, str, list[Any]]:
    """The column of a Clean table that the smallest part of rows lacks: (table, column, keys of these rows).

    Tables of which others are made come last, since these may need every row.
    """
    inputs = {name for table in project.covenant.tables() for name in table.inputs}
    found = []
    for table in project.covenant.tables():
        if table.ref.schema == "clean" and len(table.primary_key) == 1:
            rows = project.table(table.table)
            shares = [(rows[column.name].null_count / max(rows.num_rows, 1), column.name) for column in table.schema_]
            found += [(table.table in inputs, share, table.table, name) for share, name in shares if 0 < share < 1]
    _, _, name, column = min(found)
    rows = project.table(name)
    return name, column, rows.filter(rows[column].is_null())[project.covenant.table(name).primary_key[0]].to_pylist()


def test_rows_come_back_from_quarantine_once_when_the_rule_is_mended(alone: Project) -> None:
    mended = alone.covenant
    table, column, keys = sparse(alone)
    before = tables(alone)
    file = covenant_file(alone.settings.covenants, "zephyr")
    write(file, stricter(mended, table, column))
    assert alone.materialise(table)[table].quarantined == len(keys)
    lakehouse, ref = Lakehouse(alone.settings.lakehouse_root, "zephyr"), TableRef.parse(table)
    # a run may be killed between two commits: no row is ever in neither of both tables
    assert lakehouse.describe(table_of(ref)).written_at <= lakehouse.describe(ref).written_at
    assert engine("quarantine", "list", "zephyr") == (
        0,
        [{"table": table, "reasons": [f"required_present:{column}"], "rows": len(keys)}],
    )

    code, answer = engine("quarantine", "replay", "zephyr")
    assert code == 0, answer
    (entry,) = answer["quarantine"]
    assert (entry["returned"], entry["still"], entry["gone"], entry["new"]) == (0, len(keys), 0, 0)
    assert entry["reasons"] == {f"required_present:{column}": len(keys)}

    write(file, mended)
    code, answer = engine("quarantine", "replay", "zephyr", "--table", table)
    assert code == 0, answer
    (entry,) = answer["quarantine"]
    assert (entry["returned"], entry["still"], entry["gone"], entry["new"]) == (len(keys), 0, 0, 0)
    assert {row["key"] for row in entry["returned_rows"]} <= {str(key) for key in keys}
    assert lakehouse.describe(ref).written_at <= lakehouse.describe(table_of(ref)).written_at
    assert_same(before, tables(alone))

    assert engine("quarantine", "list", "zephyr") == (0, [])
    code, answer = engine("quarantine", "replay", "zephyr")
    assert (code, answer["quarantine"], answer["tables"]) == (0, [], [])


def test_a_table_that_is_not_there_is_named(alone: Project) -> None:
    code, answer = engine("quarantine", "replay", "zephyr", "--table", "clean.nothing")
    assert (code, "zephyr has no table 'clean.nothing'" in answer["message"]) == (2, True)
