"""What of a new covenant is taken over by itself: all of it, but what would break those who read the tables.

Held back is by entity: one whose records no longer fit what its tables promise stays in the canon as it was when the covenant in
force was made, and everybody else's news arrive. So the covenant of the run is designed as any other one, from a canon that is in
part the one of before, which lies in the lakehouse's `Files/canon.json` under the covenant's version.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from spectra_assets.covenant.canon import Canon
from spectra_assets.covenant.diff import Change, diff
from spectra_assets.covenant.files import replace_text
from spectra_assets.covenant.model import Covenant, Table
from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.model import Pack
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.playbook.model import Notice
from spectra_assets.settings import Settings
from spectra_assets.stages.design import design

_FILE = "canon.json"
_ROUNDS = 4
"""Times that a covenant is designed at most, each with more held back, before all of it is."""


@dataclass(frozen=True)
class Made:
    """A covenant as it was designed, with its canon and what a person should know of it."""

    covenant: Covenant
    canon: Canon
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class Adopted:
    """What a run goes by. `held` is what would break and was not taken over, `entities` whose that is; none of them named: the
    covenant in force stays whole."""

    made: Made
    held: tuple[Change, ...] = ()
    entities: tuple[str, ...] = ()


def adopt(settings: Settings, pack: Pack, now: Covenant, made: Made, published: Collection[str]) -> Adopted:
    """What to go by where `now` is in force and `made` is what the data make of it, without what breaks `published` tables."""
    held = _broken(now, made.covenant, published)
    if not held:
        return Adopted(made)
    before = kept_canon(settings, now)
    whole = Adopted(Made(now, before or made.canon), held)
    if before is None:
        return whole
    known = {entity.entity for entity in before.entities}
    breaking, back = held, set[str]()
    for _ in range(_ROUNDS):
        more = _whose(breaking, now, made.covenant) & known - back
        if not more:
            break
        back |= more
        canon = mixed(before, made.canon, back)
        try:
            covenant, notices = design(settings, pack, canon)
        except DocumentError:  # what stays and what is new can't be one covenant
            break
        breaking = _broken(now, covenant, published)
        if not breaking:
            return Adopted(Made(covenant, canon, tuple(notices)), held, tuple(sorted(back)))
    return whole


def mixed(before: Canon, now: Canon, back: Collection[str]) -> Canon:
    """The canon of now, the entities `back` as they were before."""
    kept = {entity.entity: entity for entity in before.entities if entity.entity in back}
    fresh = {entity.entity: entity for entity in now.entities}
    place = {name: entity.order for name, entity in {**kept, **fresh}.items()}
    both = {**fresh, **kept}
    return Canon(entities=tuple(both[name] for name in sorted(both, key=lambda name: (place[name], name))))


def _broken(now: Covenant, new: Covenant, published: Collection[str]) -> tuple[Change, ...]:
    return tuple(change for change in diff(now, new) if change.breaking and change.table in published)


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
    """Remember from which canon the covenant in force was made. Raises StorageError."""
    content = {"covenant": covenant.version, "canon": canon.model_dump(mode="json")}
    replace_text(_file(settings, covenant.source), json.dumps(content, ensure_ascii=False), "the canon of the covenant in force")


def kept_canon(settings: Settings, covenant: Covenant) -> Canon | None:
    """The canon that the covenant was made from; None if it was made elsewhere, or the file is not whole."""
    try:
        content = json.loads(_file(settings, covenant.source).read_text(encoding="utf-8"))
        return Canon.model_validate(content["canon"]) if content["covenant"] == covenant.version else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _file(settings: Settings, source: str) -> Path:
    return Lakehouse(settings.lakehouse_root, source).files(_FILE)
