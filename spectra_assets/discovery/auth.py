"""How the API wants the credential: from its description, from what it says when it refuses, then by a few careful tries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import get_args
from urllib.parse import urlsplit

from spectra_assets import settings
from spectra_assets.client.mask import Secret
from spectra_assets.covenant.model import Auth
from spectra_assets.discovery.scout import Look, Scout
from spectra_assets.errors import ConfigurationError, CredentialError, one_of
from spectra_assets.intelligence.description.model import Scheme
from spectra_assets.intelligence.model import Evidence

TRIES = 8
"""Requests with a credential at most: more could lock an account."""

KINDS = get_args(Auth.model_fields["kind"].annotation)

_HEADERS = ("X-API-Key", "X-Auth-Token", "PRIVATE-TOKEN", "api-key")
_QUERIES = ("api_key", "apikey", "access_token", "key", "token")
_TOKEN_PATHS = ("/oauth/token", "/oauth2/token", "/token")
_CHALLENGE = re.compile(r"(?:^|,)\s*([A-Za-z][\w-]*)(?=\s|$|,)")
_NAMED_HEADER = re.compile(
    r"\b((?:x-)?(?:[a-z]+-)*(?:api-?key|auth-?key|auth-?token|access-?token|private-?token|api-?token))\b", re.I
)
_NAMED_QUERY = re.compile(
    r"[`'\"?&]?\b(api_?key|access_token|auth_token|apikey|token|key)\b[`'\"]?\s*(?:=|parameter|query)", re.I
)


@dataclass(frozen=True)
class Given:
    """What the person gave: names of environment variables, and perhaps the kind of authentication."""

    token_env: str | None = None
    user_env: str | None = None
    kind: str | None = None

    def secret(self) -> Secret | None:
        """Raises CredentialError if the variable is named and not set."""
        return Secret(_value(self.token_env, "the credential")) if self.token_env else None

    def user(self) -> str | None:
        return _value(self.user_env, "the user name, or the client id") if self.user_env else None


@dataclass
class Recognised:
    """The outcome: how to authenticate, the GET that proves it, and why it is believed."""

    auth: Auth
    probe: str | None = None
    evidence: list[Evidence] = field(default_factory=list)


def recognise(scout: Scout, given: Given, schemes: Sequence[Scheme], doors: Sequence[str]) -> Recognised:
    """Find the authentication by which one of `doors` (GET paths, likeliest first) opens.

    Afterwards `scout` sends it. Raises CredentialError if the API is closed and no credential opens it.
    """
    secret, user = given.secret(), given.user()
    looks: list[Look] = []
    for path in doors:
        looks.append(scout.look(path, attempts=5 if not looks else 2))
        if looks[-1].refused:
            break
    closed = next((look for look in looks if look.refused), None)
    open_ = next((look for look in looks if look.readable and look.sight.shape != "empty"), None)
    if given.kind == "none" or secret is None:
        return _without(closed, open_, given)
    if closed is None:
        found = _open(scout, given, schemes, open_, secret, user)
    else:
        found = _closed(scout, given, schemes, closed, open_, secret, user)
    scout.sign(found.auth, *_signature(found.auth, secret, user))
    return found


def _without(closed: Look | None, open_: Look | None, given: Given) -> Recognised:
    if closed is not None and open_ is None:
        raise CredentialError(
            f"the API answers {closed.status} to GET {closed.path} without a credential: give --token-env NAME, the name of the "
            "environment variable with it (and --user-env NAME for a user name or client id)"
        )
    told = f"GET {open_.path} answers {open_.status} without a credential" if open_ else "nothing asked for a credential"
    return Recognised(Auth(kind="none"), open_.path if open_ else None, [_evidence("none", told, 0.9 if open_ else 0.5)])


def _open(
    scout: Scout, given: Given, schemes: Sequence[Scheme], open_: Look | None, secret: Secret, user: str | None
) -> Recognised:
    """Nothing seen asks for the credential: it is sent where the description says so, or where it shows more."""
    path = open_.path if open_ else "/"
    for number, (auth, why) in enumerate(_candidates(given, schemes, None, user)):
        if number >= (3 if schemes or given.kind else 1):
            break
        look = scout.trial(path, auth, *_signature(auth, secret, user))
        if not look.readable or open_ is None:
            continue
        described = bool(schemes) or given.kind is not None
        more = (look.sight.rows, len(look.sight.keys)) > (open_.sight.rows, len(open_.sight.keys))
        if described or more:
            told = f"{why}; GET {path} answers 200 with it, and also without"
            return Recognised(auth, path, [_evidence(_called(auth), told, 0.6 if described else 0.7)])
    told = "nothing asked for a credential, and none showed more: the one given is not sent"
    return Recognised(Auth(kind="none"), open_.path if open_ else None, [_evidence("none", told, 0.7)])


def _closed(
    scout: Scout, given: Given, schemes: Sequence[Scheme], closed: Look, open_: Look | None, secret: Secret, user: str | None
) -> Recognised:
    """Try on a closed door, the likeliest first."""
    tried: list[str] = []
    nearest: tuple[Auth, str] | None = None
    for auth, why in _candidates(given, schemes, closed, user):
        if len(tried) >= TRIES:
            break
        tried.append(_called(auth))
        look = scout.trial(closed.path, auth, *_signature(auth, secret, user))
        if look.readable or look.sight.category == "needsParameters":
            told = f"GET {closed.path} answers {closed.status} without a credential and {look.status} with it ({why})"
            return Recognised(auth, closed.path, [_evidence(_called(auth), told, 1.0)])
        if closed.status == 401 and look.status == 403 and nearest is None:
            nearest = auth, f"GET {closed.path} answers 401 without a credential and 403 with it ({why})"
        if look.status in (423, 429):
            break
    if nearest is not None:
        return Recognised(nearest[0], open_.path if open_ else closed.path, [_evidence(_called(nearest[0]), nearest[1], 0.6)])
    if open_ is not None:
        told = f"GET {closed.path} answers {closed.status} to every way tried ({', '.join(tried)}); the rest is open"
        return Recognised(Auth(kind="none"), open_.path, [_evidence("none", told, 0.4)])
    raise CredentialError(
        f"the API refuses the credential in {given.token_env}: GET {closed.path} answers {closed.status} to each of "
        f"{', '.join(tried) or 'the ways tried'}. Set {given.token_env} to a valid one, or say how it is sent by --auth "
        f"({one_of(KINDS)}); for a user name or client id give --user-env"
    )


def _candidates(given: Given, schemes: Sequence[Scheme], closed: Look | None, user: str | None) -> Iterator[tuple[Auth, str]]:
    """Ways to send the credential with the reason for each, likeliest first, none twice."""
    told: set[str] = set()
    for auth, why in _all_candidates(given, schemes, closed, user):
        if given.kind is not None and auth.kind != given.kind:
            continue
        key = auth.model_dump_json()
        if key not in told:
            told.add(key)
            yield auth, why


def _all_candidates(given: Given, schemes: Sequence[Scheme], closed: Look | None, user: str | None) -> Iterator[tuple[Auth, str]]:
    name = str(given.token_env)
    basic = Auth(kind="basic", token_env=name, user_env=given.user_env) if user else Auth(kind="basic", user_env=name)
    for scheme in schemes:
        if scheme.kind == "oauth2" and scheme.token_url and user:
            path = urlsplit(scheme.token_url).path or scheme.token_url
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
    if "basic" in asked:
        yield basic, "WWW-Authenticate asks for Basic"
    if "bearer" in asked:
        yield bearer, "WWW-Authenticate asks for Bearer"
    for word in asked.values():
        if word.lower() not in ("basic", "bearer", "digest", "negotiate", "ntlm") and re.fullmatch(
            r"[A-Za-z][\w.=-]{0,39}", word
        ):
            yield Auth(kind="header", token_env=name, prefix=word), f"WWW-Authenticate asks for {word}"
    hint = f"{challenge} {closed.reason}" if closed else ""
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
    yield Auth(kind="query", token_env=name, parameter=_QUERIES[0]), "a usual parameter"
    for header in _HEADERS[1:3]:
        yield Auth(kind="header", token_env=name, header=header), "a usual header"
    yield basic, "the token as the user name" if not user else "a user name was given"
    for header in _HEADERS[3:]:
        yield Auth(kind="header", token_env=name, header=header), "a usual header"
    for parameter in _QUERIES[1:]:
        yield Auth(kind="query", token_env=name, parameter=parameter), "a usual parameter"


def signature(auth: Auth, given: Given) -> tuple[Secret | None, str | None]:
    """(secret, user name) of the person's credential, as the client takes them."""
    secret = given.secret()
    return _signature(auth, secret, given.user()) if secret is not None and auth.kind != "none" else (None, None)


def _signature(auth: Auth, secret: Secret, user: str | None) -> tuple[Secret | None, str | None]:
    """(secret, user name) as the client takes them; the token alone may be the user name."""
    if auth.kind == "basic" and auth.token_env is None:
        return None, secret.reveal()
    return secret, user


def _called(auth: Auth) -> str:
    """How a person calls it."""
    if auth.kind == "header":
        return f"header {auth.header}{f' with {auth.prefix}' if auth.prefix else ''}"
    if auth.kind == "query":
        return f"query parameter {auth.parameter}"
    if auth.kind == "oauth2":
        return f"OAuth 2 client credentials at {auth.token_path}"
    return "basic with the token as user name" if auth.kind == "basic" and auth.token_env is None else str(auth.kind)


def _evidence(finding: str, evidence: str, confidence: float) -> Evidence:
    return Evidence(about="auth", finding=finding, evidence=evidence[:500], confidence=confidence)


def _value(name: str, purpose: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name):
        raise ConfigurationError("--token-env and --user-env take the name of an environment variable, for example GITHUB_TOKEN")
    value = settings.variable(name)
    if value is None:
        raise CredentialError(f"{name} is not set: it is {purpose} the API gave you, for example export {name}=<your credential>")
    return value
