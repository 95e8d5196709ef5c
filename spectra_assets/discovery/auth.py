"""How the API wants the credential: from its description, from what it says when it refuses, then by a few careful tries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import get_args
from urllib.parse import urlsplit

from spectra_assets import settings
from spectra_assets.client.mask import Secret
from spectra_assets.covenant.access import Auth
from spectra_assets.discovery.scout import Look, Scout
from spectra_assets.errors import ConfigurationError, CredentialError, one_of
from spectra_assets.intelligence.description.model import Scheme
from spectra_assets.intelligence.model import Evidence

TRIES = 8
"""Requests with a credential to what refuses it: more could lock an account. A declared scheme may take one more, elsewhere."""

KINDS = get_args(Auth.model_fields["kind"].annotation)
NAMED = ("header:NAME", "header:NAME:PREFIX", "query:NAME")
"""What `--auth` takes beside the kinds."""

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
_QUERY_WORD = re.compile(r"\b(api_?key|access_token|auth_token|auth_key|token|key)\b", re.I)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_FRAMING = ("host", "content-length", "transfer-encoding", "connection")
_QUERY_NAME = re.compile(r"[A-Za-z0-9._~$\[\]-]{1,100}")
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9._=-]{0,39}")
_ENVELOPE = frozenset(("message", "msg", "error", "errors", "detail", "reason", "code", "status", "ok", "success", "data"))
_ABOUT_CREDENTIAL = re.compile(
    r"(?:\b|_)(?:keys?|apikey|tokens?|credentials?|log ?in|auth\w*|unauthor\w*|denied|forbidden)\b", re.I
)


@dataclass(frozen=True)
class Given:
    """What the person gave: names of environment variables, and perhaps the kind of authentication.

    `name` is the header or query parameter that takes the credential, `prefix` the word before it in the header.
    """

    token_env: str | None = None
    user_env: str | None = None
    kind: str | None = None
    name: str | None = None
    prefix: str | None = None

    @classmethod
    def of(cls, token_env: str | None, user_env: str | None, auth: str | None) -> Given:
        """With `--auth` as it was written. Raises ConfigurationError if it is not valid."""
        return cls(token_env, user_env, *declared(auth)) if auth is not None else cls(token_env, user_env)

    def secret(self) -> Secret | None:
        """Raises CredentialError if the variable is named and not set."""
        return Secret(_value(self.token_env, "the credential")) if self.token_env else None

    def user(self) -> str | None:
        return _value(self.user_env, "the user name, or the client id") if self.user_env else None


def declared(text: str) -> tuple[str, str | None, str | None]:
    """(kind, name, prefix) of `--auth`. Raises ConfigurationError, which never quotes what follows a name: it may be a secret."""
    kind, *rest = text.split(":")
    if kind not in KINDS:
        raise ConfigurationError(f"--auth {kind[:40]!r} is not valid: give {one_of((*KINDS, *NAMED))}")
    if not rest:
        return kind, None, None
    if len(rest) > {"header": 2, "query": 1}.get(kind, 0):
        raise ConfigurationError(f"--auth {kind}:… has too many parts: give {one_of((*KINDS, *NAMED))}")
    name, prefix = rest[0], rest[1] if len(rest) == 2 else None
    if kind == "header" and (not _HEADER_NAME.fullmatch(name) or name.lower() in _FRAMING):
        raise ConfigurationError(
            f"--auth header:{name[:100]!r} names no header that can be sent: valid are letters, digits and !#$%&'*+-.^_`|~ "
            f"(RFC 9110, token; not {', '.join(_FRAMING)}), for example header:X-Desk-Key"
        )
    if kind == "query" and not _QUERY_NAME.fullmatch(name):
        raise ConfigurationError(
            f"--auth query:{name[:100]!r} names no query parameter: valid are letters, digits and .-_~$[], "
            "for example query:api_key"
        )
    if prefix is not None and not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(
            f"--auth header:{name}:PREFIX: the prefix is the word before the credential, a letter and up to 39 letters, digits "
            "and ._=-, for example header:Authorization:Token"
        )
    return kind, name, prefix


@dataclass
class Recognised:
    """The outcome: how to authenticate, the GET that proves it, and why it is believed."""

    auth: Auth
    probe: str | None = None
    evidence: list[Evidence] = field(default_factory=list)
    missing: str = ""
    """Told if nothing is found at all: the credential was accepted where nothing is."""


def recognise(scout: Scout, given: Given, schemes: Sequence[Scheme], doors: Sequence[str]) -> Recognised:
    """Find the authentication by which one of `doors` (GET paths, likeliest first) opens.

    An error envelope with status 200 is a refusal too. Afterwards `scout` sends the credential. Raises CredentialError if the
    API is closed and no credential opens it.
    """
    secret, user = given.secret(), given.user()
    looks: list[Look] = []
    for path in doors:
        looks.append(scout.look(path, attempts=5 if not looks else 2))
        if _refuses(looks[-1]):
            break
    closed = next((look for look in looks if _refuses(look)), None)
    open_ = next((look for look in looks if _opened(look) and look.sight.shape != "empty"), None)
    if closed is None and open_ is None and secret is not None:
        closed = next((look for look in looks if _vague(look)), None)
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
            f"the API answers {_answered(closed)} to GET {closed.path} without a credential: give --token-env NAME, the name of "
            "the environment variable with it (and --user-env NAME for a user name or client id)"
        )
    told = f"GET {open_.path} answers {open_.status} without a credential" if open_ else "nothing asked for a credential"
    return Recognised(Auth(kind="none"), open_.path if open_ else None, [_evidence("none", told, 0.9 if open_ else 0.5)])


def _open(
    scout: Scout, given: Given, schemes: Sequence[Scheme], open_: Look | None, secret: Secret, user: str | None
) -> Recognised:
    """Nothing seen asks for the credential: it is sent where the description says so, or where it shows more."""
    path = open_.path if open_ else "/"
    tries: list[tuple[Auth, str, Look]] = []
    for number, (auth, why) in enumerate(_candidates(given, schemes, None, user)):
        if number >= (3 if schemes or given.kind else 1):
            break
        look = scout.trial(path, auth, *_signature(auth, secret, user))
        tries.append((auth, why, look))
        if not _opened(look) or open_ is None:
            continue
        described = bool(schemes) or given.kind is not None
        more = (look.sight.rows, len(look.sight.keys)) > (open_.sight.rows, len(open_.sight.keys))
        if described or more:
            told = f"{why}; GET {path} answers 200 with it, and also without"
            return Recognised(auth, path, [_evidence(_called(auth), told, 0.6 if described else 0.7)])
    for auth, why, look in tries:
        if (given.kind or why.startswith("described")) and not _refuses(look):
            told = f"{why}; GET {path} answers {look.status} with it, and nothing refused it"
            return Recognised(auth, open_.path if open_ else None, [_evidence(_called(auth), told, 0.4)])
    if given.kind and tries:
        raise CredentialError(_refused(given, tries[0][2], [_called(auth) for auth, _, _ in tries]))
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
        if _opened(look) or (closed.refused and look.sight.category == "needsParameters"):
            told = f"GET {closed.path} answers {closed.status} without a credential and {look.status} with it ({why})"
            return Recognised(auth, closed.path, [_evidence(_called(auth), told, 1.0)])
        if closed.refused and look.status == 404:
            told = f"GET {closed.path} answers {closed.status} without a credential and 404 with it ({why})"
            where = f"GET {scout.base}{closed.path}"
            missing = f"the credential was accepted ({_called(auth)}), but {where} is not there: check the base URL"
            return Recognised(
                auth, open_.path if open_ else closed.path, [_evidence(_called(auth), told, 0.8)], "" if open_ else missing
            )
        if closed.status == 401 and look.status == 403 and nearest is None:
            nearest = auth, f"GET {closed.path} answers 401 without a credential and 403 with it ({why})"
        if look.status in (423, 429):
            break
    if nearest is not None:
        return Recognised(nearest[0], open_.path if open_ else closed.path, [_evidence(_called(nearest[0]), nearest[1], 0.6)])
    if open_ is not None:
        for auth, why in _candidates(given, schemes, closed, user):
            if not given.kind and not why.startswith("described"):
                break
            if _opened(scout.trial(open_.path, auth, *_signature(auth, secret, user))):
                told = f"{why}; GET {closed.path} refuses it, GET {open_.path} answers 200 with it, and also without"
                return Recognised(auth, open_.path, [_evidence(_called(auth), told, 0.4)])
            break
        if given.kind:
            raise CredentialError(_refused(given, closed, tried))
        told = f"GET {closed.path} answers {closed.status} to every way tried ({', '.join(tried)}); the rest is open"
        return Recognised(Auth(kind="none"), open_.path, [_evidence("none", told, 0.4)])
    raise CredentialError(_refused(given, closed, tried))


def _refused(given: Given, look: Look, tried: Sequence[str]) -> str:
    return (
        f"the API refuses the credential in {given.token_env}: GET {look.path} answers {_answered(look)} to each of "
        f"{', '.join(tried) or 'the ways tried'}. Set {given.token_env} to a valid one, or say how it is sent by --auth "
        f"({one_of((*KINDS, *NAMED))}); for a user name or client id give --user-env"
    )


def _answered(look: Look) -> str:
    return "200 with an error" if look.status == 200 else str(look.status)


def _opened(look: Look) -> bool:
    """Whether data came: readable, and no error envelope."""
    return look.readable and not _refuses(look)


def _refuses(look: Look) -> bool:
    """Whether a credential, or a better one, is asked for, be it by an error envelope with status 200."""
    return look.refused or look.sight.category in ("unauthorized", "forbidden") or bool(_ABOUT_CREDENTIAL.search(_envelope(look)))


def _vague(look: Look) -> bool:
    """Whether the answer is an error envelope with status 200 that does not say what is wrong."""
    return look.status == 200 and look.sight.category == "broken" and bool(look.reason)


def _envelope(look: Look) -> str:
    """The words of an error envelope with status 200, empty if it is none: a small object of messages and codes alone."""
    value = look.sight.value
    if look.status != 200 or not isinstance(value, dict) or look.records:
        return ""
    if look.readable and (not value or not _ENVELOPE.issuperset(str(key).lower() for key in value)):
        return ""
    flags = [value[key] for key in ("ok", "success") if key in value]
    if value.get("data") or (flags and False not in flags):
        return ""
    return look.reason or " ".join(text for text in value.values() if isinstance(text, str))[:300]


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
    if given.name and given.kind == "header":
        yield Auth(kind="header", token_env=name, header=given.name, prefix=given.prefix), "given by --auth"
        return
    if given.name:
        yield Auth(kind="query", token_env=name, parameter=given.name), "given by --auth"
        return
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
    hint = f"{challenge} {closed.reason or _envelope(closed)}" if closed else ""
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
    yield Auth(kind="query", token_env=name, parameter=queries[0]), "a usual parameter"
    for header in _HEADERS[1:3]:
        yield Auth(kind="header", token_env=name, header=header), "a usual header"
    yield basic, "the token as the user name" if not user else "a user name was given"
    for header in _HEADERS[3:]:
        yield Auth(kind="header", token_env=name, header=header), "a usual header"
    for parameter in queries[1:]:
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
