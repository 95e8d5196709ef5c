"""A page that answers 500 for ever: it is told, all others are kept, the gate fails, and the next run asks for that page alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.extract.small import ITEMS
from spectra_assets.covenant.access import OffsetPaging
from spectra_assets.errors import GateError, RetriableError
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.raw import Attempts
from tests.stages.changing import PAGE, Changing, ChangingApi, by_page


def breaking(*parts: str) -> object:
    """A fault: 500 for addresses that hold all of these."""
    return lambda address: 500 if all(part in address for part in parts) else None


@pytest.mark.parametrize("paging", ["offset", "page"])
def test_all_but_the_page_is_kept_and_the_next_run_asks_for_it_alone(
    tmp_path: Path, engine: Engine, api: ChangingApi, paging: str
) -> None:
    made = Changing(tmp_path, engine, None, by_page() if paging == "page" else None)
    made.both("run1")
    version, before = made.lakehouse.describe(made.covenant.table(ITEMS).ref).version, made.found()
    api.row(2001).name = "changed"
    api.fault = breaking("groups/2/", "page=2&" if paging == "page" else "offset=9&")  # type: ignore[assignment]
    with pytest.raises(
        GateError, match=r"1 pages could not be read \(parent 2, page 2, about (8|10) rows, status 500, reason 500 Internal"
    ):
        made.both("run2")
    assert made.lakehouse.describe(made.covenant.table(ITEMS).ref).version == version
    assert made.found() == before
    (waiting,) = [path for path in made.lakehouse.files("log", "waiting").glob("*.json") if "extract.items" in path.name
                  and json.loads(path.read_text())["manifest"]["runId"] == "run2"]  # fmt: skip
    failed = [row for row in json.loads(waiting.read_text())["requests"] if row["error"]]
    assert [(row["status"], row["parent"], row["page"], row["attempts"]) for row in failed] == [(500, "2", 2, 3)]
    assert Attempts(made.lakehouse, "item").all()[-1][1].state == "open"
    api.forget()
    with pytest.raises(GateError, match="1 pages could not be read"):
        made.deliver(ITEMS, "run3")
    assert {address for address in api.asked if not api.fault(address)} == set()
    api.fault = lambda _: None
    api.forget()
    healed = made.deliver(ITEMS, "run4")
    assert made.found() == api.truth()
    assert healed.draft.evidence["extraction"]["brokenCount"] == 0
    # beside it only the list's end and its seams are proven
    proofs = ("page=1&", "page=3&", "page=4&", "page=5&", "offset=34&")
    (page,) = [address for address in api.asked if not any(proof in address for proof in proofs) and "size=10" in address]
    assert page.startswith("/groups/2/items?")
    assert "page=2&" in page or "offset=9&" in page


def test_a_page_that_is_no_json_for_ever_is_told_like_one_that_answers_500(
    tmp_path: Path, engine: Engine, api: ChangingApi
) -> None:
    made = Changing(tmp_path, engine, None)
    api.torn = lambda address: "groups/2/" in address and "offset=9&" in address
    with pytest.raises(
        GateError,
        match=r"1 pages could not be read \(parent 2, page 2, about 8 rows, status 200, reason the body is no complete JSON",
    ):
        made.both("run1")
    assert Attempts(made.lakehouse, "item").all()[-1][1].state == "open"
    api.torn = lambda _: False
    healed = made.deliver(ITEMS, "run2")
    assert healed.draft.evidence["tape"]["resumed"] == 13  # all pages but this one
    assert made.found() == api.truth()


def test_the_last_page_of_a_list_may_be_the_broken_one(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    made = Changing(tmp_path, engine, None)
    api.fault = breaking("groups/3/", "offset=27&")  # type: ignore[assignment]
    with pytest.raises(GateError, match="parent 3, page 4"):
        made.both("run1")
    api.fault = lambda _: None
    made.deliver(ITEMS, "run2")
    assert made.found() == api.truth()


def test_a_list_that_is_broken_from_some_page_on_is_a_parent_that_can_not_be_read(
    tmp_path: Path, engine: Engine, api: ChangingApi
) -> None:
    api.rows.clear()
    api.fill(60)
    made = Changing(tmp_path, engine, None)
    api.fault = lambda address: 500 if "groups/2/" in address and "offset=0&" not in address else None
    with pytest.raises(GateError, match=r"1 parents could not be read .*3 pages could not be read"):
        made.both("run1")
    api.fault = lambda _: None
    made.deliver(ITEMS, "run2")
    assert made.found() == api.truth()


def test_of_an_increment_the_list_stays_as_it_was(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    """Even without the gate no row is lost, and what came of the other lists is there."""
    gates = [gate for gate in Changing(tmp_path / "gates", engine).covenant.table(ITEMS).gates if gate.name != "extract_complete"]
    made = Changing(tmp_path / "table", engine, gates=gates)
    made.both("run1")
    for number in range(1, 26):
        for group in (1, 2):
            api.row(group * 1000 + number).name, api.row(group * 1000 + number).updated = "changed", 100 + number
    api.fault = breaking("groups/2/", "offset=9&")  # type: ignore[assignment]
    made.both("run2")
    assert [row for row in made.found() if row[0] != "2"] == [row for row in api.truth() if row[0] != "2"]
    assert all(name.startswith("item") for group, _, name in made.found() if group == "2")
    assert len(made.found()) == 105


def test_a_list_without_parents_goes_on_behind_its_first_page(
    tmp_path: Path, engine: Engine, api: ChangingApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Changing(tmp_path, engine, None)
    paging = OffsetPaging(offset_param="offset", size_param="size", size=PAGE)
    api.groups = list(range(1, 36))
    with made.work("extract.groups", "run1").client as client:
        fetch = made.fetches["extract.groups"].model_copy(update={"paging": paging})
        api.fault = breaking("groups?offset=0&")  # type: ignore[assignment]
        pages = list(client.pages(fetch))
        assert [(len(page.records), page.broken is not None) for page in pages] == [
            (0, True),
            (10, False),
            (10, False),
            (5, False),
        ]
        api.fault = breaking("groups?")  # type: ignore[assignment]
        with pytest.raises(RetriableError, match="500"):
            list(client.pages(fetch))


@pytest.mark.parametrize(("broken", "lost"), [((9,), [8]), ((0,), [9]), ((9, 18), [8, 9]), ((27,), [8])])
def test_the_row_before_that_a_page_after_it_brings_is_kept(
    tmp_path: Path, engine: Engine, api: ChangingApi, broken: tuple[int, ...], lost: list[int]
) -> None:
    """Pages are asked for from the last row of the one before on: behind a broken one that row is the only one of its rows that
    comes, and it was cut off."""
    made = Changing(tmp_path, engine, None)
    api.groups = list(range(1, 46))
    api.fault = lambda address: 500 if any(f"groups?offset={start}&" in address for start in broken) else None
    with made.work("extract.groups", "run1").client as client:
        fetch = made.fetches["extract.groups"].model_copy(
            update={"paging": OffsetPaging(offset_param="offset", size_param="size", size=PAGE)}
        )
        pages = list(client.pages(fetch, knit=True))
    assert [page.lost for page in pages if page.broken is not None] == lost
    came = [json.loads(record)["id"] for page in pages for record in page.records]
    assert sorted(set(came)) == came
    assert len(came) + sum(lost) == 45
