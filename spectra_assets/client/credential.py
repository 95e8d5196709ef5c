"""How a client proves who it is: a header, a query parameter, or a token that the same server gives for it (OAuth 2).

A credential is put on a request only as it is sent. Addresses, which reach ledgers and error texts, never hold it.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import quote_plus, urlencode

import msgspec

from spectra_assets.client.address import without
from spectra_assets.client.headers import Headers
from spectra_assets.client.mask import Mask, Secret
from spectra_assets.client.pacing import retry_after
from spectra_assets.covenant.access import Auth, is_header
from spectra_assets.errors import ConfigurationError, CredentialError, RetriableError, SpectraError

_UNSEEN = re.compile(r"[^\x21-\x7e]")
_WHOLE = re.compile(r"[A-Za-z][\x21-\x7e]{0,39}(?: [\x21-\x7e]+){1,4}")
"""The whole value of a header: the word before the token, then the token with what it is called."""

_EARLY = 30.0
"""Seconds before its end from which on a token is replaced; at most a tenth of its life."""

_LEAST = 8
_LONG = 16
"""Characters from which on a secret is taken out of answers: the fewer if letters and figures mix in it. A shorter or plainer one
(a password `administrator`) would be found in data that has nothing to do with it."""


class Reply(Protocol):
    """What the token's address answered (a transport.Answer)."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


Post = Callable[[str, Mapping[str, str], Mapping[str, str]], Reply]
"""(path on the server, headers, form fields) → the answer. The one request that is no GET: it asks for a token."""


class Credential:
    """Fixed headers or a query parameter; without either, nothing is proven."""

    def __init__(self, headers: Mapping[str, Secret] | None = None, parameter: tuple[str, Secret] | None = None) -> None:
        self._headers = dict(headers or {})
        self._parameter = parameter
        self._echoes: tuple[tuple[str, bytes], ...] = ()

    def __bool__(self) -> bool:
        return bool(self._headers or self._parameter)

    @property
    def secrets(self) -> list[Secret]:
        """Every value that no text may show."""
        return [*self._headers.values(), *([self._parameter[1]] if self._parameter else [])]

    def headers(self, post: Post) -> dict[str, str]:
        """What a request carries. `post` sends the request for a token, if one is needed."""
        return {name: secret.reveal() for name, secret in self._headers.items()}

    def url(self, url: str) -> str:
        """The address as it is sent."""
        if self._parameter is None:
            return url
        name, secret = self._parameter
        bare = self.bare(url)
        return bare + ("&" if "?" in bare else "?") + urlencode({name: secret.reveal()})

    def bare(self, url: str) -> str:
        """An address that the API gave, without the credential it may repeat."""
        return without(url, self._parameter[0]) if self._parameter else url

    def hide(self, *secrets: Secret) -> None:
        """Take these out of every answer, however it writes them, from here on."""
        forms = {form for secret in secrets if _is_telling(secret.reveal()) for form in _written(secret.reveal())}
        forms |= {text for text, _ in self._echoes}
        self._echoes = tuple((form, form.encode()) for form in sorted(forms, key=len, reverse=True))

    def scrub(self, body: bytes) -> bytes:
        """A body without the credential, which APIs repeat in links, in what they refuse and in a user's own record."""
        for _, form in self._echoes:
            if form in body:
                body = body.replace(form, b"***")
        return body

    def scrubbed(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers of an answer without the credential."""
        if not any(form in value for value in headers.values() for form, _ in self._echoes):
            return headers
        return Headers({name: self.scrub(value.encode()).decode() for name, value in headers.items()})

    def renew(self, refused: Mapping[str, str]) -> bool:
        """Whether the same request may succeed with a new token, `refused` being the headers that did not."""
        return False


class ClientCredentials(Credential):
    """OAuth 2 client credentials (RFC 6749, 4.4): the token is asked for when first needed, held in memory only, replaced
    before it ends and once when a request is refused."""

    def __init__(self, auth: Auth, client: str, secret: Secret, mask: Mask) -> None:
        super().__init__()
        self._auth, self._client, self._secret, self._mask = auth, client, secret, mask
        self._basic = Secret(base64.b64encode(f"{quote_plus(client)}:{quote_plus(secret.reveal())}".encode()).decode())
        self._token: Secret | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return True

    @property
    def secrets(self) -> list[Secret]:
        return [self._secret, self._basic]

    def headers(self, post: Post) -> dict[str, str]:
        """Raises CredentialError if no token is given, RetriableError if that may pass."""
        with self._lock:
            if self._token is None or time.monotonic() >= self._until:
                self._token, self._until = self._fresh(post)
            return {"Authorization": f"Bearer {self._token.reveal()}"}

    def renew(self, refused: Mapping[str, str]) -> bool:
        with self._lock:
            if self._token is not None and refused.get("Authorization") == f"Bearer {self._token.reveal()}":
                self._token = None  # others that used it find the new one
        return True

    def _fresh(self, post: Post) -> tuple[Secret, float]:
        """A new token and the instant from which on it is too old."""
        path = self._auth.token_path or ""
        form = {"grant_type": "client_credentials"} | ({"scope": self._auth.scope} if self._auth.scope else {})
        asked = time.monotonic()
        answer = post(path, {"Authorization": f"Basic {self._basic.reveal()}"}, form)
        if answer.status in (400, 401):  # a server that knows the client only by the form (RFC 6749, 2.3.1)
            answer = post(path, {}, {**form, "client_id": self._client, "client_secret": self._secret.reveal()})
        if answer.status != 200:
            raise self._refusal(answer)
        try:
            given = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            given = None
        token = given.get("access_token") if isinstance(given, dict) else None
        kind = given.get("token_type", "bearer") if isinstance(given, dict) else None
        if not isinstance(token, str) or not token or _UNSEEN.search(token) or str(kind).lower() != "bearer":
            raise CredentialError(
                f"{path} of the API gave no bearer token for {self._auth.user_env or 'the client'}: it answered without a usable "
                "access_token; check token_path in server.auth of the covenant"
            )
        secret = Secret(token)
        self._mask.add(secret)
        self.hide(secret)
        life = _seconds(given.get("expires_in"))
        return secret, asked + life - min(_EARLY, life / 10)

    def _refusal(self, answer: Reply) -> SpectraError:
        path, said = self._auth.token_path, self._mask.quote(answer.body)
        if answer.status == 429 or answer.status >= 500:
            return RetriableError(f"no token from {path}: {answer.status}: {said}", retry_after(answer.headers), answer.status)
        if answer.status in (404, 405):
            return ConfigurationError(f"{path}, where the covenant says tokens come from (server.auth), answers {answer.status}")
        return CredentialError(
            f"{path} gave no token: {answer.status}, the client is refused; set {self._auth.user_env or 'the client id'} and "
            f"{self._auth.token_env or 'the client secret'} to valid ones. The answer: {said}"
        )


def credential_of(auth: Auth, secret: Secret | None, user: str | None, mask: Mask) -> Credential:
    """What requests carry, by the covenant's `auth`; nothing for kind none or without a secret.

    `mask` learns every form of it. Raises CredentialError if the value can't be sent, without repeating it, and
    ConfigurationError if the covenant does not say how.
    """
    if auth.kind == "basic" and auth.token_env is None and user and secret is None:  # the name alone is the credential
        secret = Secret(user)
    if auth.kind == "none" or secret is None:
        return Credential()
    credential = _made(auth, secret, user, mask)
    for each in (secret, *credential.secrets):
        mask.add(each)
        bare = each.reveal().rpartition(" ")[2]
        for part in (bare, bare.rpartition("=")[2].strip('"') if bare != each.reveal() else ""):
            if len(part) >= _LEAST:
                mask.add(Secret(part))
            credential.hide(Secret(part))
    credential.hide(secret)
    return credential


def _made(auth: Auth, secret: Secret, user: str | None, mask: Mask) -> Credential:
    value = secret.reveal()
    variable = auth.token_env or (auth.user_env if auth.kind == "basic" else None) or "the token"
    paired = auth.kind in ("basic", "oauth2")
    whole = auth.kind == "header" and auth.prefix is None and _WHOLE.fullmatch(value) is not None
    if not value.strip() or not value.isprintable() or (not paired and not whole and _UNSEEN.search(value)):
        raise CredentialError(
            f"{variable} holds no usable credential: only the value itself, with no spaces or quotes around; the whole "
            "value of a header (`Token token=…`) goes with --auth header:NAME"
        )
    if auth.kind == "query":
        if not auth.parameter:
            raise ConfigurationError("the covenant names no query parameter for the token (server.auth.parameter)")
        return Credential(parameter=(auth.parameter, secret))
    if auth.kind == "oauth2":
        if not auth.token_path:
            raise ConfigurationError("the covenant does not say where tokens come from (server.auth.token_path)")
        if not user:
            raise CredentialError(f"set {auth.user_env or 'the client id'} to the client id that belongs to {variable}")
        return ClientCredentials(auth, user, secret, mask)
    if not is_header(auth.header):
        raise ConfigurationError(
            f"{auth.header!r} is not the name of an HTTP header that can carry a credential, for example Authorization"
        )
    if auth.kind == "basic":
        if not user or ":" in user:
            raise CredentialError(
                f"set {auth.user_env or 'the user'} to the user name (it has no colon) for basic authentication"
            )
        password = value if auth.token_env is not None else ""
        value = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    elif auth.kind == "bearer":
        value = f"Bearer {value}"
    elif auth.prefix:
        value = f"{auth.prefix}{'' if auth.prefix.endswith('=') else ' '}{value}"
    return Credential({auth.header: Secret(value)})


def _seconds(life: object) -> float:
    """Seconds a token lives; one whose end is not said lives until it is refused."""
    try:
        return max(float(life), 0.0) if isinstance(life, int | float | str) and not isinstance(life, bool) else float("inf")
    except (ValueError, OverflowError):
        return float("inf")


def _is_telling(value: str) -> bool:
    """Whether data that hold this value hold the secret, and not a word that happens to be the same."""
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return len(value) >= (_LEAST if mixed else _LONG)


def _written(value: str) -> set[str]:
    """The ways an answer may write a secret: plain, in JSON, in an address."""
    quoted = quote_plus(value)
    lower = re.sub(r"%..", lambda m: m[0].lower(), quoted)
    return {value, json.dumps(value)[1:-1], value.replace("/", "\\/"), quoted, lower}
