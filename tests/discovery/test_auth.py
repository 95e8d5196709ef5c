"""How the credential is sent: recognised from what the API says, else by a few tries."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from spectra_assets.covenant.access import Auth
from spectra_assets.discovery.discover import discover
from spectra_assets.discovery.given import Given, Wanted, declared, fixed_header
from spectra_assets.errors import ConfigurationError, CredentialError, RetriableError, SpectraError
from spectra_assets.intelligence.writing import text_of
from spectra_assets.settings import Settings

TOKEN = "tok-Secret-4711"
ROWS = [{"id": n, "name": f"n{n}"} for n in range(5)]
ROUTES = {"/": {"users": "/users"}, "/users": ROWS}
NAMES = {"token_env": "DEMO_TOKEN"}
NO_KEY = (401, {"message": "No API key found in request", "hint": "No `apikey` request header or url param was found."}, {})
"""As Kong in front of Supabase says it."""


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def guarded(header: str, value: str, challenge: str = "", message: str = "no") -> Callable[..., Any]:
    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        if headers.get(header) == value:
            return None
        return 401, {"error": "unauthorized", "message": message}, {"WWW-Authenticate": challenge} if challenge else {}

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
        (guarded("Authorization", f"ApiKey {TOKEN}"), Given("DEMO_TOKEN"), {"kind": "header", "prefix": "ApiKey"}),
        (
            guarded("Authorization", f"SSWS {TOKEN}", message="Use the header Authorization: SSWS <your token>"),
            Given("DEMO_TOKEN"),
            {"kind": "header", "prefix": "SSWS"},
        ),
        (guarded("Authorization", TOKEN), Given("DEMO_TOKEN"), {"kind": "header", "header": "Authorization"}),
        (guarded("X-API-Key", TOKEN), Given("DEMO_TOKEN"), {"kind": "header", "header": "X-API-Key"}),
        (guarded("PRIVATE-TOKEN", TOKEN), Given("DEMO_TOKEN"), {"kind": "header", "header": "PRIVATE-TOKEN"}),
        (
            guarded("Acme-Api-Key", TOKEN, message="send your key in the header acme-api-key"),
            Given("DEMO_TOKEN"),
            {"kind": "header", "header": "acme-api-key"},
        ),
        (
            guarded("X-School-Key", TOKEN, message="Send your key in the X-School-Key header, with an X-Request-Id."),
            Given("DEMO_TOKEN"),
            {"kind": "header", "header": "X-School-Key"},
        ),
        (
            guarded("Acme-Subscription-Key", TOKEN, 'ApiKey realm="x", header="Acme-Subscription-Key"'),
            Given("DEMO_TOKEN"),
            {"kind": "header", "header": "Acme-Subscription-Key"},
        ),
        (
            guarded("Authorization", f"Token token={TOKEN}", 'Token realm="Application"'),
            Given("DEMO_TOKEN"),
            {"kind": "header", "prefix": "Token token="},
        ),
        (
            lambda path, query, headers: None if headers.get("apikey") == TOKEN else NO_KEY,
            Given("DEMO_TOKEN"),
            {"kind": "header", "header": "apikey"},
        ),
        (
            guarded("X-Acme", TOKEN),
            Given("DEMO_TOKEN", before=Auth(kind="header", token_env="OLD_TOKEN", header="X-Acme")),
            {"kind": "header", "header": "X-Acme", "token_env": "DEMO_TOKEN"},
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
        "ApiKey",
        "a word that the refusal names",
        "raw",
        "X-API-Key",
        "PRIVATE-TOKEN",
        "named in the refusal",
        "a header of its own in the refusal",
        "a header in the challenge",
        "Token token=, as Rails has it",
        "a header that a hint names in words",
        "found before",
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


def test_basic_is_tried_first_where_the_refusal_speaks_of_it(serve: Callable[..., Any], settings: Settings) -> None:
    sent: list[str] = []

    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        sent.extend([headers["Authorization"]] if "Authorization" in headers else [])
        accepted = headers.get("Authorization") == basic(TOKEN, "")
        return None if accepted else (401, {"message": "Invalid Basic Auth credentials"}, {})

    discover(settings, "demo", serve(ROUTES, guard=guard).base_url, Wanted(Given(**NAMES)))
    assert set(sent) == {basic(TOKEN, "")}, "no other way was tried"


def test_a_key_in_the_query_is_recognised_and_stands_nowhere(serve: Callable[..., Any], settings: Settings) -> None:
    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        return None if query.get("api_key") == TOKEN else (403, {"error": "missing parameter api_key="}, {})

    said: list[str] = []
    api = serve(ROUTES, guard=guard)
    pack = discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN")), say=said.append)
    assert pack.server.auth.kind == "query"
    assert pack.server.auth.parameter == "api_key"
    assert TOKEN not in text_of(pack) + "".join(said)


@pytest.mark.parametrize(("status", "error"), [(401, CredentialError), (500, SpectraError)])
def test_a_wrong_credential_is_told_after_few_requests_with_it(
    serve: Callable[..., Any], settings: Settings, status: int, error: type[SpectraError]
) -> None:
    """An API may break over a key that is none: it is not sent again for that."""
    seen: list[str] = []

    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        sent = str(dict(headers)) + str(query)
        known = TOKEN in sent or base64.b64encode(f"{TOKEN}:".encode()).decode() in sent
        seen.extend([path] if known else [])
        return (status if known else 401), {}, {}

    api = serve(ROUTES, guard=guard)
    with pytest.raises(error) as caught:
        discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN")))
    assert 0 < len(seen) <= 8
    assert TOKEN not in str(caught.value)
    assert status != 401 or "DEMO_TOKEN" in str(caught.value)


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


def in_envelope(parameter: str, body: Any) -> Callable[..., Any]:
    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        return None if query.get(parameter) == TOKEN else (200, body, {})

    return guard


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("bearer", ("bearer", None, None)),
        ("header:X-Desk-Key", ("header", "X-Desk-Key", None)),
        ("header:Authorization:Token", ("header", "Authorization", "Token")),
        ("query:api_key", ("query", "api_key", None)),
    ],
)
def test_auth_is_read(written: str, expected: tuple[str, str | None, str | None]) -> None:
    assert declared(written) == expected


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("digest", "bearer, .*header:NAME"),
        ("bearer:abc-secret", "too many parts"),
        ("query:a:abc-secret", "too many parts"),
        ("header:", "RFC 9110"),
        ("header:X Key", "RFC 9110"),
        ("header:X-Key\r\nX", "RFC 9110"),
        ("header:Host", "RFC 9110"),
        ("query:a&b", "query parameter"),
        ("header:X-Key:abc-secret here", "the word before"),
    ],
)
def test_auth_that_is_not_valid_is_told_without_what_may_be_a_secret(written: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        declared(written)
    assert "abc-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("guard", "auth", "expected"),
    [
        (guarded("X-Desk-Key", TOKEN), "header:X-Desk-Key", {"kind": "header", "header": "X-Desk-Key"}),
        (guarded("X-Desk", f"Desk {TOKEN}"), "header:X-Desk:Desk", {"kind": "header", "header": "X-Desk", "prefix": "Desk"}),
        (in_envelope("desk", {"ok": False, "error": "no"}), "query:desk", {"kind": "query", "parameter": "desk"}),
        (lambda *_: None, "header:X-Desk-Key", {"kind": "header", "header": "X-Desk-Key"}),
        (lambda *_: None, "bearer", {"kind": "bearer"}),
    ],
    ids=["header", "header with a word", "query", "open, yet declared", "open, kind alone"],
)
def test_a_declared_way_is_taken(
    serve: Callable[..., Any], settings: Settings, guard: Any, auth: str, expected: dict[str, str]
) -> None:
    pack = discover(settings, "demo", serve(ROUTES, guard=guard).base_url, Wanted(Given.of("DEMO_TOKEN", None, auth)))
    assert expected.items() <= pack.server.auth.model_dump().items()


def test_a_declared_way_that_is_refused_is_never_replaced_by_none(serve: Callable[..., Any], settings: Settings) -> None:
    api = serve(ROUTES, guard=guarded("X-Desk-Key", "another"))
    with pytest.raises(CredentialError, match="header X-Desk-Key"):
        discover(settings, "demo", api.base_url, Wanted(Given.of("DEMO_TOKEN", None, "header:X-Desk-Key")))


@pytest.mark.parametrize(
    ("parameter", "body"),
    [
        ("api_key", {"ok": False, "error": "api_key missing or wrong"}),
        ("token", {"success": False, "message": "token missing"}),
        ("apikey", {"message": "apikey is required"}),
    ],
)
def test_an_error_with_status_200_is_a_refusal(
    serve: Callable[..., Any], settings: Settings, parameter: str, body: dict[str, Any]
) -> None:
    api = serve(ROUTES, guard=in_envelope(parameter, body))
    pack = discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN")))
    assert (pack.server.auth.kind, pack.server.auth.parameter) == ("query", parameter)
    assert [hint.entity for hint in pack.entities] == ["user"]
    with pytest.raises(CredentialError, match="--token-env NAME"):
        discover(settings, "demo", api.base_url)


def test_a_wrong_credential_refused_with_status_200_is_told(serve: Callable[..., Any], settings: Settings) -> None:
    api = serve(ROUTES, guard=lambda *_: (200, {"ok": False, "error": "api_key missing or wrong"}, {}))
    with pytest.raises(CredentialError, match="200 with an error"):
        discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN")))


def test_the_whole_value_of_a_header_may_be_the_credential(
    serve: Callable[..., Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_TOKEN", f"Token token={TOKEN}")
    api = serve(ROUTES, guard=guarded("Authorization", f"Token token={TOKEN}", message=f"not {TOKEN}"))
    pack = discover(settings, "demo", api.base_url, Wanted(Given.of("DEMO_TOKEN", None, "header:Authorization")))
    assert (pack.server.auth.kind, pack.server.auth.prefix) == ("header", None)
    wrong = serve(ROUTES, guard=guarded("Authorization", "another", message=f"not {TOKEN}"))
    with pytest.raises(CredentialError, match="to each of header") as refused:
        discover(settings, "demo", wrong.base_url, Wanted(Given("DEMO_TOKEN")))
    with pytest.raises(CredentialError, match="no usable credential"):  # it was not sent, so nothing refused it
        discover(settings, "demo", wrong.base_url, Wanted(Given.of("DEMO_TOKEN", None, "bearer")))
    assert TOKEN not in text_of(pack) + str(refused.value)


def test_names_with_dots_that_a_person_named_judge_the_credential(serve: Callable[..., Any], settings: Settings) -> None:
    """As Slack does it: 200 for everything, `unknown_method` for what is none."""

    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        return None if headers.get("Authorization") == f"Bearer {TOKEN}" else (200, {"ok": False, "error": "not_authed"}, {})

    missing = (200, {"ok": False, "error": "unknown_method"}, {})
    api = serve({"/api/users.list": {"ok": True, "members": ROWS}}, guard=guard, missing=missing)
    with pytest.raises(ConfigurationError, match=r"accepted \(bearer\), but GET /api/.* is not there: .*--list"):
        discover(settings, "demo", f"{api.base_url}/api", Wanted(Given("DEMO_TOKEN")), budget=40)
    pack = discover(settings, "demo", f"{api.base_url}/api", Wanted(Given("DEMO_TOKEN"), paths=("/users.list",)), budget=40)
    assert (pack.server.auth.kind, [hint.routes for hint in pack.entities]) == ("bearer", [["/users.list"]])


def test_an_accepted_credential_is_not_called_refused_where_the_answer_is_no_json(
    serve: Callable[..., Any], settings: Settings
) -> None:
    page = (200, b"<list><user/></list>", {"Content-Type": "application/xml"})
    api = serve({"/.*": page}, guard=guarded("Authorization", f"Bearer {TOKEN}"))
    with pytest.raises(ConfigurationError, match=r"accepted \(bearer\), but GET / answers no JSON \(application/xml\)"):
        discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN")), budget=30)


@pytest.mark.parametrize("status", [200, 203])
def test_a_redirect_to_a_page_to_sign_in_at_is_a_refusal(serve: Callable[..., Any], settings: Settings, status: int) -> None:
    """As Laravel does it, and Azure DevOps, which answers 203 there."""

    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        if headers.get("Authorization") == f"Bearer {TOKEN}" or path == "/_signin":
            return None
        return 302, b"", {"Location": "/_signin"}

    page = (status, b"<html>Sign in</html>", {"Content-Type": "text/html"})
    api = serve({"/_signin": page, **ROUTES}, guard=guard)
    pack = discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN")))
    assert pack.server.auth.kind == "bearer"
    with pytest.raises(CredentialError, match="page to sign in at to each of header X-Desk"):
        discover(settings, "demo", api.base_url, Wanted(Given.of("DEMO_TOKEN", None, "header:X-Desk")))
    with pytest.raises(CredentialError, match=f"answers {status} with a page to sign in at to GET / without a credential"):
        discover(settings, "demo", api.base_url)


def test_a_wrong_base_path_is_not_a_wrong_credential(serve: Callable[..., Any], settings: Settings) -> None:
    api = serve({"/api/v1/desks": ROWS}, guard=guarded("Authorization", f"Bearer {TOKEN}"))
    with pytest.raises(
        ConfigurationError, match=r"accepted \(bearer\), but GET /wrong/ is not there: check the base URL"
    ) as caught:
        discover(settings, "demo", f"{api.base_url}/wrong", Wanted(Given("DEMO_TOKEN")))
    assert caught.value.exit_code == 2


def test_an_api_without_a_root_is_discovered_once_the_credential_is_accepted(
    serve: Callable[..., Any], settings: Settings
) -> None:
    api = serve({"/users": ROWS}, guard=guarded("Authorization", f"Bearer {TOKEN}"))
    pack = discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN")))
    assert (pack.server.auth.kind, pack.server.probe) == ("bearer", "/users")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Api-Version", "NAME:VALUE"),
        (": x", "NAME:VALUE"),
        ("Host: x", "NAME:VALUE"),
        ("X-Api-Key: s3cret", "looks like a credential"),
    ],
)
def test_a_fixed_header_is_a_name_and_a_value_and_no_credential(text: str, told: str) -> None:
    assert fixed_header("Api-Version: 2024-05-01") == ("Api-Version", "2024-05-01")
    with pytest.raises(ConfigurationError, match=told) as caught:
        fixed_header(text)
    assert "s3cret" not in str(caught.value)


def test_where_the_api_says_how_no_credential_stands_in_an_address(serve: Callable[..., Any], settings: Settings) -> None:
    queries: list[Mapping[str, str]] = []

    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        queries.append(query)
        return 401, {}, {"WWW-Authenticate": 'Bearer realm="talent"'}

    api = serve(ROUTES, guard=guard)
    with pytest.raises(CredentialError):
        discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN")))
    assert queries
    assert TOKEN not in str(queries)


def test_a_client_that_gets_no_token_is_told_so(serve: Callable[..., Any], settings: Settings) -> None:
    """No further way is guessed with a secret that the described address for tokens refuses."""
    flow = {"clientCredentials": {"tokenUrl": "/connect/token", "scopes": {}}}
    described = {
        "openapi": "3.0.0",
        "info": {"title": "demo", "version": "1"},
        "components": {"securitySchemes": {"own": {"type": "oauth2", "flows": flow}}},
        "security": [{"own": []}],
        "paths": {"/users": {"get": {"responses": {"200": {"description": "all"}}}}},
    }
    asked: list[str] = []

    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        if path == "/openapi.json":
            return None
        asked.extend([path] if "Authorization" in headers else [])
        return 401, {"error": "invalid_client"}, {"WWW-Authenticate": "Bearer"}

    api = serve({"/openapi.json": described}, guard=guard)
    with pytest.raises(CredentialError, match=r"/connect/token gave no token: 401.*DEMO_USER and DEMO_TOKEN.*invalid_client"):
        discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN", "DEMO_USER")))
    assert asked == ["/connect/token"]


def test_where_no_tokens_come_from_another_way_is_tried(serve: Callable[..., Any], settings: Settings) -> None:
    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        if path.endswith("/token"):
            return 404, {}, {}
        return None if headers.get("Authorization") == f"Bearer {TOKEN}" else (401, {}, {"WWW-Authenticate": "Bearer, Basic"})

    api = serve(ROUTES, guard=guard)
    before = Auth(kind="oauth2", token_env="OLD", user_env="OLD_USER", token_path="/old/token")
    pack = discover(settings, "demo", api.base_url, Wanted(Given("DEMO_TOKEN", "DEMO_USER", before=before)))
    assert pack.server.auth.kind == "bearer"


@pytest.mark.parametrize("taken", [1, 99])
def test_too_many_requests_is_no_refusal_of_the_credential(serve: Callable[..., Any], settings: Settings, taken: int) -> None:
    """The first requests with the credential come too fast, be it once or as often as it is asked."""
    tried: list[int] = []

    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        if headers.get("X-Shop-Token") != TOKEN:
            return 401, {"errors": "no"}, {}
        tried.append(1)
        return (429, {"errors": "too many"}, {"Retry-After": "0"}) if len(tried) <= taken else None

    api = serve(ROUTES, guard=guard)
    given = Given("DEMO_TOKEN", kind="header", name="X-Shop-Token")
    if taken > 1:
        with pytest.raises(RetriableError, match=r"answers 429 to the credential in DEMO_TOKEN .*Say the same again"):
            discover(settings, "demo", api.base_url, Wanted(given))
        return
    pack = discover(settings, "demo", api.base_url, Wanted(given))
    assert [entity.entity for entity in pack.entities] == ["user"]


def test_what_comes_too_fast_is_asked_for_again_while_a_description_is_looked_for(
    serve: Callable[..., Any], settings: Settings
) -> None:
    refused: list[str] = []

    def guard(path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        if path == "/openapi.json" and not refused:
            refused.append(path)
            return 429, {"errors": "too many"}, {"Retry-After": "0"}
        return None

    described = {
        "openapi": "3.0.0",
        "info": {"title": "d", "version": "1"},
        "paths": {"/users": {"get": {"responses": {"200": {"description": "x"}}}}},
    }
    pack = discover(settings, "demo", serve({"/openapi.json": described, "/users": ROWS}, guard=guard).base_url, Wanted(Given()))
    assert [entity.entity for entity in pack.entities] == ["user"]
