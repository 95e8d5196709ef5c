import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from spectra_assets.errors import DocumentError, RequestError, StorageError
from spectra_assets.gates.evaluate import GATES
from spectra_assets.learning.evidence import CAUSES
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.lesson import locked, read, read_all, show
from spectra_assets.learning.record import REMEMBERED, record


def gap(run: str = "run1", **changes: object) -> Gap:
    values = {
        "source": "acme",
        "stage": "extract",
        "table": "cycles",
        "check": "no_schema_drift",
        "severity": "ERROR",
        "covenant_version": "abc",
        "run_id": run,
        "evaluation": f"{run}:extract.cycles:no_schema_drift",
        "seen_at": "2026-01-02T03:04:05+00:00",
        "failed": 2,
        "total": 10,
        "message": "2 of 10 records have the new field colour",
        "cause": Cause.NEW_FIELD,
        "subject": "colour",
    }
    return Gap.model_validate(values | changes)


def test_one_lesson_per_distinct_gap_and_repeats_raise_its_counter(tmp_path: Path) -> None:
    record(tmp_path, [gap("run1"), gap("run1", table="releases", evaluation="run1:extract.releases:x")])
    record(tmp_path, [gap("run2", seen_at="2026-01-03T00:00:00+00:00")])
    lessons = read_all(tmp_path)
    assert [(lesson.table, lesson.seen, lesson.status) for lesson in lessons] == [
        ("cycles", 2, "observed"),
        ("releases", 1, "observed"),
    ]
    assert (lessons[0].first_seen, lessons[0].last_seen) == ("2026-01-02T03:04:05+00:00", "2026-01-03T00:00:00+00:00")
    assert lessons[0].cause is Cause.NEW_FIELD


def test_an_evaluation_is_counted_once_however_often_it_comes(tmp_path: Path) -> None:
    assert len(record(tmp_path, [gap("run1")])) == 1
    before = (tmp_path / f"{gap().lesson_id}.md").read_bytes()
    assert record(tmp_path, [gap("run1"), gap("run1")]) == []
    assert (tmp_path / f"{gap().lesson_id}.md").read_bytes() == before


def test_a_lesson_remembers_a_bounded_number_of_evaluations(tmp_path: Path) -> None:
    record(tmp_path, [gap(f"run{n}", evaluation=f"run{n}") for n in range(REMEMBERED + 20)])
    (lesson,) = read_all(tmp_path)
    assert lesson.seen == REMEMBERED + 20
    assert len(lesson.evaluations) == REMEMBERED


def test_hostile_text_can_neither_end_its_block_nor_grow_the_file(tmp_path: Path) -> None:
    text = "~~~\n```\n---\n# Heading\n<script>alert(1)</script> $(rm -rf /) \x1b[31m\u202e" + "x" * 100_000
    record(tmp_path, [gap(message=text)])
    (lesson,) = read_all(tmp_path)
    shown = show(tmp_path, lesson.id)
    block = shown.split("## What the gate said\n\n`no_schema_drift`:\n\n")[1].split("\n\n## Cause")[0]
    assert block.splitlines()[0] == "~~~text"
    assert [line for line in block.splitlines()[1:] if "~" in line or "`" in line] == ["~~~"]
    assert block.splitlines()[-1] == "~~~"
    assert max(map(len, block.splitlines())) <= 90
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert len(shown) < 3000


def test_a_hostile_table_name_stays_a_file_name(tmp_path: Path) -> None:
    (lesson,) = record(tmp_path, [gap(table="../../etc/passwd\n---")])
    assert (tmp_path / f"{lesson.id}.md").is_file()
    assert [file.name for file in tmp_path.glob("*.md")] == [f"{lesson.id}.md"]
    assert read_all(tmp_path)[0].table == "../../etc/passwd\n---"


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (lambda text: text.replace("status: observed", "status: healed"), 4, "status: Input should be 'observed'"),
        (lambda text: text.replace("seen: 1", "seen: 0"), 12, "greater than or equal to 1"),
        (lambda text: text.replace("seen: 1", "sean: 1"), 12, "sean: Extra inputs are not permitted; valid keys: id"),
        (lambda text: text.replace("helped: 0", "helped: 0\nwhy: x"), 14, "valid keys: id, fingerprint"),
        (lambda text: text.replace("---\n", "", 1), 1, "front matter"),
        (lambda text: text.replace("status: observed", "status: [observed"), None, "not valid YAML"),
        (lambda text: text.replace("id: acme", "id: other"), 2, "the file's name says"),
    ],
)
def test_a_malformed_lesson_is_named_with_file_and_line(tmp_path: Path, change: object, line: int | None, says: str) -> None:
    (lesson,) = record(tmp_path, [gap()])
    file = tmp_path / f"{lesson.id}.md"
    file.write_text(change(file.read_text()))  # type: ignore[operator]
    with pytest.raises(DocumentError, match=says) as caught:
        read(file)
    assert str(file) in str(caught.value)
    if line:
        assert caught.value.line == line


def test_an_unknown_lesson_names_those_there_are(tmp_path: Path) -> None:
    (lesson,) = record(tmp_path, [gap()])
    with pytest.raises(RequestError, match=lesson.id):
        show(tmp_path, "nope")


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "lessons").write_text("a file")
    with pytest.raises(StorageError, match="can't write lessons"):
        record(tmp_path / "lessons", [gap()])


def test_two_processes_count_every_evaluation(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[3])\n"
        "from pathlib import Path\nfrom test_lesson import gap\nfrom spectra_assets.learning.record import record\n"
        "for n in range(10): record(Path(sys.argv[1]), [gap(f'{sys.argv[2]}-{n}')])\n"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path)]
    processes = [subprocess.Popen([*arguments, name, str(Path(__file__).parent)]) for name in ("a", "b")]
    assert [process.wait(600) for process in processes] == [0, 0]
    assert read_all(tmp_path)[0].seen == 20


def test_every_gate_has_a_cause() -> None:
    assert set(CAUSES) == set(GATES)


def test_what_goes_wrong_while_the_lessons_are_held_is_told_as_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="playbook"), locked(tmp_path):
        (tmp_path / "playbook.md").read_bytes()
    with pytest.raises(Timeout, match=r"other\.lock"), locked(tmp_path):
        raise Timeout("other.lock")
    with (
        pytest.raises(StorageError, match=r"covenant\.yaml can't be written: .*; free space"),
        locked(tmp_path),
        locked(tmp_path),
    ):
        raise OSError(28, "No space left on device", str(tmp_path / "covenant.yaml"))
    (lock,) = (tmp_path / ".state").glob("lock")
    with FileLock(lock, timeout=0):  # nobody holds it any more
        pass
