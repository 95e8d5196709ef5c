"""Fixtures of every test folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spectra_assets.lakehouse.engine import Engine, shared
from spectra_assets.settings import load


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The process's engine, which runs of pipelines use too: it takes a second to start."""
    running = shared(load({}))
    yield running
    running.stop()
