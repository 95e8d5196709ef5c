"""Answers that are final: what each status and body becomes, and what the error tells a person."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.errors import CredentialError, RetriableError, SkippableError
from tests.client.conftest import Api, Reply

Connect = Callable[..., ApiClient]


def test_an_answer_is_given_byte_for_byte(api: Api, connect: Connect) -> None:
    body = '{ "name" : "Grüße 测试 🚀", "n": 12345678901234567890 }'.encode()
    api.replies(Reply(body))
    assert connect().read("/x", {"word": "ü&=", "id": [1, 2]}) == body
    assert api.asked[0].query == {"word": ["ü&="], "id": ["1", "2"]}


@pytest.mark.parametrize(
    "reply", [Reply(status=204), Reply(b""), Reply(b" \n"), Reply(b"", headers={"Content-Type": "text/html"})]
)
def test_no_content_is_empty(api: Api, connect: Connect, reply: Reply) -> None:
    api.replies(reply)
    assert connect().read("/x") == b""


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 417, 428, 304, 202])
def test_a_refusal_is_skippable_and_asked_once(api: Api, connect: Connect, status: int) -> None:
    api.replies(Reply(b'{"errorMsg": "because"}', status=status))
    with pytest.raises(SkippableError, match=str(status)) as caught:
        connect().read("/x")
    assert caught.value.status == status
    assert len(api.asked) == 1


def test_a_refused_credential_names_its_variable(api: Api, connect: Connect) -> None:
    api.replies(Reply(b"no", status=401))
    with pytest.raises(CredentialError, match="refused; set DEMO_TOKEN"):
        connect().read("/x")
    with pytest.raises(CredentialError, match="needed and none was given; set DEMO_TOKEN"):
        connect(secret=None).read("/x")
    assert len(api.asked) == 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"<!DOCTYPE html><p>Welcome", headers={"Content-Type": "text/html; charset=utf-8"}),
        Reply(b"\xef\xbb\xbf \n<html>"),
        Reply(b"Welcome", headers={"Content-Type": "TEXT/HTML"}),
    ],
)
def test_a_web_page_means_a_wrong_base_url(api: Api, connect: Connect, reply: Reply) -> None:
    api.replies(reply)
    with pytest.raises(SkippableError, match=r"web page .* check DEMO_URL"):
        connect().read("/x")
    assert len(api.asked) == 1


def test_json_that_is_said_to_be_a_web_page_is_json(api: Api, connect: Connect) -> None:
    api.replies(Reply(b' [{"id": 1}]', headers={"Content-Type": "text/html; charset=UTF-8"}))
    assert connect().read("/x").strip() == b'[{"id": 1}]'


def test_other_content_is_skippable_at_once(api: Api, connect: Connect) -> None:
    api.replies(Reply(b"%PDF-1.7", headers={"Content-Type": "application/pdf"}))
    with pytest.raises(SkippableError, match="application/pdf"):
        connect().read("/x")
    assert len(api.asked) == 1


def test_character_sets(api: Api, connect: Connect) -> None:
    api.replies(
        Reply('["é"]'.encode("latin-1"), headers={"Content-Type": "application/json; charset=ISO-8859-1"}),
        Reply(b'\xef\xbb\xbf["x"]'),
        Reply(b'["page"]', headers={"Content-Type": "text/html; charset=utf-8"}),
        Reply(b'["\xff"]'),
    )
    client = connect(attempts=1)
    assert client.read("/x") == '["é"]'.encode()
    assert client.read("/x") == b'["x"]'
    assert client.read("/x") == b'["page"]'
    with pytest.raises(RetriableError, match=r"invalid utf-8 \(byte 2\)"):
        client.read("/x")


def test_deep_nesting_is_refused(api: Api, connect: Connect) -> None:
    api.replies(Reply(b"[" * 100_000))
    with pytest.raises(SkippableError, match="nested too deeply"):
        connect().read("/x")


def test_an_error_quotes_little_on_one_line(api: Api, connect: Connect) -> None:
    api.replies(Reply(b"bad\r\n\x1b[31m\x00 \xe2\x80\xae" + b"x" * 100_000, status=400))
    with pytest.raises(SkippableError) as caught:
        connect().read("/x")
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 300
    assert r"bad\r\n\x1b[31m\x00 \u202exxx" in text


def test_nothing_but_get_can_be_sent(api: Api, connect: Connect) -> None:
    client = connect()
    assert not {"post", "put", "patch", "delete", "head", "request", "send"} & set(dir(client))
    client.read("/x")
    assert api.asked[0].method == "GET"
