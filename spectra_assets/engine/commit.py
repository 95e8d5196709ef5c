"""Finalise's commit: the covenant and the pipeline's document, nothing else that lies in the work tree or the index."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from spectra_assets.errors import ConfigurationError, StorageError


def commit(project: Path, files: Sequence[Path], message: str) -> str | None:
    """Commit exactly `files` on the current branch; None if they are committed already, else the commit's hash.

    Works on paths, so that whatever else is changed or staged stays as it is. Raises ConfigurationError if the project is
    no git repository or git has no author, StorageError if git fails.
    """
    paths = [str(file.resolve().relative_to(project.resolve())) for file in files]
    if _git(project, "rev-parse", "--is-inside-work-tree", check=False).strip() != "true":
        raise ConfigurationError(f"--commit needs a git repository; {project} is none")
    _git(project, "add", "--intent-to-add", "--", *paths)
    if not _git(project, "status", "--porcelain", "--", *paths).strip():
        return None
    _git(project, "commit", "--quiet", "--no-verify", "--only", "-m", message, "--", *paths)
    return _git(project, "rev-parse", "HEAD").strip()


def _git(project: Path, *arguments: str, check: bool = True) -> str:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=project, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError:
        raise ConfigurationError("--commit needs git, which is not installed") from None
    except subprocess.TimeoutExpired:
        raise StorageError(f"git {arguments[0]} did not end within 60 seconds in {project}") from None
    if check and done.returncode:
        raise StorageError(f"git {arguments[0]} failed: {done.stderr.strip()[:400]}")
    return done.stdout
