"""Documents say only what is so: commands, settings, files and exit codes that the README names exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from spectra_assets import errors
from spectra_assets.engine.cli import STOPPED, commands
from spectra_assets.errors import SpectraError
from spectra_assets.settings import Settings

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def paths_of(group: click.Group, before: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for name, command in group.commands.items():
        found |= paths_of(command, (*before, name)) if isinstance(command, click.Group) else {(*before, name)}
    return found


def test_every_command_that_the_readme_names_exists() -> None:
    known = paths_of(commands)
    named = re.findall(r"^(?:\.venv/bin/)?solution-engine ([a-z-]+)(?: ([a-z]+))?", README, re.MULTILINE)
    assert len(named) > 7
    for words in named:
        assert words[:1] in known or words in known, words


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`|\()make ([a-z]+)\b", README, re.MULTILINE))
    assert targets >= {"demo", "dev", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_folder_and_file_that_the_readme_names_exists() -> None:
    named = re.findall(r"`((?:playbooks|covenants|lessons|docs|benchmarks|spectra_assets|tests)/[\w./-]*)`", README)
    assert len(named) > 7
    for name in named:
        assert (PROJECT / name).exists(), name
    playbooks = re.findall(r"`(pipeline\.\d{3}[\w.-]+\.md)`", README)
    assert len(playbooks) == 8
    for name in playbooks:
        assert (PROJECT / "playbooks" / "fabric" / "pipeline" / name).is_file(), name


def test_every_setting_is_in_the_readme() -> None:
    variables = set(re.findall(r"SPECTRA_[A-Z_]+", Settings.__doc__ or ""))
    assert len(variables) == len(Settings.model_fields)
    assert variables == set(re.findall(r"`(SPECTRA_[A-Z_]+)`", README))


def test_every_exit_code_is_in_the_readme() -> None:
    codes = {cls.exit_code for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, SpectraError)}
    assert {str(code) for code in codes | {0, STOPPED}} == set(re.findall(r"^\| (\d+) \|", README, re.MULTILINE))


@pytest.mark.parametrize("pattern", ["*.md", "*.py", "*.yaml", "*.toml", "*.lock", "Makefile", ".ci/run"])
def test_no_file_names_a_registry_or_this_machine(pattern: str) -> None:
    forbidden = re.compile(r"files\.pythonhosted|pypi\.org|registry\.npmjs|deb\.debian\.org|/work/(?:main|shared)|\.\./shared")
    for file in PROJECT.rglob(pattern):
        if not {".venv", ".git", "lakehouse", ".dagster"} & set(file.relative_to(PROJECT).parts) and file != Path(__file__):
            assert not forbidden.search(file.read_text(encoding="utf-8")), file
