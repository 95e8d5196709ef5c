"""Tables that nothing makes any more: told, and put aside only by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import write_deltalake

from spectra_assets.engine.cli import commands
from spectra_assets.lakehouse.attic import delivered
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef

REPOSITORY = Path(__file__).parent.parent.parent
MADE, GONE, ASIDE = "clean.cycle", "clean.oldThing", "quarantine.clean_oldThing"


@pytest.fixture
def lakehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lakehouse:
    """One table that the covenant makes, one that it does not, with its rows in quarantine, and somebody's own folder."""
    for name in ("playbooks", "covenants"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    (tmp_path / "lessons").mkdir()
    monkeypatch.setenv("SPECTRA_PROJECT", str(tmp_path))
    monkeypatch.setenv("SPECTRA_LAKEHOUSE", str(tmp_path / "lake"))
    made = Lakehouse(str(tmp_path / "lake"), "zephyr")
    for name in (MADE, GONE, ASIDE, "quarantine.clean_cycle"):
        write_deltalake(made.path(TableRef.parse(name)), pa.table({"id": [1, 2]}))
    (Path(made.path(TableRef.parse("clean.x"))).parent / "not a table!").mkdir()
    return made


def answer(*arguments: str) -> tuple[int, object]:
    result = CliRunner().invoke(commands, [*arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_what_is_left_over_is_listed_and_stays(lakehouse: Lakehouse) -> None:
    code, found = answer("retire", "zephyr")
    assert isinstance(found, list)
    assert (code, [(entry["table"], entry["rows"]) for entry in found]) == (0, [(GONE, 2), (ASIDE, 2)])
    assert lakehouse.exists(TableRef.parse(GONE))
    text = CliRunner().invoke(commands, ["status", "zephyr"]).stdout
    assert f"{GONE}: left over, no longer made; solution-engine retire zephyr" in text


def test_a_named_table_is_put_aside_whole(lakehouse: Lakehouse) -> None:
    code, found = answer("retire", "zephyr", GONE)
    assert isinstance(found, list)
    assert code == 0
    assert not lakehouse.exists(TableRef.parse(GONE))
    moved = Path(found[0]["moved_to"])
    assert moved.parent == lakehouse.files("retired")
    assert (moved / "_delta_log").is_dir()
    assert [str(ref) for ref in delivered(lakehouse)] == [MADE, "quarantine.clean_cycle", ASIDE]
    assert answer("retire", "zephyr", "--all")[0] == 0
    assert answer("retire", "zephyr") == (0, [])


@pytest.mark.parametrize("name", [MADE, "clean.nothing", "log.manifest", "../x"])
def test_no_other_table_is_moved(lakehouse: Lakehouse, name: str) -> None:
    before = delivered(lakehouse)
    code, told = answer("retire", "zephyr", GONE, name)
    assert code == 2
    assert isinstance(told, dict)
    assert f"{name} is not left over" in told["message"]
    assert GONE in told["message"]
    assert delivered(lakehouse) == before


def test_a_source_without_pipeline_is_refused(lakehouse: Lakehouse) -> None:
    assert answer("retire", "nobody")[0] == 2
