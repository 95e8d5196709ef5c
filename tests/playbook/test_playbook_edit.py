"""Rules are added and removed in place: nothing else of the document changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spectra_assets.errors import DocumentError
from spectra_assets.playbook.edit import add_rule, remove_rule
from spectra_assets.playbook.parse import parse_playbook

RULE = {
    "id": "execution-status-type",
    "kind": "type",
    "scope": {"source": "zephyr", "entity": "execution", "field": "status"},
    "data_type": "int64",
    "lesson": "zephyr-status-text",
    "description": "Sent as text: '1', \"2\" # and so on",
}


def added_lines(before: str, after: str) -> list[str]:
    """The lines by which `after` is longer; everything before and after them is the same byte for byte."""
    old, new = before.split("\n"), after.split("\n")
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old))
    count = len(new) - len(old)
    assert new[:start] + new[start + count :] == old
    return new[start : start + count]


@pytest.mark.parametrize("stage", ["source", "prepare", "extract", "clean", "transform", "refine", "analyse", "log"])
def test_a_first_rule_comes_and_goes(copy: Any, stage: str) -> None:
    path = copy.path(stage)
    before = path.read_text()
    text = add_rule(path, RULE)
    assert path.read_text() == before, "nothing is written"
    path.write_text(text)
    (rule,) = (rule for rule in copy.load().of(stage).rules if rule.id == RULE["id"])
    assert rule.model_dump(exclude_unset=True) == RULE
    assert text.split("\n")[rule.line - 1].endswith("- id: execution-status-type")
    assert added_lines(before, text)
    assert remove_rule(path, "execution-status-type") == before


def test_a_rule_joins_the_last_block_of_the_standards(copy: Any) -> None:
    path = copy.folder / "STANDARDS.md"
    before = path.read_text()
    text = add_rule(path, RULE)
    assert len(added_lines(before, text)) == 9
    path.write_text(text)
    assert copy.load().standards.rules[-1].id == RULE["id"]
    assert remove_rule(path, "execution-status-type") == before


def test_several_rules_and_only_the_named_one_goes(copy: Any) -> None:
    path = copy.path("clean")
    texts = [path.read_text()]
    for name in ("one", "two", "three"):
        path.write_text(add_rule(path, RULE | {"id": name}))
        texts.append(path.read_text())
    assert [rule.id for rule in parse_playbook(texts[-1], path.name).rules] == ["one", "two", "three"]
    path.write_text(remove_rule(path, "two"))
    assert [rule.id for rule in parse_playbook(path.read_text(), path.name).rules] == ["one", "three"]
    path.write_text(remove_rule(path, "one"))
    assert path.read_text() == texts[1].replace("id: one", "id: three")


BLOCK = """# before

- id: derive-passed   # why
  kind: derive
  table: factExecution
  column: isPassed
  expression: |
    status = 1
    -- # no comment of YAML

# about the second
-
  id: second
  kind: pii
  scope: {field: x}
  level: none
  # trailing
- {id: third, kind: pii, scope: {field: y}, level: none}"""


def block_in(path: Path, block: str, newline: str = "\n") -> str:
    text = f"{path.read_text().rstrip()}\n\n```yaml\n{block}\n```\n\nThe end.".replace("\n", newline)
    path.write_bytes(text.encode())
    return text


def test_comments_and_style_of_other_rules_stay(copy: Any) -> None:
    path = copy.path("refine")
    text = block_in(path, BLOCK)
    assert remove_rule(path, "third") == text.replace("\n- {id: third, kind: pii, scope: {field: y}, level: none}", "")
    assert remove_rule(path, "second") == text.replace(BLOCK[BLOCK.index("-\n  id: second") : BLOCK.index("  # trail")], "")
    first = BLOCK[BLOCK.index("- id: derive") : BLOCK.index("\n# about")]
    assert remove_rule(path, "derive-passed") == text.replace(first, "")
    assert len(added_lines(text, add_rule(path, RULE))) == 9


def test_an_indented_block_keeps_its_indent(copy: Any) -> None:
    path = copy.path("refine")
    block_in(path, "  - id: a\n    kind: pii\n    scope: {field: x}\n    level: none")
    text = add_rule(path, RULE)
    assert "\n  - id: execution-status-type\n    kind: type\n" in text
    path.write_text(text)
    left = remove_rule(path, "execution-status-type")
    assert "execution-status-type" not in left
    assert left.count("  - id: a\n") == 1


def test_windows_line_ends_stay(copy: Any) -> None:
    path = copy.path("refine")
    text = block_in(path, BLOCK, "\r\n")
    after = add_rule(path, RULE)
    assert "\n" not in after.replace("\r\n", "")
    path.write_bytes(after.encode())
    assert remove_rule(path, "execution-status-type") == text


def test_a_document_without_final_line_end(copy: Any) -> None:
    path = copy.path("extract")
    path.write_text(path.read_text().rstrip())
    assert add_rule(path, RULE).endswith("```\n")


def test_a_block_in_flow_style_gets_a_block_after_it(copy: Any) -> None:
    path = copy.path("refine")
    text = block_in(path, "[{id: a, kind: pii, scope: {field: x}, level: none}]")
    after = add_rule(path, RULE)
    assert after.startswith(text.removesuffix("\n"))
    path.write_text(text.replace("level: none}]", "level: none}, {id: b, kind: pii, scope: {field: z}, level: none}]"))
    with pytest.raises(DocumentError, match="by hand"):
        remove_rule(path, "a")


@pytest.mark.parametrize(
    "hostile",
    [
        "x\n```\n## Rules\n",
        "- id: evil\n  kind: pii",
        "&a *a !!python/none",
        "ends with colon:",
        "\u2028 line\u2029 and \x85 more",
        "'\"\\",
        "---\n...\n",
        "#\t{[]}%@`",
        "on",
        " 7 ",
    ],
)
def test_text_from_outside_stays_text(copy: Any, hostile: str) -> None:
    path = copy.path("clean")
    before = path.read_text()
    path.write_text(add_rule(path, RULE | {"description": hostile}))
    (rule,) = copy.load().of("clean").rules
    assert rule.description == hostile
    assert remove_rule(path, "execution-status-type") == before


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"id": "pii-email"}, "'pii-email' is taken"),
        ({"data_type": "integer"}, "unknown value 'integer'"),
        ({"loosen": True}, "unknown key 'loosen'"),
        ({"kind": "delete_gate"}, "unknown rule kind"),
        ({"data_type": object()}, "can't be written as YAML"),
    ],
)
def test_a_malformed_rule_is_not_added(copy: Any, change: dict[str, Any], part: str) -> None:
    with pytest.raises(DocumentError) as caught:
        add_rule(copy.folder / "STANDARDS.md", RULE | change)
    assert part in str(caught.value)


def test_a_shared_value_is_written_out(copy: Any) -> None:
    hop = {"table": "clean.x", "key": "a", "take": "b"}
    reference = {"name": "n", "dimension": "dimX", "column": "c", "via": [hop, hop]}
    rule = {"id": "b", "kind": "bridge", "name": "bridgeX", "table": "clean.x", "grain": "g"}
    text = add_rule(copy.path("transform"), rule | {"references": [reference, reference]})
    assert "&" not in text.split("- id: b")[1]


def test_removing_what_is_not_there(copy: Any) -> None:
    with pytest.raises(DocumentError, match="did you mean 'pii-email'"):
        remove_rule(copy.folder / "STANDARDS.md", "pii-emails")
    with pytest.raises(DocumentError, match="unknown rule"):
        remove_rule(copy.path("clean"), "x")


def test_a_malformed_document_is_not_edited(copy: Any) -> None:
    path = copy.path("clean")
    path.write_text(path.read_text().replace("## Inputs", "## Input"))
    with pytest.raises(DocumentError, match="unknown heading"):
        add_rule(path, RULE)
