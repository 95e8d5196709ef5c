import subprocess
from pathlib import Path

import pytest

from spectra_assets.engine.commit import commit
from spectra_assets.errors import ConfigurationError, StorageError


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "config", "user.name", "Someone")
    git(tmp_path, "config", "user.email", "someone@example.com")
    (tmp_path / "other.txt").write_text("committed\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_only_the_given_files_are_committed(project: Path) -> None:
    (project / "other.txt").write_text("changed and staged\n")
    git(project, "add", "other.txt")
    (project / "loose.txt").write_text("untracked\n")
    wanted = project / "covenants" / "acme.yaml"
    wanted.parent.mkdir()
    wanted.write_text("new\n")
    made = commit(project, [wanted], "acme: covenant; with `ticks` and $(nothing)")
    assert git(project, "show", "--name-only", "--format=%H%n%s", "HEAD").split("\n") == [
        made,
        "acme: covenant; with `ticks` and $(nothing)",
        "",
        "covenants/acme.yaml",
        "",
    ]
    assert git(project, "status", "--porcelain") == "M  other.txt\n?? loose.txt\n"


def test_nothing_is_committed_twice(project: Path) -> None:
    wanted = project / "a.yaml"
    wanted.write_text("new\n")
    assert commit(project, [wanted], "one")
    assert commit(project, [wanted], "two") is None


def test_a_project_without_git_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x")
    with pytest.raises(ConfigurationError, match="needs a git repository"):
        commit(tmp_path, [tmp_path / "a.yaml"], "m")


def test_what_git_says_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".git" / "index.lock").write_text("")
    (project / "a.yaml").write_text("x")
    with pytest.raises(StorageError, match=r"is committed, but .* another process has locked .*index: .* remove .*index\.lock"):
        commit(project, [project / "a.yaml"], "m")
    assert git(project, "show", "HEAD:a.yaml") == "x"
    (project / ".git" / "index.lock").unlink()
    (project / "b.yaml").write_text("x")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "")
    with pytest.raises(StorageError, match=r"git commit-tree failed in .*empty ident name"):
        commit(project, [project / "b.yaml"], "m")


def test_gits_own_variables_lead_to_no_other_repository(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook of another repository that runs the sentence: git has set its variables for that one."""
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-q", "-b", "main")
    (project / "a.yaml").write_text("x")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    made = commit(project, [project / "a.yaml"], "m")
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert git(project, "rev-parse", "HEAD").strip() == made
    assert git(other, "for-each-ref") == ""


def hook(project: Path, text: str) -> None:
    file = project / ".git" / "hooks" / "pre-commit"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_the_hooks_of_the_repository_are_asked_and_one_that_refuses_leaves_nothing(project: Path) -> None:
    hook(project, "test -f other.txt && test ! -f a.yaml || { echo not today >&2; exit 1; }")
    (project / "a.yaml").write_text("x")
    with pytest.raises(StorageError, match="the hook pre-commit refuses the commit: not today"):
        commit(project, [project / "a.yaml"], "m")
    assert git(project, "status", "--porcelain") == "?? a.yaml\n"


def test_a_hook_that_takes_too_long_leaves_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has minutes, as others run linters and tests; the index is locked by nobody afterwards."""
    monkeypatch.setattr("spectra_assets.git._HOOK_SECONDS", 1)
    hook(project, "sleep 3")
    (project / "a.yaml").write_text("x")
    with pytest.raises(StorageError, match="git hook did not end within 1 seconds"):
        commit(project, [project / "a.yaml"], "m")
    assert git(project, "status", "--porcelain") == "?? a.yaml\n"
    assert not (project / ".git" / "index.lock").exists()
    assert git(project, "worktree", "list").count("\n") == 1


def test_what_git_ignores_and_a_merge_under_way_are_told(project: Path) -> None:
    (project / ".gitignore").write_text("*.yaml\n")
    (project / "a.yaml").write_text("x")
    with pytest.raises(StorageError, match=r"git is told to ignore .*a\.yaml"):
        commit(project, [project / "a.yaml"], "m")
    (project / ".git" / "MERGE_HEAD").write_text(git(project, "rev-parse", "HEAD"))
    with pytest.raises(StorageError, match="in the middle of a merge"):
        commit(project, [project / "other.txt"], "m")
