"""Only what changed is asked for and merged; what that can't show is found by the sweep; raw pages give the same table again."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from benchmarks.extract.small import GROUPS, ITEMS, URL
from spectra_assets.covenant.access import Fetch, Withheld
from spectra_assets.covenant.build import Flattening
from spectra_assets.covenant.model import StageContract, Table
from spectra_assets.errors import MissingInputError, RequestError, RetriableError
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.lakehouse.raw import SCOPE, Attempts, Manifest, Recording
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.stages.asking.sampling import keep_sample
from spectra_assets.stages.cursors import refute, refuted, unstamped
from spectra_assets.stages.extract.scope import Standing, sweep_due
from tests.stages.changing import BY_TIME, PAGE, Changing, ChangingApi, Row, stamp


@pytest.fixture
def made(tmp_path: Path, engine: Engine, api: ChangingApi) -> Changing:
    return Changing(tmp_path, engine)


def places(made: Changing) -> dict[int, tuple[int, str]]:
    """Id → (sequence, request) of each row."""
    return {json.loads(row["record"])["id"]: (row["sequence"], row["requestId"]) for row in made.rows(ITEMS)}


def test_the_second_run_asks_only_for_what_changed(made: Changing, api: ChangingApi) -> None:
    made.both("run1")
    first = places(made)
    api.row(2007).name, api.row(2007).updated = "changed", 100
    api.rows.append(Row(3999, 3, "new", 101))
    api.forget()
    second = made.both("run2")
    assert made.found() == api.truth()
    items = sum(count for address, count in api.asked.items() if "items" in address)
    # each list's short page may be followed by one more request, see client/paging.py; the longest of them is asked for its end
    assert items == len(api.since) <= 7
    after = places(made)
    same = [key for key in first if key != 2007]
    assert {key: after[key] for key in same} == {key: first[key] for key in same}
    assert after[2007][0] == first[2007][0]
    assert after[3999][0] > max(place for place, _ in first.values())
    facts = second.draft.evidence["merge"]
    assert "elements" not in second.draft.evidence, "nobody read all lists of the table that came of it"
    assert (facts["changed"], facts["new"], facts["removed"], facts["rows"]) == (1, 1, 0, 106)
    assert second.outcome.status == "published"
    assert list(made.lakehouse.files("staging").iterdir()) == []


def test_each_list_goes_on_from_its_own_last_change(made: Changing, api: ChangingApi) -> None:
    api.row(2035).updated = 200
    made.both("run1")
    api.forget()
    made.both("run2")
    asked = {address.split("/")[2]: address.split("updated_since=")[1] for address in api.since}
    assert asked["1"].startswith(stamp(34).replace(":", "%3A")[:13])
    assert asked["2"].startswith(stamp(199).replace(":", "%3A")[:13])


def test_nothing_changed_and_nothing_is_written(made: Changing, api: ChangingApi) -> None:
    version = made.both("run1").outcome.version
    api.forget()
    second = made.both("run2")
    assert second.draft.standing
    assert (second.outcome.status, second.outcome.version, second.outcome.rows_out) == ("unchanged", version, 105)
    assert all(result.passed for result in second.results)
    assert all("updated_since" in address for address in api.asked if "items" in address)
    assert len(Attempts(made.lakehouse, "item").all()) == 1


def test_what_was_held_back_since_much_went_is_read_whole_until_it_is_published(made: Changing, api: ChangingApi) -> None:
    """What comes back may be older than what is asked for."""
    table = Table(table="clean.item", description="", entity="item", steps=[], build=Flattening(), schema=[], gates=[])
    pipeline = made.covenant.pipeline
    stages = [*pipeline.stages, StageContract(name="clean", playbook="", outputs=[table])]
    made.covenant = made.covenant.model_copy(update={"pipeline": pipeline.model_copy(update={"stages": stages})})

    def attempt(number: int, *failed: str) -> None:
        row = {"table": "clean.item", "startedAt": f"2026-01-0{number}T00:00:00+00:00", "status": "", "gatesFailed": [*failed]}
        file = made.lakehouse.files("log", "waiting") / f"{number}.json"
        file.write_text(json.dumps({"manifest": {**row, "error": None}, "requests": []}))

    made.both("run1")
    attempt(1)
    api.forget()
    made.both("run2")
    assert api.since
    attempt(2, "source_stays")
    api.rows.append(Row(3900, 3, "back", 1))
    made.both("run3")
    assert made.found() == api.truth()


def test_every_so_often_everything_is_read(made: Changing, api: ChangingApi) -> None:
    made.both("run1")
    read = []
    for number in range(2, 12):
        api.forget()
        made.both(f"run{number}")
        read.append(not api.since)
    assert read == [False, False, False, False, True, False, False, False, False, True]


def test_what_was_deleted_goes_with_the_sweep_and_not_before(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    made = Changing(tmp_path, engine, BY_TIME.model_copy(update={"sweep_runs": 2}))
    made.both("run1")
    api.rows.remove(api.row(1003))
    made.both("run2")
    assert len(made.found()) == 105
    made.both("run3")
    assert made.found() == api.truth()
    assert len(made.found()) == 104


def test_a_cursor_that_lies_is_found_by_the_sweep_and_not_trusted_again(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    made = Changing(tmp_path, engine, BY_TIME.model_copy(update={"sweep_runs": 3}))
    made.both("run1")
    api.row(2004).name = "changed in secret"
    for run in ("run2", "run3"):
        made.both(run)
        assert made.found() != api.truth()
    sweep = made.both("run4")
    assert made.found() == api.truth()
    assert sweep.draft.evidence["cursor"]["unseen"] == ["2/2004"]
    assert "updatedAt" in refuted(made.lakehouse, "item")
    api.forget()
    made.both("run5")
    assert not api.since


def test_new_parents_come_whole_and_those_that_went_take_their_rows(made: Changing, api: ChangingApi) -> None:
    made.both("run1")
    api.groups.append(4)
    api.rows += [Row(4000 + number, 4, f"item {number}", number) for number in range(25)]
    api.groups.remove(1)
    api.forget()
    second = made.both("run2")
    assert made.found() == api.truth()
    assert all("groups/4/" not in address for address in api.since)
    assert second.draft.evidence["merge"]["removed"] == 35
    assert not any("groups/1/" in address for address in api.asked)


def test_a_row_that_moved_makes_its_old_list_doubtful(made: Changing, api: ChangingApi) -> None:
    made.both("run1")
    api.row(1005).group, api.row(1005).updated = 2, 300
    made.both("run2")
    api.forget()
    made.both("run3")
    assert made.found() == api.truth()
    assert sorted({address.split("/")[2] for address in api.since}) == ["2", "3"]


@pytest.mark.parametrize("early", [False, True])
def test_an_increment_that_was_cut_off_goes_on(made: Changing, api: ChangingApi, early: bool) -> None:
    """Also one that died before it had written down what it asks for: that is plain from its plan, and a replay must know it."""
    made.both("run1")
    api.row(3001).name, api.row(3001).updated = "changed", 100
    made.deliver(GROUPS, "dying")
    api.fault = lambda address: 503 if "groups/3/" in address else None
    with pytest.raises(RetriableError):
        made.deliver(ITEMS, "dying")
    if early:
        (Attempts(made.lakehouse, "item").all()[-1][0] / SCOPE).unlink()
    api.fault = lambda _: None
    api.forget()
    second = made.deliver(ITEMS, "run2")
    assert second.draft.evidence["tape"]["resumed"] >= 1
    assert made.found() == api.truth()
    replayed = made.deliver(ITEMS, "run3", replay=True)
    assert replayed.outcome is not None
    assert replayed.outcome.status == "unchanged"


def test_raw_pages_of_all_parts_give_the_table_again(made: Changing, api: ChangingApi) -> None:
    made.both("run1")
    for number in range(2, 4):
        api.row(2000 + number).name, api.row(2000 + number).updated = "changed", 100 + number
        api.rows.append(Row(1900 + number, 1, "new", 100 + number))
        made.both(f"run{number}")
    truth = made.found()
    asked = sum(api.asked.values())
    replayed = made.deliver(ITEMS, "run4", replay=True)
    assert replayed.outcome is not None
    assert (replayed.outcome.status, sum(api.asked.values())) == ("unchanged", asked)
    assert made.found() == truth == api.truth()


def test_a_part_that_failed_leaves_its_list_as_it_was(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    """Without the gate of completeness an incomplete extraction may be published: even then no row that stood is lost."""
    gates = [gate for gate in Changing(tmp_path / "gates", engine).covenant.table(ITEMS).gates if gate.name != "extract_complete"]
    made = Changing(tmp_path / "table", engine, gates=gates)
    made.both("run1")
    api.row(2001).name, api.row(2001).updated = "changed", 100
    api.fault = lambda address: 403 if "groups/3/" in address else None
    made.both("run2")
    assert made.found() == api.truth()


def test_an_instant_in_the_future_hides_nothing(made: Changing, api: ChangingApi) -> None:
    api.row(1035).updated = 24 * 365 * 50
    made.both("run1")
    api.row(1002).name, api.row(1002).updated = "changed", 24 * 365 * 2
    made.both("run2")
    assert made.found() == api.truth()
    for number in range(3, 7):  # every change comes with a later instant: the sweep has nothing to hold against the cursor
        api.row(1002 + number).name, api.row(1002 + number).updated = "changed", 24 * 365 * 3
        made.both(f"run{number}")
    assert made.found() == api.truth()
    assert refuted(made.lakehouse, "item") == {}


class Clock(datetime):
    """The machine's, set wrong by `off`."""

    off = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.off


@pytest.mark.parametrize(
    ("hours", "due"), [(-2000, True), (-2, True), (-0.9, False), (0, False), (7 * 24 - 1, False), (7 * 24, True)]
)
def test_a_sweep_is_due_after_days_and_if_the_clock_was_set_back(hours: float, due: bool) -> None:
    """Else nothing would be swept until a clock that ran ahead is reached again."""
    then = datetime(2025, 1, 1, tzinfo=UTC)
    whole = Manifest(entity="item", plan="", server="", started_at=then, seen_at=then, runs=("run1",))
    standing = Standing([(Path(), whole)], 1)
    assert sweep_due(100, 7, standing, then + timedelta(hours=hours)) is due


def test_a_clock_that_is_set_back_and_forth_hides_nothing(
    made: Changing, api: ChangingApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another process for each run, and jumps within one: benchmarks/extract/clock.py."""
    monkeypatch.setattr("spectra_assets.stages.extract.taping.datetime", Clock)
    for number, days in enumerate((0, -400, 0, 3650, 0, -20_000, 0)):
        monkeypatch.setattr(Clock, "off", timedelta(days=days))
        row = api.rows[7 * number + 1]
        row.name, row.updated = f"changed {number}", 100 + number
        api.rows.append(Row(2900 + number, 2, "new", 100 + number))
        made.both(f"run{number}")
        assert made.found() == api.truth()


def test_short_lists_are_read_whole(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    api = ChangingApi()
    monkeypatch.setenv(URL, api.url)
    api.fill(PAGE - 1)
    made = Changing(tmp_path, engine)
    made.both("run1")
    api.rows.remove(api.row(1003))
    made.both("run2")
    assert not api.since
    assert made.found() == api.truth()
    api.close()


# ---------------------------------------------------------------- backfill


def test_a_backfill_reads_exactly_the_lists_named(made: Changing, api: ChangingApi) -> None:
    made.both("run1")
    api.row(1004).name = api.row(2004).name = "changed in secret"
    api.rows.remove(api.row(2005))
    api.forget()
    second = made.deliver(ITEMS, "run2", backfill=("2",))
    assert {address.split("?")[0] for address in api.asked} == {"/groups/2/items"}
    assert not api.since
    facts = second.draft.evidence["merge"]
    assert (facts["changed"], facts["removed"], facts["unchanged"], facts["rows"]) == (1, 1, 33, 104)
    assert ("1", 1004, "item 4") in made.found()
    assert [row for row in made.found() if row[0] == "2"] == [row for row in api.truth() if row[0] == "2"]
    replayed = made.deliver(ITEMS, "run3", replay=True)
    assert replayed.outcome is not None
    assert replayed.outcome.status == "unchanged"


def test_a_backfill_of_all_reads_all(made: Changing, api: ChangingApi) -> None:
    made.both("run1")
    api.row(1004).name = "changed in secret"
    api.forget()
    made.deliver(ITEMS, "run2", backfill=())
    assert not api.since
    assert made.found() == api.truth()


def test_a_backfill_of_a_parent_that_is_none_names_those_there_are(made: Changing, api: ChangingApi) -> None:
    made.both("run1")
    with pytest.raises(RequestError, match=r"item can't be read for 9: extract\.groups has no such id; it has 1, 2.* 3"):
        made.deliver(ITEMS, "run2", backfill=("9",))
    with pytest.raises(RequestError, match="group has no parent"):
        made.deliver(GROUPS, "run2", backfill=("9",))
    records = [json.loads(path.read_text())["manifest"] for path in made.lakehouse.files("log", "waiting").glob("*.json")]
    assert {record["runId"] for record in records} == {"run1"}, "a slip of a person says nothing of the tables"


def test_a_backfill_needs_a_table_to_merge_into(made: Changing, api: ChangingApi) -> None:
    made.deliver(GROUPS)
    with pytest.raises(MissingInputError, match=r"extract\.items does not stand"):
        made.deliver(ITEMS, "run1", backfill=("2",))


def test_a_backfill_names_an_address_that_is_another_one(
    made: Changing, api: ChangingApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.both("run1")
    other = ChangingApi()
    other.rows = api.rows
    monkeypatch.setenv(URL, other.url)
    with pytest.raises(MissingInputError, match=rf"was made from {api.url}, and the source's address is {other.url} now"):
        made.deliver(ITEMS, "run2", backfill=("2",))
    other.close()


def test_lists_of_an_entity_without_increments_can_be_read_again_too(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    made = Changing(tmp_path, engine, None)
    made.both("run1")
    api.row(3004).name = "changed"
    api.rows.append(Row(3990, 3, "new", 1))
    made.deliver(ITEMS, "run2", backfill=("3",))
    assert made.found() == api.truth()


# ---------------------------------------------------------------- rows that went between two sweeps


@pytest.fixture
def telling(tmp_path: Path, engine: Engine, api: ChangingApi) -> Changing:
    """An API that says how many rows a list has."""
    api.total = True
    return Changing(tmp_path, engine, records="items")


@pytest.mark.parametrize("more", [False, True])
def test_a_list_that_lost_rows_is_read_again_before_the_sweep(telling: Changing, api: ChangingApi, more: bool) -> None:
    made = telling
    made.both("run1")
    api.rows.remove(api.row(2003))
    if more:  # as many new ones as went: the list has as many rows as before
        api.rows.append(Row(2999, 2, "new", 100))
        api.rows.append(Row(3999, 3, "new", 100))
    api.forget()
    second = made.both("run2")
    assert made.found() == api.truth()
    assert second.draft.notes["lists read again"] == 1
    assert {
        address.split("/")[2] for address in api.asked if "since" not in address and "size=10" in address and "items" in address
    } == {"2"}
    assert all(result.passed for result in second.results)
    replayed = made.deliver(ITEMS, "run3", replay=True)
    assert replayed.outcome is not None
    assert replayed.outcome.status == "unchanged"
    api.forget()
    third = made.both("run4")
    assert third.draft.standing
    assert all("since" in address or "size=1" in address for address in api.asked if "items" in address)


def test_counting_costs_one_small_request_for_each_list(telling: Changing, api: ChangingApi) -> None:
    telling.both("run1")
    api.forget()
    assert telling.both("run2").draft.standing
    counted = [address for address in api.asked if address.endswith("size=1")]
    assert sorted(counted) == [f"/groups/{group}/items?offset=0&size=1" for group in api.groups]


def test_hashes_of_another_form_accuse_no_cursor(made: Changing, api: ChangingApi) -> None:
    """A table from before `recordHash` was made in this way: everything is read once, and no row counts as changed in secret."""
    made.both("run1")
    [(folder, manifest)] = Attempts(made.lakehouse, "item").all()
    Recording(folder, manifest).note(inputs={**manifest.inputs, "hash": "another form"})
    api.forget()
    again = made.both("run2")
    assert not api.since
    assert again.draft.evidence["cursor"]["checked"] == 0
    assert "updatedAt" not in refuted(made.lakehouse, "item")
    api.forget()
    made.both("run3")
    assert api.since


def swept(tmp_path: Path, engine: Engine) -> Changing:
    """Two runs of it; the third one reads everything."""
    made = Changing(tmp_path, engine, BY_TIME.model_copy(update={"sweep_runs": 2}))
    made.both("run1")
    made.both("run2")
    return made


def form(change: Callable[[dict[str, Any]], dict[str, Any]]) -> AbstractContextManager[Any]:
    """The API writes its records otherwise."""
    before = Row.record
    return patch.object(Row, "record", lambda row: change(before(row)))


@pytest.mark.parametrize(
    "change",
    [
        lambda record: {**record, "colour": None},
        lambda record: {**record, "name": record["name"].upper()},
    ],
)
def test_records_of_another_form_accuse_no_cursor(
    tmp_path: Path, engine: Engine, api: ChangingApi, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    made = swept(tmp_path, engine)
    with form(change):
        sweep = made.both("run3")
        assert sweep.draft.evidence["cursor"]["checked"] > 20
        assert sweep.draft.evidence["cursor"]["unseenCount"] == 0
        assert refuted(made.lakehouse, "item") == {}
        api.forget()
        made.both("run4")
        assert api.since


def test_a_change_in_secret_is_found_beside_a_new_field(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    made = swept(tmp_path, engine)
    api.row(2004).name = "changed in secret"
    with form(lambda record: {**record, "colour": None}):
        facts = made.both("run3").draft.evidence["cursor"]
    assert (facts["unseenCount"], facts["unseen"]) == (1, ["2/2004"])
    assert "updatedAt" in refuted(made.lakehouse, "item")


def test_what_is_withheld_since_accuses_no_cursor(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    made = swept(tmp_path, engine)
    server = made.covenant.pipeline.server.model_copy(update={"withheld": [Withheld(field="name", how="hash")]})
    pipeline = made.covenant.pipeline.model_copy(update={"server": server})
    made.covenant = made.covenant.model_copy(update={"pipeline": pipeline})
    assert made.both("run3").draft.evidence["cursor"]["checked"] == 0
    assert refuted(made.lakehouse, "item") == {}
    assert not any("item" in name for _, _, name in made.found())


def test_a_refuted_cursor_is_tried_again_and_rests_longer_each_time(tmp_path: Path) -> None:
    lakehouse = Lakehouse(str(tmp_path), "small")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for days in (30, 60, 120, 240, 360, 360):
        refute(lakehouse, "item", "updatedAt", "run 7: 3 rows", now)
        last, after = now + timedelta(days=days - 1), now + timedelta(days=days)
        assert refuted(lakehouse, "item", last) == {"updatedAt": f"run 7: 3 rows; tried again from {after:%Y-%m-%d} on"}
        assert refuted(lakehouse, "item", after) == {}
        now = after
    lakehouse.files("cursors", "item.json").write_text('{"updatedAt": "as it was told before"}')
    assert refuted(lakehouse, "item") == {}


def _sixty_times(api: ChangingApi) -> None:
    for row in api.rows:
        row.name = f"60 * {row.name}"


def _one(api: ChangingApi) -> None:
    api.row(2004).name = "changed in secret"


@pytest.mark.parametrize("change", [_sixty_times, _one])
def test_rows_that_the_sample_shows_changed_without_a_word_are_all_read_at_once(
    made: Changing, api: ChangingApi, change: Callable[[ChangingApi], None]
) -> None:
    """Old values beside new ones, of another unit or without a field that is new, would be in one table until the next sweep."""
    made.both("run1")
    keep_sample(made.lakehouse, "item", [row.record() for row in api.rows])
    api.forget()
    made.both("run2")
    assert api.since, "the sample shows nothing: only what changed is asked for"
    change(api)
    api.row(3001).name, api.row(3001).updated = "changed openly", 100
    keep_sample(made.lakehouse, "item", [row.record() for row in api.rows if row.key != 3001])
    api.forget()
    made.both("run3")
    assert not api.since
    assert made.found() == api.truth()


def test_a_sample_that_is_older_than_the_table_tells_nothing(made: Changing, api: ChangingApi) -> None:
    keep_sample(made.lakehouse, "item", [row.record() for row in api.rows])
    made.both("run1")
    api.row(2004).name, api.row(2004).updated = "changed openly", 100
    made.both("run2")
    api.forget()
    made.both("run3")
    assert api.since
    assert made.found() == api.truth()


def test_records_are_compared_by_key_and_time_of_change() -> None:
    fetch = Fetch(entity="item", path="/items", incremental=BY_TIME)
    before = [{"id": n, "updatedAt": stamp(n), "hours": n} for n in range(1, 5)]
    now = [*before[:2], before[2] | {"hours": 180}, before[3] | {"hours": 240, "updatedAt": stamp(9)}, {"id": 5, "hours": 1}]
    assert unstamped(fetch, before, now) == ["3"]
    assert unstamped(fetch, before, [each | {"status": "new"} for each in before]) == ["1", "2", "3", "4"]
    assert unstamped(fetch.model_copy(update={"incremental": None}), before, now) == []
