"""What other documents would change of a pipeline, made again in a scratch copy: those tables, and all that is made from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from spectra_assets.covenant.canon import Canon, CanonEntity
from spectra_assets.covenant.model import Covenant, Table
from spectra_assets.learning.scratch import Made, Scratch
from spectra_assets.names import LOG, QUARANTINE, SCHEMAS, Stage
from spectra_assets.playbook.model import FILES
from spectra_assets.stages.asking.sampling import forget_drifted
from spectra_assets.stages.design import SCHEMA

_FIRST = (Stage.SOURCE.value, Stage.PREPARE.value)


@dataclass
class Remade:
    """What was made again, by table. `covenant` is that of the documents; None if Prepare was held back, which `ended` tells."""

    tables: dict[str, Made] = field(default_factory=dict)
    covenant: Covenant | None = None
    ended: str | None = None


def remake(
    scratch: Scratch,
    known: Covenant,
    edited: Collection[str],
    wanted: Collection[str] = (),
    since: datetime | None = None,
    canon_only: bool = False,
    alone: bool = False,
    anew: Collection[str] = (),
) -> Remade:
    """Make again what the documents of `scratch` change against the covenant `known`, from the first stage on whose document is
    in `edited`. The tables `wanted` are made in any case, and with `alone` they and the canon are all that is made. With
    `canon_only` what Source and Prepare asked of the API stays as it is.

    What Extract kept for the next sample from `since` on is not there: what heals is the documents. Nor is all that it kept of
    the entities `anew`. Raises what designing raises, and SpectraError once the time is over; what goes wrong with a table is in
    the result.
    """
    scratch.bring((table.table for table in known.tables()), since)
    for entity in anew:
        forget_drifted(scratch.lakehouse, entity)
    stages = () if canon_only or alone else _stages(edited)
    return _Remaking(scratch, known).run(stages, set(wanted), alone)


def _stages(edited: Collection[str]) -> tuple[str, ...]:
    """The stages from that of the first edited document on; the standards are of all."""
    found = [FILES[file.rsplit("/", 1)[-1]][1] for file in edited if file.rsplit("/", 1)[-1] in FILES]
    first = min(map(SCHEMAS.index, found), default=0) if len(found) == len(edited) else 0
    return tuple(name for name in SCHEMAS[first:] if name != QUARANTINE)


class _Remaking:
    def __init__(self, scratch: Scratch, known: Covenant) -> None:
        self._scratch = scratch
        self._known = {table.table: table for table in known.tables()}
        self._remade = Remade()
        self._changed: set[str] = set()
        self._held: set[str] = set()

    def run(self, stages: Collection[str], wanted: set[str], alone: bool) -> Remade:
        before = self._scratch.canon()
        first = self._scratch.first()
        for table in first.tables():
            if not (table.ref.schema in stages or table.table in (*wanted, str(SCHEMA))):
                continue
            if not self._make(first, table):
                self._remade.ended = f"{table.table} is held back"
                return self._remade
        covenant = self._remade.covenant = self._scratch.covenant()
        entities = _different(before, self._scratch.canon())
        log = any(name.startswith(f"{LOG}.") for name in wanted)
        for table in covenant.tables():
            if table.ref.schema in _FIRST or (table.ref.schema == LOG and not log):
                continue
            touched = not alone and (table.ref.schema == LOG or self._touched(table, entities))
            if table.table in wanted or touched:
                self._make(covenant, table)
        return self._remade

    def _make(self, covenant: Covenant, table: Table) -> bool:
        """Whether it was published. What is made from a table that is held back is held back too."""
        made = self._remade.tables
        if self._held.intersection(table.inputs) or not all(map(self._scratch.holds, table.inputs)):
            self._held.add(table.table)
            return False
        made[table.table] = self._scratch.make(covenant, table)
        if made[table.table].changed:
            self._changed.add(table.table)
        if not made[table.table].published:
            self._held.add(table.table)
        return made[table.table].published

    def _touched(self, table: Table, entities: Collection[str]) -> bool:
        """Whether the table is another one now. Of the canon, which is an input of many, only its own entity counts."""
        if not self._scratch.holds(table.table) or self._known.get(table.table) != table or table.entity in entities:
            return True
        news = self._changed | self._held
        return any(name in news for name in table.inputs if not name.startswith(f"{Stage.PREPARE.value}."))


def _different(before: Canon, after: Canon) -> set[str]:
    """Entities that are not what they were."""
    was: Mapping[str, CanonEntity] = {entity.entity: entity for entity in before.entities}
    return {entity.entity for entity in after.entities if was.get(entity.entity) != entity}
