"""What Source and Prepare proved is trusted while one page of each list looks as it did, and measured again once one does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from spectra_assets.covenant.model import Covenant
from spectra_assets.intelligence.model import load_pack
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.stages.design import playbooks_of
from spectra_assets.stages.trust import distrust, trust, trust_of
from spectra_assets.stages.work import Work
from tests.conformance.pipeline import Pipeline, rows_of
from tests.stages.test_twin import Depot


class Story(Pipeline):
    """A pipeline that ran once; `again` makes Source and Prepare of it as the sentence does when it is said again."""

    def first(self) -> Covenant:
        return self._covenant(load_pack(self.source, self.settings.intelligence), playbooks_of(self.settings), None)

    def again(self) -> int:
        """How many requests it took."""
        before, covenant = len(self.api.seen), self.first()
        with self.environment(), patch("tests.conformance.pipeline.Work", partial(Work, trusts=True)):
            for table in covenant.tables():
                self._deliver(covenant, table, playbooks_of(self.settings))
        assert self.found.problems == []
        return len(self.api.seen) - before


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Story]:
    with Depot() as api:
        story = Story(api, tmp_path_factory.mktemp("trust") / "project", engine)
        found = story.run()
        assert (found.crash, found.problems) == ("", [])
        yield story


@pytest.fixture
def story(ran: Story) -> Iterator[Story]:
    trust(ran.lakehouse, ran.first(), datetime.now(UTC))
    yield ran
    distrust(ran.lakehouse)


def test_an_unchanged_api_is_asked_for_its_credential_and_one_page_of_each_list(story: Story) -> None:
    names = ("source.endpoints", "prepare.constraints", "prepare.dependencies", "prepare.schema", "prepare.coverage")
    before = {name: rows_of(story.lakehouse, name) for name in names}
    assert story.again() == 3
    known = trust_of(story.lakehouse)
    assert known is not None
    assert known.runs == 1
    assert {name: rows_of(story.lakehouse, name) for name in names} == before
    assert story.again() == 3, "the answers that were played are recorded again"


def _other_field(story: Story) -> None:
    story.api.shelves[3]["colour"] = "red"  # type: ignore[attr-defined]


def _old(story: Story) -> None:
    trust(story.lakehouse, story.first(), datetime.now(UTC) - timedelta(days=8))


def _other_rules(story: Story) -> None:
    covenant = story.first()
    pipeline = covenant.pipeline.model_copy(update={"documents": "others"})
    trust(story.lakehouse, covenant.model_copy(update={"pipeline": pipeline}), datetime.now(UTC))


def _spoilt(story: Story) -> None:
    Path(story.lakehouse.files("trust.json")).write_text("{", encoding="utf-8")


@pytest.mark.parametrize("change", [_other_field, _old, _other_rules, _spoilt])
def test_what_differs_is_measured_again(story: Story, change: Callable[[Story], None]) -> None:
    change(story)
    assert story.again() > 10
    assert trust_of(story.lakehouse) is None
