"""Answers about projects, releases, cycles and users.

Observed: bare arrays on /project*, /release, /release/project, /cycle/release and /user; unknown ids on
/project/{id} and /user/{id} are 500 (C09). Inferred: everything whose docstring says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from spectra_assets.standin.calls import Call, Record, Refusal, Rows
from spectra_assets.standin.executions import ABSENT, Selection, status_of, tester_of
from spectra_assets.standin.layout import Project
from spectra_assets.standin.planning import (
    cycle_record,
    phase_record,
    project_lite,
    project_record,
    release_record,
    user_enabled,
    user_name,
    user_record,
)
from spectra_assets.standin.routes import Handler

_T = TypeVar("_T")


def known(items: Mapping[int, _T], key: int, status: int = 500) -> _T:
    """The item with this id; an unknown id is 500 as on /project/{id} (C09), unless `status` says otherwise."""
    item = items.get(key)
    if item is None:
        raise Refusal(status)
    return item


def _projects(call: Call) -> list[Record]:
    projects = call.world.projects
    if call.flag("isLite"):
        return [project_lite(project) for project in projects]
    return call.array(Rows("project", len(projects), lambda number: project_record(call.world, projects[number])))


def _project(call: Call) -> Record:
    return call.one("project", project_record(call.world, known(call.world.project_by_id, call.id("id"))))


def _lite_projects(call: Call) -> list[Record]:
    return [project_lite(project) for project in call.world.projects]


def _members(call: Call, project: Project) -> list[Record]:
    members: list[Record] = project_record(call.world, project)["members"]
    return members


def _projects_of_user(call: Call) -> list[Record]:
    user_id = call.id("UserID")
    projects = call.world.projects
    mine = [each for each in projects if user_id == 1 or user_id in {member["userId"] for member in _members(call, each)}]
    return call.array(Rows.of("project", [project_record(call.world, project) for project in mine]))


def _leads(call: Call) -> list[Record]:
    """One lead per project (inferred)."""
    return [{"projectId": each.id, "leadId": 1, "leadName": user_name(call.world, 1)} for each in call.world.projects]


def _team(call: Call) -> list[Record]:
    project = call.world.project_by_id.get(call.id("pid"))
    return _members(call, project) if project else []


def _allocated(call: Call) -> list[int]:
    """Ids of the caller's projects (inferred)."""
    return [project.id for project in call.world.projects]


def _releases(call: Call) -> list[Record]:
    """Releases of all projects, the hidden ones included; projectid isn't a parameter of it and is ignored."""
    releases = call.world.releases
    return call.array(Rows("release", len(releases), lambda number: release_record(call.world, releases[number])))


def _releases_of_project(call: Call) -> list[Record]:
    mine = [each for each in call.world.releases_of_project.get(call.id("projectid"), ()) if not each.hidden]
    return call.array(Rows("release", len(mine), lambda number: release_record(call.world, mine[number])))


def _paged_releases(call: Call) -> Record:
    mine = call.world.releases_of_project.get(call.id("projectid"), ())
    return call.page(Rows("release", len(mine), lambda number: release_record(call.world, mine[number])), "release")


def _release(call: Call) -> Record:
    """A release nobody made the caller a member of is 403, an unknown one too (C12, inferred)."""
    return call.one("release", release_record(call.world, known(call.world.release_by_id, call.id("releaseid"), 403)))


def _cycles_of_release(call: Call) -> list[Record]:
    cycles = call.world.cycles_of_release.get(call.id("releaseid"), ())
    return call.array(Rows("cycle", len(cycles), lambda number: cycle_record(call.world, cycles[number])))


def _cycle(call: Call) -> Record:
    return call.one("cycle", cycle_record(call.world, known(call.world.cycle_by_id, call.id("cycleid"))))


def _cycle_names(call: Call) -> list[Record]:
    """Cycles of a release whose name contains cycleName: [{id, name}] (inferred); without cycleName 500."""
    wanted = call.text("cycleName")
    if wanted is None:
        raise Refusal(500)
    cycles = call.world.cycles_of_release.get(call.id("releaseid"), ())
    return [{"id": cycle.id, "name": cycle.name} for cycle in cycles if wanted.lower() in cycle.name.lower()]


def _phase_names(call: Call) -> list[Record]:
    """[{id, name}] of phases (inferred); without ids 404."""
    phases = call.world.phase_by_id
    return [{"id": phases[number].id, "name": phases[number].name} for number in call.numbers("ids") if number in phases]


def _status_counts(call: Call) -> list[Record]:
    """Per cycle {cycleId, cycleName, statusCounts: {status: executions}}, `absent` for not executed (inferred)."""
    world, counts = call.world, []
    for cycle in world.cycles_of_release.get(call.id("releaseid"), ()):
        chosen = Selection(world, world.phases_of_cycle.get(cycle.id, ()))
        statuses = Counter(status_of(world, chosen.position(number)[1]) or ABSENT for number in range(chosen.count))
        counts.append({"cycleId": cycle.id, "cycleName": cycle.name, "statusCounts": dict(sorted(statuses.items()))})
    return counts


def _assignments(call: Call) -> list[Record]:
    """Per phase {…phase, assignments: [{testerId, count}]} (inferred)."""
    world = call.world
    rows = []
    for phase in world.phases_of_release.get(call.id("releaseid"), ()):
        testers = Counter(tester_of(world, position) for position in range(phase.first, phase.first + phase.count))
        assigned = [{"testerId": tester, "count": count} for tester, count in sorted(testers.items())]
        rows.append(call.one("cyclePhase", phase_record(phase)) | {"assignments": assigned})
    return rows


def _user_rows(call: Call, ids: Sequence[int]) -> Rows:
    return Rows("user", len(ids), lambda number: user_record(call.world, ids[number]))


def _users(call: Call) -> list[Record]:
    ids = range(1, call.world.users + 1)
    if call.flag("hidedisabledusers"):
        return call.array(_user_rows(call, [number for number in ids if user_enabled(call.world, number)]))
    return call.array(_user_rows(call, ids))


def _user(call: Call) -> Record:
    number = call.id("id")
    if not 1 <= number <= call.world.users:
        raise Refusal(500)
    return call.one("user", user_record(call.world, number))


def _users_of_project(call: Call) -> list[Record]:
    project = call.world.project_by_id.get(call.id("projectid"))
    ids = sorted({1} | {member["userId"] for member in _members(call, project)}) if project else []
    return call.array(_user_rows(call, ids))


def _users_on_screen(call: Call) -> Record:
    return call.page(_user_rows(call, range(1, call.world.users + 1)), "user")


def _zbot_users(call: Call) -> Any:
    raise Refusal(403, "User does not have access to perform this operation", "Forbidden")


def _projects_on_screen(call: Call) -> Record:
    wanted = (call.text("text") or "").lower()
    found = [project for project in call.world.projects if wanted in project.name.lower()]
    return call.page(Rows.of("project", [project_record(call.world, project) for project in found]), "project")


ROUTES: dict[str, Handler] = {
    "/project": _projects,
    "/project/details": _projects,
    "/project/normal": _projects,
    "/project/lite": _lite_projects,
    "/project/{id}": _project,
    "/project/all/leads": _leads,
    "/project/user/{UserID}": _projects_of_user,
    "/project/project/{UserID}": _projects_of_user,
    "/project/projectteam/{pid}": _team,
    "/project/allocated/projects": _allocated,
    "/project/count/allprojects": lambda call: len(call.world.projects),
    "/project/count/allusers": lambda call: call.world.users,
    "/release": _releases,
    "/release/{releaseid}": _release,
    "/release/project/{projectid}": _releases_of_project,
    "/release/paged/project/{projectid}": _paged_releases,
    "/cycle/{cycleid}": _cycle,
    "/cycle/release/{releaseid}": _cycles_of_release,
    "/cycle/cycleName/{releaseid}": _cycle_names,
    "/cycle/phase/name": _phase_names,
    "/cycle/status/count/{releaseid}": _status_counts,
    "/cycle/assignments/{releaseid}": _assignments,
    "/user": _users,
    "/user/filter": _users,
    "/user/{id}": _user,
    "/user/current": lambda call: call.one("user", user_record(call.world, 1)),
    "/user/project/{projectid}": _users_of_project,
    "/user/loggedin/count": lambda call: 1,
    "/user/validZbotUsers": _zbot_users,
    "/ui/users": _users_on_screen,
    "/ui/searchProjects": _projects_on_screen,
    "/ui/searchGroups": lambda call: call.page(Rows.of("group", []), "group"),
}
