"""JSON as some servers write it: NaN, infinities and half characters become JSON, and nothing else changes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.jsontext import mended
from spectra_assets.covenant.access import Fetch
from tests.client.conftest import Api, Reply


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": NaN, "b": [NaN,-Infinity]}', {"a": None, "b": [None, "-Infinity"]}),
        (b'{"a": "\\ud83d", "b": NaN}', {"a": "\ufffd", "b": None}),
        (b'"\\udc00 \\ud83d\\ud83d\\ude00 \\uD83D"', "\ufffd \ufffd\U0001f600 \ufffd"),
        (b'{"a": 1e999, "b": -1.5E+400, "c": 1e10, "d": "1e999"}', {"a": "1e999", "b": "-1.5E+400", "c": 1e10, "d": "1e999"}),
        (b"[" + b"9" * 5000 + b", 12]", ["9" * 5000, 12]),
        (b"[" + b"1" * 400 + b".5, " + b"1" * 250 + b"e99, 2e5]", ["1" * 400 + ".5", "1" * 250 + "e99", 2e5]),
        (b"[" + b"1" * 4500 + b".5, " + b"1" * 400 + b"]", ["1" * 4500 + ".5", int("1" * 400)]),
        (b'["\\\\ud83d", "\\"NaN", NaN]', ["\\ud83d", '"NaN', None]),
    ],
)
def test_what_is_no_json_becomes_json(text: bytes, value: object) -> None:
    made = mended(text)
    assert made is not None
    assert json.loads(made) == value


@pytest.mark.parametrize(
    "text",
    [b"", b"[1]", b'["NaN"]', b'["\\ud83d\\ude00"]', b"[Nan]", b"[aNaN]", b"[1e308, 1.2.3e400]", b'["Infinity and \\\\ud"]'],
)
def test_all_else_is_left_as_it_is(text: bytes) -> None:
    assert mended(text) is None


@pytest.mark.parametrize(
    "text",
    [
        lambda count: b'["' + b'\\"' * count + b"NaN",
        lambda count: b'"' * (count + 1) + b"NaN",
        lambda count: b'"' + b"\\ud83d" * count + b'"',
        lambda count: (b"1" * 3999 + b",") * (count // 1000),
    ],
)
def test_hostile_text_takes_no_longer_than_its_length(text: Callable[[int], bytes]) -> None:
    """Eight times the text takes some eight times as long, and not the square of it."""
    least = [min(_seconds(text(count)) for _ in range(3)) for count in (100_000, 800_000)]
    assert least[1] < 24 * least[0] + 0.05


def _seconds(text: bytes) -> float:
    start = time.process_time()
    mended(text)
    return time.process_time() - start


def test_a_page_with_half_a_character_is_read(api: Api, connect: Callable[..., ApiClient]) -> None:
    api.replies(Reply(b'[{"id":1,"t":"cut \\ud83d"},{"id":2,"t":NaN}]'))
    pages = list(connect().pages(Fetch(entity="flow", path="/flows")))
    assert [json.loads(record) for record in pages[0].records] == [{"id": 1, "t": "cut \ufffd"}, {"id": 2, "t": None}]
