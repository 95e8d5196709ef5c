"""Many pieces of work at once, their results in the order of the pieces, in flat memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from spectra_assets.client.pacing import StoppedError

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_AHEAD = 2
"""Pieces under way or waiting to be read, per thread: a slow first piece does not starve the threads at once."""

_HELD = 2
"""Results one piece may have waiting before its thread pauses."""


@dataclass
class _Lane(Generic[Piece, Result]):
    piece: Piece
    results: deque[Result] = field(default_factory=deque)
    done: bool = False


class _Run(Generic[Piece, Result]):
    """One fan-out: the threads fill lanes, the consumer empties the first one. Everything waits on one condition."""

    def __init__(self, work: Callable[[Piece, threading.Event], Iterator[Result]]) -> None:
        self.stop = threading.Event()
        self._work = work
        self._changed = threading.Condition()
        self._failure: BaseException | None = None

    def fill(self, lane: _Lane[Piece, Result]) -> None:
        """Work on one piece, in a thread."""
        try:
            for result in self._work(lane.piece, self.stop):
                self._put(lane, result)
        except StoppedError:
            return
        except BaseException as error:  # noqa: BLE001  handed to the consumer, which raises it
            with self._changed:
                self._failure = self._failure or error
                self.stop.set()
                self._changed.notify_all()
            return
        with self._changed:
            lane.done = True
            self._changed.notify_all()

    def empty(self, lane: _Lane[Piece, Result]) -> Iterator[Result]:
        """The results of `lane` as they come. Raises the first failure of any lane, at once."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._failure or lane.results or lane.done)
                if self._failure:
                    break
                if not lane.results:
                    return
                result = lane.results.popleft()
                self._changed.notify_all()
            yield result
        raise self._failure

    def cancel(self) -> None:
        """Wake every thread of the run and let it end."""
        with self._changed:
            self.stop.set()
            self._changed.notify_all()

    def _put(self, lane: _Lane[Piece, Result], result: Result) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(lane.results) < _HELD or self.stop.is_set())
            if self.stop.is_set():
                raise StoppedError
            lane.results.append(result)
            self._changed.notify_all()


def fan_out(
    pieces: Iterable[Piece], work: Callable[[Piece, threading.Event], Iterator[Result]], threads: int
) -> Iterator[tuple[Piece, Result]]:
    """Run `work` over `pieces` in `threads` threads; yield (piece, result) in the order of pieces, then of results.

    `pieces` are taken lazily, two per thread ahead, and at most two results of each wait: memory is flat however many
    pieces there are. `work` gets an event that says to stop. The first exception of any piece is raised at once: no
    other piece is begun, and requests still on the wire end by themselves. Closing the iterator stops the work too.
    """
    run: _Run[Piece, Result] = _Run(work)
    waiting = iter(pieces)
    lanes: deque[_Lane[Piece, Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fan-out")

    def begin() -> None:
        for piece in waiting:
            lanes.append(_Lane(piece))
            pool.submit(run.fill, lanes[-1])
            if len(lanes) >= _AHEAD * threads:
                return

    try:
        begin()
        while lanes:
            lane = lanes[0]
            for result in run.empty(lane):
                yield lane.piece, result
            lanes.popleft()
            begin()
    finally:
        run.cancel()
        pool.shutdown(wait=False, cancel_futures=True)
