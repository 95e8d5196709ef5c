"""Bytes → values: encodings, the core schema, and every bound."""

from __future__ import annotations

import json
import time

import pytest

from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description import text as module
from spectra_assets.intelligence.description.findings import MOST_KINDS, Findings, brief
from spectra_assets.intelligence.description.text import MOST_BYTES, decoded, parsed


def read(data: bytes | str) -> tuple[object, list[str]]:
    findings = Findings()
    raw = data.encode() if isinstance(data, str) else data
    return parsed(decoded(raw, "api", findings), "api", findings), findings.lines()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", ['{"a": "é"}', "a: é\n"])
def test_every_encoding_gives_the_same_values(text: str, encoding: str) -> None:
    assert read(text.encode(encoding))[0] == {"a": "é"}


def test_bytes_that_are_no_utf8_are_read_as_latin1_with_a_finding() -> None:
    value, findings = read("a: é\n".encode("latin-1"))
    assert value == {"a": "é"}
    assert findings == ["not valid UTF-8, read as Latin-1: byte 3"]


def test_yaml_follows_the_core_schema_of_1_2_and_keys_are_text() -> None:
    value, _ = read(
        "200: ok\non: yes\ndate: 2020-01-01\ntime: 12:30:45\nzip: 01234\nhex: 0x1f\nn: ~\nb: true\ni: -12\nf: 1.5e3\nq: '7'\n"
    )
    assert value == {
        "200": "ok", "on": "yes", "date": "2020-01-01", "time": "12:30:45", "zip": "01234", "hex": "0x1f", "n": None, "b": True,
        "i": -12, "f": 1500.0, "q": "7",
    }  # fmt: skip


def test_aliases_merge_keys_and_tags() -> None:
    value, _ = read("base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}\nsame: *b\nnumber: !!int '5'\ntext: !!str 5\nown: !thing v\n")
    assert value == {
        "base": {"x": 1, "y": 2}, "more": {"y": 3, "x": 1}, "same": {"x": 1, "y": 2}, "number": 5, "text": "5", "own": "v",
    }  # fmt: skip


def test_an_alias_inside_itself_and_one_without_anchor_are_findings_or_errors_not_loops() -> None:
    value, findings = read("a: &a {b: *a}\n")
    assert value == {"a": {"b": None}}
    assert "alias without an anchor before it, or inside itself: a" in findings


def test_duplicate_keys_are_a_finding_with_the_line() -> None:
    value, findings = read("a: 1\nb: 2\na: 3\n")
    assert value == {"a": 3, "b": 2}
    assert findings == ["duplicate key, the last one counts: a (line 3)"]


def test_broken_json_that_is_yaml_is_read() -> None:
    value, findings = read('{"a": [1, 2,], # two\n}')
    assert value == {"a": [1, 2]}
    assert findings[0].startswith("not valid JSON, read as YAML")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a:\n\tb: 1\n", "api:2: not valid YAML: found character that cannot start any token"),
        ("a: [1\nb: 2\n", "not valid YAML"),
        ('{"a":\n "b\n', "api:2: not valid JSON"),
        ("? [a, b]\n: 1\n", "a key must be plain text"),
        ("  \n", "api: the description is empty"),
    ],
)
def test_what_is_neither_is_refused_with_its_line(text: str, told: str) -> None:
    with pytest.raises(DocumentError) as error:
        read(text)
    assert told in str(error.value)


def test_a_yaml_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    before = time.process_time()
    with pytest.raises(DocumentError) as error:
        read("\n".join(lines))
    assert "more than 12,000,000 values, with what its aliases repeat" in str(error.value)
    assert time.process_time() - before < 60


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "[" * 5000 + "]" * 5000, "\n".join(" " * n + "a:" for n in range(1000))])
def test_deep_nesting_is_refused_at_once(text: str) -> None:
    before = time.process_time()
    with pytest.raises(DocumentError):
        read(text)
    assert time.process_time() - before < 60


def test_deep_json_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"nested too deeply|not valid JSON"):
        read('{"a":' * 100_000 + "1" + "}" * 100_000)


def test_a_hundred_megabytes_are_refused_before_they_are_parsed() -> None:
    with pytest.raises(DocumentError) as error:
        decoded(b" " * (100 * 1024 * 1024), "big.json", Findings())
    assert f"104,857,600 bytes, more than the {MOST_BYTES:,}" in str(error.value)


def test_too_many_json_values_are_refused_before_they_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NODES", 100)
    with pytest.raises(DocumentError, match="more than the 100"):
        read(json.dumps([[]] * 200))


def test_control_characters_do_not_stop_yaml() -> None:
    value, findings = read("a: b\x01c\n")
    assert value == {"a": "b c"}
    assert findings == ["control characters, read as blanks"]


def test_only_the_first_yaml_document_is_read() -> None:
    value, findings = read("a: 1\n---\nb: 2\n")
    assert value == {"a": 1}
    assert findings == ["more than one YAML document: only the first is read"]


def test_findings_are_bounded_and_on_one_line() -> None:
    findings = Findings()
    for number in range(500):
        findings.add(f"kind {number}", "x" * 1000 + "\x1b[31m\n")
    lines = findings.lines()
    assert len(lines) == MOST_KINDS + 1
    assert all(len(line) < 1000 and line.isprintable() for line in lines)
    assert brief("a\n\x00 b\u2028c") == "a b c"
    assert brief(5) == ""
