"""The credential reaches the API it belongs to and nothing else: no text, no log, no other server."""

from __future__ import annotations

import base64
import copy
import http.client
import json
import logging
import pickle
import shutil
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.mask import Mask, Secret, masked_url
from spectra_assets.covenant.access import Auth, Fetch
from spectra_assets.errors import ConfigurationError, CredentialError, SkippableError, SourceError, SpectraError
from spectra_assets.stages.asking.wire import Wire
from tests.client.conftest import TOKEN, Api, Asked, Reply

Connect = Callable[..., ApiClient]


def everything(error: BaseException) -> str:
    """All a debugger or log could print of an error, with the errors it came from."""
    causes, link = "", error.__cause__ or error.__context__
    while link is not None:
        causes += repr(vars(link)) + repr(link)
        link = link.__cause__ or link.__context__
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)) + causes


def test_a_secret_never_prints() -> None:
    secret = Secret(TOKEN)
    assert secret.reveal() == TOKEN
    for text in (repr(secret), str(secret), f"{secret}", f"{secret!r:>9}", f"{secret}", format(secret, "x"), repr([secret])):
        assert TOKEN not in text
        assert "***" in text
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(secret)
    with pytest.raises(TypeError):
        vars(secret)


def test_the_credential_is_sent_as_the_covenant_says(api: Api, connect: Connect) -> None:
    connect().read("/x")
    connect(auth=Auth(kind="basic", token_env="DEMO_TOKEN", user_env="DEMO_USER"), user="jo").read("/x")
    connect(auth=Auth(kind="header", token_env="DEMO_TOKEN", header="X-Api-Key")).read("/x")
    connect(auth=Auth(kind="none")).read("/x")
    assert api.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert base64.b64decode(api.asked[1].headers["Authorization"].removeprefix("Basic ")).decode() == f"jo:{TOKEN}"
    assert api.asked[2].headers["X-Api-Key"] == TOKEN
    assert "Authorization" not in api.asked[2].headers
    assert TOKEN not in str(api.asked[3].headers)


@pytest.mark.parametrize("value", ["", "  ", "Bearer abc", "abc\r\nX-Evil: 1", "abc\n", "tökén", '"abc" '])
def test_a_credential_that_is_no_header_is_refused_unseen(connect: Connect, value: str) -> None:
    with pytest.raises(CredentialError, match="DEMO_TOKEN holds no usable") as caught:
        connect(secret=Secret(value))
    assert not value.strip() or value.strip() not in everything(caught.value)


@pytest.mark.parametrize(
    "echo",
    [
        lambda token: f"no such user: Bearer {token}",
        lambda token: json.dumps({"error": token}).replace("/", "\\/"),
        lambda token: f"<p>{token.replace('/', '%2F').replace('=', '%3d')}</p>",
        lambda token: base64.b64encode(f"jo:{token}".encode()).decode(),
        lambda token: token.upper(),
        lambda token: "x" * 195 + token,
        lambda token: token * 600,
    ],
)
@pytest.mark.parametrize("status", [400, 401, 500, 200])
@pytest.mark.parametrize("kind", ["bearer", "basic"])
def test_a_server_that_echoes_the_credential(
    api: Api, connect: Connect, echo: Callable[[str], str], status: int, kind: str
) -> None:
    api.replies(Reply(b"! " + echo(TOKEN).encode(), status=status))
    client = connect(auth=Auth(kind=kind, token_env="DEMO_TOKEN"), user="jo", attempts=2)  # type: ignore[arg-type]
    with pytest.raises(SpectraError) as caught:
        client.read("/x", {"q": TOKEN})
    told = (everything(caught.value) + str(client.ledger.drain())).lower()
    encoded = base64.b64encode(f"jo:{TOKEN}".encode()).decode()
    for form in (TOKEN, TOKEN[:9], TOKEN.replace("/", "\\/"), TOKEN.replace("/", "%2F"), encoded if kind == "basic" else TOKEN):
        assert form.lower() not in told


def test_an_echo_where_a_record_was_expected(api: Api, connect: Connect) -> None:
    api.replies(Reply(json.dumps({TOKEN: 1}).encode()))
    with pytest.raises(SkippableError) as caught:
        list(connect().pages(Fetch(entity="thing", path="/x", records="results")))
    assert TOKEN not in everything(caught.value)


@pytest.mark.parametrize("kind", ["bearer", "basic", "query"])
def test_the_credential_in_an_answer_goes_no_further(api: Api, connect: Connect, kind: str) -> None:
    """A user's own record may hold the key, a link or a refusal the token it was asked with."""
    auth = Auth(kind=kind, token_env="DEMO_TOKEN", parameter="key" if kind == "query" else None)  # type: ignore[arg-type]
    pair = base64.b64encode(f"jo:{TOKEN}".encode()).decode()
    forms = [TOKEN, quote_plus(TOKEN), *([pair] if kind == "basic" else [])]
    records = [{"id": 1, "apiKey": form, "name": "jo"} for form in forms]
    api.replies(Reply(json.dumps(records).encode(), headers={"X-Echo": TOKEN}))
    client = connect(auth=auth, user="jo")
    found = client.records(Fetch(entity="me", path="/me", records=""), {})
    assert found == [b'{"id": 1, "apiKey": "***", "name": "jo"}'] * len(forms)
    assert client.get("/me").headers["X-Echo"] == "***"


def test_a_word_that_is_also_a_password_stays_in_the_data(api: Api, connect: Connect) -> None:
    api.replies(Reply(b'[{"role": "administrator"}]'))
    client = connect(auth=Auth(kind="basic", token_env="DEMO_TOKEN"), user="jo", secret=Secret("administrator"))
    assert client.read("/x") == b'[{"role": "administrator"}]'


@pytest.mark.parametrize("status", [200, 403, 500])
def test_what_a_refusal_says_is_one_line_without_the_credential(api: Api, connect: Connect, status: int) -> None:
    said = f"the credential {TOKEN.upper()} \x1b[31mlacks\n a scope"
    api.replies(Reply(json.dumps({"error": said}).encode(), status=status))
    reason = Wire(connect(attempts=1), 10).get("/x").sight.reason
    assert "lacks a scope" in reason
    assert TOKEN.lower() not in reason.lower()
    assert reason.isprintable()


def test_nothing_is_logged(
    api: Api, connect: Connect, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").debug("what is logged is heard")
    api.replies(Reply(status=500), Reply(b"[1]", fault="cut"), Reply(b"[1]"))
    connect().read("/some/path")
    written = capfd.readouterr()
    assert "what is logged is heard" in caplog.text
    for text in (caplog.text, written.out, written.err):
        assert TOKEN not in text
        assert "Authorization" not in text
        assert "/some/path" not in text
    assert http.client.HTTPConnection.debuglevel == 0


@pytest.mark.parametrize("fault", ["cut", "hangup", "midway"])
def test_wire_errors_hold_no_request(api: Api, connect: Connect, fault: str) -> None:
    api.replies(Reply(b"[1, 2]", fault=fault))
    query = {"secret": "personal"}
    with pytest.raises(SourceError) as caught:
        connect(attempts=1, timeout=(1, 0.1)).read("/x", query)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "personal" not in everything(caught.value)


def test_netrc_does_not_replace_the_credential(
    api: Api, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1\nlogin eve\npassword other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    connect().read("/x")
    assert api.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    connect(secret=None).read("/x")
    assert "Authorization" not in api.asked[1].headers


def test_cookies_are_not_kept(api: Api, connect: Connect) -> None:
    api.replies(Reply(b"[]", headers={"Set-Cookie": "SESSION=1; Path=/"}))
    client = connect()
    client.read("/x")
    client.read("/x")
    assert "Cookie" not in api.asked[1].headers


def test_a_proxy_of_the_environment_is_used(api: Api, other_api: Api, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", other_api.url)
    other_api.replies(Reply(b'["by proxy"]'))
    assert connect().read("/x") == b'["by proxy"]'
    assert api.asked == []


def test_a_missing_certificate_bundle_is_named(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ConfigurationError, match=r"REQUESTS_CA_BUNDLE is '/nowhere/ca.pem'"):
        connect()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_server_never_gets_the_credential(api: Api, other_api: Api, connect: Connect, host: str) -> None:
    api.replies(Reply(status=302, headers={"Location": f"http://{host}:{other_api.port}/in?ticket=hidden"}))
    with pytest.raises(SourceError) as caught:
        connect().read("/x", {"q": "hidden"})
    assert type(caught.value) is SourceError
    assert f"127.0.0.1:{api.port} redirects to another server, http://{host}:{other_api.port};" in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert other_api.asked == []


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1:{port}/x",
        "//localhost:{port}/x",
        "http://eve:pw@127.0.0.1:{port}/x",
        "file:///etc/passwd",
        "http://[bad",
    ],
)
def test_a_redirect_elsewhere_is_refused(api: Api, connect: Connect, location: str) -> None:
    api.replies(Reply(status=307, headers={"Location": location.format(port=api.port)}))
    with pytest.raises(SourceError, match="not followed"):
        connect().get("/x")
    assert len(api.asked) == 1


def test_a_redirect_on_the_same_server_is_followed(api: Api, connect: Connect) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(status=301, headers={"Location": "/y?z=1"}) if asked.path == "/x" else Reply(b"[9]")

    api.answer = answer
    assert connect().read("/x") == b"[9]"
    assert api.asked[1].headers["Authorization"] == f"Bearer {TOKEN}"
    assert api.asked[1].query == {"z": ["1"]}


def test_a_redirect_loop_ends(api: Api, connect: Connect) -> None:
    api.replies(Reply(status=302, headers={"Location": "/x"}))
    with pytest.raises(SourceError, match="more than 5 redirects"):
        connect().read("/x")
    assert len(api.asked) == 6


def test_masks() -> None:
    assert Mask([Secret("tok"), None, Secret("")])("a tok b") == "a *** b"
    assert Mask()("a tok b") == "a tok b"
    assert masked_url("https://u:p@h:1/path?x=1#f") == "https://h:1/path?***"
    secret = "z" * 3000
    assert "zz" not in Mask([Secret(secret)]).quote((secret * 5).encode())


def test_a_certificate_nobody_vouches_for_is_not_trusted(api: Api, connect: Connect, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate, is not here")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(
        [openssl, "req", "-x509", *kind, *subject, "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    api.secure(certificate, key)
    with pytest.raises(ConfigurationError, match=r"certificate of 127\.0\.0\.1:\d+ is not trusted.*REQUESTS_CA_BUNDLE"):
        connect(api.url.replace("http:", "https:")).read("/x")
    assert api.asked == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert connect(api.url.replace("http:", "https:")).read("/x") == b"[]"
