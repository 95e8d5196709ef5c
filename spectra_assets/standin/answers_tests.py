"""Answers about testcase trees, testcases, teststeps, requirement trees and requirements.

Observed: trees are bare arrays of roots with nested `categories`; /testcase/tree and /requirement page in the envelope;
teststeps of what is no testcase version are 204 or 500. Inferred: everything whose docstring says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from spectra_assets.standin.answers_plan import known
from spectra_assets.standin.calls import Call, Record, Refusal, Rows
from spectra_assets.standin.layout import NODE, OUTER, STABLE, VERSION, Node, World, shared_id
from spectra_assets.standin.routes import Handler
from spectra_assets.standin.testware import (
    cumulative,
    node_record,
    project_of,
    requirement_node_record,
    requirement_record,
    requirement_releases,
    requirements_of,
    step_count,
    steps_record,
    testcase_record,
    testcases_of,
)


def case_position(world: World, number: int) -> int | None:
    """Position of the testcase with this outer, version or stable id; None if there is none."""
    position, kind = divmod(number, 8)
    return position if kind in (OUTER, VERSION, STABLE) and 0 <= position < world.testcases else None


def _position(call: Call, number: int) -> int:
    position = case_position(call.world, number)
    if position is None:
        raise Refusal(500)
    return position


def _nodes(call: Call, nodes: Sequence[Node], deep: bool = True) -> list[Record]:
    return call.array(Rows("testcasetree", len(nodes), lambda number: node_record(call.world, nodes[number], deep)))


def _repository(call: Call) -> list[Record]:
    hidden = call.world.hidden_release_of.get(call.id("projectid"))
    return _nodes(call, call.world.roots_of_release.get(hidden.id, ()) if hidden else ())


def _phases(call: Call) -> list[Record]:
    return _nodes(call, call.world.roots_of_release.get(call.id("releaseid"), ()))


def _executed_phases(call: Call) -> list[Record]:
    """Roots that some cycle phase of the release runs (inferred)."""
    release = call.id("releaseid")
    used = {phase.node_id for phase in call.world.phases_of_release.get(release, ())}
    return _nodes(call, [node for node in call.world.roots_of_release.get(release, ()) if node.id in used])


def _node(call: Call) -> Record:
    return call.one("testcasetree", node_record(call.world, known(call.world.node_by_id, call.id("tctId"))))


def _hierarchy(call: Call) -> list[int]:
    node = call.world.node_by_id.get(call.id("treeid"))
    return list(node.children) if node else []


def _lite_nodes(call: Call) -> list[Record]:
    """Nodes of a release: roots for type=Phase, children of parentid for type=Module (all modules without it)."""
    kind, release = call.text("type"), call.number("releaseid")
    if kind is None or release is None:
        raise Refusal(417, "release Id and type are mandatory.", "Expectation Failed")
    parent = call.number("parentid")
    nodes = [
        node
        for node in call.world.nodes
        if node.release_id == release
        and (node.parent_id is None) == (kind == "Phase")
        and (parent in (None, 0) or kind == "Phase" or node.parent_id == parent)
    ]
    return _nodes(call, nodes, deep=False)


def _tree(call: Call) -> list[Record]:
    """Roots of a release's tree; without releaseid none. Parameter type=Module lists modules instead (inferred)."""
    release = call.number("releaseid")
    if call.text("type") == "Module":
        return _nodes(call, [node for node in call.world.nodes if node.release_id == release and node.parent_id])
    return _nodes(call, call.world.roots_of_release.get(release or 0, ()))


def _assignment_tree(call: Call) -> Record:
    """The tree of a phase: {id, type, name, categories, releaseId, testcaseCount}."""
    phase = known(call.world.phase_by_id, call.id("cyclephaseid"))
    record = node_record(call.world, call.world.node_by_id[phase.node_id])
    return {key: record[key] for key in ("id", "type", "name", "categories", "releaseId", "testcaseCount")}


def _testcase_rows(call: Call, positions: Sequence[int]) -> Rows:
    return Rows("testcase", len(positions), lambda number: testcase_record(call.world, positions[number]))


def _testcases_of_node(call: Call) -> Record:
    """Testcases that hang on the node itself; an unknown node has none."""
    node = call.world.node_by_id.get(call.id("treeid"))
    positions = range(node.first, node.first + node.count) if node else range(0)
    return call.page(_testcase_rows(call, positions), "testcase")


def _planning(call: Call) -> Record:
    """As /testcase/tree, but an unknown node is 500."""
    node = known(call.world.node_by_id, call.id("treeId"))
    return call.page(_testcase_rows(call, range(node.first, node.first + node.count)), "testcase")


def _testcase(call: Call) -> Record:
    """One testcase by any of its ids; where there is none, an empty record (200 was observed, the body inferred)."""
    position = case_position(call.world, call.id(next(iter(call.params))))
    return {} if position is None else call.one("testcase", testcase_record(call.world, position))


def _search_testcases(call: Call) -> Record:
    """Testcases whose name contains `word` or `keyword`; zqlquery is accepted and answers all (inferred)."""
    word = call.text("word") or call.text("keyword")
    if word is None and call.text("zqlquery") is None:
        raise Refusal(400, "Insufficient parameters. word and zqlquery both cannot be null", "Bad Request")
    world = call.world
    found: Sequence[int] = range(world.testcases)
    if word is not None:
        found = [case for case in found if word.lower() in testcase_record(world, case)["testcase"]["name"].lower()]
    return call.page(_testcase_rows(call, found), "testcase")


def _named_testcases(call: Call, parameter: str) -> list[Record]:
    """Testcases whose ids are repeated in `parameter`; none without it."""
    if not call.text(parameter):
        return []
    positions = [case_position(call.world, number) for number in call.numbers(parameter)]
    return call.array(_testcase_rows(call, [position for position in positions if position is not None]))


def _testcase_name(call: Call) -> Record:
    number = call.number("tcid")
    position = None if number is None else case_position(call.world, number)
    return {} if position is None else {"id": number, "name": testcase_record(call.world, position)["testcase"]["name"]}


def _testcase_path(call: Call) -> list[str]:
    """Names from the root to the testcase's node (inferred); without testcaseid 500."""
    number = call.number("testcaseid") or call.number("tctid")
    if number is None:
        raise Refusal(500)
    return _path(call.world, _position(call, number))


def _testcase_path_by_release(call: Call) -> list[str]:
    number = call.number("testcaseid")
    position = None if number is None else case_position(call.world, number)
    return [] if position is None else _path(call.world, position)


def _path(world: World, position: int) -> list[str]:
    node: Node | None = world.node_of_testcase(position)
    names: list[str] = []
    while node is not None:
        names.insert(0, node.name)
        node = world.node_by_id[node.parent_id] if node.parent_id is not None else None
    return names


def _count_of_node(call: Call) -> int:
    number = call.number("tcrcatalogtreeid")
    if number is None:
        raise Refusal(400, 'For input string: "null"', "Bad Request")
    return cumulative(call.world, known(call.world.node_by_id, number))


def _counts_of_nodes(call: Call) -> list[Record]:
    nodes = [known(call.world.node_by_id, number) for number in call.numbers("treeids")]
    return [{"id": node.id, "count": node.count, "cumulativeCount": cumulative(call.world, node)} for node in nodes]


def _testcases_of_nodes(call: Call) -> list[Record]:
    nodes = [known(call.world.node_by_id, number) for number in call.numbers("treeids")]
    positions = [position for node in nodes for position in range(node.first, node.first + node.count)]
    return call.array(_testcase_rows(call, positions))


def _count_of_release(call: Call) -> int:
    release = call.id("releaseid")
    return sum(node.count for node in call.world.nodes if node.release_id == release)


def _tags(call: Call) -> list[str]:
    sample = range(min(call.world.testcases, 200))
    tags = {testcase_record(call.world, position)["testcase"]["tag"] for position in sample}
    return sorted(tag for tag in tags if tag)


def _testcases_of_requirement(call: Call) -> list[Record]:
    number = call.number("requirementid")
    if number is None or not 1 <= number <= call.world.requirements:
        return []
    project = call.world.project_by_id[call.world.node_of_requirement(number - 1).project_id]
    return call.array(_testcase_rows(call, testcases_of(project, number - 1)))


def _covered_requirements(call: Call) -> Any:
    raise Refusal(410, "API is deprecated,kindly contact to customer support", "Gone")


def _history(call: Call) -> Record:
    """Changes of a testcase: envelope of {id, testcaseId, changedOn, changedBy, field} (inferred)."""
    position = case_position(call.world, call.id("id"))
    rows = []
    if position is not None:
        record = testcase_record(call.world, position)
        entry = {"changedOn": record["lastModifiedOn"], "changedBy": record["modifiedById"], "field": "name"}
        rows = [{"id": position + 1, "testcaseId": record["testcase"]["testcaseId"], **entry}]
    return call.page(Rows.of("history", rows), "testcaseHistory")


def _steps(call: Call) -> Record:
    """Steps of a testcase version. Versions without steps are 204, or 200 with none; node ids 204, other ids 500."""
    number = call.id("testcaseVersionId")
    position = case_position(call.world, number)
    if position is None or number != shared_id(position, VERSION):
        raise Refusal(204 if number % 8 == NODE and number in call.world.node_by_id else 500)
    if step_count(call.world, position) == 0 and position % 4:
        raise Refusal(204)
    return call.one("teststeps", steps_record(call.world, position))


def _requirement_roots(call: Call) -> list[Record]:
    """Roots of a project's requirement trees; without projectId those of all projects (inferred)."""
    project = call.number("projectId")
    roots = [node for node in call.world.requirement_nodes if node.parent_id is None and project in (None, node.project_id)]
    return call.array(Rows("requirementtree", len(roots), lambda number: requirement_node_record(call.world, roots[number])))


def _requirement_node(call: Call) -> Record:
    node = known(call.world.requirement_node_by_id, call.id("id"))
    return call.one("requirementtree", requirement_node_record(call.world, node))


def _requirements(call: Call) -> Record:
    """Requirements that hang on a tree node, of a release if asked; without requirementtreeid 400."""
    number, release = call.number("requirementtreeid"), call.number("releaseid")
    if number is None:
        raise Refusal(400, 'For input string: "null"', "Bad Request")
    world = call.world
    node = world.requirement_node_by_id.get(number)
    positions: Sequence[int] = range(node.first, node.first + node.count) if node else range(0)
    if release is not None:
        positions = [position for position in positions if release in requirement_releases(world, position)]
    rows = Rows("requirement", len(positions), lambda row: requirement_record(world, positions[row]))
    return call.page(rows, "requirement")


def _requirement(call: Call) -> Record:
    number = call.id("id")
    if not 1 <= number <= call.world.requirements:
        raise Refusal(500)
    return call.one("requirement", requirement_record(call.world, number - 1))


def release_summary(call: Call) -> Record:
    """Totals of a release: requirements (mapped or not to testcases) and testcases."""
    world, release = call.world, known(call.world.release_by_id, call.id("releaseId"))
    mine = [number for number in range(world.requirements) if release.id in requirement_releases(world, number)]
    return _summary(world, mine, sum(node.count for node in world.nodes if node.release_id == release.id))


def project_summary(call: Call) -> Record:
    """Totals of a project, in the shape of a release's summary (inferred)."""
    project = known(call.world.project_by_id, call.id("projectId"))
    mine = range(project.first_requirement, project.first_requirement + project.requirements)
    return _summary(call.world, mine, project.testcases)


def _summary(world: World, requirements: Sequence[int], testcases: int) -> Record:
    mapped = sum(1 for number in requirements if requirement_record(world, number)["testcaseIds"])
    return {
        "requirement": {
            "totalRequirementCount": len(requirements),
            "mappedRequirementCount": mapped,
            "unmappedRequirementCount": len(requirements) - mapped,
        },
        "testcase": {"totalTestcaseCount": testcases},
    }


def covering(world: World, release: int) -> Iterator[tuple[int, list[int]]]:
    """(outer testcase id, requirement ids) of the testcases of a release."""
    for node in world.nodes:
        if node.release_id == release:
            for position in range(node.first, node.first + node.count):
                covered = [number + 1 for number in requirements_of(project_of(world, position), position)]
                yield shared_id(position, OUTER), covered


def _cumulative(call: Call) -> list[Record]:
    """Testcases of a release with the requirements they cover (inferred)."""
    release = call.number("releaseid") or 0
    return [{"id": number, "requirementIds": covered} for number, covered in covering(call.world, release)]


ROUTES: dict[str, Handler] = {
    "/testcasetree": _tree,
    "/testcasetree/lite": _lite_nodes,
    "/testcasetree/{tctId}": _node,
    "/testcasetree/hierarchy/{treeid}": _hierarchy,
    "/testcasetree/phases/{releaseid}": _phases,
    "/testcasetree/phases/execution/{releaseid}": _executed_phases,
    "/testcasetree/projectrepository/{projectid}": _repository,
    "/assignmenttree/{cyclephaseid}": _assignment_tree,
    "/testcase": _search_testcases,
    "/testcase/{testcaseId}": _testcase,
    "/testcase/detail/{id}": _testcase,
    "/testcase/tree/{treeid}": _testcases_of_node,
    "/testcase/planning/{treeId}": _planning,
    "/testcase/{testcaseVersionId}/teststep": _steps,
    "/testcase/requirement/{testcaseid}": _covered_requirements,
    "/testcase/byrequirement": _testcases_of_requirement,
    "/testcase/versions": lambda call: _named_testcases(call, "testcaseid"),
    "/testcase/altid": lambda call: _named_testcases(call, "altids"),
    "/testcase/name": _testcase_name,
    "/testcase/path": _testcase_path,
    "/testcase/pathbyrelease": _testcase_path_by_release,
    "/testcase/nodes": _testcases_of_nodes,
    "/testcase/count": _count_of_node,
    "/testcase/count/ids": _counts_of_nodes,
    "/testcase/count/{releaseid}": _count_of_release,
    "/testcase/count/discrete/{releaseid}": _count_of_release,
    "/testcase/cumulative": _cumulative,
    "/testcase/cumulative/data": _cumulative,
    "/testcase/tags": _tags,
    "/testcase/tags/{releaseid}": _tags,
    "/tcuh/testcase/{id}": _history,
    "/v4/requirementtree": _requirement_roots,
    "/v4/requirementtree/{id}": _requirement_node,
    "/requirement": _requirements,
    "/requirement/{id}": _requirement,
    "/summary/release/{releaseId}": release_summary,
    "/v3/summary/project/{projectId}": project_summary,
}
