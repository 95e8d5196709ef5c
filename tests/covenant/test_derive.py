"""What Design derives for a source without rules: facts, dimensions, bridges, their meaning and their figures."""

from __future__ import annotations

import time
from typing import Any

import pytest

from spectra_assets.covenant.access import Deleted, ParentKey
from spectra_assets.covenant.amounts import amounts
from spectra_assets.covenant.build import Bridge, Calendar, Dimension, Fact, Gone, Kpi, Refinement
from spectra_assets.covenant.canon import Canon, CanonEntity
from spectra_assets.covenant.derived_meaning import literal, quoted
from spectra_assets.covenant.diff import diff
from spectra_assets.covenant.files import parse, text_of
from spectra_assets.covenant.model import Column, Covenant, Table
from spectra_assets.covenant.network import Node
from spectra_assets.engine.document import document
from spectra_assets.errors import DocumentError
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.stages.analyse.semantics import described
from tests.covenant.canons import (
    DATE,
    DESK,
    FORUM,
    INT,
    LONELY,
    NUMBER,
    SHOP,
    TEXT,
    TIME,
    TRACKER,
    Designer,
    F,
    canon_of,
    entity,
    one_of,
    rule,
    tables,
    to,
)

STAGES = ("transform", "refine", "analyse")


@pytest.fixture(scope="module")
def designer(engine: Engine) -> Designer:
    return Designer(engine)


@pytest.fixture(scope="module")
def shop(designer: Designer) -> Covenant:
    return designer.covenant(SHOP)


def fact(covenant: Covenant, name: str) -> Fact:
    build = covenant.table(f"transform.{name}").build
    assert isinstance(build, Fact)
    return build


def references(covenant: Covenant, name: str) -> dict[str, tuple[str, str]]:
    build = covenant.table(f"transform.{name}").build
    assert isinstance(build, Fact | Bridge)
    return {reference.name: (reference.dimension, reference.column) for reference in build.references}


def derived(covenant: Covenant, name: str) -> dict[str, str]:
    build = covenant.table(f"refine.{name}").build
    assert isinstance(build, Refinement)
    return {column.name: column.description for column in covenant.table(f"refine.{name}").schema_ if column.description} | {
        one.column: one.expression for one in build.rules if one.kind == "derive"
    }


def kpi(covenant: Covenant, name: str) -> Kpi:
    build = covenant.table(f"analyse.{name}").build
    assert isinstance(build, Kpi)
    return build


# ---------------------------------------------------------------- the star


def test_a_shop_has_its_orders_lines_and_payments_as_facts(shop: Covenant) -> None:
    assert tables(shop, "transform") == {
        *("dimCustomer", "dimProduct", "dimOrder", "dimDate"),
        *("factOrder", "factOrderLine", "factPayment"),
    }
    assert references(shop, "factOrder") == {"orderKey": ("dimOrder", "orderId"), "customerKey": ("dimCustomer", "customerId")}
    versions = {reference.name: reference.version for reference in fact(shop, "factOrder").references}
    assert versions == {"orderKey": "latest", "customerKey": "event"}, "its own member, as it is now"
    assert "paymentKey" not in references(shop, "factPayment"), "nothing refers to payments: they are no dimension"
    assert references(shop, "factOrderLine") == {
        "orderKey": ("dimOrder", "orderId"),
        "productKey": ("dimProduct", "productId"),
        "customerKey": ("dimCustomer", "orderId"),
    }
    assert fact(shop, "factOrder").event_time == "orderedAt"
    assert fact(shop, "factPayment").event_time == "paidAt", "a time of change is no event"
    assert fact(shop, "factPayment").dates == {"paidDateKey": "paidAt", "updatedDateKey": "updatedAt"}
    (hop,) = fact(shop, "factPayment").references[1].via
    assert (hop.table, hop.key, hop.take) == ("clean.order", "orderId", "customerId")
    calendar = shop.table("transform.dimDate").build
    assert isinstance(calendar, Calendar)
    assert "clean.order.orderedAt" in calendar.columns


def test_a_forum_has_a_bridge_for_what_belongs_to_many(designer: Designer) -> None:
    forum = designer.covenant(FORUM)
    assert tables(forum, "transform") == {
        *("dimUser", "dimTag", "dimPost", "dimDate"),
        *("factPost", "factComment", "bridgePostTag"),
    }
    assert references(forum, "bridgePostTag") == {"postKey": ("dimPost", "postId"), "tagKey": ("dimTag", "tagId")}
    assert references(forum, "factComment") == {"userKey": ("dimUser", "userId"), "postKey": ("dimPost", "postId")}
    assert references(forum, "factPost") == {
        "postKey": ("dimPost", "postId"),
        "authorKey": ("dimUser", "authorId"),  # one reference for id and login of one record
    }
    user = forum.table("transform.dimUser").build
    assert isinstance(user, Dimension)
    assert user.members == [{"userId": "-1", "login": "Unknown"}], "a text key has a text for unknown"


def test_one_entity_is_a_dimension_with_a_figure(designer: Designer) -> None:
    lonely = designer.covenant(LONELY)
    assert tables(lonely, "transform") == {"dimStation", "dimDate"}
    assert tables(lonely, "analyse") == {"stationVolumeByMonth", "stationByKind", "semanticModel"}
    assert kpi(lonely, "stationVolumeByMonth").where == "`isCurrent` AND `stationKey` <> -1"


def test_a_table_reached_by_two_ways_has_a_reference_for_each_that_says_which(designer: Designer) -> None:
    session = {"id": INT, "courseId": to("course.id"), "heldAt": TIME, "minutes": INT, "present": F("bool")}
    attendance = {"attendance[].studentId": to("student.id"), "attendance[].present": F("bool"), "attendance[].minutesLate": INT}
    canon = canon_of(
        entity("branch", {"id": INT, "name": TEXT}),
        entity("student", {"id": INT, "branchId": to("branch.id"), "status": one_of("active", "left")}),
        entity("teacher", {"id": INT, "branchId": to("branch.id")}),
        entity("course", {"id": INT, "teacherId": to("teacher.id"), "branchId": to("branch.id")}),
        entity("session", {**session, **attendance}),
    )
    made = designer.covenant(canon)
    assert references(made, "factSession")["branchKey"] == ("dimBranch", "courseId"), "one way: the course's, not its teacher's"
    attended = references(made, "factSessionAttendance")
    assert attended["courseBranchKey"] == ("dimBranch", "sessionId")
    assert attended["studentBranchKey"] == ("dimBranch", "studentId")
    assert list(attended).index("courseBranchKey") < list(attended).index("studentBranchKey"), "what it belongs to comes first"
    assert "branchKey" not in attended
    rate = kpi(made, "sessionAttendancePresentRateByMonth")
    assert rate.after == {"presentPct": "round(100.0D * `presentCount` / nullif(`presentKnownCount`, 0), 1)"}
    assert rate.reconcile.also["sum(`presentCount`)"] == "count_if(`present`)"
    assert kpi(made, "sessionPresentRateByCourse").chart.y == ["presentPct"]  # type: ignore[union-attr]
    assert kpi(made, "studentByStatus").where == "`isCurrent` AND `studentKey` <> -1"


def test_the_name_of_a_nested_record_is_not_the_rows_name(designer: Designer) -> None:
    fields = {"id": INT, "firstName": TEXT, "lastName": TEXT, "guardian.name": TEXT, "attributes.email": TEXT}
    made = designer.covenant(canon_of(entity("student", fields), entity("room", {"id": INT, "sponsor.name": TEXT})))
    student, room = (made.table(f"transform.{name}").build for name in ("dimStudent", "dimRoom"))
    assert isinstance(student, Dimension)
    assert isinstance(room, Dimension)
    assert (student.members, room.members) == ([{"studentId": -1, "lastName": "Unknown"}], [{"roomId": -1}])


def test_keys_unique_only_within_the_parent_are_composed(designer: Designer) -> None:
    tracker = designer.covenant(TRACKER)
    issue = tracker.table("transform.dimIssue").build
    assert isinstance(issue, Dimension)
    assert (issue.natural_key, issue.composed_of) == ("issueNaturalKey", ["number", "repoId"])
    remark = fact(tracker, "factRemark").references[0]
    assert (remark.dimension, remark.column, remark.key, remark.also) == ("dimIssue", "number", "number", {"repoId": "repoId"})
    assert references(tracker, "factRemark")["repoKey"] == ("dimRepo", "repoId"), "the parent's parent"
    assert tracker.table("transform.factIssue").primary_key == ["number", "repoId"]
    assert references(tracker, "factIssue") == {
        "issueKey": ("dimIssue", "number"),
        "repoKey": ("dimRepo", "repoId"),
        "assigneeKey": ("dimPerson", "assignee"),
    }
    own = fact(tracker, "factIssue").references[0]
    assert (own.key, own.also, own.version) == ("number", {"repoId": "repoId"}, "latest")


def test_a_parent_named_by_several_values_is_found_by_them(designer: Designer) -> None:
    by_name: Any = [{"parameter": "repo", "path": "name"}]
    canon = canon_of(
        entity("repo", {"id": INT, "owner.login": TEXT, "name": TEXT}),
        entity(
            "commit",
            {"sha": TEXT, "@parent[0]": TEXT, "@parent[1]": TEXT, "committedAt": TIME, "additions": NUMBER},
            key="sha",
            parent=ParentKey(entity="repo", path="owner.login", parameter="owner", also=by_name),
        ),
    )
    made = designer.covenant(canon)
    (reference,) = fact(made, "factCommit").references
    assert (reference.dimension, reference.key, reference.also) == ("dimRepo", "ownerLogin", {"repoName": "repoName"})


def test_references_of_a_source_may_lack_a_member(shop: Covenant) -> None:
    assert {reference.unmatched for reference in fact(shop, "factOrder").references} == {"unknown"}
    gates = {gate.name: gate.severity for gate in shop.table("transform.factOrder").gates}
    assert gates["references_matched"] == "WARN"


def test_a_circle_of_references_does_no_harm(designer: Designer) -> None:
    canon = canon_of(
        entity("a", {"id": INT, "b": to("b.id"), "createdAt": TIME}),
        entity("b", {"id": INT, "c": to("c.id"), "createdAt": TIME}),
        entity("c", {"id": INT, "a": to("a.id"), "self": to("c.id"), "createdAt": TIME}),
    )
    made = designer.covenant(canon)
    assert tables(made, "transform") >= {"dimA", "dimB", "dimC"}


def test_ids_that_count_from_one_refer_to_nothing(designer: Designer) -> None:
    canon = canon_of(entity("a", {"id": INT, "createdAt": TIME}), entity("b", {"id": to("a.id"), "at": TIME, "amount": NUMBER}))
    made = designer.covenant(canon)
    assert tables(made, "transform") == {"dimA", "factB", "dimDate"}
    assert references(made, "factB") == {}


def test_a_day_and_a_number_that_refer_to_nothing_are_a_dated_fact(designer: Designer) -> None:
    sales = {"day": F("date", key=True), "channel": F(key=True, values=("web", "shop")), "revenue": NUMBER}
    store = entity("store", {"id": INT, "name": TEXT, "openedOn": DATE, "revenue": NUMBER})
    made = designer.covenant(canon_of(entity("dailySale", sales, key="day"), store))
    assert tables(made, "transform") == {"factDailySale", "dimStore", "dimDate"}, "a store is known by its name"
    assert fact(made, "factDailySale").dates == {"dayDateKey": "day"}
    assert kpi(made, "dailySaleRevenueByMonth").group_by == ["month"]


def test_what_is_referred_to_by_its_name_is_a_dimension_whatever_it_refers_to(designer: Designer) -> None:
    """As departments, with their head, their site and the day they were entered."""
    links = {"headId": to("user.id"), "siteId": to("site.id"), "changeCount": INT}
    made = designer.covenant(
        canon_of(
            entity("user", {"id": INT, "name": F(pii="direct"), "departmentId": to("department.id")}),
            entity("site", {"id": INT, "name": TEXT}),
            entity("department", {"id": INT, "name": TEXT, "createdOn": DATE, **links}),
            entity("visit", {"id": INT, "userId": to("user.id"), "siteId": to("site.id"), "startedAt": TIME}),
        )
    )
    assert tables(made, "transform") == {"dimUser", "dimSite", "dimDepartment", "factVisit", "dimDate"}
    assert references(made, "factVisit").keys() == {"userKey", "siteKey", "departmentKey"}


def test_what_happened_is_a_dimension_too_where_members_refer_to_it(designer: Designer) -> None:
    order = {"id": INT, "shopId": to("shop.id"), "sellerId": to("seller.id"), "orderedAt": TIME, "total": NUMBER}
    canon = [entity("shop", {"id": INT, "name": TEXT}), entity("order", order)]
    seller = {"id": INT, "name": TEXT}
    made = designer.covenant(canon_of(*canon, entity("seller", {**seller, "firstOrderId": to("order.id")})))
    assert {"factOrder", "dimOrder", "dimSeller"} <= tables(made, "transform")
    made = designer.covenant(canon_of(*canon, entity("seller", {**seller, "lastOrderId": to("order.id")})))
    assert "dimOrder" not in tables(made, "transform"), "it is another one tomorrow"


@pytest.mark.parametrize(
    ("fields", "event"),
    [
        ({"updatedAt": TIME, "createdAt": TIME, "occurredAt": TIME}, "occurredAt"),
        ({"modified": TIME, "dueDate": DATE, "created": DATE, "birthDate": DATE}, "created"),
        ({"startedAt": TIME, "endedAt": TIME}, "startedAt"),
        ({"attributes.created_at": TIME}, "attributesCreatedAt"),
        ({"date": DATE, "last_seen": TIME}, "date"),
        ({"updatedAt": TIME, "closedAt": TIME, "expires": DATE}, None),
        ({"u.created_at": TIME, "u.id": to("user.id")}, None),
        ({"createdAt": TEXT}, None),
        ({"paidAt": TIME, "issuedOn": DATE, "updatedAt": TIME}, "issuedOn"),
        ({"occurredAt": F("timestamp", filled=0.6), "createdAt": TIME}, "createdAt"),
        ({"paidAt": F("timestamp", filled=0.8), "on": DATE}, "on"),
        ({"paidAt": F("timestamp", filled=0.8)}, "paidAt"),
    ],
)
def test_the_time_of_an_event(designer: Designer, fields: dict[str, F], event: str | None) -> None:
    links = {"userId": to("user.id"), "groupId": to("group.id")}
    canon = canon_of(entity("user", {"id": INT}), entity("group", {"id": INT}), entity("x", {"id": INT, **links, **fields}))
    made = designer.covenant(canon)
    assert ("factX" in tables(made, "transform")) == (event is not None)
    if event is not None:
        assert fact(made, "factX").event_time == event


@pytest.mark.parametrize(
    ("fields", "table"),
    [
        ({"recordedAt": TIME, "lat": NUMBER}, "transform.factReading"),
        ({"plannedAt": TIME, "city": TEXT}, "transform.factReading"),
        ({"recordedAt": TIME, "name": TEXT}, "transform.dimReading"),
        ({"createdAt": TIME, "street": TEXT}, "transform.dimReading"),
    ],
)
def test_what_has_no_name_and_a_time_is_an_event(designer: Designer, fields: dict[str, F], table: str) -> None:
    device = entity("device", {"id": INT, "name": TEXT})
    order = entity("order", {"id": INT, "deviceId": to("device.id"), "orderedAt": TIME, "total": NUMBER})
    made = designer.covenant(canon_of(device, order, entity("reading", {"id": INT, "deviceId": to("device.id"), **fields})))
    assert table.removeprefix("transform.") in tables(made, "transform")


@pytest.mark.parametrize(
    ("fields", "table"),
    [
        ({"initiationDate": DATE, "status": one_of("ongoing", "ended")}, "factRecall"),
        ({"initiationDate": DATE, "status": one_of("ongoing", "ended"), "title": TEXT}, "dimRecall"),
        ({"createdAt": TIME, "status": one_of("ongoing", "ended")}, "dimRecall"),
        ({"initiationDate": DATE, "city": one_of("Oslo", "Bergen")}, "dimRecall"),
    ],
)
def test_a_state_at_a_time_is_an_event_that_refers_to_nothing(designer: Designer, fields: dict[str, F], table: str) -> None:
    product = entity("product", {"id": INT, "name": TEXT})
    order = entity("order", {"id": INT, "productId": to("product.id"), "orderedAt": TIME, "total": NUMBER})
    made = designer.covenant(canon_of(product, order, entity("recall", {"id": INT, **fields})))
    assert table in tables(made, "transform")


def test_what_has_no_time_and_only_refers_is_counted(designer: Designer) -> None:
    made = designer.covenant(
        canon_of(
            entity("user", {"id": INT, "name": F(pii="direct")}),
            entity("post", {"id": INT, "userId": to("user.id"), "title": TEXT}),
            entity("comment", {"id": INT, "postId": to("post.id"), "name": TEXT}),
            entity("todo", {"id": INT, "userId": to("user.id"), "title": TEXT, "completed": F("bool")}),
        )
    )
    assert tables(made, "transform") == {"dimUser", "dimPost", "factComment", "factTodo"}
    assert references(made, "factComment") == {"postKey": ("dimPost", "postId"), "userKey": ("dimUser", "postId")}
    assert tables(made, "analyse") == {
        *("commentByPost", "commentByUser", "postByUser", "todoByUser", "todoCompletedRateByUser", "semanticModel")
    }
    posts = kpi(made, "postByUser")
    assert (posts.group_by, posts.where) == (["userId"], "`isCurrent` AND `postKey` <> -1")
    assert posts.reconcile.equals == f"count_if({posts.where})", "those that are counted, no others"
    text = document(made)
    assert "  t_dimPost([dimPost])\n  t_dimPost --> t_dimUser([dimUser])\n" in text, "an outrigger is drawn"
    assert "| dimPost | dimension | version of a post | dimUser |" in text
    told = [row for row in described(made).to_pylist() if row["kind"] == "relationship" and row["table"] == "refine.dimPost"]
    assert [(row["name"], row["expression"], row["type"]) for row in told] == [
        ("userId", "refine.dimUser.userId", "many to many")
    ]


def test_nobody_counts_by_addresses_hashes_names_or_technique(designer: Designer) -> None:
    shown = {
        "status.category.self": one_of("https://x.example/1", "https://x.example/2"),
        "status.name": one_of("open", "closed"),
        "tree": one_of("0123456789abcdef0", "1123456789abcdef0"),
        "title": one_of("v1", "v2"),
        "area": one_of("north", "south"),
    }
    flags = {"locked": F("bool"), "votes.hasVoted": F("bool"), "draft": F("bool"), "fields.urgent": F("bool")}
    issue = {"id": INT, "title": TEXT, "repoId": to("repo.id"), "created_at": TIME}
    made = designer.covenant(
        canon_of(
            entity("repo", {"id": INT, "name": TEXT}),
            entity("issue", issue),
            entity("pull", {"id": INT, "pullId": to("issue.id"), "repoId": to("repo.id"), "opened_at": TIME, **shown, **flags}),
        )
    )
    names = {name for name in tables(made, "analyse") if name.startswith("pull")}
    assert names == {
        *("pullVolumeByMonth", "pullByStatus", "pullByArea", "pullByRepo", "pullOpenByAge"),
        *("pullDraftRateByMonth", "pullDraftRateByRepo", "pullFieldsUrgentRateByMonth", "pullFieldsUrgentRateByRepo"),
    }


def test_lines_of_their_own_are_dated_by_their_order(designer: Designer) -> None:
    times = {"orderDate": TIME, "shippedDate": TIME}
    made = designer.covenant(
        canon_of(
            entity("category", {"id": INT, "name": TEXT}),
            entity("product", {"id": INT, "name": TEXT, "categoryId": to("category.id")}),
            entity("employee", {"id": INT, "title": TEXT}),
            entity("customer", {"id": INT, "companyName": TEXT}),
            entity("order", {"id": INT, "employeeId": to("employee.id"), "customerId": to("customer.id"), **times}),
            entity(
                "line",
                {"OrderID": to("order.id"), "ProductID": to("product.id"), "UnitPrice": NUMBER, "Quantity": INT, "@hash": TEXT},
                key="@hash",
            ),
        )
    )
    assert {"factOrder", "factLine", "dimOrder", "dimProduct"} <= tables(made, "transform")
    assert references(made, "factLine").keys() == {"orderKey", "productKey", "employeeKey", "customerKey", "categoryKey"}
    assert kpi(made, "lineVolumeByMonth").before == {"month": "make_date(year(`orderDate`), month(`orderDate`), 1)"}
    shown = tables(made, "analyse")
    assert {f"lineAmountBy{each}" for each in ("Month", "Product", "Category", "Employee")} <= {
        name.replace("lineLineAmount", "lineAmount") for name in shown
    }


def test_a_list_of_pairs_is_a_bridge(designer: Designer) -> None:
    canon = canon_of(
        entity("user", {"id": INT, "friendIds[]": to("user.id")}),
        entity("team", {"id": INT, "name": TEXT}),
        entity("membership", {"id": INT, "userId": to("user.id"), "teamId": to("team.id"), "role": one_of("a", "b")}),
    )
    made = designer.covenant(canon)
    assert references(made, "bridgeMembership") == {"userKey": ("dimUser", "userId"), "teamKey": ("dimTeam", "teamId")}
    assert {dimension for dimension, _ in references(made, "bridgeUserFriend").values()} == {"dimUser"}
    assert len(references(made, "bridgeUserFriend")) == 2


def test_what_belongs_to_a_parent_is_a_bridge_and_where_it_has_one_at_most_a_reference(designer: Designer) -> None:
    def pairs(name: str, of: str, parent: str, kept: dict[str, F], **plan: Any) -> CanonEntity:
        below = ParentKey(entity=parent, path="id", parameter="id", location="path")
        made = entity(name, kept, parent=below, scope="parent")
        fetch = made.fetch.model_copy(update={"pairs": of, **plan})
        return made.model_copy(update={"fetch": fetch})

    parent = F("int64", references="order.id", key=True)
    canon = canon_of(
        entity("product", {"id": INT, "name": TEXT}),
        entity("customer", {"id": INT, "company": TEXT}),
        entity("order", {"id": INT, "orderedAt": TIME, "total": NUMBER}),
        pairs("orderProduct", "product", "order", {"@parent": parent, "id": to("product.id")}),
        pairs("orderCustomer", "customer", "order", {"@parent": parent, "id": to("customer.id")}, completes="order"),
    )
    plain = [field.model_copy(update={"key": field.raw == "@parent"}) for field in canon.entities[-1].fields]
    *others, last = canon.entities
    made = designer.covenant(Canon(entities=(*others, last.model_copy(update={"fields": tuple(plain)}))))
    assert references(made, "bridgeOrderProduct") == {
        "orderKey": ("dimOrder", "orderId"),
        "productKey": ("dimProduct", "productId"),
    }
    assert references(made, "factOrder")["customerKey"] == ("dimCustomer", "customerId")
    assert {"orderByCustomer", "orderTotalByCustomer", "orderByProduct"} <= tables(made, "analyse")


def test_names_that_collide_get_other_names(designer: Designer) -> None:
    canon = canon_of(
        entity("ticket", {"id": INT, "key": TEXT, "validFrom": TIME, "isCurrent": F("bool"), "validTo": TIME}),
        entity("date", {"id": INT, "createdAt": TIME}),
        entity(
            "step",
            {"id": INT, "ticket": to("ticket.id"), "ticketKey": TEXT, "dateId": to("date.id"), "month": INT, "createdAt": TIME},
        ),
    )
    made = designer.covenant(canon)
    ticket = made.table("transform.dimTicket")
    assert isinstance(ticket.build, Dimension)
    assert ticket.build.surrogate_key == "ticketDimKey", "ticketKey is the source's own"
    assert {"ticketKey", "sourceValidFrom", "sourceIsCurrent", "validFrom", "isCurrent"} <= ticket.columns.keys()
    assert set(references(made, "factStep")) == {"ticketDimKey", "dateKey"}
    assert {"dimDate", "dimCalendar"} <= tables(made, "transform")
    assert kpi(made, "stepVolumeByMonth").group_by == ["eventMonth"]


# ---------------------------------------------------------------- meaning and figures


def test_statuses_become_flags_and_spans_durations(shop: Covenant) -> None:
    made = derived(shop, "factOrder")
    assert made["isOpen"] == (
        "CASE WHEN `closedAt` IS NOT NULL THEN false WHEN `status` IS NULL THEN true WHEN `status` IN ('open') THEN true "
        "WHEN `status` IN ('paid', 'cancelled') THEN false END"
    ), "a status seen later is neither"
    assert made["isStatusOpen"] == "coalesce(`status` = 'open', false)"
    assert made["isCancelled"] == "coalesce(`status` = 'cancelled', false)"
    assert "unix_micros(`closedAt`) - unix_micros(`orderedAt`)" in made["durationHours"]
    line = shop.table("refine.factOrderLine")
    assert "orderedAt" in line.columns, "a line happens when its order does"
    assert line.columns["orderedAt"].lineage == ["transform.dimOrder.orderedAt"]


def test_words_are_those_that_the_table_holds(designer: Designer, shop: Covenant) -> None:
    """Where rules have others read in their place, an expression that asks for those as they come finds no row."""
    texts = {"Open": "open", "PAID": "paid", "n/a": None, "paid": "cancelled", "cancelled": "paid"}
    order = next(each for each in SHOP.entities if each.entity == "order")
    reads = rule(id="r", kind="read_as", scope={"source": "acme", "entity": "order", "field": "status"}, values=texts)

    def of(*values: str) -> dict[str, str]:
        fields = tuple(f.model_copy(update={"values": values}) if f.raw == "status" else f for f in order.fields)
        canon = Canon(
            entities=tuple(each if each is not order else order.model_copy(update={"fields": fields}) for each in SHOP.entities)
        )
        return derived(designer.covenant(canon, reads), "factOrder")

    assert of("Open", "n/a", "cancelled", "paid") == derived(shop, "factOrder")
    assert of("Open", "open", "PAID", "cancelled", "paid") == derived(shop, "factOrder"), "each once"


def test_a_mark_of_deleted_records_is_the_word_that_the_table_holds(designer: Designer) -> None:
    fields = {"id": INT, "name": TEXT, "at": TIME, "status": one_of("live", "gone", "Gone")}

    def gone(**values: str | None) -> Gone | None:
        made = entity("visit", fields)
        mark = Deleted(path="status", values=["gone", "Gone"], evidence="")
        made = made.model_copy(update={"fetch": made.fetch.model_copy(update={"deleted": mark})})
        reads = rule(id="r", kind="read_as", scope={"source": "acme", "entity": "visit", "field": "status"}, values=values)
        build = designer.covenant(canon_of(made), reads).table("transform.dimVisit").build
        assert isinstance(build, Dimension)
        return build.gone

    assert (found := gone(Gone="gone")) is not None
    assert found.values == ["gone"]
    assert gone(Gone=None, gone=None) is None, "without a word every text would mark one"


def test_figures_of_a_fact(shop: Covenant) -> None:
    assert tables(shop, "analyse") == {
        *("orderVolumeByMonth", "orderByStatus", "orderByCustomer", "orderDurationHoursByMonth", "orderOpenByAge"),
        *("orderLineVolumeByMonth", "orderLineByProduct", "orderLineByCustomer"),
        *("orderLineQuantityByMonth", "orderLineQuantityByProduct", "orderLineQuantityByCustomer"),
        *("paymentVolumeByMonth", "paymentByOrder", "paymentByCustomer"),
        *("paymentAmountByMonth", "paymentAmountByOrder", "paymentAmountByCustomer", "semanticModel"),
    }
    for table in shop.tables():
        if isinstance(table.build, Kpi):
            assert table.build.chart is not None
            assert [gate.name for gate in table.gates] == ["totals_reconcile"]
    by_month = kpi(shop, "orderLineVolumeByMonth")
    assert by_month.measures == {
        "orderLineCount": "count(*)",
        "quantitySum": "sum(`quantity`)",
        "quantityAverage": "round(avg(cast(`quantity` AS double)), 4)",
        "priceAverage": "round(avg(cast(`price` AS double)), 4)",
    }, "prices of one each don't add up where there are quantities"
    assert by_month.reconcile.also == {"sum(`quantitySum`)": "sum(`quantity`)"}
    assert kpi(shop, "paymentAmountByMonth").chart.y == ["amountSum"]  # type: ignore[union-attr]
    assert kpi(shop, "orderDurationHoursByMonth").chart.y == ["durationHoursAverage"]  # type: ignore[union-attr]
    by_age = kpi(shop, "orderOpenByAge")
    assert by_age.measures["unmappedCount"] == "count_if(`isOpen` IS NULL)"
    assert by_age.reconcile.also == {"sum(`unmappedCount`)": "count_if(`isOpen` IS NULL)"}
    product = kpi(shop, "orderLineByProduct")
    assert (product.group_by, product.chart.x if product.chart else None) == (["productId"], "productName")


def test_numbers_that_are_no_quantities_are_not_added_up(designer: Designer) -> None:
    ticket = kpi(designer.covenant(DESK), "ticketVolumeByMonth")
    assert list(ticket.measures) == ["ticketCount", "repliesSum", "repliesAverage", "effortHoursSum", "effortHoursAverage"]


def test_no_sum_goes_over_several_currencies(designer: Designer) -> None:
    desk = designer.covenant(DESK)
    by_month = kpi(desk, "ticketFeeAmountByMonth")
    assert by_month.group_by == ["month", "feeCurrency"]
    assert by_month.chart is None, "a line of two currencies would say nothing"
    by_agent = kpi(desk, "ticketFeeAmountByAgent")
    assert by_agent.group_by == ["agentId", "feeCurrency"]
    assert "PARTITION BY `feeCurrency`" in by_agent.after["sharePct"] + by_agent.after["feeAmountSumOfAll"]
    once = F(values=("EUR",))
    fields = {"id": INT, "agentId": to("agent.id"), "paidAt": TIME, "amount": NUMBER, "currency": once}
    canon = canon_of(entity("agent", {"id": INT}), entity("payment", fields))
    assert kpi(designer.covenant(canon), "paymentAmountByMonth").group_by == ["month"], "one currency needs no group"


def test_a_fact_is_cut_by_the_other_side_of_a_bridge(designer: Designer) -> None:
    desk = designer.covenant(DESK)
    assert references(desk, "factTicket")["ticketKey"] == ("dimTicket", "ticketId")
    by_label = kpi(desk, "ticketByLabel")
    assert [join.table for join in by_label.joins] == ["refine.bridgeTicketLabel", "refine.dimLabel"]
    assert by_label.joins[0].on == {"ticketKey": "ticketKey"}
    assert by_label.reconcile.table == "refine.factTicket"


def test_a_member_of_a_bridge_takes_no_column_of_the_fact(designer: Designer) -> None:
    """As SWAPI: people and species are both known by their `url`; a joined `url` would replace that of the species."""
    fields = {"url": TEXT, "created": TIME, "homeworld": to("planet.url", "text"), "people[]": to("person.url", "text")}
    canon = canon_of(
        entity("planet", {"url": TEXT, "name": TEXT}, key="url"),
        entity("person", {"url": TEXT, "name": TEXT}, key="url"),
        entity("species", fields, key="url"),
    )
    made = designer.covenant(canon)
    figure = kpi(made, "speciesByPeople")
    assert figure.before["partOfRow"] == "1.0D / count(*) OVER (PARTITION BY `url`)"
    assert figure.group_by == ["peopleKey"]
    assert all("url" not in join.columns for join in figure.joins)


def test_columns_that_differ_in_case_only_are_one_to_a_figure(designer: Designer) -> None:
    """As at Sentry: an event's own `projectID` and the `projectId` of the project that it happened in."""
    by_project = ParentKey(entity="project", path="id", parameter="id", location="path")
    fields = {"projectID": TEXT, "@parent": to("project.id", "text"), "at": TIME, "members[]": to("member.id")}
    canon = canon_of(
        entity("project", {"id": TEXT, "name": TEXT}),
        entity("member", {"id": INT, "EVENTID": INT, "name": TEXT}),
        entity("event", {"id": INT, **fields}, parent=by_project),
    )
    made = designer.covenant(canon)
    assert {"projectID", "projectKey"} <= made.table("transform.factEvent").columns.keys()
    assert {"projectId", "eventCount"} <= made.table("analyse.eventByProject").columns.keys()


def test_nested_lists_that_refer_to_nothing_have_a_place_or_are_told(designer: Designer) -> None:
    desk = designer.covenant(DESK)
    assert references(desk, "factTicketPart")["ticketKey"] == ("dimTicket", "ticketId"), "it has amounts"
    assert references(desk, "factTicketField")["ticketKey"] == ("dimTicket", "ticketId"), "its names repeat"
    assert kpi(desk, "ticketFieldByName").group_by == ["ticketFieldName"]
    assert "lineAmount" in derived(desk, "factTicketPart")
    parts = kpi(desk, "ticketPartLineAmountByMonth")
    assert (parts.group_by, next(iter(parts.measures))) == (["month", "feeCurrency"], "lineAmountSum"), (
        "in the ticket's currencies"
    )
    (told,) = [str(notice) for notice in designer.notices if "only in Clean" in str(notice)]
    assert "ticketLink" in told
    assert "ticketField" not in told
    assert "sum(lineAmount)" in document(desk), "a column in an expression is no text in quotes"
    assert "| clean.ticketLink | one row per ticketLink | `ticketId` |" in document(desk)


def test_nested_lists_alone_leave_the_figures_of_their_owner(designer: Designer) -> None:
    canon = canon_of(entity("product", {"id": INT, "name": TEXT, "createdAt": TIME, "tags[]": one_of("new", "sale")}))
    made = designer.covenant(canon)
    assert tables(made, "transform") == {"dimProduct", "dimDate", "factProductTag"}
    assert tables(made, "analyse") >= {"productVolumeByMonth", "productTagByTag"}


@pytest.mark.parametrize(
    ("name", "values", "goes", "over"),
    [
        ("status", ("new", "Closed", "it's odd", "in progress"), "'new', 'in progress'", "'Closed'"),
        ("state", ("OPEN", "PARTIALLY_PAID", "PAID"), "'OPEN', 'PARTIALLY_PAID'", "'PAID'"),
        ("state", ("cancelled", "confirmed", "waiting"), "'waiting'", "'cancelled'"),
        ("status", ("active", "not completed"), None, None),
        ("status", ("closed", "done"), None, None),
        ("status", ("open", "closed; DROP"), None, None),
        ("kind", ("open", "closed"), None, None),
    ],
)
def test_what_a_status_says_of_the_end(
    designer: Designer, name: str, values: tuple[str, ...], goes: str | None, over: str | None
) -> None:
    links = {"userId": to("user.id"), "groupId": to("group.id"), "createdAt": TIME}
    fields = {"id": INT, **links, name: one_of(*values)}
    made = designer.covenant(canon_of(entity("user", {"id": INT}), entity("group", {"id": INT}), entity("x", fields)))
    said = f"CASE WHEN `{name}` IN ({goes}) THEN true WHEN `{name}` IN ({over}) THEN false END"
    assert derived(made, "factX").get("isOpen") == (said if over else None)
    assert ("xOpenByAge" in tables(made, "analyse")) == (over is not None)


def test_no_figure_shows_a_persons_name(shop: Covenant, designer: Designer) -> None:
    assert kpi(shop, "orderByCustomer").joins[0].columns == ["customerId"]
    canon = canon_of(
        entity("user", {"email": F(pii="direct"), "createdAt": TIME}, key="email"),
        entity("group", {"id": INT}),
        entity("visit", {"id": INT, "email": F(references="user.email", pii="direct"), "g": to("group.id"), "at": TIME}),
    )
    made = designer.covenant(canon)
    (name,) = [name for name, (dimension, _) in references(made, "factVisit").items() if dimension == "dimUser"]
    (figure,) = [one.build for one in made.tables() if isinstance(one.build, Kpi) and one.build.group_by == [name]]
    assert isinstance(figure, Kpi)
    assert not figure.joins


# ---------------------------------------------------------------- hostile text

HOSTILE = ("', now(), '", "`x`", "a\\' OR 1=1 --", '"', "😀", "x" * 200, "line\nbreak", "naïve", "", "${x}", "in progress", "a;b")


@pytest.mark.parametrize("value", HOSTILE)
def test_odd_values_are_no_part_of_an_expression(value: str) -> None:
    assert literal(value) == ("'in progress'" if value == "in progress" else None)


@pytest.mark.parametrize("name", ["`", "a b", "a`; --", "é", "", "1a", "x" * 121, "😀"])
def test_odd_names_are_no_part_of_an_expression(name: str) -> None:
    with pytest.raises(ValueError, match="can't be part of an expression"):
        quoted(name)


def test_hostile_fields_and_values_are_only_text(designer: Designer) -> None:
    odd = ["`; DROP", "a'b", 'q"q', "😀", "select", "order", "x y", "a`b", "$", "end", "case", "null", "--", "n" * 300]
    canon = canon_of(
        entity("order", {"id": INT, **{name.replace(".", ""): TIME for name in odd[:4]}, **dict.fromkeys(odd[4:], TEXT)}),
        entity("group", {"id": INT, "'name'": TEXT, "name": TEXT}),
        entity(
            "select",
            {
                "id": INT,
                "`o`": to("order.id"),
                "from": to("group.id"),
                "where": TIME,
                "end": TIME,
                "status": one_of(*HOSTILE),
                "state": one_of("open", "it's", "OPEN", "on hold"),
                "'; x": one_of("a", "b"),
            },
        ),
    )
    made = designer.covenant(canon)
    assert parse(text_of(made), "acme.yaml") == made
    assert "factSelect" in tables(made, "transform")
    flags = derived(made, "factSelect")
    assert {"isStateOpen", "isOnHold"} <= flags.keys()
    assert not any("'s" in expression or "drop" in expression.lower() for expression in flags.values())
    assert {"selectByStatus", "selectByState", "selectVolumeByMonth"} <= tables(made, "analyse")


# ---------------------------------------------------------------- a person's corrections


def test_a_written_rule_takes_the_place_of_a_derived_one(designer: Designer) -> None:
    person = rule(
        id="customer", kind="dimension", name="dimPerson", table="clean.customer", natural_key="customerId",
        members=[{"customerId": -1, "customerName": "Nobody"}],
    )  # fmt: skip
    figure = rule(
        id="by-month", kind="kpi", name="orderVolumeByMonth", title="Mine", **{"from": "refine.factOrder"}, grain="one row",
        measures={"n": "count(*)"}, reconcile={"expression": "sum(n)", "table": "refine.factOrder", "equals": "count(*)"},
    )  # fmt: skip
    open_ = rule(id="open", kind="derive", table="factOrder", column="isOpen", expression="closedAt IS NULL")
    made = designer.covenant(SHOP, person, figure, open_)
    assert "dimPerson" in tables(made, "transform")
    assert "dimCustomer" not in tables(made, "transform"), "one dimension per clean table"
    assert references(made, "factOrder")["customerKey"] == ("dimPerson", "customerId")
    assert kpi(made, "orderVolumeByMonth").rule == "by-month"
    assert derived(made, "factOrder")["isOpen"] == "closedAt IS NULL"
    assert "isPaid" in derived(made, "factOrder"), "the others stay"
    assert designer.covenant(SHOP, person, figure, open_) == made


def test_a_person_may_make_a_dimension_of_an_event(designer: Designer) -> None:
    payment = rule(id="p", kind="dimension", name="dimPayment", table="clean.payment", natural_key="paymentId")
    made = designer.covenant(SHOP, payment)
    assert "factPayment" not in tables(made, "transform")
    assert not any(name.startswith("payment") for name in tables(made, "analyse"))


def test_a_rule_leaves_out_what_it_names(designer: Designer) -> None:
    names = ("factPayment", "orderBy*", "factOrder.is*", "dimProduct", "dimDate", "nowhere")
    made = designer.covenant(SHOP, *(rule(id=f"no-{i}", kind="omit", name=name) for i, name in enumerate(names)))
    assert tables(made, "transform") == {"dimCustomer", "dimOrder", "dimPayment", "factOrder", "factOrderLine"}
    assert set(references(made, "factOrderLine")) == {"orderKey", "customerKey"}
    assert fact(made, "factOrder").dates == {}
    assert derived(made, "factOrder").keys() & {"isOpen", "isPaid", "durationHours"} == {"durationHours"}
    assert "orderByStatus" not in tables(made, "analyse")
    idle = [str(notice) for notice in designer.notices if notice.file == "written.md"]
    assert idle == ["written.md:7: the rule no-5 leaves nothing out: nothing is derived under the name nowhere"]


def test_a_rule_may_leave_out_everything(designer: Designer) -> None:
    made = designer.covenant(SHOP, rule(id="declared", kind="omit", name="*"))
    assert tables(made, "transform") == set()
    assert not any(column.references for table in made.tables() for column in table.schema_)


# ---------------------------------------------------------------- determinism and size


def test_the_same_canon_gives_the_same_bytes(designer: Designer) -> None:
    assert all(text_of(designer.covenant(canon)) == text_of(designer.covenant(canon)) for canon in (SHOP, FORUM, TRACKER))


def test_nothing_of_a_canon_without_keys_or_references_fails(designer: Designer) -> None:
    canon = canon_of(entity("log", {"line": TEXT, "blob": F("json")}, key="nowhere"), entity("v", {"id": F("decimal")}))
    made = designer.covenant(canon)
    assert tables(made, "transform") == {"dimV"}
    build = made.table("transform.dimV").build
    assert isinstance(build, Dimension)
    assert build.composed_of == ["vId"], "a key that is neither a whole number nor text is told by its text"
    assert tables(made, "analyse") == {"vVolume", "semanticModel"}
    assert designer.covenant(Canon(entities=())).table("log.runs") is not None


def large(entities: int) -> Canon:
    made = [entity(f"thing{i}", {"id": INT, "name": TEXT, "createdAt": TIME}) for i in range(entities // 2)]
    for i in range(entities // 2):
        fields = {f"thing{(i + k) % (entities // 2)}Id": to(f"thing{(i + k) % (entities // 2)}.id") for k in range(3)}
        more = {
            "createdAt": TIME,
            "status": one_of("open", "done"),
            "lines[].thing0Id": to("thing0.id"),
            "lines[].amount": NUMBER,
        }
        made.append(entity(f"event{i}", {"id": INT, **fields, **more, **{f"f{k}": TEXT for k in range(30)}}))
    return canon_of(*made)


def test_sixty_entities_are_designed_in_seconds(designer: Designer) -> None:
    start = time.process_time()
    made = designer.covenant(large(60))
    assert len(tables(made, "transform")) == 30 + 30 + 30 + 30 + 1
    assert time.process_time() - start < 120


def test_a_column_is_sparse_where_a_rule_says_that_its_field_may_be_empty(designer: Designer, shop: Covenant) -> None:
    here = {"source": "acme", "entity": "customer", "field": "createdAt"}
    told = designer.covenant(SHOP, rule(id="may-be-empty", kind="required", scope=here, required=False)).table("clean.customer")
    assert [column.name for column in told.schema_ if column.sparse] == ["createdAt"]
    assert not any(column.sparse for column in shop.table("clean.customer").schema_)


def test_a_reference_is_named_by_what_it_is_to_the_row(designer: Designer) -> None:
    container = {"id": TEXT, "ownerCustomerId": to("customer.id"), "lastCallId": to("call.id"), "depotId": to("depot.id")}
    line = {"lines[].containerNo": to("container.id", "text"), "lines[].amount": NUMBER}
    booking = {"id": INT, "customerNo": to("customer.id"), "bookedAt": TIME, "authors[].id": to("person.id"), **line}
    canon = canon_of(
        entity("customer", {"id": INT, "name": TEXT}), entity("person", {"id": INT}), entity("call", {"id": INT}),
        entity("depot", {"id": INT}), entity("container", container), entity("booking", booking),
    )  # fmt: skip
    made = designer.covenant(canon)
    lines = references(made, "factBookingLine")
    assert lines["customerKey"] == ("dimCustomer", "bookingId"), "the booking's own customer is the line's"
    assert lines["containerCustomerKey"] == ("dimCustomer", "containerNo")
    assert lines["depotKey"] == ("dimDepot", "containerNo")
    assert "callKey" not in lines, "where the container was last is not where it was when the line was booked"
    assert "customerKey" in references(made, "factBooking")
    bridge = made.table("transform.bridgeBookingAuthor").build
    assert isinstance(bridge, Bridge)
    assert [reference.name for reference in bridge.references] == ["bookingKey", "authorKey"]


def test_lines_have_the_customer_that_their_invoice_has_whoever_else_it_names(designer: Designer) -> None:
    def made(**more: F) -> Covenant:
        invoice = {"id": INT, **more, "customerId": to("customer.id"), "issuedAt": TIME, "lines[].amount": NUMBER}
        return designer.covenant(canon_of(entity("customer", {"id": INT, "name": TEXT}), entity("invoice", invoice)))

    before, now = made(), made(billingCustomerId=to("customer.id"))
    (was,), (key,) = ([r for r in fact(each, "factInvoiceLine").references if r.via] for each in (before, now))
    assert (key.name, key.via[0].take) == ("customerKey", "customerId")
    assert key == was
    assert references(now, "factInvoice")["customerKey"] == ("dimCustomer", "customerId")
    assert references(now, "factInvoice")["billingKey"] == ("dimCustomer", "billingCustomerId")
    assert not [change for change in diff(before, now) if change.breaking]


def test_a_reference_is_called_neither_by_its_wrapping_nor_by_the_links_it_lies_in(designer: Designer) -> None:
    """As ServiceNow's `assigned_to.value`, and HAL's addresses."""
    fields = {
        "assigned_to.value": to("user.sys_id", "text"),
        "links.owner.href": to("user.links.self.href", "text"),
        "parents[].links.self.href": to("commit.links.self.href", "text"),
        "summary.raw": one_of("fix", "more"),
        "type": one_of("a", "b"),
        "at": TIME,
    }
    user = entity("user", {"sys_id": TEXT, "links.self.href": TEXT, "city": TEXT}, key="sys_id")
    made = designer.covenant(canon_of(user, entity("commit", {"links.self.href": TEXT, **fields}, key="links.self.href")))
    assert {"assignedToKey", "ownerKey"} <= references(made, "factCommit").keys()
    assert references(made, "bridgeCommitParent").keys() == {"commitKey", "parentKey"}
    assert {"commitByType", "commitByParent"} <= tables(made, "analyse")
    assert not any("Raw" in name or "Links" in name for name in tables(made, "analyse"))


def test_a_column_is_as_personal_as_what_it_is_made_of(designer: Designer) -> None:
    made_of = {
        "shortMail": ("concat(substring(email, 1, 3), '…')", None),
        "mailHash": ("sha2(email, 256)", None),
        "mailLength": ("length(email)", None),
        "hasMail": ("email IS NOT NULL", None),
        "mailHost": ("split(email, '@')[1]", "none"),
        "idText": ("cast(customerId AS string)", None),
    }
    rules = [
        rule(
            id=f"r-{name.lower()}",
            kind="derive",
            table="dimCustomer",
            column=name,
            expression=text,
            **({"pii": pii} if pii else {}),
        )
        for name, (text, pii) in made_of.items()
    ]
    columns = designer.covenant(SHOP, *rules).table("refine.dimCustomer").columns
    assert {name: str(columns[name].pii) for name in made_of} == {
        "shortMail": "direct", "mailHash": "indirect", "mailLength": "indirect", "hasMail": "none", "mailHost": "none",
        "idText": "none",
    }  # fmt: skip


def test_a_wrong_column_of_an_expression_is_told_with_those_that_are_there(designer: Designer) -> None:
    figure = rule(
        id="mine", kind="kpi", name="byStatus", title="Mine", **{"from": "refine.factOrder"}, grain="one row", group_by=["status"],
        measures={"n": "count(stattus)"}, reconcile={"expression": "sum(n)", "table": "refine.factOrder", "equals": "count(*)"},
    )  # fmt: skip
    column = rule(id="late", kind="derive", table="factOrder", column="isLate", expression="closedOn IS NULL")
    for given, name, meant in ((figure, "stattus", "status"), (column, "closedOn", "closedAt")):
        with pytest.raises(DocumentError) as told:
            designer.covenant(SHOP, given)
        assert f"does not work: unknown column '{name}'; valid: " in str(told.value)
        assert f"did you mean '{meant}'?" in str(told.value)
        assert "Identifier" not in str(told.value)


def thing(column: str) -> tuple[CanonEntity, Table]:
    """An entity that was measured, with the column, a fraction unless its name says otherwise, and its Clean table."""
    whole = (
        "Year",
        "Version",
        "port",
        "Order",
        "Position",
        "No",
        "plz",
        "Number",
        "pages",
        "stars",
        "Burned",
        "Kbps",
        "max",
        "Years",
    )
    kind = INT if any(text in column for text in whole) else F("float64")
    (made,) = canon_of(entity("thing", {"id": INT, "measuredAt": TIME, column: kind})).entities
    columns = [Column(name=f.target, type=f.type, source=[f.raw]) for f in made.fields]
    return made, Table(table="clean.thing", description="", steps=[], entity="thing", primary_key=["thingId"], schema=columns)


@pytest.mark.parametrize(
    ("column", "adds"),
    [
        ("amount", "all"), ("taxTotal", "all"), ("watchedSeconds", "all"), ("weightKg", "all"), ("areaHa", "all"), ("pages", "all"),
        ("caloriesBurned", "all"), ("fine", "all"), ("grossWeightKg", "all"), ("pricePaid", "all"),
        ("balance", "atOneTime"), ("closingBalance", "atOneTime"), ("stockOnHand", "atOneTime"), ("saldo", "atOneTime"),
        ("price", "never"), ("pricePerTon", "never"), ("interestRate", "never"), ("liabilityPct", "never"), ("temperatureC", "never"),
        ("humidity", "never"), ("stars", "never"), ("maxParticipants", "never"), ("noClaimsYears", "never"), ("bitrateKbps", "never"),
        ("avgHeartRate", "never"), ("batteryV", "never"), ("gpa", "never"), ("elevationM", "never"),
        ("latitude", None), ("longitude", None), ("releaseYear", None), ("schemaVersion", None), ("port", None), ("billingOrder", None),
        ("waitlistPosition", None), ("seqNo", None), ("plz", None), ("customerNumber", None),
    ],
)  # fmt: skip
def test_what_adds_up(column: str, adds: str | None) -> None:
    entity_, table = thing(column)
    found = {each.column: each.adds for each in amounts(Node("thing", entity_, table, {f.target: f for f in entity_.fields}))}
    assert found.get(column) == adds
