"""Builds the world of day 0 from a seed and a number of executions."""

from __future__ import annotations

from dataclasses import dataclass, field

from spectra_assets.standin.chance import DAY_MS, FIRST_DAY_MS, Kind, mix, title
from spectra_assets.standin.layout import (
    NODE,
    Cycle,
    Node,
    Phase,
    Project,
    Release,
    RequirementNode,
    Sizes,
    World,
    shared_id,
    shares,
)

HIDDEN_RELEASE = "Project Test Repository"
"""Name of the release every project owns without anyone creating it (C07)."""

_EMPTY_PHASE_EVERY = 10
_CYCLE_WITHOUT_PHASES_EVERY = 9
_RELEASE_WITHOUT_CYCLES_EVERY = 8


@dataclass
class _Draft:
    """What is built so far; ids count on from here."""

    seed: int
    projects: list[Project] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    cycles: list[Cycle] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    requirement_nodes: list[RequirementNode] = field(default_factory=list)


def build(executions: int, seed: int) -> World:
    """The world of day 0. Takes milliseconds whatever the number of executions (0 is allowed)."""
    sizes = Sizes.of(executions)
    draft = _Draft(seed)
    testcases = shares(sizes.testcases, [2 + number % 3 for number in range(sizes.projects)])
    requirements = shares(sizes.requirements, [1] * sizes.projects)
    for number in range(sizes.projects):
        _project(draft, testcases[number], requirements[number], visible=3 + number % 3)
    _project(draft, (sizes.testcases, 0), (sizes.requirements, 0), visible=0)
    return World(
        seed=seed,
        day=0,
        projects=tuple(draft.projects),
        releases=tuple(draft.releases),
        cycles=tuple(draft.cycles),
        phases=_with_executions(draft.phases, executions),
        nodes=tuple(draft.nodes),
        requirement_nodes=tuple(draft.requirement_nodes),
        testcases=sizes.testcases,
        requirements=sizes.requirements,
        users=sizes.users,
        executions=executions,
    )


def _project(draft: _Draft, testcases: tuple[int, int], requirements: tuple[int, int], visible: int) -> None:
    """Add a project with its hidden release, `visible` releases, their trees and its requirement trees."""
    number = len(draft.projects)
    chance = mix(draft.seed, Kind.PROJECT, number)
    start = FIRST_DAY_MS + (number * 7 % 60) * DAY_MS
    project = Project(number + 1, f"{title(chance)} #{number + 1}", start, *testcases, *requirements)
    draft.projects.append(project)
    hidden = _release(draft, project, 0, hidden=True)
    seen = [_release(draft, project, order, hidden=False) for order in range(1, visible + 1)]
    trees = [(hidden, [[3, 0], [2, 2, 1], [1]] if visible else [[]])]
    trees += [(release, _release_tree(release)) for release in seen]
    _testcase_trees(draft, project, trees)
    for release in seen:
        _cycles(draft, project, release)
    _requirement_trees(draft, project)


def _release(draft: _Draft, project: Project, order: int, hidden: bool) -> Release:
    """Add a release. Optional keys at about the observed rates: of 80, status 79, description 38, start 47, end 35."""
    number = len(draft.releases)
    chance = mix(draft.seed, Kind.RELEASE, number)
    start = project.start + (order - 1) * 90 * DAY_MS
    release = Release(
        id=number + 1,
        project_id=project.id,
        order=order,
        name=HIDDEN_RELEASE if hidden else f"Release {order}.{chance % 10} {title(chance)}",
        hidden=hidden,
        created=project.start + order * DAY_MS + chance % DAY_MS,
        start=None if hidden or number % 4 == 3 else start,
        end=None if hidden or number % 4 == 3 or number % 5 == 1 else start + 80 * DAY_MS,
        status=None if number % 80 == 7 else int(chance >> 40) % 3,
        description=None if hidden or number % 2 else title(chance >> 4),
    )
    draft.releases.append(release)
    return release


def _release_tree(release: Release) -> list[list[int]]:
    """Per root, per module the number of submodules. One release in thirteen has no tree yet."""
    return [] if release.id % 13 == 1 else [[1, 0], [0]][: 1 + release.id % 2]


def _testcase_trees(draft: _Draft, project: Project, trees: list[tuple[Release, list[list[int]]]]) -> None:
    """Plant the trees (3 levels), then hang the project's testcases on their nodes: about 80 % in the repository.

    Inner roots of the repository hold none, one node in nine stays empty.
    """
    planted: list[Node] = []
    weights: list[int] = []
    repository_roots: list[int] = []
    for release, shape in trees:
        for root_number, modules in enumerate(shape):
            root = len(planted)
            linked = repository_roots[root_number % len(repository_roots)] if repository_roots else 0
            planted.append(_node(draft, release, None, root, f"Phase {root_number + 1}", linked))
            weights.append(1 if not release.hidden else 0 if modules else 4)
            for submodules in modules:
                module = _child(draft, planted, weights, release, root, 9 if release.hidden else 1)
                for _ in range(submodules):
                    _child(draft, planted, weights, release, module, 7 if release.hidden else 1)
        if release.hidden:
            repository_roots = [node.id for node in planted if node.parent_id is None]
    for number in range(len(weights)):
        if number % 9 == 8:
            weights[number] = 0
    ranges = shares(project.testcases, weights)
    for node, (first, count) in zip(planted, ranges, strict=True):
        draft.nodes.append(
            Node(
                node.id,
                node.release_id,
                node.project_id,
                node.parent_id,
                node.name,
                tuple(child.id for child in planted if child.parent_id == node.id),
                project.first_testcase + first,
                count,
                node.linked,
            )
        )


def _child(draft: _Draft, planted: list[Node], weights: list[int], release: Release, parent: int, weight: int) -> int:
    position = len(planted)
    planted.append(_node(draft, release, planted[parent].id, position, "Module", 0))
    weights.append(weight)
    return position


def _node(draft: _Draft, release: Release, parent_id: int | None, position: int, label: str, linked: int) -> Node:
    number = len(draft.nodes) + position
    name = f"{label} {title(mix(draft.seed, Kind.NODE, number))}"
    return Node(shared_id(number, NODE), release.id, release.project_id, parent_id, name, (), 0, 0, linked)


def _cycles(draft: _Draft, project: Project, release: Release) -> None:
    """Add 2 to 4 cycles of 0 to 3 phases. Every eighth release has no cycles, nor has one without a tree."""
    roots = [node.id for node in draft.nodes if node.release_id == release.id and node.parent_id is None]
    if not roots or release.id % _RELEASE_WITHOUT_CYCLES_EVERY == 6:
        return
    start = project.start + (release.order - 1) * 90 * DAY_MS
    cycles = 2 + release.id % 3
    length = 80 // cycles
    for order in range(cycles):
        number = len(draft.cycles)
        chance = mix(draft.seed, Kind.CYCLE, number)
        first_day = start + order * length * DAY_MS
        last_day = first_day + (length - 1) * DAY_MS
        cycle = Cycle(number + 1, release.id, f"Cycle {order + 1} {title(chance)}", chance % 3, first_day, last_day)
        draft.cycles.append(cycle)
        phases = 0 if number % _CYCLE_WITHOUT_PHASES_EVERY == 4 else 1 + number % 3
        for part in range(phases):
            phase_number = len(draft.phases)
            days = length // phases
            draft.phases.append(
                Phase(
                    id=phase_number + 1,
                    cycle_id=cycle.id,
                    release_id=release.id,
                    project_id=project.id,
                    node_id=roots[part % len(roots)],
                    name=f"{title(mix(draft.seed, Kind.PHASE, phase_number))} {part + 1}",
                    start=first_day + part * days * DAY_MS,
                    end=first_day + ((part + 1) * days - 1) * DAY_MS,
                    first=0,
                    count=0,
                )
            )


def _with_executions(phases: list[Phase], executions: int) -> tuple[Phase, ...]:
    """Spread the executions over the phases unevenly; every tenth phase stays empty."""
    weights = [0 if phase.id % _EMPTY_PHASE_EVERY == 4 else 1 + phase.id * 7 % 5 for phase in phases]
    return tuple(
        Phase(
            phase.id, phase.cycle_id, phase.release_id, phase.project_id, phase.node_id, phase.name,
            phase.start, phase.end, first, count,
        )
        for phase, (first, count) in zip(phases, shares(executions, weights), strict=True)
    )  # fmt: skip


def _requirement_trees(draft: _Draft, project: Project) -> None:
    """Two trees: one of three levels, one of a single node; the inner root holds no requirements."""
    base = len(draft.requirement_nodes)
    shape = [(None, (1, 2)), (0, (3,)), (0, ()), (1, ()), (None, ())] if project.requirements else [(None, ())]
    ranges = shares(project.requirements, [0, 3, 2, 2, 1] if project.requirements else [1])
    for position, ((parent, children), (first, count)) in enumerate(zip(shape, ranges, strict=True)):
        draft.requirement_nodes.append(
            RequirementNode(
                id=base + position + 1,
                project_id=project.id,
                parent_id=None if parent is None else base + parent + 1,
                name=f"Req {title(mix(draft.seed, Kind.REQUIREMENT, -base - position - 1))}",
                children=tuple(base + child + 1 for child in children),
                first=project.first_requirement + first,
                count=count,
            )
        )
