"""One budget per host: shared by all clients and processes with its folder, asleep until the host refuses somebody."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from math import ceil
from pathlib import Path

import pytest

from benchmarks.extract.paced import LimitedApi, read
from spectra_assets.client.budget import Budget, budget_of
from spectra_assets.client.pacing import Pace
from tests.client.conftest import PlayedTime


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "budgets" / "host.budget"


def test_nothing_is_kept_until_the_host_refuses(place: Path) -> None:
    budget = Budget(place)
    assert (budget.awake, budget.rate) == (False, 0)
    before = time.monotonic()
    assert before <= budget.reserve(0) <= time.monotonic()


def test_turns_are_given_once_to_whoever_asks(place: Path) -> None:
    one, other = Budget(place), Budget(place)
    slots = [each.reserve(0.5) for _ in range(4) for each in (one, other)]
    assert slots == sorted(slots)
    assert [round(later - earlier, 3) for earlier, later in pairwise(slots)] == [0.5] * 7


def test_a_pause_holds_for_all_and_those_who_waited_leave_one_by_one(place: Path) -> None:
    one, other = Budget(place), Budget(place)
    one.hold(30, 3)
    assert other.awake
    assert other.held() > time.monotonic() + 29
    slots = [other.reserve(0), one.reserve(0), other.reserve(0)]
    assert slots[0] >= other.held()
    assert slots[1] - slots[0] == pytest.approx(1 / other.rate)
    assert slots[2] - slots[1] == pytest.approx(1 / other.rate)


def test_refusals_of_what_was_under_way_lower_the_rate_once(place: Path) -> None:
    budget = Budget(place)
    for _ in range(5):
        budget.hold(30, 40)
    assert budget.rate == pytest.approx(0.98 * 40)


def test_a_pause_for_another_reason_says_nothing_of_the_rate(place: Path) -> None:
    budget = Budget(place)
    budget.hold(30, None)
    assert (budget.awake, budget.rate) == (True, 0)


def test_the_rate_grows_while_requests_wait_for_their_turn(place: Path) -> None:
    budget = Budget(place)
    budget.hold(0, 10)
    before = budget.rate
    budget.answered()
    assert budget.rate == before, "nobody waited: that it was enough says nothing"
    for _ in range(3):
        budget.reserve(0)
    budget.answered()
    assert budget.rate > before


@pytest.mark.parametrize("content", [b"", b"nonsense" * 200, b"\0" * 5])
def test_a_file_that_says_nothing_is_begun_again(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    budget = Budget(place)
    assert not budget.awake
    budget.hold(30, 3)
    assert Budget(place).awake


def test_where_no_file_can_be_shared_each_client_keeps_its_own_pace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert budget_of(tmp_path / "file", "api.example.com") is None
    (tmp_path / "elsewhere").write_text("mine")
    link = Path(str(tmp_path / "link.budget"))
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="link"):
        Budget(link)


def test_each_host_has_its_own(tmp_path: Path) -> None:
    one, other = budget_of(tmp_path, "one.example.com"), budget_of(tmp_path, "other.example.com")
    assert one is not None
    assert other is not None
    one.hold(30, 3)
    assert (one.awake, other.awake) == (True, False)
    assert budget_of(tmp_path, "one.example.com") is one


def test_another_process_keeps_it_too_and_its_death_frees_it(place: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from spectra_assets.client.budget import Budget\n"
        "budget = Budget(Path(sys.argv[1]))\n"
        "budget.hold(30, 3)\n"
        "with budget._changed():\n"
        "    print('mine', flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code, str(place)], stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    process.stdout.readline()
    budget = Budget(place)
    assert budget.awake
    process.kill()
    process.wait()
    assert budget.reserve(0) >= budget.held()


def asked_of(place: Path, played: PlayedTime, pause: Callable[[float], float], requests: int) -> tuple[int, float]:
    """Ask a host with 8 requests under way and an answer after 5 ms until it took all; (refusals, seconds). `pause` tells of a
    request at this instant how many seconds the host wants to be left alone, 0 if it takes it."""
    pace, begun = Pace(None, 0.0, 8, Budget(place)), played.now
    left, under_way, refused = requests, 0, 0

    def answer(wanted: float) -> None:
        nonlocal left, under_way, refused
        under_way -= 1
        if wanted:
            left, refused = left + 1, refused + 1
            pace.hold(wanted, too_many=True)
        else:
            pace.answered()

    while left or under_way:
        if not left or under_way == 8:
            played.wait(0.001)
            continue
        pace.wait(played)  # type: ignore[arg-type]
        left, under_way = left - 1, under_way + 1
        played.later.append((played.now + 0.005, partial(answer, pause(played.now))))
    return refused, played.now - begun


def bucket(rate: float, burst: int) -> Callable[[float], float]:
    """Takes `burst` at once and `rate` per second; says the pause in whole seconds."""
    tokens, filled = float(burst), 0.0

    def pause(now: float) -> float:
        nonlocal tokens, filled
        tokens, filled = min(burst, tokens + (now - filled) * rate), now
        if tokens < 1:
            return ceil((1 - tokens) / rate)
        tokens -= 1
        return 0

    return pause


def window(limit: int, seconds: float) -> Callable[[float], float]:
    """Takes so many in each window; says the whole seconds until the next one."""
    used, number = 0, 0.0

    def pause(now: float) -> float:
        nonlocal used, number
        if now // seconds != number:
            used, number = 0, now // seconds
        used += 1
        return ceil((number + 1) * seconds - now) if used > limit else 0

    return pause


@pytest.mark.parametrize(
    ("pause", "rate", "requests", "known"),
    [
        (bucket(10, 3), 10, 252, 1.1),
        (bucket(1, 1), 1, 100, 1.15),
        (bucket(50, 50), 50, 600, 1.1),
        (window(3, 1), 3, 100, 1.15),
        (window(60, 60), 1, 252, 1.05),
        (window(100, 60), 100 / 60, 500, 1.1),
    ],
    ids=["10/s", "1/s", "50/s", "3 in a second", "60 in a minute", "100 in a minute"],
)
def test_a_limit_that_nobody_states_is_found(
    place: Path, played: PlayedTime, pause: Callable[[float], float], rate: float, requests: int, known: float
) -> None:
    first, seconds = asked_of(place, played, pause, requests)
    assert first <= 20
    assert seconds <= 1.3 * requests / rate
    again, seconds = asked_of(place, played, pause, requests)
    assert again <= 5, "the host is hardly run into once its limit was found"
    assert seconds <= known * requests / rate


def test_clients_that_share_a_host_read_all_of_it(tmp_path: Path) -> None:
    api = LimitedApi(rate=40, burst=3, rows=100)
    try:
        assert read(api.url, tmp_path, page=10, lists=4) == 400
        first = api.counts()
        assert read(api.url, tmp_path, page=10, lists=4) == 400
        second = api.counts()
    finally:
        api.close()
    assert first[0] == second[0] == 44
