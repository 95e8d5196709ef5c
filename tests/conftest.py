"""Fixtures of every test folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from spectra_assets.lakehouse.engine import Engine, shared
from spectra_assets.settings import load

os.environ.setdefault("SPARK_CONNECT_MODE_ENABLED", "1")
"""As pyspark sets it when the process's engine starts: where a test starts it that puts the environment back afterwards, those
after it would be without it."""

SLOW = ("learning", "pipeline", "conformance", "discovery", "graph", "engine")
"""Folders of few tests that take long each: first, so that no core waits for another at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs first; the order within a folder stays."""
    items.sort(key=lambda item: SLOW.index(item.path.parent.name) if item.path.parent.name in SLOW else len(SLOW))


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The process's engine, which runs of pipelines use too: it takes a second to start."""
    running = shared(load({}))
    yield running
    running.stop()
