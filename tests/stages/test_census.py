"""Completeness of extractions by every style of paging, and parents of several values, on real servers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from spectra_assets.client.target import parent_text
from spectra_assets.covenant.access import Auth, CursorPaging, Fetch, NoPaging, OffsetPaging, PagePaging, ParentKey, Server
from spectra_assets.covenant.build import Extraction
from spectra_assets.covenant.canon import CanonEntity, CanonField, to_row
from spectra_assets.covenant.forms import EXTRACT_FORM
from spectra_assets.covenant.model import Covenant, Pipeline, StageContract, Table
from spectra_assets.lakehouse.commit import CommitInfo
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef, plural
from spectra_assets.playbook.model import Playbooks, Standards
from spectra_assets.settings import Settings
from spectra_assets.stages.asking.parents import values_of
from spectra_assets.stages.extract.census import Census
from spectra_assets.stages.extract.drift import DriftWatch
from spectra_assets.stages.tables import table_of
from spectra_assets.stages.work import Draft, Work, make
from tests.client import conftest as wire
from tests.client.conftest import Asked, Reply
from tests.client.test_styles import CHAINED, STYLES, Rows
from tests.stages.conftest import NOW, _Ready

api, connect = wire.api, wire.connect

CLEAN = ("skippedCount", "unansweredCount", "repeatedCount", "missingKeyCount", "mismatchCount")


def known_as(fetch: Fetch, *paths: str) -> CanonEntity:
    fields = tuple(CanonField(raw=path, structure="scalar", target=path, type="int64", group=fetch.entity) for path in paths)
    return CanonEntity(entity=fetch.entity, order=1, fetch=fetch, primary_key=fetch.primary_key, sample_size=1, fields=fields)


def plan(paging: Any, **more: Any) -> Fetch:
    return Fetch(**{"entity": "row", "path": "/rows", "records": "data", "primary_key": "key.id", "paging": paging, **more})


def counted(
    client: Any, fetch: Fetch, parents: list[Any] | None = None, sole: bool = False
) -> tuple[Any, list[tuple[str | None, Any]]]:
    census = Census(client, fetch, DriftWatch(known_as(fetch, fetch.primary_key)), lambda _: None, sole=sole)
    rows = [(sheet.parent, json.loads(record)) for sheet in census.sheets(parents) for record in sheet.records]
    return census.finished(1), rows


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("beyond", [200, 404, 400])
@pytest.mark.parametrize("total", [1, 10, 20, 37])
def test_a_complete_extraction_is_found_complete(api, connect, style, beyond, total):
    server = Rows(total, beyond=200 if style == "keyset" else beyond, base=api.url)
    server.first = 0 if style == "page0" else 1
    api.answer = server
    facts, rows = counted(connect(), plan(STYLES[style]))
    assert [record["key"]["id"] for _, record in rows] == [row["key"]["id"] for row in server.rows]
    assert {name: facts[name] for name in CLEAN} == dict.fromkeys(CLEAN, 0)
    assert facts["paged"]
    # by offset the row before shows the end of a page: nothing beyond it is asked for, and so nothing is refused
    again = style not in CHAINED and (total > 10 or (beyond != 200 and (style != "offset" or total == 1)))
    assert facts["recounts"] == again
    seams = max(0, -(-(total - 1) // 9) - 1) if style == "offset" else -(-total // 10) - 1
    seams += style in ("cursor", "next", "link") and seams > 0  # the end of a chain is one
    assert (facts["seams"], facts["seamsHeld"]) == (seams, seams)


def test_a_key_that_is_a_record_itself_tells_rows_apart(api, connect):
    """`_id` as `{"$oid": …}`, which a rule named: the keys of a short page are compared with those after it."""
    server = Rows(37)

    def answer(asked: Asked) -> Reply:
        told = json.loads(server(asked).body)
        return Reply(json.dumps({"data": [row for row in told["data"] if row["key"]["id"] != 50]}).encode())

    api.answer = answer
    client, fetch = connect(), plan(STYLES["offset"], primary_key="key")
    assert counted(client, fetch)[0]["mismatchCount"] == 1  # that pages are short in the middle is known from now on
    facts, rows = counted(client, fetch)
    assert (len(rows), {name: facts[name] for name in CLEAN}) == (36, dict.fromkeys(CLEAN, 0))
    assert facts["recounts"] == 1


@pytest.mark.parametrize("status", [400, 404, 422])
@pytest.mark.parametrize("most", [10, 20, 30])
@pytest.mark.parametrize(
    "paging",
    [
        PagePaging(page_param="page", size_param="limit", size=10),
        OffsetPaging(offset_param="offset", size_param="limit", size=10),
    ],
)
def test_an_api_that_gives_only_its_first_rows_is_noticed(api, connect, paging, most, status):
    server = Rows(57)

    def answer(asked: Asked) -> Reply:
        size = asked.number("limit")
        start = (asked.number("page") - 1) * size if "page" in asked.query else asked.number("offset")
        return server(asked) if start + size <= most else Reply(b'{"error": "too deep"}', status=status)

    api.answer = answer
    facts, rows = counted(connect(), plan(paging))
    assert len(rows) == most
    assert [entry["check"] for entry in facts["mismatches"]] == ["recount"]


@pytest.mark.parametrize(("total", "problems"), [(20, 0), (57, 1)])
def test_an_api_that_gives_the_last_page_again(api, connect, total, problems):
    server = Rows(total)

    def answer(asked: Asked) -> Reply:
        last = min(total, 20) // asked.number("limit") + bool(min(total, 20) % asked.number("limit"))
        asked.query["page"] = [str(min(asked.number("page"), last))]
        return server(asked)

    api.answer = answer
    facts, rows = counted(connect(), plan(STYLES["page1"]))
    assert len(rows) == 20
    assert (facts["recounts"], facts["mismatchCount"]) == (1, problems)


@pytest.mark.parametrize(("more", "problems"), [(True, ["more"]), (False, [])])
def test_a_list_of_which_only_the_first_page_is_known_is_not_complete(api, connect, more, problems):
    """Nobody guessed the parameter: 20 of 91 rows were published as all there are."""
    server = Rows(20)
    server.more = {"page": 1, "hasMore": more}
    api.answer = lambda asked: replace(server(asked), headers={})  # a header would name the next page
    facts, rows = counted(connect(), plan(NoPaging()))
    assert len(rows) == 10
    assert [each["check"] for each in facts["mismatches"]] == problems
    assert counted(connect(), plan(NoPaging()), sole=True)[0]["mismatchCount"] == 0  # a person knows better


def test_a_list_that_moves_while_it_is_read_by_pages(api, connect):
    server = Rows(37)

    def answer(asked: Asked) -> Reply:
        if len(api.asked) == 5:
            server.rows.pop(0)
        return server(asked)

    api.answer = answer
    facts, _ = counted(connect(), plan(STYLES["page1"]))
    assert facts["mismatchCount"] == 1
    assert facts["mismatches"][0]["check"] == "seam"
    assert "page 1 has other rows when it is asked for again" in facts["mismatches"][0]["reason"]


def test_ends_are_asked_for_again_while_other_lists_are_read(api, connect):
    api.answer = Rows(12)
    fetch = plan(STYLES["offset"], path="/rows/{n}", parent=ParentKey(entity="project", path="id", parameter="n"))
    facts, rows = counted(connect(in_flight=2), fetch, list(range(30)))
    assert (len(rows), facts["recounts"], facts["mismatchCount"]) == (360, 30, 0)
    asked = [(asked.path, asked.query) for asked in api.asked]
    again = [number for number, (_, query) in enumerate(asked) if query["offset"] == ["11"]]
    assert len(again) == 30
    assert again[0] < min(number for number, (path, _) in enumerate(asked) if path == "/rows/29")


@pytest.mark.parametrize("style", ["offset", "page1"])
def test_a_complete_total_ends_a_list_at_a_full_page(api, connect, style):
    """By offset three pages, as the row before each comes again, and one request for the end. By page two, two for the end, and
    one for the page that another follows."""
    api.answer = server = Rows(20)
    server.more = {"total": 20}
    facts, rows = counted(connect(), plan(STYLES[style]))
    assert (len(rows), facts["requests"], facts["recounts"], facts["mismatchCount"]) == (20, 4, 1, 0)
    assert len(api.asked) == (4 if style == "offset" else 5)


def test_rows_that_come_after_the_last_page(api, connect):
    server = Rows(20)
    server.more = {"total": 20}

    def answer(asked: Asked) -> Reply:
        if len(api.asked) == 4:
            server.rows.append({"key": {"id": 999}})
        return server(asked)

    api.answer = answer
    facts, _ = counted(connect(), plan(STYLES["page1"]))
    assert [(entry["check"], entry["found"]) for entry in facts["mismatches"]] == [("recount", 21)]


def test_a_key_that_comes_twice_in_a_chain(api, connect):
    pages = {"": ([1, 2], "a"), "a": ([2, 3], "b"), "b": ([4], None)}

    def answer(asked: Asked) -> Reply:
        keys, onward = pages[asked.query.get("after", [""])[0]]
        return Reply(json.dumps({"data": [{"key": {"id": key}} for key in keys], "meta": {"next": onward}}).encode())

    api.answer = answer
    facts, _ = counted(connect(), plan(CursorPaging(cursor_param="after", next="meta.next")))
    assert (facts["repeatedCount"], facts["repeated"]) == (1, [{"parent": "", "key": "2"}])


@pytest.mark.parametrize("style", CHAINED)
def test_a_chain_that_ends_before_the_declared_total(api, connect, style):
    server = Rows(20, base=api.url)
    server.more = {"total": 23}
    api.answer = server
    facts, _ = counted(connect(), plan(STYLES[style]))
    (found,) = facts["mismatches"]
    assert (found["check"], found["expected"], found["found"]) == ("declaredTotal", 23, 20)


def test_a_list_that_is_gone_once_begun_is_no_answer(api, connect):
    server = Rows(37, base=api.url)
    api.answer = lambda asked: server(asked) if len(api.asked) < 3 else Reply(status=410)
    parent = ParentKey(entity="repo", path="id", parameter="repo")
    facts, rows = counted(connect(), plan(STYLES["link"], parent=parent, path="/{repo}/rows"), ["1"])
    assert len(rows) == 20
    assert (facts["skippedCount"], facts["goneCount"], facts["parentsAnswered"]) == (1, 0, 0)


@pytest.mark.parametrize("style", ["page1", "keyset", "link"])
def test_a_list_that_breaks_off_is_no_answer(api, connect, style):
    server = Rows(37, base=api.url)
    api.answer = lambda asked: server(asked) if len(api.asked) < 3 else Reply(status=403)
    facts, rows = counted(connect(), plan(STYLES[style]))
    assert len(rows) == 20
    assert (facts["skippedCount"], facts["parentsAnswered"], facts["unansweredCount"]) == (1, 0, 0)


def test_parents_of_several_values_are_named_by_all(api, connect):
    also = [{"parameter": "repo", "path": "name"}]
    parent = ParentKey(entity="repo", path="owner", parameter="owner", also=also)
    fetch = Fetch(entity="issue", path="/{owner}/{repo}", parent=parent, key_scope="parent")
    answers = {"/a/x": b'[{"id": 1}]', "/a/y": b'[{"id": 1}, {"id": 1}]', "/b/x": b"[]"}
    api.answer = lambda asked: Reply(answers[asked.path]) if asked.path in answers else Reply(status=403)
    facts, rows = counted(connect(), fetch, [("a", "x"), ("a", "y"), ("b", "x"), ("b", "ü")])
    assert rows == [('["a","x"]', {"id": 1}), ('["a","y"]', {"id": 1}), ('["a","y"]', {"id": 1})]
    assert (facts["repeatedCount"], facts["repeated"]) == (1, [{"parent": '["a","y"]', "key": "1"}])
    assert [entry["parent"] for entry in facts["skipped"]] == ['["b","ü"]']
    assert (facts["parentsAsked"], facts["parentsAnswered"], facts["emptyParents"]) == (4, 3, 1)


@pytest.mark.parametrize(
    ("paths", "record", "expected"),
    [
        (["id"], {"id": 7}, [7]),
        (["parts[].id"], {"parts": [{"id": 7}, {"id": None}, {}, {"id": "x"}]}, [7, "x"]),
        (["owner.login", "name"], {"owner": {"login": "o"}, "name": "n"}, [("o", "n")]),
        (["a.parts[].id", "a.parts[].kind"], {"a": {"parts": [{"id": 1, "kind": "x"}, {"id": 2, "kind": "y"}]}}, [(1, "x"), (2, "y")]),
        (["id", "tags[]"], {"id": 1, "tags": ["a", "b"]}, [(1, "a"), (1, "b")]),
        (["id", "a[].b[]", "a[].c"], {"id": 1, "a": [{"b": [2, 3], "c": 4}, {"b": [5], "c": 6}]}, [(1, 2, 4), (1, 3, 4), (1, 5, 6)]),
        (["@parent"], {"id": 1}, ['["p","q"]']),
        (["@parent[0]", "@parent[1]", "id"], {"id": 1}, [("p", "q", 1)]),
        (["@parent[2]", "id"], {"id": 1}, []),
        (["owner.login", "name"], {"owner": None, "name": "n"}, []),
        (["id"], {"id": {"nested": 1}}, []),
    ],
)  # fmt: skip
def test_what_a_record_gives_for_its_children(paths, record, expected):
    also = [{"parameter": f"p{place}", "path": path} for place, path in enumerate(paths[1:])]
    parent = ParentKey(entity="row", path=paths[0], parameter="p", also=also)
    assert list(values_of(record, '["p","q"]', parent)) == expected


def test_the_text_of_a_parent():
    assert [parent_text(value) for value in (7, "a/b", ("octo", 7), ('q"', "ü"))] == ["7", "a/b", '["octo","7"]', '["q\\"","ü"]']


def _texts(row: dict[str, Any]) -> dict[str, Any]:
    return {name: list(map(str, value)) if isinstance(value, list) else value for name, value in row.items()}


class Pipe:
    """Extracts entities of one API into a lakehouse of its own."""

    def __init__(self, folder: Path, plans: list[Fetch]) -> None:
        self.lakehouse = Lakehouse(str(folder), "demo")
        self.settings = Settings(project=folder, lakehouse_root=str(folder))
        canon = [known_as(fetch, "id", "name", "owner.login") for fetch in plans]
        self._publish("prepare.schema", table_of("prepare.schema", map(_texts, map(to_row, canon))))

    def extract(self, fetch: Fetch) -> tuple[Draft, list[dict[str, Any]]]:
        name = f"extract.{plural(fetch.entity)}"
        steps = ["extract.fetch_records", "extract.flatten_tree", "extract.hash_records"]
        table = Table(
            table=name, description="", entity=fetch.entity, steps=steps, build=Extraction(fetch=fetch), schema=EXTRACT_FORM
        )
        server = Server(base_url_env="DEMO_URL", auth=Auth(kind="none"), probe="/")
        pipeline = Pipeline(
            source="demo",
            title="Demo",
            version="v1",
            owner="",
            intelligence="demo",
            server=server,
            stages=[StageContract(name="extract", playbook="", outputs=[table])],
        )
        nothing: Any = None
        work = Work(
            settings=self.settings,
            covenant=Covenant(pipeline=pipeline, quality_gates=[{"stage": "extract", "checks": []}]),  # type: ignore[list-item]
            table=table,
            lakehouse=self.lakehouse,
            engine=nothing,
            playbooks=Playbooks(Standards("", "", (), (), "STANDARDS.md"), ()),
            run_id="run1",
            now=NOW,
        )
        draft = make(work)
        assert draft.batches is not None
        rows = pa.Table.from_batches(draft.batches, schema=draft.batches_schema)
        self._publish(name, rows)
        return draft, rows.to_pylist()

    def _publish(self, name: str, rows: pa.Table) -> None:
        self.lakehouse.publish(TableRef.parse(name), _Ready(rows), CommitInfo("run1", "v1"))


def test_children_of_composite_parents_are_extracted_through_all_levels(api, tmp_path, monkeypatch):
    monkeypatch.setenv("DEMO_URL", api.url)
    repos = [
        {"id": n, "name": name, "owner": {"login": owner}} for n, (owner, name) in enumerate([("o", "a"), ("o", "b"), ("p", "a")])
    ]
    answers = {
        "/repos": repos + repos[:1],
        "/repos/o/a/issues": [{"id": 1}, {"id": 2}],
        "/repos/o/b/issues": [{"id": 1}],
        "/repos/p/a/issues": [],
        "/repos/o/a/issues/1/notes": [{"id": 7}],
        "/repos/o/a/issues/2/notes": [],
        "/repos/o/b/issues/1/notes": [{"id": 7}, {"id": 8}],
    }
    api.answer = lambda asked: Reply(json.dumps(answers[asked.path]).encode())
    by_repo = ParentKey(entity="repo", path="owner.login", parameter="owner", also=[{"parameter": "repo", "path": "name"}])
    also = [{"parameter": "repo", "path": "@parent[1]"}, {"parameter": "issue", "path": "id"}]
    by_issue = ParentKey(entity="issue", path="@parent[0]", parameter="owner", also=also)
    plans = [
        Fetch(entity="repo", path="/repos"),
        Fetch(entity="issue", path="/repos/{owner}/{repo}/issues", parent=by_repo, key_scope="parent"),
        Fetch(entity="note", path="/repos/{owner}/{repo}/issues/{issue}/notes", parent=by_issue, key_scope="parent"),
    ]
    pipe = Pipe(tmp_path, plans)
    found = {fetch.entity: pipe.extract(fetch) for fetch in plans}
    assert [(row["parentKey"], json.loads(row["record"])["id"]) for row in found["note"][1]] == [
        ('["o","a","1"]', 7),
        ('["o","b","1"]', 7),
        ('["o","b","1"]', 8),
    ]
    facts = found["note"][0].evidence["extraction"]
    assert {name: facts[name] for name in CLEAN} == dict.fromkeys(CLEAN, 0)
    assert (facts["parentsAsked"], facts["parentsWithRows"]) == (3, 2)
    assert found["issue"][0].evidence["extraction"]["parentsAsked"] == 3
    assert found["repo"][0].evidence["extraction"]["repeatedCount"] == 1


@pytest.mark.parametrize(
    ("lengths", "param", "cut"),
    [
        ((10, 10, 10, 4), "limit", 3),
        ((10, 10, 10, 4), None, 0),  # nothing asks for fewer: ten of everything
        ((10, 10, 4), "limit", 0),
        ((10, 10, 10, 11), "limit", 0),  # one is longer
        ((9, 9, 9), "limit", 0),
    ],
)
def test_lists_that_end_where_others_do_are_cut_off(api, connect, lengths, param, cut):
    def answer(asked: Asked) -> Reply:
        parent = int(asked.query["of"][0])
        return Reply(json.dumps([{"id": 100 * parent + n} for n in range(lengths[parent])]).encode())

    api.answer = answer
    fetch = plan(NoPaging(size_param=param), records="", primary_key="id",
                 parent=ParentKey(entity="other", path="id", parameter="of", location="query"))  # fmt: skip
    facts, _ = counted(connect(), fetch, list(range(len(lengths))))
    assert facts["mismatchCount"] == cut
    assert {each["check"] for each in facts["mismatches"]} == ({"cut"} if cut else set())


@pytest.mark.parametrize(("there", "fate"), [((1, 2), (0, 10, 2)), ((), (12, 0, 0))])
def test_what_a_parent_lacks_is_not_found_and_of_what_it_has_only_the_key_is_kept(api, connect, there, fate):
    """As `/orders/7/customer` of an order without one; where none has any, the endpoint is gone."""
    one = Reply(json.dumps({"key": {"id": 7, "kind": "x"}, "name": "Ada"}).encode())
    api.answer = lambda asked: one if asked.path in [f"/{name}/row" for name in there] else Reply(status=404)
    parent = ParentKey(entity="order", path="id", parameter="order")
    fetch = plan(NoPaging(), parent=parent, path="/{order}/row", records="$", pairs="row", key_scope="parent")
    facts, rows = counted(connect(), fetch, [str(number) for number in range(1, 13)])
    assert rows == [(str(name), {"key": {"id": 7}}) for name in there]
    assert (facts["skippedCount"], facts["goneCount"], facts["parentsAnswered"]) == fate


@pytest.mark.parametrize(
    ("numbers", "told"),
    [({"total": 640, "p": 1, "ps": 2}, 1), ({"total": 2, "p": 1, "ps": 50}, 0), ({"total": 640, "weight": 2}, 0)],
)
def test_a_record_that_is_a_page_of_a_list_is_noticed(api, connect, numbers, told):
    """Whatever Prepare took the answer for: its own numbers say that an array in it goes on."""
    answer = {**numbers, "things": [{"name": "a"}, {"name": "b"}], "others": [1]}
    api.answer = lambda asked: Reply(json.dumps(answer).encode())
    fetch = plan(NoPaging(), records="$", primary_key="@hash")
    facts, rows = counted(connect(), fetch)
    assert (len(rows), [each["check"] for each in facts["mismatches"]]) == (1, ["page"] * told)
    assert not told or "its 'things' are 2 rows of the 640 it tells of" in facts["mismatches"][0]["reason"]
    assert not counted(connect(), fetch, sole=True)[0]["mismatches"], "a person says that this is the record"
