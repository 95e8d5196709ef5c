"""What records are compared with: the covenant's columns, though Prepare sampled other ones since."""

from __future__ import annotations

from pathlib import Path

import pytest

from spectra_assets.covenant.access import Fetch, NoPaging
from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.files import read
from spectra_assets.covenant.model import Covenant, DataType
from spectra_assets.stages.extract.drift import DriftWatch
from spectra_assets.stages.extract.promise import promised

ZEPHYR = Path(__file__).parent.parent.parent / "covenants" / "zephyr.yaml"


@pytest.fixture(scope="module")
def covenant() -> Covenant:
    return read(ZEPHYR)


def canon(*fields: tuple[str, DataType]) -> CanonEntity:
    """A cycle as Prepare samples it now."""
    made = tuple(CanonField(raw=raw, structure="scalar", target="x", type=kind, group="cycle") for raw, kind in fields)
    fetch = Fetch(entity="cycle", path="/cycle", primary_key="id", paging=NoPaging())
    return CanonEntity(entity="cycle", order=0, fetch=fetch, primary_key="id", fields=made)


def drift(covenant: Covenant, known: CanonEntity, record: dict[str, object]) -> dict[str, str]:
    """Path → kind of what differs in one record."""
    watch = DriftWatch(promised(known, covenant))
    watch.watch(record)
    return {path: entry["kind"] for path, entry in watch.finish().items() if entry["kind"] != "missingField"}


def test_a_text_that_became_a_record_is_drift(covenant: Covenant) -> None:
    known = canon(("id", DataType.INT64), ("build.name", DataType.TEXT), ("build.by", DataType.INT64))
    assert drift(covenant, known, {"id": 1, "build": {"name": "b1", "by": 7}}) == {"build": "changedType"}
    assert drift(covenant, known, {"id": 1, "build": "b1"}) == {}


def test_a_text_that_became_a_list_is_drift(covenant: Covenant) -> None:
    known = canon(("id", DataType.INT64), ("build[]", DataType.TEXT))
    assert drift(covenant, known, {"id": 1, "build": ["b1", "b2"]}) == {"build": "changedType"}


def test_records_in_a_list_are_as_the_covenant_has_them(covenant: Covenant) -> None:
    known = canon(("id", DataType.INT64), ("cyclePhases", DataType.TEXT))
    assert drift(covenant, known, {"id": 1, "cyclePhases": [{"id": 5}]}) == {}
    assert drift(covenant, known, {"id": 1, "cyclePhases": "none"}) == {"cyclePhases": "changedType"}


def test_a_list_that_is_one_record_here_and_there_is_drift(covenant: Covenant) -> None:
    """What is a list in some samples and a record in others is JSON to Prepare; the rows of those records were lost in silence."""
    known = canon(("id", DataType.INT64), ("cyclePhases", DataType.JSON))
    both = known.fields[1].model_copy(update={"structure": "objectDump"})
    known = known.model_copy(update={"fields": (known.fields[0], both)})
    assert drift(covenant, known, {"id": 1, "cyclePhases": {"id": 5}}) == {"cyclePhases": "changedType"}
    assert drift(covenant, known, {"id": 1, "cyclePhases": [{"id": 5}]}) == {}
