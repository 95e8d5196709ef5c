"""The whole pipeline, made by one sentence in an empty project, against the stand-in's own counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from zstandard import ZstdDecompressor

from spectra_assets.covenant.files import covenant_file, text_of
from tests.pipeline.conftest import REPOSITORY, Project

ENTITIES = {
    "project": "projects",
    "release": "releases",
    "cycle": "cycles",
    "testcasetree": "testcasetrees",
    "testcase": "testcases",
    "teststep": "teststeps",
    "requirementtree": "requirementtrees",
    "requirement": "requirements",
    "user": "users",
    "execution": "executions",
}


def test_every_table_is_published_and_every_gate_passes(finished: Project) -> None:
    summary = finished.summary
    assert summary is not None
    assert (summary.ok, summary.exit_code, summary.gates_failed, summary.gates_warned, summary.lessons) == (True, 0, 0, 0, ())
    assert {table["table"]: table["status"] for table in summary.tables} == {
        table.table: "published" for table in finished.covenant.tables()
    }


@pytest.mark.parametrize(("entity", "table"), ENTITIES.items())
def test_extract_has_every_row_of_every_entity(finished: Project, entity: str, table: str) -> None:
    truth = finished.truth()[entity]
    fetch = finished.covenant.fetches()[entity]
    assert fetch.primary_key == "id"
    rows = finished.rows(f"clean.{entity}")
    key = finished.covenant.table(f"clean.{entity}").primary_key[0]
    assert finished.table(f"extract.{table}").num_rows == truth["count"]
    assert len(rows) == truth["count"]
    assert sum(row[key] for row in rows) == truth["keySum"]


def test_the_hidden_releases_are_there(finished: Project) -> None:
    hidden = [row for row in finished.rows("clean.release") if row["projectRelease"]]
    assert len(hidden) == finished.truth()["release"]["hidden"] > 0


def test_phases_become_a_table_of_their_own(finished: Project) -> None:
    truth = finished.truth()["cyclePhase"]
    rows = finished.rows("clean.cyclePhase")
    assert (len(rows), sum(row["cyclePhaseId"] for row in rows)) == (truth["count"], truth["keySum"])
    assert {row["cycleId"] for row in rows} <= {row["cycleId"] for row in finished.rows("clean.cycle")}


def test_the_fact_counts_what_the_source_counts(finished: Project) -> None:
    truth = finished.truth()
    rows = finished.rows("refine.factExecution")
    by_status: dict[str, int] = {}
    for row in rows:
        name = "absent" if row["status"] is None else str(row["status"])
        by_status[name] = by_status.get(name, 0) + 1
    assert by_status == {name: count for name, count in truth["statusCounts"].items() if count}
    assert sum(row["executionCount"] for row in finished.rows("analyse.passRateByRelease")) == truth["execution"]["count"]


def test_dependencies_are_found_by_data(finished: Project) -> None:
    rows = finished.rows("prepare.dependencies")
    verdicts = {row["parameter"]: row["verdict"] for row in rows if row["entity"] == "execution" and row["parameter"]}
    assert verdicts["cycleid"] == "ignored"
    assert verdicts["cyclephaseid"] == "proven"
    assert verdicts["releaseid"] == "proven"
    chosen = {row["entity"]: (row["path"], row["parameter"]) for row in rows if row["chosen"]}
    assert chosen["execution"][1] in ("cyclephaseid", "releaseid")
    assert chosen["release"] == ("/release", None)
    assert set(chosen) == set(ENTITIES)


def test_only_get_was_ever_sent(finished: Project) -> None:
    assert set(finished.standin.methods) == {"GET"}


def test_the_catalogue_has_every_endpoint_once(finished: Project) -> None:
    rows = finished.rows("source.endpoints")
    assert len({(row["method"], row["path"]) for row in rows}) == len(rows)
    assert sum(row["origin"] == "documented" for row in rows) == 222
    assert all(row["httpStatus"] is None for row in rows if row["method"] != "GET")


def test_one_timestamp_comes_out_of_the_two_dates(finished: Project) -> None:
    columns = finished.covenant.table("clean.release").columns
    assert columns["startDate"].source == ["startDate", "releaseStartDate"]
    assert (columns["startDate"].type, columns["startDate"].date_format) == ("timestamp", "MM/dd/yyyy")
    assert "releaseStartDate" not in columns
    assert finished.covenant.table("clean.execution").columns["status"].type == "int64"


def test_the_covenant_in_the_repository_is_what_this_generates(finished: Project) -> None:
    committed = covenant_file(REPOSITORY / "covenants", "zephyr").read_text(encoding="utf-8")
    assert text_of(finished.covenant) == committed


def test_the_document_in_the_repository_is_what_this_writes(finished: Project) -> None:
    written = (finished.folder / "docs" / "pipelines" / "zephyr.md").read_text(encoding="utf-8")
    assert written == (REPOSITORY / "docs" / "pipelines" / "zephyr.md").read_text(encoding="utf-8")


def test_no_credential_lies_anywhere(finished: Project) -> None:
    token = finished.standin.token.encode()
    known = b"test.manager"  # a user: what is packed is found
    kinds = Counter[str]()
    for file in finished.folder.rglob("*"):
        if file.is_file():
            kind, text = _unpacked(file)
            kinds[kind] += known in text
            assert token not in text, file
    assert min(kinds["zstd"], kinds["parquet"]) > 0, kinds


def _unpacked(file: Path) -> tuple[str, bytes]:
    """What kind of file this is, and all that it says."""
    data = file.read_bytes()
    if data.startswith(b"PAR1"):
        return "parquet", str(pq.read_table(file, partitioning=None).to_pylist()).encode() + data
    if data[1:4] in (b"\x2a\x4d\x18", b"\xb5\x2f\xfd"):  # a skippable frame or one of zstd
        with ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
            return "zstd", reader.read() + data
    return "plain", data


def test_a_second_run_says_what_did_not_change(project: Project) -> None:
    summary = project.run()
    assert summary.ok
    assert not summary.covenant_changed
    changed = {table["table"] for table in summary.tables if table["status"] != "unchanged"}
    assert changed <= {"source.endpoints", "log.requests", "log.manifest", "log.runs"}
