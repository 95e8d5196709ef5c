"""The tape of a client, on a real server: what is kept, what is taken from it, what is asked for conditionally."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.tape import Held, NotTapedError, Tape, conditions, key_of
from spectra_assets.client.wire import Recorded
from spectra_assets.covenant.access import CursorPaging, Fetch, LinkPaging, OffsetPaging
from spectra_assets.errors import SkippableError, StorageError
from spectra_assets.lakehouse.raw import MANIFEST, Attempts, Recording, Reel
from spectra_assets.lakehouse.segments import Segments
from spectra_assets.lakehouse.store import Lakehouse
from tests.client.conftest import Api, Asked, Reply

PLAN = Fetch(entity="row", path="/rows", paging=OffsetPaging(offset_param="o", size_param="s", size=2))
ROWS = [{"id": number, "text": "ä" * 50} for number in range(1, 6)]


def numbered(asked: Asked) -> Reply:
    start, size = asked.number("o"), asked.number("s")
    tag = f'"{start}-{size}"'
    if asked.headers.get("If-None-Match") == tag:
        return Reply(status=304, headers={"ETag": tag})
    return Reply(json.dumps(ROWS[start : start + size]).encode(), headers={"ETag": tag})


@pytest.fixture
def attempts(tmp_path: Path) -> Attempts:
    return Attempts(Lakehouse(str(tmp_path), "demo"), "row")


def begun(attempts: Attempts) -> Recording:
    now = datetime.now(UTC)
    return attempts.begin("plan", "http://127.0.0.1", "run-1", now, now, {})


def read(client: ApiClient, fetch: Fetch = PLAN) -> list[Any]:
    return [json.loads(record) for page in client.pages(fetch) for record in page.records]


def recorded(
    client: ApiClient, attempts: Attempts, earlier: Segments | None = None, fetch: Fetch = PLAN
) -> tuple[Recording, Tape]:
    recording = begun(attempts)
    tape = Tape(Reel(None, earlier, recording))
    client.use(tape)
    assert read(client, fetch) == ROWS
    recording.end("complete")
    return recording, tape


def test_an_answer_is_kept_before_its_records_are_seen(api: Api, connect: Callable[..., ApiClient], attempts: Attempts) -> None:
    api.answer = numbered
    client = connect()
    recording = begun(attempts)
    client.use(Tape(Reel(None, None, recording)))
    for page in client.pages(PLAN):
        kept = Segments(recording.folder)
        assert len(kept) == page.number
        entry = kept.find(key_of("list", f"{api.url}/rows?o={(page.number - 1) * 2}&s=2"))
        assert entry is not None
        assert [json.dumps(json.loads(record)) for record in page.records] == [json.dumps(row) for row in json.loads(entry.body)]
        assert entry.header["requestId"] == page.request_id
        assert (entry.header["status"], entry.header["rows"], entry.header["page"]) == (200, len(page.records), page.number)


def test_a_tape_alone_gives_the_same_pages(api: Api, connect: Callable[..., ApiClient], attempts: Attempts) -> None:
    api.answer = numbered
    client = connect()
    recording, tape = recorded(client, attempts)
    asked = len(api.asked)
    tape = Tape(Reel(Segments(recording.folder), replay=True), only=True)
    client.use(tape)
    assert read(client) == ROWS
    assert len(api.asked) == asked
    assert dict(tape.counts) == {"tape": asked}
    other = PLAN.model_copy(update={"path": "/others"})
    with pytest.raises(NotTapedError, match=r"do not hold GET .*/others"):
        read(client, other)


def test_what_did_not_change_is_carried_over(api: Api, connect: Callable[..., ApiClient], attempts: Attempts) -> None:
    api.answer = numbered
    client = connect()
    first, _ = recorded(client, attempts)
    sent = len(api.asked)
    second, tape = recorded(client, attempts, Segments(first.folder))
    assert dict(tape.counts) == {"notModified": sent}
    assert [dict(asked.headers).get("If-None-Match") for asked in api.asked[sent:]] == ['"0-2"', '"2-2"', '"4-2"', '"6-2"'][:sent]
    shutil.rmtree(first.folder)
    client.use(Tape(Reel(Segments(second.folder), replay=True), only=True))
    assert read(client) == ROWS
    origins = [entry["origin"] for entry in client.ledger.drain()]
    assert origins == ["network"] * sent + ["notModified"] * sent + ["tape"] * sent


def test_the_link_to_the_next_page_is_kept(api: Api, connect: Callable[..., ApiClient], attempts: Attempts) -> None:
    def linked(asked: Asked) -> Reply:
        start = asked.number("o") if "o" in asked.query else 0
        headers = {"Link": f'<{api.url}/rows?o={start + 2}>; rel="next"'} if start + 2 < len(ROWS) else {}
        return Reply(json.dumps(ROWS[start : start + 2]).encode(), headers=headers)

    api.answer = linked
    client = connect()
    plan = Fetch(entity="row", path="/rows", paging=LinkPaging())
    recording, _ = recorded(client, attempts, fetch=plan)
    client.use(Tape(Reel(Segments(recording.folder), replay=True), only=True))
    assert read(client, plan) == ROWS


@pytest.mark.parametrize(
    ("header", "paging"),
    [
        ("Next-Page", LinkPaging(header="Next-Page")),
        ("X-MS-ContinuationToken", CursorPaging(cursor_param="o", next="@header:x-ms-continuationtoken")),
    ],
)
def test_what_leads_on_in_other_headers_is_kept(
    api: Api, connect: Callable[..., ApiClient], attempts: Attempts, header: str, paging: LinkPaging | CursorPaging
) -> None:
    def answer(asked: Asked) -> Reply:
        start = asked.number("o") if "o" in asked.query else 0
        told = f"{api.url}/rows?o={start + 2}" if isinstance(paging, LinkPaging) else str(start + 2)
        return Reply(json.dumps(ROWS[start : start + 2]).encode(), headers={header: told} if start + 2 < len(ROWS) else {})

    api.answer = answer
    client = connect()
    plan = Fetch(entity="row", path="/rows", paging=paging)
    recording, _ = recorded(client, attempts, fetch=plan)
    client.use(Tape(Reel(Segments(recording.folder), replay=True), only=True))
    assert read(client, plan) == ROWS


def test_a_server_that_says_unchanged_of_what_nobody_has(api: Api, connect: Callable[..., ApiClient], attempts: Attempts) -> None:
    """Without the body no condition is sent; a 304 to a plain request is a refusal."""
    api.answer = numbered
    client = connect()
    first, _ = recorded(client, attempts)
    for segment in first.folder.glob("*.zst"):
        segment.write_bytes(segment.read_bytes()[:-20])
    sent = len(api.asked)
    recorded(client, attempts, Segments(first.folder))
    assert "If-None-Match" not in api.asked[-1].headers
    assert "If-None-Match" in api.asked[sent].headers
    api.answer = lambda asked: Reply(status=304)
    client.use(Tape(Reel(None, None, begun(attempts))))
    with pytest.raises(SkippableError, match="304"):
        read(client)


def test_no_credential_is_on_the_tape(api: Api, connect: Callable[..., ApiClient], attempts: Attempts) -> None:
    from tests.client.conftest import TOKEN

    api.answer = numbered
    recording, _ = recorded(connect(), attempts)
    kept = Segments(recording.folder)
    for key, _ in kept:
        entry = kept.find(key)
        assert entry is not None
        assert TOKEN not in json.dumps(entry.header)
    assert TOKEN.encode() not in (recording.folder / MANIFEST).read_bytes()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ETag": 'W/"a"', "Last-Modified": "x"}, {"If-None-Match": 'W/"a"'}),
        (
            {"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT", "Date": "Sun, 06 Nov 1994 08:50:37 GMT"},
            {"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"},
        ),
        ({"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT", "Date": "Sun, 06 Nov 1994 08:49:38 GMT"}, {}),
        ({"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}, {}),
        ({"Last-Modified": "yesterday", "Date": "today"}, {}),
        ({}, {}),
    ],
)
def test_what_tells_whether_an_answer_changed(headers: dict[str, str], expected: dict[str, str]) -> None:
    assert conditions({"headers": headers}) == expected


# ---------------------------------------------------------------- segments


def test_a_segment_is_cut_where_its_damage_begins(attempts: Attempts) -> None:
    recording = begun(attempts)
    bodies = [bytes([65 + number]) * 1000 for number in range(5)]
    for number, body in enumerate(bodies):
        recording.add(key_of("list", str(number)), {"n": number}, body)
    recording.seal()
    (segment,) = recording.folder.glob("*.zst")
    whole = segment.read_bytes()
    for size in range(0, len(whole), 7):
        segment.write_bytes(whole[:size])
        kept = Segments(recording.folder)
        found = [kept.find(key_of("list", str(number))) for number in range(5)]
        assert [entry.body for entry in found if entry] == bodies[: len(kept)]
        assert bool(kept.damaged) == (size not in _borders(whole))
    segment.write_bytes(whole)
    if shutil.which("zstdcat"):
        lines = subprocess.run(["zstdcat", segment], capture_output=True, check=True).stdout.split(b"\n")
        assert lines == [
            part for n, body in enumerate(bodies) for part in (json.dumps({"n": n}, separators=(",", ":")).encode(), body)
        ] + [b""]


def _borders(whole: bytes) -> set[int]:
    import struct

    from spectra_assets.lakehouse.segments import _PREFIX

    found, offset = {0}, 0
    while offset < len(whole):
        _, _, _, head, _, body, *_ = _PREFIX.unpack_from(whole, offset)
        offset += _PREFIX.size + head + body
        found.add(offset)
    assert struct.calcsize(_PREFIX.format) == _PREFIX.size
    return found


def test_every_flipped_byte_is_noticed(attempts: Attempts) -> None:
    recording = begun(attempts)
    key = key_of("list", "x")
    recording.add(key, {"n": 1}, b"[1,2,3]")
    recording.seal()
    (segment,) = recording.folder.glob("*.zst")
    whole = segment.read_bytes()
    for place in range(len(whole)):
        segment.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        entry = Segments(recording.folder).find(key, marked=False)
        assert entry is None or (entry.body, entry.header) == (b"[1,2,3]", {"n": 1})


def test_entries_are_what_is_found_under_their_keys(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spectra_assets.lakehouse.raw.SEGMENT_BYTES", 300)
    recording = begun(attempts)
    one, two, three = (key_of("list", name) for name in "123")
    recording.add(one, {"n": 1}, b"a" * 300)
    recording.add(two, {"n": 2}, b"b" * 300, mark=False)
    recording.add(one, {"n": 3}, b"c" * 300)
    recording.add(three, {"n": 4}, b"d" * 300)
    recording.end("complete")
    segments = Segments(recording.folder)
    found = [entry and (entry.header["n"], entry.body[:1]) for entry in segments.entries()]
    assert found == [(3, b"c"), None, (3, b"c"), (4, b"d")]
    last = max(recording.folder.glob("*.zst"), key=lambda file: file.stat().st_mtime_ns)
    last.write_bytes(last.read_bytes()[:-1] + b"?")
    assert [entry and entry.header["n"] for entry in segments.entries()] == [3, None, 3, None]
    assert len(segments.damaged) == 1


def test_segments_roll_and_are_named_by_their_content(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    from hashlib import blake2b

    monkeypatch.setattr("spectra_assets.lakehouse.raw.SEGMENT_BYTES", 3000)
    recording = begun(attempts)
    for number in range(40):
        recording.add(key_of("list", str(number)), {"n": number}, str(number).encode() * 100)
    recording.end("complete")
    segments = sorted(recording.folder.glob("*.zst"))
    assert len(segments) > 1
    for segment in segments:
        assert segment.stem == blake2b(segment.read_bytes(), digest_size=16).hexdigest()
    assert len(Segments(recording.folder)) == 40


def test_a_place_that_can_not_be_written_is_named(attempts: Attempts) -> None:
    attempts.folder.parent.mkdir(parents=True)
    attempts.folder.write_text("in the way")
    with pytest.raises(StorageError, match=r"raw/row.* can't be written"):
        begun(attempts)


@pytest.mark.parametrize("recorded", [True, False])
def test_a_recording_gives_its_pages_whether_they_begin_with_the_row_before_or_not(
    api: Api, connect: Callable[..., ApiClient], recorded: bool
) -> None:
    """What only looked at a list recorded other pages of it than what reads it; the API is asked for nothing."""
    api.answer = numbered
    kept: dict[bytes, Held] = {}

    @dataclass(frozen=True)
    class Kept:
        header: Mapping[str, Any]
        body: bytes
        confirmed: bool = False

    client = connect()
    client.record(lambda key, header, body: kept.update({key: Kept(header, body)}))
    list(client.pages(PLAN, knit=recorded))
    sent = len(api.asked)
    again = connect()
    again.play([Recorded(client.base_url, kept.get)])
    pages = list(again.pages(PLAN, knit=True))
    assert [json.loads(record)["id"] for page in pages for record in page.records] == [1, 2, 3, 4, 5]
    assert [page.joined for page in pages[1:]] == [True if recorded else None] * (len(pages) - 1)
    assert len(api.asked) == sent
