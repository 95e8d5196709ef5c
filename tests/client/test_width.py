"""As many requests at once as make a server answer more: found on servers of a known capacity, whose time is played."""

from __future__ import annotations

import heapq
import threading
from itertools import count

import pytest

from spectra_assets.client.width import Width


class Served:
    """Requests through a gate to a server that does `capacity` at a time, each in `seconds`; the others wait in its queue."""

    def __init__(self, most: int, capacity: int, seconds: float = 0.1, wanted: int | None = None) -> None:
        self.now = 0.0
        self.capacity, self.seconds, self.wanted = capacity, seconds, wanted or most
        self.gate = Width(most, lambda: self.now)
        self.answered = 0

    def run(self, answers: int) -> float:
        """So many answers; how many came per second."""
        begun, order = self.now, count()
        busy: list[tuple[float, int, float]] = []
        open_: list[object] = []
        free = [self.now] * self.capacity
        heapq.heapify(free)
        for _ in range(answers):
            while len(busy) < min(self.gate.width, self.wanted):
                passing = self.gate.passing()
                passing.__enter__()
                open_.append(passing)
                start = max(self.now, heapq.heappop(free))
                heapq.heappush(free, start + self.seconds)
                heapq.heappush(busy, (start + self.seconds, next(order), self.now))
            done, _, asked = heapq.heappop(busy)
            self.now = max(self.now, done)
            open_.pop().__exit__(None, None, None)  # type: ignore[attr-defined]
            self.gate.answered(self.now - asked)
        for _ in busy:
            open_.pop().__exit__(None, None, None)  # type: ignore[attr-defined]
        return answers / (self.now - begun)


@pytest.mark.parametrize("capacity", [1, 4, 10])
def test_what_only_waits_in_the_servers_queue_is_not_sent(capacity: int) -> None:
    served = Served(most=32, capacity=capacity)
    served.run(2_000)
    assert capacity <= served.gate.width <= 2 * capacity + 1
    assert served.run(500) >= 0.9 * capacity / served.seconds


def test_a_server_that_keeps_up_is_asked_with_all_there_is() -> None:
    served = Served(most=16, capacity=64)
    rate = served.run(3_000)
    assert served.gate.width == 16
    assert rate >= 0.99 * 16 / served.seconds  # no trial of fewer: nothing waits


def test_more_are_let_out_again_when_the_server_can_do_more() -> None:
    served = Served(most=32, capacity=4)
    served.run(2_000)
    assert served.gate.width <= 9
    served.capacity = 64
    served.run(6_000)
    assert served.gate.width >= 24


def test_a_server_that_slows_down_is_asked_with_fewer() -> None:
    served = Served(most=16, capacity=64)
    served.run(1_500)
    served.capacity = 3
    served.run(1_500)
    assert served.gate.width <= 8


def test_where_fewer_are_wanted_than_may_leave_nothing_is_tried() -> None:
    served = Served(most=32, capacity=1, wanted=8)
    served.run(2_000)
    assert served.gate.width == 32


def test_never_more_than_the_width_are_under_way() -> None:
    gate, most, now = Width(4), [0], [0]
    lock = threading.Lock()

    def work() -> None:
        for _ in range(50):
            with gate.passing():
                with lock:
                    now[0] += 1
                    most[0] = max(most[0], now[0])
                with lock:
                    now[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 4
