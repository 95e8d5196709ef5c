"""Design: the covenant from playbooks, what is known of the source, and the canon. Same inputs, same covenant.

A playbook's outputs say which tables a stage promises, its steps which actions make them, its gates what they must pass, its
rules what the star and the measures are; where no rule says it, it is derived from the canon. Without a canon (nothing
sampled yet) the covenant ends with Prepare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from spectra_assets.covenant.build import Extraction, Fixed, Flattening
from spectra_assets.covenant.canon import Canon, CanonEntity, CanonField
from spectra_assets.covenant.derive import Deriving, follow, note_idle
from spectra_assets.covenant.derived_meaning import derived_meaning
from spectra_assets.covenant.derived_measures import derived_measures
from spectra_assets.covenant.derived_star import derived_star
from spectra_assets.covenant.design import Design, Registry, SchemaOf, SourceFacts, one_line
from spectra_assets.covenant.files import text_of
from spectra_assets.covenant.forms import EXTRACT_FORM, FORMS
from spectra_assets.covenant.measures import add_measures
from spectra_assets.covenant.model import Column, Covenant, PiiLevel, Pipeline, StageContract, StageGates, Table
from spectra_assets.covenant.paths import HASH, PARENT
from spectra_assets.covenant.refined import add_refined
from spectra_assets.covenant.secrets import hashing, secrets_of
from spectra_assets.covenant.star import add_star
from spectra_assets.errors import DocumentError
from spectra_assets.names import LOG, Stage, plural
from spectra_assets.playbook.model import Notice, Output, Playbook, Playbooks
from spectra_assets.playbook.rules import OrderRule, ReadAsRule, RequiredRule


def generate(
    facts: SourceFacts, playbooks: Playbooks, canon: Canon | None, registry: Registry, schema_of: SchemaOf
) -> tuple[Covenant, list[Notice]]:
    """The covenant and what a person should know of it (rules that could not be followed). Raises DocumentError."""
    design = Design(facts, playbooks, registry, schema_of)
    for stage in (Stage.SOURCE, Stage.PREPARE):
        _add_fixed(design, playbooks.of(stage))
    if canon is not None:
        deriving = Deriving(design, canon)
        _add_extracted(design, canon)
        _add_cleaned(design, canon, references=not deriving.nothing)
        follow(deriving, derived_star)
        add_star(design)
        follow(deriving, derived_meaning)
        add_refined(design)
        follow(deriving, derived_measures)
        add_measures(design)
        note_idle(deriving)
        _add_fixed(design, playbooks.of(Stage.ANALYSE))
        _add_fixed(design, playbooks.of(LOG))
    return _assemble(design, canon), design.notices


def _assemble(design: Design, canon: Canon | None) -> Covenant:
    stages, gates = [], []
    for playbook in design.playbooks.playbooks:
        outputs = [table for table in design.tables.values() if table.ref.schema == playbook.stage]
        if not outputs:
            continue
        made_here = {table.table for table in outputs}
        inputs = sorted({name for table in outputs for name in table.inputs} - made_here)
        stages.append(StageContract(name=playbook.stage, playbook=playbook.name, inputs=inputs, outputs=outputs))
        gates.append(StageGates(stage=playbook.stage, checks=sorted({gate.name for table in outputs for gate in table.gates})))
    pipeline = Pipeline(
        source=design.facts.source,
        title=design.facts.title,
        version="",
        owner=str(design.playbooks.setting("owner", design.facts.source)),
        intelligence=design.facts.intelligence,
        documents=design.facts.documents,
        server=hashing(design.facts.server, secrets_of(canon)) if canon is not None else design.facts.server,
        stages=stages,
    )
    try:
        unversioned = Covenant(pipeline=pipeline, quality_gates=gates)
    except ValueError as error:
        raise DocumentError(f"the playbooks don't fit together: {error}", "playbooks") from None
    digest = hashlib.sha256(text_of(unversioned).encode()).hexdigest()[:12]
    return Covenant(pipeline=pipeline.model_copy(update={"version": digest}), quality_gates=gates)


def _add_fixed(design: Design, playbook: Playbook) -> None:
    """The tables that a playbook promises by name."""
    for output in playbook.outputs:
        name = str(output.table)
        if not output.table.many and name not in design.tables:
            design.add(
                playbook,
                Table(
                    table=name,
                    description=one_line(output.text),
                    inputs=list(_matching(design, output)),
                    steps=[],
                    build=Fixed(),
                    schema_=FORMS[name] if name in FORMS else _unknown_form(output),
                ),
            )


def _unknown_form(output: Output) -> list[Column]:
    known = ", ".join(sorted(FORMS))
    raise DocumentError(
        f"no form is known for the table {output.table}; tables of this kind are {known}", output.file, output.line
    )


def _matching(design: Design, output: Output) -> Iterator[str]:
    """The tables so far that the output's `from` names; a precise name stays even if nothing makes it, to be reported."""
    for pattern in output.inputs:
        if pattern.many:
            yield from (name for name in design.tables if pattern.matches(name) and name != str(output.table))
        else:
            yield str(pattern)


def extract_table(entity: str) -> str:
    """Table that holds the raw records of an entity."""
    return f"extract.{plural(entity)}"


def _add_extracted(design: Design, canon: Canon) -> None:
    playbook = design.playbooks.of(Stage.EXTRACT)
    for entity, before in ordered(canon, design.playbooks, design.facts.source):
        parents = entity.fetch.parent.entities if entity.fetch.parent else []
        design.add(
            playbook,
            Table(
                table=extract_table(entity.entity),
                description=f"Raw records as the API gave them. {design.facts.descriptions.get(entity.entity, '')}".strip(),
                inputs=list(dict.fromkeys(["prepare.schema", *map(extract_table, parents), *map(extract_table, before)])),
                entity=entity.entity,
                steps=[],
                build=Extraction(fetch=entity.fetch),
                schema_=EXTRACT_FORM,
            ),
        )


def ordered(canon: Canon, playbooks: Playbooks, source: str) -> list[tuple[CanonEntity, list[str]]]:
    """The entities in the order in which they are extracted, each with those that rules of kind order put before it.

    A rule that would put an entity before its own parent is not followed.
    """
    entities = {entity.entity: entity for entity in canon.entities}
    needs = {name: set(each.fetch.parent.entities) if each.fetch.parent else set() for name, each in entities.items()}
    before: dict[str, list[str]] = {name: [] for name in entities}
    for name in entities:
        for other in (each for rule in playbooks.rules(OrderRule, source, name) for each in rule.after):
            if other in entities and other != name and name not in _reached(other, needs):
                needs[name].add(other)
                before[name].append(other)
    placed: list[str] = []
    while len(placed) < len(entities):
        placed.append(next(name for name in entities if name not in placed and needs[name] & entities.keys() <= set(placed)))
    return [(entities[name], before[name]) for name in placed]


def _reached(name: str, needs: dict[str, set[str]]) -> set[str]:
    """Everything that an entity needs, directly or not."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = needs.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def _add_cleaned(design: Design, canon: Canon, references: bool) -> None:
    """The Clean tables; their columns tell what they refer to where the star is derived from that."""
    playbook = design.playbooks.of(Stage.CLEAN)
    for entity in canon.entities:
        for group in dict.fromkeys([entity.entity, *(field.group for field in entity.fields)]):
            table = _cleaned(design, entity, group, references)
            if table is not None:
                design.add(playbook, table)


def _cleaned(design: Design, entity: CanonEntity, group: str, references: bool) -> Table | None:
    fields = [field for field in entity.fields if field.group == group and _has_column(field, entity)]
    if not fields:
        return None
    raw_table = extract_table(entity.entity)
    merged: dict[str, list[CanonField]] = {}
    for item in fields:
        merged.setdefault(item.target, []).append(item)
    keys = list(dict.fromkeys(item.target for item in fields if item.key))
    columns = [_column(name, items, raw_table, name in keys, references) for name, items in merged.items()]
    columns = [_ruled(design, entity, column) for column in columns]
    child = group != entity.entity
    array = next((_array_of(item.raw) for item in fields if "[]" in item.raw), None) if child else None
    cursor = next((item.target for item in fields if item.raw == entity.cursor_field), None)
    nested = f"Nested in {entity.entity}: {array}." if array != PARENT else f"The parents that list each {entity.entity}."
    about = nested if child else design.facts.descriptions.get(entity.entity, "")
    told_apart = not child and entity.fetch.key_scope == "entity"  # else the same record under another parent is another one
    hashed = next((item.target for item in fields if item.raw == HASH and not item.key), None) if told_apart else None
    return Table(
        table=f"clean.{group}",
        description=f"Typed and flat. {about}".strip(),
        inputs=[raw_table, "prepare.schema"],
        entity=entity.entity,
        grain=f"one row per {group}",
        primary_key=keys,
        steps=[],
        build=Flattening(
            array=array,
            scalar=any(item.raw == f"{array}[]" for item in fields),
            repeats_by=hashed,
            deduplicate_by=cursor,
        ),
        schema_=columns,
    )


def _has_column(item: CanonField, entity: CanonEntity) -> bool:
    """Containers whose contents are fields of their own have no column, unless they once were what one of these is now."""
    inside = (f"{item.raw}.", f"{item.raw}[]")
    within = [other.target for other in entity.fields if other is not item and other.raw.startswith(inside)]
    return not within or item.target in within


def _array_of(raw: str) -> str:
    """Path of the innermost array that `raw` lies in."""
    return raw[: raw.rindex("[]")]


def _ruled(design: Design, entity: CanonEntity, column: Column) -> Column:
    """The column with what rules say of its values."""
    rules = [
        rule for path in column.source for rule in design.playbooks.rules(ReadAsRule, design.facts.source, entity.entity, path)
    ]
    changes: dict[str, Any] = {"sparse": True} if _may_be_empty(design, entity, column) else {}
    if rules:
        changes["read_as"] = {text: other for rule in rules for text, other in rule.values.items()}
    return column.model_copy(update=changes) if changes else column


def _may_be_empty(design: Design, entity: CanonEntity, column: Column) -> bool:
    """Whether a rule says of each of the column's fields that it is not required."""
    told = [
        rules[-1].required if (rules := design.playbooks.rules(RequiredRule, design.facts.source, entity.entity, path)) else None
        for path in column.source
    ]
    return bool(told) and all(each is False for each in told) and not column.required


def _column(name: str, items: list[CanonField], raw_table: str, is_key: bool, references: bool) -> Column:
    first = items[0]
    # what lies in another source comes first: that one is a container where this has a value
    items = sorted(items, key=lambda item: not any(item.raw.startswith(f"{other.raw}.") for other in items))
    return Column(
        name=name,
        type=first.type,
        description=next((item.description for item in items if item.description), ""),
        required=is_key or any(item.required for item in items),
        pii=max((item.pii for item in items), key=list(PiiLevel).index),
        source=[item.raw for item in items],
        date_format=next((item.date_format for item in items if item.date_format), None),
        lineage=[f"{raw_table}.record"],
        references=next((item.references for item in items if item.references), None) if references else None,
    )
