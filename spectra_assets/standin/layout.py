"""The plan of the seeded data: everything there is few of, and the ranges of what there is much of.

A `World` is a value: pure function of (seed, executions asked for, day). Projects, releases, cycles, phases and tree
nodes are held as small tuples; testcases, steps, requirements, users and executions only as counts and ranges, their
records are computed from their position when asked. So a million executions need a few hundred KiB.

Ids. Tree nodes and testcases share one integer space (C18) and never collide: node k has id 8k+3, testcase t has the
outer (tree-testcase) id 8t+4, the version id 8t+5 and the stable id 8t+6. All other ids count from 1 per entity.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

_T = TypeVar("_T")

NODE, OUTER, VERSION, STABLE = 3, 4, 5, 6
"""Remainders modulo 8 in the integer space shared by tree nodes and testcases."""


def shared_id(position: int, kind: int) -> int:
    """Id number `position` of `kind` (NODE, OUTER, VERSION or STABLE) in the shared integer space."""
    return 8 * position + kind


@dataclass(frozen=True, slots=True)
class Project:
    """A project, with its ranges of testcases and requirements (positions, not ids)."""

    id: int
    name: str
    start: int
    first_testcase: int
    testcases: int
    first_requirement: int
    requirements: int


@dataclass(frozen=True, slots=True)
class Release:
    """A release; the hidden one of each project owns the project's test repository (C07). Dates: epoch ms or None."""

    id: int
    project_id: int
    order: int
    name: str
    hidden: bool
    created: int
    start: int | None
    end: int | None
    status: int | None
    description: str | None


@dataclass(frozen=True, slots=True)
class Cycle:
    """A cycle of a release. Dates: epoch ms."""

    id: int
    release_id: int
    name: str
    status: int
    start: int
    end: int
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Phase:
    """A cycle phase with its executions: positions `first` up to `first + count`. Dates: epoch ms."""

    id: int
    cycle_id: int
    release_id: int
    project_id: int
    node_id: int
    name: str
    start: int
    end: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a testcase tree, with the range of testcases that hang on it."""

    id: int
    release_id: int
    project_id: int
    parent_id: int | None
    name: str
    children: tuple[int, ...]
    first: int
    count: int
    linked: int = 0


@dataclass(frozen=True, slots=True)
class RequirementNode:
    """A node of a requirement tree, with the range of requirements that hang on it."""

    id: int
    project_id: int
    parent_id: int | None
    name: str
    children: tuple[int, ...]
    first: int
    count: int


@dataclass(frozen=True)
class World:
    """All data of one server on one day."""

    seed: int
    day: int
    projects: tuple[Project, ...]
    releases: tuple[Release, ...]
    cycles: tuple[Cycle, ...]
    phases: tuple[Phase, ...]
    nodes: tuple[Node, ...]
    requirement_nodes: tuple[RequirementNode, ...]
    testcases: int
    requirements: int
    users: int
    executions: int
    disabled: frozenset[int] = frozenset()
    """Ids of users who were deactivated since day 0."""
    renamed: Mapping[int, int] = field(default_factory=dict)
    """Requirement position to the day of its last renaming."""
    rerun: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Execution position to (how often its status was moved on, day of the last time)."""

    @cached_property
    def project_by_id(self) -> dict[int, Project]:
        return {project.id: project for project in self.projects}

    @cached_property
    def release_by_id(self) -> dict[int, Release]:
        return {release.id: release for release in self.releases}

    @cached_property
    def cycle_by_id(self) -> dict[int, Cycle]:
        return {cycle.id: cycle for cycle in self.cycles}

    @cached_property
    def phase_by_id(self) -> dict[int, Phase]:
        return {phase.id: phase for phase in self.phases}

    @cached_property
    def node_by_id(self) -> dict[int, Node]:
        return {node.id: node for node in self.nodes}

    @cached_property
    def requirement_node_by_id(self) -> dict[int, RequirementNode]:
        return {node.id: node for node in self.requirement_nodes}

    @cached_property
    def phases_of_release(self) -> dict[int, tuple[Phase, ...]]:
        """Phases with and without executions, by release id."""
        return _grouped((phase.release_id, phase) for phase in self.phases)

    @cached_property
    def phases_of_cycle(self) -> dict[int, tuple[Phase, ...]]:
        return _grouped((phase.cycle_id, phase) for phase in self.phases)

    @cached_property
    def cycles_of_release(self) -> dict[int, tuple[Cycle, ...]]:
        return _grouped((cycle.release_id, cycle) for cycle in self.cycles)

    @cached_property
    def releases_of_project(self) -> dict[int, tuple[Release, ...]]:
        """Hidden release included."""
        return _grouped((release.project_id, release) for release in self.releases)

    @cached_property
    def roots_of_release(self) -> dict[int, tuple[Node, ...]]:
        return _grouped((node.release_id, node) for node in self.nodes if node.parent_id is None)

    @cached_property
    def hidden_release_of(self) -> dict[int, Release]:
        """Project id to the release which owns its repository."""
        return {release.project_id: release for release in self.releases if release.hidden}

    @cached_property
    def _filled_phases(self) -> tuple[list[int], list[Phase]]:
        filled = sorted((phase for phase in self.phases if phase.count), key=lambda phase: phase.first)
        return [phase.first for phase in filled], filled

    def phase_of_execution(self, position: int) -> Phase:
        """The phase whose range holds execution `position` (0 ≤ position < executions)."""
        firsts, filled = self._filled_phases
        return filled[bisect_right(firsts, position) - 1]

    @cached_property
    def _filled_nodes(self) -> tuple[list[int], list[Node]]:
        filled = sorted((node for node in self.nodes if node.count), key=lambda node: node.first)
        return [node.first for node in filled], filled

    def node_of_testcase(self, position: int) -> Node:
        """The one tree node on which testcase `position` hangs."""
        firsts, filled = self._filled_nodes
        return filled[bisect_right(firsts, position) - 1]

    @cached_property
    def _filled_requirement_nodes(self) -> tuple[list[int], list[RequirementNode]]:
        filled = sorted((node for node in self.requirement_nodes if node.count), key=lambda node: node.first)
        return [node.first for node in filled], filled

    def node_of_requirement(self, position: int) -> RequirementNode:
        """The one tree node on which requirement `position` hangs."""
        firsts, filled = self._filled_requirement_nodes
        return filled[bisect_right(firsts, position) - 1]

    @cached_property
    def tree_testcases(self) -> dict[int, dict[str, Any]]:
        """Outer testcase records made so far, by position: executions repeat them. At most 20,000, by `Sizes`."""
        return {}

    @cached_property
    def filtered(self) -> dict[Any, list[int]]:
        """The last few filtered lists of executions, by filter; who fills it keeps it short."""
        return {}

    @cached_property
    def user_names(self) -> dict[int, str]:
        """Full names made so far, by user id."""
        return {}

    @cached_property
    def project_of_testcase(self) -> tuple[list[int], list[Project]]:
        """Start positions and projects, for bisection."""
        filled = [project for project in self.projects if project.testcases]
        return [project.first_testcase for project in filled], filled


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many of each entity a server with `executions` executions has."""

    executions: int
    projects: int
    """Projects with releases; one more project has only its hidden release."""
    testcases: int
    requirements: int
    users: int

    @classmethod
    def of(cls, executions: int) -> Sizes:
        grown = round(17 * math.log(max(executions, 5_000) / 5_000, 200))
        return cls(
            executions=executions,
            projects=3 + min(grown, 40),
            testcases=min(max(executions // 8, 60), 20_000),
            requirements=min(max(executions // 20, 40), 5_000),
            users=min(25 + executions // 2_500, 400),
        )


def shares(total: int, weights: list[int]) -> list[tuple[int, int]]:
    """(first, count) of consecutive ranges which split `total` in proportion to `weights`; none lost, none twice."""
    whole, running, ranges = sum(weights), 0, []
    first = 0
    for weight in weights:
        running += weight
        end = total * running // whole if whole else 0
        ranges.append((first, end - first))
        first = end
    return ranges


def _grouped(pairs: Iterable[tuple[int, _T]]) -> dict[int, tuple[_T, ...]]:
    groups: dict[int, list[_T]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in groups.items()}
