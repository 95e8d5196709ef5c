"""Fixtures of every test folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spectra_assets.lakehouse.engine import Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """One embedded engine for the whole session: it takes a second to start."""
    with Engine.start("sail", memory_mb=512) as running:
        yield running
