"""Keys of a list, few or many: what is in is in, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from spectra_assets.stages.extract import keys as room
from spectra_assets.stages.extract.keys import Keys


@pytest.mark.parametrize("made", [int, str, float])
def test_as_a_set_does_it(monkeypatch: pytest.MonkeyPatch, made: Any) -> None:
    monkeypatch.setattr(room, "_FEW", 16)
    chance = random.Random(3)  # noqa: S311
    held, there = Keys(), set[Any]()
    for _ in range(300):
        some = {made(chance.randrange(3_000)) for _ in range(chance.randrange(1, 12))}
        assert held.grow(some) == some.isdisjoint(there)
        there |= some if some.isdisjoint(there) else set()
        one = made(chance.randrange(3_000))
        assert (one in held) == (one in there)
        if one not in there:
            held.add(one)
            there.add(one)
        assert len(held) == len(there)


def test_keys_that_python_hashes_alike_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_FEW", 16)
    held = Keys()
    assert all(held.grow({key}) for key in (*range(40), -1, -2, 2**61 - 1, (-1, "a"), (-2, "a")))
    assert len(held) == 45


def test_two_lists_are_the_same_in_whatever_order_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_FEW", 16)
    one, other, less = Keys(), Keys(), Keys()
    for number in range(100):
        one.add(number)
        other.add(99 - number)
        less.add(number // 2)
    assert one.same(other)
    assert not one.same(less)
    assert Keys().same(Keys())


def test_many_keys_take_few_bytes() -> None:
    held = Keys()
    for start in range(0, 600_000, 500):
        assert held.grow({f"{number:032x}" for number in range(start, start + 500)})
    assert sum(run.nbytes for run in held._runs) <= 600_000 * 8
    assert len(held._few) <= room._FEW
    assert f"{599_999:032x}" in held
    assert f"{600_000:032x}" not in held
