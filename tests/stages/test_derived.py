"""A derived star end to end: raw records to figures, each table judged by its gates and published, real Delta tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spectra_assets.covenant.access import ParentKey
from spectra_assets.covenant.canon import Canon
from spectra_assets.covenant.model import Covenant, Severity
from spectra_assets.gates.judgement import Result
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.names import TableRef
from spectra_assets.settings import Settings
from spectra_assets.stages.analyse.analyse import CHART
from spectra_assets.stages.deliver import Delivery
from spectra_assets.stages.work import Work
from tests.covenant.canons import (
    DESK,
    FORUM,
    INT,
    LONELY,
    SHOP,
    TEXT,
    TIME,
    TRACKER,
    Designer,
    F,
    canon_of,
    entity,
    playbooks,
    to,
)
from tests.relational import Row, World

STAGES = ("clean", "transform", "refine", "analyse")
DAYS = [datetime(2026, 5, day, tzinfo=UTC) for day in (1, 2, 3)]


class Pipeline:
    """Clean to Analyse of one source, from raw records."""

    def __init__(self, folder: Path, engine: Engine, canon: Canon) -> None:
        self.world = World(folder, engine)
        self.covenant: Covenant = Designer(engine).covenant(canon)
        self.playbooks = playbooks()
        self.results: dict[tuple[str, str], Result] = {}
        self.charts: dict[str, str] = {}

    def extracted(self, **records: list[Any]) -> None:
        for name, rows in records.items():
            parents = [(row.pop("@parent", None), None) for row in rows]
            self.world.records(f"extract.{name}", rows, parents)

    def run(self, now: datetime = DAYS[0]) -> None:
        """Deliver every table from Clean on, inputs first."""
        waiting = [table for table in self.covenant.tables() if table.ref.schema in STAGES]
        while waiting:
            names = {table.table for table in waiting}
            ready = [table for table in waiting if not names & set(table.inputs)]
            for table in ready:
                work = Work(
                    settings=Settings(project=self.world.root, lakehouse_root=str(self.world.root)),
                    covenant=self.covenant,
                    table=table,
                    lakehouse=self.world.lakehouse,
                    engine=self.world.engine,
                    playbooks=self.playbooks,
                    run_id="run",
                    now=now,
                )
                with Delivery(work) as delivery:
                    self.results |= {(table.table, result.gate): result for result in delivery.audit()}
                    delivery.publish()
                    if CHART in delivery.draft.notes:
                        self.charts[table.table] = delivery.draft.notes[CHART]
            waiting = [table for table in waiting if table not in ready]

    def rows(self, name: str) -> list[Row]:
        return list(self.world.lakehouse.read(TableRef.parse(name)).to_pylist())

    def pairs(self, name: str, *columns: str) -> dict[Any, Any]:
        """The first column's values → those of the second."""
        first, second = columns
        return {row[first]: row[second] for row in self.rows(name)}

    @property
    def failed(self) -> dict[tuple[str, str], Severity]:
        return {place: result.severity for place, result in self.results.items() if not result.passed}


CUSTOMERS = [
    {"id": 1, "name": "Ann", "email": "a@x", "createdAt": "2026-01-01T00:00:00Z"},
    {"id": 2, "name": "Bob", "email": "b@x", "createdAt": None},
]
PRODUCTS = [{"id": 7, "name": "Tea 😀", "price": 2.5, "createdAt": "2026-01-01T00:00:00Z"}]


def order(number: int, customer: int | None, day: str | None, status: str, *products: int, **more: Any) -> dict[str, Any]:
    lines = [{"productId": product, "quantity": 2, "price": "1.10"} for product in products]
    return {"id": number, "customerId": customer, "orderedAt": day, "status": status, "lines": lines, **more}


def orders() -> list[dict[str, Any]]:
    return [
        order(10, 1, "2026-02-01T10:00:00Z", "paid", 7, 7, closedAt="2026-02-02T11:30:00Z"),
        order(11, 1, "2026-02-03T10:00:00Z", "open", 7),
        order(12, 99, "2026-03-01T10:00:00Z", "open", 8),
        order(13, None, "0001-01-01T00:00:00Z", "x'; DROP TABLE y; --"),
    ]


PAYMENTS = [{"id": 1, "orderId": 10, "paidAt": "2026-02-02T11:30:00Z", "amount": "5.00"}]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Pipeline:
    made = Pipeline(tmp_path_factory.mktemp("shop"), engine, SHOP)
    made.extracted(customers=CUSTOMERS, products=PRODUCTS, orders=orders(), payments=PAYMENTS)
    made.run()
    return made


def test_only_values_without_a_member_are_told(shop: Pipeline) -> None:
    assert shop.failed == {
        ("transform.factOrder", "references_matched"): Severity.WARN,
        ("transform.factOrderLine", "references_matched"): Severity.WARN,
    }
    result = shop.results["transform.factOrder", "references_matched"]
    assert (result.failed, result.total, result.sample[0]["customerId"]) == (1, 4, 99)


def test_values_without_a_member_refer_to_the_unknown_one_and_stay(shop: Pipeline) -> None:
    rows = {row["orderId"]: row for row in shop.rows("transform.factOrder")}
    assert (rows[12]["customerKey"], rows[12]["customerId"]) == (-1, 99)
    assert (rows[13]["customerKey"], rows[13]["orderedDateKey"]) == (-1, -1)
    known = shop.pairs("transform.dimCustomer", "customerId", "customerKey")
    assert rows[10]["customerKey"] == known[1]
    lines = shop.rows("transform.factOrderLine")
    assert [line["customerKey"] for line in lines].count(known[1]) == 3, "the customer of a line is its order's"


def test_meaning_is_added(shop: Pipeline) -> None:
    rows = {row["orderId"]: row for row in shop.rows("refine.factOrder")}
    assert (rows[10]["isPaid"], rows[10]["isOpen"], rows[10]["durationHours"]) == (True, False, 25.5)
    assert (rows[11]["isOpen"], rows[11]["durationHours"], rows[13]["isOpen"]) == (True, None, None)
    assert {row["orderedAt"].day for row in shop.rows("refine.factOrderLine") if row["orderId"] == 11} == {3}


def test_a_status_that_comes_later_is_told_once(tmp_path: Path, engine: Engine) -> None:
    """It is neither open nor over, and figures of what is open go without it."""
    shop = Pipeline(tmp_path, engine, SHOP)
    gate = ("refine.factOrder", "statuses_known")
    shop.extracted(customers=CUSTOMERS, products=PRODUCTS, payments=PAYMENTS, orders=orders())
    shop.run()
    assert shop.results[gate].passed, "nothing was there before"
    for day, passes in ((DAYS[1], False), (DAYS[2], True)):
        shop.extracted(orders=[*orders(), *(order(number, 1, "2026-03-02T10:00:00Z", "written_off") for number in (14, 15))])
        shop.run(day)
        assert shop.results[gate].passed is passes
        assert {row["orderId"] for row in shop.rows("refine.factOrder") if row["isOpen"] is None} == {13, 14, 15}
        if not passes:
            assert shop.results[gate].severity == Severity.WARN
            assert shop.results[gate].sample == [
                {"value": "written_off", "label": "neither isOpen nor not", "column": "status", "rows": 2}
            ]


def test_a_word_that_has_another_name_is_told(tmp_path: Path, engine: Engine) -> None:
    """`isPaid` would be false for all from then on, and no expression would fail."""
    shop = Pipeline(tmp_path, engine, SHOP)
    gate = ("refine.factOrder", "statuses_known")
    more = [order(number, 1, "2026-03-02T10:00:00Z", "paid") for number in range(20, 26)]
    shop.extracted(customers=CUSTOMERS, products=PRODUCTS, payments=PAYMENTS, orders=[*orders(), *more])
    shop.run()
    assert shop.results[gate].passed
    shop.extracted(orders=[*orders(), *({**one, "status": "open"} for one in more)])
    shop.run(DAYS[1])
    assert shop.results[gate].passed, "words that were there before may change as they like"
    shop.extracted(orders=[*orders(), *more])
    shop.run(DAYS[1])
    shop.extracted(orders=[{**one, "status": one["status"].replace("paid", "settled")} for one in (*orders(), *more)])
    shop.run(DAYS[2])
    assert (shop.results[gate].passed, shop.results[gate].severity) == (False, Severity.WARN)
    told = "7 rows were paid, 7 are settled, and none isPaid"
    assert shop.results[gate].sample == [{"value": "settled", "label": "not isPaid", "column": "status", "rows": 7, "told": told}]
    assert told in shop.results[gate].message


def test_figures_add_up_and_are_drawn(shop: Pipeline) -> None:
    months = {str(month)[:7]: count for month, count in shop.pairs("analyse.orderVolumeByMonth", "month", "orderCount").items()}
    assert months == {"2026-02": 2, "2026-03": 1, "0001-01": 1}
    assert shop.pairs("analyse.orderByStatus", "status", "orderCount") == {"paid": 1, "open": 2, "x'; DROP TABLE y; --": 1}
    assert shop.pairs("analyse.orderByCustomer", "customerId", "orderCount") == {1: 2, -1: 2}
    assert shop.pairs("analyse.orderLineByProduct", "productName", "orderLineCount") == {"Tea 😀": 3, "Unknown": 1}
    assert shop.rows("analyse.orderByCustomer")[0]["sharePct"] == 50.0
    figures = [table.table for table in shop.covenant.tables() if table.build.kind == "kpi"]
    assert sorted(shop.charts) == sorted(figures)
    months_stored = [row["month"] for row in shop.rows("analyse.orderVolumeByMonth")]
    assert months_stored == sorted(months_stored), "rows are stored in the figure's order"
    assert all(shop.results[name, "totals_reconcile"].passed for name in figures)
    assert "Ann" not in "".join(shop.charts.values())


def test_a_forum_with_text_keys_and_tags(tmp_path: Path, engine: Engine) -> None:
    forum = Pipeline(tmp_path, engine, FORUM)
    users = [{"id": "u`1", "login": "ann"}, {"id": "u'2", "login": "bob"}]
    forum.extracted(
        users=users,
        tags=[{"id": 1, "label": "x"}, {"id": 2, "label": "y"}],
        posts=[
            {"id": 1, "title": "A", "author": {"id": "u`1", "login": "ann"}, "published_at": "2026-01-01", "tagIds": [1, 2, 2]},
            {"id": 2, "title": "B", "author": {"id": "gone"}, "published_at": "2026-01-02", "tagIds": [1, 50, 51]},
            {"id": 3, "title": "C", "author": None, "published_at": None, "tagIds": []},
        ],
        comments=[
            {"id": 5, "body": "hi", "userId": "u'2", "created": 1767225600000, "@parent": "1"},
            {"id": 6, "body": "ho", "userId": "u`1", "created": None, "@parent": "77"},
        ],
    )
    forum.run()
    assert set(forum.failed.values()) == {Severity.WARN}
    posts = forum.pairs("transform.dimPost", "postId", "postKey")
    tags = forum.pairs("transform.dimTag", "tagId", "tagKey")
    pairs = {(row["postKey"], row["tagKey"]) for row in forum.rows("transform.bridgePostTag")}
    assert pairs == {(posts[1], tags[1]), (posts[1], tags[2]), (posts[2], tags[1]), (posts[2], -1)}
    assert len(forum.rows("transform.bridgePostTag")) == 4, "two tags that nobody lists are one pair with the unknown tag"
    people = forum.pairs("transform.dimUser", "userId", "userKey")
    assert people["-1"] == -1
    comments = {row["commentId"]: row for row in forum.rows("transform.factComment")}
    assert (comments[5]["userKey"], comments[5]["postKey"]) == (people["u'2"], posts[1])
    assert (comments[6]["userKey"], comments[6]["postKey"]) == (people["u`1"], -1)
    assert forum.pairs("analyse.postByAuthor", "userId", "postCount") == {"u`1": 1, "-1": 2}


def test_keys_within_a_parent_keep_their_history(tmp_path: Path, engine: Engine) -> None:
    tracker = Pipeline(tmp_path, engine, TRACKER)

    def issue(repo: int, number: int, title: str) -> dict[str, Any]:
        return {
            "number": number,
            "title": title,
            "state": "open",
            "created_at": "2026-01-01",
            "assignee": "ann",
            "@parent": str(repo),
        }

    def load(title: str) -> None:
        tracker.extracted(
            repos=[{"id": 1, "owner": "o", "name": "r1"}, {"id": 2, "owner": "o", "name": "r2"}],
            issues=[issue(1, 1, title), issue(2, 1, "other"), issue(2, 2, "third")],
            persons=[{"login": "ann"}],
        )

    def remark(number: int, *parent: int) -> dict[str, Any]:
        return {"id": number, "writer": "bob", "written_at": "2026-02-01", "@parent": json.dumps([str(part) for part in parent])}

    load("first")
    tracker.extracted(remarks=[remark(1, 1, 1), remark(2, 1, 2), remark(3, 2, 2), remark(4, 2, 1)])
    tracker.run()
    assert set(tracker.failed.values()) == {Severity.WARN}
    issues = {(row["repoId"], row["number"]): row for row in tracker.rows("transform.dimIssue")}
    assert {row["issueNaturalKey"] for row in issues.values()} == {'["1","1"]', '["1","2"]', '["2","2"]', "-1"}
    assert issues[None, None]["issueKey"] == -1
    found = {row["remarkId"]: row["issueKey"] for row in tracker.rows("transform.factRemark")}
    expected = [issues[place]["issueKey"] for place in ((1, 1), (2, 1), (2, 2))]
    assert [found[number] for number in (1, 2, 3, 4)] == [*expected, -1]
    assert tracker.pairs("analyse.remarkByIssue", "issueNaturalKey", "remarkCount") == dict.fromkeys(
        tracker.pairs("transform.dimIssue", "issueNaturalKey", "issueKey"), 1
    )
    load("renamed")
    tracker.run(DAYS[1])
    titles = [
        (row["title"], row["isCurrent"]) for row in tracker.rows("transform.dimIssue") if (row["repoId"], row["number"]) == (1, 1)
    ]
    assert sorted(titles) == [("first", False), ("renamed", True)]
    assert all(result.passed for (_, gate), result in tracker.results.items() if gate != "references_matched")


def test_one_entity_counts_its_members(tmp_path: Path, engine: Engine) -> None:
    lonely = Pipeline(tmp_path, engine, LONELY)
    lonely.extracted(stations=[{"id": "a", "name": "A", "kind": "rain", "openedOn": "2025-01-05"}, {"id": "b", "kind": "wind"}])
    lonely.run()
    assert lonely.failed == {}
    assert sum(lonely.pairs("analyse.stationVolumeByMonth", "month", "stationCount").values()) == 2
    lonely.extracted(stations=[{"id": "a", "name": "A", "kind": "wind", "openedOn": "2025-01-05"}])
    lonely.run(DAYS[1])
    assert lonely.pairs("analyse.stationByKind", "kind", "stationCount") == {"wind": 1}, "current members only"
    assert lonely.failed == {}


def ticket(number: int, day: str, fee: str | None, currency: str, *labels: int, **more: Any) -> dict[str, Any]:
    parts = [{"name": "fan", "unitPrice": "2.50", "quantity": 3}] if number == 1 else []
    hours = {"hours": 0.1 * number}
    return {
        "id": number, "status": "new", "agentId": 1, "createdAt": f"{day}T10:00:00Z", "effort": hours, "replies": number,
        "fee": {"amount": fee, "currency": currency}, "labelIds": list(labels), "parts": parts, **more,
    }  # fmt: skip


def test_amounts_ages_and_labels_add_up(tmp_path: Path, engine: Engine) -> None:
    desk = Pipeline(tmp_path, engine, DESK)
    solved = {"status": "solved", "solvedAt": "2026-01-02T22:00:00Z"}
    tickets = [
        ticket(1, "2026-01-02", "10.10", "EUR", 1, 2, **solved),
        ticket(2, "2026-01-20", "20.20", "USD", 1),
        ticket(3, "2026-02-19", None, "EUR"),
        ticket(4, "2026-02-20", "-30.30", "EUR", 2, 9, status=None),
    ]

    def load() -> None:
        desk.extracted(agents=[{"id": 1, "name": "Ann"}], labels=[{"id": 1, "name": "red"}, {"id": 2, "name": "blue"}])
        desk.extracted(tickets=[dict(each) for each in tickets], notes=[{"id": 1, "ticketId": 1}])

    load()
    desk.run()
    assert set(desk.failed) == {("transform.bridgeTicketLabel", "references_matched")}
    months = {str(row["month"])[:7]: row for row in desk.rows("analyse.ticketVolumeByMonth")}
    assert [float(months["2026-01"][name]) for name in ("effortHoursSum", "repliesSum")] == [0.3, 3.0]
    assert months["2026-02"]["repliesAverage"] == 3.5
    money = {
        (str(row["month"])[:7], row["feeCurrency"]): row["feeAmountSum"] for row in desk.rows("analyse.ticketFeeAmountByMonth")
    }
    assert {place: float(value) for place, value in money.items() if value is not None} == {
        ("2026-01", "EUR"): 10.1, ("2026-01", "USD"): 20.2, ("2026-02", "EUR"): -30.3,
    }  # fmt: skip
    labels = {row["labelName"]: row for row in desk.rows("analyse.ticketByLabel")}
    assert {name: (row["ticketCount"], row["ticketShared"]) for name, row in labels.items()} == {
        "red": (2, 1.5), "blue": (2, 1.0), "Unknown": (1, 0.5), None: (1, 1.0),
    }  # fmt: skip
    assert {row["totalCount"] for row in labels.values()} == {4.0}, "shared out among its labels each ticket counts once"
    ages = {row["age"]: row for row in desk.rows("analyse.ticketOpenByAge")}
    assert {age: row["ticketOpenCount"] for age, row in ages.items()} == {"under 7 days": 2, "30 to 89 days": 1}
    assert {row["asOf"].day for row in ages.values()} == {20}
    assert desk.rows("analyse.ticketDurationHoursByMonth")[0]["durationHoursAverage"] == 12.0
    tickets[0]["subject"] = "changed"
    load()
    desk.run(DAYS[1])
    again = {row["labelName"]: row["ticketCount"] for row in desk.rows("analyse.ticketByLabel")}
    assert again == {name: row["ticketCount"] for name, row in labels.items()}, "a new version of a ticket keeps its labels"
    assert set(desk.failed.values()) == {Severity.WARN}


def test_a_row_counts_once_at_each_member_of_a_bridge_that_joins_more_than_two(tmp_path: Path, engine: Engine) -> None:
    """Interviews, told apart within their application: one person sits on a panel in two roles."""
    canon = canon_of(
        entity("person", {"id": INT, "title": TEXT}),
        entity("role", {"id": INT, "title": TEXT, "_links.self.href": TEXT}),
        entity("application", {"id": INT, "title": TEXT, "appliedAt": TIME}),
        entity(
            "interview",
            {
                "@parent": F("int64", references="application.id", key=True), "id": INT, "heldAt": TIME, "minutes": INT,
                "panel[].personId": to("person.id"), "panel[].roleId": to("role.id"),
            },
            parent=ParentKey(entity="application", path="id", parameter="id"),
            scope="parent",
        ),
    )  # fmt: skip
    staff = Pipeline(tmp_path, engine, canon)
    panels = {1: [(1, 1), (1, 2), (2, 1)], 2: [(1, 1)], 3: []}
    staff.extracted(
        persons=[{"id": n, "title": f"P{n}"} for n in (1, 2)],
        roles=[{"id": n, "title": f"R{n}", "_links": {"self": {"href": f"/roles/{n}"}}} for n in (1, 2)],
        applications=[{"id": 7, "title": "A", "appliedAt": "2026-01-01"}],
        interviews=[
            {"id": n, "heldAt": "2026-02-01", "minutes": 10**n, "panel": [{"personId": p, "roleId": r} for p, r in panel],
             "@parent": "7"}
            for n, panel in panels.items()
        ],
    )  # fmt: skip
    staff.run()
    assert staff.failed == {}
    bridge = next(table for table in staff.covenant.tables() if table.table.startswith("transform.bridge"))
    assert [reference.dimension for reference in bridge.build.references] == ["dimInterview", "dimPerson", "dimRole"], (
        "not the application, to which the interview belongs"
    )
    by_person = {row["personId"]: row for row in staff.rows("analyse.interviewByPerson")}
    assert {person: (row["interviewCount"], row["minutesSum"]) for person, row in by_person.items()} == {
        1: (2, 110), 2: (1, 10), None: (1, 1000),
    }  # fmt: skip
    assert "linksSelfHref" in staff.rows("clean.role")[0]
    assert "linksSelfHref" not in staff.rows("transform.dimRole")[0], "it leads through the API, and nothing refers to it"


def test_a_link_stays_though_a_further_reference_of_it_is_absent(tmp_path: Path, engine: Engine) -> None:
    """Departments in jobs, each with its parent, which the first ones lack: they are departments of the job like others."""
    canon = canon_of(
        entity("department", {"id": INT, "name": TEXT, "parent_id": to("department.id")}),
        entity("job", {"id": INT, "name": TEXT, "departments[].id": to("department.id"),
                       "departments[].name": TEXT, "departments[].parent_id": to("department.id")}),
    )  # fmt: skip
    staff = Pipeline(tmp_path, engine, canon)
    departments = [{"id": n, "name": f"D{n}", "parent_id": 1 if n == 3 else 77 if n == 4 else None} for n in (1, 2, 3, 4)]
    jobs = [{"id": n, "name": f"J{n}", "departments": [departments[n % 4]]} for n in range(8)]
    staff.extracted(departments=departments, jobs=jobs)
    staff.run()
    assert staff.failed == {("transform.bridgeJobDepartment", "references_matched"): Severity.WARN}, "77 is no department"
    assert staff.results["transform.bridgeJobDepartment", "references_matched"].failed == 2
    joined = staff.rows("refine.bridgeJobDepartment")
    assert len(joined) == 8
    key = staff.pairs("transform.dimDepartment", "departmentId", "departmentKey")
    assert {(row["departmentKey"], row["parentKey"]) for row in joined} == {
        (key[1], -1), (key[2], -1), (key[3], key[1]), (key[4], -1),
    }  # fmt: skip


def test_a_balance_is_summed_at_the_end_of_a_month_and_not_over_it(tmp_path: Path, engine: Engine) -> None:
    balance = {
        "accountId": F("int64", references="account.id", key=True),
        "date": F("date", key=True),
        "closingBalance": F("float64"),
    }
    canon = canon_of(entity("account", {"id": INT, "name": TEXT}), entity("balance", balance, key="none"))
    bank = Pipeline(tmp_path, engine, canon)
    days = {1: {"2026-02-01": 10.0, "2026-02-27": 30.0, "2026-03-01": 5.5}, 2: {"2026-02-03": 100.0, "2026-03-09": 1.25}}
    held = [{"accountId": who, "date": day, "closingBalance": value} for who, own in days.items() for day, value in own.items()]
    bank.extracted(accounts=[{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], balances=held)
    bank.run()
    assert not bank.failed
    ends = {str(row["month"])[:7]: row for row in bank.rows("analyse.balanceClosingBalanceAtMonthEnd")}
    assert {month: float(row["closingBalanceAtMonthEnd"]) for month, row in ends.items()} == {"2026-02": 130.0, "2026-03": 6.75}
    assert {month: row["balanceMemberCount"] for month, row in ends.items()} == {"2026-02": 2, "2026-03": 2}
    columns = {column.name for table in bank.covenant.tables() if table.ref.schema == "analyse" for column in table.schema_}
    assert "closingBalanceAverage" in columns
    assert "closingBalanceSum" not in columns
