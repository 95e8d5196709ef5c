"""Keys: records that lack theirs, that share one, or that come more than once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.paths import HASH
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.fields import renamed_together
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.plans import listed, promised_plan_of
from spectra_assets.learning.remedy.registry import EXTRACT, PREPARE, carried, remedies_for, rule, scope
from spectra_assets.learning.remedy.renames import goes_on, renamed, unknown_paths
from spectra_assets.names import TableRef
from spectra_assets.playbook.rules import PrimaryKeyRule
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.prepare.routes.identity import find_key
from spectra_assets.stages.values.shapes import digest

_VERSIONS = 0.5
"""Share of equal fields from which records under one key are versions of one thing and not different things."""

_TOLD = 5
"""Keys that a question names."""

_PAGES = 20
"""Pages of a list that are read once more."""

_SHARED, _SHARE = 3, 0.01
"""Records below several parents, and share of all, that show how it is: fewer may have moved while the lists were read."""

_CODE = re.compile(r"(?!\d{4}-\d\d-\d\d)\S*\d\S*|[A-Z]{2,12}")
"""A text that names something: no blank, and a digit in it, or capitals alone; no date."""

_FEW = 0.1
"""Share of the records up to which those without a key of their own are slips, and the key is what it was."""

_MANY = 10
"""Records from which a field may be believed to tell them apart, whatever its name."""

Lists = Mapping[str, Sequence[Sequence[Record]]]


@remedies_for(Cause.DUPLICATE_ROWS, Cause.WRONG_KEY, Cause.MISSING_KEY)
def keys(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """Versions of one record are de-duplicated; records that only share their key get another one."""
    entity = facts.entity(facts.entity_of(gap.full_table))
    if entity is None:
        return
    entity = entity.model_copy(update={"primary_key": facts.promised_key(entity)})
    lists: Lists = facts.lists(entity.entity) or {"": [facts.published(entity.entity)]}
    if goes_on(entity, entity.primary_key, [record for pages in lists.values() for page in pages for record in page], facts):
        return  # another gap of the same change brought it
    if renames := [*_renamed_key(gap, facts, entity, lists)]:
        yield from renames
        return
    groups = _repeated(entity, lists)
    cursor = _cursor(entity, groups)
    if groups and (_identical(groups) or (cursor is not None and _alike(groups, (entity.primary_key, cursor)) >= _VERSIONS)):
        yield from _deduplicated(gap, facts, entity, lists, groups, cursor)
    if not groups:
        yield from _below_parents(gap, facts, entity, lists)
    every = [record for pages in lists.values() for page in pages for record in page]
    lacking = sum(next(values_at(record, entity.primary_key), None) in (None, "") for record in every)
    again = sum(len(group) - 1 for group in groups)
    if 0 < lacking + again <= _FEW * len(every):  # nobody gives up a key for them
        few = _few_lacking(gap, facts, entity, lacking, len(every))
        yield from few if lacking else _few_again(gap, facts, entity, groups, len(every))
    else:
        yield from _other_key(gap, facts, entity, lists)


def _few_lacking(gap: Gap, facts: Facts, entity: CanonEntity, lacking: int, total: int) -> Iterator[Remedy]:
    """Some records without a key may be set aside, so that the others arrive."""
    path = entity.primary_key
    if path.startswith("@") or not carried(path):
        return
    why = f"{lacking} of {total} records have no {path}, which tells all others apart"
    needs = (
        f"{why}. Mended at the source, they come by themselves. Yes sets those that have none aside, now and later, where "
        f"`solution-engine quarantine list {gap.source}` counts them, and the others arrive; no keeps {gap.full_table} as it is"
    )
    yield rule(RemedyKind.SET_ASIDE, PREPARE, "required", scope(gap, facts, path), {"required": True}, why, needs)


def _few_again(gap: Gap, facts: Facts, entity: CanonEntity, groups: Sequence[Sequence[Record]], total: int) -> Iterator[Remedy]:
    """Of some records under one key the last may count, though they differ."""
    path = entity.primary_key
    keys = [str(next(values_at(group[0], path))) for group in groups]
    if path.startswith("@") or not carried(path, *keys[:_TOLD]):
        return
    again = sum(len(group) - 1 for group in groups)
    why = f"{again} of {total} records have another one's {path} ({', '.join(keys[:_TOLD])}{', …' if len(keys) > _TOLD else ''})"
    needs = (
        f"{why} and other values. Mended at the source, they come by themselves. Yes keeps the last one under each {path} and "
        f"leaves out the others, now and later; no keeps {gap.full_table} as it is"
    )
    yield rule(RemedyKind.DEDUPLICATE, EXTRACT, "deduplicate", scope(gap, facts), {"key": path}, why, needs)


def _below_parents(gap: Gap, facts: Facts, entity: CanonEntity, lists: Lists) -> Iterator[Remedy]:
    """What several parents list, each once, is a row of each of them."""
    path, fetch = entity.primary_key, entity.fetch
    if fetch.parent is None or fetch.key_scope == "parent" or path == HASH or not carried(path):
        return
    keys = {
        parent: {str(key) for page in pages for record in page for key in values_at(record, path)}
        for parent, pages in lists.items()
    }
    rows = sum(map(len, keys.values()))
    again = rows - len(set().union(*keys.values()))
    if again:
        why = f"{again} of {rows} records came below several parents, and no list has one twice: they are a row of each parent"
        needs = _ruled(gap, facts, entity) or _alters(gap, facts, path, again < max(_SHARED, _SHARE * rows))
        values = {"path": path, "within": "parent"}
        yield rule(RemedyKind.PRIMARY_KEY, PREPARE, "primary_key", scope(gap, facts), values, why, needs)


def _alters(gap: Gap, facts: Facts, path: str, few: bool) -> str | None:
    """Why only a person may have what names the parent in the key; None where nobody reads the table yet."""
    if few:
        return "so few may have gone from one parent to another while their lists were read: the next run tells"
    stands = TableRef.parse(gap.full_table)
    return (
        f"the published {stands} is told apart by {path}: with the parent in it the key is another one, and so is the table"
        if facts.lakehouse.exists(stands)
        else None
    )


def _ruled(gap: Gap, facts: Facts, entity: CanonEntity) -> str | None:
    """Why only a person may give the entity another key: one said what it is."""
    person = [each for each in facts.playbooks.rules(PrimaryKeyRule, gap.source, entity.entity) if each.lesson is None]
    return f"the rule {person[-1].id} says the key {person[-1].path}: only a person may change that" if person else None


def _renamed_key(gap: Gap, facts: Facts, entity: CanonEntity, lists: Lists) -> Iterator[Remedy]:
    """The key under another name, alone or with other fields, where no record has it any more and a field nobody knew holds the
    keys of before."""
    records = [record for pages in lists.values() for page in pages for record in page]
    if gap.cause != Cause.MISSING_KEY or any(next(values_at(record, entity.primary_key), None) for record in records):
        return
    yield from renamed_together(gap, facts, entity, records, entity.primary_key)
    for new in unknown_paths(facts, entity, records):
        found = renamed(entity, new, records, facts)
        if found is not None and found[0] == entity.primary_key and carried(new, found[0]):
            why = f"no record has {found[0]} any more, and {new} holds {found[1]} of the keys of before: it was renamed"
            yield rule(RemedyKind.FOLLOW_RENAME, PREPARE, "alias", scope(gap, facts, found[0]), {"also": [new]}, why)
            return


def _deduplicated(
    gap: Gap, facts: Facts, entity: CanonEntity, lists: Lists, groups: Sequence[Sequence[Record]], cursor: str | None
) -> Iterator[Remedy]:
    again = sum(len(group) - 1 for group in groups)
    told = f"are versions, told apart by {cursor}" if cursor else "are equal to the letter"
    moved = cursor is None and _across_pages(entity, lists)
    why = f"{again} records came again under a key that had come before, and {told}: one of each is kept"
    needs = None
    if moved and _stands_still(facts, entity, lists):
        why = f"{why}; asked again, the list is the same record by record, so that no page moved"
    elif moved:
        needs = "equal records stand on different pages: pages may have moved while they were read, so that others are missing"
    if not carried(entity.primary_key):
        return
    values = {"key": entity.primary_key} | ({"by": cursor} if cursor else {})
    yield rule(RemedyKind.DEDUPLICATE, EXTRACT, "deduplicate", scope(gap, facts), values, why, needs)


def _other_key(gap: Gap, facts: Facts, entity: CanonEntity, lists: Lists) -> Iterator[Remedy]:
    rows = {parent: [record for page in pages for record in page] for parent, pages in lists.items()}
    total = sum(map(len, rows.values()))
    if not total:
        return
    every = [record for records in rows.values() for record in records]
    path = _named_key(entity, rows) or _only_key(entity, every)
    if path is None or path in (HASH, entity.primary_key) or not _tells_apart(every, path) or not carried(path):
        return
    needs = _ruled(gap, facts, entity)
    if needs is None and not _like_codes(every, path):
        needs = f"{path} is different in the {total} records of now, but its values are no codes: the next one may come again"
    why = f"{entity.primary_key} does not tell {total} records apart; {path} has a different value in each of them"
    yield rule(RemedyKind.PRIMARY_KEY, PREPARE, "primary_key", scope(gap, facts), {"path": path}, why, needs)


def _like_codes(records: Sequence[Record], path: str) -> bool:
    """Whether the values at the path are numbers or codes, and not what people write or when something was."""
    values = [value for record in records for value in values_at(record, path)]
    return all(isinstance(value, int) or (isinstance(value, str) and _CODE.fullmatch(value)) for value in values)


def _named_key(entity: CanonEntity, rows: Mapping[str, Sequence[Record]]) -> str | None:
    """The field that is a key by its name and by its values."""
    hidden = {parent: [_without(record, entity.primary_key) for record in records] for parent, records in rows.items()}
    found = find_key(entity.entity, hidden, entity.fetch.parent is not None)
    return found.path if found.scope == "entity" and found.path != HASH else None


def _only_key(entity: CanonEntity, records: Sequence[Record]) -> str | None:
    """The one field of the canon that tells many records apart, whatever its name; None if there are several."""
    if len(records) < _MANY:
        return None
    able = [
        field.raw
        for field in entity.fields
        if field.group == entity.entity and field.type in ("text", "int64") and field.pii == "none"
        and field.raw != entity.primary_key and not field.raw.startswith("@") and _tells_apart(records, field.raw)
    ]  # fmt: skip
    return able[0] if len(able) == 1 else None


def _tells_apart(records: Sequence[Record], path: str) -> bool:
    """Whether each record has a value at the path that no other one has."""
    values = [str(value) for record in records for value in values_at(record, path) if value not in (None, "")]
    return len(set(values)) == len(values) == len(records)


def _alike(groups: Sequence[Sequence[Record]], but: Sequence[str]) -> float:
    """Share of the fields that are equal in records under one key, these left out: high in versions of one thing."""
    same = total = 0
    for group in groups:
        for other in group[1:]:
            names = (group[0].keys() | other.keys()) - set(but)
            total += len(names)
            same += sum(group[0].get(name) == other.get(name) for name in names)
    return same / total if total else 1.0


def _without(record: Record, path: str) -> Record:
    """The record without its present key, so that another one is found."""
    return {name: value for name, value in record.items() if name != path}


def _repeated(entity: CanonEntity, lists: Lists) -> list[list[Record]]:
    """The records that share a key within one list."""
    found: list[list[Record]] = []
    for pages in lists.values():
        by_key: dict[str, list[Record]] = defaultdict(list)
        for page in pages:
            for record in page:
                key = next(values_at(record, entity.primary_key), None)
                if key not in (None, ""):
                    by_key[str(key)].append(record)
        found += [group for group in by_key.values() if len(group) > 1]
    return found


def _identical(groups: Sequence[Sequence[Record]]) -> bool:
    return all(len({digest(record) for record in group}) == 1 for group in groups)


def _across_pages(entity: CanonEntity, lists: Lists) -> bool:
    """Whether a record stands on more than one page."""
    for pages in lists.values():
        seen: dict[str, int] = {}
        for number, page in enumerate(pages):
            for record in page:
                key = str(next(values_at(record, entity.primary_key), ""))
                if key and seen.setdefault(key, number) != number:
                    return True
    return False


def _stands_still(facts: Facts, entity: CanonEntity, lists: Lists) -> bool:
    """Whether the list, read once more, holds the same records in the same order: what stands in it twice does so for good."""
    plan = promised_plan_of(entity.entity, facts)
    pages = lists.get("")
    listing = listed(plan, facts, _PAGES) if plan is not None and pages is not None and len(lists) == 1 else None
    if listing is None or pages is None or not listing.whole:
        return False
    return [digest(record) for record in listing.records] == [digest(record) for page in pages for record in page]


def _cursor(entity: CanonEntity, groups: Sequence[Sequence[Record]]) -> str | None:
    """The field whose values differ between all records that differ under one key, and says which is newer."""
    paths = [entity.cursor_field] if entity.cursor_field else []
    paths += [field.raw for field in entity.fields if field.group == entity.entity and field.type in ("timestamp", "date")]
    for path in dict.fromkeys(paths):
        if carried(path) and all(_tells(group, path) for group in groups):
            return path
    return None


def _tells(group: Sequence[Record], path: str) -> bool:
    different = list({digest(record): record for record in group}.values())
    values = [str(value) for record in different for value in values_at(record, path) if value not in (None, "")]
    return len(different) > 1 and len(set(values)) == len(different)
