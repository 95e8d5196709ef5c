"""Each mistake in a document is an error which names file, line, the bad value and the valid ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spectra_assets.errors import ConfigurationError, DocumentError
from spectra_assets.playbook.model import TablePattern

FILE = "playbooks/fabric/pipeline/pipeline.003-clean-stage-orchestration.md"
TRIM = "### Step 2: Trim the text"


def refused(copy: Any, *parts: str, line: int | None, file: str = FILE) -> None:
    with pytest.raises(DocumentError) as caught:
        copy.load()
    message = str(caught.value)
    assert message.startswith(f"{file}:{line}: " if line else f"{file}: "), message
    for part in parts:
        assert part in message


def test_all_mistakes_are_told_at_once(copy: Any) -> None:
    path = copy.path("clean")
    text = path.read_text()
    for old, new in (
        ("`clean.trim_text`", "`clean.trim_txt`"),
        ("- `extract.*`: the raw", "- extract.*: the raw"),
        ("(ERROR)", "(LOUD)"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)
    with pytest.raises(DocumentError) as caught:
        copy.load()
    assert [each.file for each in caught.value.each] == [FILE] * 3
    lines = [text.splitlines()[(each.line or 0) - 1] for each in caught.value.each]
    assert [part in line for part, line in zip(("- extract.*", "trim_txt", "LOUD"), lines, strict=True)] == [True] * 3


def test_a_step_taken_out_is_an_action_less(copy: Any) -> None:
    path = copy.path("clean")
    text = path.read_text()
    start, end = text.index(TRIM), text.index("### Step 3")
    text = text[:start] + text[end:]
    for number in (3, 4, 5):
        text = text.replace(f"### Step {number}:", f"### Step {number - 1}:")
    path.write_text(text)
    clean = copy.load().of("clean")
    assert [step.action for step in clean.steps] == [
        "clean.parse_records",
        "clean.cast_types",
        "clean.require_fields",
        "clean.deduplicate",
    ]


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("## Inputs", "## Input", ["unknown heading 'Input'", "did you mean 'Inputs'", "Quality Gates"]),
        ("## Outputs", "## Inputs", ["'Inputs' stands twice"]),
        ("### Step 2: Trim", "### Step 1: Trim", ["step number 1 stands twice", "'Step 2'"]),
        ("### Step 2: Trim", "### Step 3: Trim", ["step number 3 leaves a gap", "'Step 2'"]),
        ("### Step 2: Trim", "### Stage 2: Trim", ["'### Step 2: <title>'"]),
        ("`clean.trim_text`", "`clean.trim_txt`", ["'clean.trim_txt'", "clean.cast_types", "did you mean 'clean.trim_text'"]),
        ("- Action: `clean.trim_text`", "- Action: clean.trim_text", ["write: - Action: `stage.action_name`"]),
        ("- Makes: `clean.*`", "- Makes: `extract.*`", ["'extract.*' is not a table of this playbook's stage", "clean.<table>"]),
        ("- Makes: `clean.*`", "- Makes: `claen.*`", ["unknown stage 'claen'", "did you mean 'clean'"]),
        ("- Makes: `clean.*`", "- Makes: `clean.*x`", ["'clean.*x' is not a table", "for example clean.cycle"]),
        ("- `extract.*`: the raw", "- extract.*: the raw", ["is not understood", "`stage.table`"]),
        ("- `extract.*`: the raw", "* `extract.*`: the raw", ["write a list item as '- …'"]),
        ("- `extract.*`: the raw", "- `clean.*`: the raw", ["'clean.*' is made by this playbook"]),
        ("- `clean.*` from `extract.*`", "- `clean.*` from extract.*", ["is not understood", "one row per"]),
        ("- `clean.*` from `extract.*`", "- `refine.*` from `extract.*`", ["'refine.*' is not a table of this playbook's stage"]),
        ("`prepare.schema`: one row per record", "`prepare.schema`: a row per record", ["must begin with its grain"]),
        ("- `types_hold` on", "- `type_holds` on", ["unknown gate 'type_holds'", "did you mean 'types_hold'", "auth_valid"]),
        ("`types_hold` on `clean.*` (ERROR)", "`types_hold` on `clean.*` (FATAL)", ["unknown severity 'FATAL'", "ERROR or WARN"]),
        ("`types_hold` on `clean.*`", "`types_hold` on `extract.*`", ["'extract.*' is not a table of this playbook's stage"]),
        ("- `required_present` on", "- `rows_conserved` on", ["rows_conserved on clean.* stands already on line"]),
    ],
)
def test_a_mistake_is_refused_where_it_stands(copy: Any, old: str, new: str, parts: list[str]) -> None:
    line = copy.change(copy.path("clean"), old, new)
    refused(copy, *parts, line=line)


def test_a_missing_heading_is_refused_where_it_belongs(copy: Any) -> None:
    path = copy.path("clean")
    text = path.read_text()
    start, end = text.index("## Dependencies"), text.index("## Self-Improvement")
    path.write_text(text[:start] + text[end:])
    refused(copy, "'## Dependencies' is missing here", "Self-Improvement", line=text[:start].count("\n") + 1)


def test_the_last_heading_missing(copy: Any) -> None:
    path = copy.path("clean")
    text = path.read_text().split("## Rules")[0]
    path.write_text(text)
    refused(copy, "'## Rules' is missing", line=text.count("\n"))


def test_headings_in_the_wrong_order(copy: Any) -> None:
    path = copy.path("clean")
    text = path.read_text().replace("## Inputs", "## X").replace("## Outputs", "## Inputs").replace("## X", "## Outputs")
    path.write_text(text)
    line = text[: text.index("## Outputs")].count("\n") + 1
    refused(copy, "'Outputs' where 'Inputs' belongs", line=line)


@pytest.mark.parametrize("word", ["Action", "Makes"])
def test_a_step_needs_each_line_once(copy: Any, word: str) -> None:
    path = copy.path("clean")
    text = path.read_text()
    line = text[: text.index(TRIM)].count("\n") + 1
    start = text.index(f"- {word}:", text.index(TRIM))
    end = text.index("\n", start) + 1
    path.write_text(text[:start] + text[end:])
    refused(copy, f"no line '- {word}:", "exactly one", line=line)
    path.write_text(text[:end] + text[start:end] + text[end:])
    refused(copy, f"a second line '- {word}:'", line=text[:end].count("\n") + 1)


def test_a_step_needs_prose(copy: Any) -> None:
    path = copy.path("clean")
    text = path.read_text()
    start = text.index(TRIM) + len(TRIM)
    end = text.index("- Action:", start)
    path.write_text(f"{text[:start]}\n\n{text[end:]}")
    refused(copy, "step 2 has no prose", line=text[:start].count("\n") + 1)


def test_an_empty_section_is_refused(copy: Any) -> None:
    path = copy.path("clean")
    text = path.read_text()
    start, end = text.index("## Purpose\n") + len("## Purpose\n"), text.index("## Inputs")
    path.write_text(text[:start] + text[end:])
    refused(copy, "'## Purpose' has no text", line=3)


@pytest.mark.parametrize(
    ("head", "line", "part"),
    [
        ("", 1, "the title is missing"),
        ("Some text\n\n# Clean\n", 1, "text before the title"),
        ("# Clean\n\n# Clean again\n", 3, "a second title"),
    ],
)
def test_the_title(copy: Any, head: str, line: int, part: str) -> None:
    path = copy.path("clean")
    path.write_text(head + path.read_text().split("\n", 1)[1])
    refused(copy, part, line=line)


def test_a_fence_that_is_never_closed(copy: Any) -> None:
    path = copy.path("clean")
    lines = path.read_text().count("\n")
    path.write_text(path.read_text() + "```yaml\n- id: x\n")
    refused(copy, "never closed", line=lines + 1)


def test_a_heading_inside_a_fence_is_none(copy: Any) -> None:
    path = copy.path("clean")
    copy.change(path, "## Inputs", "```text\n## Inputs\n# Title\n```\n\n## Inputs")
    assert "## Inputs\n# Title" in copy.load().of("clean").purpose


def test_rules_outside_their_section(copy: Any) -> None:
    line = copy.change(copy.path("clean"), "## Inputs", "```yaml\n- id: x\n```\n\n## Inputs")
    refused(copy, "rules stand under '## Rules', not under '## Purpose'", line=line)


def test_a_malformed_key(copy: Any) -> None:
    copy.change(copy.path("source"), "(key: `source`)", "(key: source)")
    with pytest.raises(DocumentError, match="the key is not understood"):
        copy.load()


def test_bytes_that_are_not_utf8(copy: Any) -> None:
    path = copy.path("clean")
    data = path.read_bytes()
    at = data.index(b"## Inputs")
    path.write_bytes(data[:at] + b"caf\xe9\n" + data[at:])
    refused(copy, "byte 0xe9 is not UTF-8", line=data.count(b"\n", 0, at) + 1)


def test_a_huge_document(copy: Any) -> None:
    path = copy.path("clean")
    path.write_bytes(path.read_bytes() + b"x" * 600_000)
    refused(copy, "valid are at most 524288", line=None)


def test_windows_line_ends_and_byte_order_mark(copy: Any) -> None:
    path = copy.path("clean")
    before = copy.load().of("clean")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert copy.load().of("clean") == before


def test_a_playbook_less_and_one_too_many(copy: Any) -> None:
    path = copy.path("clean")
    text = path.read_text()
    path.rename(path.with_name("pipeline.003-clean-stage-orchestation.md"))
    refused(
        copy,
        "unknown playbook",
        "did you mean 'pipeline.003-clean-stage-orchestration.md'",
        line=None,
        file="playbooks/fabric/pipeline/pipeline.003-clean-stage-orchestation.md",
    )
    path.with_name("pipeline.003-clean-stage-orchestation.md").unlink()
    refused(copy, "the playbook of stage clean is missing", line=None)
    path.write_text(text)
    (copy.folder / "STANDARDS.md").unlink()
    refused(copy, "can't be read", line=None, file="playbooks/STANDARDS.md")


def test_rule_ids_stand_once_in_all_documents(copy: Any, with_rules: Callable[[str], Path]) -> None:
    rule = "- {id: pii-email, kind: pii, scope: {field: x}, level: none}"
    path = with_rules(rule)
    line = path.read_text().split("\n").index(rule) + 1
    file = "playbooks/fabric/pipeline/pipeline.002-extract-stage-orchestration.md"
    refused(copy, "'pii-email' is taken by the rule at playbooks/STANDARDS.md:", line=line, file=file)


def test_what_is_doubtful_is_told(copy: Any) -> None:
    copy.change(copy.path("source"), "- Makes: `source.config`", "- Makes: `source.configs`")
    copy.change(copy.path("clean"), "- `prepare.schema`: the canon", "- `prepare.dependencies`: the canon")
    texts = {notice.text for notice in copy.load().warnings}
    assert texts == {
        "output source.config: no step makes it",
        "step 1 makes source.configs, which Outputs does not list",
        "output clean.* reads prepare.schema, which Inputs does not list",
        "input prepare.dependencies: no output is made from it",
    }


def test_a_gate_that_nothing_reaches_is_told(copy: Any) -> None:
    line = copy.change(copy.path("source"), "`auth_valid` on `source.credentials`", "`auth_valid` on `source.accounts`")
    (notice,) = copy.load().warnings
    assert str(notice) == (
        "playbooks/fabric/pipeline/pipeline.000-source-stage-orchestration.md:"
        f"{line}: gate auth_valid on source.accounts: no step makes such a table"
    )


def test_an_unknown_stage_or_setting(copy: Any) -> None:
    playbooks = copy.load()
    with pytest.raises(ConfigurationError, match="did you mean 'clean'"):
        playbooks.of("claen")
    with pytest.raises(ConfigurationError, match="did you mean 'page_size'"):
        playbooks.setting("pagesize", "zephyr")


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("clean.cycle", "clean.cycle", True),
        ("clean.cycle", "clean.cyclePhase", False),
        ("clean.*", "clean.cycle", True),
        ("clean.*", "extract.*", False),
        ("transform.dim*", "transform.*", True),
        ("transform.dim*", "transform.fact*", False),
    ],
)
def test_patterns(one: str, other: str, overlap: bool) -> None:
    a, b = TablePattern.parse(one), TablePattern.parse(other)
    assert a.overlaps(b) is overlap
    assert b.overlaps(a) is overlap
