"""Rules: typed, placed, refused with the line of the key at fault; hostile YAML; which rule wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from spectra_assets.covenant import build as covenant
from spectra_assets.covenant.model import DataType, PiiLevel
from spectra_assets.errors import DocumentError
from spectra_assets.playbook import rules
from spectra_assets.playbook.rules import DimensionRule, EnrichRule, EnumerationRule, PiiRule, RenameRule, fits, names

Writer = Callable[[str], Path]


def refused(copy: Any, path: Path, at: str, *parts: str) -> None:
    """Loading fails at the last line of the document that holds `at`."""
    line = max(number for number, text in enumerate(path.read_text().split("\n"), 1) if at in text)
    with pytest.raises(DocumentError) as caught:
        copy.load()
    message = str(caught.value)
    assert message.startswith(f"playbooks/fabric/pipeline/{path.name}:{line}: "), message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("yaml", "at", "parts"),
    [
        ("id: x", "id: x", ["a rule block is a list"]),
        ("- x", "- x", ["a rule is a mapping"]),
        ("- kind: pii\n  level: none", "- kind: pii", ["needs the key 'id'"]),
        ("- id: a\n  level: none", "- id: a", ["needs the key 'kind'"]),
        ("- id: a\n  kind: rename_", "kind: rename_", ["unknown rule kind 'rename_'", "did you mean 'rename'", "kpi"]),
        (
            "- id: a\n  kind: pii\n  scope: {field: x}\n  levle: none",
            "levle",
            ["rule 'a'", "unknown key 'levle'", "did you mean 'level'", "lesson"],
        ),
        ("- id: a\n  kind: pii\n  scope: {field: x}", "- id: a", ["key 'level' is missing", "description"]),
        ("- id: a\n  kind: pii\n  scope: {field: x}\n  level: directly", "level:", ["'directly'", "did you mean 'direct'"]),
        ("- id: a\n  kind: pii\n  scope:\n    feild: x\n  level: none", "feild", ["unknown key 'feild'", "source"]),
        ("- id: a\n  kind: pii\n  level: none", "- id: a", ["needs scope.field"]),
        ("- id: a\n  kind: rename\n  scope: {field: x}\n  target: y", "- id: a", ["needs scope.entity"]),
        ("- id: a\n  kind: setting\n  scope: {entity: x}\n  name: page_size\n  value: 1", "- id: a", ["scope.entity has no"]),
        ("- id: a\n  kind: setting\n  name: pagesize\n  value: 1", "name:", ["unknown setting", "did you mean 'page_size'"]),
        ("- id: a\n  kind: setting\n  name: page_size\n  value: many", "value:", ["whole number from 1"]),
        ("- id: a\n  kind: setting\n  name: page_size\n  value: 0", "value:", ["page_size is 0"]),
        ("- id: a\n  kind: setting\n  name: page_size\n  value: true", "value:", ["value is True"]),
        ("- id: a\n  kind: rename\n  scope: {entity: e, field: x}\n  target: Not Camel", "target:", ["'Not Camel'"]),
        ("- id: a b\n  kind: pii\n  scope: {field: x}\n  level: none", "id: a b", ["'a b'"]),
        (
            "- id: a\n  kind: fact\n  name: factX\n  table: clean.x\n  grain: g\n  references:\n"
            "    - {name: n, dimension: dimY, column: c}\n"
            "    - name: m\n      dimension: dimZ\n      columm: c",
            "columm",
            ["unknown key 'columm'", "did you mean 'column'", "via"],
        ),
        (
            "- id: a\n  kind: fact\n  name: factX\n  table: clean.x\n  grain: g\n  references:\n"
            "    - {name: n, dimension: dimY, column: c}\n    - {name: m, column: c}",
            "{name: m",
            ["'references.1.dimension' is missing"],
        ),
        ("- id: a\n  kind: pii\n  scope: {field: x}\n  level: none\n  level: direct", "level: direct", ["stands twice"]),
        ("- id: a\n  kind: pii\n  scope: {field: [}", "field: [}", ["not valid YAML"]),
        ("- id: a\n  kind: pii\n\tlevel: none", "\tlevel", ["not valid YAML"]),
        ("- id: &x a\n  kind: pii", "&x", ["anchors and aliases"]),
        ("- id: a\n  kind: *x", "*x", ["anchors and aliases"]),
        ("- id: !!python/object/apply:os.system ['true']\n  kind: pii", "!!python", ["tag", "not allowed"]),
        ("- id: a\n  kind: !!str pii", "!!str", ["tag", "not allowed"]),
        ("- [" + "[" * 5000, "[[[", ["nested deeper than 16"]),
        ("- id: a\n  kind: pii\n  ? [1, 2]\n  : x", "? [1, 2]", ["a key must be a text"]),
        ("- id: a\x00b", "- id: a", ["not valid YAML"]),
    ],
)
def test_a_malformed_rule_is_refused_where_it_stands(copy: Any, with_rules: Writer, yaml: str, at: str, parts: list[str]) -> None:
    refused(copy, with_rules(yaml), at, *parts)


def test_a_billion_laughs(copy: Any, with_rules: Writer) -> None:
    levels = [f"- &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 20)]
    refused(copy, with_rules("\n".join(["- &l0 lol", *levels])), "&l0", "anchors and aliases")


def test_a_second_yaml_document(copy: Any, with_rules: Writer) -> None:
    refused(copy, with_rules("- id: a\n---\n- id: b"), "---", "not valid YAML")


def test_another_kind_of_block(copy: Any) -> None:
    path = copy.path("extract")
    path.write_text(path.read_text() + "\n```json\n[]\n```\n")
    refused(copy, path, "```json", "a rule block starts with ```yaml")


def test_words_of_yaml_1_1_stay_text(copy: Any, with_rules: Writer) -> None:
    with_rules(
        "- id: e\n  kind: enrich\n  table: dimX\n  from: transform.dimY\n  on: {yes: no}\n  columns: {n: count(*)}\n"
        "- id: v\n  kind: enumeration\n  name: dimS\n  column: clean.x.s\n  natural_key: s\n  label: t\n"
        "  labels: {-1: No, 0: off, 1: 12:30}\n  absent: 'null'\n  unmapped: '1'"
    )
    playbooks = copy.load()
    (enrich,) = playbooks.rules(EnrichRule, "any")
    assert (enrich.from_, enrich.on) == ("transform.dimY", {"yes": "no"})
    (values,) = playbooks.rules(EnumerationRule, "any")
    assert values.labels == {-1: "No", 0: "off", 1: "12:30"}


def test_members_keep_their_types(copy: Any, with_rules: Writer) -> None:
    base = "- id: d\n  kind: dimension\n  name: dimUser\n  table: clean.user\n  natural_key: userId\n  members:\n"
    with_rules(f"{base}    - {{userId: -10, fullName: anyone, email: null}}")
    (rule,) = copy.load().rules(DimensionRule, "any")
    assert rule.members == [{"userId": -10, "fullName": "anyone", "email": None}]
    refused(copy, with_rules(f"{base}    - {{userId: true}}"), "userId: true", "members.0.userId is True")


def test_an_empty_block_holds_no_rule(copy: Any, with_rules: Writer) -> None:
    with_rules("# none yet")
    assert copy.load().of("extract").rules == ()


def test_the_narrowest_scope_comes_last(copy: Any, with_rules: Writer) -> None:
    with_rules(
        "- {id: s1, kind: setting, scope: {source: zephyr}, name: page_size, value: 50}\n"
        "- {id: s2, kind: setting, name: page_size, value: 100}\n"
        "- {id: p1, kind: pii, scope: {source: zephyr, field: email}, level: none}\n"
    )
    playbooks = copy.load()
    assert playbooks.setting("page_size", "zephyr") == 50
    assert playbooks.setting("page_size", "other") == 100
    assert [rule.level for rule in playbooks.rules(PiiRule, "zephyr", "user", "email")] == ["direct", "none"]
    assert [rule.level for rule in playbooks.rules(PiiRule, "other", "user", "email")] == ["direct"]


def test_rules_are_asked_by_entity_and_field(copy: Any, with_rules: Writer) -> None:
    with_rules(
        "- {id: r1, kind: rename, scope: {entity: cycle, field: 'cyclePhases[].id'}, target: phaseId}\n"
        "- {id: r2, kind: rename, scope: {entity: 'test*', field: name}, target: title}"
    )
    playbooks = copy.load()
    assert [r.id for r in playbooks.rules(RenameRule, "acme")] == ["r2", "r1"]
    assert [r.id for r in playbooks.rules(RenameRule, "acme", "cycle", "cyclePhases[].id")] == ["r1"]
    assert [r.id for r in playbooks.rules(RenameRule, "acme", "testcase")] == ["r2"]
    assert playbooks.rules(RenameRule, "acme", "cycle", "name") == []


@pytest.mark.parametrize(
    ("pattern", "name", "fit"),
    [
        ("*", "", True),
        ("a[].b[].id", "a[].b[].id", True),
        ("a[].b", "a.b", False),
        ("*[].id", "phases[].id", True),
        ("te?t", "test", True),
        ("te?t", "tet", False),
        ("a.b", "axb", False),
        ("***a***", "xay", True),
    ],
)
def test_patterns_are_literal_but_for_two_signs(pattern: str, name: str, fit: bool) -> None:
    assert fits(pattern, name) is fit


@pytest.mark.parametrize(
    ("rule", "made", "elsewhere"),
    [
        (rules.DimensionRule, covenant.Dimension, {"surrogate_key", "gone"}),
        (rules.EnumerationRule, covenant.Enumeration, {"surrogate_key"}),
        (rules.CalendarRule, covenant.Calendar, set()),
        (rules.FactRule, covenant.Fact, {"gone"}),
        (rules.BridgeRule, covenant.Bridge, {"gone"}),
        (rules.EnrichRule, covenant.Enrichment, {"rule"}),
        (rules.DeriveRule, covenant.Derivation, {"rule"}),
        (rules.KpiRule, covenant.Kpi, {"rule", "table"}),
        (rules.Reference, covenant.Reference, set()),
        (rules.Hop, covenant.Hop, set()),
        (rules.Join, covenant.Join, set()),
        (rules.Chart, covenant.Chart, set()),
        (rules.Reconciliation, covenant.Reconciliation, set()),
    ],
)
def test_rules_carry_what_the_covenant_needs(rule: type[BaseModel], made: type[BaseModel], elsewhere: set[str]) -> None:
    """A field of the covenant which no rule could fill would be lost; `elsewhere` are those that Design makes."""
    assert set(made.model_fields) - elsewhere <= set(rule.model_fields)


def test_words_are_those_of_the_covenant() -> None:
    lists = {"text_list"}
    assert set(get_args(names.DataType)) == {kind.value for kind in DataType} - lists
    assert set(get_args(names.PiiLevel)) == {level.value for level in PiiLevel}


def test_rules_are_frozen_and_know_their_kind(copy: Any) -> None:
    assert {kind: model.model_fields["kind"].default for kind, model in rules.KINDS.items()} == {k: k for k in rules.KINDS}
    rule = copy.load().standards.rules[0]
    with pytest.raises(ValueError, match="frozen"):
        rule.id = "other"


def test_a_pattern_of_many_stars_is_answered_at_once() -> None:
    assert fits("*a" * 100, "a" * 5000 + "b") is False
