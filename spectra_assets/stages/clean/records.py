"""Raw JSON records as columns of text: one parse per record and array level, by a schema made from the wanted paths.

Every leaf is text: a scalar as it is written (numbers that are no integers pass through a double), an object or array as
JSON text. An absent key, a null and a place of another structure are all NULL.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from spectra_assets.covenant.paths import ARRAY, is_array, split_path
from spectra_assets.errors import SpectraError
from spectra_assets.lakehouse.types import quoted

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

TEXT = "STRING"
LIST = "ARRAY<STRING>"
MAP = "MAP<STRING,STRING>"
_EXACT_DIGITS = 15
_FEW = 3
"""Leaves that are cheaper looked up one by one than by a parse of the whole record."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

HELD = "_held"
"""JSON text of the array that a row's element is in, where no text of its own was made for each element."""

_Tree = dict[str, "_Tree | str"]


@dataclass
class Parser:
    """Reads paths out of a JSON text. Paths that can't be in one schema (`a` and `a.b`, `id` and `ID`) get several."""

    trees: list[_Tree] = field(default_factory=list)

    def place(self, keys: Sequence[str], leaf: str = TEXT) -> int | None:
        """Number of the schema that holds the leaf at `keys`; None for a key that no schema can have: the empty one."""
        if not all(keys):
            return None
        for number, tree in enumerate(self.trees):
            if _insert(tree, keys, leaf):
                return number
        self.trees.append({})
        _insert(self.trees[-1], keys, leaf)
        return len(self.trees) - 1

    def parsed(self, text: Column, name: str) -> list[Column]:
        """`text` parsed by each schema, as columns `<name>_<number>`."""
        return [F.from_json(text, _ddl(tree)).alias(f"{name}_{number}") for number, tree in enumerate(self.trees)]


def value_at(name: str, number: int | None, keys: Sequence[str]) -> Column:
    """The leaf at `keys` of what `Parser.parsed` made of `_raw`, or of what it can't."""
    if number is None:
        return _unnamed(F.col("_raw"), keys)
    value = F.col(f"{name}_{number}")
    for key in keys:
        value = value.getField(key)
    return value


def _insert(tree: _Tree, keys: Sequence[str], leaf: str) -> bool:
    """Add the leaf to the schema, unless something else is there (Spark's names ignore case)."""
    head, *rest = keys
    if any(key != head and key.lower() == head.lower() for key in tree):
        return False
    held = tree.get(head)
    if not rest:
        tree.setdefault(head, leaf)
        return tree[head] == leaf
    if held is None:
        held = tree[head] = {}
    return not isinstance(held, str) and _insert(held, rest, leaf)


def _ddl(tree: _Tree) -> str:
    return ", ".join(f"{quoted(key)} {kind if isinstance(kind, str) else _struct(kind)}" for key, kind in tree.items())


def _struct(tree: _Tree) -> str:
    inner = ", ".join(f"{quoted(key)}: {kind if isinstance(kind, str) else _struct(kind)}" for key, kind in tree.items())
    return f"STRUCT<{inner}>"


# ---------------------------------------------------------------- arrays in records


def levels(array: str | None) -> list[list[str]]:
    """Keys from level to level on the way into a (nested) array: `a.b[].c` → [[a, b], [c]]."""
    found: list[list[str]] = []
    keys: list[str] = []
    for part in split_path(array) if array else []:
        keys.append(part.removesuffix(ARRAY))
        if is_array(part):
            found.append(keys)
            keys = []
    return [*found, keys] if array else []


def located(path: str, arrays: Sequence[Sequence[str]]) -> tuple[int, list[str]]:
    """How many of the nested `arrays` the path goes into, and its keys below there. Raises SpectraError for other arrays."""
    keys = split_path(path)
    depth = 0
    for array in arrays:
        if keys[: len(array)] != [*array[:-1], array[-1] + ARRAY]:
            break
        keys = keys[len(array) :]
        depth += 1
    if any(is_array(key) for key in keys):
        raise SpectraError(f"the path {path} goes into an array which the table is not made from; it needs a table of its own")
    return depth, keys


def flattened(
    frame: DataFrame,
    text: str,
    paths: Sequence[str],
    array: str | None,
    carried: Sequence[str],
    exact: Collection[str] = (),
    at_once: bool = False,
) -> DataFrame:
    """One row per record, or per element of `array`: the `carried` columns, and the leaf at `paths[i]` as `_leaf_<i>`.

    Numbers at the paths `exact` outside arrays keep all their digits, as far as the engine can (Sail: all; JVM Spark: integers).
    `_raw` is the JSON text of the record or element, `_index` the element's position in the innermost array, from 0. With
    `at_once`, where few leaves are wanted beside those of one array, its elements are read together with it, and `HELD` stands
    in place of `_raw`: the same rows for two thirds of the CPU, from an engine for which an element that is no object is no
    reason to read none of the array (Sail; JVM Spark gives up the array).
    """
    arrays = levels(array)
    places = [located(path, arrays) for path in paths]
    if at_once and (tree := _of_elements(places, arrays)) is not None:
        return _read_at_once(frame, text, places, arrays[0], tree, carried)
    raw = F.col(text).alias("_raw")
    kept: list[Column] = [F.col(name) for name in carried]
    current = frame.select(*kept, raw, F.lit(0).cast("bigint").alias("_index"))
    for depth in range(len(arrays) + 1):
        parser = Parser()
        here = [(i, keys) for i, (level, keys) in enumerate(places) if level == depth]
        entered = None
        if few := depth == 0 and bool(arrays) and _are_few([*(keys for _, keys in here), *arrays[:1]]):
            parsed, values = current, {i: _looked_up(keys) for i, keys in here}
        else:
            numbers = {i: parser.place(keys) for i, keys in here if keys}
            entered = parser.place(arrays[depth], LIST) if depth < len(arrays) else None
            parsed = current.select("*", *parser.parsed(F.col("_raw"), "_parsed"))
            values = {i: value_at("_parsed", numbers[i], keys) if keys else F.col("_raw") for i, keys in here}
            values |= {i: _exact(values[i], keys) for i, keys in here if depth == 0 and paths[i] in exact}
        leaves = [value.alias(f"_leaf_{i}") for i, value in values.items()]
        if depth == len(arrays):
            return parsed.select(*kept, "_raw", "_index", *leaves)
        held = _as_array(_looked_up(arrays[depth])) if few else value_at("_parsed", entered, arrays[depth])
        elements = F.posexplode(held if entered is not None else F.from_json(held, LIST)).alias("_position", "_element")
        kept = [*kept, *(F.col(f"_leaf_{i}") for i, _ in here)]
        current = parsed.select(*(F.col(name) for name in carried), *_leaves_before(places, depth), *leaves, elements).select(
            *kept, F.col("_element").alias("_raw"), F.col("_position").cast("bigint").alias("_index")
        )
    raise AssertionError("the last level returns")


def _of_elements(places: Sequence[tuple[int, list[str]]], arrays: Sequence[Sequence[str]]) -> _Tree | None:
    """The schema of the elements, if they are to be read together with their array, and one schema holds all that is wanted."""
    inside = [keys for depth, keys in places if depth == 1]
    outside = [keys for depth, keys in places if depth == 0]
    if len(arrays) != 1 or not inside or not all(map(all, inside)) or not all(inside):
        return None
    parser = Parser()
    single = all(parser.place(keys) == 0 for keys in inside)
    return parser.trees[0] if single and _are_few([*outside, arrays[0]]) else None


def _read_at_once(
    frame: DataFrame,
    text: str,
    places: Sequence[tuple[int, list[str]]],
    array: Sequence[str],
    tree: _Tree,
    carried: Sequence[str],
) -> DataFrame:
    """As `flattened`, of one array. A text is made only of an element that is no object, as a text may hold one."""
    kept = [F.col(name) for name in carried]
    outer = [i for i, (depth, _) in enumerate(places) if depth == 0]
    record = frame.select(*kept, F.col(text).alias("_raw"))
    held = record.select(
        *kept, *(_looked_up(places[i][1]).alias(f"_leaf_{i}") for i in outer), _as_array(_looked_up(array)).alias(HELD)
    )
    above = [*kept, *(F.col(f"_leaf_{i}") for i in outer), F.col(HELD)]
    elements = F.posexplode(F.from_json(F.col(HELD), f"ARRAY<{_struct(tree)}>")).alias("_position", "_parsed_0")
    rows = held.select(*above, elements)
    rows = rows.select(*above, F.col("_position").cast("bigint").alias("_index"), F.col("_parsed_0"))
    parsed = F.when(F.col("_parsed_0").isNull(), F.from_json(element(), _ddl(tree))).otherwise(F.col("_parsed_0"))
    rows = rows.select(*above, "_index", parsed.alias("_parsed_0"))
    inner = (value_at("_parsed", 0, keys).alias(f"_leaf_{i}") for i, (depth, keys) in enumerate(places) if depth == 1)
    return rows.select(*above, "_index", *inner)


def element() -> Column:
    """JSON text of the element at `_index` of `HELD`."""
    return F.try_element_at(F.from_json(F.col(HELD), LIST), (F.col("_index") + 1).cast("int"))


def _are_few(wanted: Sequence[Sequence[str]]) -> bool:
    """Whether to look up these leaves one by one, which their keys must allow."""
    return len(wanted) <= _FEW and all(keys and all(map(_PLAIN.fullmatch, keys)) for keys in wanted)


def _as_array(text: Column) -> Column:
    """NULL for the JSON text of anything else: an engine may take an object for an array of one."""
    return F.when(F.ltrim(text).startswith("["), text)


def _looked_up(keys: Sequence[str]) -> Column:
    return F.get_json_object(F.col("_raw"), "$." + ".".join(keys))


def _unnamed(text: Column, keys: Sequence[str]) -> Column:
    """The leaf at `keys`, some of which are empty: these are looked up in maps."""
    place = list(keys).index("") if "" in keys else len(keys)
    if place:
        value = F.from_json(text, _ddl(_single(keys[:place])))
        for key in keys[:place]:
            value = value.getField(key)
        text = value
    return text if place == len(keys) else _rest(F.try_element_at(F.from_json(text, MAP), F.lit("")), keys[place + 1 :])


def _rest(text: Column, keys: Sequence[str]) -> Column:
    return _unnamed(text, keys) if keys else text


def _single(keys: Sequence[str]) -> _Tree:
    head, *rest = keys
    return {head: _single(rest) if rest else TEXT}


def _exact(value: Column, keys: Sequence[str]) -> Column:
    """The number as the record writes it, where it has more digits than a double holds."""
    if any("'" in key or "\\" in key for key in keys):
        return value
    long = F.length(F.regexp_replace(value, "[^0-9]", "")) > _EXACT_DIGITS
    many = value.rlike("^[-+0-9.eE]+$") & (long | value.rlike("[eE]"))
    path = "$" + "".join(f"['{key}']" for key in keys)
    return F.coalesce(F.when(many, F.get_json_object(F.col("_raw"), path)), value)


def _leaves_before(places: Sequence[tuple[int, list[str]]], depth: int) -> Iterator[Column]:
    yield from (F.col(f"_leaf_{i}") for i, (level, _) in enumerate(places) if level < depth)


def count_elements(frame: DataFrame, text: str, array: str) -> int:
    """Elements of the nested `array` in all records: one query, which reads nothing else."""
    current = frame.select(F.col(text).alias("_text"))
    *outer, last = levels(array)
    for keys in outer:
        current = current.select(F.explode(F.from_json(_array_text(keys), LIST)).alias("_text"))
    counted = current.agg(F.sum(F.json_array_length(_array_text(last)))).collect()[0][0]
    return int(counted or 0)


def _array_text(keys: Sequence[str]) -> Column:
    """The JSON text of the array at `keys` in `_text`; NULL for anything else there."""
    if _are_few([keys]):
        return _as_array(F.get_json_object(F.col("_text"), "$." + ".".join(keys)))
    parser = Parser()
    number = parser.place(keys)
    if number is None:
        return _as_array(_unnamed(F.col("_text"), keys))
    value = F.from_json(F.col("_text"), _ddl(parser.trees[number]))
    for key in keys:
        value = value.getField(key)
    return _as_array(value)
