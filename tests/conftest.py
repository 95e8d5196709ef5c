"""Fixtures of every test folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from spectra_assets.lakehouse.engine import Engine, shared
from spectra_assets.settings import load

os.environ.setdefault("SPARK_CONNECT_MODE_ENABLED", "1")
"""As pyspark sets it when the process's engine starts: where a test starts it that puts the environment back afterwards, those
after it would be without it."""

SLOW = ("pipeline", "conformance", "learning", "discovery", "graph", "engine")
"""Folders of few tests that take long each: first, so that no core waits for another at the end."""

TOGETHER = ("pipeline",)
"""Folders that stay in one process: their tests share what takes half a minute to make."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: tests wait for servers, disks and other processes a quarter of their time."""
    return int(os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") or (os.cpu_count() or 1) + 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`--dist loadfile` as it is, but for the folders of TOGETHER."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByFolder(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            folder = file.rpartition("/")[0]
            return folder if folder.rpartition("/")[2] in TOGETHER else file

    return ByFolder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs first; the order within a folder stays."""
    items.sort(key=lambda item: SLOW.index(item.path.parent.name) if item.path.parent.name in SLOW else len(SLOW))


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The process's engine, which runs of pipelines use too: it takes a second to start."""
    running = shared(load({}))
    yield running
    running.stop()
