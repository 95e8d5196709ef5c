"""Records of testcase trees, testcases, teststeps, requirement trees and requirements, computed from their position.

Testcase t of project p and requirement r of the same project refer to each other: three testcases in five cover one or
two requirements, and each requirement lists exactly the testcases which cover it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from spectra_assets.standin.chance import DAY_MS, FIRST_DAY_MS, TODAY_MS, Kind, detail, mix, title, us_date
from spectra_assets.standin.layout import OUTER, STABLE, VERSION, Node, Project, RequirementNode, World, shared_id
from spectra_assets.standin.planning import user_name

Record = dict[str, Any]

_SECOND_COVER = 7
"""Distance of the second requirement a testcase covers, where it covers two."""

_TAGS = ("smoke", "regression", "smoke regression", "", "größe", "api|ui", "nightly 🌙")


def node_record(world: World, node: Node, deep: bool = True) -> Record:
    """One node of a testcase tree; `deep` nests its children under `categories`, recursively.

    Roots have type Phase, the others Module and the optional key `parentId`.
    """
    chance = mix(world.seed, Kind.NODE, node.id)
    created = world.release_by_id[node.release_id].created
    record: Record = {
        "id": node.id,
        "type": "Phase" if node.parent_id is None else "Module",
        "name": node.name,
        "description": detail(chance),
        "revision": 1 + chance % 5,
        "categories": [node_record(world, world.node_by_id[child]) for child in node.children] if deep else [],
        "assignedUsers": [1 + (chance >> 8) % world.users] if chance % 3 else [],
        "releaseId": node.release_id,
        "linkedTCRCatalogTreeId": node.linked,
        "createdOn": created,
        "createdBy": 1 + chance % world.users,
        "lastModifiedBy": 1 + (chance >> 4) % world.users,
        "lastModifiedOn": created + chance % (30 * DAY_MS),
        "testcaseCount": node.count,
        "cumulativeTestcaseCount": cumulative(world, node),
    }
    if node.parent_id is not None:
        record["parentId"] = node.parent_id
    return record


def cumulative(world: World, node: Node) -> int:
    """Testcases on `node` and all nodes below it."""
    return node.count + sum(cumulative(world, world.node_by_id[child]) for child in node.children)


def project_of(world: World, position: int) -> Project:
    """The project of testcase `position`."""
    firsts, projects = world.project_of_testcase
    return projects[bisect_right(firsts, position) - 1]


def tree_testcase(world: World, position: int) -> Record:
    """The outer record of testcase `position`, as executions nest it: what ties a testcase version to a tree node.

    The record is shared between answers: read it, never change it.
    """
    known = world.tree_testcases.get(position)
    if known is not None:
        return known
    chance = mix(world.seed, Kind.TESTCASE, position)
    created = FIRST_DAY_MS + chance % (400 * DAY_MS)
    record = {
        "id": shared_id(position, OUTER),
        "tcrCatalogTreeId": world.node_of_testcase(position).id,
        "revision": 1 + (chance >> 8) % 9,
        "stateFlag": 0,
        "lastModifiedOn": created + (chance >> 20) % (200 * DAY_MS),
        "versionNumber": version_number(chance),
        "createDatetime": created,
        "createdById": 1 + (chance >> 12) % world.users,
    }
    world.tree_testcases[position] = record
    return record


def version_number(chance: int) -> int:
    """1 to 3, mostly 1."""
    return (1, 1, 1, 2, 1, 3)[(chance >> 5) % 6]


def testcase_record(world: World, position: int) -> Record:
    """One row of /testcase/tree/{treeid}; ids: outer, testcase.id (version), testcase.testcaseId (stable)."""
    chance = mix(world.seed, Kind.TESTCASE, position)
    outer = tree_testcase(world, position)
    node = world.node_of_testcase(position)
    return {
        **outer,
        "modifiedById": 1 + (chance >> 24) % world.users,
        "testcase": _inner_testcase(world, position, outer, chance),
        "projectId": node.project_id,
        "releaseId": node.release_id,
        "isDerivedFromBDD": False,
        "orderId": position - node.first + 1,
        "maxVersionNumber": outer["versionNumber"],
        "projectIdParam": node.project_id,
        "original": True,
    }


def _inner_testcase(world: World, position: int, outer: Record, chance: int) -> Record:
    project = project_of(world, position)
    created: int = outer["createDatetime"]
    creator: int = outer["createdById"]
    covered = [requirement + 1 for requirement in requirements_of(project, position)]
    custom = [{"id": 1, "displayName": "Component", "value": "core"}] if position % 25 == 6 else []
    return {
        "customProperties": {},
        "customProcessedProperties": {},
        "id": shared_id(position, VERSION),
        "name": f"{title(chance)} {position + 1}",
        "description": detail(chance),
        "priority": str(1 + (chance >> 3) % 5),
        "tag": _TAGS[(chance >> 14) % len(_TAGS)],
        "lastModifiedOn": outer["lastModifiedOn"],
        "creationDate": created - created % DAY_MS,
        "createDatetime": created,
        "tcCreationDate": us_date(created),
        "isComplex": False,
        "estimatedTime": 60 * ((chance >> 6) % 30),
        "writerId": creator,
        "creatorId": creator,
        "lastUpdaterId": 1 + (chance >> 24) % world.users,
        "oldId": 0,
        "automated": chance % 4 == 0,
        "customFieldProcessed": False,
        "customFieldValues": custom,
        "testcaseSequence": {"seqNumber": position + 1},
        "testcaseId": shared_id(position, STABLE),
        "versionNumber": outer["versionNumber"],
        "projectId": project.id,
        "testcaseType": "Test",
        "requirementIds": covered,
        "requirementIdsNew": covered,
        "creatorName": user_name(world, creator),
        "testcaseShared": False,
        "automatedDefault": False,
    }


def requirements_of(project: Project, position: int) -> list[int]:
    """Positions of the requirements that testcase `position` of `project` covers: none (40 %), one or two."""
    local = position - project.first_testcase
    if not project.requirements or not _covers(local):
        return []
    covered = [project.first_requirement + local % project.requirements]
    if local % 5 == 0:
        covered.append(project.first_requirement + (local + _SECOND_COVER) % project.requirements)
    return list(dict.fromkeys(covered))


def testcases_of(project: Project, requirement: int) -> list[int]:
    """Positions of the testcases that cover `requirement` of `project`: the inverse of `requirements_of`."""
    local, span = requirement - project.first_requirement, project.requirements
    first = [case for case in range(local, project.testcases, span) if _covers(case)]
    second = [case for case in range((local - _SECOND_COVER) % span, project.testcases, span) if case % 5 == 0]
    return [project.first_testcase + case for case in sorted({*first, *second})]


def _covers(local: int) -> bool:
    return local % 5 < 3


def step_count(world: World, position: int) -> int:
    """Number of steps of testcase `position`: 0 for 30 %, else 2 to 6."""
    chance = mix(world.seed, Kind.STEP, position)
    return 0 if chance % 10 < 3 else 2 + (chance >> 8) % 5


def steps_record(world: World, position: int) -> Record:
    """All steps of testcase `position`, as /testcase/{testcaseVersionId}/teststep gives them."""
    count = step_count(world, position)
    return {
        "id": position + 1,
        "maxId": count,
        "tcId": shared_id(position, VERSION),
        "tctId": shared_id(position, OUTER),
        "steps": [_step(world, position, number) for number in range(count)],
    }


def step_id(position: int, number: int) -> int:
    """Id of step `number` (from 0) of testcase `position`."""
    return 10 * position + number + 1


def _step(world: World, position: int, number: int) -> Record:
    chance = mix(world.seed, Kind.STEP, step_id(position, number) << 20)
    return {
        "id": step_id(position, number),
        "orderId": number + 1,
        "step": f"{title(chance)}: step {number + 1}",
        "data": "" if chance % 3 == 0 else detail(chance >> 3),
        "result": detail(chance >> 11),
    }


def requirement_node_record(world: World, node: RequirementNode, deep: bool = True) -> Record:
    """One node of a requirement tree; children nest under `categories`, only they have the key `parentId`."""
    seen = [release.id for release in world.releases_of_project[node.project_id] if not release.hidden][:3]
    record: Record = {
        "id": node.id,
        "name": node.name,
        "description": detail(mix(world.seed, Kind.REQUIREMENT, -node.id)),
        "projectId": node.project_id,
    }
    if node.parent_id is not None:
        record["parentId"] = node.parent_id
    children = [requirement_node_record(world, world.requirement_node_by_id[child]) for child in node.children]
    return record | {
        "categories": children if deep else [],
        "requirements": [],
        "releaseIds": seen,
        "releaseId": world.hidden_release_of[node.project_id].id,
        "type": "Requirement",
    }


def requirement_releases(world: World, position: int) -> list[int]:
    """Ids of the releases that requirement `position` is allocated to: up to two visible ones of its project."""
    node = world.node_of_requirement(position)
    seen = [release.id for release in world.releases_of_project[node.project_id][:4] if not release.hidden]
    return seen[position % 3 : position % 3 + position % 3]


def requirement_record(world: World, position: int) -> Record:
    """One requirement. testcaseIds holds stable testcase ids, testcaseVersionIds version ids."""
    chance = mix(world.seed, Kind.REQUIREMENT, position)
    node = world.node_of_requirement(position)
    project = world.project_by_id[node.project_id]
    cases = testcases_of(project, position)
    releases = requirement_releases(world, position)
    created = FIRST_DAY_MS + chance % (300 * DAY_MS)
    renamed = world.renamed.get(position)
    modified = created + (chance >> 20) % (90 * DAY_MS) if renamed is None else TODAY_MS + renamed * DAY_MS
    return {
        "customProperties": {},
        "customProcessedProperties": {},
        "id": position + 1,
        "name": f"{title(chance)} R{position + 1}" + (f" (day {renamed})" if renamed else ""),
        "priority": str(1 + chance % 5),
        "url": f"https://example.com/browse/REQ-{position + 1}?view=full&lang=de" if chance % 3 else "",
        "details": detail(chance),
        "createdOn": created,
        "reqCreationDate": us_date(created),
        "createdBy": 1 + (chance >> 8) % world.users,
        "lastModifiedBy": 1 + (chance >> 12) % world.users,
        "lastModifiedOn": modified,
        "createDatetime": created,
        "externalId": f"REQ-{position + 1}",
        "requirementType": chance % 2,
        "attachmentCount": int(chance >> 30) % 8 // 6,
        "testcaseIds": [shared_id(case, STABLE) for case in cases],
        "testcaseVersionIds": [shared_id(case, VERSION) for case in cases],
        "releaseIds": releases,
        "requirementTreeIds": [node.id],
        "requirementReleaseTestcaseCountMapping": [],
        "projectId": node.project_id,
        "customFieldProcessed": False,
        "customFieldValues": [],
        "releaseNames": [world.release_by_id[release].name for release in releases],
        "isBddSupported": False,
        "actualTestcaseIds": [shared_id(case, STABLE) for case in cases],
    }
