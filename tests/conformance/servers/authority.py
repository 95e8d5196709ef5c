"""Servers of the ways a credential is sent. Each refuses what comes without it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

from tests.conformance.servers.api import Answer, Api, Asked, RefusedError
from tests.conformance.servers.described import Operation, array_of, openapi, swagger
from tests.conformance.servers.shapes import INT, word
from tests.conformance.servers.truth import Entity, Reference, Truth


class _Guarded(Api):
    """Two lists behind a credential."""

    described = True
    open_paths: tuple[str, ...] = ("/openapi.json", "/swagger.json")

    def setup(self) -> None:
        self.clients = [{"id": n, "name": word(n)} for n in range(1, 26)]
        self.invoices = [{"id": 700 + n, "clientId": 1 + n % 25, "cents": n * 11} for n in range(60)]
        self.get("/", lambda asked: {"clients": f"{self.origin}/clients", "invoices": f"{self.origin}/invoices"})
        self.get("/clients", lambda asked: self.clients)
        self.get("/invoices", lambda asked: self.invoices)

    def operations(self) -> list[Operation]:
        return [
            Operation("/clients", answer=array_of(self.clients[0])),
            Operation("/invoices", answer=array_of(self.invoices[0])),
        ]

    def allowed(self, asked: Asked) -> Answer | None:
        if asked.path in self.open_paths or self.admits(asked):
            return None
        return Answer({"error": "unauthorized"}, 401, self.challenge())

    def admits(self, asked: Asked) -> bool:
        raise NotImplementedError

    def challenge(self) -> dict[str, str]:
        return {}

    def truth(self) -> Truth:
        return Truth(
            entities=(
                Entity("client", ("/clients",), self.clients),
                Entity("invoice", ("/invoices",), self.invoices, types={"cents": INT}),
            ),
            references=(Reference("invoice", "clientId", "client"),),
        )


class BearerOnly(_Guarded):
    """Bearer, told by `WWW-Authenticate` alone."""

    token_env, credential = "BEARER_ONLY_TOKEN", "bt-4711-secret"

    def admits(self, asked: Asked) -> bool:
        return asked.headers.get("Authorization") == f"Bearer {self.credential}"

    def challenge(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="api"'}


class BasicAuth(_Guarded):
    """Basic, told by `WWW-Authenticate` alone."""

    token_env, credential, user = "BASIC_AUTH_TOKEN", "p4ss word:secret", "reader"

    def admits(self, asked: Asked) -> bool:
        wanted = base64.b64encode(f"{self.user}:{self.credential}".encode()).decode()
        return asked.headers.get("Authorization") == f"Basic {wanted}"

    def challenge(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Basic realm="api", charset="UTF-8"'}


class HeaderKey(_Guarded):
    """An API key in a header, told by Swagger 2.0."""

    token_env, credential = "HEADER_KEY_TOKEN", "hk-secret-1"

    def setup(self) -> None:
        super().setup()
        scheme = {"type": "apiKey", "in": "header", "name": "X-Auth-Key"}
        self.get("/swagger.json", lambda asked: swagger(self, self.operations(), scheme))

    def admits(self, asked: Asked) -> bool:
        return asked.headers.get("X-Auth-Key") == self.credential


class QueryKey(_Guarded):
    """An API key in the query, told by OpenAPI 3.0; it must show in no log and no table."""

    token_env, credential = "QUERY_KEY_TOKEN", "qk-secret-2"

    def setup(self) -> None:
        super().setup()
        scheme = {"type": "apiKey", "in": "query", "name": "api_key"}
        self.get("/openapi.json", lambda asked: openapi(self, self.operations(), security=scheme))

    def admits(self, asked: Asked) -> bool:
        return asked.query.get("api_key") == self.credential


class ClientCredentials(_Guarded):
    """OAuth 2.0 client credentials, told by OpenAPI 3.0; a token is good for fifteen requests."""

    token_env, credential, user = "CLIENT_CREDENTIALS_TOKEN", "cs-secret-3", "client-1"
    open_paths = ("/openapi.json", "/oauth/token")

    def setup(self) -> None:
        super().setup()
        flow = {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {"read": "Read everything"}}}
        self.tokens: dict[str, int] = {}
        self.get("/openapi.json", lambda asked: openapi(self, self.operations(), security={"type": "oauth2", "flows": flow}))
        self.get("/oauth/token", self._grant)

    def accepts(self, asked: Asked) -> bool:
        return asked.method == "POST" and asked.path == "/oauth/token"

    def _grant(self, asked: Asked) -> Any:
        header = base64.b64encode(f"{self.user}:{self.credential}".encode()).decode()
        named = asked.query.get("client_id") == self.user and asked.query.get("client_secret") == self.credential
        if asked.method != "POST" or asked.query.get("grant_type") != "client_credentials":
            raise RefusedError(400, "unsupported_grant_type")
        if not named and asked.headers.get("Authorization") != f"Basic {header}":
            raise RefusedError(401, "invalid_client")
        token = f"at-{len(self.tokens)}"
        self.tokens[token] = 15
        return {"access_token": token, "token_type": "Bearer", "expires_in": 3600}

    def admits(self, asked: Asked) -> bool:
        token = (asked.headers.get("Authorization") or "").removeprefix("Bearer ")
        if self.tokens.get(token, 0) < 1:
            return False
        self.tokens[token] -= 1
        return True

    def challenge(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class StrictDoors(BasicAuth):
    """Basic by its description, told by no header; its first path is for nobody, and it refuses every parameter it does not know."""

    token_env, credential, user = "STRICT_DOORS_TOKEN", "sd-secret-8", "reader"

    def setup(self) -> None:
        super().setup()
        security = {"Basic": {"type": "http", "scheme": "basic"}}
        self.get("/openapi.json", lambda asked: openapi(self, self.operations(), security=security))
        self.get("/administration", lambda asked: Answer({"detail": "not exposed to anybody"}, 403))

    def operations(self) -> list[Operation]:
        return [Operation("/administration", answer=array_of({"id": 1, "key": ""})), *super().operations()]

    def allowed(self, asked: Asked) -> Answer | None:
        if asked.query and asked.path not in self.open_paths:
            return Answer({"detail": f"Extra query parameter(s) {', '.join(asked.query)} not in spec"}, 400)
        return super().allowed(asked)

    def challenge(self) -> dict[str, str]:
        return {}


class VersionHeader(BearerOnly):
    """Bearer; 400 without the version of the API in a header."""

    token_env, credential = "VERSION_HEADER_TOKEN", "vs-secret-3"
    headers: ClassVar[Mapping[str, str]] = {"Desk-Version": "2024-05-01"}

    def allowed(self, asked: Asked) -> Answer | None:
        if asked.headers.get("Desk-Version") != "2024-05-01":
            return Answer({"message": "header Desk-Version is required"}, 400)
        return super().allowed(asked)


SERVERS: tuple[type[Api], ...] = (BearerOnly, BasicAuth, HeaderKey, QueryKey, ClientCredentials, StrictDoors, VersionHeader)
