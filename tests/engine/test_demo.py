"""The Dagster UI follows the covenants: what changes is loaded again."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from spectra_assets.engine.demo import follow
from spectra_assets.settings import Settings

REPOSITORY = Path(__file__).parent.parent.parent


def test_a_covenant_that_changes_is_loaded_again_until_it_could_be(tmp_path: Path) -> None:
    (tmp_path / "covenants").mkdir()
    file = Path(shutil.copy(REPOSITORY / "covenants" / "zephyr.yaml", tmp_path / "covenants"))
    settings = Settings(project=tmp_path, lakehouse_root=str(tmp_path / "lakehouse"))
    asked: list[int] = []

    class Ended(threading.Event):
        """Each wait is one look; the covenant changes before the second one, and after the fifth it is over."""

        looks = 0

        def wait(self, timeout: float | None = None) -> bool:
            self.looks += 1
            if self.looks == 2:
                file.write_text(f"{file.read_text()}\n# changed\n")
            return self.looks > 5

    def reload() -> bool:
        asked.append(1)
        return len(asked) == 2

    follow(settings, reload, Ended(), 0)
    assert len(asked) == 2, "once it was not up yet, then it was"
