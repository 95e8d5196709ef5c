"""Real stand-ins on loopback, and a small client to ask them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from spectra_assets.standin.server import StandIn

ROOT = "/flex/services/rest"


class Api:
    """Asks one stand-in over real HTTP, with its token."""

    def __init__(self, standin: StandIn) -> None:
        self.standin = standin
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {standin.token}"

    def get(self, path: str, **query: Any) -> requests.Response:
        version = "" if path.startswith(("/v3/", "/v4/")) else "/latest"
        return self.session.get(f"{self.standin.base_url}{ROOT}{version}{path}", params=query, timeout=200)

    def json(self, path: str, **query: Any) -> Any:
        response = self.get(path, **query)
        assert response.status_code == 200, f"{path} {query}: {response.status_code} {response.text[:200]}"
        return response.json()

    def truth(self) -> dict[str, Any]:
        document: dict[str, Any] = requests.get(f"{self.standin.base_url}/__truth", timeout=200).json()
        return document

    def all_pages(self, path: str, pagesize: int = 100, **query: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            results = self.json(path, offset=len(rows), pagesize=pagesize, **query)["results"]
            if not results:
                return rows
            rows += results

    def close(self) -> None:
        self.session.close()


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """A stand-in without faults, shared by a module's tests: don't change it."""
    with StandIn() as standin:
        client = Api(standin)
        yield client
        client.close()


@pytest.fixture
def make() -> Iterator[Callable[..., Api]]:
    """Starts stand-ins with the given arguments; they stop when the test ends."""
    started: list[Api] = []

    def start(*faults: str, **arguments: Any) -> Api:
        started.append(Api(StandIn(faults=faults, **arguments).start()))
        return started[-1]

    yield start
    for client in started:
        client.close()
        client.standin.stop()
