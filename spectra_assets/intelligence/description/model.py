"""What a description says of an API, whatever form it was written in."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from spectra_assets.covenant.access import Auth, Model
from spectra_assets.covenant.paths import split_path
from spectra_assets.intelligence.model import Endpoint, FieldSpec
from spectra_assets.untrusted import parts_of

Kind = Literal["openapi", "swagger", "blueprint", "catalogue", "routes", "page"]


class Scheme(Model):
    """One way to prove who is calling. `kind` is that of covenant Auth; None where it is none of them, which `reason` tells."""

    name: str
    kind: Literal["bearer", "basic", "header", "query", "oauth2"] | None
    header: str | None = None
    prefix: str | None = None
    """Word before the token in the header (`Token abc`), if the description tells."""
    parameter: str | None = None
    token_url: str | None = None
    """oauth2: where client credentials are exchanged for a token, as the description has it."""
    scopes: list[str] = []
    reason: str = ""
    everywhere: bool = False
    """Whether it is asked for wherever an operation says nothing else."""
    operations: int = 0
    """Operations that take it."""

    @property
    def token_path(self) -> str | None:
        """oauth2: the path of `token_url`; None if it is no address."""
        parts = parts_of(self.token_url) if self.token_url else None
        return (parts.path or "/") if parts else None

    def auth(self, token_env: str, user_env: str | None = None) -> Auth | None:
        """How a covenant says it; None if it can't.

        With `user_env`, oauth2 exchanges client credentials at the path of `token_url`, which must lie on the API's own host;
        else a token that was got elsewhere is sent.
        """
        if self.kind is None:
            return None
        if self.kind == "basic":
            return Auth(kind="basic", token_env=token_env, user_env=user_env)
        if self.kind == "header":
            return Auth(kind="header", token_env=token_env, header=self.header or "Authorization", prefix=self.prefix)
        if self.kind == "query":
            return Auth(kind="query", token_env=token_env, parameter=self.parameter)
        if self.kind == "oauth2" and self.token_path and user_env:
            return Auth(kind="oauth2", token_env=token_env, user_env=user_env, token_path=self.token_path)
        return Auth(kind="bearer", token_env=token_env)


class RecordShape(Model):
    """The fields of one record."""

    name: str | None = None
    """Name of its schema."""
    fields: list[FieldSpec] = []
    recursive: str | None = None
    """Field that is an array of records of the same kind."""

    @cached_property
    def keys(self) -> dict[str, None]:
        """Keys of the record itself, in order."""
        return dict.fromkeys(split_path(field.raw)[0].removesuffix("[]") for field in self.fields if field.raw)


class Reply(Model):
    """What an endpoint that reads answers, by its schema or by what was seen: a hypothesis.

    list: records at `records`; object: one record; values: plain values; file: no JSON; nothing: no body; unknown.
    """

    kind: Literal["list", "object", "values", "file", "nothing", "unknown"] = "unknown"
    records: str | None = None
    """Where the records are, as covenant Fetch.records says."""
    shape: RecordShape | None = None
    deprecated: bool = False


class Description(Model):
    """One description, read."""

    name: str
    """File or address it came from."""
    kind: Kind
    format: str
    """Version of the form it is written in: `3.1.0`."""
    title: str = ""
    version: str = ""
    servers: list[str] = []
    """Addresses, absolute or relative, their variables filled with the defaults; the first is the one to use."""
    base_path: str = ""
    """What all paths of `endpoints` have in front, on every server: empty, or `/api/v1`."""
    schemes: list[Scheme] = []
    """Likeliest first."""
    endpoints: list[Endpoint] = []
    replies: dict[str, Reply] = {}
    """Path of an endpoint that reads → what it answers: GET before a search by POST."""
    findings: list[str] = []
    """What was odd, one line for each kind of oddity."""
