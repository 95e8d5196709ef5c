"""Records of projects, releases, cycles with their phases, and users, with the keys and types observed.

Dates that people plan come twice: epoch milliseconds at UTC midnight and MM/DD/YYYY of the same UTC day (C08).
"""

from __future__ import annotations

from typing import Any

from spectra_assets.standin.chance import DAY_MS, FIRST_DAY_MS, Kind, detail, mix, title, us_date
from spectra_assets.standin.layout import Cycle, Phase, Project, Release, World

Record = dict[str, Any]

_FIRST_NAMES = (
    "Ana",
    "Jürgen",
    "Zoë",
    "Олена",
    "李",
    "Seán",
    "فاطمة",
    "Nguyễn",
    "Mary-Jane",
    "D'Arcy",
    "陽子",
    "Łukasz",
)
_LAST_NAMES = ("García", "Müller", "O'Neil", "Шевченко", "王", "Smith", "Çelik", "van der Berg", "Ng", "Åkesson 🧪")
_ROLES = ((1, "manager"), (2, "lead"), (3, "tester"), (4, "dashboard user"))


def project_record(world: World, project: Project) -> Record:
    """One project as /project/details gives it. externalId is absent from 1 in 19, endDate present in one only."""
    chance = mix(world.seed, Kind.PROJECT, project.id)
    record: Record = {
        "id": project.id,
        "version": chance % 4,
        "name": project.name,
        "description": detail(chance),
        "startDate": project.start,
        "projectStartDate": us_date(project.start),
    }
    if project.id == 2:
        record |= {"endDate": project.start + 500 * DAY_MS, "projectEndDate": us_date(project.start + 500 * DAY_MS)}
    record |= {
        "status": str(1 + chance % 2),
        "showItem": True,
        "newItem": False,
        "externalSystem": "JIRA" if project.id % 3 else "",
        "dtsId": 1,
        "members": [] if project.id % 2 == 0 else _members(world, project),
        "projectGroups": [],
        "sharedProjects": [],
        "isolationLevel": 0,
        "dashboardSecured": False,
        "dashboardRestricted": False,
        "createdOn": project.start + chance % DAY_MS,
        "shared": False,
        "active": True,
        "customProperties": {},
        "customFieldValues": [],
        "globalProject": False,
        "allowedGlobalProject": False,
        "autoUpdateTestStatus": bool(chance & 64),
    }
    if project.id % 19 != 3:
        record["externalId"] = 10_000 + project.id
    return record | {"webhookId": 0, "allowedInternalRequirements": True, "attachmentStorageId": 1}


def _members(world: World, project: Project) -> list[Record]:
    """3 to 5 members: {userId, roleId, projectId, allocation in percent} (only userId is known, the rest inferred)."""
    count = min(3 + project.id % 3, world.users)
    return [
        {
            "userId": 1 + (project.id * 7 + number) % world.users,
            "roleId": 1 + number % 3,
            "projectId": project.id,
            "allocation": 100 - 25 * (number % 3),
        }
        for number in range(count)
    ]


def project_lite(project: Project) -> Record:
    """One project in the short form of /project/lite and ?isLite=true (inferred: the identifying keys)."""
    return {"id": project.id, "name": project.name, "startDate": project.start, "active": True}


def release_record(world: World, release: Release) -> Record:
    """One release. status, description, startDate and endDate (each with its text twin) are optional keys."""
    record: Record = {"id": release.id, "name": release.name}
    if release.description is not None:
        record["description"] = release.description
    if release.start is not None:
        record |= {"startDate": release.start, "releaseStartDate": us_date(release.start)}
    if release.end is not None:
        record |= {"endDate": release.end, "releaseEndDate": us_date(release.end)}
    record["createdDate"] = release.created
    if release.status is not None:
        record["status"] = release.status
    return record | {
        "projectId": release.project_id,
        "orderId": release.order,
        "globalRelease": False,
        "projectRelease": release.hidden,
        "hasChild": release.id in world.cycles_of_release,
        "syncEnabled": False,
    }


def cycle_record(world: World, cycle: Cycle) -> Record:
    """One cycle with its phases embedded under `cyclePhases`."""
    chance = mix(world.seed, Kind.CYCLE, cycle.id)
    phases = world.phases_of_cycle.get(cycle.id, ())
    return {
        "id": cycle.id,
        "environment": ("Staging", "Linux | Chrome", "", "生产环境")[chance % 4],
        "build": f"{cycle.id}.{chance % 50}",
        "name": cycle.name,
        "startDate": cycle.start,
        "endDate": cycle.end,
        "cycleStartDate": us_date(cycle.start),
        "cycleEndDate": us_date(cycle.end),
        "status": cycle.status,
        "revision": cycle.revision,
        "releaseId": cycle.release_id,
        "cyclePhases": [phase_record(phase) for phase in phases],
        "createdOn": cycle.start - chance % DAY_MS,
        "hasChild": bool(phases),
    }


def phase_record(phase: Phase) -> Record:
    """One phase of a cycle; `tcrCatalogTreeId` is a root node of its release's testcase tree."""
    return {
        "id": phase.id,
        "name": phase.name,
        "tcrCatalogTreeId": phase.node_id,
        "freeForm": phase.id % 4 == 0,
        "startDate": phase.start,
        "endDate": phase.end,
        "createdOn": phase.start - phase.id * 1_001 % DAY_MS,
        "cycleId": phase.cycle_id,
        "phaseStartDate": us_date(phase.start),
        "phaseEndDate": us_date(phase.end),
        "resetExecution": False,
        "hasChild": False,
    }


def user_enabled(world: World, user_id: int) -> bool:
    """One account in seventeen is disabled from the start, others are deactivated as days pass."""
    return user_id % 17 != 0 and user_id not in world.disabled


def user_name(world: World, user_id: int) -> str:
    """Full name of user `user_id` (1 ≤ user_id ≤ users)."""
    known = world.user_names.get(user_id)
    if known is None:
        known = world.user_names[user_id] = " ".join(_names(world, user_id))
    return known


def _names(world: World, user_id: int) -> tuple[str, str]:
    chance = mix(world.seed, Kind.USER, user_id)
    return _FIRST_NAMES[chance % len(_FIRST_NAMES)], _LAST_NAMES[(chance >> 8) % len(_LAST_NAMES)]


def user_record(world: World, user_id: int) -> Record:
    """One user; two of three have roles [{id, name}]."""
    first, last = _names(world, user_id)
    roles = [_ROLES[user_id % 4]] if user_id % 3 else []
    if user_id == 1:
        roles = [_ROLES[0], _ROLES[1]]
    return {
        "id": user_id,
        "username": f"user{user_id}" if user_id > 1 else "test.manager",
        "firstName": first,
        "lastName": last,
        "email": f"user{user_id}@example.com",
        "accountEnabled": user_enabled(world, user_id),
        "accountExpired": False,
        "credentialsExpired": False,
        "roles": [{"id": role_id, "name": name} for role_id, name in roles],
        "userType": 1 if user_id == 1 else 0,
        "chargeableFlag": True,
        "onlyLoggedInUser": False,
        "groupSet": [],
        "countAttempts": 0,
        "isInternal": bool(user_id % 5),
        "fullName": f"{first} {last}",
    }


def user_token_record(world: World) -> Record:
    """The caller's API token as /usertoken lists it, without the token itself (inferred)."""
    return {
        "id": 1,
        "userId": 1,
        "name": title(world.seed),
        "createdOn": FIRST_DAY_MS,
        "expiryOn": None,
        "active": True,
    }
