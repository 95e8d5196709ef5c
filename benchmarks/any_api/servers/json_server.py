"""json-server, a file as an API."""

from __future__ import annotations

import json
from collections.abc import Mapping

from benchmarks.any_api.servers.server import RealServer, seeded


class JsonServer(RealServer):
    """A file as an API: bare arrays, `_page` and `_limit`, `Link` and `X-Total-Count`; no description, no credential, a page for people
    at the root."""

    name = "json_server"

    def install(self) -> None:
        self.npm("json-server@0.17.4")

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
