"""One forbidden parent among many: a person's yes lets the others arrive, what stood of it stays, and it is read once it may be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spectra_assets.engine.replay import replay
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.learning.gap import Cause
from spectra_assets.learning.lesson import Lesson
from spectra_assets.names import Stage, TableRef
from tests.conformance.servers.api import Answer, Asked, RefusedError
from tests.learning.bench.bench import Bench, Project
from tests.learning.bench.cases import both, listed, rows
from tests.learning.bench.foreign import always, of_people
from tests.learning.bench.worlds import Desk, World

ORDERS = TableRef("clean", "order")


def forbidden(answer: Answer, asked: Asked) -> Answer:
    raise RefusedError(403, "under legal hold")


def forbid(world: World) -> None:
    """The orders of customer 3 are for nobody."""
    refused = always(forbidden, of_people(3))
    both(listed("order", said=refused), listed("ordersOf", said=refused))(world)


def noted(project: Project) -> dict[int, set[str]]:
    """Customer → what stands in the notes of their orders."""
    found: dict[int, set[str]] = {}
    for row in project.lakehouse.read(ORDERS).to_pylist():
        found.setdefault(row["customerId"], set()).add(row["note"].split()[0])
    return found


def told(lessons: list[Lesson], cause: Cause) -> list[str]:
    return [lesson.question or "" for lesson in lessons if lesson.cause == cause]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("refused")) as bench:
        yield bench


def test_a_forbidden_parent_keeps_its_rows_and_the_others_arrive(bench: Bench) -> None:
    project = bench.project(Desk, "refused")
    changed = both(
        *(rows(name, lambda n, row: {**row, "note": f"later {n}"} if n % 5 == 0 else row) for name in ("order", "ordersOf"))
    )
    with project.environment():
        with project.world.changed(both(forbid, changed)):
            assert not project.run(Stage.CLEAN)
            project.learn()
            (asked,) = told(project.lessons, Cause.ENDPOINT_FORBIDDEN)
            assert "parents: ['3']" in asked, asked
            assert "legal hold" in asked
            assert len(project.approve()) == 1

            assert project.run(Stage.CLEAN)
            project.learn()
            assert [lesson.status for lesson in project.lessons] == ["verified"]
            held = noted(project)
            assert held[3] == {"note"}, "the rows of the forbidden one stand as they were"
            assert {"later", "note"} in [held[customer] for customer in held if customer != 3]
            assert project.lakehouse.describe(ORDERS).rows == 60
            passed = [result for _, results, _ in project.console.problems for result in results]
            assert passed == []
            assert replay(project.settings, project.source, "raw", project.console).ok
            assert noted(project) == held, "the raw pages make the same table"
        assert project.run(Stage.CLEAN)
        project.learn()
        assert noted(project)[3] == {"note"}
        (needless,) = told(project.lessons, Cause.NEEDLESS_RULE)
        assert "`solution-engine lessons revert`" in needless
