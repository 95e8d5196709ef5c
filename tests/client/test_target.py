"""What stands in a path for a parent's value."""

from __future__ import annotations

import pytest

from spectra_assets.client.target import segment, target
from spectra_assets.covenant.access import Fetch, ParentKey
from spectra_assets.errors import SkippableError

_REVIEWS = "/v1/books/{id}/reviews"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (_REVIEWS, "7", "7"),
        (_REVIEWS, "https://api.example.com/v1/books/7/", "7"),
        (_REVIEWS, "/v1/books/b%2F7", "b/7"),
        (_REVIEWS, "https://api.example.com/v1/authors/7", "https://api.example.com/v1/authors/7"),
        (_REVIEWS, "https://api.example.com/v1/books/7/cover", "https://api.example.com/v1/books/7/cover"),
        (_REVIEWS, "A/7", "A/7"),
        ("/sites/{site}", "https://shop.example.com/", "https://shop.example.com/"),
        ("/{site}", "https://shop.example.com/a", "https://shop.example.com/a"),
        ("/shelves/{shelf}/books/{id}", "https://api.example.com/v1/shelves/3/books/7", "7"),
    ],
)
def test_the_address_of_a_record_stands_for_what_names_it_there(path: str, value: str, expected: str) -> None:
    assert segment(path, path.rpartition("{")[2].partition("}")[0], value) == expected


def test_an_address_can_not_lead_out_of_its_path() -> None:
    parent = ParentKey(entity="book", path="url", parameter="id", location="path")
    fetch = Fetch(entity="review", path=_REVIEWS, parent=parent, records="", primary_key="id")
    with pytest.raises(SkippableError, match="can't stand for id"):
        target(fetch, "https://api.example.com/v1/books/..")
