"""Finalise's commit: the covenant and the pipeline's document, nothing else that lies in the work tree or the index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spectra_assets import git
from spectra_assets.errors import ConfigurationError, StorageError


def commit(project: Path, files: Sequence[Path], message: str) -> str | None:
    """Commit exactly `files` on the current branch; None if they are committed already, else the commit's hash.

    Whatever else is changed or staged stays as it is, and so does everything if there is no commit. Raises ConfigurationError if
    the project is no git repository, StorageError if git fails: without an author, on no branch, in the middle of a merge, where
    it is told to ignore a file, or because a hook of the repository refuses.
    """
    if git.root_of(project) is None:
        raise ConfigurationError(f"--commit needs a git repository; {project} is not one")
    if what := git.busy(project):
        raise StorageError(f"nothing is committed in {project}: the repository is in the middle of {what}")
    paths = [str(file.resolve()) for file in files]
    if ignored := git.git(project, "check-ignore", "--", *paths, check=False).splitlines():
        raise StorageError(f"nothing is committed in {project}: git is told to ignore {', '.join(ignored)}")
    texts = {file: file.read_bytes().decode("utf-8") for file in files}
    made = git.make(project, texts, message)
    if made is None:
        return None
    git.publish(project, made, message)
    try:
        git.settle(project, made, texts)
    except StorageError as error:
        raise StorageError(
            f"{made.commit[:10]} is committed, but git's index does not know of it: {error}. Once that is mended: "
            f"git reset -- {' '.join(paths)}"
        ) from None
    return made.commit
