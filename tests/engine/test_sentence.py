from pathlib import Path

import pytest

from spectra_assets.engine.sentence import understand
from spectra_assets.errors import ConfigurationError, RequestError


@pytest.mark.parametrize(
    "sentence",
    [
        "create SPECTRA pipeline for zephyr",
        "Create a SPECTRA pipeline for Zephyr.",
        "  please build the spectra data pipeline for zephyr api ",
        'run pipeline for "zephyr"',
        "refresh our pipeline for the zephyr source!",
    ],
)
def test_a_sentence_names_its_source(sentence: str) -> None:
    assert understand(sentence).source == "zephyr"


@pytest.mark.parametrize(
    "sentence", ["", "hello", "drop all tables", "create a dashboard for zephyr", "create pipeline", "x" * 5000]
)
def test_a_sentence_that_is_not_understood_answers_with_what_can_be_asked(sentence: str) -> None:
    with pytest.raises(RequestError, match='"create SPECTRA pipeline for <source>"') as caught:
        understand(sentence)
    assert len(str(caught.value)) < 500


def test_an_unknown_source_names_those_that_are_known() -> None:
    with pytest.raises(RequestError, match="nothing is known about the source 'jira': there are intelligence packs for zephyr"):
        understand("create SPECTRA pipeline for jira")


@pytest.mark.parametrize("name", ["../x", "a/b", "$(id)", "zephyr;ls"])
def test_a_source_that_could_be_a_path_or_a_command_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a valid source name"):
        understand(f"create SPECTRA pipeline for {name}")


def test_a_source_whose_address_is_known_needs_no_pack() -> None:
    assert understand("create SPECTRA pipeline for jira", new=True).source == "jira"


def test_the_packs_of_the_project_are_known_too(tmp_path: Path) -> None:
    (tmp_path / "jira.yaml").write_text("", encoding="utf-8")
    (tmp_path / "other.override.yaml").write_text("", encoding="utf-8")
    assert understand("create SPECTRA pipeline for jira", tmp_path).source == "jira"
    with pytest.raises(RequestError, match="there are intelligence packs for jira or zephyr"):
        understand("create SPECTRA pipeline for other", tmp_path)
