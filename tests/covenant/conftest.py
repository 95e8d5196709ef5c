from pathlib import Path

import pytest

from spectra_assets.covenant.files import read
from spectra_assets.covenant.model import Covenant

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture
def covenant() -> Covenant:
    return read(PROJECT / "covenants" / "zephyr.yaml")


@pytest.fixture
def text() -> str:
    return (PROJECT / "covenants" / "zephyr.yaml").read_text(encoding="utf-8")
