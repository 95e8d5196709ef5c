"""Finalise's commit: the covenant and the pipeline's document, nothing else that lies in the work tree or the index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spectra_assets.errors import ConfigurationError
from spectra_assets.learning.git import git


def commit(project: Path, files: Sequence[Path], message: str) -> str | None:
    """Commit exactly `files` on the current branch; None if they are committed already, else the commit's hash.

    Works on paths, so that whatever else is changed or staged stays as it is. Raises ConfigurationError if the project is
    no git repository, StorageError if git fails: without an author, or because a hook of the repository refuses.
    """
    paths = [str(file.resolve().relative_to(project.resolve())) for file in files]
    if git(project, "rev-parse", "--is-inside-work-tree", check=False).strip() != "true":
        raise ConfigurationError(f"--commit needs a git repository; {project} is not one")
    git(project, "add", "--intent-to-add", "--", *paths)
    if not git(project, "status", "--porcelain", "--", *paths).strip():
        return None
    git(project, "commit", "--quiet", "--only", "-m", message, "--", *paths)
    return git(project, "rev-parse", "HEAD").strip()
