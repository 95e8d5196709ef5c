"""The network of Clean tables: which columns refer to which tables, as Prepare found by values and by routes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from spectra_assets.covenant.canon import Canon, CanonEntity, CanonField
from spectra_assets.covenant.model import Column, Table
from spectra_assets.covenant.paths import asked_path, asked_place, split_path
from spectra_assets.names import camel, pascal, singular, words

_END = re.compile(r"(?:Ids?|Key|Uuid|Guid|Code|Number|No|Nr|Href|Url|Value)\d*$")
_LINKS = frozenset(("links", "link", "self"))
"""Words of a path to an address that say nothing of what is there."""

_ROLE = re.compile(r"[a-z][A-Za-z0-9]{0,99}")


@dataclass(frozen=True)
class Link:
    """A foreign key: the columns of one table whose values are found in those of `target`. `role` says what it is there."""

    target: str
    columns: tuple[tuple[str, str], ...]
    """Own column → column of the target."""
    role: str

    @property
    def single(self) -> bool:
        return len(self.columns) == 1


@dataclass
class Node:
    """One Clean table, named without its stage. `owner` is the table of the record that a nested table's rows lie in."""

    name: str
    entity: CanonEntity
    table: Table
    fields: dict[str, CanonField]
    """Column → the (first) field it is made from; its `values` as the table holds them."""
    owner: str | None = None
    aims: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Own column → (table, column) whose values it holds."""
    links: list[Link] = field(default_factory=list)
    completed_by: Table | None = None
    """The Clean table that tells more of the same records."""
    further: frozenset[str] = frozenset()
    """The columns that it adds to those of `table`."""

    def origin(self, *columns: str) -> str | None:
        """The Clean table that has all of these columns; None if they lie in two."""
        other = self.completed_by
        if other is None or not {*columns} & self.further:
            return self.table.table
        return other.table if {*columns} <= other.columns.keys() else None

    @property
    def key(self) -> list[str]:
        return self.table.primary_key

    @property
    def owned_by(self) -> Link | None:
        """The link to the owner; None for the table of an entity, and where the owner can't be told."""
        return next((link for link in self.links if link.target == self.owner), None) if self.owner else None

    @property
    def others(self) -> list[Link]:
        """The links but that to the owner."""
        return [link for link in self.links if link is not self.owned_by]

    def inside(self, link: Link) -> bool:
        """Whether an element of the nested list tells the link itself: not the record around, nor that record's own parent."""
        return any("[]" in self.fields[own].raw for own, _ in link.columns if own in self.fields)

    @property
    def linked(self) -> set[str]:
        """Columns that refer to other tables."""
        return {own for link in self.links for own, _ in link.columns}


def network(canon: Canon, tables: Mapping[str, Table]) -> dict[str, Node]:
    """Every Clean table that the canon's entities have, in the canon's order, with its links to others."""
    nodes: dict[str, Node] = {}
    for entity in canon.entities:
        for group in dict.fromkeys([entity.entity, *(item.group for item in entity.fields)]):
            table = tables.get(f"clean.{group}")
            if table is None or table.entity != entity.entity:
                continue
            fields: dict[str, CanonField] = {}
            for item in entity.fields:
                if item.group == group and item.target in table.columns:
                    values = tuple(table.columns[item.target].reads(item.values))
                    fields.setdefault(item.target, item.model_copy(update={"values": values}))
            owner = entity.entity if group != entity.entity else None
            nodes[group] = Node(group, entity, table, fields, owner)
    _complete(nodes)
    for node in nodes.values():
        node.aims = dict(_aims(node, nodes))
    for node in nodes.values():
        node.links = list(_links(node, nodes))
    return nodes


def _complete(nodes: dict[str, Node]) -> None:
    """Make one node of a table and the one that tells more of its records; the nested tables of both lie in that one."""
    for other in [node for node in nodes.values() if node.owner is None and node.entity.fetch.completes in nodes]:
        node = nodes[str(other.entity.fetch.completes)]
        if node.completed_by is not None or node.key != other.key or not node.key:
            continue
        del nodes[other.name]
        further = further_columns(node.table, other.table)
        node.completed_by, node.further = other.table, frozenset(column.name for column in further)
        node.table = node.table.model_copy(update={"schema_": [*node.table.schema_, *further]})
        node.fields |= {name: item for name, item in other.fields.items() if name in node.further}
        more = [f.model_copy(update={"group": node.name}) for f in other.entity.fields if f.group == other.name]
        more = [item for item in more if item.target in node.further]
        node.entity = node.entity.model_copy(update={"fields": (*node.entity.fields, *more)})
        for inner in nodes.values():
            inner.owner = node.name if inner.owner == other.name else inner.owner


def further_columns(table: Table, other: Table) -> list[Column]:
    """The columns of a clean table that another one of the same records lacks: by their names and by what they are made from.

    A path that refers to something there and to nothing here is that of another record: of a table of pairs.
    """
    told = {(path, column.references) for column in table.schema_ for path in column.source}
    taken = {name.lower() for name in table.columns}
    fresh = (column for column in other.schema_ if column.name.lower() not in taken)
    return [column for column in fresh if not told & {(path, column.references) for path in column.source}]


def _links(node: Node, nodes: Mapping[str, Node]) -> Iterator[Link]:
    """The links of a table, that to its owner or parent first, each role and each set of columns once."""
    first = [*_owning(node, nodes), *_parent(node, nodes)]
    found = [*first, *_referring(node, nodes), *(further for link in first for further in _through(link, nodes))]
    taken: set[tuple[str, str]] = set()
    columns: dict[str, list[set[str]]] = {}
    for link in found:
        own, before = {mine for mine, _ in link.columns}, columns.setdefault(link.target, [])
        if link.target != node.name and (link.target, link.role) not in taken and not any(own <= other for other in before):
            taken.add((link.target, link.role))
            before.append(own)
            yield link


def _column_of(node: Node, raw: str) -> str | None:
    """The column made from the field at `raw`, whichever of a column's fields that is."""
    entity = node.entity
    return next((f.target for f in entity.fields if f.group == node.name and f.raw == raw and f.target in node.fields), None)


def _place(nodes: Mapping[str, Node], entity: str, raw: str) -> tuple[str, str] | None:
    """(table, column) of the field at `raw` of an entity; a path into an array lies in a table of its own."""
    groups = [n for n in nodes.values() if entity in _told_by(n) and ("[]" in raw or n.owner is None)]
    return next(((n.name, column) for n in groups if (column := _column_of(n, raw)) is not None), None)


def _told_by(node: Node) -> tuple[str | None, ...]:
    """The entities whose records a table's rows are."""
    return node.entity.entity, node.completed_by.entity if node.completed_by else None


def _aims(node: Node, nodes: Mapping[str, Node]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each own column that holds values of another table: → (table, column).

    What is unique in its own table refers to nothing: that all its values are another's ids is what counting from 1 does.
    """
    for column, item in node.fields.items():
        if node.key == [column] and node.owner is None:
            continue
        asked = asked_place(item.raw)
        if asked is not None and not item.references:
            place = _asked(node, nodes, max(0, asked))
        else:
            entity, _, raw = (item.references or "").partition(".")
            place = _place(nodes, entity, raw)
        if place is not None and place != (node.name, column):
            yield column, place


def _asked(node: Node, nodes: Mapping[str, Node], number: int) -> tuple[str, str] | None:
    """(table, column) of the parent with the values which the requests for the node's records named in this place."""
    plan = node.entity.fetch.parent
    if plan is None or number >= len(plan.sources):
        return None
    entity, path = plan.sources[number]
    parent = nodes.get(entity)
    if parent is None:
        return None
    asked = asked_place(path)
    column = _column_of(parent, path) if asked is None else _held(parent, nodes, max(0, asked))
    return (parent.name, column) if column else _place(nodes, parent.name, path)


def _held(node: Node, nodes: Mapping[str, Node], number: int) -> str | None:
    """The node's own column with what its records were asked for with: added to them, or one that they have themselves."""
    plan = node.entity.fetch.parent
    added = _column_of(node, asked_path(number, bool(plan and plan.composite)))
    if added is not None or plan is None:
        return added
    named = ".".join(plan.sources[number]) if number < len(plan.sources) else None
    return next((column for column, item in node.fields.items() if item.references and item.references == named), None)


def _owning(node: Node, nodes: Mapping[str, Node]) -> Iterator[Link]:
    """From a nested table to the record around: its key, all of it."""
    owner = nodes.get(node.owner) if node.owner else None
    if owner is None:
        return
    pairs = []
    for theirs in owner.key:
        mine = _column_of(node, owner.fields[theirs].raw) if theirs in owner.fields else None
        if mine is None:
            return
        pairs.append((mine, theirs))
    if pairs:
        yield Link(owner.name, tuple(pairs), owner.name)


def _parent(node: Node, nodes: Mapping[str, Node]) -> Iterator[Link]:
    """To the parent that the requests named, where it takes several values to name it."""
    plan = node.entity.fetch.parent
    parent = nodes.get(plan.entity) if plan else None
    if plan is None or parent is None or not plan.also or node.owner is not None:
        return
    pairs = []
    for number in range(1 + len(plan.also)):
        mine, theirs = _held(node, nodes, number), _asked(node, nodes, number)
        if mine is None or theirs is None or theirs[0] != parent.name:
            return
        pairs.append((mine, theirs[1]))
    yield Link(parent.name, tuple(pairs), parent.name)


def _referring(node: Node, nodes: Mapping[str, Node]) -> Iterator[Link]:
    """One link per column that refers to another table; of several columns that name the same member only the best."""
    best: dict[tuple[str, str], str] = {}
    for column, (target, theirs) in node.aims.items():
        place = (_around(node.fields[column].raw), target)
        if place not in best or (best[place] not in nodes[target].key and theirs in nodes[target].key):
            best[place] = theirs
    for column, (target, theirs) in node.aims.items():
        further = _further(node, nodes[target], theirs)
        if best[_around(node.fields[column].raw), target] == theirs and further is not None:
            named = target if further or _own_id(node, column) else _element(node, column)
            role = named or _role(column, target, theirs)
            yield Link(target, ((column, theirs), *further), role)


def _through(link: Link, nodes: Mapping[str, Node]) -> Iterator[Link]:
    """What the parts of a composite key refer to themselves: an issue's key within its repo holds the repo's."""
    for mine, theirs in link.columns if not link.single else ():
        place = nodes[link.target].aims.get(theirs)
        if place is not None and nodes[place[0]].key == [place[1]]:
            yield Link(place[0], ((mine, place[1]),), place[0])


def _around(raw: str) -> str:
    """The record that a field lies in."""
    return ".".join(split_path(raw)[:-1])


def _further(node: Node, target: Node, theirs: str) -> Sequence[tuple[str, str]] | None:
    """The other columns of the target's key, by own columns that point where those point; None if one is not held here."""
    pairs = []
    for other in target.key if theirs in target.key else ():
        if other != theirs:
            meant = {(target.name, other), target.aims.get(other)}
            mine = next((column for column, aim in node.aims.items() if aim in meant), None)
            if mine is None:
                return None
            pairs.append((mine, other))
    return pairs


def _element(node: Node, column: str) -> str | None:
    """What a nested list is of, if the column is its elements' own id or address: `authors[].id` tells authors; else None."""
    parts = split_path(node.fields[column].raw)
    place = max((number for number, part in enumerate(parts) if part.endswith("[]")), default=-1)
    inner = [part.lower().strip("_@$") for part in parts[place + 1 :]]
    own = bool(inner) and inner[-1] in ("id", "key", "uuid", "href") and _LINKS.issuperset(inner[:-1])
    return singular(camel(parts[place].removesuffix("[]"))) if place >= 0 and own else None


def _own_id(node: Node, column: str) -> bool:
    """Whether the column is the records' own `id`, called after these: what it refers to is what the record is about."""
    raw = node.fields[column].raw
    return raw == node.entity.primary_key and raw.lower().strip("_@$") in ("id", "key", "uuid")


def _role(column: str, target: str, theirs: str) -> str:
    """What the target is to the row: assigneeId → assignee, ownerLogin (a login) → owner, userId → user."""
    bare = column.removesuffix(pascal(theirs)) if column != theirs else target
    bare = _END.sub("", bare) if bare == column else bare
    said = words(bare)
    if said and said[0].lower() in _LINKS:  # `links.self.href` is the target's own address, `links.owner.href` its owner's
        bare = camel("_".join(word for word in said if word.lower() not in _LINKS)) or target
    return bare if _ROLE.fullmatch(bare) else target
