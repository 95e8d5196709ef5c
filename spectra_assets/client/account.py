"""Where an API is and by whom it is asked: from the environment variables that its covenant names."""

from __future__ import annotations

from typing import NamedTuple

from spectra_assets import settings
from spectra_assets.client.mask import Secret
from spectra_assets.covenant.access import Server
from spectra_assets.errors import ConfigurationError, CredentialError


class Account(NamedTuple):
    """Base URL of the API, the credential (None if none is sent), and the user or client id that belongs to it."""

    base_url: str
    secret: Secret | None
    user: str | None


def account_of(server: Server) -> Account:
    """What the variables hold. Raises ConfigurationError (no base URL) and CredentialError (no token, no user)."""
    base_url = settings.variable(server.base_url_env)
    if base_url is None:
        raise ConfigurationError(
            f"{server.base_url_env} is not set: it is the base URL of the API, for example https://api.example.com"
        )
    auth, secret, user = server.auth, None, None
    if auth.kind != "none" and not (auth.kind == "basic" and auth.token_env is None):
        purpose = {"basic": "the password", "oauth2": "the client secret"}.get(auth.kind, "the token")
        secret = _credential(auth.token_env, purpose)
    if auth.kind in ("basic", "oauth2"):
        purpose = "the user name" if auth.kind == "basic" else "the client id"
        name = _named(auth.user_env, purpose)
        user = settings.variable(name)
        if user is None:
            raise CredentialError(f"{name} is not set: it is {purpose} the API knows you by, for example j.doe")
    return Account(base_url, secret, user)


def _credential(variable: str | None, purpose: str) -> Secret:
    name = _named(variable, purpose)
    value = settings.variable(name)
    if value is None:
        raise CredentialError(f"{name} is not set: it is {purpose} the API gave you, for example export {name}=<your credential>")
    return Secret(value)


def _named(variable: str | None, purpose: str) -> str:
    if variable is None:
        raise ConfigurationError(f"the covenant names no environment variable for {purpose} (server.auth)")
    return variable
