"""One sentence heals: a gate fails in its run, a remedy is proven and applied, and the same call ends well."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

from spectra_assets.engine.console import Console
from spectra_assets.engine.run import run_sentence
from tests.conformance.discovering import options_of
from tests.conformance.pipeline import new_project, rows_of
from tests.learning.bench.bench import Project
from tests.learning.bench.worlds import Market

FEW = "- {id: few-records, kind: setting, scope: {source: market}, name: sample_records, value: 10}"


def test_what_no_sample_showed_is_learned_within_one_call(tmp_path: Path) -> None:
    with Market() as world:
        for row in world.lists["order"].rows[40:50]:
            row["giftWrap"] = True
        project = Project(tmp_path / "project", world)
        new_project(project.folder)
        standards = project.folder / "playbooks" / "STANDARDS.md"
        standards.write_text(f"{standards.read_text().rstrip()}\n\n```yaml\n{FEW}\n```\n")
        names = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-C", str(project.folder)]
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
            subprocess.run([*names, *arguments], check=True)
        console = Console(out=io.StringIO())
        with project.environment():
            sentence = "create SPECTRA pipeline for market"
            summary = run_sentence(sentence, project.settings, console, options=options_of(world))
            told = console.out.getvalue()  # type: ignore[attr-defined]
            assert summary.ok, told
            (lesson,) = project.lessons
            assert (lesson.status, str(lesson.cause), lesson.subject) == ("verified", "new_field", "giftWrap")
            assert [text for text in summary.learned if "giftWrap" in text and lesson.id in text]
            assert "✗ no_schema_drift failed on extract.orders" in told
            wrapped = [row["giftWrap"] for row in rows_of(project.lakehouse, "clean.order")]
            assert (len(wrapped), wrapped.count(True)) == (90, 10)
            commits = subprocess.run([*names, "log", "--format=%an: %s"], check=True, capture_output=True, text=True).stdout
            assert [line for line in commits.splitlines() if line.startswith("SPECTRA learning loop:") and lesson.id in line]
