"""Which tables of the star are derived: events become facts, the rest dimensions, lists of references bridges."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spectra_assets.covenant.derive import Deriving
from spectra_assets.covenant.events import bridges_of, events
from spectra_assets.covenant.following import unused
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.network import Link, Node
from spectra_assets.covenant.paths import navigates, split_path
from spectra_assets.covenant.star import HISTORY
from spectra_assets.covenant.traits import event_time, label, span, times, usable
from spectra_assets.names import camel, pascal, words
from spectra_assets.playbook import rules as written

MOST_REFERENCES = 12
"""Foreign keys of a fact, those over other tables included."""

MOST_DATES = 3
"""Calendar keys of a fact."""

_FAR = 3
"""Tables a reference may lead over."""

_NAME = 90
_PASSING = frozenset(("last", "latest", "newest", "recent", "next", "previous", "upcoming"))
"""Words of a reference to what a member met last: true of it now, not of what happened before."""

_LINKS = frozenset(("_links", "links", "@links", "__links"))
_HISTORY = frozenset(column.name.lower() for column in HISTORY)


def derived_star(deriving: Deriving) -> Iterator[written.BaseRule]:
    """Rules of the dimensions, the calendar, the facts and the bridges, in this order."""
    star = _Star(deriving, {name: node for name, node in deriving.nodes.items() if _keyed(node) and not _navigates(node)})
    star.take_written()
    facts = star.named("fact", events(star.nodes))
    bridges = star.named("bridge", [name for name in bridges_of(star.nodes) if name not in facts])
    apart = {*facts, *bridges}
    needed = {link.target for name in apart for link in star.nodes[name].links}
    others = [node for name, node in star.nodes.items() if node.owner is None and name not in {*apart, *star.declared}]
    needed |= {link.target for node in others for link in node.links if not _passing(node, link)}
    for name, node in star.nodes.items():
        if name in needed or (node.owner is None and name not in apart and name not in star.declared):
            yield from star.dimension(node)
    star.calendar_name = star.free("dimDate", "dimCalendar")
    yield from star.calendar(list(facts))
    for name, table in facts.items():
        yield from star.fact(star.nodes[name], table)
    for name, table in bridges.items():
        yield from star.bridge(star.nodes[name], table)
    star.tell_left_over({*facts, *bridges, *star.members, *star.declared})


def _keyed(node: Node) -> bool:
    """Whether rules can tell the rows apart."""
    return bool(node.key) and all(usable(node.table.columns[name]) for name in node.key)


def _navigates(node: Node) -> bool:
    """Whether a nested table holds links that lead through the API (`_links.author[]`), and nothing of the record."""
    fields = [item for item in node.fields.values() if "[]" in item.raw]
    return node.owner is not None and bool(fields) and all(split_path(f.raw)[0].removesuffix("[]") in _LINKS for f in fields)


@dataclass
class _Star:
    deriving: Deriving
    nodes: Mapping[str, Node]
    taken: set[str] = field(default_factory=set)
    """Names of tables, those of written rules first."""
    declared: set[str] = field(default_factory=set)
    """Clean tables from which a written rule makes a table of the star."""
    members: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Clean table → its dimension, and the column that tells its members apart (None: a column made of several)."""
    calendar_name: str | None = None

    def take_written(self) -> None:
        """Learn what written rules make: they come before derived ones of the same name or over the same table."""
        for rule in self.deriving.star_rules:
            self.taken.add(rule.name)
            if isinstance(rule, written.CalendarRule):
                self.calendar_name = rule.name
            elif not isinstance(rule, written.EnumerationRule):
                self.declared.add(rule.table.partition(".")[2])
            if isinstance(rule, written.DimensionRule):
                key = None if rule.composed_of else rule.natural_key
                self.members[rule.table.partition(".")[2]] = (rule.name, key)

    def free(self, *wanted: str) -> str | None:
        """A name for a derived table; None if a written rule has it, or a rule leaves it out."""
        if wanted[0] in {rule.name for rule in self.deriving.star_rules}:
            return None
        name = unused(wanted, self.taken)
        if self.deriving.omits(name):
            return None
        self.taken.add(name)
        return name

    def named(self, kind: str, nodes: Sequence[str]) -> dict[str, str]:
        """Clean table → name of the table of the star, without those that a written rule makes or a rule leaves out."""
        found = {name: self.free(f"{kind}{pascal(name)[:_NAME]}") for name in nodes if name not in self.declared}
        return {name: table for name, table in found.items() if table is not None}

    def dimension(self, node: Node) -> Iterator[written.BaseRule]:
        name = None if node.name in self.members else self.free(f"dim{pascal(node.name)[:_NAME]}")
        if name is None:
            return
        plain = len(node.key) == 1 and node.table.columns[node.key[0]].type in (DataType.INT64, DataType.TEXT)
        natural = node.key[0] if plain else unused([f"{camel(node.name)[:_NAME]}NaturalKey"], node.table.columns)
        unknown: dict[str, Any] = {natural: -1 if plain and node.table.columns[natural].type == DataType.INT64 else "-1"}
        shown = label(node, personal=True)
        if shown is not None and shown != natural and shown.lower() not in _HISTORY:
            unknown[shown] = "Unknown"
        rules = self.deriving.rule(
            written.DimensionRule,
            name,
            name=name,
            table=node.table.table,
            natural_key=natural,
            composed_of=[] if plain else node.key,
            members=[unknown],
            completed_by=_completing(node),
        )
        if rules:
            self.members[node.name] = (name, natural if plain else None)
        yield from rules

    def calendar(self, facts: Sequence[str]) -> Iterator[written.BaseRule]:
        """The days of the facts' times; without facts those of the dimensions."""
        if self.calendar_name is None or any(isinstance(rule, written.CalendarRule) for rule in self.deriving.star_rules):
            return
        nodes = [self.nodes[name] for name in facts]
        columns = [f"{node.origin(column)}.{column}" for node in nodes for column in _dates(node)]
        if not columns:
            happened = [(node, event_time(node)) for node in self.nodes.values() if node.name in self.members]
            columns = [f"{node.origin(column)}.{column}" for node, column in happened if column]
        rules = self.deriving.rule(written.CalendarRule, "dimDate", name=self.calendar_name, columns=columns) if columns else []
        if not rules:
            self.calendar_name = None
        yield from rules

    def fact(self, node: Node, name: str) -> Iterator[written.BaseRule]:
        taken = {*node.table.columns}
        references = list(self._itself(node, taken))
        references += [self._reference(link, link.columns, (), link.role, taken) for link in node.links if self._leads(link)]
        references += self._farther(node, taken)
        dates = {}
        if self.calendar_name is not None:
            for column in _dates(node):
                key = unused([_date_key(column)], taken)
                taken.add(key)
                dates[key] = column
        scalars = [c.name for c in node.table.schema_ if usable(c) and c.name not in node.key]
        scalars = [name for name in scalars if name in node.linked or not navigates(node.table.columns[name].source)]
        yield from self.deriving.rule(
            written.FactRule,
            name,
            name=name,
            table=node.table.table,
            grain=f"one row per {node.name}",
            event_time=event_time(node),
            references=references[:MOST_REFERENCES],
            scalars=scalars,
            dates=dates,
            completed_by=_completing(node),
        )

    def _itself(self, node: Node, taken: set[str]) -> Iterator[dict[str, Any]]:
        """The key of the row's own member, if others refer to it: by this the fact is cut by what bridges join the member with.

        It is that of the latest version, as a bridge's is: the row is what the member is now.
        """
        link = Link(node.name, tuple((name, name) for name in node.key), node.name)
        if self._leads(link):
            yield {**self._reference(link, link.columns, (), camel(node.name), taken), "version": "latest"}

    def tell_left_over(self, placed: Collection[str]) -> None:
        """Say which Clean tables have no place in the star."""
        nested = [name for name, node in self.deriving.nodes.items() if name not in placed and node.owner is not None]
        others = [name for name, node in self.deriving.nodes.items() if name not in placed and node.owner is None]
        if nested:
            why = "nested lists with nothing to sum, to count by or to refer to but the record they lie in"
            self.deriving.note(f"only in Clean: {', '.join(nested)}: {why}; join them by its key")
        if others:
            self.deriving.note(f"only in Clean: {', '.join(others)}: no key tells their rows apart, or a rule leaves them out")

    def bridge(self, node: Node, name: str) -> Iterator[written.BaseRule]:
        taken: set[str] = set()
        joined = [link for link in node.links if link is node.owned_by or node.owner is None or node.inside(link)]
        references = [self._reference(link, link.columns, (), link.role, taken) for link in joined if self._leads(link)]
        if len(references) < 2:
            self.deriving.note(f"{name} is not derived: fewer than two of the tables it joins have a dimension")
            return
        yield from self.deriving.rule(
            written.BridgeRule,
            name,
            name=name,
            table=node.table.table,
            grain=f"one row per {' and '.join(reference['name'].removesuffix('Key') for reference in references)}",
            references=references,
            completed_by=_completing(node),
        )

    def _leads(self, link: Link) -> bool:
        """Whether the link's target has a dimension that can be found by the link's columns."""
        columns = self.nodes[link.target].table.columns if link.target in self.nodes else {}
        return link.target in self.members and all(
            theirs in columns and usable(columns[theirs]) and theirs.lower() not in _HISTORY for _, theirs in link.columns
        )

    def _reference(
        self,
        link: Link,
        columns: Sequence[tuple[str, str]],
        via: Sequence[dict[str, str]],
        role: str,
        taken: set[str],
        trail: str = "",
    ) -> dict[str, Any]:
        dimension, natural = self.members[link.target]
        (column, theirs), *further = columns
        longer = [f"{trail[:_NAME]}Key"] if trail else []
        name = unused([f"{role[:_NAME]}Key", *longer, f"{role[:_NAME]}DimKey"], taken)
        taken.add(name)
        reference: dict[str, Any] = {"name": name, "dimension": dimension, "column": column, "unmatched": "unknown"}
        if theirs != natural:
            reference["key"] = theirs
        if further:
            reference["also"] = dict(further)
        if via:
            reference["via"] = list(via)
        return reference

    def _farther(self, node: Node, taken: set[str]) -> list[dict[str, Any]]:
        """References to what the row's members refer to themselves, such as the project of an issue's comment.

        Of each link the nearest; the link to what the row belongs to comes first, then those to what takes part in it. Where
        several links lead to one table each has a reference, named by what holds it: courseBranchKey, studentBranchKey. None
        to what the row has a column of its own for: a comment's status is not that of its post. What the record around refers to
        itself is the row's as well and has the plain name: of an order's line the customer of the order.
        """
        own = {name.lower() for name in node.table.columns}
        met = {node.name, *(link.target for link in node.links), *(name for name in self.nodes if name.lower() in own)}
        found: dict[str, list[_Way]] = {}
        for link in sorted((each for each in node.links if each.single), key=lambda each: not _belongs(node, each)):
            for way in self._ways(link, met):
                found.setdefault(way.link.target, []).append(way)
        first = [ways[0] for ways in found.values()]
        further = [way for ways in found.values() for way in ways[1:]]
        made = []
        for way in (*sorted(first, key=lambda way: len(way.via)), *further):
            several = len(found[way.link.target]) > 1 and not _of_owner(node, way)
            role = f"{way.held_by}{pascal(way.link.target)}" if several else way.link.target
            columns = ((way.column, way.link.columns[0][1]),)
            made.append(self._reference(way.link, columns, way.via, role, taken, way.trail))
        return made

    def _ways(self, start: Link, met: Collection[str]) -> Iterator[_Way]:
        """Ways over one link to further tables with a dimension, the nearest to each. Where a table refers to one several times,
        the way goes over the column that is called as it: an invoice's customer is its `customerId`, whoever else it names."""
        seen = {*met}
        ways = [_Way(start, start.columns[0][0], start.role, start.role, ())]
        for _ in range(_FAR):
            farther = []
            for way in ways:
                target = self.nodes.get(way.link.target)
                if target is None or len(target.key) != 1:
                    continue
                for other in sorted(target.links, key=lambda each: each.role != each.target):
                    held = target.origin(way.link.columns[0][1], other.columns[0][0])
                    if other.single and other.target not in seen and held is not None and not _passing(target, other):
                        seen.add(other.target)
                        hop = {"table": held, "key": way.link.columns[0][1], "take": other.columns[0][0]}
                        held_by = target.name if way.via else start.role
                        trail = f"{way.trail}{pascal(other.role)}"
                        farther.append(_Way(other, way.column, held_by, trail, (*way.via, hop)))
            yield from (way for way in farther if self._leads(way.link))
            ways = farther


def _completing(node: Node) -> str | None:
    return node.completed_by.table if node.completed_by and node.further else None


@dataclass(frozen=True)
class _Way:
    """A way from a row's `column` over the tables `via` to the target of `link`, which the table or role `held_by` has; `trail`
    are the roles of all links on it."""

    link: Link
    column: str
    held_by: str
    trail: str
    via: tuple[dict[str, str], ...]


def _passing(node: Node, link: Link) -> bool:
    """Whether a link leads to what the member met last, or meets next: that was another thing when the fact happened."""
    return any(_PASSING & {word.lower() for word in words(own)} for own, _ in link.columns)


def _of_owner(node: Node, way: _Way) -> bool:
    """Whether the record that the row lies in refers to it itself."""
    return node.owned_by is not None and len(way.via) == 1 and way.column == node.owned_by.columns[0][0]


def _belongs(node: Node, link: Link) -> bool:
    """Whether a link leads to the record that the row lies in, or that its request named: not to what only takes part in it."""
    parent = node.entity.fetch.parent
    return link is node.owned_by or (node.owner is None and parent is not None and parent.entity == link.target)


def _dates(node: Node) -> list[str]:
    """Times with a calendar key: of the event, of its start and end, then the others."""
    wanted = [event_time(node), *(span(node) or ()), *(column.name for column in times(node))]
    return list(dict.fromkeys(name for name in wanted if name is not None))[:MOST_DATES]


def _date_key(column: str) -> str:
    """Name of the calendar key of a time: createdAt → createdDateKey, date → dateKey."""
    bare = _bare(column)
    return f"{bare}Key" if bare.lower().endswith("date") else f"{bare}DateKey"


def _bare(column: str) -> str:
    """A time's name without the word for time: createdAt → created, dateVisite → visite."""
    if column.startswith("date") and column[4:5].isupper():
        return f"{column[4].lower()}{column[5:]}"
    for ending in ("DateTime", "Datetime", "Timestamp", "Date", "Time", "At", "On"):
        if column.endswith(ending) and len(column) > len(ending):
            return column.removesuffix(ending)
    return column.removesuffix("Key")[:_NAME] or column
