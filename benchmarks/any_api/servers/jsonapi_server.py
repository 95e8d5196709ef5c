"""jsonapi-server, JSON:API from definitions."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Mapping
from typing import Any

from benchmarks.any_api.servers.server import RealServer, Row, seeded


class JsonApiServer(RealServer):
    """JSON:API without a root document or a description: `attributes`, `relationships` to one and to many, `links.next`."""

    name = "jsonapi_server"

    @property
    def base_url(self) -> str:
        return f"{self.address}/rest"

    def install(self) -> None:
        self.npm("jsonapi-server@4.2.0")

    def prepare(self) -> None:
        self.app("press.js")
        chance = random.Random("press")  # noqa: S311 (seeded data, no secret)

        def records(kind: str, rows: list[Row]) -> list[Row]:
            return [{"id": str(uuid.UUID(int=chance.getrandbits(128), version=4)), "type": kind, **row} for row in rows]

        def reference(rows: list[Row], n: int) -> dict[str, Any]:
            return {key: rows[n % len(rows)][key] for key in ("type", "id")}

        people = records("people", seeded("person", 61, name=lambda n: f"Ян {n}"))
        tags = records("tags", seeded("tag", 23, name=lambda n: f"tag {n}"))
        for n, tag in enumerate(tags[4:]):
            tag["parent"] = reference(tags[:4], n)
        articles = records(
            "articles",
            seeded(
                "article",
                210,
                title=lambda n: f"Article {n}",
                created=lambda n: f"2024-0{1 + n % 9}-1{n % 9}",
                status=lambda n: ("draft", "published")[n % 2],
                views=lambda n: n * 3,
                author=lambda n: reference(people, n * 7),
                tags=lambda n: [reference(tags, n + k) for k in range(n % 4)],
            ),
        )
        comments = records(
            "comments",
            seeded(
                "comment",
                333,
                body=lambda n: f"Comment {n}",
                at=lambda n: f"2024-05-{1 + n % 28:02}",
                article=lambda n: reference(articles[:150], n * 11),
                author=lambda n: reference(people, n * 3),
            ),
        )
        data = {"people": people, "tags": tags, "articles": articles, "comments": comments}
        (self.folder / "data.json").write_text(json.dumps(data))

    def command(self) -> list[str]:
        return ["node", "press.js", str(self.port)]

    def ready(self) -> str:
        return f"{self.base_url}/tags"

    def rows(self) -> Mapping[str, set[str]]:
        data = json.loads((self.folder / "data.json").read_text())
        return {name: {row["mark"] for row in rows} for name, rows in data.items()}
