"""What must not reach the lake is taken out of every answer, and all else keeps its bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.withheld import cleared, hash_key, how_withheld
from spectra_assets.covenant.access import Auth, CursorPaging, Fetch, Server, Withheld
from tests.client.conftest import Api, Asked, Reply

SSN, MAIL = Withheld(field="ssn"), Withheld(field="guardian.Email", how="hash")

UNREADABLE = '{"withheld": unreadable'


def taken(text: str, *rules: Withheld) -> str:
    return cleared(text.encode(), rules or (SSN, MAIL), b"key").decode()


def test_a_field_goes_wherever_it_comes_and_the_rest_stays_as_it_was_written() -> None:
    assert taken('{"data": [{"id": 1.10, "SSN": "1", "a": [{"ssn": {"x": 1}, "b": 12345678901234567890.50}]}], "n": 1e2}') == (
        '{"data":[{"id":1.10,"a":[{"b":12345678901234567890.50}]}],"n": 1e2}'.replace('"n": 1e2', '"n":1e2')
    )
    untouched = '{ "id" : 1.10,\n "ssns": [ "ssn" ] }'
    body = untouched.encode()
    assert cleared(body, (SSN,), b"") is body
    assert taken('{"\\u0073sn": 1, "id": 2}') == '{"id":2}', "whatever its key is written like"


def test_equal_values_hash_alike_and_only_once() -> None:
    made = json.loads(
        taken('[{"guardian": {"email": "a@b"}, "email": "a@b"}, {"guardian": {"email": "a@b"}}, {"guardian": {"email": null}}]')
    )
    first, second, none = (row["guardian"]["email"] for row in made)
    assert (first, none, made[0]["email"]) == (second, None, "a@b")
    assert first.startswith("h:")
    assert "a@b" not in first
    assert json.loads(taken(json.dumps(made))) == made
    other = json.loads(cleared(b'{"guardian": {"email": "a@b"}}', (MAIL,), b"another key"))
    assert other["guardian"]["email"] != first


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"ssn": 1, "id": 1}\n{"ssn": 2, "id": 2}\n', '{"id":1}\n{"id":2}'),
        ('[{"ssn": NaN, "id": NaN}]', '[{"id":null}]'),
        ('[{"id": 1, "ssn": "12', UNREADABLE),
        ('[{"id": 1, "ssn": ' + "[" * 3000, UNREADABLE),
        ("<html>SSN 12</html>", "<withheld/>"),
        ('call({"ssn": 1})', UNREADABLE),
        ('\x1e{"ssn": 1, "id": 1}\n\x1e{"ssn": 2, "id": 2}\n', '{"id":1}\n{"id":2}'),
        ('{"id": 1, "a": {"ssn": "123"}, "a": {}}', '{"id":1,"a":{}}'),
        (
            '{"id": 1, "payload": "{\\"ssn\\": \\"123\\", \\"x\\": 1.10}", "note": "no ssn"}',
            '{"id":1,"payload":"{\\"x\\":1.10}","note":"no ssn"}',
        ),
        ("<html>nothing</html>", "<html>nothing</html>"),
        ('[{"id": 1, "na', '[{"id": 1, "na'),
        ("", ""),
    ],
)
def test_what_can_not_be_read_and_names_the_field_is_no_empty_answer(text: str, left: str) -> None:
    assert taken(text, SSN) == left


@pytest.mark.parametrize("written", ["cut", "utf-8-sig", "utf-16", "latin-1"])
def test_a_rule_loses_no_record_however_answers_are_written(api: Api, written: str) -> None:
    """Five pages of 20 behind a cursor; the third is cut when it is asked for first."""
    declared = f"; charset={written}" if written in ("utf-16", "latin-1") else ""

    def page(asked: Asked) -> Reply:
        at = int(asked.query.get("cursor", ["0"])[0])
        rows = [{"id": number, "ssn": f"s{number}", "name": "Müller"} for number in range(at, at + 20)]
        text = json.dumps({"items": rows, "next": str(at + 20) if at < 80 else None}, ensure_ascii=False)
        if written == "cut" and sum(each.query == asked.query for each in api.asked) == 1 and at == 40:
            return Reply(text[:300].encode() + b"Internal error", headers={"Content-Type": "application/json"})
        body = text.encode("utf-8" if written == "cut" else written)
        return Reply(body, headers={"Content-Type": f"application/json{declared}"})

    api.answer = page
    server = Server(base_url_env="DEMO_URL", auth=Auth(kind="none"), probe="/items", withheld=[SSN])
    paging = CursorPaging(cursor_param="cursor", next="next")
    client = ApiClient(server, api.url, None, backoff_base=0.01)
    try:
        pages = list(client.pages(Fetch(path="/items", entity="item", records="items", primary_key="id", paging=paging)))
    finally:
        client.close()
    assert [json.loads(record) for page in pages for record in page.records] == [
        {"id": number, "name": "Müller"} for number in range(100)
    ]


def test_the_last_rule_that_fits_counts() -> None:
    rules = (Withheld(field="email"), Withheld(field="guardian.email", how="hash"))
    assert [how_withheld(path, rules) for path in (("email",), ("Guardian", "Email"), ("emails",), ())] == [
        "drop",
        "hash",
        None,
        None,
    ]


def test_a_lakehouse_has_one_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    key = hash_key(tmp_path / "Files")
    assert len(key) == 32
    assert hash_key(tmp_path / "Files") == key
    assert [(file.name, file.stat().st_mode & 0o777) for file in (tmp_path / "Files").iterdir()] == [("withheld.key", 0o600)]


def test_a_file_system_without_links_has_a_key_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", link)
    key = hash_key(tmp_path)
    assert len(key) == 32
    assert hash_key(tmp_path) == key
    assert [(file.name, file.stat().st_mode & 0o777) for file in tmp_path.iterdir()] == [("withheld.key", 0o600)]


def test_the_last_rule_that_fits_the_last_keys_counts() -> None:
    rules = [Withheld(field="contacts[].Email"), Withheld(field="email", how="hash"), Withheld(field="guardian.email")]
    found = {path: how_withheld(path.split("."), rules) for path in ("contacts.email", "x.EMAIL", "a.guardian.email", "guardian")}
    assert found == {"contacts.email": "hash", "x.EMAIL": "hash", "a.guardian.email": "drop", "guardian": None}
    assert how_withheld(["contacts", "email"], rules[:1]) == "drop"
    assert how_withheld(["email"], rules[:1]) is None
