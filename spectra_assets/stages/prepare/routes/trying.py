"""Trying one way to list an entity: the rows without a parent, or those of some of its parents, and of a parent that is none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from spectra_assets.client.pager import Got, first, following
from spectra_assets.client.target import ParentValue, parent_text
from spectra_assets.covenant.access import NoPaging, ParentKey
from spectra_assets.stages.asking.answers import Record, flattened, values_at
from spectra_assets.stages.asking.parents import crossed, second
from spectra_assets.stages.asking.sampling import Asked, Explorer, Listing, nonsense, spread
from spectra_assets.stages.asking.totals import declared_total
from spectra_assets.stages.asking.wire import SPENT
from spectra_assets.stages.prepare.routes import vacancy
from spectra_assets.stages.prepare.routes.known import Known
from spectra_assets.stages.prepare.routes.proof import judge
from spectra_assets.stages.prepare.routes.routes import Candidate, Trial
from spectra_assets.stages.values.shapes import digest

ROUNDS = 3
"""Times that further parents are tried while fewer than two had rows, or the sample is small."""

_FIRST_TRY = 2
"""Parents that a route is tried with at first."""

_CHECKED = 2
"""Parents asked for again on another route, so that two routes can be compared on the same rows."""

_PAGES = 3
"""Pages of a list without a parent that are read at first."""

_EACH = 30
"""Values of each of two parents that have nothing to do with each other, of which pairs are tried."""

_SPARSE = 8
"""Rounds of such pairs: most may have no rows."""

_DEEP = 40
"""Pages read at most so that a list can be compared with what another route shows."""


@dataclass
class Trier:
    """Tries candidates within the explorer's budget. `known` are the entities whose route is chosen, `parents` the most tried."""

    explorer: Explorer
    parents: int
    known: Mapping[str, Known]
    queries: Mapping[str, dict[str, str]] = field(default_factory=dict)
    """Path → what must be sent along."""

    def tried(self, candidate: Candidate) -> Trial:
        """What trying it shows, not judged yet."""
        trial = Trial(candidate)
        parameters = set(self._inside(candidate.path)) - set(candidate.parameters)
        if parameters:
            trial.evidence = f"nothing is known to fill {', '.join(sorted(parameters))}"
        elif self.explorer.wire.spent:
            trial.evidence = SPENT
        elif candidate.parent is None:
            self._try_alone(trial)
        elif not self.values(candidate):
            trial.evidence = f"no id of {candidate.told} is known"
        else:
            self._try_parents(trial)
        return trial

    def judge(self, trial: Trial, recursive: str | None) -> None:
        """Decide on a trial."""
        trial.rows = {parent: flattened(rows, recursive) for parent, rows in trial.rows.items()}
        if trial.candidate.parent and trial.tried:
            judge(trial, self._nonsense(trial, recursive))
            if trial.viable and trial.candidate.across and self._first_is_ignored(trial, recursive):
                trial.verdict = "ignored"
                first = trial.candidate.parameters[0]
                trial.evidence = f"an id that is none gave the same rows: {first} is ignored"

    def _first_is_ignored(self, trial: Trial, recursive: str | None) -> bool:
        """Whether of two parents that have nothing to do with each other the first does not count."""
        parent, rows = next(iter(trial.with_rows.items()))
        value = trial.values[parent]
        assert isinstance(value, tuple)  # noqa: S101  (a composite one)
        none = nonsense([each[0] for each, _ in self.values(trial.candidate).values() if isinstance(each, tuple)] or [0])
        listing = self.explorer.listing(replace(self._asked(trial.candidate, (none, *value[1:])), odd=True))
        return {digest(row) for row in flattened(listing.records, recursive)} == {digest(row) for row in rows}

    def values(self, candidate: Candidate) -> dict[str, tuple[ParentValue, Record]]:
        """What it can be asked with: text of the value → (value, the parent's record)."""
        link = candidate.link
        known = self.known.get(link.entity) if link else None
        found = known.values(link) if known and link else {}
        return self._crossed(link, found) if link and link.across else found

    def _crossed(self, link: ParentKey, mine: Mapping[str, tuple[ParentValue, Record]]) -> dict[str, tuple[ParentValue, Record]]:
        """Values of both parents, some of many: neighbours differ in both."""
        other = second(link)
        known = self.known.get(other.entity) if other else None
        theirs = spread(list(known.values(other)) if known and other else [], _EACH)
        ours = spread(list(mine), _EACH)
        held = {text: value for text, (value, _) in (known.values(other) if known and other else {}).items()}
        found: dict[str, tuple[ParentValue, Record]] = {}
        for step in range(max(len(theirs), 1)):
            for place, text in enumerate(ours if theirs else []):
                value, record = mine[text]
                for both in crossed([value], [held[theirs[(place + step) % len(theirs)]]]):
                    found[parent_text(both)] = both, record
        return found

    def product(self, link: ParentKey) -> float:
        """Requests that one for each parent takes: of two parents the product."""
        other = second(link)
        return self.known[link.entity].count(link) * (self.known[other.entity].count(other) if other else 1)

    def ask(self, trial: Trial, parents: Iterable[str], recursive: str | None = None) -> None:
        """Ask for further parents, given by the text of their value."""
        values = self.values(trial.candidate)
        wanted = [parent for parent in parents if parent in values and parent not in trial.tried]
        listings = self.explorer.listings([self._asked(trial.candidate, values[parent][0]) for parent in wanted])
        for parent, listing in zip(wanted, listings, strict=True):
            trial.tried[parent] = listing
            trial.values[parent] = values[parent][0]
            trial.rows[parent] = flattened(listing.records, recursive)
        trial.every_parent = trial.known_parents is not None and trial.known_parents <= set(trial.tried)

    def unasked(self, trial: Trial) -> list[str]:
        """Parents that were not asked for yet."""
        return [parent for parent in self.values(trial.candidate) if parent not in trial.tried]

    def ask_all(self, trial: Trial) -> None:
        """Ask for all parents, if they are few."""
        unasked = self.unasked(trial)
        if len(unasked) <= min(vacancy.MOST_PARENTS, (self.explorer.wire.budget - self.explorer.wire.sent) // 4):
            self.ask(trial, unasked)

    def deepen(self, trial: Trial, recursive: str | None) -> None:
        """Read a list without a parent further, so that it can be compared with other routes."""
        pages = min(_DEEP, (self.explorer.wire.budget - self.explorer.wire.sent) // 4)
        if trial.candidate.parent is None and not trial.whole and pages > _PAGES:
            listing = self.explorer.listing(self._asked(trial.candidate), pages)
            if not listing.failure:
                trial.tried, trial.rows = {"": listing}, {"": flattened(listing.records, recursive)}
                trial.evidence = _plenty(listing)

    def meet(self, trials: list[Trial], recursive: str | None) -> None:
        """Ask routes whose rows name their parent for parents that rows of other routes name: then they can be compared."""
        viable = [trial for trial in trials if trial.viable and trial.candidate.parent]
        for trial in viable:
            if not trial.inclusion_field or trial.candidate.composite:
                continue
            for other in viable:
                if other is not trial:
                    named = {parent for row in other.all_rows for parent in trial.names(row)}
                    fresh = sorted(parent for parent in named if parent not in trial.tried)
                    possible = [parent for parent in fresh if trial.known_parents is None or parent in trial.known_parents]
                    self.ask(trial, spread(possible, _CHECKED), recursive)

    def nobody(self, trial: Trial) -> Listing:
        """What the route answers for an id that is none: of several values the last one is none."""
        values = {parent: value for parent, (value, _) in self.values(trial.candidate).items()}
        last = [value[-1] if isinstance(value, tuple) else value for value in values.values()]
        none = nonsense(last or [0])
        if not trial.candidate.composite:
            return self.explorer.listing(replace(self._asked(trial.candidate, none), odd=True))
        asked = next((value for parent, value in values.items() if trial.rows.get(parent)), None)
        before = asked[:-1] if isinstance(asked, tuple) else ("0",) * (len(trial.candidate.parameters) - 1)
        return self.explorer.listing(replace(self._asked(trial.candidate, (*before, none)), odd=True))

    def rows(self, trial: Trial) -> float:
        """Rows there are this way, estimated: of a list that was not read to its end, what it declares if that is more."""
        seen = len(trial.all_rows)
        link = trial.candidate.link
        if link is not None:
            per_parent = sum(map(len, trial.rows.values())) / max(1, len(trial.rows))
            return max(seen, per_parent * self.product(link))
        totals = [declared_total(value, each.location, {})[0] for each in trial.tried.values() for value in each.values[:1]]
        return max([seen, *(total or 0 for total in totals)]) if not trial.whole else seen

    def requests(self, trial: Trial) -> int:
        """Requests for all rows this way: parents there are, times the pages of a parent on average; of one list its pages."""
        size = getattr(self.explorer.paging.get(trial.candidate.path), "size", None)
        answered = [listing for listing in trial.tried.values() if not listing.failure]
        pages = [max(listing.pages, 1 + (len(listing.records) // size if size else 0)) for listing in answered]
        average = sum(pages) / len(pages) if pages else 1
        link = trial.candidate.link
        if link is not None:
            return max(1, math.ceil(self.product(link) * average))
        seen = len(trial.all_rows)
        return math.ceil(average * max(1.0, self.rows(trial) / seen if seen else 1))

    def _inside(self, path: str) -> list[str]:
        return [part.partition("}")[0] for part in path.split("{")[1:]]

    def _try_alone(self, trial: Trial) -> None:
        asked = self._asked(trial.candidate)
        listing = self.explorer.listing(asked, pages=_PAGES)
        trial.tried, trial.rows = {"": listing}, {"": listing.records}
        rows = len(listing.records)
        if listing.failure and not rows:
            trial.verdict, trial.evidence = "error", listing.failure
        elif not rows:
            trial.verdict, trial.evidence = "empty", "no rows without a parent"
        elif listing.failure:
            trial.verdict, trial.evidence = "partial", f"{rows} rows, then {listing.failure}"
        elif listing.shape == "envelope" and listing.whole and self._stands_still(asked, listing):
            trial.verdict = "partial"
            trial.evidence = f"the same {rows} rows on every page: without a parent only the first page can be had"
        else:
            trial.verdict, trial.evidence = "complete", _plenty(listing)

    def _stands_still(self, asked: Asked, listing: Listing) -> bool:
        """Whether this endpoint pages, but without a parent gives its first rows for the second half of these too."""
        style = self.explorer.paging.get(asked.path, NoPaging())
        half = len(listing.records) // 2
        ask = following(style, first(style, half), Got(half, half, 1)) if half and listing.pages == 1 else None
        if isinstance(style, NoPaging) or ask is None or ask.url is not None:
            return False
        begins = {digest(record) for record in listing.records[:half]}
        return any(digest(record) in begins for record in self.explorer.one(asked, ask.query).records)

    def _try_parents(self, trial: Trial) -> None:
        """Two parents first: enough to see that a parameter is ignored, or refused. Then more, until two have rows."""
        candidate = trial.candidate
        values = self.values(candidate)
        trial.holders = {parent: record for parent, (_, record) in values.items()}
        parent = self.known[candidate.parent[0]] if candidate.parent else None
        if parent is not None and parent.whole and candidate.across is None:
            trial.known_parents = frozenset(values)
        for _ in range(ROUNDS if candidate.across is None else _SPARSE):
            answered = any(not listing.failure for listing in trial.tried.values())
            most = self.parents - _FIRST_TRY if answered and not candidate.guess else _FIRST_TRY
            fresh = spread([parent for parent in values if parent not in trial.tried], most)
            self.ask(trial, fresh)
            lists = list(trial.with_rows.values())
            alike = len(lists) > 1 and all(rows == lists[0] for rows in lists)
            refused = len(trial.tried) > _FIRST_TRY and all(listing.failure for listing in trial.tried.values())
            enough = len(lists) > 1 and (candidate.guess or len(trial.tried) > _FIRST_TRY)
            if not fresh or alike or refused or enough:
                break

    def _asked(self, candidate: Candidate, value: ParentValue | None = None) -> Asked:
        along = tuple(self.queries.get(candidate.path, {}).items())
        return Asked(candidate.path, candidate.filled(value) if value is not None else (), along)

    def _nonsense(self, trial: Trial, recursive: str | None) -> list[Record] | None:
        """Rows that an id which is none gives, none if it is refused; None if it was not asked."""
        if not trial.with_rows or self.explorer.wire.spent:
            return None
        return flattened(self.nobody(trial).records, recursive)


def nested(known: Mapping[str, Known], trial: Trial, other: Trial) -> dict[str, set[str]]:
    """Parent of `trial` → parents of `other` in it: where the parents of `other` were fetched by those of `trial`."""
    mine, theirs = trial.candidate.link, other.candidate.link
    between = known.get(theirs.entity) if mine and theirs else None
    link = between.fetch.parent if between else None
    if mine is None or theirs is None or between is None or link is None or theirs.composite:
        return {}
    if (link.entity, link.path, len(link.also)) != (mine.entity, mine.path, len(mine.also)) or mine.across:
        return {}
    return {
        parent: {str(value) for row in rows for value in values_at(row, theirs.path)}
        for parent, rows in between.trial.rows.items()
    }


def _plenty(listing: Listing) -> str:
    more = f", then {listing.torn}" if listing.torn else "" if listing.whole else " and more"
    return f"{len(listing.records)} rows without a parent{more}"
