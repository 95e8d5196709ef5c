"""How many requests are under way at once: as many as make the API answer more, and no more than that.

A server that is asked for more than it can do at a time lets requests wait: each takes longer, and no more of them are answered.
That is found out by trying. Over a stretch of answers the answers per second and the seconds of each are measured; then fewer
requests are let out at once. If as many answers come as before, and each sooner, those left out had only waited in the server's
queue: they stay out, and fewer still are tried. Else all is as it was, and the next trial comes later. In the same way more are
let out again, and stay if more answers come. An API that slows down to half its pace is tried with fewer at once. Where answers
take hardly longer than the quickest one did, nothing waits in a queue: a trial of fewer would only cost time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

_FEWER, _MORE = 0.75, 1.25
"""What is tried, as a share of what may be under way."""

_AS_MANY = 0.85
"""Share of the answers per second that fewer must bring at least. Besides, by either trial the answers per second must gain
more, or lose less, than the seconds of each: a server that keeps up answers as much as is let out, another one lets wait."""

_SLOWER = 2.0
_WAITS = 1.5
"""Times the quickest answer from which on the others may have waited in a queue."""

_STRETCH, _AT_LEAST = 2, 16
"""Answers of a stretch: so many for each request that may be under way, and at least so many."""

_FULL = 0.5
"""Share of the requests that must have been the last one let out: else fewer were wanted than might leave: that shows nothing."""

_PATIENCE, _LONGEST = 4, 64
"""Stretches until the next trial after one that changed nothing, doubled each time up to the longest."""


@dataclass(frozen=True)
class _Stretch:
    """`rate`: answers per second; `seconds` that one took on average."""

    rate: float
    seconds: float


class Width:
    """The gate that requests of a client pass, at most `most` at a time. Safe for threads; `clock` gives seconds."""

    def __init__(self, most: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.most = most
        self.width = most
        self._clock = clock
        self._changed = threading.Condition()
        self._under_way = 0
        self._known: _Stretch | None = None
        self._before: int | None = None
        """During a trial what was let out before it."""
        self._rest, self._patience = 0, _PATIENCE
        self._turn = False
        self._quickest = float("inf")
        self._begin(settling=most)  # a queue that fills up tells too little

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Waits until one more request may be under way, which it is until this is left."""
        with self._changed:
            while self._under_way >= self.width:
                self._changed.wait()
            self._under_way += 1
            self._full += self._under_way >= self.width
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def answered(self, seconds: float) -> None:
        """Note how long the API took for one answer."""
        with self._changed:
            self._quickest = min(self._quickest, seconds)
            if self._settling:  # it was asked for while another number was let out
                self._settling -= 1
                self._began = self._clock()
                return
            self._count += 1
            self._seconds += seconds
            if self._count < max(_STRETCH * self.width, _AT_LEAST):
                return
            elapsed = self._clock() - self._began
            if elapsed > 0 and self._full >= _FULL * self._count:
                self._judge(_Stretch(self._count / elapsed, self._seconds / self._count))
            else:
                self._begin()

    def _begin(self, settling: int = 0) -> None:
        self._count = self._full = 0
        self._seconds, self._settling, self._began = 0.0, settling, self._clock()

    def _judge(self, now: _Stretch) -> None:
        """What follows from a stretch, with which the next one begins."""
        known, before = self._known, self._before
        if known is not None and before is not None:
            fewer, rate = self.width < before, now.rate / known.rate
            if rate >= now.seconds / known.seconds and (not fewer or rate >= _AS_MANY):
                self._known, self._patience = now, _PATIENCE
                self._try(fewer, now)
                return
            self._rest, self._patience = self._patience, min(2 * self._patience, _LONGEST)
            self._let(before)
            self._before = None
            return
        if known is not None and now.seconds > _SLOWER * known.seconds:  # measure how it is now, then try
            self._known, self._rest, self._turn = None, 1, False
            self._begin()
            return
        self._rest -= 1
        waits = now.seconds > _WAITS * self._quickest
        if self._rest <= 0 and (waits or self.width < self.most):
            self._known, self._turn = now, not self._turn
            self._try(waits and (self._turn or self.width == self.most), now)
        else:
            self._begin()

    def _try(self, fewer: bool, now: _Stretch) -> None:
        """With fewer than the answers of the time that the quickest one took, the server would have nothing to do for a while."""
        self._before = self.width
        least = min(self.width, ceil(now.rate * self._quickest))
        self._let(max(1, least, int(_FEWER * self.width)) if fewer else min(self.most, ceil(_MORE * self.width)))
        if self.width == self._before:  # there is nothing to try
            self._before, self._rest = None, self._patience

    def _let(self, width: int) -> None:
        self.width = width
        self._changed.notify_all()
        self._begin(settling=self._under_way)
