"""Lists of parents that did not change are not asked for, once readings have shown that parents tell; and never where they do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.extract.small import GROUPS, ITEMS, URL
from spectra_assets.covenant.access import Incremental
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.stages.extract.kin import seen
from tests.stages.changing import BY_TIME, Changing, ChangingApi, Row
from tests.stages.test_moving_lists import after, insert


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChangingApi]:
    server = ChangingApi(touches=True)
    server.fill(25)
    monkeypatch.setenv(URL, server.url)
    monkeypatch.setattr("spectra_assets.stages.work.Playbooks.setting", lambda self, name, source: SETTINGS.get(name, 2))
    yield server
    server.close()


SETTINGS = {"sweep_runs": 5, "sweep_days": 7, "turn_seconds": 60, "resume_hours": 24, "most_pages": 1000}


def change(api: ChangingApi, key: int, hour: float) -> None:
    api.row(key).name, api.row(key).updated = f"changed at {hour}", hour


def groups(api: ChangingApi) -> set[str]:
    """Groups whose items were asked for since the last time."""
    found = {address.split("/")[2] for address in api.asked if "items" in address}
    api.forget()
    return found


def shown(made: Changing, api: ChangingApi) -> None:
    """Two runs over changes that parents tell of: one list grew, two changed."""
    made.both("run1")
    change(api, 1003, 100)
    change(api, 2004, 100)
    api.rows.append(Row(3900, 3, "new", 100))
    made.both("run2")
    assert seen(made.lakehouse, "item").proven
    assert groups(api) == {"1", "2", "3"}


@pytest.mark.parametrize("incremental", [None, BY_TIME])
def test_only_new_and_changed_parents_are_asked(
    tmp_path: Path, engine: Engine, api: ChangingApi, incremental: Incremental | None
) -> None:
    made = Changing(tmp_path, engine, incremental)
    if incremental is not None:  # what only changes are asked for shows nothing of parents: sweeps do
        made.both("run0")
        for number in range(1, 6):
            for key in (1003, 2004):
                change(api, key, 50 + number)
            api.rows.append(Row(3800 + number, 3, "new", 50 + number))
            made.both(f"early{number}")
        assert seen(made.lakehouse, "item").proven
        groups(api)
    else:
        shown(made, api)
    api.groups.append(4)
    api.rows += [Row(4000 + number, 4, f"item {number}", number) for number in range(12)]
    third = made.both("run3")
    assert groups(api) == {"4"}
    assert third.draft.notes["lists not asked for"] == 3
    assert made.found() == api.truth()
    assert made.both("run4").draft.standing
    assert groups(api) == set()
    change(api, 2005, 200)
    api.groups.remove(1)
    made.both("run5")
    assert groups(api) == {"2"}
    assert made.found() == api.truth()
    replayed = made.deliver(ITEMS, "run6", replay=True)
    assert replayed.outcome is not None
    assert replayed.outcome.status == "unchanged"


def test_parents_that_do_not_tell_are_found_out(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    made = Changing(tmp_path, engine, None)
    shown(made, api)
    api.row(2006).name = "changed in secret"
    number = 3
    while made.found() != api.truth():
        made.both(f"run{number}")
        number += 1
        assert number < 9, "the sweep finds it"
    assert list(seen(made.lakehouse, "item").suspects) == ["2"]
    groups(api)
    made.both("later")
    assert groups(api) == {"1", "2", "3"}
    assert "the list of 2 changed, and its parent did not" in seen(made.lakehouse, "item").refuted
    for run in ("more", "even more"):
        made.both(run)
        assert groups(api) == {"1", "2", "3"}


def test_a_list_that_changed_while_it_was_read_refutes_nothing(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    made = Changing(tmp_path, engine, None)
    made.both("run1")
    change(api, 1003, 100)
    api.rows.append(Row(3900, 3, "new", 100))
    made.deliver(GROUPS, "run2")
    change(api, 2010, 150)  # after its group was read
    made.deliver(ITEMS, "run2")
    assert list(seen(made.lakehouse, "item").suspects) == ["2"]
    change(api, 1004, 160)
    made.both("run3")
    assert seen(made.lakehouse, "item").proven
    groups(api)
    made.both("run4")
    assert groups(api) == set()
    assert made.found() == api.truth()


def test_a_list_that_was_read_again_refutes_nothing(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    """What its first reading summed up to is not what stands in the table."""
    made = Changing(tmp_path, engine, None)
    after(api, 2, 1, insert(api, 2, 2900))
    assert made.both("run1").draft.notes["lists read again"] == 1
    made.both("run2")
    assert not seen(made.lakehouse, "item").suspects
    assert made.found() == api.truth()


def test_a_backfill_of_some_lists_says_nothing_of_the_others(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    made = Changing(tmp_path, engine, None)
    shown(made, api)
    change(api, 1005, 300)
    change(api, 2005, 300)
    made.deliver(GROUPS, "run3")
    made.deliver(ITEMS, "run3", backfill=("2",))
    groups(api)
    made.both("run4")
    assert groups(api) == {"1"}
    assert made.found() == api.truth()


def test_without_hashes_nothing_is_known_and_everything_is_read(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    made = Changing(tmp_path, engine, None)
    stage = made.covenant.pipeline.stages[0]
    tables = [table.model_copy(update={"steps": [step for step in table.steps if "hash" not in step]}) for table in stage.outputs]
    pipeline = made.covenant.pipeline.model_copy(update={"stages": [stage.model_copy(update={"outputs": tables})]})
    made.covenant = made.covenant.model_copy(update={"pipeline": pipeline})
    for number, run in enumerate(("run1", "run2", "run3")):
        change(api, 1003, 100 + number)
        made.both(run)
        assert groups(api) == {"1", "2", "3"}
    assert made.found() == api.truth()
    assert not seen(made.lakehouse, "item").proven
