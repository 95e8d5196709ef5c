"""Foreign keys by inclusion, with the traps: names that mislead, small numbers that are in everything, ids of nobody known."""

from __future__ import annotations

import re
import uuid

import pytest

from spectra_assets.covenant.access import Auth, Fetch, Server
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.model import EntityHint, Pack
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.stages.prepare.fields.canonise import canonise
from spectra_assets.stages.prepare.fields.declared import declared_references
from spectra_assets.stages.prepare.fields.idnames import stem_of
from spectra_assets.stages.prepare.fields.keys import keep_keys, keys_of, read_keys
from spectra_assets.stages.prepare.fields.references import referenced
from tests.covenant.canons import playbooks, rule


def found(samples, whole=True, before=None, described=None, called=None, **scopes):
    """Entity → raw path → reference; and what dangles. `called`: entity → its primary key, where that is not `id`."""
    called = called or {}
    canon: dict[str, CanonEntity] = {}
    for name, records in samples.items():
        key, scope = called.get(name, "id"), scopes.get(name, "entity")
        fetch = Fetch(entity=name, path=f"/{name}", primary_key=key, key_scope=scope)
        hint = EntityHint(entity=name, description="", routes=[f"/{name}"])
        canon[name], _ = canonise(hint, fetch, 0, records, None, [], {name})
    keys = {name: keys_of(records, called.get(name, "id"), whole) for name, records in samples.items()}
    done, dangling = referenced(canon, samples, keys, {}, {}, before or {}, described or {})
    shown = {name: {f.raw: f.references for f in entity.fields if f.references} for name, entity in done.items()}
    return {name: fields for name, fields in shown.items() if fields}, dangling, done


def rows(count, start=1, step=1, **fields):
    return [{"id": start + n * step, **{k: make(n) for k, make in fields.items()}} for n in range(count)]


def test_a_name_and_inclusion_agree():
    posts = rows(40, authorId=lambda n: n % 20 + 1, editor=lambda n: {"id": n % 5 + 1, "name": "x"}, user=lambda n: n % 3 + 1)
    shown, dangling, done = found({"user": rows(20), "post": posts})
    assert shown == {"post": {"authorId": "user.id", "editor.id": "user.id", "user": "user.id"}}
    assert dangling == {}
    assert "20 of 20 different values are ids of user (all)" in next(f.note for f in done["post"].fields if f.raw == "authorId")


@pytest.mark.parametrize("how", ["before", "described"])
def test_what_was_found_before_or_is_described_holds_although_some_refer_to_nothing(how):
    """A new stage that no pipeline lists: 30 of 210 deals have it."""
    stages = [{"id": name, "label": name} for name in ("made", "won", "lost")]
    deals = rows(210, via=lambda n: n % 3 + 1, state=lambda n: "sent" if n % 7 == 0 else ("made", "won", "lost")[n % 3])
    samples = {"stage": stages, "carrier": rows(3), "deal": deals, "clerk": rows(9, above=lambda n: 2 if n else None)}
    shown, _, _ = found(samples)
    assert "state" not in shown.get("deal", {})
    told = {"deal": {"state": "stage.id", "via": "carrier.id"}, "clerk": {"above": "clerk.id"}}
    shown, dangling, _ = found(samples, **{how: told})
    assert (shown, dangling) == (told, {})
    away = {"deal": {"state": "carrier.id", "via": "stage.id"}}
    assert found(samples, **{how: away})[0] == found(samples)[0], "what the values do not bear out does not count"


def test_small_numbers_that_are_in_everything_prove_nothing():
    tasks = rows(50, priority=lambda n: n % 5 + 1, statusId=lambda n: n % 4 + 1, order=lambda n: n + 1, amount=lambda n: n % 9)
    shown, dangling, _ = found({"user": rows(30), "project": rows(60), "task": tasks})
    assert shown == {}
    assert dangling == {"task": {"statusId": "status"}}


def test_who_something_is_done_to_is_told_by_enough_ids_of_one_entity():
    lent = rows(60, start=500, rentedTo=lambda n: 2000 + n * 3 if n % 2 else None, bornIn=lambda n: 2000 + n)
    shown, _, _ = found({"student": rows(400, start=1999), "branch": rows(6), "instrument": lent})
    assert shown == {"instrument": {"rentedTo": "student.id"}}
    shown, _, _ = found({"student": rows(140, start=1999), "instrument": lent}, whole=False)
    assert shown == {"instrument": {"rentedTo": "student.id"}}, "ids beyond those sampled do not speak against it"
    shown, _, _ = found({"student": rows(400, start=1999), "instrument": rows(4, start=500, rentedTo=lambda n: 2000 + n)})
    assert shown == {}, "a few numbers meet ids by chance"


def test_how_many_there_are_of_something_is_no_id_of_it():
    """As GitLab: `user_notes_count` begins with what persons are called, and small numbers are ids of somebody."""
    samples = {
        "user": rows(15),
        "issue": [{"id": 900 + n, "user_notes_count": n % 15 + 1, "user": n % 15 + 1} for n in range(60)],
    }
    assert found(samples)[0] == {"issue": {"user": "user.id"}}


def test_a_misleading_name_loses_against_the_data():
    deals = rows(40, user_id=lambda n: 501 + n % 30)
    shown, _, done = found({"user": rows(20), "account": rows(30, start=501), "deal": deals})
    assert shown == {"deal": {"user_id": "account.id"}}
    assert "none the less named like user" in next(f.note for f in done["deal"].fields if f.raw == "user_id")


def test_uuids_need_no_name():
    ids = [str(uuid.UUID(int=n * 7919 + 2**100)) for n in range(30)]
    people = [{"id": each} for each in ids]
    shown, _, _ = found({"person": people, "job": rows(30, doneFor=lambda n: ids[n])})
    assert shown == {"job": {"doneFor": "person.id"}}


def test_orphans_and_nobody_are_borne_but_too_many_are_not():
    some = rows(100, userId=lambda n: 0 if n == 0 else n + 1)
    assert found({"user": rows(97), "log": some})[0] == {"log": {"userId": "user.id"}}
    shown, dangling, _ = found({"user": rows(50), "log": some})
    assert (shown, dangling) == ({}, {})


def test_what_is_named_like_most_of_its_ids_refers_to_them_and_the_others_are_orphans():
    """As at a school whose list of courses leaves out those that were deleted."""
    courses = [{"id": n, "title": f"T {n}"} for n in range(1, 96) if n % 8]
    enrolled = rows(190, course_id=lambda n: n % 95 + 1, room=lambda n: n % 95 + 1)
    assert found({"course": courses, "enrollment": enrolled})[0] == {"enrollment": {"course_id": "course.id"}}
    sold = rows(40, start=900, customerId=lambda n: f"c-{n}")
    shown, _, done = found({"customer": [{"id": f"c-{n}"} for n in range(26)], "sale": sold})
    assert shown == {"sale": {"customerId": "customer.id"}}
    assert "26 of 40 different values" in next(f.note for f in done["sale"].fields if f.raw == "customerId")
    assert found({"customer": [{"id": f"c-{n}"} for n in range(18)], "sale": sold})[0] == {}


def test_the_id_that_a_system_gives_each_record_is_referred_to_beside_the_key():
    """As at ServiceNow: a department is `id` 007, and everybody refers to its `sys_id`."""
    mark = "{:032x}".format
    departments = [{"id": f"{n:03}", "sys_id": mark(n + 7**40), "name": f"D {n}"} for n in range(9)]
    users = rows(40, department=lambda n: {"value": mark(n % 9 + 7**40)} if n % 6 else "")
    assert found({"department": departments, "user": users})[0] == {"user": {"department.value": "department.sys_id"}}


def test_of_a_sample_some_hits_do_with_the_name():
    orders = rows(50, customerId=lambda n: n * 37 + 1, cashierId=lambda n: n * 37 + 1)
    shown, dangling, _ = found({"customer": rows(600, step=3), "order": orders}, whole=False)
    assert shown == {"order": {"customerId": "customer.id"}}
    assert dangling == {"order": {"cashierId": "cashier"}}


def test_arrays_nested_keys_other_keys_and_the_entity_itself():
    cycles = [
        {"id": n, "phases": [{"id": 100 + n * 2, "x": 1}, {"id": 101 + n * 2, "x": 1}], "parentId": n - 1} for n in range(1, 9)
    ]
    users = [{"id": n, "login": f"u{n}"} for n in range(1, 9)]
    runs = rows(
        16,
        phaseId=lambda n: 102 + n,
        owner=lambda n: f"u{n % 8 + 1}",
        memberIds=lambda n: [n % 8 + 1, 3],
        userIds=lambda n: [n % 8 + 1],
    )
    shown, dangling, _ = found({"cycle": cycles, "user": users, "run": runs})
    assert shown["cycle"] == {"parentId": "cycle.id"}
    assert shown["run"] == {
        "phaseId": "cycle.phases[].id",
        "owner": "user.login",
        "userIds[]": "user.id",
        "memberIds[]": "user.id",
    }
    assert dangling == {}


def test_an_address_tells_whose_record_it_is_of_whatever_the_field_is_called():
    def place(kind, number):
        return f"https://api.example/v1/{kind}/{number}/"

    people = rows(9, url=lambda n: place("people", n + 1), home=lambda n: {"name": "x", "url": place("planets", n + 50)})
    planets = rows(9, url=lambda n: place("planets", n + 1))
    films = rows(
        4,
        characters=lambda n: [place("people", n + 700), place("people", n + 800)],
        trailer=lambda n: f"https://video.example/v1/people/{n}/",
        folder=lambda n: place("people", f"{n}/scenes"),
        mixed=lambda n: place(["people", "planets"][n % 2], n),
    )
    shown, dangling, done = found({"person": people, "planet": planets, "film": films}, whole=False)
    assert shown == {"film": {"characters[]": "person.url"}, "person": {"home.url": "planet.url"}}
    assert dangling == {}
    note = next(f.note for f in done["person"].fields if f.raw == "home.url")
    assert note == "addresses as those of planet, 0 of 9 among those known"


def test_what_a_record_tells_of_a_stage_beside_its_id_leaves_nothing_to_ask_for():
    """Of persons more is to be had, and of what has an id alone."""
    told = {
        "stage": lambda n: {"id": 700 + n % 5, "name": f"S{n % 5}"},
        "source": lambda n: {"id": n % 4 + 50, "public_name": "x"},
    }
    untold = {"recruiter": lambda n: {"id": n * 31, "name": "q"}, "credited_to": lambda n: {"id": n * 7, "name": "q"}}
    bare = {"type": lambda n: {"id": f"t{n % 5}"}}
    _, dangling, _ = found({"application": rows(40, **told, **untold, **bare)})
    assert {raw for fields in dangling.values() for raw in fields} == {"recruiter.id", "credited_to.id", "type.id"}


def test_many_ids_of_persons_outweigh_names_that_are_written_otherwise():
    users = rows(40, start=112_000, name=lambda n: f"Ann {n}")
    someone = {role: lambda n: {"id": 112_000 + n % 40, "name": f"A. {n % 40}"} for role in ("recruiter", "credited_to")}
    few = {"priority": lambda n: {"id": 112_000 + n % 3, "name": ("low", "mid", "high")[n % 3]}}
    shown, _, _ = found({"user": users, "application": rows(80, start=5, **someone, **few)})
    assert shown == {"application": {"recruiter.id": "user.id", "credited_to.id": "user.id"}}


def test_children_are_records_of_the_same_list():
    departments = rows(14, start=25_907, child_ids=lambda n: [25_910 + k for k in range(11) if n < 3 and k % 3 == n])
    shown, dangling, _ = found({"department": departments})
    assert (shown, dangling) == ({"department": {"child_ids[]": "department.id"}}, {})


def test_only_ids_that_a_list_could_have_ask_a_person():
    users = rows(9, accountId=lambda n: f"a{n}", displayName=lambda n: f"Ann {n}", email=lambda n: f"a{n}@x.example",
                 self=lambda n: f"https://api.example/v1/users/{n}")  # fmt: skip
    notes = rows(
        30,
        start=700,
        cashierId=lambda n: n * 37 + 1,
        noteable_id=lambda n: n * 41 + 9,
        noteable_type=lambda n: "Issue",
        short_id=lambda n: f"{n:08x}",
        web_id=lambda n: n * 43 + 77_000,
        admin_graphql_api_id=lambda n: f"gid://shop/Note/{n}",
        metadata=lambda n: {"plan_id": f"p{n}", "a": 1, "b": 2, "c": 3},
        chapter_id=lambda n: 30 - n,
        creator_id=lambda n: 1,
        writer=lambda n: {"self": f"https://api.example/v1/users/{n}", "accountId": f"gone{n}", "more": "x", "avatar": "y"},
        seller=lambda n: {"accountId": f"s{n}", "more": "x", "avatar": "y", "shopId": n % 9 + 900},
    )
    shown, dangling, done = found({"user": users, "note": notes})
    assert dangling == {"note": {"cashierId": "cashier", "seller.accountId": "account", "seller.shopId": "shop"}}
    unresolved = {f.raw for f in done["note"].fields if f.unresolved}
    assert unresolved == dangling["note"].keys()
    assert shown["note"]["writer.self"] == "user.self"


def test_ids_unique_only_below_a_parent_are_no_target():
    shown, _, _ = found({"issue": rows(10), "comment": rows(20, issueId=lambda n: n % 10 + 1)}, issue="parent")
    assert shown == {}


def test_the_id_of_what_a_parent_lists_is_that_of_what_it_is_called():
    """An app's users have the ids of users; lines that are counted below each order have no ids of lines."""
    users = [{"id": f"u-{n:03}"} for n in range(50)]
    samples = {"user": users, "appUser": users[:30], "line": rows(60), "orderLine": rows(9)}
    assert found(samples, appUser="parent", orderLine="parent")[:2] == ({"appUser": {"id": "user.id"}}, {})


def test_a_key_that_is_called_after_persons_tells_who_they_are():
    workers = [{"Employee_ID": f"{21000 + n:06}", "Manager_ID": f"{21000 + n % 7:06}"} for n in range(60)]
    shown, dangling, _ = found({"worker": workers}, called={"worker": "Employee_ID"})
    assert (shown, dangling) == ({"worker": {"Manager_ID": "worker.Employee_ID"}}, {})


def test_a_copy_of_the_own_key_is_no_reference():
    assert found({"user": [{"id": n, "userId": n} for n in range(1, 20)]})[0] == {}


def test_stems():
    names = ("authorId", "author.id", "author", "tag_ids[]", "relationships.author.data.id", "id", "attributes.owner_uuid")
    assert [stem_of(name) for name in names] == ["author", "author", "author", "tag", "author", "", "owner"]


def test_keys_are_kept_with_what_is_known_of_them(tmp_path):
    lakehouse = Lakehouse(str(tmp_path), "acme")
    keys = keys_of([{"id": 1, "code": "a", "name": "x"}, {"id": 2, "code": "a", "name": "y"}], "id", True)
    keep_keys(lakehouse, "thing", keys)
    assert read_keys(lakehouse, "thing") == keys
    assert (keys.values, keys.whole) == ({"id": [1, 2]}, True)
    assert read_keys(lakehouse, "other") is None


def test_persons_are_known_by_what_their_records_tell():
    crew = [{"id": n, "fullName": f"P {n}", "bossId": 1 + n % 3, "leadBy": n % 4 + 1} for n in range(1, 31)]
    jobs = rows(60, createdBy=lambda n: n % 30 + 1, assigned_to=lambda n: n % 25 + 1, width=lambda n: n % 9 + 1)
    shown, _, _ = found({"technician": crew, "job": jobs, "rack": rows(200)})
    assert shown == {
        "technician": {"leadBy": "technician.id"},
        "job": {"createdBy": "technician.id", "assigned_to": "technician.id"},
    }


def test_ids_of_persons_who_are_gone_are_not_taken_for_those_of_other_records():
    crew = [{"id": n, "fullName": f"P {n}"} for n in range(1, 31) if n % 6]
    jobs = rows(60, createdBy=lambda n: n % 30 + 1)
    assert found({"technician": crew, "job": jobs, "rack": rows(200)})[0] == {"job": {"createdBy": "technician.id"}}


def test_a_person_declares_what_a_field_refers_to():
    samples = {"user": rows(20), "task": rows(50, size=lambda n: n % 4 + 1, user=lambda n: n % 20 + 1)}
    assert found(samples)[0] == {"task": {"user": "user.id"}}
    told = playbooks(
        rule(id="a", kind="reference", scope={"entity": "task", "field": "size"}, to="user.id"),
        rule(id="b", kind="reference", scope={"entity": "task", "field": "user"}),
    )
    canon = found(samples)[2]
    declared = declared_references(canon, pack(), told)
    assert declared == {"task": {"size": "user.id", "user": ""}}
    done, _ = referenced(canon, samples, {}, {}, declared)
    assert [(field.raw, field.references) for field in done["task"].fields if field.references] == [("size", "user.id")]
    assert declared_references(canon, pack(size="user.id"), playbooks()) == {"task": {"size": "user.id"}}


@pytest.mark.parametrize(
    ("field", "to", "told"),
    [
        ("sizes", "user.id", "written.md:7: references: task has no field 'sizes'; its fields are id or size"),
        ("size", "users.id", "task.size can't refer to 'users.id': 'users' is no entity; entities are task or user"),
        ("size", "user.key", "task.size can't refer to 'user.key': the fields of user are id"),
    ],
)
def test_a_wrong_reference_names_what_is_valid(field: str, to: str, told: str):
    canon = found({"user": rows(20), "task": rows(50, size=lambda n: n % 4 + 1)})[2]
    wrong = playbooks(rule(id="a", kind="reference", scope={"entity": "task", "field": field}, to=to))
    with pytest.raises(DocumentError, match=re.escape(told)):
        declared_references(canon, pack(), wrong)
    with pytest.raises(DocumentError, match=re.escape(told.removeprefix("written.md:7: "))):
        declared_references(canon, pack(**{field: to}), playbooks())


def pack(**references: str) -> Pack:
    task = EntityHint(entity="task", description="", routes=["/task"], references=references)
    server = Server(base_url_env="ACME_URL", auth=Auth(kind="none"), probe="/")
    return Pack(source="acme", title="Acme", server=server, endpoints=[], entities=[task])


def test_a_field_called_like_a_key_is_that_key_as_far_as_it_was_seen():
    books = [{"id": f"978-{n:04d}", "isbn": f"978-{n:04d}"} for n in range(60)]
    loans = rows(80, start=7001, isbn=lambda n: f"978-{n % 120:04d}", code=lambda n: f"978-{n % 120:04d}")
    samples = {"book": [{"isbn": book["isbn"]} for book in books], "loan": loans}
    canon = {}
    for name, key in (("book", "isbn"), ("loan", "id")):
        hint = EntityHint(entity=name, description="", routes=[f"/{name}"])
        canon[name], _ = canonise(hint, Fetch(entity=name, path=f"/{name}", primary_key=key), 0, samples[name], None, [], {name})
    keys = {"book": keys_of(samples["book"], "isbn", False), "loan": keys_of(loans, "id", True)}
    done, _ = referenced(canon, samples, keys, {})
    assert {f.raw: f.references for f in done["loan"].fields if f.references} == {"isbn": "book.isbn"}


def test_orphans_untie_no_reference_that_was_found_before():
    def judged(share, before):
        orders = rows(40, start=900, buyer=lambda n: f"c{n}" if n < share * 40 else f"gone{n}")
        customers = [{"id": f"c{n}"} for n in range(40)]
        canon, samples = {}, {"customer": customers, "order": orders}
        for name, records in samples.items():
            hint = EntityHint(entity=name, description="", routes=[f"/{name}"])
            canon[name], _ = canonise(hint, Fetch(entity=name, path=f"/{name}"), 0, records, None, [], {name})
        keys = {name: keys_of(records, "id", True) for name, records in samples.items()}
        done, _ = referenced(canon, samples, keys, {}, {}, before)
        return next(field for field in done["order"].fields if field.raw == "buyer")

    stood = {"order": {"buyer": "customer.id"}}
    assert judged(1.0, {}).references == "customer.id"
    assert judged(0.6, {}).references is None
    assert judged(0.6, stood).references == "customer.id"
    assert "24 of 40 different values are ids of customer" in judged(0.6, stood).note
    assert judged(0.3, stood).references is None, "that is another field now"
    assert judged(0.6, {"order": {"buyer": "supplier.id"}}).references is None, "what it was is not there any more"
