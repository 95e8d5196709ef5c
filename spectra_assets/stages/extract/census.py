"""Counting while fetching: which parents answered, what came twice, what lacks its key, and whether each list ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from spectra_assets.client.api import ApiClient
from spectra_assets.client.fan_out import Aside
from spectra_assets.client.jsontext import decoded
from spectra_assets.client.lists import Skipped, whole
from spectra_assets.client.pager import Ask
from spectra_assets.client.paging import Page, counted, endpoint_of
from spectra_assets.client.target import ParentValue, parent_text
from spectra_assets.client.totals import page_of
from spectra_assets.covenant.access import Fetch, NoPaging
from spectra_assets.covenant.paths import HASH, one_record
from spectra_assets.errors import RetriableError, SkippableError
from spectra_assets.stages.asking.answers import key_alone, values_at
from spectra_assets.stages.cursors import mergeable
from spectra_assets.stages.evidence import EXAMPLES, Extraction, Mismatch
from spectra_assets.stages.extract.cutoff import CutOff
from spectra_assets.stages.extract.drift import DriftWatch
from spectra_assets.stages.extract.keys import Keys, told_apart
from spectra_assets.stages.extract.landing import Sheet
from spectra_assets.stages.extract.recount import End, Recount
from spectra_assets.stages.extract.scope import Scope, list_name
from spectra_assets.stages.extract.seams import Seams
from spectra_assets.stages.extract.unread import Unread
from spectra_assets.stages.values.shapes import digest

SAY_SECONDS = 5.0
_AT_ONCE = 1_000
"""Records of a page that are read at a time."""


@dataclass
class _Parent:
    """One list being read. `keys` are those of its rows."""

    value: ParentValue | None
    rows: int = 0
    pages: int = 0
    first: bytes = b""
    last: bytes = b""
    ask: Ask | None = None
    keys: Keys = field(default_factory=Keys)
    totals: set[int | None] = field(default_factory=set)
    repeated: int = 0
    first_page: int = 0
    last_page: int = 0
    refused: int | None = None
    word: str = ""
    more: bool = False
    lacking: str = ""
    broken: int = 0
    seams: Seams = field(default_factory=Seams)


class Census:
    """Reads one entity by its plan and keeps account. `facts` is complete after `finished`.

    `scope` says what is asked for, if that is not everything. `sole`: a person says that one answer holds every row, whatever it
    says itself. The lists of parents that are `accepted` may be refused.
    """

    def __init__(
        self,
        client: ApiClient,
        fetch: Fetch,
        watch: DriftWatch,
        say: Callable[[str], None],
        scope: Scope | None = None,
        sole: bool = False,
        accepted: Collection[str] = (),
    ) -> None:
        self.facts = _blank(fetch)
        self.asked: set[str] = set()
        """Lists that were asked for, if not everything is."""
        self.unread = Unread(fetch, self.facts, accepted)
        self._client = client
        self._fetch = fetch
        self._sole = sole
        self._watch = watch
        self._say = say
        self.declared: dict[str, int] = {}
        """Of lists that were asked for what changed: how many rows the API says each has in all, where it says so."""
        self._partial = scope is not None
        self._since = scope.since.keys() if scope is not None else ()
        self._narrow = scope.narrow if scope is not None else whole
        self.mismatched: Counter[str] = Counter()
        """List → its mismatches, all of them: `facts` holds some as examples."""
        self.moved: dict[str, int] = {}
        """Lists which seem to have moved while they were read → their rows that came twice: to be read again."""
        self.torn: set[str] = set()
        """Those of them in which rows moved for certain, from one page to another."""
        # asked as soon as a list was read, while others still are: nothing waits for the end of all
        self._knit = mergeable(fetch)
        if self._knit:  # else a list whose end was none, or that moved, could not be read again
            client.widest.believe(fetch.path)
        self._recounts = Aside(Recount(client, fetch, self._narrow).stands, client.in_flight)
        self._totals = Aside(self._declared, client.in_flight)
        self._endpoint = endpoint_of(fetch)
        client.widest.heed(self._endpoint)
        self._longest = 0
        self._ended: list[ParentValue | None] = []
        self._first_keys: Keys | None = None
        self._cut = CutOff(fetch.paging)
        self._alike = True
        self._started = self._said = time.monotonic()

    def sheets(self, parents: Iterable[ParentValue] | None) -> Iterator[Sheet]:
        """Every record, in the order of the parents."""
        try:
            yield from self._sheets(parents)
            self._recount()
            self._count()
            self._cut_off()
        finally:
            self._recounts.close()
            self._totals.close()

    def _sheets(self, parents: Iterable[ParentValue] | None) -> Iterator[Sheet]:
        current: _Parent | None = None
        for answer in self._answers(parents):
            value = None if parents is None else answer.parent_value if isinstance(answer, Skipped) else answer[0]
            if current is None or current.value != value:
                self._close(current)
                current = _Parent(value)
            if isinstance(answer, Skipped):
                self.unread.skip(answer, begun=current.pages > 0)
                current = None
                continue
            yield from self._page(current, answer[1])
        self._close(current)

    def finished(self, sampled: int | None) -> Extraction:
        """The facts, now complete. `sampled` are the records that Prepare saw; None if only a part was asked for."""
        facts = self.facts
        if sampled and not facts["records"] and not facts["skippedCount"] and not facts["brokenCount"]:
            self._mismatch(None, "sample", sampled, 0, f"Prepare saw {sampled} records; now there is none")
        if sampled == 0 and facts["records"]:
            self._doubt(facts["records"])
        facts["rows"] = facts["records"]
        self.unread.settle()
        answered = facts["parentsAnswered"] + facts["goneCount"] + facts["refusedCount"]
        facts["unansweredCount"] = facts["parentsAsked"] - answered - facts["skippedCount"]
        self._progress(last=True)
        return facts

    def _doubt(self, records: int) -> None:
        """Rows of an entity that was empty when its route was chosen: data has not shown yet that the route gives them all."""
        why = (
            "Prepare saw no record, so nothing proves yet that this route gives every row: the next run's Prepare samples these; "
            "if it still sees none, a rule of kind route says which one to take"
        )
        if self._fetch.parent is None:
            self._mismatch(None, "sample", 0, records, why)
        elif self._alike and self.facts["parentsWithRows"] > 1 and not self.facts["emptyParents"]:
            ignored = f"all parents gave the same rows, as if {self._fetch.parent.parameter} were ignored"
            self._mismatch(None, "sample", 0, records, f"{ignored}; {why}")

    def _answers(self, parents: Iterable[ParentValue] | None) -> Iterator[tuple[ParentValue | None, Page] | Skipped]:
        if parents is None:
            self.facts["parentsAsked"] = 1
            self.asked.add("")
            try:
                for page in self._client.pages(self._fetch, narrow=self._narrow, knit=self._knit):
                    yield None, page
            except SkippableError as error:
                yield Skipped("", error)
            return
        yield from self._client.fetch_all(self._fetch, self._counted(parents), self._narrow, self._knit)

    def _counted(self, parents: Iterable[ParentValue]) -> Iterator[ParentValue]:
        for parent in parents:
            self.facts["parentsAsked"] += 1
            if self._partial:
                self.asked.add(parent_text(parent))
            yield parent

    def _page(self, parent: _Parent, page: Page) -> Iterator[Sheet]:
        facts = self.facts
        facts["requests"] += 1
        parent.seams.note(page)
        if page.refused is not None:
            parent.refused, parent.word = page.refused, page.word
            return
        if page.broken is not None:
            parent.broken += 1
            self.unread.lose(parent.value, page, page.broken)
            return
        facts["pages"] += 1
        parent.pages += 1
        parent.totals.add(page.declared_total)
        parent.first_page = parent.first_page or len(page.records)
        parent.last_page = len(page.records)
        parent.more, parent.lacking = page.more, parent.lacking or page.lacking
        name = None if parent.value is None else parent_text(parent.value)
        for start in range(0, len(page.records), _AT_ONCE):
            records = self._kept(page.records[start : start + _AT_ONCE])
            read = self._watch.read(records)
            self._account(parent, read)
            yield Sheet(name, page.request_id, records, read)
        if one_record(self._fetch.records) and not self._sole:
            self._look_inside(parent.value, page.records)
        if page.records:
            parent.first, parent.last, parent.ask = parent.first or page.records[0], page.records[-1], page.ask
        self._progress()

    def _look_inside(self, parent: ParentValue | None, records: Sequence[bytes]) -> None:
        """A record that is all there is, and by its own numbers a page of a list in it."""
        for record in map(decoded, records):
            for name, below in record.items() if isinstance(record, dict) else ():
                rows = len(below) if isinstance(below, list) else 0
                total = page_of(record, rows) or 0
                if total > rows:
                    why = f"what is read as one record is a page: its {name[:60]!r} are {rows} rows of the {total} it tells of"
                    self._mismatch(parent, "page", total, rows, f"{why}; a rule of kind records says where they are")

    def _kept(self, records: Sequence[bytes]) -> Sequence[bytes]:
        """The records; of those that are another entity's only the key."""
        if self._fetch.pairs is None:
            return records
        return [msgspec.json.encode(key_alone(decoded(record), self._fetch.primary_key)) for record in records]

    def _account(self, parent: _Parent, read: Sequence[Any]) -> None:
        """Account for records. Where each has a key that did not come before, that is seen of all at once."""
        parent.rows += len(read)
        keys = self._watch.keys(read) if self._fetch.primary_key != HASH else None
        fresh = set(keys) if keys is not None else set()
        if keys is not None and len(fresh) == len(keys) and parent.keys.grow(fresh):
            self.facts["records"] += len(read)
            return
        for record in read:
            self.facts["records"] += 1
            self._look(parent, msgspec.to_builtins(record))

    def _look(self, parent: _Parent, record: Any) -> None:
        """Account for a record and, of a tree, for those nested in it."""
        if not isinstance(record, dict):
            self._without_key()
            return
        hashed = self._fetch.primary_key == HASH
        key = digest(record) if hashed else told_apart(next(values_at(record, self._fetch.primary_key), None))
        if key is None:
            self._without_key()
        elif key in parent.keys and not hashed and self._fetch.repeats == "none":  # two that are equal may well be two
            self.facts["repeatedCount"] += 1
            parent.repeated += 1
            if len(self.facts["repeated"]) < EXAMPLES:
                self.facts["repeated"].append({"parent": list_name(parent.value), "key": str(key)})
        else:
            parent.keys.add(key)
        nested = record.get(self._fetch.recursive) if self._fetch.recursive else None
        for each in nested if isinstance(nested, list) else ():
            if isinstance(each, dict):
                self._watch.watch(each)
            self._look(parent, each)

    def _without_key(self) -> None:
        self.facts["missingKeyCount"] += 1
        if len(self.facts["missingKeys"]) < EXAMPLES:
            self.facts["missingKeys"].append(self.facts["records"] - 1)

    def _close(self, parent: _Parent | None) -> None:
        """Account for a list that was read to its end."""
        if parent is None or not (parent.pages or parent.broken):
            return
        self.facts["parentsAnswered"] += 1
        self.facts["parentsWithRows"] += parent.rows > 0
        self.facts["emptyParents"] += parent.rows == 0
        if list_name(parent.value) in self._fetch.refused and not parent.broken:
            self.facts["readAgain"].append(list_name(parent.value))
        if parent.broken:  # what it lacks is told already: neither its rows nor its end say more
            return
        if parent.rows and self._alike:
            self._alike = self._first_keys is None or self._first_keys.same(parent.keys)
            self._first_keys = parent.keys
        credible = len(parent.totals) == 1 and self._fetch.totals == "credible"
        total = next(iter(parent.totals)) if credible else None
        # a total that equals the first page's rows, or changes from page to page, is none
        unsteady = len(parent.totals) > 1 and None not in parent.totals and self._fetch.totals == "credible"
        if list_name(parent.value) in self._since and self._fetch.totals == "credible" and None not in parent.totals:
            self._totals.ask(parent.value)
        if parent.repeated or unsteady:
            self._has_moved(parent.value, parent.repeated)
        seams = parent.seams.to_prove(not counted(self._fetch.paging)) if self._knit else ()
        facts = self.facts
        facts["seams"] += parent.seams.count
        facts["seamsHeld"] += parent.seams.held
        if parent.seams.torn:
            self._has_moved(parent.value, parent.repeated)
            self.torn.add(list_name(parent.value))
            why = f"{parent.seams.torn} pages do not begin where the page before them ended: rows moved while the list was read"
            self._mismatch(parent.value, "seam", parent.seams.count, parent.seams.held, why)
        if total and total > parent.rows and total != parent.first_page:
            self._has_moved(parent.value, parent.repeated)
            word = f"{parent.word}; " if parent.word else ""  # what it says comes first: the rest may be cut
            self._mismatch(parent.value, "declaredTotal", total, parent.rows, f"{word}the API declares more rows than came")
        if parent.lacking and not self._sole:
            why = f"the API says that its answer is incomplete: {parent.lacking} is true"
            self._mismatch(parent.value, "more", parent.rows + 1, parent.rows, why)
        if parent.more and not self._sole:
            why = "the API says that there are more rows than in its only answer, and no parameter is known that leads to them"
            self._mismatch(parent.value, "more", parent.rows + 1, parent.rows, why)
        if total is None:
            self._cut.look(parent.value, parent.rows)
        ends = counted(self._fetch.paging) and (parent.pages > 1 or parent.refused is not None or self._is_longest(parent))
        self._ended.append(parent.value)
        if ends or seams:
            moved = list_name(parent.value) in self.moved
            shape = (parent.pages, parent.first_page, parent.last_page, parent.refused, parent.ask)
            self._recounts.ask(
                End(parent.value, parent.rows, parent.first, parent.last, *shape, tuple(seams), ends, moved, parent.word)
            )

    def _is_longest(self, parent: _Parent) -> bool:
        """Whether a list of one page is longer than all of one page before it: of many such lists a few are asked for a second
        page, those which are the likeliest to have one."""
        shorter = counted(self._fetch.paging) and self._client.widest.is_short(self._endpoint, parent.rows)
        if not self._knit or not shorter or parent.rows <= self._longest:
            return False
        self._longest = parent.rows
        return True

    def _has_moved(self, parent: ParentValue | None, repeated: int = 0) -> None:
        name = list_name(parent)
        self.moved[name] = max(repeated, self.moved.get(name, 0))

    def _recount(self) -> None:
        """What asking again for pages and ends of lists of several pages showed. A chained one has no end to ask for."""
        for end, (held, torn, problem) in self._recounts.answers():
            self.facts["recounts"] += end.counted
            self.facts["requests"] += end.counted + len(end.seams)
            self.facts["seamsHeld"] += held
            if torn:
                self._has_moved(end.value)
                self.torn.add(list_name(end.value))
                self._mismatch(end.value, "seam", len(end.seams), held, torn)
            if problem:
                found, reason = problem
                self._client.widest.doubt(self._fetch.path)
                self._has_moved(end.value)
                self._mismatch(end.value, "recount", end.rows, found, reason)
        if self._client.widest.heed(self._endpoint):
            for value in self._ended:  # each may have ended too early
                self._has_moved(value)

    def _cut_off(self) -> None:
        """Lists that end where others end too, though a parameter asks for fewer rows of each: so long is an answer at most."""
        rows, lists, why = self._cut.found()
        for value in lists:
            self._mismatch(value, "cut", rows + 1, rows, why)

    def _count(self) -> None:
        """How many rows each list has that was asked for what changed only: one that lost rows says nothing else of them."""
        for value, total in self._totals.answers():
            self.facts["requests"] += 1
            if total is not None:
                self.declared[list_name(value)] = total

    def _declared(self, value: ParentValue | None) -> int | None:
        try:
            return self._client.declared(self._fetch, value)
        except (SkippableError, RetriableError):  # the sweep finds what this would have shown
            return None

    def _mismatch(self, parent: ParentValue | None, check: Any, expected: int, found: int, reason: str) -> None:
        self.facts["mismatchCount"] += 1
        self.mismatched[list_name(parent)] += 1
        if len(self.facts["mismatches"]) < EXAMPLES:
            name = None if parent is None else parent_text(parent)
            self.facts["mismatches"].append(Mismatch(parent=name, check=check, expected=expected, found=found, reason=reason))

    def _progress(self, last: bool = False) -> None:
        now = time.monotonic()
        if last or now - self._said >= SAY_SECONDS:
            self._said = now
            rate = self.facts["records"] / max(now - self._started, 0.001)
            asked = f", {self.facts['parentsAsked']} parents asked" if self._fetch.parent else ""
            self._say(
                f"{self._fetch.entity}: {self.facts['records']:,} records in {self.facts['requests']:,} requests{asked}, "
                f"{rate:,.0f} records per second"
            )


def _blank(fetch: Fetch) -> Extraction:
    return Extraction(
        entity=fetch.entity,
        path=fetch.path,
        paged=not isinstance(fetch.paging, NoPaging),
        parentEntity=fetch.parent.entity if fetch.parent else None,
        parentsAsked=0,
        parentsAnswered=0,
        parentsWithRows=0,
        requests=0,
        pages=0,
        records=0,
        rows=0,
        recounts=0,
        seams=0,
        seamsHeld=0,
        emptyParents=0,
        goneCount=0,
        gone=[],
        refusedCount=0,
        refused=[],
        readAgain=[],
        skippedCount=0,
        skipped=[],
        brokenCount=0,
        broken=[],
        unansweredCount=0,
        repeatedCount=0,
        repeated=[],
        missingKeyCount=0,
        missingKeys=[],
        mismatchCount=0,
        mismatches=[],
    )
