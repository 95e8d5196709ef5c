from pathlib import Path

import pytest

from spectra_assets.errors import ConfigurationError
from spectra_assets.settings import load, state_folder, variable

PROJECT = Path(__file__).parent.parent


def test_defaults_lie_beside_the_project() -> None:
    settings = load({})
    assert settings.project == PROJECT
    assert settings.lakehouse_root == str(PROJECT / "lakehouse")
    assert (settings.engine, settings.engine_memory, settings.sources, settings.in_flight) == ("sail", 1024, (), None)


def test_the_project_is_found_from_a_folder_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT / "tests")
    assert load({}).project == PROJECT


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("lake", str(PROJECT / "lake")),
        ("../lake", f"{PROJECT}/../lake"),
        ("~/lake", str(Path.home() / "lake")),
        ("abfss://files@onelake/lake", "abfss://files@onelake/lake"),
    ],
)
def test_a_lakehouse_is_the_same_from_wherever_it_is_named(
    given: str, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({"SPECTRA_LAKEHOUSE": given, "SPECTRA_PROJECT": str(PROJECT)}).lakehouse_root == root


def test_the_state_folder_is_that_of_the_user() -> None:
    assert state_folder({"XDG_STATE_HOME": "/state"}) == Path("/state")
    assert state_folder({}) == state_folder({"XDG_STATE_HOME": "state"}) == Path.home() / ".local" / "state"


def test_every_setting_has_a_variable() -> None:
    environment = {
        "SPECTRA_PROJECT": str(PROJECT),
        "SPECTRA_LAKEHOUSE": "/data/lake",
        "SPECTRA_SOURCES": "zephyr, jira",
        "SPECTRA_ENGINE": "sc://spark:15002",
        "SPECTRA_ENGINE_MEMORY": "2048",
        "SPECTRA_IN_FLIGHT": "4",
    }
    settings = load(environment)
    assert settings.lakehouse_root == "/data/lake"
    assert settings.sources == ("zephyr", "jira")
    assert (settings.engine, settings.engine_memory, settings.in_flight) == ("sc://spark:15002", 2048, 4)


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("SPECTRA_PROJECT", "/nowhere", "no folder playbooks/"),
        ("SPECTRA_ENGINE", "spark", "sail and sc://host:port"),
        ("SPECTRA_ENGINE_MEMORY", "1.5", "a whole number from 1"),
        ("SPECTRA_IN_FLIGHT", "0", "a whole number from 1"),
        ("SPECTRA_SCHEDULE", "daily", "cron with five fields"),
        ("SPECTRA_SOURCES", "../x", "lower-case letters"),
        ("SPECTRA_LESSONS_MESSAGE", "DATA-12", "with {message} in it, once"),
        ("SPECTRA_LESSONS_MESSAGE", "{message} {lesson}", "with {message} in it, once"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_valid(name: str, value: str, valid: str) -> None:
    with pytest.raises(ConfigurationError, match=valid) as caught:
        load({name: value})
    assert value in str(caught.value)


def test_an_empty_variable_counts_as_unset() -> None:
    assert variable("X", {"X": "  "}) is None
    assert variable("X", {"X": " v "}) == "v"
