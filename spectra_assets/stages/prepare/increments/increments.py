"""Prepare: for each entity whether its lists can be asked for what changed since the last time, proven on real rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from spectra_assets.client.pager import first
from spectra_assets.covenant.access import Fetch, Incremental
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import escaped, one_record
from spectra_assets.intelligence.model import Endpoint
from spectra_assets.stages.asking.answers import Record
from spectra_assets.stages.asking.moments import EPOCH_MILLIS, EPOCH_SECONDS
from spectra_assets.stages.asking.parents import parent_paths, values_of
from spectra_assets.stages.asking.sampling import Asked, Explorer, read_sample, spread
from spectra_assets.stages.asking.searches import numeric
from spectra_assets.stages.asking.wire import Wire
from spectra_assets.stages.cursors import mergeable, refuted
from spectra_assets.stages.log import waiting
from spectra_assets.stages.prepare.increments.naming import candidates, pages_by, tells_change
from spectra_assets.stages.prepare.increments.proof import PAGES, Known, Proven, Seeker, known_list
from spectra_assets.stages.prepare.prepare import schema_table
from spectra_assets.stages.work import Draft, Work, action

SHARE = 0.25
"""Part of the setting `probe_requests` that these proofs may send, of what Source and Prepare left of it."""

_PARENTS = 6
"""Parents whose lists are looked at until enough have rows to prove by."""

_LISTS = 2


@action("prepare.prove_increments")
def prove_increments(draft: Draft, work: Work) -> None:
    """Give the fetch plans of the canon their `incremental`, where rows prove it. Changes the evidence `canon`.

    A way that was proven before stays if the budget is used up, and goes if its cursor was refuted by a sweep. Evidence
    `increments` ({entity: how it was seen, or why there is no way}).
    """
    canon: list[CanonEntity] = draft.evidence.get("canon", [])
    before = _before(work)
    wire = Wire(work.client, budget_left(work, SHARE)) if work.asks and any(_cursors(entity) for entity in canon) else None
    told: dict[str, str] = {}
    tombstones: dict[str, Sequence[Record]] = {}
    found: list[CanonEntity] = []
    for entity in canon:
        earlier = [each.fetch.incremental.parameter for each in found if each.fetch.incremental is not None]
        known = before.get(entity.entity)
        proven, told[entity.entity] = (
            _proven(work, wire, entity, known, earlier, tombstones) if work.asks else (known, "as it was proven")
        )
        fetch = entity.fetch.model_copy(update={"incremental": proven})
        found.append(entity.model_copy(update={"fetch": fetch} | ({"cursor_field": proven.cursor} if proven else {})))
        if proven is not None:
            work.say(f"{entity.entity}: what changed is asked for by {proven.parameter}: {told[entity.entity]}"[:300])
    draft.evidence |= {"canon": found, "increments": told, "tombstones": tombstones}
    draft.rows = schema_table(found)
    draft.notes["incremental"] = sum(entity.fetch.incremental is not None for entity in found)


def _proven(
    work: Work,
    wire: Wire | None,
    entity: CanonEntity,
    before: Incremental | None,
    earlier: Sequence[str],
    tombstones: dict[str, Sequence[Record]],
) -> tuple[Incremental | None, str]:
    """How an entity is asked for what changed, and how that was seen or why there is no way.

    `before` is what was proven of it the last time, `earlier` are parameters proven of other entities; `tombstones` gets the
    records that only come among the changed ones.
    """
    fetch = entity.fetch
    cursors = _cursors(entity)
    if wire is None or not cursors:
        return None, "no field tells when a record changed"
    if not mergeable(fetch) or one_record(fetch.records):
        return None, "its rows can't be replaced one by one"
    gone = refuted(work.lakehouse, entity.entity, work.now)
    cursor = next((each for each in cursors if each not in gone), None)
    if cursor is None:
        return None, f"{cursors[0]} can't be used to ask for changes: {gone[cursors[0]]}"
    known = next((each for each in work.pack.endpoints if (each.method, each.path) == (fetch.method, fetch.path)), None)
    if known is None:
        return None, "its endpoint is not in the catalogue"
    names = [name for name in candidates(known, cursor) if not _taken(fetch, name)]
    likely = [before.parameter] if before is not None and before.cursor == cursor else []
    likely += [name for name in earlier if name in names]
    names = list(dict.fromkeys([*likely, *names]))
    if not names:
        return None, "the description names no parameter for it"
    explorer = Explorer(wire, work.pack, {fetch.path: fetch.paging}, {fetch.path: fetch.records})
    lists = _lists(work, explorer, entity, cursor)
    if lists:
        seeker = Seeker(explorer, lists)
        way = seeker.found(names)
        if way is not None:
            tombstones[entity.entity] = way.tombstones
            return _way(work, known, cursor, way), way.evidence
        why, torn = seeker.why, seeker.torn
    else:
        why, torn = "no list read has rows of different instants", ""
    if wire.spent or not lists or torn:
        why = "the budget of requests is used up" if wire.spent else torn or why
        return before, f"{'as proven before; ' if before else ''}{why}"
    return None, why


def _way(work: Work, endpoint: Endpoint, cursor: str, way: Proven) -> Incremental:
    number = endpoint.method == "POST" and way.form in (EPOCH_SECONDS, EPOCH_MILLIS) and numeric(endpoint, way.parameter)
    source = work.covenant.source
    settings = {name: int(work.playbooks.setting(name, source)) for name in ("overlap_seconds", "sweep_runs", "sweep_days")}
    return Incremental(cursor=cursor, parameter=way.parameter, form=way.form, boundary=way.boundary, number=number, **settings)


def _cursors(entity: CanonEntity) -> list[str]:
    """Fields of its own that say when a record changed, the entity's cursor first."""
    own = [
        field.raw
        for field in entity.fields
        if field.group == entity.entity
        and field.type in (DataType.TIMESTAMP, DataType.DATE)
        and "[]" not in field.raw
        and not field.raw.startswith("@")
        and tells_change(field.raw)
    ]
    return sorted(own, key=lambda raw: raw != entity.cursor_field)


def _lists(work: Work, explorer: Explorer, entity: CanonEntity, cursor: str) -> list[Known]:
    """Lists of the entity that can show whether a filter works, as they are without one."""
    found: list[Known] = []
    for asked in _asked(work, entity.fetch, explorer.pack.search(entity.fetch.path)):
        if explorer.wire.spent or len(found) >= _LISTS:
            break
        known = known_list(asked, explorer.listing(asked, PAGES), cursor)
        if known is not None:
            found.append(known)
    return found


def _asked(work: Work, fetch: Fetch, search: Endpoint | None) -> Iterator[Asked]:
    query = (*fetch.query.items(), *(_constants(fetch, search) if search is not None else ()))
    if fetch.parent is None:
        yield Asked(fetch.path, (), query)
        return
    if fetch.parent.across is not None or any(path.startswith("@") for path in parent_paths(fetch.parent)):
        return
    parents = [
        value for record in read_sample(work.lakehouse, fetch.parent.entity) for value in values_of(record, None, fetch.parent)
    ]
    parameters = [fetch.parent.parameter, *(fill.parameter for fill in fetch.parent.also)]
    for value in spread(list(dict.fromkeys(parents)), _PARENTS):
        values = value if isinstance(value, tuple) else (value,)
        yield Asked(fetch.path, tuple(zip(parameters, values, strict=True)), query)


def _constants(fetch: Fetch, search: Endpoint) -> Iterator[tuple[str, str]]:
    """What the plan's body holds beside what every body of this search must."""
    for name, value in (fetch.body or {}).items():
        if name not in (search.body or {}) and isinstance(value, str | int | float):
            yield escaped(name), str(value).lower() if isinstance(value, bool) else str(value)


def _taken(fetch: Fetch, name: str) -> bool:
    """Whether the plan sends this parameter for something else."""
    paging = [str(value) for key, value in fetch.paging.model_dump().items() if key.endswith("_param") and value]
    parent = [fetch.parent.parameter] if fetch.parent else []
    return pages_by([*first(fetch.paging).query, *paging, *fetch.query, *(fetch.body or {}), *parent], name)


def _before(work: Work) -> Mapping[str, Incremental]:
    """What was proven the last time, of plans that ask for the same."""
    return {each.entity: each.fetch.incremental for each in work.entities_before if each.fetch.incremental is not None}


def budget_left(work: Work, share: float) -> int:
    """What Source and Prepare left of their requests in this run, up to a share of them."""
    sent = sum(
        len(record["requests"])
        for record in waiting(work.lakehouse)
        if record["manifest"]["runId"] == work.run_id and record["manifest"]["stage"] in ("source", "prepare")
    )
    return max(0, min(int(share * work.requests_allowed), work.requests_allowed - sent))
