"""What a person gives to reach the API: variables with a credential, perhaps how it is sent, headers of every request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, get_args

from spectra_assets import settings
from spectra_assets.client.mask import Secret
from spectra_assets.covenant.access import FRAMING, PREFIX, Auth, Search, is_header
from spectra_assets.discovery.named import Listed
from spectra_assets.errors import ConfigurationError, CredentialError, one_of

KINDS = get_args(Auth.model_fields["kind"].annotation)
NAMED = ("header:NAME", "header:NAME:PREFIX", "query:NAME")
"""What `--auth` takes beside the kinds."""

_SECRET = re.compile(r"auth|token|secret|password|cookie|(?:^|[-_])key(?:$|[-_])|api-?key", re.IGNORECASE)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?")
_QUERY_NAME = re.compile(r"[A-Za-z0-9._~$\[\]-]{1,100}")


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
    before: Auth | None = None
    """What an earlier discovery found, or was told: it is tried first."""

    @classmethod
    def of(cls, token_env: str | None, user_env: str | None, auth: str | None) -> Given:
        """With `--auth` as it was written. Raises ConfigurationError if it is not valid."""
        return cls(token_env, user_env, *declared(auth)) if auth is not None else cls(token_env, user_env)

    def secret(self) -> Secret | None:
        """Raises CredentialError if the variable is named and not set."""
        return Secret(_value(self.token_env, "the credential")) if self.token_env else None

    def user(self) -> str | None:
        return _value(self.user_env, "the user name, or the client id") if self.user_env else None


class Wanted(NamedTuple):
    """What a person gave beside the address."""

    given: Given = Given()
    openapi: str | None = None
    """File or address of the description."""
    post_search: bool = False
    """Searches by POST may be sent, where the description shows that they only read."""
    searches: tuple[Search, ...] = ()
    """Those that a person allowed before."""
    headers: Mapping[str, str] = MappingProxyType({})
    """What goes with every request."""
    paths: tuple[str, ...] = ()
    """Lists that the person names, as `named.paths_of` has them; one that is none is a gap, and if all are an error."""
    kept: tuple[str, ...] = ()
    """Those that were named before; one that is none any more is a gap."""

    @property
    def lists(self) -> list[Listed]:
        """All that were named, those of before last."""
        return [Listed.of(text) for text in (*self.paths, *self.kept)]


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
    if kind == "header" and not is_header(name):
        raise ConfigurationError(
            f"--auth header:{name[:100]!r} names no header that can be sent: valid are letters, digits and !#$%&'*+-.^_`|~ "
            f"(RFC 9110, token; not {', '.join(FRAMING)}), for example header:X-Desk-Key"
        )
    if kind == "query" and not _QUERY_NAME.fullmatch(name):
        raise ConfigurationError(
            f"--auth query:{name[:100]!r} names no query parameter: valid are letters, digits and .-_~$[], "
            "for example query:api_key"
        )
    if prefix is not None and not re.fullmatch(PREFIX, prefix):
        raise ConfigurationError(
            f"--auth header:{name}:PREFIX: the prefix is the word before the credential, a letter and up to 39 letters, digits "
            "and ._=-, perhaps with the name of a parameter, for example header:Authorization:Token or "
            "'header:Authorization:Token token='"
        )
    return kind, name, prefix


def fixed_header(text: str) -> tuple[str, str]:
    """(name, value) of `--header NAME:VALUE`: what the API wants with every request, such as its version; no credential.

    Raises ConfigurationError, which never quotes the value: it may be a secret.
    """
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not is_header(name) or not _HEADER_VALUE.fullmatch(value):
        raise ConfigurationError(
            f"--header {name[:100]!r} is not valid: give NAME:VALUE, a name of letters, digits and - and a value of up to 200 "
            "characters, for example --header 'Api-Version: 2024-05-01'"
        )
    if _SECRET.search(name):
        raise ConfigurationError(
            f"--header {name[:100]!r} looks like a credential, which stands in no file: put it into an environment variable and "
            f"give --token-env and --auth header:{name[:100]}"
        )
    return name, value


def signature(auth: Auth, given: Given) -> tuple[Secret | None, str | None]:
    """(secret, user name) of the person's credential, as the client takes them."""
    secret = given.secret()
    return signed(auth, secret, given.user()) if secret is not None and auth.kind != "none" else (None, None)


def signed(auth: Auth, secret: Secret, user: str | None) -> tuple[Secret | None, str | None]:
    """(secret, user name) as the client takes them; the token alone may be the user name."""
    if auth.kind == "basic" and auth.token_env is None:
        return None, secret.reveal()
    return secret, user


def _value(name: str, purpose: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name):
        raise ConfigurationError("--token-env and --user-env take the name of an environment variable, for example GITHUB_TOKEN")
    value = settings.variable(name)
    if value is None:
        raise CredentialError(f"{name} is not set: it is {purpose} the API gave you, for example export {name}=<your credential>")
    return value
