"""The ways in which a credential may be sent, likeliest first: as described, as a refusal asks for it, then the usual ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from spectra_assets.covenant.access import Auth
from spectra_assets.discovery.given import Given
from spectra_assets.discovery.scout import Look
from spectra_assets.intelligence.description.model import Scheme

_HEADERS = ("X-API-Key", "X-Auth-Token", "PRIVATE-TOKEN", "api-key")
_QUERIES = ("api_key", "apikey", "access_token", "key", "token")
_TOKEN_PATHS = ("/oauth/token", "/oauth2/token", "/token")
_CHALLENGE = re.compile(r"(?:^|,)\s*([A-Za-z][\w-]*)(?=\s|$|,)")
_NAMED_HEADER = re.compile(
    r"\b((?:x-)?(?:[a-z]+-)*(?:api-?key|auth-?key|auth-?token|access-?token|private-?token|api-?token))\b", re.I
)
_OWN_HEADER = re.compile(
    r"(?<![\w-])X-[A-Za-z0-9]+(?:-[A-Za-z0-9]+){0,5}\b|\b[A-Z][A-Za-z0-9]*(?:-[A-Z][A-Za-z0-9]*){0,4}-(?:Key|Token)\b"
)
"""`X-School-Key`, `Ocp-Apim-Subscription-Key`: written as headers are, whatever the sentence around."""

_TOLD_HEADER = re.compile(
    r"[`'\"]([A-Za-z][\w-]{1,40})[`'\"]\s+(?:request |http )?header\b|\bheader\s*[:=]?\s*[`'\"]([A-Za-z][\w-]{1,40})[`'\"]"
    r"|\b([A-Za-z][\w-]{0,30}?(?:key|token))\s+(?:request |http )?header\b",
    re.IGNORECASE,
)
"""`` `apikey` request header``, `header "apikey"`, `apikey header` in the words of a refusal."""

_NO_NAMES = frozenset(("authorization", "the", "token", "key", "bearer", "basic"))
_NO_CREDENTIAL = re.compile(r"(?i)x-(?:request|correlation|trace|rate-?limit|forwarded|powered|frame|content|csrf|xsrf)\b.*")
_MOST_HEADERS = 3
_NAMED_QUERY = re.compile(
    r"[`'\"?&]?\b(api_?key|access_token|auth_token|apikey|token|key)\b[`'\"]?\s*(?:=|parameter|query)", re.I
)
_QUERY_WORD = re.compile(r"\b(api_?key|access_token|auth_token|auth_key|token|key)\b", re.I)
_NAMED_PREFIX = re.compile(
    r"\bAuthorization\W{1,4}([A-Za-z][A-Za-z0-9._=-]{0,39})\s+[<{\[$(]?\W?(?:your|api|key|token|secret|access|x{3})", re.I
)
"""`Authorization: ApiKey <your key>` in the words of a refusal."""

_BASIC = re.compile(
    r"\b(?:HTTP[ -])?Basic[ -]?(?:HTTP[ -]?)?(?:auth(?:entication|orization)?|access|credentials?|scheme)\b", re.I
)
"""`Invalid Basic Auth credentials` in the words of a refusal."""

BEFORE = "found before"
"""Why a way is tried that an earlier discovery found."""

_NO_PREFIX = frozenset(("basic", "bearer", "digest", "negotiate", "ntlm", "header", "is", "must", "with", "and", "or", "the"))


def ways(given: Given, schemes: Sequence[Scheme], closed: Look | None, said: str, user: str | None) -> Iterator[tuple[Auth, str]]:
    """Ways to send the credential with the reason for each, none twice. `said` are the words of the refusal `closed`."""
    told: set[str] = set()
    for auth, why in _all(given, schemes, closed, said, user):
        if given.kind is not None and auth.kind != given.kind:
            continue
        key = auth.model_dump_json()
        if key not in told:
            told.add(key)
            yield auth, why


def _all(given: Given, schemes: Sequence[Scheme], closed: Look | None, said: str, user: str | None) -> Iterator[tuple[Auth, str]]:
    name = str(given.token_env)
    if given.name and given.kind == "header":
        yield Auth(kind="header", token_env=name, header=given.name, prefix=given.prefix), "given by --auth"
        return
    if given.name:
        yield Auth(kind="query", token_env=name, parameter=given.name), "given by --auth"
        return
    if given.before is not None:
        yield _as_before(given.before, given), BEFORE
    basic = Auth(kind="basic", token_env=name, user_env=given.user_env) if user else Auth(kind="basic", user_env=name)
    for scheme in schemes:
        if scheme.kind == "oauth2" and scheme.token_path and user:
            path = scheme.token_path
            scope = " ".join(scheme.scopes) or None
            yield Auth(kind="oauth2", token_env=name, user_env=given.user_env, token_path=path), f"described as {scheme.name}"
            if scope:
                yield (
                    Auth(kind="oauth2", token_env=name, user_env=given.user_env, token_path=path, scope=scope),
                    f"described as {scheme.name}, every scope asked for",
                )
        elif scheme.kind == "basic":
            yield basic, f"described as {scheme.name}"
        elif auth := scheme.auth(name, given.user_env):
            yield auth, f"described as {scheme.name}"
    challenge = closed.headers.get("WWW-Authenticate", "")[:1000] if closed else ""
    asked = {word.lower(): word for word in _CHALLENGE.findall(re.sub(r"=\s*(\"[^\"]*\"|[^,\s]+)", "=", challenge))}
    bearer = Auth(kind="bearer", token_env=name)
    for header in _own_headers(f"{challenge} {said}"):
        yield Auth(kind="header", token_env=name, header=header), "the refusal names the header"
    if "basic" in asked:
        yield basic, "WWW-Authenticate asks for Basic"
    elif _BASIC.search(said):
        yield basic, "the refusal speaks of Basic"
    if "bearer" in asked:
        yield bearer, "WWW-Authenticate asks for Bearer"
    for word in asked.values():
        if word.lower() not in _NO_PREFIX and re.fullmatch(r"[A-Za-z][\w.=-]{0,39}", word):
            yield Auth(kind="header", token_env=name, prefix=word), f"WWW-Authenticate asks for {word}"
            if word.lower() == "token":  # as Rails wants it
                yield Auth(kind="header", token_env=name, prefix=f"{word} token="), f"WWW-Authenticate asks for {word}"
    hint = f"{challenge} {said}"
    for word in dict.fromkeys(_NAMED_PREFIX.findall(said)):
        if word.lower() not in _NO_PREFIX:
            yield Auth(kind="header", token_env=name, prefix=word), f"the refusal asks for {word}"
    queries = list(dict.fromkeys((*_QUERY_WORD.findall(hint), *_QUERIES)))
    for header in dict.fromkeys(_NAMED_HEADER.findall(hint)):
        if "-" in header:
            yield Auth(kind="header", token_env=name, header=header), "the refusal names the header"
    for parameter in dict.fromkeys(_NAMED_QUERY.findall(hint)):
        yield Auth(kind="query", token_env=name, parameter=parameter), "the refusal names the parameter"
    if user:
        yield basic, "a user name was given"
        paths = _TOKEN_PATHS if given.kind == "oauth2" or "bearer" in asked else ()
        for path in paths:
            yield Auth(kind="oauth2", token_env=name, user_env=given.user_env, token_path=path), "a usual address for tokens"
    yield bearer, "the usual way"
    yield Auth(kind="header", token_env=name, header=_HEADERS[0]), "a usual header"
    yield Auth(kind="header", token_env=name, prefix="Token"), "a usual header"
    yield Auth(kind="header", token_env=name), "a usual header"
    # an address stands in logs: where the API says how it wants the credential, no parameter is guessed
    guessed = [] if asked else [(Auth(kind="query", token_env=name, parameter=each), "a usual parameter") for each in queries]
    yield from guessed[:1]
    for header in _HEADERS[1:3]:
        yield Auth(kind="header", token_env=name, header=header), "a usual header"
    yield Auth(kind="header", token_env=name, prefix="ApiKey"), "a usual header"
    yield basic, "the token as the user name" if not user else "a user name was given"
    for header in _HEADERS[3:]:
        yield Auth(kind="header", token_env=name, header=header), "a usual header"
    yield from guessed[1:]


def _own_headers(hint: str) -> list[str]:
    """Names of headers in the words of a refusal, those first that say what is sent in them."""
    told = (word for match in _TOLD_HEADER.findall(hint) for word in match if word)
    every = dict.fromkeys((*_OWN_HEADER.findall(hint), *told))
    found = [each for each in every if not _NO_CREDENTIAL.fullmatch(each) and each.lower() not in _NO_NAMES]
    return sorted(found, key=lambda each: re.search(r"(?i)key|token|auth|secret", each) is None)[:_MOST_HEADERS]


def _as_before(before: Auth, given: Given) -> Auth:
    """The way found before, with the variables given now."""
    names = {"token_env": given.token_env, "user_env": given.user_env} if before.token_env else {"user_env": given.token_env}
    return before.model_copy(update=names)


def called(auth: Auth) -> str:
    """How a person calls it."""
    if auth.kind == "header":
        return f"header {auth.header}{f' with {auth.prefix}' if auth.prefix else ''}"
    if auth.kind == "query":
        return f"query parameter {auth.parameter}"
    if auth.kind == "oauth2":
        return f"OAuth 2 client credentials at {auth.token_path}"
    return "basic with the token as user name" if auth.kind == "basic" and auth.token_env is None else str(auth.kind)
