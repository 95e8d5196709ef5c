"""What a person says of fields: which is the key, and what they refer to. Wrong names are told with those that there are."""

from __future__ import annotations

from collections.abc import Mapping

from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.errors import DocumentError, one_of
from spectra_assets.intelligence.model import OVERRIDE, Pack
from spectra_assets.playbook.model import Playbooks
from spectra_assets.playbook.rules import PrimaryKeyRule, ReferenceRule


def declared_references(canon: Mapping[str, CanonEntity], pack: Pack, playbooks: Playbooks) -> dict[str, dict[str, str]]:
    """Entity → raw path → the `entity.path` that it refers to, as rules of kind reference and the pack's override say; "" for
    nothing. Raises DocumentError naming what is none of the source's fields, and what is valid."""
    found: dict[str, dict[str, str]] = {}
    for hint in pack.entities:
        if hint.entity in canon:
            place = f"covenants/intelligence/{pack.source}{OVERRIDE}"
            for raw, to in hint.references.items():
                _check_reference(canon, hint.entity, raw, to, place, None)
                found.setdefault(hint.entity, {})[raw] = to
    for name, entity in canon.items():
        for rule in playbooks.rules(ReferenceRule, pack.source, name):
            paths = [field.raw for field in entity.fields if rule.applies_to_field(field.raw)]
            literal = [] if set(rule.scope.field) & {"*", "?"} else [rule.scope.field]
            for raw in paths or literal:
                _check_reference(canon, name, raw, rule.to or "", rule.file, rule.line)
                found.setdefault(name, {})[raw] = rule.to or ""
    return found


def check_key(entity: CanonEntity, playbooks: Playbooks, source: str) -> None:
    """Raises DocumentError for a rule whose key is none of the entity's fields."""
    for rule in playbooks.rules(PrimaryKeyRule, source, entity.entity)[-1:]:
        own = [field.raw for field in entity.fields if field.group == entity.entity]
        if entity.sample_size and rule.path not in own:
            told = f"{entity.entity} has no field {rule.path!r} to be its key; its fields are {one_of(own[:40])}"
            raise DocumentError(told, rule.file, rule.line)


def _check_reference(canon: Mapping[str, CanonEntity], name: str, raw: str, to: str, file: str, line: int | None) -> None:
    own = [field.raw for field in canon[name].fields]
    if raw not in own:
        raise DocumentError(f"references: {name} has no field {raw!r}; its fields are {one_of(own[:40])}", file, line)
    target, _, path = to.partition(".")
    if to and target not in canon:
        told = f"references: {name}.{raw} can't refer to {to!r}: {target!r} is no entity; entities are {one_of(list(canon)[:40])}"
        raise DocumentError(told, file, line)
    theirs = [field.raw for field in canon[target].fields] if to else []
    if to and path not in theirs:
        told = f"references: {name}.{raw} can't refer to {to!r}: the fields of {target} are {one_of(theirs[:40])}"
        raise DocumentError(told, file, line)
