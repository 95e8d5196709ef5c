"""Which Clean tables hold events: rows that refer to much and are referred to by little, mostly with a time of their own."""

from __future__ import annotations

from collections.abc import Mapping

from spectra_assets.covenant.amounts import amounts, flows, turnover
from spectra_assets.covenant.network import Node
from spectra_assets.covenant.paths import HASH
from spectra_assets.covenant.traits import event_time, is_status, label, last_words, span, statuses, time_kind, times, usable


def events(nodes: Mapping[str, Node]) -> list[str]:
    """The tables that become facts. If none is an event by itself, the best leaf of the network: it has a time and refers.

    Leaves without any time, and nested lists of what can be counted, are facts beside these.
    """
    found = [name for name, node in nodes.items() if (_nested_event(node) if node.owner else _event(node, nodes))]
    found = found or _best_leaf(nodes)
    return [name for name, node in nodes.items() if name in found or nested_counts(node) or _timeless(node, nodes)]


def _timeless(node: Node, nodes: Mapping[str, Node]) -> bool:
    """An entity's table without a time of any kind that refers to others while nothing refers to it: an order's lines, todos,
    comments. Whatever they are called, they are counted by what they refer to."""
    counted = node.owner is None and bool(node.links) and not times(node) and not _pairs(node, nodes)
    return counted and not _referrers(node, nodes)


def _best_leaf(nodes: Mapping[str, Node]) -> list[str]:
    leaves = [
        (-len(node.links), -node.entity.sample_size, place, name)
        for place, (name, node) in enumerate(nodes.items())
        if node.owner is None and node.links and event_time(node) and not _referrers(node, nodes)
    ]
    return [min(leaves)[-1]] if leaves else []


def bridges_of(nodes: Mapping[str, Node]) -> list[str]:
    """The tables that only say what belongs together: nested lists of references, and lists of pairs without a time."""
    return [name for name, node in nodes.items() if (_nested_pairs(node) if node.owner else _pairs(node, nodes))]


def _event(node: Node, nodes: Mapping[str, Node]) -> bool:
    """An entity's table: with a time, two references at least (those in its nested lists count), and more than refer to it.

    What has a state or an end is an event also if as many refer to it; what nothing refers to needs only one reference if it
    holds an amount, or if nobody would call it by a name and its time is not just that of its creation (a reading, a stop);
    none at all if it has both (the sales of a day), or a state in place of the amount (a recall). What comes to an amount at
    the time when it was ordered or issued (an order, an invoice) is one however many refer to it; what others refer to by a
    name and that only was created (a department with its head and its site) is none.
    """
    time = event_time(node)
    if time is None:
        return False
    inner = [link for other in nodes.values() if other.owner == node.name for link in other.others]
    out, into = len(node.links) + len(inner), _referrers(node, nodes)
    runs = span(node) is not None or any(is_status(node, column) for column in statuses(node))
    nameless = label(node, personal=True) is None
    if nameless and time_kind(node, time) in ("happened", "started", "settled") and turnover(node):
        return True
    if not node.links:
        told = bool(amounts(node)) or any(is_status(node, column) for column in statuses(node))
        return into == 0 and nameless and time_kind(node, time) != "created" and told
    if into and not (nameless or runs or _comes_to(node)) and time_kind(node, time) == "created":
        return False
    if out >= 2:
        return into < out or (runs and into == out)
    return into == 0 and ((nameless and time_kind(node, time) != "created") or bool(flows(node)))


def _comes_to(node: Node) -> bool:
    """Whether a row holds a quantity that is no mere count of what hangs on it or of its changes."""
    return any("count" not in last_words(node, column) for column in flows(node))


def _nested_event(node: Node) -> bool:
    """A nested table: with a time of its own or an amount (an order's lines, whether or not they refer to products)."""
    return node.owned_by is not None and (event_time(node) is not None or bool(flows(node)))


def nested_counts(node: Node) -> bool:
    """A nested table that refers to nothing but its owner, with values that repeat (a ticket's tags, the names of its fields)."""
    told = bool(statuses(node)) and event_time(node) is None and not flows(node)
    return node.owned_by is not None and not node.others and told


def _nested_pairs(node: Node) -> bool:
    return node.owned_by is not None and any(node.inside(link) for link in node.others)


def _pairs(node: Node, nodes: Mapping[str, Node]) -> bool:
    """An entity that is nothing but its references: two at least, hardly another column, and nothing refers to it."""
    apart = {*node.linked, *node.key, *(name for name, item in node.fields.items() if item.raw == HASH)}
    said = [column for column in node.table.schema_ if usable(column) and column.name not in apart]
    return len(node.links) >= 2 and len(said) <= 1 and event_time(node) is None and not _referrers(node, nodes)


def _referrers(node: Node, nodes: Mapping[str, Node]) -> int:
    """How many other tables refer to this one, but for its own nested ones."""
    others = (other for other in nodes.values() if other.owner != node.name and other.name != node.name)
    return sum(any(link.target == node.name for link in other.links) for other in others)
