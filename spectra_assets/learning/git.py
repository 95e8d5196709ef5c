"""Git, as the learning loop uses it: one commit of named files, on the current branch or on a branch of its own, and no more.

The work tree's other changes and the index stay as they are: a commit is made of the last commit's tree and the given files.
Nothing is pushed, forced, checked out or reset.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from spectra_assets.errors import ConfigurationError, StorageError

_SECONDS = 60


def root_of(project: Path) -> Path | None:
    """The top of the repository that holds the project; None if it is in none, or git is not installed."""
    try:
        found = _git(project, "rev-parse", "--show-toplevel", check=False).strip()
    except ConfigurationError:
        return None
    return Path(found) if found else None


def dirty(project: Path, files: Sequence[Path]) -> list[str]:
    """Those of the files that differ from the last commit, or are ignored. Raises StorageError if git fails."""
    paths = [str(file.resolve()) for file in files]
    told = _git(project, "status", "--porcelain", "--ignored", "-z", "--untracked-files=all", "--", *paths)
    return [entry[3:] for entry in told.split("\0") if entry]


def tracked(project: Path, file: Path) -> bool:
    """Whether git knows the file."""
    return bool(_git(project, "ls-files", "--", str(file.resolve()), check=False).strip())


def commit(project: Path, files: Mapping[Path, str | None], message: str, author: str, branch: str | None = None) -> str | None:
    """Commit these texts (None: the file is no more) and nothing else, on the current branch, or on `branch`; the hash.

    None if it would change nothing, or the project is in no repository. `author` is `Name <address>`. On the current branch the
    index learns of these files as well. Raises StorageError if git fails, for example as another process commits.
    """
    root = root_of(project)
    if root is None:
        return None
    current = _git(root, "symbolic-ref", "--quiet", "HEAD", check=False).strip()
    ref = f"refs/heads/{branch}" if branch else current
    if not ref:
        raise StorageError(f"{root} is on no branch: nothing can be committed there")
    _git(root, "check-ref-format", ref)
    parent = _git(root, "rev-parse", "--verify", "--quiet", ref, check=False).strip()
    start = parent or _git(root, "rev-parse", "--verify", "--quiet", "HEAD", check=False).strip()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"GIT_INDEX_FILE": str(Path(folder) / "index"), **_names(author)}
        _git(root, "read-tree", *([start] if start else ["--empty"]), more=environment)
        for file, text in files.items():
            path = file.resolve().relative_to(root.resolve()).as_posix()
            _stage(root, path, text, environment)
        tree = _git(root, "write-tree", more=environment).strip()
        if start and tree == _git(root, "rev-parse", f"{start}^{{tree}}").strip():
            return None
        made = _git(
            root, "commit-tree", tree, *(["-p", start] if start else []), "-F", "-", more=environment, text=message
        ).strip()
    _git(root, "update-ref", "-m", message.splitlines()[0][:200], ref, made, parent or "0" * 40)
    if ref == current:
        for file, text in files.items():
            _stage(root, file.resolve().relative_to(root.resolve()).as_posix(), text, {})
    return made


def _stage(root: Path, path: str, text: str | None, environment: Mapping[str, str]) -> None:
    if text is None:
        _git(root, "update-index", "--force-remove", "--", path, more=environment)
        return
    blob = _git(root, "hash-object", "-w", "--stdin", "--no-filters", text=text).strip()
    _git(root, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", more=environment)


def _names(author: str) -> dict[str, str]:
    name, _, address = author.partition("<")
    both = {"NAME": name.strip(), "EMAIL": address.strip(" >")}
    return {f"GIT_{who}_{key}": value for who in ("AUTHOR", "COMMITTER") for key, value in both.items()}


def _git(place: Path, *arguments: str, check: bool = True, more: Mapping[str, str] | None = None, text: str = "") -> str:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(more or {})}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=place,
            env=environment,
            input=text.encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise ConfigurationError("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise StorageError(f"git {arguments[0]} did not end within {_SECONDS} seconds in {place}") from None
    if check and done.returncode:
        raise StorageError(f"git {arguments[0]} failed in {place}: {done.stderr.decode('utf-8', 'replace').strip()[:400]}")
    return done.stdout.decode("utf-8", "surrogateescape") if not done.returncode else ""
