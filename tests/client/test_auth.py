"""Tokens in the query, and OAuth 2 client credentials: sent as they must be, seen nowhere else."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, quote_plus, unquote_plus

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.mask import Secret
from spectra_assets.covenant.access import Auth, Fetch, NextPaging, Server
from spectra_assets.errors import ConfigurationError, CredentialError, RetriableError, SourceError, SpectraError
from tests.client.conftest import TOKEN, Api, Asked, Reply
from tests.client.test_secrecy import everything

Connect = Callable[..., ApiClient]
QUERY = Auth(kind="query", token_env="DEMO_TOKEN", parameter="api_key")
FORMS = (TOKEN, quote_plus(TOKEN), quote_plus(TOKEN).lower(), TOKEN.replace("/", "\\/"))


def told(*texts: object) -> None:
    for text in map(str, texts):
        for form in FORMS:
            assert form.lower() not in text.lower()


# ---------------------------------------------------------------- a token in the query


def test_the_token_is_a_parameter_of_every_request_and_of_no_record_of_it(
    api: Api, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").debug("what is logged is heard")
    client = connect(auth=QUERY)
    client.read("/x")
    client.read("/x", {"q": "a b", "api_key": "other"})
    answer = client.get("/x", {"q": "1"})
    assert [asked.query["api_key"] for asked in api.asked] == [[TOKEN]] * 3
    assert api.asked[1].query["q"] == ["a b"]
    assert "Authorization" not in api.asked[0].headers
    told(answer, answer.address, client.ledger.drain(), caplog.text)
    assert "what is logged is heard" in caplog.text
    assert "api_key" not in caplog.text


@pytest.mark.parametrize("echo", ["{url}/rows?api_key={token}&page=2", "/rows?page=2&api_key={token}", "?page=2"])
def test_a_next_link_that_repeats_the_token(api: Api, connect: Connect, echo: str) -> None:
    link = echo.format(url=api.url, token=quote_plus(TOKEN))

    def answer(asked: Asked) -> Reply:
        assert asked.query["api_key"] == [TOKEN]
        rows = {"data": [{"id": 1, "self": link}], "next": link} if "page" not in asked.query else {"data": [{"id": 2}]}
        return Reply(json.dumps(rows).encode(), headers={"Link": f'<{link}>; rel="next"'})

    api.answer = answer
    client = connect(auth=QUERY)
    pages = list(client.pages(Fetch(entity="row", path="/rows", records="data", paging=NextPaging(next="next"))))
    assert [json.loads(record)["id"] for page in pages for record in page.records] == [1, 2]
    assert pages[1].query == {"page": "2"}
    told(pages, [page.records for page in pages], client.ledger.drain(), client.get("/rows").headers)


def test_the_token_never_leaves_for_another_server(api: Api, other_api: Api, connect: Connect) -> None:
    client = connect(auth=QUERY)
    away = f"{other_api.url}/in?api_key={quote_plus(TOKEN)}"
    api.replies(Reply(status=302, headers={"Location": away}))
    errors = []
    with pytest.raises(SourceError) as caught:
        client.read("/x")
    errors.append(caught.value)
    with pytest.raises(SourceError) as caught:
        client.get_url(away)
    errors.append(caught.value)
    assert other_api.asked == []
    for error in errors:
        told(everything(error))


def test_a_redirect_that_repeats_the_token(api: Api, connect: Connect) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/x":
            return Reply(status=307, headers={"Location": f"/y?api_key={quote_plus(TOKEN)}&z=1"})
        return Reply(b"[1]")

    api.answer = answer
    assert connect(auth=QUERY).read("/x") == b"[1]"
    assert api.asked[1].query == {"z": ["1"], "api_key": [TOKEN]}


@pytest.mark.parametrize(
    "reply", [Reply(status=401), Reply(b"x", status=400), Reply(b"x", status=500), Reply(b"[1", fault="cut")]
)
def test_errors_hold_no_token(api: Api, connect: Connect, reply: Reply) -> None:
    reply.body += TOKEN.encode()
    api.replies(reply)
    client = connect(auth=QUERY, attempts=1)
    with pytest.raises(SpectraError) as caught:
        client.read("/x", {"q": TOKEN})
    told(everything(caught.value), client.ledger.drain())


def test_a_short_token_changes_no_data(api: Api, connect: Connect) -> None:
    api.replies(Reply(b'{"id": "demo"}'))
    assert connect(auth=QUERY, secret=Secret("demo")).read("/x") == b'{"id": "demo"}'


@pytest.mark.parametrize(
    ("auth", "error", "text"),
    [
        (Auth(kind="query", token_env="DEMO_TOKEN"), ConfigurationError, "server.auth.parameter"),
        (Auth(kind="header", token_env="DEMO_TOKEN", header="Host"), ConfigurationError, "'Host' is not the name"),
        (
            Auth(kind="header", token_env="DEMO_TOKEN", header="transfer-encoding"),
            ConfigurationError,
            "'transfer-encoding' is not",
        ),
        (Auth(kind="oauth2", token_env="DEMO_TOKEN", user_env="DEMO_ID"), ConfigurationError, "server.auth.token_path"),
        (Auth(kind="oauth2", token_env="DEMO_TOKEN", user_env="DEMO_ID", token_path="/t"), CredentialError, "set DEMO_ID"),
    ],
)
def test_what_the_covenant_must_say(connect: Connect, auth: Auth, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        connect(auth=auth)


def test_a_header_with_a_word_in_front_and_a_name_alone(api: Api, connect: Connect) -> None:
    connect(auth=Auth(kind="header", token_env="DEMO_TOKEN", prefix="Token")).read("/x")
    connect(auth=Auth(kind="basic", user_env="DEMO_KEY"), secret=None, user=TOKEN).read("/x")
    assert api.asked[0].headers["Authorization"] == f"Token {TOKEN}"
    assert base64.b64decode(api.asked[1].headers["Authorization"].removeprefix("Basic ")).decode() == f"{TOKEN}:"


def test_the_environment_gives_every_kind(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    for name, value in {"DEMO_URL": api.url, "DEMO_TOKEN": TOKEN, "DEMO_ID": "me"}.items():
        monkeypatch.setenv(name, value)
    for auth in (QUERY, Auth(kind="basic", user_env="DEMO_ID"), Auth(kind="basic", user_env="DEMO_ID", token_env="DEMO_TOKEN")):
        with ApiClient.from_environment(Server(base_url_env="DEMO_URL", auth=auth, probe="/me")) as client:
            client.read("/x")
    assert api.asked[0].query["api_key"] == [TOKEN]
    monkeypatch.delenv("DEMO_ID")
    oauth = Auth(kind="oauth2", token_env="DEMO_TOKEN", user_env="DEMO_ID", token_path="/token")
    with pytest.raises(CredentialError, match="DEMO_ID is not set: it is the client id"):
        ApiClient.from_environment(Server(base_url_env="DEMO_URL", auth=oauth, probe="/me"))


# ---------------------------------------------------------------- OAuth 2


class Issuer:
    """A server with a token endpoint; every token works until `revoke` or for `life` seconds."""

    def __init__(self) -> None:
        self.life: Any = 3600
        self.basic = self.form = True
        self.status = 200
        self.more: dict[str, Any] = {}
        self.valid: dict[str, float] = {}
        self.posts: list[tuple[str, dict[str, str], dict[str, list[str]]]] = []
        self.gets: list[str] = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                issuer.posts.append((self.path, dict(self.headers), form))
                self._send(*issuer.token(self.path, self.headers.get("Authorization", ""), form))

            def do_GET(self) -> None:
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                issuer.gets.append(token)
                good = issuer.valid.get(token, 0) > time.monotonic()
                self._send(200 if good else 401, [1] if good else {"error": "invalid_token", "token": token})

            def _send(self, status: int, value: Any) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def token(self, path: str, basic: str, form: dict[str, list[str]]) -> tuple[int, Any]:
        if path not in ("/oauth/token", "/api/token"):
            return 404, {}
        if self.status != 200:
            return self.status, {"error": TOKEN}
        pair = base64.b64decode(basic.removeprefix("Basic ")).decode() if basic else ""
        name, _, secret = pair.partition(":")
        by_basic = self.basic and (unquote_plus(name), unquote_plus(secret)) == ("me:1", TOKEN)
        by_form = self.form and (form.get("client_id"), form.get("client_secret")) == (["me:1"], [TOKEN])
        if not (by_basic or by_form) or form["grant_type"] != ["client_credentials"]:
            return 401, {"error": "invalid_client", "said": TOKEN}
        token = f"issued-{len(self.posts)}-{'x' * 20}"
        life = float(self.life) if isinstance(self.life, int | float) else 3600
        self.valid[token] = time.monotonic() + life
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.life, **self.more}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    server = Issuer()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def authorised(issuer: Issuer, connect: Connect) -> Callable[..., ApiClient]:
    def make(path: str = "/oauth/token", **options: Any) -> ApiClient:
        auth = Auth(kind="oauth2", token_env="DEMO_SECRET", user_env="DEMO_ID", token_path=path, scope="read all")
        url = f"http://127.0.0.1:{issuer.http.server_address[1]}"
        return connect(url, auth=auth, secret=Secret(TOKEN), user="me:1", base_path="/api", **options)

    return make


def test_a_token_is_asked_for_once_and_held(issuer: Issuer, authorised: Connect) -> None:
    client = authorised(in_flight=4)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: client.read(f"/{number}"), range(12))) == [b"[1]"] * 12
    ((path, headers, form),) = issuer.posts
    assert (path, form) == ("/oauth/token", {"grant_type": ["client_credentials"], "scope": ["read all"]})
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == f"me%3A1:{quote_plus(TOKEN)}"
    assert len(client.ledger) == 12


def test_a_client_known_by_the_form_only(issuer: Issuer, authorised: Connect) -> None:
    issuer.basic = False
    authorised().read("/x")
    assert "Authorization" not in issuer.posts[1][1]
    assert issuer.posts[1][2]["client_secret"] == [TOKEN]


@pytest.mark.parametrize("path", ["token", "/token", "http://127.0.0.1:{port}/api/token"])
def test_where_tokens_come_from(issuer: Issuer, authorised: Connect, path: str) -> None:
    authorised(path.format(port=issuer.http.server_address[1])).read("/x")
    assert issuer.posts[-1][0] == "/api/token"


def test_a_token_of_another_server_is_not_asked_for(issuer: Issuer, authorised: Connect, other_api: Api) -> None:
    with pytest.raises(SourceError, match="leads on to another server"):
        authorised(f"{other_api.url}/token").read("/x")
    assert other_api.asked == []


def test_a_token_is_replaced_before_it_ends(issuer: Issuer, authorised: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer.life = 300
    client = authorised()
    client.read("/x")
    monkeypatch.setattr("spectra_assets.client.credential.time", SimpleNamespace(monotonic=lambda: time.monotonic() + 271))
    client.read("/x")
    assert len(issuer.posts) == 2
    assert len(issuer.gets) == 2


@pytest.mark.parametrize("life", [3600, None, "soon", True])
def test_a_refused_token_is_replaced_once(issuer: Issuer, authorised: Connect, life: Any) -> None:
    issuer.life = life
    client = authorised()
    client.read("/x")
    issuer.valid.clear()
    client.read("/x")
    assert (len(issuer.posts), len(issuer.gets)) == (2, 3)
    issuer.valid = type("Nothing", (dict,), {"get": lambda *_: 0})()
    with pytest.raises(CredentialError, match="401"):
        client.read("/x")
    assert len(issuer.posts) == 3


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (400, CredentialError, "set DEMO_ID and DEMO_SECRET to valid ones"),
        (403, CredentialError, "set DEMO_ID and DEMO_SECRET"),
        (404, ConfigurationError, r"/oauth/token, where the covenant says .* answers 404"),
        (503, RetriableError, "no token from /oauth/token: 503"),
        (302, CredentialError, "302"),
    ],
)
def test_no_token(issuer: Issuer, authorised: Connect, status: int, kind: type[Exception], text: str) -> None:
    issuer.status = status
    client = authorised(attempts=2)
    with pytest.raises(kind, match=text) as caught:
        client.read("/x")
    assert issuer.gets == []
    told(everything(caught.value), client.ledger.drain())


@pytest.mark.parametrize("more", [{"access_token": ""}, {"access_token": None}, {"access_token": "a b"}, {"token_type": "mac"}])
def test_an_unusable_token(issuer: Issuer, authorised: Connect, more: dict[str, Any]) -> None:
    issuer.more = more
    with pytest.raises(CredentialError, match=r"/oauth/token of the API gave no bearer token for DEMO_ID"):
        authorised().read("/x")


def test_nothing_shows_the_secret_or_the_token(issuer: Issuer, authorised: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = authorised()
    client.read("/x")
    (token,) = issuer.valid
    issuer.valid = type("Nothing", (dict,), {"get": lambda *_: 0})()
    with pytest.raises(CredentialError) as caught:
        client.read("/x", {"q": token})
    for text in (everything(caught.value), caplog.text, str(client.ledger.drain())):
        assert "issued-" not in text
        told(text)


# ---------------------------------------------------------------- addresses the API gave


@pytest.mark.parametrize("form", ["{url}/api/x?y=1", "/api/x?y=1", "x?y=1", "http://internal-host/api/x?y=1"])
def test_an_address_of_this_server_is_asked(api: Api, connect: Connect, form: str) -> None:
    client = connect(base_path="/api")
    answer = client.get_url(form.format(url=api.url), attempts=1)
    assert (answer.status, answer.body) == (200, b"[]")
    assert (api.asked[0].path, api.asked[0].query) == ("/api/x", {"y": ["1"]})
    (row,) = client.ledger.drain()
    assert (row["path"], row["query"]) == ("/api/x", "y=1")


@pytest.mark.parametrize("form", ["{other}/y", "https://127.0.0.1:{port}/y", "//localhost/y", "ftp://127.0.0.1/x", "http://[bad"])
def test_an_address_elsewhere_is_refused_before_anything_is_sent(api: Api, other_api: Api, connect: Connect, form: str) -> None:
    client = connect(base_path="/api")
    with pytest.raises(SourceError):
        client.get_url(form.format(other=other_api.url, port=api.port))
    assert api.asked == other_api.asked == []
    assert len(client.ledger) == 0
