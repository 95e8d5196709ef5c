"""The pipeline's document begins with what a reader wants; large pictures are folded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from spectra_assets.covenant.files import parse, plain, read
from spectra_assets.covenant.model import Covenant
from spectra_assets.engine import document as room
from spectra_assets.engine.document import document

FILE = Path(__file__).parents[2] / "covenants" / "zephyr.yaml"


@pytest.fixture(scope="module")
def covenant() -> Covenant:
    return read(FILE)


def test_it_begins_with_what_there_is_the_star_the_figures_and_the_gaps(covenant: Covenant) -> None:
    text = document(covenant)
    assert re.findall(r"^## (.*)", text, re.MULTILINE)[:6] == [
        "In short",
        "The star",
        "KPIs",
        "Personal data",
        "Gaps and limits",
        "Stages",
    ]
    star = text.split("```mermaid")[1].split("```")[0]
    facts = [table.build for table in covenant.tables() if table.build.kind in ("fact", "bridge")]
    assert star.count("-->") == sum(len({reference.dimension for reference in build.references}) for build in facts) + 1, (
        "and the date"
    )
    assert "| analyse.passRateByRelease | Pass rate by release | release with executions | `passRatePct` |" in text
    assert "| clean.user | `username`, `firstName`, `lastName`, `email`, `fullName` |  |" in text
    assert "| clean.userRole | one row per userRole | `userId` |" in text
    assert "| clean.teststep |" not in text, "the star counts its rows"


def test_every_other_picture_is_folded_and_small_enough_to_be_drawn(covenant: Covenant, monkeypatch: pytest.MonkeyPatch) -> None:
    text = document(covenant)
    folded = text.count("<details>")
    assert folded == text.count("</details>") == text.count("```mermaid") - 1
    monkeypatch.setattr(room, "_ARROWS", 3)
    assert document(covenant).count("```mermaid") < folded + 1
    assert "Too many to draw" in document(covenant)


def test_the_calendar_has_its_own_name(covenant: Covenant) -> None:
    text = document(parse(FILE.read_text(encoding="utf-8").replace("dimDate", "dimKalender"), FILE))
    assert "dimDate" not in text
    assert "t_factExecution --> t_dimKalender" in text


HOSTILE = "/x`![p](http://evil.example/p.png) [click](javascript:alert(1)) <img src=x onerror=alert(1)>\n\n# `` y"


def _hostile(value: Any) -> Any:
    """What a source's covenant says, with every text of it that an API or a person wrote in such a way replaced."""
    if isinstance(value, list):
        return [_hostile(each) for each in value]
    if isinstance(value, dict):
        texts = ("title", "description", "path", "field", "allowed_by", "evidence", "probe")
        return {key: HOSTILE if key in texts and isinstance(each, str) else _hostile(each) for key, each in value.items()}
    return value


def test_nothing_that_an_api_says_is_live_in_it(covenant: Covenant) -> None:
    content = plain(covenant)
    content["pipeline"]["server"] |= {
        "searches": [{"path": "/find", "allowed_by": "--allow-post-search"}],
        "withheld": [{"field": "guardian.email"}],
    }
    page = MarkdownIt("commonmark").enable("table").render(document(Covenant.model_validate(_hostile(content))))
    assert page.count("evil.example") > 100, "they are shown"
    assert "<img" not in page
    assert not [target for target in re.findall(r'href="([^"]*)"', page) if not target.startswith(("#", "../../playbooks/"))]
