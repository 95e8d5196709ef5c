"""What fields of records name lists of."""

from __future__ import annotations

import pytest

from spectra_assets.discovery.references import counted_by, named_by

ONE, TWO = "5eb87cd9ffd86e000604b32a", "5eb87cdaffd86e000604b32b"


@pytest.mark.parametrize(
    ("record", "names"),
    [
        (
            {"authorId": 3, "author": {"id": 3}, "editorCode": "x"},
            {"authorId": "author", "author.id": "author", "editorCode": "editor"},
        ),
        ({"speakerIds": [1, 2]}, {"speakerIds": "speaker"}),
        ({"id": ONE, "launches": [ONE, TWO], "rocket": TWO}, {"launches": "launches", "rocket": "rocket"}),
        ({"cores": [{"core": ONE, "flight": 1}, {"core": None}]}, {"cores.core": "core"}),
        ({"customer": "cus_9s6XKzkNRiz8i3", "status": "in_progress"}, {"customer": "customer"}),
        ({"owner": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "etag": "33a64df551425fcc"}, {"owner": "owner"}),
        ({"name": "a", "tags": ["x"], "colour": "deadbeef", "word": "ABCDEFGHJKMNPQRSTVWXYZABCD"}, {}),
    ],
)
def test_names_and_ids_name_lists(record: dict[str, object], names: dict[str, str]) -> None:
    assert named_by([record]) == names


def test_one_value_that_is_no_id_makes_the_field_none() -> None:
    assert named_by([{"note": ONE}, {"note": "call back"}]) == {}


def test_counts_name_what_they_count() -> None:
    assert counted_by([{"commentCount": 3, "num_likes": 2, "inner": {"postCount": 1}}]) == {
        "commentCount": "comment",
        "num_likes": "likes",
    }
