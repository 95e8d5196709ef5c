"""Kinto, a document store."""

from __future__ import annotations

from collections.abc import Mapping

import requests

from benchmarks.any_api.servers.server import RealServer, seeded


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
