"""Lists that move while they are read: rows inserted or deleted between pages are noticed, and the table is the truth in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks.extract.moving import Moving
from benchmarks.extract.small import ITEMS, URL
from spectra_assets.client.pager import Ask
from spectra_assets.client.paging import Page
from spectra_assets.errors import GateError
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.stages.evidence import EXAMPLES
from spectra_assets.stages.extract.seams import Seams
from tests.stages.changing import Changing, ChangingApi, Row, by_page


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChangingApi]:
    server = ChangingApi(total=True)
    server.fill(35)
    monkeypatch.setenv(URL, server.url)
    yield server
    server.close()


@pytest.fixture(params=["offset", "page"])
def made(request: pytest.FixtureRequest, tmp_path: Path, engine: Engine, api: ChangingApi) -> Changing:
    return Changing(tmp_path, engine, None, by_page() if request.param == "page" else None, records="items")


def after(api: ChangingApi, group: int, page: int, change: Callable[[], None]) -> None:
    """Make the change once this page of this group's items was answered."""
    left = [page]

    def between(address: str) -> None:
        if f"groups/{group}/" in address:
            left[0] -= 1
            if left[0] == 0:
                change()

    api.between = between


def insert(api: ChangingApi, group: int, *keys: int) -> Callable[[], None]:
    def change() -> None:
        first = next(place for place, row in enumerate(api.rows) if row.group == group)
        api.rows[first:first] = [Row(key, group, "inserted", 1) for key in keys]

    return change


def delete(api: ChangingApi, *keys: int) -> Callable[[], None]:
    def change() -> None:
        for key in keys:
            api.rows.remove(api.row(key))

    return change


@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize("kind", ["insert", "delete", "both"])
def test_the_table_is_the_truth_although_the_list_moved(made: Changing, api: ChangingApi, kind: str, page: int) -> None:
    changes = []
    if kind != "delete":
        changes.append(insert(api, 2, 2900, 2901))
    if kind != "insert":
        changes.append(delete(api, 2003))

    def all_of_them() -> None:
        for change in changes:
            change()

    after(api, 2, page, all_of_them)
    delivery = made.both("run1")
    assert made.found() == api.truth()
    assert delivery.draft.notes["lists read again"] == 1
    again = {
        address.split("?")[0]
        for address, count in api.asked.items()
        if (count > 1 and "offset=0" in address) or "page=1&" in address
    }
    assert again
    facts = delivery.draft.evidence["extraction"]
    assert (facts["repeatedCount"], facts["mismatchCount"], facts["rows"]) == (0, 0, len(api.truth()))
    assert all(result.passed for result in delivery.results)


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_row_that_slips_over_a_seam_is_told_by_the_seam_alone(
    tmp_path: Path, engine: Engine, api: ChangingApi, page: int
) -> None:
    """One row goes before the page that comes next, two come at the end: no total, no end and no row that came twice tells."""
    api.total = False
    made = Changing(tmp_path, engine, None)

    def change() -> None:
        delete(api, 2003)()
        api.rows += [Row(key, 2, "appended", 1) for key in (2900, 2901)]

    after(api, 2, page, change)
    delivery = made.both("run1")
    assert made.found() == api.truth()
    assert delivery.draft.notes["lists read again"] == 1


def test_the_pages_that_are_asked_for_again_lie_evenly_in_the_list() -> None:
    seams = Seams()
    for number in range(1, 1001):
        seams.note(Page(number, [b"{}"], {}, "", mark=b"m", ask=Ask({"page": str(number)})))
    proven = [seam.number for seam in seams.to_prove(chained=False)]
    gaps = [later - earlier for earlier, later in pairwise([0, *proven, 1000])]
    assert len(proven) == 8
    assert max(gaps) <= 200


def test_a_total_that_ends_at_a_full_page_is_no_end(made: Changing, api: ChangingApi) -> None:
    """The API counts no further than 30, three full pages of its 35 rows: what asking for the ends again shows is read."""
    api.counts_to = 30
    delivery = made.both("run1")
    assert made.found() == api.truth()
    # pages by offset begin with the last row of the page before: none of them ends at row 30
    assert ("lists read again" in delivery.draft.notes) == (made.fetches[ITEMS].paging.kind == "page")
    facts = delivery.draft.evidence["extraction"]
    assert (facts["repeatedCount"], facts["mismatchCount"], facts["rows"]) == (0, 0, len(api.truth()))


def test_only_the_list_that_moved_is_read_again(made: Changing, api: ChangingApi) -> None:
    after(api, 2, 2, insert(api, 2, 2900))
    made.both("run1")
    firsts = {address: count for address, count in api.asked.items() if "offset=0&" in address or "page=1&" in address}
    looks = 2 if made.fetches[ITEMS].paging.kind == "page" else 1  # pages are asked for once more when all were read
    assert sorted(firsts.values()) == [looks, looks, 2 * looks]


def test_raw_pages_of_a_list_that_moved_give_the_same_table(made: Changing, api: ChangingApi) -> None:
    after(api, 2, 2, insert(api, 2, 2900))
    made.both("run1")
    asked = sum(api.asked.values())
    replayed = made.deliver(ITEMS, "run2", replay=True)
    assert replayed.outcome is not None
    assert (replayed.outcome.status, sum(api.asked.values())) == ("unchanged", asked)


def test_a_list_that_never_stands_still_is_told_and_nothing_is_published(made: Changing, api: ChangingApi) -> None:
    keys: Iterator[int] = iter(range(2900, 2999))

    def between(address: str) -> None:
        if "groups/2/" in address:
            insert(api, 2, next(keys))()

    api.between = between
    with pytest.raises(GateError, match="extract_complete"):
        made.both("run1")


def test_a_row_that_comes_twice_for_ever_is_told_after_one_more_look(made: Changing, api: ChangingApi) -> None:
    api.rows.append(api.row(2003))
    with pytest.raises(GateError, match=r"rows came twice, alike both times \(key 2003 of parent 2\)"):
        made.both("run1")
    firsts: list[Any] = [
        count
        for address, count in api.asked.items()
        if "groups/2/" in address and ("offset=0&" in address or "page=1&" in address)
    ]
    assert firsts == [2 if made.fetches[ITEMS].paging.kind == "offset" else 4]


def test_rows_that_come_twice_with_other_values_are_told_from_equal_ones(made: Changing, api: ChangingApi) -> None:
    api.rows.append(Row(2003, 2, "another name", 3))
    with pytest.raises(GateError, match="rows came twice, 1 of them with other values"):
        made.both("run1")


def test_an_increment_whose_list_moved_is_mended_too(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    made = Changing(tmp_path, engine, records="items")
    made.both("run1")
    for number in range(1, 26):
        api.row(2000 + number).name, api.row(2000 + number).updated = "changed", 100 + number
    api.row(2030).updated = 99
    after(api, 2, 1, delete(api, 2002))
    second = made.both("run2")
    assert made.found() == api.truth()
    assert second.draft.notes["lists read again"] == 1
    replayed = made.deliver(ITEMS, "run3", replay=True)
    assert replayed.outcome is not None
    assert replayed.outcome.status == "unchanged"


def test_more_lists_than_are_told_of_may_be_read_again(made: Changing, api: ChangingApi) -> None:
    api.groups = list(range(1, 31))
    api.rows.clear()
    api.fill(35)
    grown: set[int] = set()

    def between(address: str) -> None:
        """Every list gains a row in front after its first page."""
        group = int(address.split("/")[2])
        if group not in grown:
            grown.add(group)
            insert(api, group, group * 1000 + 900)()

    if made.fetches[ITEMS].paging.kind == "page":
        api.counts_to = 30
    else:
        api.between = between
    delivery = made.both("run1")
    assert made.found() == api.truth()
    facts = delivery.draft.evidence["extraction"]
    assert delivery.draft.notes["lists read again"] > EXAMPLES
    assert (facts["mismatchCount"], facts["mismatches"], facts["rows"]) == (0, [], len(api.truth()))
    assert delivery.outcome.status == "published"


@pytest.mark.parametrize(("style", "order"), [("offset", "touched"), ("page", "id"), ("cursor", "title"), ("next", "touched last"), ("link", "newest"), ("keyset", "id")])  # fmt: skip
def test_whatever_comes_goes_or_moves_no_row_is_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: Engine, style: str, order: str
) -> None:
    """Some rounds of benchmarks.extract.moving, which has many."""
    monkeypatch.setenv(URL, "")  # back to what it was, afterwards
    moving = Moving(tmp_path, engine, style, order, total=order in ("id", "newest"), seed=5)
    assert [wrong for _ in range(3) for wrong in moving.round()] == []
    moving.api.close()


def test_a_delivery_leaves_no_connection_open(made: Changing, api: ChangingApi) -> None:
    with made.delivering("extract.groups", "run1") as delivery:
        client = delivery.work.client
        delivery.publish()
    assert "client" not in vars(delivery.work)
    assert client.wire._pool._closed
    assert not client.wire._pool._idle
