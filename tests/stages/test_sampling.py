"""What Prepare keeps of the records it saw, and what Extract adds that drifted."""

from __future__ import annotations

from pathlib import Path

from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.stages.asking.sampling import keep_drifted, keep_sample, read_sample


def test_a_record_that_drifted_stands_in_the_sample_once(tmp_path: Path) -> None:
    """A cycle that is in it twice has its phases in it twice, which then seem to have no key."""
    lakehouse = Lakehouse(str(tmp_path), "acme")
    keep_sample(lakehouse, "cycle", [{"id": n, "phases": [{"id": 10 * n}]} for n in (1, 2, 3)])
    newer = {"id": 2, "phases": [{"id": 20}], "colour": "red"}
    other = {"id": 9, "phases": [], "colour": "blue"}
    keep_drifted(lakehouse, "cycle", [newer, other])
    found = read_sample(lakehouse, "cycle", "id")
    assert [record["id"] for record in found] == [1, 2, 3, 9]
    assert found[1] == newer
    assert len(read_sample(lakehouse, "cycle")) == 5, "where no key is known, nothing is taken for another"
    assert len(read_sample(lakehouse, "cycle", "number")) == 5


def test_ids_that_tell_no_record_apart_replace_nothing(tmp_path: Path) -> None:
    lakehouse = Lakehouse(str(tmp_path), "acme")
    keep_sample(lakehouse, "line", [{"id": 1, "of": "a"}, {"id": 1, "of": "b"}])
    keep_drifted(lakehouse, "line", [{"id": 1, "of": "b", "note": "x"}])
    assert [record["of"] for record in read_sample(lakehouse, "line", "id")] == ["a", "b", "b"]
