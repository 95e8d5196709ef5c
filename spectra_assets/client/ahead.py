"""Reading ahead in a counted list: later pages are asked for while earlier ones are read, mostly by threads that are idle.

What is asked for is a guess: that pages stay as long as the first one, up to the total that the API declares. The list is still
walked page by page, by what came (see paging.py), so a wrong guess costs requests and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeVar

from spectra_assets.client.fan_out import hands
from spectra_assets.client.pager import Ask, Got, following
from spectra_assets.covenant.access import Paging

Fetched = TypeVar("Fetched")


_EARLY = 8
"""Of so many lists under way at once, one is among those that come first."""


class Spare:
    """The threads of a client that read ahead: as many as its lists under way leave idle, and half as many pages more.

    The lists that come first may read half as many pages ahead as requests may be in flight, however busy the threads are: their
    rows are wanted first, and who lands them would have nothing to do while all lists go on page by page at the same time.
    """

    def __init__(self, in_flight: int) -> None:
        self._in_flight = in_flight
        self._lists = self._pages = 0
        self._number = 0
        self._open: dict[int, None] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def begin(self) -> int:
        """One more list is under way. Its number."""
        with self._lock:
            self._lists += 1
            self._number += 1
            self._open[self._number] = None
            return self._number

    def end(self, number: int) -> None:
        """It is no longer."""
        with self._lock:
            self._lists -= 1
            del self._open[number]

    def rests(self, yes: bool) -> None:
        """A list under way waits for its pages to be read, and sends nothing (or goes on): others may read ahead meanwhile."""
        with self._lock:
            self._lists += -1 if yes else 1

    def take(self, number: int, work: Callable[[], Fetched]) -> Future[Fetched] | None:
        """Let a thread do `work` for the list of this number; None if none may. `give` it back once its result was taken."""
        with self._lock:
            most = 3 * (self._in_flight - self._lists)
            if number in islice(self._open, self._in_flight // _EARLY):
                most = max(most, self._in_flight)
            if 2 * self._pages >= most:
                return None
            self._pages += 1
            if self._pool is None:
                self._pool = ThreadPoolExecutor(hands(self._in_flight), thread_name_prefix="ahead")
            return self._pool.submit(work)

    def give(self) -> None:
        """A page that was read ahead is no longer held."""
        with self._lock:
            self._pages -= 1

    def close(self) -> None:
        """Begin nothing more."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


class Ahead(Generic[Fetched]):
    """Reads ahead in one list. Used by the thread that walks it. `believing`: its total is its end, full last page or not.

    Each page begins with the last `back` rows of the one before (see Ask)."""

    def __init__(
        self, paging: Paging, spare: Spare, fetch: Callable[[Ask, int], Fetched], believing: bool = False, back: int = 0
    ) -> None:
        self._paging = paging
        self._believing = believing
        self._spare = spare
        self._fetch = fetch
        self._back = back
        self._waiting: dict[tuple[tuple[str, str], ...], Future[Fetched]] = {}
        self._next: tuple[Ask, Got] | None = None
        self._total = self._beyond = self._rows = self._so_far = self._number = 0
        self._wrong = False
        self._list = spare.begin()

    def take(self, ask: Ask) -> Fetched | None:
        """The page, if it was asked for ahead: waits for it, and raises what came of it. None if it was not."""
        future = self._waiting.pop(_key(ask), None)
        if future is None:
            if self._waiting:
                self._wrong = True  # the list is not as it seemed
                self._drop()
            elif self._number and not self._wrong:  # the walker asks for it now, and others for what should come after it
                self._next = ask, self._got(self._so_far + self._rows - ask.back, self._number + 1)
                self._reach()
            return None
        try:
            return future.result()
        finally:
            self._spare.give()

    def follow(self, ask: Ask, number: int, rows: int, total: int | None) -> None:
        """Ask for what should come after page `number`, which was asked for by `ask` and had `rows` rows of `total`, those of
        the page before among them."""
        self._so_far += rows - ask.back
        self._number = number
        if number == 1:
            self._rows, self._total = rows, total or 0
            size = getattr(self._paging, "size", None)
            # a full last page is followed by one more request
            self._beyond = int(size is not None and rows >= size and not self._believing)
        self._wrong = self._wrong or rows != self._rows or total != self._total
        if self._wrong or not rows:
            return
        if self._next is None:
            self._next = ask, self._got(self._so_far, number)
        self._reach()

    def close(self) -> None:
        """The list has ended."""
        self._drop()
        self._spare.end(self._list)

    def _reach(self) -> None:
        """Ask for the pages after `_next`, as far as the total goes and threads are idle."""
        while self._next is not None:
            before, got = self._next
            onward = following(self._paging, before, got)
            if onward is None or got.so_far >= self._total + self._beyond:
                return
            number = got.number + 1
            future = self._spare.take(self._list, lambda onward=onward, number=number: self._fetch(onward, number))  # type: ignore[misc]
            if future is None:
                # what is not asked for ahead now is walked to; from there on the guess goes on
                self._next = None if not self._waiting else self._next
                return
            self._waiting[_key(onward)] = future
            self._next = onward, self._got(got.so_far + got.rows - onward.back, number)

    def _got(self, so_far: int, number: int) -> Got:
        return Got(self._rows, so_far, number, back=self._back if self._rows > self._back else 0)

    def _drop(self) -> None:
        for future in self._waiting.values():
            future.cancel()
            self._spare.give()
        self._waiting.clear()


def _key(ask: Ask) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(ask.query.items()))
