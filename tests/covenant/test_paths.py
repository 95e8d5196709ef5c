"""Paths below a record."""

from __future__ import annotations

import pytest

from spectra_assets.covenant.paths import is_array, join_path, split_path
from spectra_assets.errors import SpectraError
from spectra_assets.stages.clean.records import Parser, levels, located


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("id", ["id"]),
        ("testcase.name", ["testcase", "name"]),
        ("cyclePhases[].id", ["cyclePhases[]", "id"]),
        ("tags[]", ["tags[]"]),
        ("a\\.b.c", ["a.b", "c"]),
        ("a\\\\.b", ["a\\", "b"]),
        ("", []),
        (".a", ["", "a"]),
        ("\\0", [""]),
        ("a..b.", ["a", "", "b", ""]),
        ("é.😀 x[].`k`", ["é", "😀 x[]", "`k`"]),
    ],
)
def test_paths_split_into_keys_and_back(path: str, keys: list[str]) -> None:
    assert split_path(path) == keys
    assert join_path(keys) == path


def test_a_key_with_brackets_at_its_end_holds_an_array() -> None:
    assert [is_array(key) for key in split_path("a[].b")] == [True, False]


def test_nested_arrays_are_entered_level_by_level() -> None:
    arrays = levels("a.b[].c")
    assert arrays == [["a", "b"], ["c"]]
    assert located("id", arrays) == (0, ["id"])
    assert located("a.x", arrays) == (0, ["a", "x"])
    assert located("a.b[].y", arrays) == (1, ["y"])
    assert located("a.b[].c[].z.w", arrays) == (2, ["z", "w"])
    assert located("a.b[].c[]", arrays) == (2, [])
    assert levels(None) == []


def test_another_array_is_refused() -> None:
    with pytest.raises(SpectraError, match=r"z\[\]\.id goes into an array"):
        located("z[].id", levels("a"))


def test_paths_that_exclude_each_other_get_schemas_of_their_own() -> None:
    parser = Parser()
    assert [parser.place(keys) for keys in (["a"], ["a", "b"], ["id"], ["ID"], ["a", "c"], ["id"])] == [0, 1, 0, 1, 1, 0]
    assert parser.place(["b", ""]) is None
