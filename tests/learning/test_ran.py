"""What ran beside what should have: steps, requests that needed several tries, rows that were set aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spectra_assets.covenant.files import read
from spectra_assets.covenant.model import Covenant
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.detect import gaps_of
from spectra_assets.learning.gap import Cause, Evaluation
from spectra_assets.learning.ran import rows_accepted, steps_ran
from spectra_assets.settings import Settings
from spectra_assets.stages.design import playbooks_of

REPOSITORY = Path(__file__).parent.parent.parent


def attempt(covenant: Covenant, table: str, **changes: Any) -> dict[str, Any]:
    row = {"table": table, "status": "published", "covenantVersion": covenant.version, "quarantined": 0, "rowsIn": 100}
    return {**row, **changes}


def seen(table: str, check: str, sample: tuple[dict[str, Any], ...]) -> list[tuple[Cause, str, Any]]:
    stage, name = table.split(".")
    evaluation = Evaluation(
        source="zephyr", stage=stage, table=name, check=check, passed=not sample, severity="WARN", covenant_version="1",
        run_id="run1", key=f"run1:{table}:{check}", seen_at="2026-01-01T00:00:00+00:00", sample=sample,
    )  # fmt: skip
    return [(gap.cause, gap.subject, gap.evidence[0].count or gap.evidence[0].note) for gap in gaps_of(evaluation)]


def test_a_step_of_the_playbook_that_did_not_run_is_a_gap() -> None:
    covenant = read(REPOSITORY / "covenants" / "zephyr.yaml")
    playbooks = playbooks_of(Settings(project=REPOSITORY, lakehouse_root="nowhere"))
    ran = [attempt(covenant, table.table) for table in covenant.tables()]
    assert [sample for _, sample in steps_ran(covenant, playbooks, ran) if sample] == []
    less = covenant.table("clean.user").model_copy(update={"steps": covenant.table("clean.user").steps[1:]})
    stages = [
        stage.model_copy(update={"outputs": [less if table.table == "clean.user" else table for table in stage.outputs]})
        for stage in covenant.pipeline.stages
    ]
    old = covenant.model_copy(update={"pipeline": covenant.pipeline.model_copy(update={"stages": stages})})
    ((table, sample),) = [each for each in steps_ran(old, playbooks, ran) if each[1]]
    assert seen(table, "steps_ran", sample) == [(Cause.STEP_DID_NOT_RUN, covenant.table("clean.user").steps[0], "clean.user")]
    other = [attempt(covenant, "clean.user", covenantVersion="of before")]
    assert list(steps_ran(old, playbooks, other)) == [], "what an older covenant made says nothing of this one"


def test_rows_that_were_set_aside_though_no_gate_objected_are_a_gap(tmp_path: Path) -> None:
    covenant = read(REPOSITORY / "covenants" / "zephyr.yaml")
    rows = [
        attempt(covenant, "clean.user"),
        attempt(covenant, "clean.cycle", quarantined=3),
        attempt(covenant, "clean.release", quarantined=40, status="blocked"),
    ]
    found = dict(rows_accepted(Lakehouse(str(tmp_path), "zephyr"), covenant, rows))
    assert found.keys() == {"clean.user", "clean.cycle"}
    assert seen("clean.cycle", "rows_accepted", found["clean.cycle"]) == [(Cause.ROWS_SET_ASIDE, "", 3)]
    assert found["clean.user"] == ()
