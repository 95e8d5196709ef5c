"""Base URLs, and the URLs of requests made from them."""

from __future__ import annotations

import pytest

from spectra_assets.client.address import Address, fixed, with_fixed
from spectra_assets.client.api import ApiClient
from spectra_assets.client.ledger import Ledger
from spectra_assets.covenant.access import Auth, Server
from spectra_assets.errors import ConfigurationError, CredentialError
from tests.client.conftest import TOKEN, Api

BASE_PATH = "/app/services/rest/latest"


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("https://h.example", f"https://h.example{BASE_PATH}"),
        ("https://h.example/", f"https://h.example{BASE_PATH}"),
        ("http://h.example:8080/context", f"http://h.example:8080/context{BASE_PATH}"),
        (f"https://h.example{BASE_PATH}", f"https://h.example{BASE_PATH}"),
        (f"https://h.example{BASE_PATH}/", f"https://h.example{BASE_PATH}"),
        ("https://h.example/app/services/rest/v3", "https://h.example/app/services/rest/v3"),
        (f"https://h.example{BASE_PATH}/sub", f"https://h.example{BASE_PATH}/sub"),
        ("https://h.example/app/services/rest/latestest", f"https://h.example/app/services/rest/latestest{BASE_PATH}"),
        ("HTTPS://[::1]:9/", f"https://[::1]:9{BASE_PATH}"),
    ],
)
def test_the_base_path_is_added_once(given: str, root: str) -> None:
    assert Address.parse(given, BASE_PATH, "DEMO_URL").root == root


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("h.example", "must start with http"),
        ("ftp://h.example", "must start with http"),
        ("https://", "no host"),
        ("https:///x", "no host"),
        ("https://jo:pass-word@h.example", "user or password"),
        ("https://h.example?token=pass-word", "query"),
        ("https://h.example/?", "query"),
        ("https://h.example#x", "fragment"),
        ("https://h.example:port", "not a valid URL"),
        ("https://h.example:99999", "not a valid URL"),
        ("https://[h.example", "not a valid URL"),
        ("https://h..example", "not a valid URL"),
        ("https://h.example/a b", "spaces"),
        ("https://h.example\\@evil", "user or password|spaces"),
    ],
)
def test_a_bad_base_url_names_its_variable(given: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as caught:
        Address.parse(given, BASE_PATH, "DEMO_URL")
    assert str(caught.value).startswith("DEMO_URL is not usable")
    assert "pass-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("base_path", "path", "url"),
    [
        ("/rest/latest", "/cycle/1", "https://h/rest/latest/cycle/1"),
        ("/rest/latest", "cycle/1", "https://h/rest/latest/cycle/1"),
        ("/rest/latest", "/v4/tree", "https://h/rest/v4/tree"),
        ("/rest/v3", "/v4/tree", "https://h/rest/v4/tree"),
        ("/rest", "/v4/tree", "https://h/rest/v4/tree"),
        ("", "/v4/tree", "https://h/v4/tree"),
        ("/rest/latest", "/v4tree", "https://h/rest/latest/v4tree"),
        ("/rest/latest", "/a%2Fb/ü", "https://h/rest/latest/a%2Fb/%C3%BC"),
    ],
)
def test_a_version_in_the_path_replaces_the_bases(base_path: str, path: str, url: str) -> None:
    assert Address.parse("https://h", base_path, "DEMO_URL").url(path) == url


def test_fixed_parameters_of_a_path_are_sent_along_unless_the_query_says_otherwise() -> None:
    address = Address.parse("https://h", "/rest", "DEMO_URL")
    path = with_fixed("/query", [("q", "SELECT Id, Name"), ("limit", "5")])
    assert fixed(path) == ("/query", [("q", "SELECT Id, Name"), ("limit", "5")])
    assert address.url(path, {"limit": 9, "page": 2}) == "https://h/rest/query?q=SELECT+Id%2C+Name&limit=9&page=2"
    assert fixed("/query?b c") == ("/query?b c", [])


@pytest.mark.parametrize("path", ["/../admin", "/a/./b", "/%2e%2E/admin", "/a?b", "/a?b=c d", "/a?b=/c", "/a?b=1#c", "/a#b"])
def test_a_path_stays_below_the_root(path: str) -> None:
    with pytest.raises(ConfigurationError, match="not a valid path"):
        Address.parse("https://h", "/rest", "DEMO_URL").url(path)


def _server(**auth: str) -> Server:
    return Server(base_url_env="DEMO_URL", auth=Auth.model_validate(auth), probe="/me")


BASIC = {"kind": "basic", "token_env": "DEMO_PASSWORD", "user_env": "DEMO_USER"}


@pytest.mark.parametrize(
    ("auth", "variables", "error", "text"),
    [
        ({"token_env": "DEMO_TOKEN"}, {}, ConfigurationError, "DEMO_URL is not set: it is the base URL.*example"),
        ({"token_env": "DEMO_TOKEN"}, {"DEMO_URL": "https://h"}, CredentialError, "DEMO_TOKEN is not set.*token.*example"),
        ({"token_env": "DEMO_TOKEN"}, {"DEMO_URL": "https://h", "DEMO_TOKEN": " "}, CredentialError, "DEMO_TOKEN is not set"),
        ({"token_env": "DEMO_TOKEN"}, {"DEMO_URL": "nope", "DEMO_TOKEN": "t"}, ConfigurationError, "DEMO_URL is not usable"),
        ({}, {"DEMO_URL": "https://h"}, ConfigurationError, "names no environment variable for the token"),
        (BASIC, {"DEMO_URL": "https://h"}, CredentialError, "DEMO_PASSWORD is not set.*password"),
        (BASIC, {"DEMO_URL": "https://h", "DEMO_PASSWORD": "p"}, CredentialError, "DEMO_USER is not set.*user name"),
        (BASIC, {"DEMO_URL": "https://h", "DEMO_PASSWORD": "p", "DEMO_USER": "a:b"}, CredentialError, "DEMO_USER.*no colon"),
    ],
)
def test_what_is_missing_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch,
    auth: dict[str, str],
    variables: dict[str, str],
    error: type[Exception],
    text: str,
) -> None:
    for name in ("DEMO_URL", "DEMO_TOKEN", "DEMO_PASSWORD", "DEMO_USER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(error, match=text):
        ApiClient.from_environment(_server(**auth))


def test_a_client_from_the_environment_works(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_URL", api.url)
    monkeypatch.setenv("DEMO_TOKEN", TOKEN)
    ledger = Ledger()
    with ApiClient.from_environment(_server(token_env="DEMO_TOKEN"), in_flight=3, ledger=ledger) as client:
        assert (client.read("/x"), client.in_flight, client.base_url) == (b"[]", 3, api.url)
    assert len(ledger) == 1
