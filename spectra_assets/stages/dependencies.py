"""The proof of dependencies: entities walked parents first, every candidate route tried on real ids, one of them chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from spectra_assets.covenant.model import Fetch, NoPaging, OffsetPaging, ParentKey
from spectra_assets.intelligence.model import Endpoint, EntityHint, Pack
from spectra_assets.stages import vacancy
from spectra_assets.stages.answers import Record, flattened, recursive_field, values_at
from spectra_assets.stages.probing import Id, ids_in
from spectra_assets.stages.routes import Candidate, Trial, as_ids, best, digest, judge, primary_key
from spectra_assets.stages.sampling import Asked, Explorer, Listing, ends, nonsense, spread

_ROUNDS = 3
"""Times that further parents are tried while fewer than two had rows, or the sample is small."""

_FIRST_TRY = 2
"""Parents that a route is tried with at first."""

_CHECKED = 2
"""Parents asked for again on another route, so that two routes can be compared on the same rows."""


@dataclass
class Known:
    """What is known of an entity once its route is chosen. `records` are all rows seen, flattened."""

    fetch: Fetch
    records: list[Record]
    sample: list[Record]
    whole: bool
    rows: float
    """Rows there are, estimated."""
    trial: Trial

    def ids(self, path: str) -> list[Id]:
        """The ids seen at `path`."""
        return ids_in(self.records, path)

    def count(self, path: str) -> float:
        """Ids there are at `path`, estimated."""
        return len(self.ids(path)) * (self.rows / len(self.records) if self.records and not self.whole else 1)


@dataclass
class Prover:
    """Walks the entities of a pack. `parents` and `records` are how many a route is tried with and an entity sampled."""

    explorer: Explorer
    pack: Pack
    parents: int
    records: int
    queries: Mapping[str, dict[str, str]] = field(default_factory=dict)
    """Path → what must be sent along."""
    known: dict[str, Known] = field(default_factory=dict)
    trials: dict[str, list[Trial]] = field(default_factory=dict)
    unproven: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Prove a route for every entity, those first whose possible parents are done; then refute guesses and sample on.

        What matters most comes first, as the budget may not suffice for all.
        """
        left = {hint.entity: hint for hint in self.pack.entities}
        while left:
            hint = min(left.values(), key=lambda hint: len(self._possible_parents(hint) & set(left) - {hint.entity}))
            del left[hint.entity]
            self._prove(hint, list(self._candidates(hint)))
            if hint.entity in self.unproven:
                self._vacate(hint)
            if hint.entity in self.unproven:
                self._prove(hint, list(self._guesses(hint)))
        for hint in self.pack.entities:
            if hint.entity not in self.unproven and self.known[hint.entity].trial.viable:
                self._refute(hint)
        for entity, known in self.known.items():
            if known.trial.viable:
                self._sample_more(entity, known)

    def _possible_parents(self, hint: EntityHint) -> set[str]:
        return {candidate.parent[0] for candidate in self._candidates(hint) if candidate.parent}

    def _candidates(self, hint: EntityHint) -> Iterator[Candidate]:
        """Every way the pack hints at."""
        for path in hint.routes:
            endpoint = self._endpoint(path)
            inside = endpoint.path_parameters
            if not inside:
                yield Candidate(hint.entity, path)
            for name in inside or endpoint.query:
                for parent in self.pack.candidates(name):
                    yield Candidate(hint.entity, path, name, "path" if inside else "query", parent)

    def _guesses(self, hint: EntityHint) -> Iterator[Candidate]:
        """Parameters that a person would try because of their names: they must be refuted where the server ignores them.

        Of an entity whose route is known, its ancestors' ids; else those of every entity known.
        """
        others = list(self.known) if hint.entity in self.unproven else self._ancestors(hint.entity)
        for path in hint.routes:
            endpoint = self._endpoint(path)
            documented = {name.lower() for name in endpoint.query}
            for other in [] if endpoint.path_parameters else others:
                if f"{other}id".lower() not in documented and other != hint.entity:
                    yield Candidate(hint.entity, path, f"{other}id".lower(), "query", (other, "id"), guess=True)

    def _ancestors(self, entity: str) -> list[str]:
        """Parent, its parent and so on along the chosen routes, and whatever another proven route hangs on."""
        direct = [trial.candidate.parent[0] for trial in self.trials[entity] if trial.viable and trial.candidate.parent]
        found: list[str] = []
        for parent in direct:
            if parent != entity and parent not in found:
                found += [parent, *self._ancestors(parent)]
        return list(dict.fromkeys(found))

    def _endpoint(self, path: str) -> Endpoint:
        try:
            return self.pack.endpoint(path)
        except KeyError:
            return Endpoint(method="GET", path=path, group="")

    def _prove(self, hint: EntityHint, candidates: list[Candidate]) -> None:
        """Try the candidates, and choose among all tried so far."""
        trials = self.trials.setdefault(hint.entity, [])
        trials += [self._tried(candidate) for candidate in candidates]
        recursive = recursive_field([row for trial in trials for rows in trial.rows.values() for row in rows])
        for trial in trials:
            self._judge(trial, recursive)
        key = primary_key([row for trial in trials if trial.viable for row in trial.all_rows])
        self._meet(trials, recursive)
        for trial in trials:
            trial.predicted = self._predicted(trial)
        chosen, why = best(trials, key, self._nested)
        if chosen is None:
            tried = "; ".join(f"{t.candidate.path} {t.candidate.parameter or ''} {t.verdict}: {t.evidence}" for t in trials)
            self.unproven[hint.entity] = f"{why}: {tried}"[:1000]
            return
        self.unproven.pop(hint.entity, None)
        chosen.evidence += f"; {why}"
        self.known[hint.entity] = self._settled(chosen, recursive, key)

    def _vacate(self, hint: EntityHint) -> None:
        """Choose a route of an entity that has no record: every answer of it was empty, or there is no parent to ask for.

        Before, further parents are asked. If one has rows after all, they are judged as always. An entity whose routes all
        failed in another way stays without one.
        """
        trials = self.trials[hint.entity]
        if any(trial.all_rows for trial in trials):
            return
        for trial in sorted(filter(vacancy.silent, trials), key=lambda trial: len(self._unasked(trial))):
            self._ask_all(trial)
            if trial.all_rows:
                self._prove(hint, [])
                return
            trial.predicted = self._requests(trial)
            if vacancy.settled(trial, trials):
                break
        open_ = [trial for trial in trials if not vacancy.barred(trial.candidate.path, trials)]
        chosen = vacancy.pick(open_) or next(filter(self._lacks_parents, open_), None)
        if chosen is None:
            return
        records = hint.records if chosen.tried else self._nobody(chosen).location or hint.records
        chosen.predicted = self._requests(chosen)
        chosen.verdict, chosen.evidence = "empty", f"{self._emptiness(chosen)}; nothing to prove the route by"
        self.unproven.pop(hint.entity, None)
        self.known[hint.entity] = self._settled(chosen, hint.recursive, vacancy.key_of(hint), records)

    def _ask_all(self, trial: Trial) -> None:
        """Ask for all parents, if they are few."""
        unasked = self._unasked(trial)
        if len(unasked) <= min(vacancy.MOST_PARENTS, (self.explorer.wire.budget - self.explorer.wire.sent) // 4):
            self._ask(trial, unasked)
            trial.every_parent = trial.known_parents is not None and trial.known_parents <= set(trial.tried)

    def _unasked(self, trial: Trial) -> list[Id]:
        return [value for value in self._ids(trial.candidate) if str(value) not in trial.tried]

    def _lacks_parents(self, trial: Trial) -> bool:
        """Whether the entity that a route hangs on is known to have no id to ask with, and the endpoint works."""
        candidate = trial.candidate
        parent = self.known.get(candidate.parent[0]) if candidate.parent else None
        if trial.tried or parent is None or self._ids(candidate) or len(self._endpoint(candidate.path).path_parameters) > 1:
            return False
        known_to_have_none = parent.whole or parent.trial.verdict == "empty"
        return known_to_have_none and vacancy.answers_nobody(self._nobody(trial), candidate.location == "path")

    def _nobody(self, trial: Trial) -> Listing:
        """What the route answers for an id that is none."""
        return self.explorer.listing(self._asked(trial.candidate, nonsense([0])))

    def _emptiness(self, trial: Trial) -> str:
        if trial.candidate.parent is None:
            return "no rows without a parent"
        if not trial.tried:
            return f"there is no {'.'.join(trial.candidate.parent)} to ask with"
        known = "all there are" if trial.every_parent else f"of {len(self._ids(trial.candidate))} known"
        return f"{len(trial.tried)} parents asked ({known}), none had rows"

    def _refute(self, hint: EntityHint) -> None:
        """Try the guesses for an entity whose route is chosen already."""
        recursive = self.known[hint.entity].fetch.recursive
        for candidate in self._guesses(hint):
            trial = self._tried(candidate)
            self._judge(trial, recursive)
            self.trials[hint.entity].append(trial)

    def _judge(self, trial: Trial, recursive: str | None) -> None:
        trial.rows = {parent: flattened(rows, recursive) for parent, rows in trial.rows.items()}
        if trial.candidate.parent and trial.tried:
            judge(trial, self._nonsense(trial, recursive))

    def _tried(self, candidate: Candidate) -> Trial:
        trial = Trial(candidate)
        if len(self._endpoint(candidate.path).path_parameters) > 1:
            trial.evidence = "more than one parameter in the path"
        elif self.explorer.wire.spent:
            trial.evidence = "the budget of requests is used up"
        elif candidate.parent is None:
            self._try_alone(trial)
        elif not self._ids(candidate):
            trial.evidence = f"no id of {'.'.join(candidate.parent)} is known"
        else:
            self._try_parents(trial)
        return trial

    def _try_alone(self, trial: Trial) -> None:
        asked = self._asked(trial.candidate)
        listing = self.explorer.listing(asked, pages=3)
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
            trial.verdict, trial.evidence = "complete", f"{rows} rows without a parent{'' if listing.whole else ' and more'}"

    def _stands_still(self, asked: Asked, listing: Listing) -> bool:
        """Whether asking for the rows after these gives rows that are among these."""
        styles = [*self.pack.paging]
        first = [digest(record) for record in listing.records]
        for style in styles:
            after = self.explorer.one(asked, {style.offset_param: str(len(first)), style.size_param: str(len(first))})
            if after.records and {digest(record) for record in after.records} & set(first):
                return True
        return False

    def _try_parents(self, trial: Trial) -> None:
        """Two parents first: enough to see that a parameter is ignored, or refused. Then more, until two have rows."""
        candidate = trial.candidate
        ids = self._ids(candidate)
        parent = self.known[candidate.parent[0]] if candidate.parent else None
        if parent is not None and parent.whole:
            trial.known_parents = as_ids(ids)
        for _ in range(_ROUNDS):
            answered = any(not listing.failure for listing in trial.tried.values())
            most = self.parents - _FIRST_TRY if answered and not candidate.guess else _FIRST_TRY
            fresh = spread([value for value in ids if str(value) not in trial.tried], most)
            self._ask(trial, fresh)
            lists = list(trial.with_rows.values())
            alike = len(lists) > 1 and all(rows == lists[0] for rows in lists)
            refused = len(trial.tried) > _FIRST_TRY and all(listing.failure for listing in trial.tried.values())
            enough = len(lists) > 1 and (candidate.guess or len(trial.tried) > _FIRST_TRY)
            if not fresh or alike or refused or enough:
                break
        trial.every_parent = trial.known_parents is not None and trial.known_parents <= set(trial.tried)

    def _ask(self, trial: Trial, values: Iterable[Id], recursive: str | None = None) -> None:
        wanted = [value for value in values if str(value) not in trial.tried]
        listings = self.explorer.listings([self._asked(trial.candidate, value) for value in wanted])
        for value, listing in zip(wanted, listings, strict=True):
            trial.tried[str(value)] = listing
            trial.rows[str(value)] = flattened(listing.records, recursive)

    def _asked(self, candidate: Candidate, value: Id | None = None) -> Asked:
        along = tuple(self.queries.get(candidate.path, {}).items())
        return Asked(candidate.path, ((str(candidate.parameter), value),) if value is not None else (), along)

    def _ids(self, candidate: Candidate) -> list[Id]:
        if candidate.parent is None or candidate.parent[0] not in self.known:
            return []
        return self.known[candidate.parent[0]].ids(candidate.parent[1])

    def _nonsense(self, trial: Trial, recursive: str | None) -> list[Record] | None:
        """Rows that an id which is none gives, none if it is refused; None if it was not asked."""
        if not trial.with_rows or self.explorer.wire.spent:
            return None
        listing = self.explorer.listing(self._asked(trial.candidate, nonsense(self._ids(trial.candidate))))
        return flattened(listing.records, recursive)

    def _meet(self, trials: list[Trial], recursive: str | None) -> None:
        """Ask routes whose rows name their parent for parents that rows of other routes name: then they can be compared."""
        viable = [trial for trial in trials if trial.viable and trial.candidate.parent]
        for trial in viable:
            if not trial.inclusion_field:
                continue
            for other in viable:
                if other is not trial:
                    named = {value for row in other.all_rows for value in values_at(row, trial.inclusion_field)}
                    fresh = sorted((value for value in named if str(value) not in trial.tried), key=str)
                    possible = [value for value in fresh if trial.known_parents is None or str(value) in trial.known_parents]
                    self._ask(trial, spread(possible, _CHECKED), recursive)

    def _nested(self, trial: Trial, other: Trial) -> dict[str, set[str]]:
        """Parent of `trial` → parents of `other` in it: where the parents of `other` were fetched by those of `trial`."""
        mine, theirs = trial.candidate.parent, other.candidate.parent
        between = self.known.get(theirs[0]) if mine and theirs else None
        link = between.fetch.parent if between else None
        if mine is None or theirs is None or between is None or link is None or (link.entity, link.path) != mine:
            return {}
        return {parent: set(map(str, ids_in(rows, theirs[1]))) for parent, rows in between.trial.rows.items()}

    def _predicted(self, trial: Trial) -> int | None:
        """Requests for all rows this way: parents there are, times the pages of a parent on average."""
        return self._requests(trial) if trial.viable else None

    def _requests(self, trial: Trial) -> int:
        paging = self.explorer.paging.get(trial.candidate.path)
        size = paging.size if isinstance(paging, OffsetPaging) else None
        pages = [1 + (len(listing.records) // size if size else 0) for listing in trial.tried.values() if not listing.failure]
        average = sum(pages) / len(pages) if pages else 1
        if trial.candidate.parent is None:
            return math.ceil(average)
        parent, path = trial.candidate.parent
        return max(1, math.ceil(self.known[parent].count(path) * average))

    def _settled(self, chosen: Trial, recursive: str | None, key: str, records: str | None = None) -> Known:
        """The plan of a chosen route. `records` is where records are, if no answer shows it."""
        candidate, parent = chosen.candidate, chosen.candidate.parent
        locations = [listing.location for listing in chosen.tried.values() if listing.location is not None]
        link = None
        if parent:
            where = candidate.location or "path"
            link = ParentKey(entity=parent[0], path=parent[1], parameter=str(candidate.parameter), location=where)
        fetch = Fetch(
            entity=candidate.entity,
            path=candidate.path,
            query=dict(self.queries.get(candidate.path, {})),
            records=max(locations, key=locations.count, default=records or ""),
            parent=link,
            paging=self.explorer.paging.get(candidate.path, NoPaging()),
            recursive=recursive,
            primary_key=key,
        )
        known = Known(fetch, [], [], False, 0, chosen)
        self._look(known)
        return known

    def _look(self, known: Known) -> None:
        """Bring what is known of an entity up to its trial."""
        trial, parent = known.trial, known.trial.candidate.parent
        whole = all(listing.whole for listing in trial.tried.values())
        known.records = trial.all_rows
        known.whole = whole and (parent is None or trial.every_parent)
        per_parent = sum(map(len, trial.rows.values())) / max(1, len(trial.rows))
        known.rows = len(known.records)
        if parent is not None:
            known.rows = max(known.rows, per_parent * self.known[parent[0]].count(parent[1]))
        known.sample = self._sample(trial)

    def _sample_more(self, entity: str, known: Known) -> None:
        """Ask further parents while the sample is small; a fair share of the requests that are left for each entity."""
        trial = known.trial
        after = list(self.known)[list(self.known).index(entity) :]
        most = (self.explorer.wire.budget - self.explorer.wire.sent) // len(after)
        for _ in range(_ROUNDS if trial.candidate.parent else 0):
            count = min(self.parents, most)
            if len(trial.all_rows) >= self.records or count < 1:
                break
            left = [value for value in self._ids(trial.candidate) if str(value) not in trial.tried]
            self._ask(trial, spread(left, count), known.fetch.recursive)
            most -= count
        trial.every_parent = trial.known_parents is not None and trial.known_parents <= set(trial.tried)
        self._look(known)

    def _sample(self, chosen: Trial) -> list[Record]:
        """First and last rows of each parent, different ones once."""
        lists = list(chosen.with_rows.values())
        quota = max(4, math.ceil(2 * self.records / max(1, len(lists))))
        picked = [row for rows in lists for row in ends(rows, quota)]
        return list({digest(row): row for row in picked}.values())[: 3 * self.records]
