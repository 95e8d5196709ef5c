"""One request and its answer: paced, tried again, taken from the tape or put on it, and one row in the ledger."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import TypeVar

from spectra_assets.client.ledger import Entry, Ledger, body_hash
from spectra_assets.client.mask import Mask, masked_url
from spectra_assets.client.pacing import LONGEST_WAIT, Pace, SeenLimit, StoppedError, asked_wait, backoff
from spectra_assets.client.ratelimit import Gauge
from spectra_assets.client.tape import NOT_MODIFIED, TAPE, NotTapedError, Tape, Taped, key_of
from spectra_assets.client.transport import Answer
from spectra_assets.client.verdict import PASSING, is_lasting
from spectra_assets.client.wire import Wire
from spectra_assets.errors import RetriableError, SkippableError, SpectraError

Result = TypeVar("Result")

_TOO_FAST = (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
"""Statuses of what may be tried again that say so (a 403 is final where it means no limit)."""

_STUBBORN = 3
"""Addresses of one list that were told to the end that they come too fast: from then on another one is tried only so often."""

_ATTEMPTS_AT_500 = 3
"""A 500 is tried so often at most: APIs answer it for unknown ids, where it never passes."""


@dataclass
class Course:
    """How one request went so far. `seconds`: what each attempt may take, if it is limited. `body`: that of a search by POST.
    `ask`: it is sent only to learn whether the `earlier` answer changed. `brought` is the id of the request that brought the
    body, where it was another one. `heeded`: how many requests had been, when this one was refused last for coming too fast;
    `rate`: at which they left before it was refused first; `alone`: others were heeded between its refusals."""

    seconds: float | None = None
    body: bytes | None = None
    attempts: int = 0
    heeded: int | None = None
    rate: float = 0.0
    alone: bool = False
    answer: Answer | None = None
    ask: bool = False
    earlier: Taped | None = None
    unmodified: bool = False
    brought: str | None = None


class Exchange:
    """Requests over a wire. Safe for threads. `root` is the base URL, `attempts` counts the first one, and `backoff_base`
    in seconds is what the first retry waits at most."""

    def __init__(self, root: str, wire: Wire, pace: Pace, ledger: Ledger, mask: Mask, attempts: int, backoff_base: float) -> None:
        self.wire = wire
        self.tape: Tape | None = None
        self.ledger = ledger
        self._root = root
        self._mask = mask
        self._attempts = attempts
        self._heeded = 0
        self._stubborn: Counter[str] = Counter()
        self._given_up: dict[str, int] = {}
        self._blamed: float | None = None
        self._over(pace, backoff_base)

    def over(self, wire: Wire, pace: Pace) -> None:
        """From here on requests go over another wire, at another pace, and a retry waits for nothing else."""
        self.wire = wire
        self._over(pace, 0.0)

    def _over(self, pace: Pace, backoff_base: float) -> None:
        self._pace, self._backoff_base = pace, backoff_base
        self._gauge = Gauge(pace)

    @property
    def seen_limit(self) -> SeenLimit | None:
        """The strictest rate limit that answers stated so far; None if none did."""
        return self._gauge.seen

    def request(
        self,
        url: str,
        entry: Entry,
        accept: Callable[[Answer], Result],
        course: Course,
        stop: threading.Event,
        attempts: int | None = None,
    ) -> Result:
        """What `accept` makes of the answer; one row in the ledger whatever happens."""
        entry.query = self._shown(url, course.body)
        try:
            return self._persist(url, entry.path, accept, course, stop, attempts or self._attempts)
        except SpectraError as error:
            entry.error = str(error)[:500]
            raise
        finally:
            entry.attempts = course.attempts
            if course.answer is not None:
                entry.status, entry.elapsedMs = course.answer.status, round(course.answer.elapsed_ms, 3)
                entry.bytes, entry.bodyHash = len(course.answer.body), body_hash(course.answer.body)
                entry.origin = TAPE if course.answer.played else entry.origin
            if course.unmodified and course.earlier is not None:
                entry.origin, entry.bodyHash = NOT_MODIFIED, course.earlier.header["bodyHash"]
                course.brought = course.earlier.request_id
            if not stop.is_set():
                self.ledger.add(entry)

    def listed(
        self, purpose: str, url: str, entry: Entry, accept: Callable[[Answer], Result], course: Course, stop: threading.Event
    ) -> Result:
        """As `request`, over the tape if there is one. Raises StorageError and NotTapedError too."""
        tape = self.tape
        if tape is None:
            return self.request(url, entry, accept, course, stop)
        purpose = tape.named(purpose)
        key = key_of(purpose, url, course.body)
        held = tape.held(key)
        if held is not None:
            entry.query = self._shown(url, course.body)
            return self._from_tape(tape, held, url, entry, accept, stop)
        if tape.only:
            raise NotTapedError(
                f"the raw pages do not hold {entry.method} {self._mask.line(url)}, which this extraction needs: extract from the "
                "API again"
            )
        course.earlier = tape.earlier(key)
        try:
            result = self.request(url, entry, accept, course, stop)
        except SpectraError as error:
            if _is_final(error):
                tape.keep(key, purpose, entry, course.answer, self._target(url), accepted=False)
            raise
        if course.unmodified:
            tape.carry(key)
        else:
            tape.keep(key, purpose, entry, course.answer, self._target(url), accepted=True)
        return result

    def _from_tape(
        self, tape: Tape, held: Taped, url: str, entry: Entry, accept: Callable[[Answer], Result], stop: threading.Event
    ) -> Result:
        """What `accept` makes of the answer that the tape holds. Raises what was raised when it came."""
        if stop.is_set():
            raise StoppedError
        answer = held.answer(masked_url(url), url, entry.method)
        for name in ("requestId", "status", "attempts", "elapsedMs", "bodyHash", "error"):
            setattr(entry, name, held.header[name])
        entry.origin, entry.bytes = TAPE, len(answer.body) if answer is not None else 0
        entry.requestedAt = datetime.fromisoformat(held.header["requestedAt"])
        try:
            if answer is None:
                raise SkippableError(str(entry.error))
            return accept(answer)
        finally:
            if not held.confirmed:  # that request is in the ledger already
                tape.count(TAPE)
                self.ledger.add(entry)

    def _shown(self, url: str, body: bytes | None) -> str:
        """What was asked, for the ledger: the query, or the body of a search."""
        return self._mask(url.partition("#")[0].partition("?")[2] if body is None else body.decode())

    def _target(self, url: str) -> str:
        """The address below the base URL, masked."""
        return self._mask(url.removeprefix(self._root))

    def _persist(
        self, url: str, path: str, accept: Callable[[Answer], Result], course: Course, stop: threading.Event, attempts: int
    ) -> Result:
        """Try until `accept` is content, an error is final or the attempts are used up (then RetriableError).

        What comes too fast holds up all others as well, but for an address that is refused while they are heeded: it is not their
        number then, and it alone waits.
        """
        while True:
            self._pace.wait(stop)
            course.attempts, course.answer = course.attempts + 1, None
            try:
                answer = self._sent(url, course, stop)
                result = accept(answer)
                self._note_heeded()
                return result
            except RetriableError as error:
                failure = error
            if (asked := _beyond(course.answer, attempts)) is not None:
                told = f"; it wants no request for {asked:,.0f} s, longer than a run waits"
                raise RetriableError(self._mask(f"{failure}{told}"), failure.retry_after, failure.status)
            if self._used_up(failure.status, course.attempts, self._most(path, failure.status, attempts)):
                break
            stop.wait(self._delay(failure, path, course))
        self._delay(failure, path, course)
        if failure.status in _TOO_FAST:
            self._stubborn[path], self._given_up[path] = self._stubborn[path] + 1, self._heeded
            self._blamed = course.rate if self._blamed is None else self._blamed
        tried = f" (tried {course.attempts} times)" if course.attempts > 1 else ""
        raise RetriableError(self._mask(str(failure)) + tried, failure.retry_after, failure.status, course.alone)

    def _sent(self, url: str, course: Course, stop: threading.Event) -> Answer:
        """One attempt. An answer that did not change is the one of the earlier tape."""
        earlier = course.earlier
        if course.body is not None:
            answer = self.wire.search(url, course.body, stop, course.seconds)
        else:
            answer = self.wire.get(url, stop, course.seconds, earlier.conditions if earlier is not None else {})
        told = self._mask(answer.url)
        if told != answer.url or course.attempts != answer.attempts:
            answer = replace(answer, url=told, attempts=course.attempts)
        course.answer = answer
        self._gauge.read(answer.headers)
        if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
            self._pace.answered()
        if answer.status == HTTPStatus.NOT_MODIFIED and earlier is not None:
            course.unmodified = True
            if not course.ask:
                unchanged = earlier.answer(answer.url, answer.address)
                assert unchanged is not None  # noqa: S101  (it was accepted)
                return unchanged
        return answer

    def _used_up(self, status: int | None, made: int, attempts: int) -> bool:
        rarely_passes = status is not None and status >= 500 and status not in PASSING
        return made >= (min(attempts, _ATTEMPTS_AT_500) if rarely_passes else attempts)

    def _most(self, path: str, status: int | None, attempts: int) -> int:
        """Attempts that a request has which was refused with this status."""
        return min(attempts, _STUBBORN) if status in _TOO_FAST and self._stubborn[path] >= _STUBBORN else attempts

    def _note_heeded(self) -> None:
        """A request was answered. If one was refused to the end just before, it was not for the rate, which is as before then."""
        self._heeded += 1
        blamed, self._blamed = self._blamed, None
        if blamed is not None:
            self._pace.restore(blamed)

    def _is_alone(self, path: str, course: Course) -> bool:
        """Whether others were heeded since this request was refused before, or since another one of its list was given up."""
        several = self._stubborn[path] >= _STUBBORN
        before = self._given_up[path] if course.heeded is None and several else course.heeded
        return before is not None and self._heeded > before

    def _delay(self, failure: RetriableError, path: str, course: Course) -> float:
        """Seconds this request waits for itself; if the server is too busy, the gate is held for all threads instead."""
        seconds = max(backoff(course.attempts, self._backoff_base), failure.retry_after or 0)
        if failure.status in _TOO_FAST or (failure.status == 503 and failure.retry_after):
            alone, first = failure.status in _TOO_FAST and self._is_alone(path, course), course.heeded is None
            course.heeded, course.alone = self._heeded, course.alone or alone
            if first:
                course.rate = self._pace.rate
            if alone:
                return seconds
            self._pace.hold(seconds, too_many=failure.status != HTTPStatus.SERVICE_UNAVAILABLE)
            return 0
        return seconds


def _beyond(answer: Answer | None, attempts: int) -> float | None:
    """Seconds that the server asks to wait, where all attempts together do not wait so long: the quota of a day is used up."""
    asked = asked_wait(answer.headers) if answer is not None and answer.status in _TOO_FAST else None
    return asked if asked is not None and asked > LONGEST_WAIT * attempts else None


def _is_final(error: SpectraError) -> bool:
    """Whether the request will end like this again, so that a replay must know it."""
    return isinstance(error, SkippableError) or (isinstance(error, RetriableError) and is_lasting(error))
