"""Names of columns: unique whatever their case, and steady."""

from __future__ import annotations

import pytest

from spectra_assets.covenant.access import Fetch, ParentKey
from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.paths import PARENT, PARENTS
from spectra_assets.stages.prepare.fields.naming import named


def targets(*raws: str) -> dict[str, str]:
    fields = tuple(CanonField(raw=raw, structure="scalar", target="", type="text", group="call") for raw in raws)
    fetch = Fetch(entity="call", path="/calls", primary_key="id")
    entity = CanonEntity(entity="call", order=1, fetch=fetch, primary_key="id", sample_size=1, fields=fields)
    return {field.raw: field.target for field in named([entity], {}, lambda *_: None)[0].fields}


@pytest.mark.parametrize("raws", [("NOTE", "Note", "id", "note"), ("id", "note", "Note", "NOTE")])
def test_of_fields_that_differ_in_capitals_alone_the_one_that_is_written_so_has_the_name(raws: tuple[str, ...]) -> None:
    found = targets(*raws)
    assert found["note"] == "note"
    assert sorted(found.values()) == ["callId", "note", "note2", "note3"]


def test_the_first_of_others_has_the_name() -> None:
    assert targets("id", "callId") == {"id": "callId", "callId": "callId2"}


def test_the_key_has_its_own_name_whatever_else_is_called_so() -> None:
    """A company's `company_id` is a number that its customer gave it."""
    fields = [
        CanonField(raw=raw, structure="scalar", target="", type="text", group="company", key=raw == "id")
        for raw in ("company_id", "id")
    ]
    company = CanonEntity(
        entity="company", order=0, fetch=Fetch(entity="company", path="/companies"), primary_key="id", sample_size=1,
        fields=tuple(fields),
    )  # fmt: skip
    (found,) = named([company], {}, lambda *_: None)
    assert {field.raw: field.target for field in found.fields} == {"id": "companyId", "company_id": "companyId2"}


@pytest.mark.parametrize("array", [False, True])
def test_what_names_a_parent_is_called_after_it_where_the_records_have_such_a_name(array: bool) -> None:
    """Tasks and their projects, or the table of pairs of both, whose keys are all called `gid`."""
    link = ParentKey(entity="project", path="gid", parameter="projectGid")
    project = CanonEntity(
        entity="project", order=0, fetch=Fetch(entity="project", path="/projects", primary_key="gid"), primary_key="gid",
        sample_size=1, fields=(_field("gid", "project"),),
    )  # fmt: skip
    asked = _field(PARENTS, "taskProject") if array else _field(PARENT, "task")
    task = CanonEntity(
        entity="task", order=1, fetch=Fetch(entity="task", path="/projects/{projectGid}/tasks", primary_key="gid", parent=link),
        primary_key="gid", sample_size=1, fields=(_field("gid", "task"), asked),
    )  # fmt: skip
    _, found = named([project, task], {}, lambda *_: None)
    assert [(field.group, field.target) for field in found.fields if field.raw.startswith(PARENT)] == [
        ("taskProject" if array else "task", "projectGid")
    ]
    assert {field.target for field in found.fields if field.raw == "gid"} == {"gid"}


def _field(raw: str, group: str) -> CanonField:
    return CanonField(raw=raw, structure="scalar", target="", type="text", group=group, key=True)
