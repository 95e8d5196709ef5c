"""FastAPI with SQLModel."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Mapping

from benchmarks.any_api.servers.server import RealServer, marks_in


class FastApiShop(RealServer):
    """OpenAPI 3.1 of its own, a key in a header of its own name, pages by number, offset and last id, each of at most 100 or 200
    rows; the lines of an order stand in no list, but in each order."""

    name, token = "fastapi_shop", "fast-secret-key-77"

    def install(self) -> None:
        self.pip("fastapi==0.165.0", "sqlmodel==0.0.50", "uvicorn==0.54.0")

    def prepare(self) -> None:
        self.app("shop.py")
        subprocess.run(["venv/bin/python", "shop.py", "seed"], cwd=self.folder, check=True)

    def command(self) -> list[str]:
        return ["venv/bin/python", "shop.py", "serve", str(self.port)]

    def ready(self) -> str:
        return f"{self.address}/health"

    def rows(self) -> Mapping[str, set[str]]:
        with sqlite3.connect(self.folder / "db.sqlite3") as database:
            return {name: marks_in(database, name) for name in ("customer", "product", "order", "line", "event")}
