import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from spectra_assets.errors import StorageError
from spectra_assets.graph.runner import dagster_home
from spectra_assets.graph.storage import _Events
from spectra_assets.settings import load


@dg.asset(check_specs=[dg.AssetCheckSpec("holds", asset="thing")])
def thing() -> dg.MaterializeResult:  # type: ignore[type-arg]
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="holds")])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return dagster_home(load({}))


def test_a_fresh_home_uses_it_and_sends_no_telemetry(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, _Events)
        assert instance.telemetry_enabled is False


def test_dagsters_own_storage_reads_what_it_wrote(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        result = dg.materialize([thing], instance=instance)
        assert result.success
    (home / "dagster.yaml").unlink()
    with dg.DagsterInstance.get() as instance:
        assert not isinstance(instance.event_log_storage, _Events)
        assert instance.get_run_by_id(result.run_id).status == dg.DagsterRunStatus.SUCCESS  # type: ignore[union-attr]
        records = instance.get_records_for_run(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
        assert len(records) == 1


def test_processes_that_run_at_the_same_time_do_not_get_in_each_others_way(home: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import dagster as dg\nfrom test_storage import thing\n"
        "with dg.DagsterInstance.get() as instance:\n    assert dg.materialize([thing], instance=instance).success\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 2


def test_a_home_of_ones_own_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    dagster_home(load({}))
    assert (tmp_path / "dagster.yaml").read_text() == "telemetry:\n  enabled: false\n"


def test_a_home_that_can_not_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(StorageError, match="set DAGSTER_HOME to a folder that can be written"):
        dagster_home(load({}))
