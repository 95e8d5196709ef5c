"""One entity's fields from its sampled records and its description: the canon before it has names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import HASH, PARENT, PARENTS, TREE_PARENT, asked_path, escaped, one_record, split_path
from spectra_assets.intelligence.model import EntityHint, FieldSpec
from spectra_assets.names import child_entity, words
from spectra_assets.stages.asking.answers import values_at
from spectra_assets.stages.prepare.fields.inference import Typed, confidence, measures, typed
from spectra_assets.stages.values.dates import PER_SECOND, as_date, day_first, reading, turned, utc_day
from spectra_assets.stages.values.shapes import Shape, shape_of

_FIELDS_TO_REFUTE = 3
"""Fields from which a description that none of the records agrees with is one of something else."""

SPEC_CONFIDENCE = 0.5
_ENOUGH_DAYS = 3
CHANGED = frozenset(("modified", "updated", "changed", "update", "modification", "mtime", "ts"))
"""Words in the name of a field that says when a record changed."""

_CREATED = frozenset(("created", "creation", "inserted", "added", "create", "ctime", "timestamp"))
_LONGEST_NOTE = 300
_CONTENTS = ("data", "items", "nodes", "edges", "values", "results")
"""Arrays that have no name of their own: that of the record around them says what they hold."""


@dataclass
class _Canoniser:
    entity: str
    specs: dict[str, FieldSpec]
    recursive: str | None
    primary_key: str
    groups: set[str]
    """Names of tables that other arrays and entities have already."""
    fields: dict[str, CanonField] = field(default_factory=dict)
    twins: dict[str, str] = field(default_factory=dict)
    child_groups: dict[str, str] = field(default_factory=dict)
    known_keys: set[str] = field(default_factory=set)
    """Ids of nested records that no sample showed: the description's word has to do."""
    rows: dict[str, int] = field(default_factory=dict)
    """Table → rows of it that the samples hold."""
    called: Mapping[str, str] = field(default_factory=dict)
    """Path → the first one of the same field or array, as rules tell: the array's table is called by that."""

    def walk(self, shape: Shape, prefix: str, group: str, array: bool) -> None:
        """Add every field of the records that `shape` saw below `prefix`."""
        leaves: dict[str, str] = {}
        self.rows.setdefault(group, shape.values)
        for key, below in shape.fields.items():
            raw = prefix + escaped(key)
            if raw == self.recursive:
                continue
            if below.seen == {"record"} and below.fields and not below.is_map:
                self.walk(below, f"{raw}.", group, array)
            elif not array and below.seen == {"array"} and self._is_table(below.items):
                self._child(raw, below.items or Shape())
            elif not array and below.seen <= {"array"} and not _filled(below.items) and self._lists_plain_values(raw):
                self._child(raw, Shape())
            elif not self._described_below(raw, below):
                self._leaf(raw, key, below, group)
                leaves[key] = raw
        self.twins.update(_twins(shape.records, leaves, self.fields))

    def unseen(self) -> None:
        """Add what only the description knows."""
        for raw, spec in self.specs.items():
            array, is_child, _ = raw.partition("[].")
            inside = self.recursive is not None and (raw + ".").startswith((f"{self.recursive}.", f"{self.recursive}[]"))
            if inside or self._covered(raw):
                continue
            if not is_child and self._lists_plain_values(raw):
                self._child(raw, Shape())
                continue
            if is_child and array not in self.child_groups and f"{array}[].id" in self.specs:
                self.known_keys.add(f"{array}[].id")
            group = self._group(array, scalar=False) if is_child else self.entity
            leaf = split_path(raw)[-1].removesuffix("[]")
            self._add(raw, typed(leaf, Shape(), spec), group, SPEC_CONFIDENCE, "spec", 0)

    def _covered(self, raw: str) -> bool:
        known = {*self.fields, *self.specs} - {raw}
        return raw in self.fields or f"{raw}[]" in self.fields or any(k.startswith((f"{raw}.", f"{raw}[].")) for k in known)

    def _described_below(self, raw: str, shape: Shape) -> bool:
        """Whether nothing was seen in here, but the description knows its fields."""
        empty = (shape.seen <= {"record"} and not shape.fields) or (shape.seen == {"array"} and not _filled(shape.items))
        return empty and any(spec.startswith((f"{raw}.", f"{raw}[].")) for spec in self.specs)

    def _lists_plain_values(self, raw: str) -> bool:
        """Whether this is an array of plain values of one type by the description."""
        spec = self.specs.get(raw)
        return spec is not None and spec.type == "array" and spec.items in ("integer", "text")

    def _is_table(self, items: Shape | None) -> bool:
        """Whether an array's items make a table: all records with known keys, or all plain values."""
        if items is None or not items.seen:
            return False
        if items.seen == {"record"}:
            return bool(items.fields) and not items.is_map
        return not items.seen & {"record", "array"}

    def _child(self, raw: str, items: Shape) -> None:
        if items.seen == {"record"}:
            group = self._group(raw, scalar=False)
            self.walk(items, f"{raw}[].", group, array=True)
            self._key_of_child(f"{raw}[].id", items)
            return
        spec = self.specs.get(raw)
        inner = FieldSpec(raw=raw, type=spec.items) if spec and spec.items not in (None, "unknown") else None
        self._leaf(f"{raw}[]", split_path(raw)[-1], items, self._group(raw, scalar=True), inner)

    def _key_of_child(self, raw: str, items: Shape) -> None:
        ids = [record.get("id") for record in items.records]
        if raw in self.fields and None not in ids and len({repr(value) for value in ids}) == len(ids):
            self.fields[raw] = self.fields[raw].model_copy(update={"key": True, "required": True, "nullable": False})

    def _group(self, raw: str, scalar: bool) -> str:
        if raw not in self.child_groups:
            *above, last = split_path(self.called.get(raw, raw))
            outer = above[-1].removesuffix("[]") if above and last in _CONTENTS else last
            self.group(raw, child_entity(self.entity, outer, scalar))
        return self.child_groups[raw]

    def group(self, raw: str, wanted: str) -> str:
        """A free name for the table of what is at `raw`."""
        name, number = wanted, 1
        while name.lower() in self.groups:
            number += 1
            name = f"{wanted}{number}"
        self.groups.add(name.lower())
        self.child_groups[raw] = name
        return name

    def _leaf(self, raw: str, key: str, shape: Shape, group: str, spec: FieldSpec | None = None) -> None:
        spec = spec or self.specs.get(raw)
        found = typed(_named(raw, key), shape, spec)
        evidence = "sample" if shape.seen or spec is None else "spec"
        sure = confidence(found.share * found.certainty, shape.values) if shape.seen else SPEC_CONFIDENCE if spec else 0.0
        self._add(raw, found, group, sure, evidence, shape.solid)

    def _add(self, raw: str, found: Typed, group: str, sure: float, evidence: Any, solid: int) -> None:
        key = raw == self.primary_key or raw in self.known_keys
        self.fields[raw] = CanonField(
            raw=raw, structure=found.structure, target="", type=found.type, required=key, nullable=not key, key=key,
            confidence=sure, evidence=evidence, group=group, date_format=found.date_format,
            values=() if key else found.values, note=found.note[:_LONGEST_NOTE],
            filled=round(min(1.0, solid / rows), 2) if (rows := self.rows.get(group, 0)) else 1.0,
        )  # fmt: skip


def _named(raw: str, key: str) -> str:
    """What a field is called: its key; of the value of a quantity, `amount.value`, the key of the quantity."""
    parts = split_path(raw)
    return parts[-2] if key.lower() == "value" and len(parts) > 1 and measures(parts[-2]) else key


def canonise(
    hint: EntityHint,
    fetch: Fetch,
    order: int,
    records: Sequence[dict[str, Any]],
    reference: str | None,
    parent_types: Sequence[DataType],
    groups: set[str],
    shared: bool = False,
    called: Mapping[str, str] | None = None,
) -> tuple[CanonEntity, dict[str, str]]:
    """The canon of one entity without names, and its twins (raw path of the text date → of the epoch field).

    `records` are flattened already where the entity is a tree. `reference` is the field that holds the parent's id, if the
    children carry one; else a field `@parent` is added, of a composite parent `@parent[0]`, `@parent[1]`, … for each of its
    values (`parent_types`). With keys that are unique below one parent only, these fields belong to the key. If records are
    `shared` between parents, the pairs are a table of their own. `groups` are table names taken so far, in lower case; it grows.
    `called` are the first names of what rules call by another one.
    """
    specs = {f"\\{spec.raw}" if spec.raw.startswith("@") else spec.raw: spec for spec in hint.fields}
    work = _Canoniser(hint.entity, specs, fetch.recursive, fetch.primary_key, groups, called=called or {})
    work.walk(shape_of(records), "", hint.entity, array=False)
    if not _refuted(specs, records):
        work.unseen()
    if reference in work.fields:
        work.fields[reference] = work.fields[reference].model_copy(update={"required": True, "nullable": False})
    fields = _ordered(work.fields.values(), list(specs))
    if shared and reference is None and _pairs_apart(fetch):
        fields.append(_pair(fetch, work, [*parent_types, DataType.TEXT][0]))
    else:
        fields = _with_parent(fields, hint.entity, fetch, reference, parent_types)
    if fetch.pairs is not None:
        fields = _paired(fields, fetch)
    if fetch.primary_key == HASH:
        of_each = one_record(fetch.records) and fetch.key_scope == "parent"  # one record: its parent is what names it
        fields.append(_control(HASH, DataType.TEXT, hint.entity, required=True, key=not of_each))
    if fetch.recursive is not None:
        key_type = work.fields[fetch.primary_key].type if fetch.primary_key in work.fields else DataType.TEXT
        fields.append(_control(TREE_PARENT, key_type, hint.entity, required=False))
    entity = CanonEntity(
        entity=hint.entity,
        order=order,
        fetch=fetch,
        primary_key=fetch.primary_key,
        cursor_field=_cursor(fields, hint.entity, records),
        sample_size=len(records),
        fields=tuple(fields),
    )
    return entity, work.twins


def _refuted(specs: Iterable[str], records: Sequence[dict[str, Any]]) -> bool:
    """Whether the description is one of other records: none of its fields is in any of these."""
    described = {split_path(raw)[0].removesuffix("[]") for raw in specs}
    shown = {key for record in records for key in record}
    return len(described) >= _FIELDS_TO_REFUTE and len(shown) >= _FIELDS_TO_REFUTE and not described & shown


def _with_parent(
    fields: list[CanonField], entity: str, fetch: Fetch, reference: str | None, types: Sequence[DataType]
) -> list[CanonField]:
    """The fields and what names the parent: one of them, or further ones with what the request was made for."""
    if fetch.parent is None:
        return fields
    scoped = fetch.key_scope == "parent"
    if not fetch.parent.composite and any(field.raw == reference for field in fields):
        return [field.model_copy(update={"key": field.key or scoped}) if field.raw == reference else field for field in fields]
    sources = fetch.parent.sources
    raws = [asked_path(place, fetch.parent.composite) for place in range(len(sources))]
    for raw, (owner, path), kind in zip(raws, sources, [*types, *[DataType.TEXT] * len(raws)], strict=False):
        added = _control(raw, kind, entity, required=True, key=scoped)
        named = None if path.startswith("@") else f"{owner}.{path}"
        fields.append(added.model_copy(update={"references": named}))
    return fields


def _paired(fields: list[CanonField], fetch: Fetch) -> list[CanonField]:
    """The parent first, then what belongs to it; of a parent that has one at most, it alone is the key."""
    parent, own = ([field for field in fields if (field.raw == PARENT) is first] for first in (True, False))
    key = not one_record(fetch.records)
    return [*parent, *(field.model_copy(update={"key": key, "required": key, "nullable": not key}) for field in own)]


def _pairs_apart(fetch: Fetch) -> bool:
    """Whether a record that several parents list is one row, so that its parents need a table."""
    link = fetch.parent
    return link is not None and not link.composite and not link.path.startswith("@") and fetch.key_scope == "entity"


def _pair(fetch: Fetch, work: _Canoniser, kind: DataType) -> CanonField:
    """The parent's id in the table of pairs."""
    assert fetch.parent is not None  # noqa: S101  (the caller's condition)
    group = work.group(PARENT, child_entity(fetch.entity, fetch.parent.entity, scalar=True))
    added = _control(PARENTS, kind, group, required=True, key=True)
    return added.model_copy(update={"references": f"{fetch.parent.entity}.{fetch.parent.path}"})


def _control(raw: str, kind: DataType, group: str, required: bool, key: bool = False) -> CanonField:
    return CanonField(
        raw=raw, structure="scalar", target="", type=kind, required=required, nullable=not required, key=key, group=group
    )


def _filled(items: Shape | None) -> bool:
    return items is not None and bool(items.seen)


def _ordered(fields: Iterable[CanonField], specs: list[str]) -> list[CanonField]:
    """In the order of the description, then the others by name."""
    place = {raw: number for number, raw in enumerate(specs)}
    return sorted(fields, key=lambda f: (place.get(f.raw, place.get(f.raw.removesuffix("[]"), len(specs))), f.raw))


def _cursor(fields: Sequence[CanonField], entity: str, records: Sequence[dict[str, Any]]) -> str | None:
    """The field that tells when a record changed last, or else was created: of those in all records the highest one.

    One that some records lack, or that only the description knows, comes after the others.
    """
    ranked: list[tuple[int, int, int, str]] = []
    for place, known in enumerate(fields):
        said = {word.lower() for word in words(split_path(known.raw)[-1])} if not known.raw.startswith("@") else set()
        if known.group != entity or known.type != DataType.TIMESTAMP or not said & (CHANGED | _CREATED):
            continue
        complete = bool(records) and all(any(True for _ in values_at(record, known.raw)) for record in records)
        if said & CHANGED or complete:
            rank = (0 if complete else 2) if said & CHANGED else 1
            ranked.append((rank, len(split_path(known.raw)), place, known.raw))
    return min(ranked)[-1] if ranked else None


def _twins(records: Sequence[dict[str, Any]], leaves: dict[str, str], fields: dict[str, CanonField]) -> dict[str, str]:
    """Text dates of these records that show the UTC day of epoch milliseconds wherever both are there: raw path → raw path."""
    times = [(key, fields[raw]) for key, raw in leaves.items() if fields[raw].type in (DataType.TIMESTAMP, DataType.DATE)]
    texts = [(key, found) for key, found in times if found.date_format not in PER_SECOND and found.evidence == "sample"]
    epochs = [(key, found) for key, found in times if not found.date_format and found.evidence == "sample"]
    scored: list[tuple[int, float, int, int, CanonField, CanonField, str]] = []
    for place, (text, text_field) in enumerate(texts):
        for epoch, epoch_field in epochs:
            match = _matches(records, text, epoch)
            if match is None:
                continue
            pattern, days, together = match
            likeness = len(_stems(text) & _stems(epoch))
            if likeness or days >= _ENOUGH_DAYS:
                scored.append((-likeness, -together, place, len(scored), text_field, epoch_field, pattern))
    found: dict[str, str] = {}
    for *_, text_field, epoch_field, pattern in sorted(scored, key=lambda entry: entry[:4]):
        if text_field.raw not in found and epoch_field.raw not in found.values():
            found[text_field.raw] = epoch_field.raw
            changes = {"date_format": pattern, "type": DataType.TIMESTAMP, "note": f"shows the day of {epoch_field.raw}"}
            fields[text_field.raw] = text_field.model_copy(update=changes)
    return found


def _matches(records: Sequence[dict[str, Any]], text: str, epoch: str) -> tuple[str, int, float] | None:
    """(pattern, different days, share of records that have both or neither) if all pairs agree in one pattern."""
    pairs = [(record.get(text), utc_day(record.get(epoch))) for record in records]
    both = [(value, day) for value, day in pairs if isinstance(value, str) and value.strip() and day]
    if not both:
        return None
    for pattern in _patterns([value for value, _ in both]):
        read = [(as_date(value, pattern), day) for value, day in both]
        readable = [(a, b) for a, b in read if a is not None]
        if readable and all(a == b for a, b in readable):
            alike = sum(bool(value) == bool(day) for value, day in pairs) / len(pairs)
            return pattern, len({day for _, day in readable}), alike
    return None


def _patterns(values: Sequence[str]) -> list[str]:
    best = reading(values, 0.5)
    if best is None:
        return []
    return [best.pattern, turned(best.pattern)] if day_first(best.pattern) else [best.pattern]


def _stems(name: str) -> set[str]:
    return {word.lower()[:5] for word in words(name) if word.lower() not in ("date", "on", "at", "time", "datetime")}
