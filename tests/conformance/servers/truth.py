"""What a server really holds: the measure of what was found. The product never reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spectra_assets.covenant.model import DataType


@dataclass(frozen=True)
class Entity:
    """One kind of record. It may be found under any name: by a route of it, and the rows that come.

    `routes` are the path templates (whatever their parameters are called) that give all its rows; `identity` is the JSON path
    of a value that no two rows share; `keys` are the paths that may be its primary key (`scope`: among the rows of one parent).
    `types` are those that matter by JSON path, each with the types that hold its values without loss; `values` are cells of the
    clean table: (identity, JSON path) → value; `personal` the fields that must be marked.
    """

    name: str
    routes: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]
    identity: str = "id"
    keys: tuple[str, ...] = ("id",)
    scope: str = "entity"
    types: Mapping[str, tuple[DataType, ...]] = field(default_factory=dict)
    values: Mapping[tuple[Any, str], Any] = field(default_factory=dict)
    personal: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edge:
    """A child that is asked for with values of its parent: parameter → the JSON paths that may fill it.

    `needed`: no other route gives all the child's rows, so it must be found.
    """

    parent: str
    child: str
    parameters: Mapping[str, tuple[str, ...]]
    needed: bool = True


@dataclass(frozen=True)
class Reference:
    """A field that holds the key of another entity's row. `needed`: it must be found; else it may be."""

    child: str
    field: str
    parent: str
    needed: bool = True


@dataclass(frozen=True)
class Truth:
    """All of it. `findings` are patterns, each of which the evidence or the error must show; `silent`: nothing is to be had."""

    entities: tuple[Entity, ...] = ()
    edges: tuple[Edge, ...] = ()
    references: tuple[Reference, ...] = ()
    findings: tuple[str, ...] = ()
    silent: bool = False
    most_requests: int = 1_500
