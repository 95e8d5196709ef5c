"""Many pieces of work at once, their results in the order of the pieces, in flat memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from itertools import islice
from typing import Any, Generic, TypeVar

from spectra_assets.client.pacing import StoppedError

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_AHEAD = 2
"""Pieces under way or waiting to be read, per thread: a slow first piece does not starve the threads at once."""

_HELD = 2
"""Results one piece may have waiting before its thread pauses, if all that wait weigh too much together."""


def hands(in_flight: int) -> int:
    """Threads that keep so many requests in flight: some read an answer meanwhile. (The transport lets no more leave.)"""
    return in_flight + in_flight // 4


class _Lane(Generic[Piece, Result]):
    """One piece and its results that wait. `changed` shares the lock of the run: who waits for one lane is woken for it alone."""

    def __init__(self, piece: Piece, lock: threading.Lock) -> None:
        self.piece = piece
        self.results: deque[tuple[Result, int]] = deque()
        self.done = False
        self.changed = threading.Condition(lock)


class _Run(Generic[Piece, Result]):
    """One fan-out: the threads fill lanes, the consumer empties the first one."""

    def __init__(
        self,
        work: Callable[[Piece, threading.Event], Iterator[Result]],
        weigh: Callable[[Result], int],
        most: int,
        rests: Callable[[bool], None],
        early: int,
    ) -> None:
        self.stop = threading.Event()
        self.lanes: deque[_Lane[Piece, Result]] = deque()
        self._work, self._weigh, self._most, self._rests = work, weigh, most, rests
        self._lock = threading.Lock()
        self._weight = 0
        self._full: set[_Lane[Piece, Result]] = set()
        self._early = early
        self._failure: BaseException | None = None

    def lane(self, piece: Piece) -> _Lane[Piece, Result]:
        """A lane behind the others."""
        made: _Lane[Piece, Result] = _Lane(piece, self._lock)
        with self._lock:
            self.lanes.append(made)
        return made

    def fill(self, lane: _Lane[Piece, Result]) -> None:
        """Work on one piece, in a thread."""
        try:
            for result in self._work(lane.piece, self.stop):
                self._put(lane, result, self._weigh(result))
        except StoppedError:
            return
        except BaseException as error:  # noqa: BLE001  handed to the consumer, which raises it
            with self._lock:
                self._failure = self._failure or error
                self._wake_all()
            return
        with self._lock:
            lane.done = True
            lane.changed.notify_all()

    def empty(self, lane: _Lane[Piece, Result]) -> Iterator[Result]:
        """The results of `lane` as they come. Raises the first failure of any lane, at once."""
        while True:
            with self._lock:
                lane.changed.wait_for(lambda: self._failure or lane.results or lane.done)
                if self._failure:
                    break
                if not lane.results:
                    return
                result, weight = lane.results.popleft()
                self._weight -= weight
                lane.changed.notify_all()
                self._wake_one()
            yield result
        raise self._failure

    def shift(self) -> None:
        """The first lane is empty for good."""
        with self._lock:
            self.lanes.popleft()
            self._wake_one()

    def cancel(self) -> None:
        """Wake every thread of the run and let it end."""
        with self._lock:
            self._wake_all()

    def _is_full(self, lane: _Lane[Piece, Result]) -> bool:
        """The lanes that are emptied first may hold half as much more: the others can't be emptied before them."""
        most = self._most * 3 // 2 if lane in islice(self.lanes, self._early) else self._most
        return len(lane.results) >= _HELD and self._weight >= most

    def _wake_one(self) -> None:
        """Let the first lane go on that waits and need not."""
        lane = next((lane for lane in self.lanes if lane in self._full and not self._is_full(lane)), None) if self._full else None
        if lane is not None:
            self._full.remove(lane)
            lane.changed.notify_all()

    def _wake_all(self) -> None:
        self.stop.set()
        for lane in self.lanes:
            lane.changed.notify_all()

    def _put(self, lane: _Lane[Piece, Result], result: Result, weight: int) -> None:
        with self._lock:
            while self._is_full(lane) and not self.stop.is_set():
                self._full.add(lane)
                self._rests(True)
                lane.changed.wait()
                self._rests(False)
            if self.stop.is_set():
                raise StoppedError
            lane.results.append((result, weight))
            self._weight += weight
            lane.changed.notify_all()


def fan_out(
    pieces: Iterable[Piece],
    work: Callable[[Piece, threading.Event], Iterator[Result]],
    threads: int,
    weigh: Callable[[Result], int] = lambda _: 1,
    most: int = 0,
    rests: Callable[[bool], None] = lambda _: None,
) -> Iterator[tuple[Piece, Result]]:
    """Run `work` over `pieces` in `threads` threads; yield (piece, result) in the order of pieces, then of results.

    `pieces` are taken lazily, two per thread ahead. More than two results of a piece wait only while all that wait weigh less
    than `most` (of the pieces which come first, half as much more): memory is flat however many there are; `rests` hears when a
    piece begins and ends to wait for that. `work` gets an event that says to stop. The first exception of any piece is raised
    at once: no other piece is begun, and requests still on the wire end by themselves. Closing the iterator stops the work too.
    """
    run: _Run[Piece, Result] = _Run(work, weigh, most, rests, max(1, threads // 4))
    waiting = iter(pieces)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fan-out")

    def begin() -> None:
        for piece in waiting:
            pool.submit(run.fill, run.lane(piece))
            if len(run.lanes) >= _AHEAD * threads:
                return

    try:
        begin()
        while run.lanes:
            lane = run.lanes[0]
            for result in run.empty(lane):
                yield lane.piece, result
            run.shift()
            begin()
    finally:
        run.cancel()
        pool.shutdown(wait=False, cancel_futures=True)


def every(pieces: Iterable[Piece], holds: Callable[[Piece, threading.Event], bool], threads: int) -> bool:
    """Whether `holds` is true of all pieces, which so many threads take in turn. Ends at the first of which it is not.

    `holds` gets an event that says to stop. Raises the first exception of any.
    """
    stop, lock, waiting = threading.Event(), threading.Lock(), iter(pieces)
    end = object()

    def work() -> bool:
        while not stop.is_set():
            with lock:
                piece: Any = next(waiting, end)
            if piece is end:
                break
            if not holds(piece, stop):
                return False
        return True

    pool = ThreadPoolExecutor(threads, thread_name_prefix="every")
    try:
        return all(future.result() for future in as_completed([pool.submit(work) for _ in range(threads)]))
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


class Aside(Generic[Piece, Result]):
    """Questions that are asked while something else goes on, in at most `threads` threads of their own."""

    def __init__(self, work: Callable[[Piece], Result], threads: int) -> None:
        self._work = work
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="aside")
        self._asked: deque[tuple[Piece, Future[Result]]] = deque()

    def ask(self, piece: Piece) -> None:
        """Begin one more as soon as a thread is free."""
        self._asked.append((piece, self._pool.submit(self._work, piece)))

    def answers(self) -> Iterator[tuple[Piece, Result]]:
        """Each piece and what came of it, in the order they were asked in; waits for it. Raises what `work` raised."""
        while self._asked:
            piece, future = self._asked.popleft()
            yield piece, future.result()

    def close(self) -> None:
        """Begin nothing more; what is under way ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
