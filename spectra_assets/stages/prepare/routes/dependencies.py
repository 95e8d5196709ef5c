"""The proof of dependencies: entities walked parents first, every candidate route tried on real ids, one of them chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from spectra_assets.covenant.access import Fetch, NoPaging
from spectra_assets.covenant.paths import HASH, one_record
from spectra_assets.intelligence.model import EntityHint, Pack
from spectra_assets.stages.asking.answers import Record, recursive_field
from spectra_assets.stages.asking.sampling import Explorer, ends, spread
from spectra_assets.stages.asking.searches import always
from spectra_assets.stages.asking.wire import NOT_TRIED
from spectra_assets.stages.prepare.routes import vacancy
from spectra_assets.stages.prepare.routes.candidates import Ways
from spectra_assets.stages.prepare.routes.identity import Key, find_key
from spectra_assets.stages.prepare.routes.known import Known
from spectra_assets.stages.prepare.routes.memberships import Membership, memberships
from spectra_assets.stages.prepare.routes.routes import Candidate, Trial, best, missing, unlike
from spectra_assets.stages.prepare.routes.trying import ROUNDS, Trier, nested
from spectra_assets.stages.values.shapes import digest


@dataclass
class Prover:
    """Walks the entities of a pack. `parents` and `records` are how many a route is tried with and an entity sampled."""

    explorer: Explorer
    pack: Pack
    parents: int
    records: int
    pairs: int = 2_000
    """Requests at most for an entity that is asked for by pairs of two parents, or that only tells pairs."""
    queries: Mapping[str, dict[str, str]] = field(default_factory=dict)
    """Path → what must be sent along."""
    known: dict[str, Known] = field(default_factory=dict)
    trials: dict[str, list[Trial]] = field(default_factory=dict)
    unproven: dict[str, str] = field(default_factory=dict)
    missed: dict[str, str] = field(default_factory=dict)
    """Entity → what another route of it shows, and the chosen one does not."""

    _too_many: dict[str, str] = field(default_factory=dict)
    """Entities that would take too many requests → why."""
    _short: set[str] = field(default_factory=set)
    """Entities of which candidates were left when their share of the requests was used up."""

    def __post_init__(self) -> None:
        self._ways = Ways(self.pack, self.known)
        self._trier = Trier(self.explorer, self.parents, self.known, self.queries)

    def run(self) -> None:
        """Prove a route for every entity, those first whose possible parents are done; then refute guesses and sample on.

        What matters most comes first, as the budget may not suffice for all. Of entities that need each other those come
        first which may be listed without a parent.
        """
        left = {hint.entity: hint for hint in self.pack.entities}
        parents = {entity: self._ways.parents(hint) - {entity} for entity, hint in left.items()}
        while left:
            hint = min(left.values(), key=lambda hint: self._readiness(hint, parents[hint.entity] & set(left)))
            del left[hint.entity]
            self._prove_somehow(hint)
        self._retry()
        self._postpone()
        for hint in self.pack.entities:
            if hint.entity not in self.unproven and self.known[hint.entity].trial.viable:
                self._refute(hint)
        for entity, known in self.known.items():
            if known.trial.viable:
                self._sample_more(entity, known)
        for membership in memberships(self.trials, self.known, self._trier.requests):
            self._pair(membership)

    def _pair(self, membership: Membership) -> None:
        """Follow the lists that tell what belongs together, unless that takes too many requests."""
        name, entity, path = membership.name, membership.entity, membership.trial.candidate.path
        if membership.requests > self.pairs:
            told = f"{membership.told} is not read: GET {path} would tell it in {membership.requests:,} requests"
            self._miss(entity, f"{told}, more than the setting parent_pairs ({self.pairs:,})")
            return
        key, above = self.known[entity].key, self.known[membership.link.entity]
        trial = membership.read(key.path)
        known = self._settled(trial, None, replace(key, scope="parent"))
        one = one_record(known.fetch.records) and above.key == replace(above.key, path=membership.link.path, scope="entity")
        known.fetch = known.fetch.model_copy(update={"pairs": entity, "completes": membership.link.entity if one else None})
        self.known[name], self.trials[name] = known, [trial]

    def _readiness(self, hint: EntityHint, waiting: set[str]) -> tuple[bool, int]:
        alone = any("{" not in path for path in hint.routes)
        return (bool(waiting) and not alone, len(waiting))

    def _prove_somehow(self, hint: EntityHint) -> None:
        """By what the pack names; else by other fields of the parents named, by any field; else by having no record."""
        named = self._fresh(hint, self._ways.named(hint))
        self._prove(hint, [candidate for candidate in named if not candidate.also])
        if hint.entity in self.unproven or any(candidate.also for candidate in named):
            self._prove_by_one(hint, [candidate for candidate in named if candidate.also], every_path=True)
        if hint.entity in self.unproven and self._known_empty(hint):
            self._vacate(hint)
        if hint.entity in self.unproven:
            self._prove_by_one(hint, self._ways.by_fields(hint))
        if hint.entity in self.unproven:
            self._prove_by_one(hint, self._ways.anywhere(hint))
        if hint.entity in self.unproven:
            self._prove_by_one(hint, self._affordable(hint))
        if hint.entity in self.unproven:
            self._vacate(hint)
        if hint.entity in self.unproven:
            self._prove(hint, list(self._guesses(hint)))

    def _prove_by_one(self, hint: EntityHint, candidates: Iterable[Candidate], every_path: bool = False) -> None:
        """Try candidates one after the other until a route is proven (`every_path`: one on each path), with a third of the
        requests left at most."""
        wire = self.explorer.wire
        last = wire.sent + (wire.budget - wire.sent) // 3
        closed = {path for path in hint.routes if vacancy.barred(path, self.trials[hint.entity])}
        for candidate in self._fresh(hint, candidates):
            if hint.entity not in self.unproven and not every_path:
                return
            if wire.sent >= last:
                self._short.add(hint.entity)
                return
            done = {trial.candidate.path for trial in self.trials[hint.entity] if trial.viable}
            if candidate.path not in closed | done and self._trier.values(candidate):
                self._prove(hint, [candidate])

    def _known_empty(self, hint: EntityHint) -> bool:
        """Whether a route asked for every parent had no row, although it refuses an id that is none: so the ids are those
        that it takes, and other fields need not be tried."""
        trials = self.trials[hint.entity]
        asked = [trial for trial in trials if trial.candidate.parent and vacancy.settled(trial, trials)]
        return bool(asked) and not self.explorer.wire.spent and bool(self._trier.nobody(asked[0]).failure)

    def _affordable(self, hint: EntityHint) -> Iterator[Candidate]:
        """Pairs of parents that have nothing to do with each other, unless there are too many of them to ask for all."""
        for candidate in self._ways.across(hint):
            link = candidate.link
            pairs = int(self._trier.product(link)) if link else 0
            if pairs <= self.pairs:
                yield candidate
                continue
            trial = Trial(candidate)
            trial.evidence = (
                f"{candidate.told} are {pairs:,} pairs, one request each: more than the setting parent_pairs ({self.pairs:,})"
            )
            self.trials[hint.entity].append(trial)
            self._too_many[hint.entity] = trial.evidence

    def _fresh(self, hint: EntityHint, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Those that were not tried, each once."""
        done = {_mark(trial.candidate) for trial in self.trials.get(hint.entity, ()) if trial.tried}
        return list({_mark(each): each for each in candidates if _mark(each) not in done}.values())

    def _retry(self) -> None:
        """Entities that could not be proven, now that others are known; and routes of proven ones that had no parent then."""
        before: set[str] | None = None
        while self.unproven and set(self.unproven) != before:
            before = set(self.unproven)
            for entity in sorted(before):
                hint = self.pack.entity(entity)
                able = [each for each in self._fresh(hint, self._ways.named(hint)) if self._trier.values(each)]
                if able:
                    self.trials[entity] = [trial for trial in self.trials[entity] if trial.tried]
                    self._prove(hint, able)
        for entity, known in list(self.known.items()):
            hint = self.pack.entity(entity)
            done = {trial.candidate.path for trial in self.trials[entity] if trial.viable and trial.candidate.also}
            for candidate in self._fresh(hint, self._ways.named(hint)):
                if known.trial.viable and candidate.path not in done and self._trier.values(candidate):
                    self._compare(entity, known, candidate)

    def _postpone(self) -> None:
        """Tell the entities that the budget left no request for from those that the data speaks against; what hangs on one of
        them was not tried either."""
        for entity, why in self._too_many.items():
            if entity in self.unproven:
                self.unproven[entity] = f"{why}; {self.unproven[entity]}"[:1000]
        waiting: set[str] = set()
        while True:
            fresh = {
                entity
                for entity in self.unproven.keys() - waiting
                if entity in self._short
                or any(trial.cut for trial in self.trials[entity])
                or self._ways.parents(self.pack.entity(entity)) & waiting
            }
            if not fresh:
                break
            waiting |= fresh
        for entity in waiting:
            self.unproven[entity] = f"{NOT_TRIED}; {self.unproven[entity]}"[:1000]

    def _compare(self, entity: str, known: Known, candidate: Candidate) -> None:
        """Try a route that comes too late to be chosen, as its parent hangs on this entity: it may show what is missed."""
        trials = self.trials[entity]
        trials[:] = [trial for trial in trials if _mark(trial.candidate) != _mark(candidate)]
        trial = self._trier.tried(candidate)
        self._trier.judge(trial, known.fetch.recursive)
        trials.append(trial)
        if trial.viable:
            key = known.key.path if known.key.scope == "entity" else None
            more = missing(known.trial, trial, key, {})
            if more:
                self._miss(entity, f"{more} rows of GET {candidate.path} by {candidate.told} are not among those of the route")
            own = candidate.parent is not None and candidate.parent[0] == entity
            trial.evidence += "; it takes ids of the entity itself: no route to begin with" if own else "; its parent hangs on it"

    def _guesses(self, hint: EntityHint) -> Iterator[Candidate]:
        """Parameters that a person would try because of their names: they must be refuted where the server ignores them.

        Of an entity whose route is known, its ancestors' ids; else those of every entity known.
        """
        others = list(self.known) if hint.entity in self.unproven else self._ancestors(hint.entity)
        for path in hint.routes:
            endpoint = self._ways.endpoint(path)
            documented = {name.lower() for name in endpoint.query}
            for other in [] if endpoint.path_parameters else others:
                if f"{other}id".lower() not in documented and other != hint.entity:
                    yield Candidate(hint.entity, path, f"{other}id".lower(), "query", (other, "id"), guess=True)

    def _ancestors(self, entity: str) -> list[str]:
        """Parent, its parent and so on along the chosen routes, and whatever another proven route hangs on."""
        found: list[str] = []
        waiting = [entity]
        while waiting:
            for trial in self.trials.get(waiting.pop(0), ()):
                parent = trial.candidate.parent[0] if trial.viable and trial.candidate.parent else None
                if parent is not None and parent != entity and parent not in found:
                    found.append(parent)
                    waiting.append(parent)
        return found

    def _prove(self, hint: EntityHint, candidates: list[Candidate]) -> None:
        """Try the candidates, and choose among all tried so far."""
        trials = self.trials.setdefault(hint.entity, [])
        trials += [self._trier.tried(candidate) for candidate in candidates]
        recursive = recursive_field([row for trial in trials for rows in trial.rows.values() for row in rows])
        self._judge_all(hint, trials, recursive)
        other = unlike(trials)
        alike = [trial for trial in trials if id(trial) not in other]
        if sum(trial.viable for trial in alike) > 1:
            for trial in alike:
                if trial.viable:
                    self._trier.deepen(trial, recursive)
            self._trier.meet(alike, recursive)
        for trial in trials:
            trial.predicted = self._trier.requests(trial) if trial.viable else None
        chosen, why = best(alike, self._common_key(hint, alike), lambda one, two: nested(self.known, one, two))
        if chosen is None:
            tried = "; ".join(f"{t.candidate.path} {', '.join(t.candidate.parameters)} {t.verdict}: {t.evidence}" for t in trials)
            self.unproven[hint.entity] = f"{why}: {tried or self._no_way(hint)}"[:1000]
            return
        self.unproven.pop(hint.entity, None)
        self.missed.pop(hint.entity, None)
        chosen.evidence += f"; {why}"
        if why.startswith("misses"):
            self._miss(hint.entity, f"{chosen.candidate.path} {why.partition(';')[0]}")
        for trial in trials:
            if id(trial) in other:
                trial.evidence += f"; records of another kind: {other[id(trial)]}"
                self._miss(hint.entity, f"{trial.candidate.path} lists records of another kind: {other[id(trial)]}")
        key = self._key(hint, chosen)
        chosen.evidence += f"; key: {key.evidence}"
        self.known[hint.entity] = self._settled(chosen, recursive, key)

    def _judge_all(self, hint: EntityHint, trials: list[Trial], recursive: str | None) -> None:
        """Judge what is new; where rows name their parent by a field called after another entity, try that one too."""
        for trial in list(trials):
            self._trier.judge(trial, recursive)
            if trial.viable and trial.inclusion_field and trial.candidate.parent:
                for other in self._fresh(hint, self._ways.by_inclusion(hint, trial.candidate, trial.inclusion_field)):
                    if all(_mark(other) != _mark(each.candidate) for each in trials):
                        trials.append(self._trier.tried(other))
                        self._trier.judge(trials[-1], recursive)

    def _miss(self, entity: str, what: str) -> None:
        self.missed[entity] = f"{self.missed[entity]}; {what}"[:1000] if entity in self.missed else what

    def _no_way(self, hint: EntityHint) -> str:
        """Why there is nothing to try."""
        own = [path for path in hint.routes if self._ways.parents(hint) == {hint.entity}]
        if own:
            return f"GET {own[0]} takes ids of {hint.entity} itself, and no other route lists it: there is nowhere to begin"
        return f"nothing is known to fill the parameters of {', '.join(hint.routes) or 'any route'}"

    def _common_key(self, hint: EntityHint, trials: list[Trial]) -> str | None:
        """A key by which the rows of different routes can be compared; None: only by their content."""
        lists = {str(place): trial.all_rows for place, trial in enumerate(trials) if trial.viable}
        key = find_key(hint.entity, lists, len(lists) > 1, hint.key)
        return key.path if key.path[:1] != "@" else None

    def _key(self, hint: EntityHint, chosen: Trial) -> Key:
        reference = chosen.inclusion_field if (chosen.inclusion or 0) >= 1 else None
        candidate = chosen.candidate
        # what several values name has no table of pairs that would tell whose a record is
        key = find_key(hint.entity, chosen.rows, candidate.parent is not None, hint.key, reference, apart=bool(candidate.also))
        single = bool(chosen.all_rows) and all(one_record(each.location) for each in chosen.tried.values() if each.records)
        return replace(key, scope="parent") if key.path == HASH and single and candidate.parent is not None else key

    def _vacate(self, hint: EntityHint) -> None:
        """Choose a route of an entity that has no record: every answer of it was empty, or there is no parent to ask for.

        Before, further parents are asked. If one has rows after all, they are judged as always. An entity whose routes all
        failed in another way stays without one.
        """
        trials = self.trials[hint.entity]
        if any(trial.all_rows for trial in trials):
            return
        for trial in sorted(filter(vacancy.silent, trials), key=lambda trial: len(self._trier.unasked(trial))):
            self._trier.ask_all(trial)
            if trial.all_rows:
                self._prove(hint, [])
                return
            trial.predicted = self._trier.requests(trial)
            if vacancy.settled(trial, trials):
                break
        open_ = [trial for trial in trials if not vacancy.barred(trial.candidate.path, trials)]
        chosen = vacancy.pick(open_) or next(filter(self._lacks_parents, open_), None)
        if chosen is None:
            return
        records = hint.records if chosen.tried else self._trier.nobody(chosen).location or hint.records
        chosen.predicted = self._trier.requests(chosen)
        chosen.verdict, chosen.evidence = "empty", f"{self._emptiness(chosen)}; nothing to prove the route by"
        self.unproven.pop(hint.entity, None)
        self.known[hint.entity] = self._settled(chosen, hint.recursive, Key(vacancy.key_of(hint)), records)

    def _lacks_parents(self, trial: Trial) -> bool:
        """Whether the entity that a route hangs on is known to have no id to ask with, and the endpoint works."""
        candidate = trial.candidate
        parent = self.known.get(candidate.parent[0]) if candidate.parent else None
        lacking = set(self._ways.endpoint(candidate.path).path_parameters) - set(candidate.parameters)
        if trial.tried or parent is None or lacking or self._trier.values(candidate):
            return False
        known_to_have_none = parent.whole or parent.trial.verdict == "empty"
        return known_to_have_none and vacancy.answers_nobody(self._trier.nobody(trial), candidate.location == "path")

    def _emptiness(self, trial: Trial) -> str:
        if trial.candidate.parent is None:
            return "no rows without a parent"
        if not trial.tried:
            return f"there is no {trial.candidate.told} to ask with"
        known = "all there are" if trial.every_parent else f"of {len(self._trier.values(trial.candidate))} known"
        return f"{len(trial.tried)} parents asked ({known}), none had rows"

    def _refute(self, hint: EntityHint) -> None:
        """Try the guesses for an entity whose route is chosen already."""
        recursive = self.known[hint.entity].fetch.recursive
        for candidate in self._guesses(hint):
            trial = self._trier.tried(candidate)
            self._trier.judge(trial, recursive)
            self.trials[hint.entity].append(trial)

    def _settled(self, chosen: Trial, recursive: str | None, key: Key, records: str | None = None) -> Known:
        """The plan of a chosen route. `records` is where records are, if no answer shows it."""
        candidate = chosen.candidate
        locations = [listing.location for listing in chosen.tried.values() if listing.location is not None]
        place = max(locations, key=locations.count, default=records or "")
        search, along = self.pack.search(candidate.path), dict(self.queries.get(candidate.path, {}))
        fetch = Fetch(
            entity=candidate.entity,
            method="GET" if search is None else "POST",
            path=candidate.path,
            query=along if search is None else {},
            body=None if search is None else always(search, along),
            records=place,
            parent=candidate.link,
            paging=NoPaging() if one_record(place) else self.explorer.paging.get(candidate.path, NoPaging()),
            recursive=recursive,
            primary_key=key.path,
            key_scope=key.scope,
        )
        known = Known(fetch, [], False, 0, chosen, key)
        self._look(known)
        return known

    def _look(self, known: Known) -> None:
        """Bring what is known of an entity up to its trial."""
        trial, link = known.trial, known.trial.candidate.link
        known.whole = trial.whole and (link is None or trial.every_parent)
        known.rows = self._trier.rows(trial)
        known.sample = self._sample(trial)

    def _sample_more(self, entity: str, known: Known) -> None:
        """Ask further parents while the sample is small; a fair share of the requests that are left for each entity."""
        trial = known.trial
        after = list(self.known)[list(self.known).index(entity) :]
        most = (self.explorer.wire.budget - self.explorer.wire.sent) // len(after)
        for _ in range(ROUNDS if trial.candidate.parent else 0):
            count = min(self.parents, most)
            if len(trial.all_rows) >= self.records or count < 1:
                break
            self._trier.ask(trial, spread(self._trier.unasked(trial), count), known.fetch.recursive)
            most -= count
        self._look(known)
        self._look_again_at_key(entity, known)

    def _look_again_at_key(self, entity: str, known: Known) -> None:
        """The key by all rows seen: a larger sample may show that values repeat."""
        key = self._key(self.pack.entity(entity), known.trial)
        if (key.path, key.scope) != (known.key.path, known.key.scope):
            known.trial.evidence += f"; key by the larger sample: {key.evidence}"
            known.key = key
            known.fetch = known.fetch.model_copy(update={"primary_key": key.path, "key_scope": key.scope})

    def _sample(self, chosen: Trial) -> list[Record]:
        """First and last rows of each parent, different ones once."""
        lists = list(chosen.with_rows.values())
        quota = max(4, math.ceil(2 * self.records / max(1, len(lists))))
        picked = [row for rows in lists for row in ends(rows, quota)]
        return list({digest(row): row for row in picked}.values())[: 3 * self.records]


def _mark(candidate: Candidate) -> tuple[str, tuple[str, ...], str | None, tuple[str, ...]]:
    """What makes two candidates the same one."""
    parent = candidate.parent[0] if candidate.parent else None
    return candidate.path, tuple(candidate.parameters), parent, tuple(candidate.sources)
