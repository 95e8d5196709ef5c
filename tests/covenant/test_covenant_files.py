from pathlib import Path

import pytest

from spectra_assets.covenant import files
from spectra_assets.covenant.files import covenant_files, parse, read, read_all, table_lines, text_of, write
from spectra_assets.covenant.model import Covenant
from spectra_assets.errors import ConfigurationError, DocumentError, StorageError


def test_a_covenant_reads_back_as_it_was_written(covenant: Covenant, text: str) -> None:
    assert text_of(covenant) == text
    assert parse(text_of(covenant), "zephyr.yaml") == covenant


def test_the_committed_covenant_names_variables_and_no_value(text: str) -> None:
    assert "base_url_env: ZEPHYR_BASE_URL" in text
    assert "token_env: ZEPHYR_API_TOKEN" in text
    assert "127.0.0.1" not in text


def test_writing_the_same_again_changes_nothing(tmp_path: Path, covenant: Covenant) -> None:
    file = tmp_path / "zephyr.yaml"
    assert write(file, covenant)
    stamp = file.stat().st_mtime_ns
    assert not write(file, covenant)
    assert file.stat().st_mtime_ns == stamp


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path, covenant: Covenant) -> None:
    (tmp_path / "covenants").write_text("a file")
    with pytest.raises(StorageError, match="can't write the covenant"):
        write(tmp_path / "covenants" / "zephyr.yaml", covenant)


def damaged(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "path", "valid"),
    [
        ("  source: zephyr\n", "  source: zephyr\n  sauce: x\n", "pipeline.sauce", "did you mean 'source'"),
        (
            "  - name: source\n",
            "  - name: source\n    colour: red\n",
            "pipeline.stages.0.colour",
            "inputs, name, outputs, playbook",
        ),
        (
            "    - table: source.config\n",
            "    - table: source.config\n      graine: x\n",
            "pipeline.stages.0.outputs.0.graine",
            "'grain'",
        ),
        ("quality_gates:\n", "quality_gatez: 1\nquality_gates:\n", "quality_gatez", "pipeline, quality_gates"),
    ],
)
def test_an_unknown_key_is_refused_with_line_path_and_valid_keys(text: str, old: str, new: str, path: str, valid: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(damaged(text, old, new), "covenants/zephyr.yaml")
    line = caught.value.line
    assert line is not None
    assert str(caught.value).startswith(f"covenants/zephyr.yaml:{line}: ")
    key = path.rsplit(".", 1)[-1]
    assert damaged(text, old, new).splitlines()[line - 1].strip().startswith(key)
    assert path in str(caught.value)
    assert valid in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("severity: WARN", "severity: LOUD", "'ERROR' or 'WARN'"),
        ("    - table: source.config\n", "    - table: bronze.config\n", "not a table name"),
        ("    - table: source.credentials\n", "    - table: source.Config\n", "made twice"),
        ("  source: zephyr\n", "  source: ../x\n", "not a valid source name"),
        ("      - source.config\n", "      - source.nowhere\n", "which no step makes"),
        ("      - source.config\n", "      - source.portfolio\n", "in a circle"),
        ("quality_gates:\n", "quality_gates: &a\n", "anchors"),
        ("quality_gates:\n", "more: [&b 1, *b]\nquality_gates:\n", "anchors"),
        ("quality_gates:\n", "more: {a: !!str &b x}\nquality_gates:\n", "anchors"),
        ("pipeline:\n", "pipeline: [\n", "not valid YAML"),
    ],
)
def test_a_wrong_value_is_refused_saying_what_is_valid(text: str, old: str, new: str, says: str) -> None:
    with pytest.raises(DocumentError, match=says):
        parse(damaged(text, old, new), "covenants/zephyr.yaml")


def test_all_mistakes_of_all_files_are_told_at_once_each_with_its_line(tmp_path: Path, text: str) -> None:
    wrong = damaged(text, "severity: WARN", "severity: LOUD")
    wrong = damaged(wrong, "    - table: source.config\n", "    - table: source.config\n      graine: x\n")
    unfit = damaged(text, "      - source.config\n", "      - source.nowhere\n")
    unfit = damaged(unfit, "    - table: source.credentials\n", "    - table: source.Config\n")
    for name, content in (("a", wrong), ("b", unfit), ("zephyr", text)):
        (tmp_path / f"{name}.yaml").write_text(content)
    with pytest.raises(DocumentError) as caught:
        read_all(covenant_files(tmp_path))
    told = [(Path(each.file).name, each.line is not None) for each in caught.value.each]
    assert told[:2] == [("a.yaml", True)] * 2
    assert {name for name, _ in told} == {"a.yaml", "b.yaml"}
    assert [says in str(caught.value) for says in ("graine", "'LOUD'", "source.nowhere, which no step makes", "made twice")] == [
        True
    ] * 4
    for each in caught.value.each[:2]:
        line = (tmp_path / "a.yaml").read_text().splitlines()[(each.line or 0) - 1]
        assert "graine" in line or "LOUD" in line


def test_a_document_with_many_mistakes_is_composed_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    composed: list[object] = []
    compose = files.yaml.compose
    monkeypatch.setattr(files.yaml, "compose", lambda *args, **more: composed.append(args) or compose(*args, **more))
    with pytest.raises(DocumentError, match=r"and [0-9]+ more mistakes"):
        files.parse(text.replace("description:", "descripton:"), "zephyr.yaml")
    assert len(composed) == 1


def test_a_file_must_be_named_after_its_source(tmp_path: Path, text: str) -> None:
    file = tmp_path / "jira.yaml"
    file.write_text(text)
    with pytest.raises(DocumentError, match="the file's name says 'jira'"):
        read(file)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "zephyr.yaml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(DocumentError, match="not UTF-8"):
        read(file)


def test_only_the_named_sources_are_loaded(tmp_path: Path, text: str) -> None:
    (tmp_path / "zephyr.yaml").write_text(text)
    (tmp_path / "broken.yaml").write_text("{")
    assert [file.stem for file in covenant_files(tmp_path, ("zephyr",))] == ["zephyr"]
    with pytest.raises(ConfigurationError, match="broken or zephyr"):
        list(covenant_files(tmp_path, ("nowhere",)))


def test_the_lines_of_the_tables_are_found(tmp_path: Path, covenant: Covenant, text: str) -> None:
    file = tmp_path / "zephyr.yaml"
    assert table_lines(file) == {}
    write(file, covenant)
    lines = table_lines(file)
    assert set(lines) == {table.table for table in covenant.tables()}
    assert text.splitlines()[lines["clean.cycle"] - 1].strip() == "- table: clean.cycle"
