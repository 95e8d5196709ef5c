"""Datasette, a database as an API."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from benchmarks.any_api.servers.server import RealServer, seeded


class Datasette(RealServer):
    """A database as an API: `rows` in an envelope, the next page's address in `next_url`, names ending in `.json`. It describes itself
    nowhere, so the person gives a short description: without `_shape` it would answer rows as bare arrays of values."""

    name = "datasette"

    @property
    def base_url(self) -> str:
        return f"{self.address}/library"

    def description(self) -> Path:
        choices = {
            "name": "_shape",
            "in": "query",
            "required": True,
            "schema": {"type": "string", "enum": ["objects"], "default": "objects"},
        }
        query = [choices, *({"name": name, "in": "query", "schema": {"type": "string"}} for name in ("_size", "_next", "_sort"))]
        answer = {"200": {"description": "Rows"}}
        paths = {f"/{name}.json": {"get": {"parameters": query, "responses": answer}} for name in ("members", "loans")}
        file = self.folder / "openapi.json"
        file.write_text(json.dumps({"openapi": "3.0.3", "info": {"title": "Library", "version": "1"}, "paths": paths}))
        return file

    def install(self) -> None:
        self.pip("datasette==0.65.5", "setuptools<81")

    def prepare(self) -> None:
        file = self.folder / "library.db"
        file.unlink(missing_ok=True)
        members = seeded("member", 83, id=lambda n: n + 1, name=lambda n: f"Member {n}")
        loans = seeded(
            "loan", 340, id=lambda n: n + 1, member_id=lambda n: 1 + n * 5 % 83, day=lambda n: f"2024-03-{1 + n % 28:02}"
        )
        with sqlite3.connect(file) as database:
            for name, rows in (("members", members), ("loans", loans)):
                extra = ", FOREIGN KEY (member_id) REFERENCES members(id)" if "member_id" in rows[0] else ""
                columns = ", ".join("id INTEGER PRIMARY KEY" if key == "id" else key for key in rows[0])
                database.execute(f"CREATE TABLE {name} ({columns}{extra})")
                marks = ", ".join("?" for _ in rows[0])
                database.executemany(f"INSERT INTO {name} VALUES ({marks})", [tuple(row.values()) for row in rows])  # noqa: S608

    def command(self) -> list[str]:
        return ["venv/bin/datasette", "serve", "library.db", "--host", "127.0.0.1", "--port", str(self.port)]

    def rows(self) -> Mapping[str, set[str]]:
        with sqlite3.connect(self.folder / "library.db") as database:
            return {
                name: {mark for (mark,) in database.execute(f"SELECT mark FROM {name}")}  # noqa: S608
                for name in ("members", "loans")
            }
