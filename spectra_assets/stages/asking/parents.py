"""What the records of a parent are asked for with: the values of its children's parameters, those of one record together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from spectra_assets.client.target import ParentValue, Single, parent_parts
from spectra_assets.covenant.access import ParentKey
from spectra_assets.covenant.paths import ARRAY, asked_place, is_array, split_path
from spectra_assets.stages.asking.ids import is_id


def parent_paths(parent: ParentKey) -> list[str]:
    """The paths of the values in the order of a composite value: of `parameter`, of each of `also`, and of `across`."""
    return [path for _, path in parent.sources]


def values_of(record: Any, asked: str | None, parent: ParentKey) -> Iterator[ParentValue]:
    """Every value that `record` gives for the children: one id, or a tuple if `parent.also` names more. Of `across` nothing: see
    `crossed`.

    `asked` is the text of what the record itself was asked for with. Paths through the same array take their values from the
    same element of it. Values which are no ids (null, nested, empty) name no child.
    """
    found: list[tuple[Any, list[str]]] = []
    for path in [parent.path, *(fill.path for fill in parent.also)]:
        place = asked_place(path)
        if place is None:
            found.append((record, split_path(path)))
            continue
        parts = [asked] if place < 0 else parent_parts(asked)
        found.append((parts[place] if place < len(parts) else None, []))
    for values in _aligned(found):
        if all(map(is_id, values)):
            yield values if parent.also else values[0]


def second(parent: ParentKey) -> ParentKey | None:
    """The second parent alone."""
    across = parent.across
    if across is None:
        return None
    return ParentKey(entity=across.entity, path=across.path, parameter=across.parameter, location=across.location)


def crossed(values: Iterable[ParentValue], others: Sequence[ParentValue]) -> Iterator[ParentValue]:
    """Each value of the first parent with each of the second, that of the second last."""
    for value in values:
        first = value if isinstance(value, tuple) else (value,)
        for other in others:
            yield (*first, *(other if isinstance(other, tuple) else (other,)))


def _aligned(found: list[tuple[Any, list[str]]]) -> Iterator[tuple[Single, ...]]:
    """The values at the end of each path, given as (value so far, keys to go), arrays gone through together."""
    found = [_down_to_array(value, keys) for value, keys in found]
    value, keys = next(((value, keys) for value, keys in found if keys), (None, []))
    if not keys:
        yield tuple(value for value, _ in found)
        return
    below = value.get(keys[0].removesuffix(ARRAY)) if isinstance(value, dict) else None
    for each in below if isinstance(below, list) else ():
        yield from _aligned(
            [(each, path[1:]) if path[:1] == keys[:1] and held is value else (held, path) for held, path in found]
        )


def _down_to_array(value: Any, keys: list[str]) -> tuple[Any, list[str]]:
    while keys and not is_array(keys[0]):
        value, keys = value.get(keys[0]) if isinstance(value, dict) else None, keys[1:]
    return value, keys
