"""Real servers from PyPI and npm, installed into a folder of their own, seeded, run on 127.0.0.1. Each knows the rows it was given.

Every seeded row holds a text that no other row has (`mark`): by it the rows that land are told from those that do not.
"""

from __future__ import annotations

import csv
import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import requests

Row = dict[str, Any]


def seeded(kind: str, count: int, /, **columns: Any) -> list[Row]:
    """`count` rows of this kind; each of `columns` is called with the row's number."""
    chance = random.Random(kind)  # noqa: S311 (seeded data, no secret)
    return [
        {"mark": f"{kind}-{chance.getrandbits(48):012x}", **{key: make(n) for key, make in columns.items()}} for n in range(count)
    ]


class RealServer(ABC):
    """One server: how it is installed, seeded and started, and what it holds."""

    name: ClassVar[str]
    token: ClassVar[str | None] = None
    user: ClassVar[str | None] = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return self.address

    @abstractmethod
    def install(self) -> None: ...

    @abstractmethod
    def prepare(self) -> None:
        """Write data and configuration."""

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def rows(self) -> Mapping[str, set[str]]:
        """Table → the marks of its rows, from the server's own database where it has one."""

    def ready(self) -> str:
        """Address that answers 200 once it is up."""
        return self.address

    def seed(self) -> None:  # noqa: B027 (most are seeded by files)
        """Give it rows through its own interface, where files can't."""

    def description(self) -> Path | None:
        """An OpenAPI document that a person gives, where the server has none."""
        return None

    def environment(self) -> dict[str, str]:
        return {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Started and seeded; stopped at the end."""
        with (self.folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                self.command(), cwd=self.folder, env={**os.environ, **self.environment()}, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                self._wait(process)
                self.seed()
                yield
            finally:
                process.terminate()
                process.wait(20)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and process.poll() is None:
            try:
                if requests.get(self.ready(), timeout=5).status_code == 200:
                    return
            except requests.RequestException:
                time.sleep(0.2)
        raise RuntimeError(f"{self.name} did not start: {(self.folder / 'server.log').read_text(errors='replace')[-2000:]}")

    def pip(self, *packages: str) -> None:
        if not (self.folder / "venv" / "bin" / "pip").exists():
            subprocess.run([sys.executable, "-m", "venv", "venv"], cwd=self.folder, check=True)
        subprocess.run(
            ["venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", *packages], cwd=self.folder, check=True
        )


class Kinto(RealServer):
    """A document store: buckets hold collections, which hold records. Basic auth, ETags, the next page in the header `Next-Page`."""

    name, user, token = "kinto", "reader", "kinto-secret-1"

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"

    def install(self) -> None:
        self.pip("kinto==26.5.0", "setuptools<81")

    def prepare(self) -> None:
        (self.folder / "kinto.ini").write_text(
            "[server:main]\nuse = egg:waitress#main\nhost = 127.0.0.1\n"
            f"port = {self.port}\n"
            "[app:main]\nuse = egg:kinto\nkinto.userid_hmac_secret = seeded\nmultiauth.policies = basicauth\n"
            "kinto.storage_backend = kinto.core.storage.memory\nkinto.cache_backend = kinto.core.cache.memory\n"
            "kinto.permission_backend = kinto.core.permission.memory\nkinto.paginate_by = 40\n"
        )
        self.records = {
            ("library", "books"): seeded(
                "book", 130, title=lambda n: f"Book {n}", pages=lambda n: 80 + n, lent=lambda n: n % 3 == 0
            ),
            ("library", "authors"): seeded("author", 37, born=lambda n: 1900 + n),
            ("shop", "orders"): seeded(
                "order", 95, total=lambda n: round(n * 1.37, 2), placed=lambda n: f"2024-0{1 + n % 9}-11T10:00:00Z"
            ),
            ("archive", "empty"): [],
        }

    def command(self) -> list[str]:
        return ["venv/bin/kinto", "start", "--ini", "kinto.ini", "--port", str(self.port)]

    def ready(self) -> str:
        return f"{self.base_url}/"

    def seed(self) -> None:
        session = requests.Session()
        session.auth = (self.user or "", self.token or "")
        for (bucket, collection), rows in self.records.items():
            for path in (f"/buckets/{bucket}", f"/buckets/{bucket}/collections/{collection}"):
                session.put(self.base_url + path, json={"data": {}}, timeout=20).raise_for_status()
            for row in rows:
                path = f"/buckets/{bucket}/collections/{collection}/records"
                session.post(self.base_url + path, json={"data": row}, timeout=20).raise_for_status()

    def rows(self) -> Mapping[str, set[str]]:
        return {"records": {row["mark"] for rows in self.records.values() for row in rows}}


class JsonServer(RealServer):
    """A file as an API: bare arrays, `_page` and `_limit`, `Link` and `X-Total-Count`; no description, no credential, a page for people
    at the root."""

    name = "json_server"

    def install(self) -> None:
        subprocess.run(
            ["npm", "install", "--silent", "--no-fund", "--no-audit", "json-server@0.17.4"], cwd=self.folder, check=True
        )

    def prepare(self) -> None:
        users = seeded("user", 45, id=lambda n: n + 1, email=lambda n: f"user{n}@example.org")
        posts = seeded("post", 160, id=lambda n: n + 1, userId=lambda n: 1 + n * 7 % 45, title=lambda n: f"Post {n}")
        comments = seeded("comment", 420, id=lambda n: n + 1, postId=lambda n: 1 + n * 11 % 160, body=lambda n: f"Comment {n}")
        data = {"users": users, "posts": posts, "comments": comments, "settings": {"mark": "settings-1", "theme": "dark"}}
        (self.folder / "db.json").write_text(json.dumps(data))

    def command(self) -> list[str]:
        return ["node_modules/.bin/json-server", "--host", "127.0.0.1", "--port", str(self.port), "--quiet", "db.json"]

    def rows(self) -> Mapping[str, set[str]]:
        data = json.loads((self.folder / "db.json").read_text())
        return {name: {row["mark"] for row in (rows if isinstance(rows, list) else [rows])} for name, rows in data.items()}


class Pygeoapi(RealServer):
    """OGC API Features: GeoJSON, `offset` and `limit`, links in the body, an OpenAPI document of its own."""

    name = "pygeoapi"

    def install(self) -> None:
        self.pip("pygeoapi==0.21.0")

    def prepare(self) -> None:
        collections = {
            "lakes": seeded(
                "lake", 140, id=lambda n: n + 1, lon=lambda n: 6 + n / 50, lat=lambda n: 46 + n / 90, depth=lambda n: n * 3
            ),
            "huts": seeded(
                "hut", 65, id=lambda n: f"H{n:03}", lon=lambda n: 7 + n / 50, lat=lambda n: 47 + n / 90, beds=lambda n: n % 40
            ),
        }
        for name, rows in collections.items():
            with (self.folder / f"{name}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        limits = {"default_items": 20, "max_items": 50, "on_exceed": "throttle"}
        about = {"title": "Places", "description": "Seeded places", "keywords": ["places"], "keywords_type": "theme"}
        who = {"name": "Nobody", "url": "http://127.0.0.1", "email": "nobody@example.org"}
        configuration = {
            "server": {
                "bind": {"host": "127.0.0.1", "port": self.port},
                "url": self.address,
                "mimetype": "application/json; charset=UTF-8",
                "encoding": "utf-8",
                "languages": ["en-US"],
                "limits": limits,
                "map": {"url": f"{self.address}/tiles", "attribution": "none"},
            },
            "logging": {"level": "ERROR"},
            "metadata": {
                "identification": {**about, "terms_of_service": "none", "url": "http://127.0.0.1"},
                "license": {"name": "CC0", "url": "http://127.0.0.1"},
                "provider": {"name": "Nobody", "url": "http://127.0.0.1"},
                "contact": who,
            },
            "resources": {
                name: {
                    "type": "collection",
                    **{key: value for key, value in about.items() if key != "keywords_type"},
                    "title": name,
                    "links": [],
                    "extents": {"spatial": {"bbox": [-180, -90, 180, 90], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}},
                    "providers": [
                        {
                            "type": "feature",
                            "name": "CSV",
                            "data": str(self.folder / f"{name}.csv"),
                            "id_field": "id",
                            "geometry": {"x_field": "lon", "y_field": "lat"},
                        }
                    ],
                }
                for name in collections
            },
        }
        (self.folder / "config.yml").write_text(json.dumps(configuration, indent=1))
        subprocess.run(
            ["venv/bin/pygeoapi", "openapi", "generate", "config.yml", "--output-file", "openapi.yml"],
            cwd=self.folder,
            env={**os.environ, **self.environment()},
            check=True,
            capture_output=True,
        )

    def environment(self) -> dict[str, str]:
        return {"PYGEOAPI_CONFIG": str(self.folder / "config.yml"), "PYGEOAPI_OPENAPI": str(self.folder / "openapi.yml")}

    def command(self) -> list[str]:
        return ["venv/bin/pygeoapi", "serve", "--flask"]

    def ready(self) -> str:
        return f"{self.address}/conformance?f=json"

    def rows(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {}
        for file in sorted(self.folder.glob("*.csv")):
            with file.open(newline="") as opened:
                found[file.stem] = {row["mark"] for row in csv.DictReader(opened)}
        return found


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


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


SERVERS: tuple[type[RealServer], ...] = (Kinto, JsonServer, Pygeoapi, Datasette)
