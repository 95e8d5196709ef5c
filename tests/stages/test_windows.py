"""What refusals say of how far a list can be read."""

from __future__ import annotations

import pytest

from spectra_assets.stages.asking.windows import windows_in


@pytest.mark.parametrize(
    ("refusal", "limits"),
    [
        ("400: Maximum results size of 10,000 records is exceeded. Cursor pagination is required", [10_000]),
        ("400: Result window is too large, from + size must be less than or equal to: [10000] but was [10020]", [10_000, 10_020]),
        ("422: Only the first 1000 search results are available", [1_000]),
        ("400: Invalid page: Pages start at 1 and max at 500. They are expected to be an integer.", [500]),
        ("400: page must be between 1 and 7", []),
        ("404: Invalid page.", []),
        ("400: there is no page 12", []),
        ("422", []),
    ],
)
def test_limits_of_lists(refusal: str, limits: list[int]) -> None:
    assert windows_in(refusal) == limits
