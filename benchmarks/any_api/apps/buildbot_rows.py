"""Rows for Buildbot's own database: python buildbot_rows.py DATABASE (run by the environment that `servers/buildbot.py` installs)."""

import random
import sqlite3
import sys

chance = random.Random(1)  # noqa: S311 (seeded data, no secret)
START = 1_710_000_000


def mark(kind: str) -> str:
    return f"{kind}-{chance.getrandbits(48):012x}"


with sqlite3.connect(sys.argv[1], timeout=60) as database:
    builders, workers, masters = (
        [key for (key,) in database.execute(f"SELECT id FROM {table} ORDER BY id")]  # noqa: S608
        for table in ("builders", "workers", "masters")
    )

    def insert(table: str, **row: object) -> None:
        marks = ", ".join("?" for _ in row)
        database.execute(f"INSERT OR REPLACE INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))  # noqa: S608

    insert("sourcestamps", id=900, ss_hash="h", branch="main", repository="r", codebase="", project="p", created_at=START)
    for n in range(60):
        change = {
            "author": f"person{n % 7}",
            "comments": mark("change"),
            "branch": "main",
            "revision": f"{n:040x}",
            "repository": "r",
        }
        insert("changes", changeid=n + 1, when_timestamp=START + n * 60, codebase="", project="p", sourcestampid=900, **change)
    for n in range(200):
        at = START + n * 100
        done = {"complete": 1, "complete_at": at + 50, "results": n % 3}
        insert("buildsets", id=n + 1, reason=mark("set"), submitted_at=at, **done)
        insert("buildset_sourcestamps", id=n + 1, buildsetid=n + 1, sourcestampid=900)
        builder = builders[n % len(builders)]
        asked = {"buildsetid": n + 1, "builderid": builder, "priority": 0, "submitted_at": at, "waited_for": 0}
        insert("buildrequests", id=n + 1, **asked, **done)
        build = {"number": n // len(builders) + 1, "builderid": builder, "buildrequestid": n + 1, "masterid": masters[0]}
        ended = {"started_at": at, "complete_at": at + 40 + n % 9, "results": n % 3, "locks_duration_s": 0}
        insert("builds", id=n + 1, workerid=workers[n % len(workers)], state_string=mark("build"), **build, **ended)
