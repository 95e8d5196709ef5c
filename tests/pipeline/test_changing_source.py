"""A source that changes from day to day, through all seven stages by one sentence: only what changed is asked for, what was deleted
is closed in its history, and a backfill mends what a lying time of change hid."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import dagster as dg
import pytest
from click.testing import CliRunner

from spectra_assets.covenant.files import covenant_file, read
from spectra_assets.engine.cli import commands
from spectra_assets.engine.console import Console
from spectra_assets.engine.run import run_sentence
from spectra_assets.engine.source import Options
from spectra_assets.engine.summary import Summary
from spectra_assets.errors import GateError
from spectra_assets.lakehouse.attic import delivered
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.settings import Settings
from spectra_assets.stages.cursors import refuted
from tests.conformance.pipeline import new_project
from tests.stages.changing import Row, stamp
from tests.stages.listserver import Call, ListServer, Reply

SOURCE = "desk"
SIZE = 20
PAGES = [{"name": name, "in": "query", "schema": {"type": "integer"}} for name in ("offset", "limit")]
SINCE = [{"name": "updatedSince", "in": "query", "schema": {"type": "string", "format": "date-time"}}]
BOARD = [{"name": "boardId", "in": "path", "required": True, "schema": {"type": "integer"}}]


def operation(*parameters: dict[str, Any]) -> dict[str, Any]:
    rows = {"type": "array", "items": {"type": "object"}}
    answer = {"description": "rows", "content": {"application/json": {"schema": rows}}}
    return {"get": {"parameters": list(parameters), "responses": {"200": answer}}}


DESCRIPTION = {
    "openapi": "3.0.3",
    "info": {"title": "Desk", "version": "1"},
    "paths": {
        "/boards": operation(*PAGES),
        "/labels": operation(*PAGES),
        "/boards/{boardId}/tickets": operation(*BOARD, *PAGES, *SINCE),
    },
}


class Desk:
    """Boards with tickets, on a real server."""

    def __init__(self) -> None:
        self.boards = [1, 2, 3, 4]
        self.tickets = [
            Row(board * 1000 + n, board, f"ticket {n}", 100 + (n * 17) % 50) for board in (1, 2, 3) for n in range(1, 46)
        ]
        self.tickets += [Row(4000 + n, 4, f"ticket {n}", 100 + n) for n in range(1, 6)]
        self.labels = [{"id": n, "name": f"label {n}", "since": stamp(n), "weight": n / 4} for n in range(1, 13)]
        self.broken: str | None = None
        """Path and offset of a page that answers 500."""
        self.server = ListServer(
            {"/openapi.json": lambda call: DESCRIPTION, "/boards": self._boards, "/labels": self._labels}
            | {f"/boards/{board}/tickets": self._tickets(board) for board in (1, 2, 3, 4)}
        )

    def _boards(self, call: Call) -> Any:
        rows = [{"id": board, "name": f"board {board}"} for board in self.boards]
        return rows[call.number("offset", 0) :][: call.number("limit", SIZE)]

    def _labels(self, call: Call) -> Any:
        return self.labels[call.number("offset", 0) :][: call.number("limit", SIZE)]

    def _tickets(self, board: int) -> Any:
        def answer(call: Call) -> Any:
            if f"{call.path}+{call.query.get('offset')}" == self.broken:
                return Reply({"error": "oops"}, 500)
            found = [
                {
                    "id": row.key,
                    "boardId": board,
                    "title": row.name,
                    "createdAt": stamp(row.key % 1000),
                    "updatedAt": stamp(row.updated),
                }
                for row in self.tickets
                if row.group == board and stamp(row.updated) >= call.query.get("updatedSince", "")
            ]
            return found[call.number("offset", 0) :][: min(call.number("limit", SIZE), SIZE)]

        return answer

    def ticket(self, key: int) -> Row:
        return next(row for row in self.tickets if row.key == key)

    def calls(self) -> list[Call]:
        """Requests for tickets since the last time."""
        found = [call for call in self.server.calls if "tickets" in call.path]
        self.server.calls.clear()
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What each day showed: run, changes, run, a deletion with a sweep, a change in secret with a backfill."""
    folder = tmp_path_factory.mktemp("changing") / "project"
    new_project(folder)
    standards = folder / "playbooks" / "STANDARDS.md"
    text = standards.read_text(encoding="utf-8")
    rule = "- id: standard-owner\n"
    assert rule in text
    more = "- id: often\n  kind: setting\n  name: sweep_runs\n  value: 2\n"
    standards.write_text(text.replace(rule, more + rule, 1), encoding="utf-8")
    settings = Settings(project=folder, lakehouse_root=str(folder / "lakehouse"))
    desk = Desk()
    found: dict[str, Any] = {"settings": settings, "desk": desk, "lakehouse": Lakehouse(settings.lakehouse_root, SOURCE)}
    environment = {
        "SPECTRA_PROJECT": str(folder),
        "SPECTRA_LAKEHOUSE": settings.lakehouse_root,
        "DAGSTER_HOME": str(folder / ".dagster"),
        "DESK_BASE_URL": desk.server.url,
    }

    def run(ok: bool = True) -> Summary:
        desk.calls()
        console = Console(out=io.StringIO())
        summary = run_sentence(
            f"create SPECTRA pipeline for {SOURCE}", settings, console, options=Options(base_url=desk.server.url)
        )
        assert summary.ok == ok, f"{summary.problem}\n{console.out.getvalue()}"  # type: ignore[attr-defined]
        return summary

    with desk.server, patch.dict("os.environ", environment):
        found["first"], found["seen first"] = run(), data_versions(settings)
        found["covenant"] = read(covenant_file(settings.covenants, SOURCE))
        desk.ticket(1005).name, desk.ticket(1005).updated = "renamed", 900
        desk.tickets.append(Row(2999, 2, "new", 901))
        found["second"], found["second calls"] = run(), desk.calls()
        found["seen second"] = data_versions(settings)
        found["titles"] = titles(found["lakehouse"], "clean.ticket")
        found["facts"] = len(rows(found["lakehouse"], "transform.factTicket"))
        desk.tickets.remove(desk.ticket(3007))
        desk.boards.remove(4)
        desk.labels.clear()
        desk.broken = "/boards/2/tickets+38"
        found["versions"] = versions(found["lakehouse"])
        found["broken"], found["kept"] = run(ok=False), versions(found["lakehouse"])
        desk.broken = None
        found["third"] = run()
        found["third titles"] = titles(found["lakehouse"], "clean.ticket")
        found["emptied"] = read(covenant_file(settings.covenants, SOURCE))
        desk.ticket(3008).name = "renamed in secret"
        desk.calls()
        arguments = ["backfill", SOURCE, "--entity", "ticket", "--parent", "3", "--json"]
        found["backfill"], found["backfill calls"] = CliRunner().invoke(commands, arguments), [*desk.server.calls]
        found["backfill titles"] = titles(found["lakehouse"], "clean.ticket")
        found["nothing"] = CliRunner().invoke(commands, arguments)
        found["wrong"] = CliRunner().invoke(commands, ["backfill", SOURCE, "--entity", "boards"])
        found["refuted"] = refuted(found["lakehouse"], "ticket")
        withhold = f"- id: no-titles\n  kind: withhold\n  scope: {{source: {SOURCE}, field: title}}\n"
        standards.write_text(standards.read_text(encoding="utf-8").replace(rule, withhold + rule, 1), encoding="utf-8")
        found["withheld"], found["withheld covenant"] = run(), read(covenant_file(settings.covenants, SOURCE))
        yield found


def rows(lakehouse: Lakehouse, table: str) -> list[dict[str, Any]]:
    return list(lakehouse.read(TableRef.parse(table)).to_pylist())


def versions(lakehouse: Lakehouse) -> dict[str, int]:
    """Of every table from Extract on, but the log."""
    refs = [ref for ref in delivered(lakehouse) if ref.schema not in ("source", "prepare", "log")]
    return {str(ref): lakehouse.describe(ref).version for ref in refs}


def data_versions(settings: Settings) -> dict[str, str]:
    """What Dagster takes for the version of some tables' rows."""
    found = {}
    with dg.DagsterInstance.from_config(str(settings.project / ".dagster")) as instance:
        for name in ("extract/tickets", "clean/ticket", "extract/labels", "clean/label"):
            event = instance.get_latest_materialization_event(dg.AssetKey([SOURCE, *name.split("/")]))
            assert event is not None
            assert event.asset_materialization is not None
            found[name] = str(event.asset_materialization.tags["dagster/data_version"])
    return found


def titles(lakehouse: Lakehouse, table: str) -> dict[int, str]:
    return {row["ticketId"]: row["title"] for row in rows(lakehouse, table)}


def test_the_covenant_says_how_what_changed_is_asked_for(story: dict[str, Any]) -> None:
    known = story["covenant"].fetches()["ticket"].incremental
    assert (known.cursor, known.parameter, known.boundary) == ("updatedAt", "updatedSince", "inclusive")
    assert (known.overlap_seconds, known.sweep_runs, known.sweep_days) == (3600, 2, 7)
    assert story["covenant"].fetches()["board"].incremental is None


def test_the_second_run_has_the_changes_and_asked_for_no_more(story: dict[str, Any]) -> None:
    requests = [row for row in rows(story["lakehouse"], "log.requests") if row["table"] == "extract.tickets"]
    mine = [row for row in requests if row["runId"] == story["second"].runs[-1]]
    assert mine
    assert {row["parent"] for row in mine if "updatedSince" not in row["query"]} == {"4"}, (
        "only the list of one page is read whole"
    )
    first = [row for row in requests if row["runId"] == story["first"].runs[-1]]
    assert sum(row["rows"] or 0 for row in mine) < sum(row["rows"] or 0 for row in first) / 5
    assert (len(story["titles"]), story["titles"][1005], story["titles"][2999]) == (141, "renamed", "new")


def test_dagster_is_told_whose_rows_are_others(story: dict[str, Any]) -> None:
    changed = {name for name, seen in story["seen first"].items() if story["seen second"][name] != seen}
    assert changed == {"extract/tickets", "clean/ticket"}


def test_a_page_that_is_broken_is_told_and_all_that_hangs_on_it_stays_as_it_was(story: dict[str, Any]) -> None:
    assert story["broken"].exit_code == GateError.exit_code
    assert "1 pages could not be read" in story["broken"].problem
    assert "(parent 2, page 3, about 18 rows, status 500, reason " in story["broken"].problem
    changed = {name for name, version in story["kept"].items() if version != story["versions"][name]}
    assert "extract.boards" in changed  # one board less
    assert not any("icket" in name for name in changed)


def test_the_next_run_asks_for_the_broken_page_alone(story: dict[str, Any]) -> None:
    requests = [row for row in rows(story["lakehouse"], "log.requests") if row["table"] == "extract.tickets"]
    mine = [row for row in requests if row["runId"] == story["third"].runs[-1] and row["origin"] == "network"]
    asked = {(row["parent"], row["query"]) for row in mine if "limit=20" in row["query"]}
    assert asked - {("2", "offset=45&limit=20")} == {("2", "offset=38&limit=20")}, "and what comes after the last page"


def test_what_was_deleted_is_closed_in_its_history_and_no_fact_more(story: dict[str, Any]) -> None:
    boards = {row["boardId"]: row for row in rows(story["lakehouse"], "transform.dimBoard")}
    assert (boards[4]["isCurrent"], boards[4]["validTo"] is not None) == (False, True)
    assert all(boards[board]["isCurrent"] and boards[board]["validTo"] is None for board in (1, 2, 3))
    now = story["third titles"]
    assert not {3007, 4001, 4005} & set(now)
    assert story["facts"] == 141
    assert len(rows(story["lakehouse"], "transform.factTicket")) == len(now) == 135


def test_a_list_that_is_empty_now_keeps_its_columns(story: dict[str, Any]) -> None:
    def promised(name: str) -> Any:
        covenant = story[name]
        return [(table.table, table.columns, table.build) for table in covenant.tables() if table.entity == "label"]

    assert len(promised("covenant")) == 4  # from Extract to Refine
    assert promised("emptied") == promised("covenant")
    assert not any("label" in told.lower() for told in story["third"].held)
    assert rows(story["lakehouse"], "clean.label") == []
    assert not any(row["isCurrent"] for row in rows(story["lakehouse"], "transform.dimLabel") if row["labelId"] != -1)


def test_a_backfill_reads_what_is_named_and_what_depends_on_it_is_made_again(story: dict[str, Any]) -> None:
    result = story["backfill"]
    assert result.exit_code == 0, result.output
    assert {call.path for call in story["backfill calls"]} == {"/boards/3/tickets"}
    made = {table["table"]: table["status"] for table in json.loads(result.stdout)["tables"]}
    assert made["extract.tickets"] == made["clean.ticket"] == made["transform.factTicket"] == "published"
    assert "extract.boards" not in made
    assert story["backfill titles"][3008] == "renamed in secret"


def test_a_backfill_that_finds_nothing_makes_nothing_again(story: dict[str, Any]) -> None:
    result = story["nothing"]
    assert result.exit_code == 0, result.output
    assert [(table["table"], table["status"]) for table in json.loads(result.stdout)["tables"]] == [
        ("extract.tickets", "unchanged")
    ]


def test_what_a_rule_withholds_leaves_the_tables_that_stood(story: dict[str, Any]) -> None:
    """Nobody has to accept it, nothing warns of it, and no cursor is accused."""
    summary, lakehouse = story["withheld"], story["lakehouse"]
    assert (summary.held, summary.gates_failed) == ((), 0)
    warned = {table["table"]: table["gates_warned"] for table in summary.tables if table["gates_warned"]}
    assert not any("icket" in name for name in warned), warned
    names = [table.table for table in story["withheld covenant"].tables() if "icket" in table.table]
    assert {"extract.tickets", "clean.ticket", "transform.factTicket"} <= {*names}
    assert not any("title" in column.lower() for name in names for column in story["withheld covenant"].table(name).columns)
    assert [len(rows(lakehouse, name)) for name in ("extract.tickets", "clean.ticket", "transform.factTicket")] == [135] * 3
    assert "title" not in rows(lakehouse, "clean.ticket")[0]
    for name in names:
        assert not any("ticket 1" in str(row) or "renamed" in str(row) for row in rows(lakehouse, name)), name
    assert refuted(lakehouse, "ticket") == story["refuted"]


def test_a_backfill_names_the_entities_there_are(story: dict[str, Any]) -> None:
    assert story["wrong"].exit_code == 2
    assert "desk extracts no 'boards'; there are" in story["wrong"].output
