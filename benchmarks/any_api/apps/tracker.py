"""Rows for a Roundup tracker: python tracker.py HOME PASSWORD (run by the environment that `servers/roundup.py` installs)."""

import random
import sys

from roundup import date, instance, password

tracker = instance.open(sys.argv[1])
db = tracker.open("admin")
chance = random.Random(11)  # noqa: S311 (seeded data, no secret)


def mark(kind: str) -> str:
    return f"{kind}-{chance.getrandbits(48):012x}"


def secret(text: str) -> password.Password:
    return password.Password(text, config=db.config)


users = [
    db.user.create(
        username=f"user{n}", address=f"u{n}@example.org", realname=f"Ünal {mark('user')}", roles="User", password=secret("x")
    )
    for n in range(25)
]
db.user.create(username="reader", roles="Admin", password=secret(sys.argv[2]))
keywords = [db.keyword.create(name=mark("keyword")) for _ in range(12)]
states, priorities = db.status.list(), db.priority.list()
for n in range(60):
    messages = [
        db.msg.create(
            author=users[(n + k) % 25],
            content="Message\nline",
            summary=mark("msg"),
            date=date.Date(f"2024-0{1 + n % 9}-1{k}.10:00:00"),
        )
        for k in range(n % 3)
    ]
    db.issue.create(
        title=f"Issue {n} {mark('issue')}",
        status=states[n % len(states)],
        priority=priorities[n % len(priorities)],
        assignedto=users[n % 25] if n % 4 else None,
        keyword=[keywords[n % 12]] if n % 2 else [],
        messages=messages,
    )
db.commit()
