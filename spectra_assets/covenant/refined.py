"""Tables of Refine: the star with business meaning, by enrich and derive rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from spectra_assets.covenant.amounts import NUMBERS
from spectra_assets.covenant.build import Derivation, Enrichment, Refinement
from spectra_assets.covenant.design import Design
from spectra_assets.covenant.following import identifiers, inherited, typed
from spectra_assets.covenant.model import Column, DataType, PiiLevel, Table
from spectra_assets.errors import DocumentError, one_of
from spectra_assets.names import Stage
from spectra_assets.playbook import rules as written
from spectra_assets.playbook.model import Notice

_HASHED = re.compile(r"(?:sha|sha1|sha2|md5|hash|xxhash64|crc32)\s*\(", re.IGNORECASE)
"""An expression that is a hash as a whole."""


_ELSE = re.compile(r"\bELSE\b", re.IGNORECASE)
_TRUTH = re.compile(r"^CASE\b.*\bTHEN (?:true|false)\b", re.IGNORECASE | re.DOTALL)

_FLAG = re.compile(r"coalesce\(`?(\w+)`? = '([^']+)', false\)", re.IGNORECASE)

STATUSES_KNOWN = "statuses_known"
"""The gate that tells of values which leave a truth open that others decide, or have taken the place of one that decided it."""


def truths(build: Refinement) -> dict[str, list[str]]:
    """Column with a truth that some cases decide, and the others leave open → the names in its expression."""
    rules = [rule for rule in build.rules if isinstance(rule, Derivation)]
    cases = [rule for rule in rules if _TRUTH.match(rule.expression) and not _ELSE.search(rule.expression)]
    return {rule.column: identifiers(rule.expression) for rule in cases}


def flagged(build: Refinement) -> dict[str, tuple[str, str]]:
    """Column with a truth that one text alone decides → (column with the text, the text)."""
    found = ((rule.column, _FLAG.fullmatch(rule.expression)) for rule in build.rules if isinstance(rule, Derivation))
    return {column: (flag[1], flag[2]) for column, flag in found if flag is not None}


def add_refined(design: Design) -> None:
    """Every table of the star with its rules of business meaning."""
    rules: list[written.EnrichRule | written.DeriveRule] = [
        rule
        for rule in design.playbooks.all_rules()
        if isinstance(rule, (written.EnrichRule, written.DeriveRule)) and rule.applies(design.facts.source)
    ]
    star = [table for table in design.tables.values() if table.ref.schema == Stage.TRANSFORM]
    for rule in rules:
        if f"transform.{rule.table}" not in design.tables:
            text = f"the rule {rule.id} is not followed: transform.{rule.table} is not made for {design.facts.source}"
            design.notices.append(Notice(text, rule.file, rule.line))
    waiting = {table.ref.table: [rule for rule in rules if rule.table == table.ref.table] for table in star}
    while waiting:
        ready = [name for name, own in waiting.items() if not (_refine_inputs(own) & {f"refine.{other}" for other in waiting})]
        if not ready:
            rule = next(own[0] for own in waiting.values() if own)
            raise DocumentError(f"these refine tables need each other in a circle: {one_of(waiting)}", rule.file, rule.line)
        for name in ready:
            _add_refinement(design, name, waiting.pop(name))


def _refine_inputs(rules: Sequence[written.EnrichRule | written.DeriveRule]) -> set[str]:
    return {rule.from_ for rule in rules if isinstance(rule, written.EnrichRule)}


def _add_refinement(design: Design, name: str, rules: Sequence[written.EnrichRule | written.DeriveRule]) -> None:
    base = design.tables[f"transform.{name}"]
    for rule in rules:
        if isinstance(rule, written.EnrichRule) and rule.from_ not in design.tables:
            raise DocumentError(written.unknown("table", rule.from_, design.tables), rule.file, rule.line)
    followed = [_refinement(rule) for rule in rules]
    build = Refinement(rules=followed)
    table = Table(
        table=f"refine.{name}",
        description=f"{base.description} With business meaning.",
        inputs=list(dict.fromkeys([base.table, *(rule.table for rule in followed if isinstance(rule, Enrichment))])),
        entity=base.entity,
        grain=base.grain,
        primary_key=base.primary_key,
        steps=[],
        build=build,
    )
    without = frozenset() if truths(build) or flagged(build) else frozenset({STATUSES_KNOWN})
    kept = design.add(design.playbooks.of(Stage.REFINE), table, without=without)
    if kept is None:
        return
    columns_before = {column.name: inherited(column, base.table) for column in base.schema_}
    made = typed(design, kept, rules) if rules else base.schema_
    origin = {name: rule for rule in followed for name in _makes(rule)}
    stated = {rule.column: PiiLevel(rule.pii) for rule in rules if isinstance(rule, written.DeriveRule) and rule.pii}
    columns: list[Column] = []
    for column in made:
        maker = origin.get(column.name)
        if maker is None:
            columns.append(columns_before[column.name])
        else:
            told = {"lineage": _derived_lineage(maker, base.table, columns), "description": _formula(maker, column.name)}
            there = {each.name: each for each in columns} if isinstance(maker, Derivation) else design.tables[maker.table].columns
            told["pii"] = stated.get(column.name) or _level(maker, column, there)
            columns.append(column.model_copy(update=told))
    design.tables[kept.table] = kept.model_copy(update={"schema_": columns})


def _refinement(rule: written.EnrichRule | written.DeriveRule) -> Enrichment | Derivation:
    if isinstance(rule, written.DeriveRule):
        return Derivation(rule=rule.id, column=rule.column, expression=rule.expression)
    return Enrichment(rule=rule.id, table=rule.from_, on=rule.on, columns=rule.columns, aggregate=rule.aggregate)


def _makes(rule: Enrichment | Derivation) -> list[str]:
    return [rule.column] if isinstance(rule, Derivation) else list(rule.columns)


def _formula(rule: Enrichment | Derivation, column: str) -> str:
    """How a column is calculated, for people."""
    if isinstance(rule, Derivation):
        return rule.expression
    keys = " and ".join(mine if mine == theirs else f"{mine} = {theirs}" for mine, theirs in rule.on.items())
    return f"{rule.columns[column]} of {rule.table} by {keys}"


def _level(rule: Enrichment | Derivation, column: Column, there: Mapping[str, Column]) -> PiiLevel:
    """How personal a column is that is made of others: as the most personal of them. A hash or a number made of what names a
    person only points to that person; a truth value, and what is counted or summed over several rows, tells of nobody."""
    expression = rule.expression if isinstance(rule, Derivation) else rule.columns[column.name]
    used = [there[word].pii for word in identifiers(expression) if word in there]
    level = max(used, key=list(PiiLevel).index, default=PiiLevel.NONE)
    counted = isinstance(rule, Enrichment) and rule.aggregate and column.type in NUMBERS
    if column.type == DataType.BOOL or counted:
        return PiiLevel.NONE
    pointing = column.type in NUMBERS or _HASHED.match(expression.strip())
    return PiiLevel.INDIRECT if level == PiiLevel.DIRECT and pointing else level


def _derived_lineage(rule: Enrichment | Derivation, base: str, known: Sequence[Column]) -> list[str]:
    if isinstance(rule, Enrichment):
        return [f"{rule.table}.{word}" for text in rule.columns.values() for word in dict.fromkeys(identifiers(text))][:1]
    by_name = {column.name: column.lineage for column in known}
    return list(dict.fromkeys(place for word in identifiers(rule.expression) for place in by_name.get(word, [])))
