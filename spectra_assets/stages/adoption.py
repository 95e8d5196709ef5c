"""What of a new covenant is taken over by itself: what rules say, and of what the data are now all that breaks nobody's tables.

Held back is by entity: one whose records no longer fit what its tables promise stays in the canon as it was when the covenant in
force was made, and everybody else's news arrive. So the covenant of the run is designed as any other one, from a canon that is in
part the one of before, which lies in the lakehouse's `Files/canon.json` under the covenant's version, with the rules of then.
Where rules changed since, what they are about is as it is now, and the rest is looked at as if they had not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from spectra_assets.covenant.canon import Canon, CanonEntity, CanonField
from spectra_assets.covenant.diff import Change, diff
from spectra_assets.covenant.following import unused
from spectra_assets.covenant.model import Covenant, Table
from spectra_assets.covenant.paths import INDEX
from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.model import Pack
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import Stage, TableRef
from spectra_assets.playbook.model import Notice
from spectra_assets.playbook.rules import OF_CANON, BaseRule
from spectra_assets.playbook.rules.rule import fits
from spectra_assets.settings import Settings
from spectra_assets.stages.design import canon_of, design, playbooks_of
from spectra_assets.stages.origin import Origin, keep, known
from spectra_assets.stages.values.numbers import NONE

_BY_LAST_KEYS = ("withhold", "pii")
"""Kinds of rules whose `scope.field` names the last keys of a path, whatever their case."""

_ASKED = frozenset(("route", "endpoint", "records", "paging"))
"""Kinds of rules that say how an entity is asked for, and nothing of its fields."""

_NOTHING = frozenset((*NONE, "[]", "{}"))
"""Texts that say no more than an empty cell: a word for none, a list or record without anything."""

_FIRST_DAYS = timedelta(days=7)
"""For so long a figure may give way to one that is made of columns of which nothing was known."""

_ROUNDS = 4
"""Times that a covenant is designed at most, each with more held back, before all of it is."""


@dataclass(frozen=True)
class Made:
    """A covenant as it was designed, with its canon and what a person should know of it."""

    covenant: Covenant
    canon: Canon
    notices: tuple[Notice, ...] = ()
    kept: bool = True
    """Whether the covenant was made from this canon: it may have been made elsewhere."""


@dataclass(frozen=True)
class Adopted:
    """What a run goes by. `held` is what would break and was not taken over, `entities` whose it is; none of them named: nothing
    at all of what the data are now was."""

    made: Made
    held: tuple[Change, ...] = ()
    entities: tuple[str, ...] = ()
    why: str = ""
    """Why nothing at all was, where that is not for what breaks alone."""


def adopt(settings: Settings, pack: Pack, now: Covenant, made: Made, published: Collection[str]) -> Adopted:
    """What to go by where `now` is in force and `made` is what rules and data make of it, without what of the data breaks
    `published` tables. What only the rules change, a person or a proven lesson wants so; and who adds entities wants the star
    that they come to."""
    base, why = _by_rules(settings, pack, now, made)
    lakehouse = _lakehouse(settings, now)
    known = {entity.entity for entity in base.canon.entities}
    grown = base.kept and any(entity.entity not in known for entity in made.canon.entities)
    held = _broken(lakehouse, base.covenant, made.covenant, published)
    if not held or (grown and _arranged(held, base.covenant)):
        return Adopted(made)
    breaking, back = held, set[str]()
    for _ in range(_ROUNDS if base.kept else 0):
        more = _whose(breaking, base.covenant, made.covenant) & known - back
        if not more:
            break
        back |= more
        canon = mixed(base.canon, made.canon, back)
        try:
            covenant, notices = design(settings, pack, canon)
        except DocumentError:  # what stays and what is new can't be one covenant
            break
        breaking = _broken(lakehouse, base.covenant, covenant, published)
        if not breaking or (grown and _arranged(breaking, base.covenant)):
            kept = tuple(change for change in held if change not in breaking)
            return Adopted(Made(covenant, canon, tuple(notices)), kept, tuple(sorted(back)))
    return Adopted(base, held, why=why)


def taken_over(
    settings: Settings, pack: Pack, now: Covenant | None, published: Collection[str], canon: Canon | None = None
) -> Made:
    """The covenant by the playbooks and by what was sampled, or the `canon`, as far as it is taken over where `now` is in force.
    Raises what `canon_of` and `design` raise."""
    canon = canon or canon_of(settings, pack)
    covenant, notices = design(settings, pack, canon)
    made = Made(covenant, canon, tuple(notices))
    return made if now is None else adopt(settings, pack, now, made, published).made


def published(settings: Settings, covenant: Covenant) -> set[str]:
    """The tables of a covenant that somebody may read."""
    lakehouse = _lakehouse(settings, covenant)
    return {table.table for table in covenant.tables() if lakehouse.exists(table.ref)}


def _by_rules(settings: Settings, pack: Pack, now: Covenant, made: Made) -> tuple[Made, str]:
    """The covenant in force, with what the rules alone change of it. Where nobody can tell that from what the data change, it is
    the covenant in force as it is, and why: what breaks is held back whoever wants it."""
    same = now.pipeline.documents == made.covenant.pipeline.documents
    kept = known(_lakehouse(settings, now), now.version)
    if kept is None:
        unknown = f"what version {now.version} was made from is not known in this lakehouse"
        why = "" if same else f"{unknown}, so what rules want can't be told from what the data do"
        return Made(now, made.canon, kept=False), why
    before, rules = kept
    if same:
        return Made(now, before), ""
    changed = _changed(rules, _rules_of(settings, pack.source))
    canon = ruled(before, made.canon, changed)
    try:
        covenant, notices = design(settings, pack, canon)
    except DocumentError as error:
        return Made(now, before), f"what rules want can't be had without what the data changed: {error}"
    return Made(covenant, canon, tuple(notices)), ""


def mixed(before: Canon, now: Canon, back: Collection[str]) -> Canon:
    """The canon of now, the entities `back` as they were before."""
    kept = {entity.entity: entity for entity in before.entities if entity.entity in back}
    fresh = {entity.entity: entity for entity in now.entities}
    place = {name: entity.order for name, entity in {**kept, **fresh}.items()}
    both = {**fresh, **kept}
    return Canon(entities=tuple(both[name] for name in sorted(both, key=lambda name: (place[name], name))))


def ruled(before: Canon, now: Canon, changed: Iterable[Mapping[str, Any]]) -> Canon:
    """The canon of before, with what the `changed` rules are about as it is now: fields, how entities are asked for, or all of
    one where a rule is about its key."""
    rules = [rule for rule in changed if rule["kind"] in OF_CANON]
    fresh = {entity.entity: entity for entity in now.entities}
    kept = [_believed(entity, _ruled(entity, fresh.get(entity.entity), rules)) for entity in before.entities]
    there = {entity.entity for entity in before.entities}
    named = {rule["scope"]["entity"] for rule in rules}
    added = [each for name, each in fresh.items() if name in named - there]
    return Canon(entities=(*(entity for entity in kept if entity is not None), *added))


def _believed(before: CanonEntity, now: CanonEntity | None) -> CanonEntity | None:
    """The entity of now, its declared totals believed as before: no rule is about them."""
    if now is None or before.fetch.totals == "notCredible":
        return now
    return now.model_copy(update={"fetch": now.fetch.model_copy(update={"totals": before.fetch.totals})})


def _ruled(before: CanonEntity, now: CanonEntity | None, rules: Sequence[Mapping[str, Any]]) -> CanonEntity | None:
    about = [rule for rule in rules if _about(rule, before) or (now is not None and _about(rule, now))]
    raws = {field.raw for each in (before, now) if each is not None for field in each.fields}
    named = [_paths(rule, raws) for rule in about]
    paths = {path for found in named if found is not None for path in found}
    keys = {before.primary_key} | ({now.primary_key} if now is not None else set())
    if not paths and None not in named:
        return before
    if now is None or _touched(paths, keys):
        return now
    whole = {rule["kind"] for rule, found in zip(about, named, strict=True) if found is None}
    if whole:
        return _asked_otherwise(before, now) if whole <= _ASKED and len(keys) == 1 else now
    comes = {field.raw: field for field in now.fields if _touched(paths, (field.raw,))}
    stays = _keyed_as_now(before, now, comes, [field for field in before.fields if not _touched(paths, (field.raw,))])
    order = [field.raw for field in before.fields]
    if not any(rule["kind"] == "rename" for rule in about):
        comes = _named_as_before(before, now, stays, comes)
    came = _in_tables_of_their_own(now, stays, comes.values())
    fields = sorted((*stays, *came), key=lambda field: order.index(field.raw) if field.raw in order else len(order))
    return before.model_copy(update={"fields": tuple(fields)})


def _keyed_as_now(
    before: CanonEntity, now: CanonEntity, comes: Mapping[str, CanonField], stays: Sequence[CanonField]
) -> list[CanonField]:
    """The fields that stay. Where one that comes is no key of its array any more, or is one now, the others are the key as they
    are now: what ties an element to its record is its key only if it has no other."""
    keys = {(field.group, field.raw): field.key for field in now.fields}
    own = [field for field in before.fields if field.group != before.entity]
    other = {field.group for field in own if field.raw in comes and comes[field.raw].key != field.key}
    return [
        field.model_copy(update={"key": keys.get((field.group, field.raw), field.key)}) if field.group in other else field
        for field in stays
    ]


def _asked_otherwise(before: CanonEntity, now: CanonEntity) -> CanonEntity:
    """How the entity is asked for is as it is now. New fields come with it, and none of those that were promised goes or becomes
    another one: that is of the data, and for a gap of its own."""
    there = {(field.raw, field.group) for field in now.fields}
    stays = [field for field in before.fields if not field.raw.startswith("@") or (field.raw, field.group) in there]
    known = {field.raw for field in before.fields}
    comes = _named_as_before(before, now, stays, {field.raw: field for field in now.fields if field.raw not in known})
    return now.model_copy(update={"fields": (*stays, *_in_tables_of_their_own(now, stays, comes.values()))})


def _in_tables_of_their_own(now: CanonEntity, stays: Sequence[CanonField], comes: Iterable[CanonField]) -> list[CanonField]:
    """The fields that come, and what numbers the rows of arrays that come with them. The table of an array that is called as one
    that stays, since the array moved and both are known, has another name."""
    there = {field.group: _array(field.raw) for field in stays if _array(field.raw)}
    came = [field for field in comes if field.raw != INDEX]
    fresh = {field.group for field in came if _array(field.raw) and there.get(field.group) != _array(field.raw)}
    taken = {field.group for field in (*stays, *came)}
    called = {group: unused([group], taken) for group in fresh & there.keys()}
    numbered = {field.group for field in stays if field.raw == INDEX} - called.keys()
    rows = [field for field in now.fields if field.raw == INDEX and field.group in fresh - numbered]
    return [field.model_copy(update={"group": called.get(field.group, field.group)}) for field in (*rows, *came)]


def _array(raw: str) -> str:
    """The path of the innermost array that a field lies in; empty outside of any."""
    return raw.rpartition("[]")[0]


def _named_as_before(
    before: CanonEntity, now: CanonEntity, stays: Sequence[CanonField], comes: Mapping[str, CanonField]
) -> dict[str, CanonField]:
    """The fields that come, each in the column that it had; of several that share one, in that of the first, whose name it has.
    None takes the name of one that stays: what is new may be called as that but for its capitals, and gave it another number."""
    held = {field.raw: field.target for field in before.fields}
    had = {(field.group, field.target): held[field.raw] for field in reversed(now.fields) if field.raw in held}
    taken = {(field.group, field.target.lower()) for field in stays}
    found: dict[str, CanonField] = {}
    given: dict[tuple[str, str], str] = {}
    for raw, field in comes.items():
        own = (field.group, field.target)
        if own in had:
            given[own] = had[own]
        elif own not in given:
            given[own] = unused([field.target], {name for group, name in taken if group == field.group})
        taken.add((field.group, given[own].lower()))
        found[raw] = field.model_copy(update={"target": given[own]})
    return found


def _about(rule: Mapping[str, Any], entity: CanonEntity) -> bool:
    scope = rule["scope"]
    if rule["kind"] == "endpoint":
        return entity.fetch.path in (rule["path"], rule["instead"])
    return fits(scope["entity"], entity.entity)


def _paths(rule: Mapping[str, Any], raws: Iterable[str]) -> list[str] | None:
    """JSON paths (patterns) of the fields that a rule is about, `raws` being those there are; None if it is about the whole
    entity."""
    field = rule["scope"]["field"]
    if rule["kind"] in _BY_LAST_KEYS:
        return [raw for raw in raws if _ends_with(field, raw)]
    pairs = [path for pair in (rule.get("paths") or {}).items() for path in pair]
    return [*([field] if field != "*" else ()), *(rule.get("also") or ()), *pairs] or None


def _ends_with(field: str, raw: str) -> bool:
    """Whether a path, or one around it, ends with the keys of `field`."""
    pattern, keys = field.replace("[]", "").lower(), raw.replace("[]", "").lower().split(".")
    return any(fits(f"*.{pattern}", "." + ".".join(keys[:count])) for count in range(1, len(keys) + 1))


def _touched(paths: Iterable[str], raws: Iterable[str]) -> bool:
    """Whether one of the fields is named by a path, or lies below or around one that is."""
    named = [*paths]
    return any(
        fits(path, raw)
        or fits(path, raw.rpartition(".")[2])
        or raw.startswith((f"{path}.", f"{path}[]"))
        or path.startswith((f"{raw}.", f"{raw}[]"))
        for raw in raws
        for path in named
    )


def _rules_of(settings: Settings, source: str) -> dict[str, Any]:
    """Id → rule, of all that are for the source."""
    rules = playbooks_of(settings).rules(BaseRule, source)
    return {rule.id: rule.model_dump(mode="json") for rule in rules}


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rules that came, went, or say something else, as they were and as they are."""
    unlike = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [rules[name] for name in unlike for rules in (before, now) if name in rules]


def _broken(lakehouse: Lakehouse, now: Covenant, new: Covenant, published: Collection[str]) -> tuple[Change, ...]:
    read = as_read(lakehouse, now, new)
    changes = [change for change in diff(read, new) if change.breaking and change.table in published]
    return tuple(change for change in changes if read is now or not _is_of_first_days(lakehouse, change.table, new))


def _is_of_first_days(lakehouse: Lakehouse, table: str, new: Covenant) -> bool:
    """Whether a table is a figure of the first days that is not made any more: it was chosen while nothing was known of columns
    that have values by now, no run has brought another version of it, and its table stays until `retire` archives it."""
    ref = TableRef.parse(table)
    if ref.schema != Stage.ANALYSE or any(each.table == table for each in new.tables()):
        return False
    state = lakehouse.describe(ref)
    return state.version == 0 and datetime.now(UTC) - state.written_at <= _FIRST_DAYS


def as_read(lakehouse: Lakehouse, now: Covenant, new: Covenant) -> Covenant:
    """The covenant `now` without the columns of which `new` makes something else and that never had a value: a day on which the
    API left them empty was all that said what they are, and nobody has read anything in them."""
    after = {table.table: table.columns for table in new.tables()}
    blank: dict[str, set[str]] = {}
    for table in now.tables():
        kept = after.get(table.table, table.columns)
        other = {name for name, column in table.columns.items() if name not in kept or kept[name].type != column.type}
        if other.difference(table.primary_key) and lakehouse.exists(table.ref):
            blank[table.table] = lakehouse.blank(table.ref, other.difference(table.primary_key), _NOTHING)
    return _without(now, blank) if any(blank.values()) else now


def as_before(lakehouse: Lakehouse, now: Covenant, new: Covenant, run_id: str) -> Covenant:
    """The covenant `now` without the columns, and the tables, that `new` does not have and that no run before this one brought:
    nobody has read them. Raises StorageError."""
    after = {table.table: table.columns for table in new.tables()}
    fresh: dict[str, set[str]] = {}
    for table in now.tables():
        gone = table.columns.keys() - after.get(table.table, {}).keys()
        if gone and lakehouse.exists(table.ref) and (stood := lakehouse.columns_before(table.ref, run_id)) is not None:
            fresh[table.table] = gone - stood
    whole = {name for name, columns in fresh.items() if name not in after and columns == now.table(name).columns.keys()}
    return _without(now, fresh, whole)


def _without(covenant: Covenant, columns: Mapping[str, Collection[str]], tables: Collection[str] = ()) -> Covenant:
    """The covenant without these columns of its tables, and without these tables."""

    def less(table: Table) -> Table:
        gone = columns.get(table.table, ())
        return table.model_copy(update={"schema_": [column for column in table.schema_ if column.name not in gone]})

    stages = [
        stage.model_copy(update={"outputs": [less(table) for table in stage.outputs if table.table not in tables]})
        for stage in covenant.pipeline.stages
    ]
    return covenant.model_copy(update={"pipeline": covenant.pipeline.model_copy(update={"stages": stages})})


def _arranged(changes: Iterable[Change], now: Covenant) -> bool:
    """Whether only tables of the star and its figures change. Entities that are new, which a person named or had discovered, have
    them arranged anew: a dimension for what was a fact, other figures."""
    changed = {change.table for change in changes}
    return all(table.entity is None for table in now.tables() if table.table in changed)


def _whose(changes: Iterable[Change], now: Covenant, new: Covenant) -> set[str]:
    """The entities whose records make these changes: those of the Extract and Clean tables among them; where there is none, all
    that the others are made from."""
    tables: Mapping[str, Table] = {table.table: table for covenant in (new, now) for table in covenant.tables()}
    names = [change.table for change in changes if change.table in tables]
    own = {entity for name in names if (entity := tables[name].entity) is not None}
    return own or {entity for name in names for entity in _behind(name, tables, set())}


def _behind(name: str, tables: Mapping[str, Table], seen: set[str]) -> set[str]:
    if name in seen or name not in tables:
        return set()
    seen.add(name)
    entity = tables[name].entity
    if entity is not None:
        return {entity}
    return {found for above in tables[name].inputs for found in _behind(above, tables, seen)}


def keep_canon(settings: Settings, covenant: Covenant, canon: Canon) -> None:
    """Remember from which canon and rules the covenant was made that is in force, or is to be. Raises StorageError."""
    keep(_lakehouse(settings, covenant), covenant.version, Origin(canon, _rules_of(settings, covenant.source)))


def kept_canon(settings: Settings, covenant: Covenant) -> Canon | None:
    """The canon that the covenant was made from, if that is known."""
    kept = known(_lakehouse(settings, covenant), covenant.version)
    return kept.canon if kept is not None else None


def _lakehouse(settings: Settings, covenant: Covenant) -> Lakehouse:
    return Lakehouse(settings.lakehouse_root, covenant.source)
