"""Canons made by hand, with the names that Prepare would give, and the covenants that Design makes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spectra_assets.covenant.access import Auth, Fetch, ParentKey, Server
from spectra_assets.covenant.canon import Canon, CanonEntity, CanonField
from spectra_assets.covenant.design import Registry, SourceFacts
from spectra_assets.covenant.generate import generate
from spectra_assets.covenant.model import Column, Covenant, DataType, PiiLevel, Table
from spectra_assets.gates.evaluate import GATES
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.names import child_entity
from spectra_assets.playbook.folder import load_playbooks
from spectra_assets.playbook.model import Notice, Playbooks
from spectra_assets.playbook.rules import KINDS, BaseRule
from spectra_assets.stages.actions import ACTIONS
from spectra_assets.stages.dry import columns_of
from spectra_assets.stages.prepare.fields.naming import named

PROJECT = Path(__file__).parent.parent.parent
SOURCE = "acme"


@dataclass(frozen=True)
class F:
    """A field: its type, what it refers to, its values if they are few."""

    type: str = "text"
    references: str | None = None
    values: tuple[str, ...] = ()
    pii: str = "none"
    key: bool = False
    filled: float = 1.0


INT, TEXT, TIME, DATE, NUMBER, JSON = F("int64"), F(), F("timestamp"), F("date"), F("decimal"), F("json")


def to(place: str, kind: str = "int64") -> F:
    return F(kind, references=place)


def one_of(*values: str) -> F:
    return F(values=values)


def entity(
    name: str,
    fields: Mapping[str, F],
    key: str = "id",
    parent: ParentKey | None = None,
    scope: str = "entity",
    sample: int = 200,
) -> CanonEntity:
    """An entity before it has names; what lies in an array belongs to a table of its own."""
    found = []
    for raw, spec in fields.items():
        array = re.match(r"(.*?)\[\]", raw)
        group = child_entity(name, array[1], scalar=raw.endswith("[]")) if array else name
        is_key = spec.key or raw == key
        found.append(
            CanonField(
                raw=raw,
                structure="scalar",
                target="",
                type=DataType(spec.type),
                required=is_key,
                key=is_key,
                pii=PiiLevel(spec.pii),
                group=group,
                references=spec.references,
                values=spec.values,
                filled=spec.filled,
            )
        )
    fetch = Fetch(entity=name, path=f"/{name}", parent=parent, primary_key=key, key_scope=scope)  # type: ignore[arg-type]
    return CanonEntity(entity=name, order=0, fetch=fetch, primary_key=key, sample_size=sample, fields=tuple(found))


def canon_of(*entities: CanonEntity) -> Canon:
    return Canon(entities=tuple(named(entities, {}, lambda *_: None)))


def rule(**keys: Any) -> BaseRule:
    """A rule as a document would hold it, for the source of these tests."""
    whole = {"scope": {"source": SOURCE}, **keys}
    return KINDS[keys["kind"]].model_validate(whole, context={"file": "written.md", "line": 7})


def playbooks(*rules: BaseRule) -> Playbooks:
    """The project's own, and these rules in the last document."""
    loaded = load_playbooks(PROJECT / "playbooks", ACTIONS.keys(), GATES.keys())
    *others, last = loaded.playbooks
    return replace(loaded, playbooks=(*others, replace(last, rules=(*last.rules, *rules))))


class Designer:
    """Design with everything that the machine knows how to do."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.notices: list[Notice] = []

    def covenant(self, canon: Canon, *rules: BaseRule) -> Covenant:
        facts = SourceFacts(SOURCE, "Acme", Server(base_url_env="ACME_URL", auth=Auth(kind="none"), probe="/"), SOURCE)
        registry = Registry(
            actions={name: action.kinds for name, action in ACTIONS.items()},
            gates={name: gate.kinds for name, gate in GATES.items()},
        )
        made, self.notices = generate(facts, playbooks(*rules), canon, registry, self._schema_of)
        return made

    def _schema_of(self, table: Table, columns: Mapping[str, list[Column]]) -> list[Column]:
        return columns_of(table, columns, self.engine)


def tables(covenant: Covenant, stage: str) -> set[str]:
    return {table.ref.table for table in covenant.tables() if table.ref.schema == stage}


# ---------------------------------------------------------------- the canons

STATES = ("open", "paid", "cancelled")

SHOP = canon_of(
    entity("customer", {"id": INT, "name": F(pii="direct"), "email": F(pii="direct"), "createdAt": TIME}),
    entity("product", {"id": INT, "name": TEXT, "price": NUMBER, "createdAt": TIME}),
    entity(
        "order",
        {
            "id": INT,
            "customerId": to("customer.id"),
            "orderedAt": TIME,
            "closedAt": TIME,
            "status": one_of(*STATES),
            "lines[].productId": to("product.id"),
            "lines[].quantity": INT,
            "lines[].price": NUMBER,
        },
    ),
    entity("payment", {"id": INT, "orderId": to("order.id"), "paidAt": TIME, "amount": NUMBER, "updatedAt": TIME}),
)

FORUM = canon_of(
    entity("user", {"id": TEXT, "login": F(pii="direct"), "createdAt": TIME, "birthday": DATE}, key="id"),
    entity("tag", {"id": INT, "label": TEXT}),
    entity(
        "post",
        {
            "id": INT,
            "title": TEXT,
            "author.id": to("user.id", "text"),
            "author.login": F(references="user.login"),
            "published_at": TIME,
            "updated_at": TIME,
            "tagIds[]": to("tag.id"),
        },
    ),
    entity(
        "comment",
        {"id": INT, "body": TEXT, "userId": to("user.id", "text"), "replyTo": to("comment.id"), "created": TIME, "@parent": INT},
        parent=ParentKey(entity="post", path="id", parameter="postId"),
    ),
)

DESK = canon_of(
    entity("agent", {"id": INT, "name": F(pii="direct"), "joinedOn": DATE}),
    entity("label", {"id": INT, "name": TEXT}),
    entity(
        "ticket",
        {
            "id": INT,
            "subject": TEXT,
            "status": one_of("new", "on hold", "solved"),
            "agentId": to("agent.id"),
            "createdAt": TIME,
            "solvedAt": TIME,
            "updatedAt": TIME,
            "effort.hours": F("float64"),
            "fee.amount": NUMBER,
            "fee.currency": one_of("EUR", "USD"),
            "rating": INT,
            "year": INT,
            "zipCode": INT,
            "urgent": F("int64", values=("0", "1")),
            "replies": INT,
            "labelIds[]": to("label.id"),
            "parts[].name": TEXT,
            "parts[].unitPrice": NUMBER,
            "parts[].quantity": INT,
            "fields[].name": one_of("os", "browser"),
            "fields[].value": TEXT,
            "links[]": TEXT,
        },
    ),
    entity("note", {"id": INT, "ticketId": to("ticket.id"), "text": TEXT}),
)
"""Tickets with labels, in two currencies, and with parts that refer to nothing."""

LONELY = canon_of(entity("station", {"id": TEXT, "name": TEXT, "kind": one_of("rain", "wind"), "openedOn": DATE}))

TRACKER = canon_of(
    entity("repo", {"id": INT, "owner": TEXT, "name": TEXT, "created_at": TIME}),
    entity(
        "issue",
        {
            "number": INT,
            "@parent": F("int64", key=True),
            "title": TEXT,
            "state": one_of("open", "closed"),
            "created_at": TIME,
            "closed_at": TIME,
            "assignee": to("person.login", "text"),
        },
        key="number",
        parent=ParentKey(entity="repo", path="id", parameter="repo"),
        scope="parent",
    ),
    entity("person", {"login": TEXT, "company": TEXT}, key="login"),
    entity(
        "remark",
        {
            "id": INT,
            "@parent[0]": INT,
            "@parent[1]": INT,
            "writer": to("person.login", "text"),
            "written_at": TIME,
        },
        parent=ParentKey(
            entity="issue",
            path="number",
            parameter="number",
            also=[{"parameter": "repo", "path": "@parent"}],  # type: ignore[list-item]
        ),
    ),
)
"""Issues are numbered within their repo; remarks are asked for by repo and number."""
