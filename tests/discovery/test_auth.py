"""How the credential is sent: recognised from what the API says, else by a few tries."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from spectra_assets.discovery.auth import Given
from spectra_assets.discovery.discover import Wanted, discover
from spectra_assets.errors import ConfigurationError, CredentialError
from spectra_assets.intelligence.writing import text_of
from spectra_assets.settings import Settings

TOKEN = "tok-Secret-4711"
ROWS = [{"id": n, "name": f"n{n}"} for n in range(5)]
ROUTES = {"/": {"users": "/users"}, "/users": ROWS}
NAMES = {"token_env": "DEMO_TOKEN"}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def guarded(header: str, value: str, challenge: str = "", message: str = "no") -> Callable[..., Any]:
    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        if headers.get(header) == value:
            return None
        return 401, {"message": message}, {"WWW-Authenticate": challenge} if challenge else {}

    return guard


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_TOKEN", TOKEN)
    monkeypatch.setenv("DEMO_USER", "jo")


@pytest.mark.parametrize(
    ("guard", "given", "expected"),
    [
        (guarded("Authorization", f"Bearer {TOKEN}"), Given("DEMO_TOKEN"), {"kind": "bearer"}),
        (guarded("Authorization", f"Token {TOKEN}"), Given("DEMO_TOKEN"), {"kind": "header", "prefix": "Token"}),
        (
            guarded("Authorization", f"GenieKey {TOKEN}", "GenieKey"),
            Given("DEMO_TOKEN"),
            {"kind": "header", "prefix": "GenieKey"},
        ),
        (guarded("Authorization", TOKEN), Given("DEMO_TOKEN"), {"kind": "header", "header": "Authorization"}),
        (guarded("X-API-Key", TOKEN), Given("DEMO_TOKEN"), {"kind": "header", "header": "X-API-Key"}),
        (guarded("PRIVATE-TOKEN", TOKEN), Given("DEMO_TOKEN"), {"kind": "header", "header": "PRIVATE-TOKEN"}),
        (
            guarded("Acme-Api-Key", TOKEN, message="send your key in the header acme-api-key"),
            Given("DEMO_TOKEN"),
            {"kind": "header", "header": "acme-api-key"},
        ),
        (guarded("Authorization", basic("jo", TOKEN), 'Basic realm="x"'), Given("DEMO_TOKEN", "DEMO_USER"), {"kind": "basic"}),
        (
            guarded("Authorization", basic(TOKEN, ""), 'Basic realm="x"'),
            Given("DEMO_TOKEN"),
            {"kind": "basic", "user_env": "DEMO_TOKEN"},
        ),
    ],
    ids=[
        "bearer",
        "Token",
        "a scheme of its own",
        "raw",
        "X-API-Key",
        "PRIVATE-TOKEN",
        "named in the refusal",
        "basic",
        "token as user",
    ],
)
def test_what_opens_the_door_is_recognised(
    serve: Callable[..., Any], settings: Settings, guard: Any, given: Given, expected: dict[str, str]
) -> None:
    api = serve(ROUTES, guard=guard)
    pack = discover(settings, "demo", api.base_url, Wanted(given))
    assert expected.items() <= pack.server.auth.model_dump().items()
    assert [hint.entity for hint in pack.entities] == ["user"]
    assert TOKEN not in text_of(pack)


def test_a_key_in_the_query_is_recognised_and_stands_nowhere(serve: Callable[..., Any], settings: Settings) -> None:
    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        return None if query.get("api_key") == TOKEN else (403, {"error": "missing parameter api_key="}, {})

    said: list[str] = []
    api = serve(ROUTES, guard=guard)
    pack = discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN")), say=said.append)
    assert pack.server.auth.kind == "query"
    assert pack.server.auth.parameter == "api_key"
    assert TOKEN not in text_of(pack) + "".join(said)


def test_a_wrong_credential_is_told_after_few_requests_with_it(serve: Callable[..., Any], settings: Settings) -> None:
    seen: list[str] = []

    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        sent = str(dict(headers)) + str(query)
        seen.extend([path] if TOKEN in sent or base64.b64encode(f"{TOKEN}:".encode()).decode() in sent else [])
        return 401, {}, {}

    api = serve(ROUTES, guard=guard)
    with pytest.raises(CredentialError, match="DEMO_TOKEN") as caught:
        discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN")))
    assert 0 < len(seen) <= 8
    assert TOKEN not in str(caught.value)


def test_a_closed_api_without_a_credential_says_what_to_give(serve: Callable[..., Any], settings: Settings) -> None:
    api = serve(ROUTES, guard=lambda *_: (401, {}, {}))
    with pytest.raises(CredentialError, match="--token-env NAME"):
        discover(settings, "demo", api.base_url)


def test_a_door_behind_an_open_root_is_found(serve: Callable[..., Any], settings: Settings) -> None:
    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        private = path == "/user" and headers.get("Authorization") != f"Bearer {TOKEN}"
        return (401, {}, {}) if private else None

    api = serve({"/": {"current_user_url": "/user", "users_url": "/users"}, "/users": ROWS, "/user": ROWS[1]}, guard=guard)
    pack = discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN")))
    assert (pack.server.auth.kind, pack.server.probe) == ("bearer", "/user")
    assert pack.excluded["/user"] == "one record of GET /users"


def test_an_open_api_gets_no_credential(serve: Callable[..., Any], settings: Settings) -> None:
    api = serve(ROUTES)
    pack = discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN")))
    assert pack.server.auth.kind == "none"


def test_a_variable_that_is_not_set_is_named(serve: Callable[..., Any], settings: Settings) -> None:
    api = serve(ROUTES)
    with pytest.raises(CredentialError, match="OTHER_TOKEN is not set"):
        discover(settings, "demo", api.base_url, Wanted(Given("OTHER_TOKEN")))
    with pytest.raises(ConfigurationError, match="the name of an environment variable"):
        discover(settings, "demo", api.base_url, Wanted(Given("ghp_abc-def/1")))
