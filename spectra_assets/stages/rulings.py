"""What the playbooks' rules say over what was described, found and sampled: of a source's pack, fetch plans and fields.

Rules have the last word, a route excepted: that is proven like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from spectra_assets.covenant.access import (
    CursorPaging,
    Fetch,
    KeysetPaging,
    LinkPaging,
    NextPaging,
    NoPaging,
    OffsetPaging,
    PagePaging,
    Paging,
    Server,
    Withheld,
)
from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.intelligence.model import Endpoint, EntityHint, FieldSpec, Identifier, Pack
from spectra_assets.playbook.model import Playbooks
from spectra_assets.playbook.rules import (
    AddFieldRule,
    AliasesRule,
    AliasRule,
    BaseRule,
    DateFormatRule,
    DeduplicateRule,
    EndpointRule,
    PagingRule,
    PrimaryKeyRule,
    RecordsRule,
    RefusedRule,
    RequiredRule,
    RouteRule,
    TypeRule,
    WithholdRule,
)
from spectra_assets.stages.values.numbers import ALL_FORMATS as NUMBER_FORMATS

FORMATS = " | "
"""Between the date formats of one column."""

_MADE: dict[DataType, Any] = {
    DataType.INT64: "integer",
    DataType.FLOAT64: "number",
    DataType.DECIMAL: "number",
    DataType.BOOL: "boolean",
    DataType.TIMESTAMP: "text",
    DataType.DATE: "text",
    DataType.TEXT: "text",
    DataType.JSON: "unknown",
}
"""Type of a column → how a description would call what fills it."""


# ---------------------------------------------------------------- the pack


def ruled_server(server: Server, playbooks: Playbooks, source: str) -> Server:
    """The server, asked no faster than the setting `requests_per_minute` allows, its credential proven where the endpoint for
    that went, and without what rules withhold."""
    moved = [rule.instead for rule in playbooks.rules(EndpointRule, source) if rule.instead and rule.path == server.probe]
    if moved:
        server = server.model_copy(update={"probe": moved[-1]})
    withheld = [Withheld(field=rule.scope.field, how=rule.how) for rule in playbooks.rules(WithholdRule, source)]
    server = server.model_copy(update={"withheld": withheld}) if withheld else server
    most = int(playbooks.setting("requests_per_minute", source))
    if not most:
        return server
    per_second = min(most / 60, server.requests_per_second or most / 60)
    return server.model_copy(update={"requests_per_second": per_second})


def ruled_pack(pack: Pack, playbooks: Playbooks) -> Pack:
    """The pack with what rules of kind field, records, route and endpoint say."""
    for route in playbooks.rules(RouteRule, pack.source):
        pack = _with_route(pack, route) if route.use else _without_parameter(pack, route)
    for endpoint in playbooks.rules(EndpointRule, pack.source):
        pack = _without_endpoint(pack, endpoint)
    hints = [_ruled_hint(hint, playbooks, pack.source) for hint in pack.entities]
    identifiers = _with_aliases(pack, playbooks)
    changes = {"entities": hints, "identifiers": identifiers}
    same = hints == pack.entities and identifiers == pack.identifiers
    return pack if same else pack.model_copy(update=changes)


def _with_aliases(pack: Pack, playbooks: Playbooks) -> list[Identifier]:
    """The identifiers, which fields fill by each of their names."""
    names = {
        f"{hint.entity}.{name.path}": [f"{hint.entity}.{path}" for path in name.also]
        for hint in pack.entities
        for name in names_of(playbooks, pack.source, hint.entity)
    }
    if not names:
        return pack.identifiers
    return [
        each.model_copy(
            update={"candidates": list(dict.fromkeys(name for one in each.candidates for name in (one, *names.get(one, ()))))}
        )
        for each in pack.identifiers
    ]


def _ruled_hint(hint: EntityHint, playbooks: Playbooks, source: str) -> EntityHint:
    known = {spec.raw for spec in hint.fields}
    new = [
        spec
        for rule in playbooks.rules(AddFieldRule, source, hint.entity)
        for spec in _specs(rule)
        if spec.raw not in known and not known.add(spec.raw)  # type: ignore[func-returns-value]
    ]
    described = {spec.raw: spec for spec in hint.fields}
    for name in names_of(playbooks, source, hint.entity):  # by each of its names a field is what the description says of it
        new += [described[name.path].model_copy(update={"raw": path}) for path in name.also
                if name.path in described and path not in known]  # fmt: skip
    records = playbooks.rules(RecordsRule, source, hint.entity)
    changes: dict[str, Any] = {"fields": [*hint.fields, *new]} if new else {}
    if records:
        changes["records"] = records[-1].at
    return hint.model_copy(update=changes) if changes else hint


def _specs(rule: AddFieldRule) -> list[FieldSpec]:
    """The field as a description would have it, and what lies below it."""
    path = rule.scope.field
    below = f"{path}[]." if rule.list_ else f"{path}."
    inner = [FieldSpec(raw=f"{below}{name}", type=_MADE[DataType(kind)]) for name, kind in rule.fields.items()]
    kind = _MADE[DataType(rule.data_type)]
    if rule.list_:
        items = "record" if inner else kind
        return [FieldSpec(raw=path, type="array", items=items), *inner]
    return inner or [FieldSpec(raw=path, type=kind)]


def _with_route(pack: Pack, rule: RouteRule) -> Pack:
    path, parameter = rule.path or "", rule.parameter
    endpoints = list(pack.endpoints)
    place = next((n for n, each in enumerate(endpoints) if each.method == "GET" and each.path == path), None)
    if place is None:
        place = len(endpoints)
        endpoints.append(Endpoint(method="GET", path=path, group="", origin="discovered"))
    known = endpoints[place]
    if parameter and parameter not in (*known.query, *known.path_parameters):
        endpoints[place] = known.model_copy(update={"query": [*known.query, parameter]})
    entities = [
        hint.model_copy(update={"routes": list(dict.fromkeys([path, *hint.routes]))})
        if rule.applies(pack.source, hint.entity)
        else hint
        for hint in pack.entities
    ]
    identifiers = list(pack.identifiers)
    if parameter and rule.parent:
        mine = Identifier(parameter=parameter, candidates=[rule.parent], path=path)
        identifiers = [mine, *(each for each in identifiers if (each.parameter, each.path) != (parameter, path))]
    excluded = {key: why for key, why in pack.excluded.items() if key != path}
    return pack.model_copy(
        update={"endpoints": endpoints, "entities": entities, "identifiers": identifiers, "excluded": excluded}
    )


def _without_parameter(pack: Pack, rule: RouteRule) -> Pack:
    """The parameter is no more among those that the endpoints of the entity name."""
    mine = {path for hint in pack.entities if rule.applies(pack.source, hint.entity) for path in hint.routes}
    mine = {path for path in mine if rule.path in (None, path)}
    endpoints = [
        each.model_copy(update={"query": [name for name in each.query if name != rule.parameter]}) if each.path in mine else each
        for each in pack.endpoints
    ]
    return pack.model_copy(update={"endpoints": endpoints})


def _without_endpoint(pack: Pack, rule: EndpointRule) -> Pack:
    """The path is no route any more; an entity that has no other one is left out, and every endpoint stays accounted for."""
    instead = [rule.instead] if rule.instead else []
    entities = []
    for hint in pack.entities:
        if rule.path in hint.routes:
            routes = [path for path in hint.routes if path != rule.path]
            hint = hint.model_copy(update={"routes": list(dict.fromkeys([*instead, *routes]))})
        if hint.routes:
            entities.append(hint)
    endpoints = list(pack.endpoints)
    if rule.instead and rule.instead.rstrip("/") == rule.path.rstrip("/"):  # the same one, written another way
        here = {"path": rule.instead}
        endpoints = [each.model_copy(update=here) if each.path == rule.path else each for each in endpoints]
    if rule.instead and all(each.path != rule.instead for each in endpoints):
        old = next((each for each in endpoints if each.method == "GET" and each.path == rule.path), None)
        endpoints.append(Endpoint(method="GET", path=rule.instead, group="", query=old.query if old else [], origin="discovered"))
    identifiers = [each for each in pack.identifiers if each.path != rule.path]
    identifiers += [
        each.model_copy(update={"path": rule.instead}) for each in pack.identifiers if rule.instead and each.path == rule.path
    ]
    excluded = {key: why for key, why in pack.excluded.items() if key != rule.instead} | {rule.path: rule.reason}
    return pack.model_copy(
        update={"entities": entities, "endpoints": endpoints, "identifiers": identifiers, "excluded": excluded}
    )


# ---------------------------------------------------------------- fetch plans


def ruled_fetch(fetch: Fetch, playbooks: Playbooks, source: str) -> Fetch:
    """The plan with what rules of kind endpoint, primary_key, records, paging, deduplicate, refused and required say."""
    changes: dict[str, Any] = {}
    for moved in playbooks.rules(EndpointRule, source):
        if moved.instead and moved.path == fetch.path:
            changes["path"] = moved.instead
    for renamed in names_of(playbooks, source, fetch.entity):
        if renamed.path == fetch.primary_key:
            changes["primary_key"] = renamed.also[-1]
    if fetch.parent is not None:
        for renamed in names_of(playbooks, source, fetch.parent.entity):
            if renamed.path == fetch.parent.path:
                changes["parent"] = fetch.parent.model_copy(update={"path": renamed.also[-1]})
    if shared := [rule.key for rule in playbooks.rules(DeduplicateRule, source, fetch.entity) if rule.key]:
        changes["primary_key"] = shared[-1]
    if keys := playbooks.rules(PrimaryKeyRule, source, fetch.entity):
        changes["primary_key"] = keys[-1].path
        if keys[-1].within == "parent" and fetch.parent is not None:
            changes["key_scope"] = "parent"
    if records := playbooks.rules(RecordsRule, source, fetch.entity):
        changes["records"] = records[-1].at
    if paging := playbooks.rules(PagingRule, source, fetch.entity):
        changes["paging"] = paging_of(paging[-1])
    if playbooks.rules(DeduplicateRule, source, fetch.entity):
        changes["repeats"] = "lawful"
    if refused := playbooks.rules(RefusedRule, source, fetch.entity):
        changes["refused"] = sorted({parent for rule in refused for parent in rule.parents})
    key = changes.get("primary_key", fetch.primary_key)
    needs = playbooks.rules(RequiredRule, source, fetch.entity, key)
    if needs and needs[-1].required and (needs[-1].scope.entity, needs[-1].scope.field) == (fetch.entity, key):
        changes["keyless"] = "aside"
    return fetch.model_copy(update=changes) if changes else fetch


def has_ruled_key(playbooks: Playbooks, source: str, entity: str) -> bool:
    """Whether a rule says what tells the records of an entity apart."""
    shared = any(rule.key for rule in playbooks.rules(DeduplicateRule, source, entity))
    return shared or bool(playbooks.rules(PrimaryKeyRule, source, entity))


def is_sole(playbooks: Playbooks, source: str, entity: str) -> bool:
    """Whether a person says that an entity's lists have no pages, whatever their answers say; a remedy can't."""
    rules = playbooks.rules(PagingRule, source, entity)
    return bool(rules) and rules[-1].style == "none" and rules[-1].lesson is None


def paging_of(rule: PagingRule) -> Paging:
    """The style that a rule says."""
    size: dict[str, Any] = {"size_param": rule.size_parameter, "size": rule.size}
    made: dict[str, Callable[[], Paging]] = {
        "none": NoPaging,
        "offset": lambda: OffsetPaging(offset_param=rule.parameter or "", **size),
        "page": lambda: PagePaging(page_param=rule.parameter or "", first=rule.first, **size),
        "cursor": lambda: CursorPaging(cursor_param=rule.parameter or "", next=rule.at or "", opening=rule.opening, **size),
        "next": lambda: NextPaging(next=rule.at or "", **size),
        "link": lambda: LinkPaging(**size),
        "keyset": lambda: KeysetPaging(after_param=rule.parameter or "", field=rule.at or "", **size),
    }
    return made[rule.style]()


def ruled_paging(paging: Mapping[str, Paging], pack: Pack, playbooks: Playbooks) -> dict[str, Paging]:
    """Path → how it pages, with what rules of kind paging say of the entities that the paths list."""
    found = dict(paging)
    for hint in pack.entities:
        rules = playbooks.rules(PagingRule, pack.source, hint.entity)
        for path in hint.routes if rules else ():
            found[path] = paging_of(rules[-1])
    return found


# ---------------------------------------------------------------- fields


def ruled_fields(entity: CanonEntity, playbooks: Playbooks, source: str) -> CanonEntity:
    """The fields with what rules of kind field, type, date_format and required say."""

    def ruled(field: CanonField) -> CanonField:
        changes = _added(field, playbooks.rules(AddFieldRule, source, entity.entity))
        if types := playbooks.rules(TypeRule, source, entity.entity, field.raw):
            kind = DataType(types[-1].data_type)
            dated = kind in (DataType.TIMESTAMP, DataType.DATE) or (kind == field.type and field.date_format in NUMBER_FORMATS)
            changes |= {"type": kind, "date_format": field.date_format if dated else None, "confidence": 1.0}
            changes |= _origin(types[-1]) | {"structure": field.structure if kind == DataType.JSON else "scalar"}
        changes |= _dated(field.model_copy(update=changes), playbooks.rules(DateFormatRule, source, entity.entity, field.raw))
        if needs := playbooks.rules(RequiredRule, source, entity.entity, field.raw):
            changes |= {"required": needs[-1].required, "nullable": not needs[-1].required, **_origin(needs[-1])}
            # what may be absent tells no element of a list apart: its position does
            changes |= {"key": False} if "[]" in field.raw and not needs[-1].required else {}
        return field.model_copy(update=changes)

    cursors = [rule.by for rule in playbooks.rules(DeduplicateRule, source, entity.entity) if rule.by]
    changes: dict[str, Any] = {"fields": tuple(ruled(field) for field in entity.fields)}
    if cursors and any(field.raw == cursors[-1] for field in entity.fields):
        changes["cursor_field"] = cursors[-1]
    return entity.model_copy(update=changes)


def _added(field: CanonField, rules: Iterable[AddFieldRule]) -> dict[str, Any]:
    """What rules of kind field say of a field that no sample showed."""
    if field.evidence != "spec":
        return {}
    changes: dict[str, Any] = {}
    for rule in rules:
        path = rule.scope.field
        below = f"{path}[]." if rule.list_ else f"{path}."
        inner = rule.fields.get(field.raw.removeprefix(below)) if field.raw.startswith(below) else None
        if field.raw in (path, f"{path}[]") and not rule.fields:
            changes = {"type": DataType(rule.data_type), "date_format": rule.date_format, **_origin(rule)}
        elif inner is not None:
            changes = {"type": DataType(inner), "date_format": None, **_origin(rule)}
    return changes


def _dated(field: CanonField, rules: Iterable[DateFormatRule]) -> dict[str, Any]:
    """The field's date format with the further ones; ISO 8601 and epoch milliseconds are read in any case."""
    further = [text for rule in rules for text in rule.formats]
    if not further:
        return {}
    formats = dict.fromkeys([*(field.date_format or "").split(FORMATS), *further])
    kind = field.type if field.type in (DataType.TIMESTAMP, DataType.DATE) else DataType.TIMESTAMP
    return {"type": kind, "structure": "scalar", "date_format": FORMATS.join(filter(None, formats)), "evidence": "lesson"}


def _origin(rule: BaseRule) -> dict[str, str]:
    return {"evidence": "lesson" if rule.lesson else "playbook"}


class Names(NamedTuple):
    """The paths of one field: its first one, and those that it has beside. `evidence` says who told, as in the canon."""

    path: str
    also: list[str]
    evidence: str


def names_of(playbooks: Playbooks, source: str, entity: str) -> list[Names]:
    """What rules of kind alias and aliases say of the fields of an entity, one entry per field."""
    found: dict[str, Names] = {}
    for one in playbooks.rules(AliasRule, source, entity):
        found.setdefault(one.scope.field, Names(one.scope.field, [], _origin(one)["evidence"])).also.extend(one.also)
    for several in playbooks.rules(AliasesRule, source, entity):
        for path, other in several.paths.items():
            found.setdefault(path, Names(path, [], _origin(several)["evidence"])).also.append(other)
    return [Names(path, list(dict.fromkeys(also)), told) for path, also, told in found.values()]


def with_aliases(
    entity: CanonEntity, playbooks: Playbooks, source: str, before: CanonEntity | None = None
) -> tuple[CanonEntity, dict[str, str]]:
    """The entity with every path of its renamed fields, and further path → the path whose column it fills.

    A path that no sample shows is like those that one does: records of before or after the change have it. Where the value went
    into a record of its old name in some of the records, it is what it was `before`. The field's first name stands first, since
    it tells what the column is for.
    """
    fields = {field.raw: field for field in entity.fields}
    stood = {field.raw: field for field in before.fields} if before is not None else {}
    found: dict[str, str] = {}
    for names in names_of(playbooks, source, entity.entity):
        paths = [names.path, *names.also]
        known = [fields[path] for path in paths if path in fields]
        shown = next((field for field in known if field.evidence == "sample"), known[0] if known else None)
        if shown is not None and any(path.startswith(f"{shown.raw}.") for path in paths):
            shown = stood.get(shown.raw, shown)
        if shown is None or any(path in found for path in paths):
            continue
        for path in paths:
            mine = fields.get(path, shown)
            is_key = shown.key or entity.primary_key in paths
            same = ("type", "date_format", "group", "structure", "values", "references")
            like = {name: getattr(shown, name) for name in same}
            # none of them alone is missed where another one has the value
            own = {"raw": path, "evidence": names.evidence}
            fields[path] = mine.model_copy(update={**like, **own, "key": is_key, "required": is_key, "nullable": not is_key})
        found |= dict.fromkeys(names.also, names.path)
        place = min(list(fields).index(path) for path in paths)
        others = [field for path, field in fields.items() if path not in paths]
        ordered = [*others[:place], *(fields[path] for path in paths), *others[place:]]
        fields = {field.raw: field for field in ordered}
    return entity.model_copy(update={"fields": tuple(fields.values())}), found
