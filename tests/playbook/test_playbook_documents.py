"""The project's own documents: they load without a warning, and STRUCTURE.md describes all there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from spectra_assets.names import LOG, Stage
from spectra_assets.playbook.blocks import rules_of
from spectra_assets.playbook.folder import load_playbooks
from spectra_assets.playbook.markdown import scan
from spectra_assets.playbook.model import Playbooks
from spectra_assets.playbook.parse import HEADINGS, STANDARDS_HEADINGS
from spectra_assets.playbook.rules import KINDS, SETTINGS, BaseRule, Chart, Hop, Join, PiiRule, Reconciliation, Reference
from spectra_assets.playbook.rules import keys as keys_of

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
BASE_KEYS = set(keys_of(BaseRule))


@pytest.fixture(scope="module")
def loaded(known: Any) -> Playbooks:
    return load_playbooks(PLAYBOOKS, known.actions, known.gates)


def test_every_stage_has_its_playbook_in_order(loaded: Playbooks) -> None:
    assert [playbook.stage for playbook in loaded.playbooks] == [*Stage, LOG]
    assert [playbook.number for playbook in loaded.playbooks] == list(range(8))


def test_nothing_is_doubtful(loaded: Playbooks) -> None:
    assert [str(notice) for notice in loaded.warnings] == []


def test_objects_know_where_they_stand(loaded: Playbooks) -> None:
    for playbook in loaded.playbooks:
        lines = (PLAYBOOKS.parent / playbook.file).read_text().split("\n")
        for step in playbook.steps:
            assert lines[step.line - 1] == f"### Step {step.number}: {step.title}"
        for output in playbook.outputs:
            assert lines[output.line - 1].startswith(f"- `{output.table}`")
        for gate in playbook.gates:
            assert lines[gate.line - 1].startswith(f"- `{gate.name}` on ")
    for rule in loaded.all_rules():
        near = (PLAYBOOKS.parent / rule.file).read_text().split("\n")[rule.line - 1]
        assert rule.id in near


def test_all_documented_actions_and_gates_are_used(loaded: Playbooks, known: Any) -> None:
    assert {step.action for playbook in loaded.playbooks for step in playbook.steps} == known.actions
    assert {gate.name for playbook in loaded.playbooks for gate in playbook.gates} == known.gates


def test_every_gate_of_the_product_is_demanded_in_its_stage(loaded: Playbooks) -> None:
    assert {gate.name for gate in loaded.of("prepare").gates if gate.severity == "ERROR"} == {
        "schema_has_all_entities",
        "one_entity_per_row",
        "fields_as_arrays",
        "fields_have_target_names",
        "dependencies_proven",
        "dependencies_acyclic",
    }
    warn = {gate.name for playbook in loaded.playbooks for gate in playbook.gates if gate.severity == "WARN"}
    assert warn == {
        "page_limits_known",
        "endpoints_covered",
        "quarantine_small",
        "references_matched",
        "cursor_tells_changes",
        "fields_seen",
        "columns_filled",
        "scale_kept",
        "records_stay",
        "statuses_known",
    }


def test_gates_tell_what_to_do(loaded: Playbooks) -> None:
    for playbook in loaded.playbooks:
        for gate in playbook.gates:
            assert re.search(r"If it (fails|warns)|A failure is", gate.text), f"{gate.file}:{gate.line}"


def test_grain_and_key_of_fixed_tables(loaded: Playbooks) -> None:
    endpoints = loaded.of("source").output_of("source.endpoints")
    assert endpoints is not None
    assert (endpoints.grain, endpoints.primary_key) == ("one row per method and path", ("method", "path"))
    for playbook in loaded.playbooks:
        assert all(output.primary_key for output in playbook.outputs if not output.table.many)


def test_the_most_precise_output_describes_a_table(loaded: Playbooks) -> None:
    analyse = loaded.of("analyse")
    model, figure = analyse.output_of("analyse.semanticModel"), analyse.output_of("analyse.passRate")
    assert model is not None
    assert figure is not None
    assert str(model.table) == "analyse.semanticModel"
    assert str(figure.table) == "analyse.*"


def test_steps_and_gates_of_one_table(loaded: Playbooks) -> None:
    transform = loaded.of("transform")
    steps = [step.action for step in transform.steps_of("transform.bridgeTestcaseRequirement")]
    assert steps == ["transform.select_pairs", "transform.resolve_keys"]
    gates = [gate.name for gate in transform.gates_of("transform.dimProject")]
    assert gates == ["one_current_row", "validity_has_no_gap_or_overlap"]


@pytest.mark.parametrize(
    ("field", "level"),
    [
        ("email", "direct"),
        ("contact.emailAddress", "direct"),
        ("firstName", "direct"),
        ("USERNAME", "direct"),
        ("members[].userId", "indirect"),
        ("testerId", "indirect"),
        ("testerIdName", "direct"),
        ("createdById", "indirect"),
        ("name", None),
        ("authority", None),
        ("priority", None),
    ],
)
def test_standards_know_personal_data(loaded: Playbooks, field: str, level: str | None) -> None:
    levels = [rule.level for rule in loaded.rules(PiiRule, "anything", "user", field)]
    assert (levels[-1] if levels else None) == level


def test_standards_state_the_settings(loaded: Playbooks) -> None:
    for name, setting in SETTINGS.items():
        assert loaded.setting(name, "anything") == setting.default


def test_structure_names_every_heading(structure: str) -> None:
    text = " ".join(structure.split())
    assert ", ".join(HEADINGS) in text
    assert f"{STANDARDS_HEADINGS[0]}, {STANDARDS_HEADINGS[1]} (a list) and {STANDARDS_HEADINGS[2]}" in text


def test_structure_documents_every_rule_kind_and_key(structure: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:`(\w+)`)? ?\| ?(required|optional)? ?\|", structure, re.MULTILINE)
    documented = {(kind, key): need for kind, key, need in rows if kind in KINDS}
    expected = {}
    for kind, model in KINDS.items():
        expected[kind, ""] = ""
        for name, field in model.model_fields.items():
            if name not in BASE_KEYS:
                expected[kind, field.alias or name] = "required" if field.is_required() else "optional"
    assert documented == expected


def test_structure_documents_keys_of_every_rule_and_of_nested_parts(structure: str) -> None:
    for model in (BaseRule, Reference, Hop, Join, Chart, Reconciliation):
        for key in keys_of(model):
            assert f"`{key}`" in structure, f"{model.__name__}.{key}"


def test_structure_documents_every_setting(structure: str) -> None:
    for name, setting in SETTINGS.items():
        assert f"| `{name}` | {setting.default} | {setting.meaning} |" in structure


def test_examples_in_structure_are_valid_rules(structure: str) -> None:
    document = scan(structure, "STRUCTURE.md")
    rules = [rule for block in document.blocks if block.info == "yaml" for rule in rules_of(block, "STRUCTURE.md")]
    assert {rule.kind for rule in rules} == {"type", "fact", "enumeration", "kpi"}


def test_documents_name_no_machine_and_no_secret() -> None:
    for path in PLAYBOOKS.rglob("*.md"):
        text = path.read_text()
        assert not re.search(r"/(work|home|root|tmp|Users)/", text), path.name
        assert not re.search(r"(?i)bearer [a-z0-9]{8}|password\s*[:=]", text), path.name
