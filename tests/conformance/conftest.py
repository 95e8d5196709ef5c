"""The report of the conformance suite: one line per server that was tried, at the end of the session or in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.scoring import Score, report

_SCORES: list[Score] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conformance-report", type=Path, help="write the conformance report (Markdown) to this file as well")


@pytest.fixture(scope="session")
def scores(pytestconfig: pytest.Config) -> Iterator[list[Score]]:
    """The scores so far, in the order of the tests."""
    yield _SCORES
    file: Path | None = pytestconfig.getoption("--conformance-report", default=None)
    if file is not None and _SCORES:
        file.write_text(report(_SCORES) + "\n", encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _SCORES:
        terminalreporter.section("conformance")
        terminalreporter.write_line(report(_SCORES))
