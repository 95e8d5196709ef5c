from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spectra_assets.covenant.files import parse, read
from spectra_assets.covenant.model import Covenant
from spectra_assets.definitions import defs
from spectra_assets.errors import ConfigurationError
from spectra_assets.graph.assets import _started
from spectra_assets.graph.build import definitions
from spectra_assets.settings import load

PROJECT = Path(__file__).parent.parent.parent
SNAPSHOT = PROJECT / "tests" / "snapshots" / "zephyr.graph.txt"


@pytest.fixture(scope="module")
def covenant() -> Covenant:
    return read(PROJECT / "covenants" / "zephyr.yaml")


@pytest.fixture(scope="module")
def graph(covenant: Covenant) -> Any:
    return definitions([covenant], load({})).resolve_asset_graph()


def test_every_edge_of_the_graph_is_in_the_covenant_and_the_other_way_round(covenant: Covenant, graph: Any) -> None:
    edges = {
        (".".join(parent.path[1:]), ".".join(key.path[1:]))
        for key in graph.get_all_asset_keys()
        for parent in graph.get(key).parent_keys
    }
    assert edges == covenant.edges()


def test_every_table_is_an_asset_with_what_a_person_wants_to_know(covenant: Covenant, graph: Any) -> None:
    assert {".".join(key.path) for key in graph.get_all_asset_keys()} == {f"zephyr.{table.table}" for table in covenant.tables()}
    for table in covenant.tables():
        node = graph.get(dg.AssetKey(table.ref.asset_path("zephyr")))
        assert node.group_name == f"zephyr_{table.ref.schema}"
        assert node.description
        assert node.owners == ["team:data-engineering"]
        assert "deltalake" in node.kinds
        assert [column.name for column in node.metadata["dagster/column_schema"].columns] == list(table.columns)
        assert Path(str(node.metadata["playbook"].path)).is_file()


def test_every_gate_is_a_check_and_blocks_when_it_is_an_error(covenant: Covenant, graph: Any) -> None:
    expected = {(f"{table.table}", gate.name): gate.severity == "ERROR" for table in covenant.tables() for gate in table.gates}
    checks = {(".".join(key.asset_key.path[1:]), key.name): graph.get_check_spec(key).blocking for key in graph.asset_check_keys}
    assert checks == expected


def test_what_asks_the_api_is_tried_again_under_dagster_alone(covenant: Covenant) -> None:
    asking = {"source", "prepare", "extract"}
    for patient in (True, False):
        made = definitions([covenant], load({}), patient).resolve_asset_graph()
        again = {key.path[1] for key in made.get_all_asset_keys() if made.get(key).assets_def.op.retry_policy is not None}
        assert again == (asking if patient else set())
    assert defs().resolve_asset_graph().get(dg.AssetKey(["zephyr", "extract", "cycles"])).assets_def.op.retry_policy


def test_the_graph_is_as_it_was(covenant: Covenant) -> None:
    """Change the snapshot on purpose only: write `lines` to it and read the difference."""
    lines = "".join(
        f"{table.table} [{table.build.kind}] <- {', '.join(table.inputs) or '-'} | {', '.join(table.steps)} | "
        f"{', '.join(gate.name for gate in table.gates) or '-'}\n"
        for table in covenant.tables()
    )
    assert lines == SNAPSHOT.read_text(encoding="utf-8")


def test_the_tables_of_a_run_have_one_instant_or_none_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with an instant of its own, versions of a star would no longer begin together, and nobody would hear of it."""
    seen: list[datetime] = []

    @dg.asset
    def first(context: dg.AssetExecutionContext) -> None:
        seen.append(_started(context))

    @dg.asset(deps=[first])
    def second(context: dg.AssetExecutionContext) -> None:
        seen.append(_started(context))

    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([first, second], instance=instance).success
        assert seen[0] == seen[1] <= datetime.now(UTC)
        for kind in (each for each in dg.RunRecord.__mro__ if "create_timestamp" in vars(each)):
            monkeypatch.delattr(kind, "create_timestamp")  # as another release of Dagster may
        assert not dg.materialize([first, second], instance=instance, raise_on_error=False).success
    assert len(seen) == 2


def test_two_covenants_are_two_pipelines(covenant: Covenant) -> None:
    text = (PROJECT / "covenants" / "zephyr.yaml").read_text(encoding="utf-8")
    other = parse(text.replace("  source: zephyr\n", "  source: zephyr_eu\n", 1), "zephyr_eu.yaml")
    both = definitions([covenant, other], load({})).resolve_asset_graph()
    keys = {key.path[0] for key in both.get_all_asset_keys()}
    assert keys == {"zephyr", "zephyr_eu"}
    assert len(both.get_all_asset_keys()) == 2 * len(list(covenant.tables()))
    for key in both.get_all_asset_keys():
        assert {parent.path[0] for parent in both.get(key).parent_keys} <= {key.path[0]}


def test_the_word_of_the_source_is_only_in_its_pack_and_stand_in() -> None:
    package = PROJECT / "spectra_assets"
    found = [
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if "zephyr" in file.read_text(encoding="utf-8").lower() and file.parent.name != "standin"
    ]
    assert found == []


def test_the_repository_loads_whole_with_the_learning_job_and_its_sensor(covenant: Covenant) -> None:
    loaded = definitions([covenant], load({})).get_repository_def()
    loaded.load_all_definitions()
    assert {"zephyr_pipeline", "learn"} <= {job.name for job in loaded.get_all_jobs()}
    schedule = loaded.get_schedule_def("zephyr_pipeline_schedule")
    assert (schedule.cron_schedule, schedule.default_status) == ("0 5 * * *", dg.DefaultScheduleStatus.STOPPED)
    assert {target.job_name for target in loaded.get_sensor_def("lessons").targets} == {"zephyr_pipeline", "learn"}


def test_a_schedule_that_is_none_is_refused_with_what_is_valid(covenant: Covenant) -> None:
    with pytest.raises(ConfigurationError, match=r"SPECTRA_SCHEDULE is '99 . . . .'; valid is cron"):
        definitions([covenant], load({"SPECTRA_SCHEDULE": "99 * * * *"}))


def test_definitions_are_made_once_until_a_covenant_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster asks for them twice while it loads a code location."""
    for name in ("playbooks", "covenants"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SPECTRA_PROJECT", str(tmp_path))
    none = defs()
    assert defs() is none
    text = (PROJECT / "covenants" / "zephyr.yaml").read_text(encoding="utf-8")
    (tmp_path / "covenants" / "zephyr.yaml").write_text(text, encoding="utf-8")
    assert defs().resolve_asset_graph().get_all_asset_keys()
    (tmp_path / "covenants" / "zephyr.yaml").unlink()
    assert not defs().resolve_asset_graph().get_all_asset_keys()
