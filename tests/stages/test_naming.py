"""Names of columns: unique whatever their case, and steady."""

from __future__ import annotations

import pytest

from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.stages.prepare.fields.naming import named


def targets(*raws: str) -> dict[str, str]:
    fields = tuple(CanonField(raw=raw, structure="scalar", target="", type="text", group="call") for raw in raws)
    fetch = Fetch(entity="call", path="/calls", primary_key="id")
    entity = CanonEntity(entity="call", order=1, fetch=fetch, primary_key="id", sample_size=1, fields=fields)
    return {field.raw: field.target for field in named([entity], {}, lambda *_: None)[0].fields}


@pytest.mark.parametrize("raws", [("NOTE", "Note", "id", "note"), ("id", "note", "Note", "NOTE")])
def test_of_fields_that_differ_in_capitals_alone_the_one_that_is_written_so_has_the_name(raws: tuple[str, ...]) -> None:
    found = targets(*raws)
    assert found["note"] == "note"
    assert sorted(found.values()) == ["callId", "note", "note2", "note3"]


def test_the_first_of_others_has_the_name() -> None:
    assert targets("id", "callId") == {"id": "callId", "callId": "callId2"}
