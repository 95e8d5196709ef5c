"""Git, as it is used here: one commit of named files, on the current branch or on a branch of its own, and no more.

The work tree's other changes and the index stay as they are: a commit is made of the last commit's tree and the given files.
It is made first (`make`), and only then does its branch move to it (`publish`): whoever follows a killed process can tell how far
it came. Nothing is pushed, forced, checked out or reset in the work tree.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spectra_assets.errors import ConfigurationError, StorageError

_SECONDS = 60
_HOOK_SECONDS = 300
_NONE = "0" * 40
_HOOKS = ("pre-commit", "commit-msg")
_NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")

_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisection",
}
"""File or folder of the repository → what somebody has begun there and not ended."""

_FOREIGN = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY"),
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)
"""What a process that git itself started has in its environment, about another command."""

_OURS = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
"""Nobody is asked, nothing is locked by looking alone, and errors are told in English."""


@dataclass(frozen=True)
class Made:
    """A commit that was made. `parent` is where its branch was, zeros if there was no such branch."""

    ref: str
    parent: str
    commit: str


def root_of(project: Path) -> Path | None:
    """The top of the repository that holds the project; None if it is in none, or git is not installed."""
    try:
        found = git(project, "rev-parse", "--show-toplevel", check=False).strip()
    except ConfigurationError:
        return None
    return Path(found) if found else None


def busy(project: Path) -> str | None:
    """What somebody has begun in the project's repository and not ended: a merge, a rebase, …; None if nothing."""
    if root_of(project) is None:
        return None
    folder = Path(git(project, "rev-parse", "--absolute-git-dir").strip())
    return next((what for name, what in _UNDER_WAY.items() if (folder / name).exists()), None)


def obstacle(project: Path, before: Mapping[Path, str | None], branch: str | None = None) -> str | None:
    """Why these files, whose texts were those, can't be committed with nobody else's changes in them; None if they can.

    A file that the branch does not hold yet can, unless it is a playbook. Raises StorageError if git fails.
    """
    root = root_of(project)
    if root is None:
        return "the project is in no git repository"
    if what := busy(project):
        return f"the repository is in the middle of {what}"
    try:
        ref, _, start = _branch(root, branch)
        paths = {_inside(root, file): text for file, text in before.items()}
    except StorageError as error:
        return str(error)
    if ref != _current(root) and ref in _checked_out(root):
        return f"{_short(ref)} is checked out in another work tree"
    for path, text in paths.items():
        held = _blob(root, start, path)
        if held is None and not path.endswith(".md"):
            continue
        if held is None or text is None or held != _hashed(root, path, text, write=False):
            return f"{path} has changes that are not committed on {_short(ref)}"
        if ref == _current(root) and _staged(root, path) != {held}:
            return f"{path} has changes that are staged"
    return None


def changed(project: Path, folder: Path, branch: str | None = None) -> dict[Path, str]:
    """Files below `folder` that the current branch, or `branch`, holds otherwise than they are now → the text that it holds.

    Without those of which somebody staged something. Empty where nothing could be committed now: without a repository, on no
    branch, outside of it, in the middle of a merge. Raises StorageError if git fails.
    """
    root = root_of(project)
    found = _committable(root, project, folder, branch)
    if root is None or found is None:
        return {}
    ref, start, place = found
    held = _held(root, start, place)
    there = [path for path in held if (root / path).is_file() and "\n" not in path]
    now = dict(zip(there, git(root, "hash-object", "--stdin-paths", text="\n".join(there)).split(), strict=True))
    staged = set(git(root, "diff", "--cached", "--name-only", "-z", start, "--", place).split("\0"))
    mine = [path for path in held if now.get(path) != held[path] and (ref != _current(root) or path not in staged)]
    return {root / path: git(root, "cat-file", "blob", held[path]) for path in mine}


def lacking(project: Path, files: Iterable[Path], folder: Path, branch: str | None = None) -> list[Path]:
    """Those of these files below `folder` that the current branch, or `branch`, does not hold, but may: git is not told to ignore
    them, and nobody staged them. None where nothing could be committed now. Raises StorageError if git fails."""
    root = root_of(project)
    found = _committable(root, project, folder, branch)
    if root is None or found is None:
        return []
    ref, start, place = found
    held, mine = _held(root, start, place), {_inside(root, file): file for file in files}
    wanted = _wanted(root, {file: None for path, file in mine.items() if path not in held})
    return [mine[path] for path in wanted if ref != _current(root) or not _staged(root, path)]


def make(
    project: Path, files: Mapping[Path, str | None], message: str, author: str | None = None, branch: str | None = None
) -> Made | None:
    """A commit of these texts (None: the file is no more) on top of the current branch, or of `branch`; the branch stays.

    None if it would change nothing. What git is told to ignore is left out. `author` is `Name <address>`; None: whom git knows as
    the user. It is signed where the repository demands it. Raises StorageError if git fails, as for want of an author, the
    project is on no branch, or a hook refuses.
    """
    root = root_of(project)
    if root is None:
        raise StorageError(f"{project} is in no git repository")
    ref, tip, start = _branch(root, branch)
    with tempfile.TemporaryDirectory(prefix="spectra-commit-") as folder:
        environment = {"GIT_INDEX_FILE": str(Path(folder) / "index"), **_names(author)}
        git(root, "read-tree", *([start] if start else ["--empty"]), more=environment)
        for path, text in _wanted(root, files).items():
            _stage(root, path, text and _hashed(root, path, text), _mode(root, start, path), environment)
        tree = git(root, "write-tree", more=environment).strip()
        if start and tree == git(root, "rev-parse", f"{start}^{{tree}}").strip():
            return None
        if start:
            _ask_hooks(root, start, tree, message, Path(folder) / "hooks", _names(author))
        parents, signed = ["-p", start] if start else [], ["-S"] if _demands_signing(root) else []
        made = git(root, "commit-tree", tree, *parents, *signed, "-F", "-", more=environment, text=message).strip()
    return Made(ref, tip or _NONE, made)


def publish(project: Path, made: Made, message: str) -> None:
    """Move the branch to the commit. Raises StorageError if it is elsewhere by now, or git refuses."""
    git(project, "check-ref-format", made.ref)
    git(project, "update-ref", "-m", message.splitlines()[0][:200], made.ref, made.commit, made.parent)


def holds(project: Path, made: Made) -> bool:
    """Whether the branch holds the commit."""
    if root_of(project) is None or not git(project, "rev-parse", "--verify", "--quiet", made.ref, check=False):
        return False
    return _asked(project, "merge-base", "--is-ancestor", made.commit, made.ref).returncode == 0


def settle(project: Path, made: Made, files: Mapping[Path, str | None]) -> None:
    """Let the index know of what was committed on the current branch, except for what somebody staged there meanwhile.

    Raises StorageError if git fails, or another process has locked the index.
    """
    root = root_of(project)
    if root is None or made.ref != _current(root):
        return
    parent = "" if made.parent == _NONE else made.parent
    with _index(root, project) as environment:
        for path in _wanted(root, files):
            was, now = _blob(root, parent, path), _blob(root, made.commit, path)
            if was != now and _staged(root, path, environment) == ({was} if was else set()):
                _stage(root, path, now, _mode(root, made.commit, path), environment)


@contextmanager
def _index(root: Path, project: Path) -> Iterator[dict[str, str]]:
    """The environment in which git changes a copy of the index, which then takes the index's place as git itself does it: under
    its lock, if nobody changed it meanwhile. The lock is a hard link of the copy, so that one that a killed process left is known
    for ours, and goes. The caller lets one process of the project in. Raises StorageError.
    """
    index = Path(git(root, "rev-parse", "--absolute-git-dir").strip()) / "index"
    lock = index.with_name("index.lock")
    copy = index.with_name(f"index.spectra-{hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:8]}")
    try:
        if lock.exists() and copy.exists() and lock.samefile(copy):
            lock.unlink()
        for left in (copy, copy.with_name(f"{copy.name}.lock")):
            left.unlink(missing_ok=True)
        before = _state(index)
        if before is not None:
            shutil.copyfile(index, copy)
        try:
            yield {"GIT_INDEX_FILE": str(copy)}
            if copy.exists():
                _linked(copy, lock)
                if _state(index) == before:
                    lock.replace(index)
                else:
                    lock.unlink()
                    raise StorageError(f"another process has changed {index} meanwhile")
        finally:
            copy.unlink(missing_ok=True)
    except FileExistsError:
        raise StorageError(f"another process has locked {index}: if none runs any more, remove {lock}") from None
    except OSError as error:
        raise StorageError(f"{index} can't be changed: {error.strerror}") from None


def _linked(file: Path, place: Path) -> None:
    """The file under another name as well; a copy of it where the disk has no hard links. Raises FileExistsError, OSError."""
    try:
        place.hardlink_to(file)
    except FileExistsError:
        raise
    except OSError:
        with place.open("xb") as made:
            made.write(file.read_bytes())


def _state(file: Path) -> tuple[int, ...] | None:
    """What tells whether a file was written anew; None if there is none."""
    try:
        told = file.stat()
    except FileNotFoundError:
        return None
    return told.st_ino, told.st_size, told.st_mtime_ns


def _demands_signing(root: Path) -> bool:
    """Whether commits are to be signed here: of that commit-tree itself takes no notice."""
    return git(root, "config", "--type=bool", "commit.gpgsign", check=False).strip() == "true"


# ---------------------------------------------------------------- branches


def _committable(root: Path | None, project: Path, folder: Path, branch: str | None) -> tuple[str, str, str] | None:
    """The branch's name, the commit to build on, and the folder below the root; None where nothing could be committed now."""
    if root is None or busy(project) or not folder.is_dir():
        return None
    try:
        (ref, _, start), place = _branch(root, branch), _inside(root, folder)
    except StorageError:
        return None
    return None if not start or (ref != _current(root) and ref in _checked_out(root)) else (ref, start, place)


def _held(root: Path, commit: str, place: str) -> dict[str, str]:
    """Path below the root → hash of the content, of all files that a commit holds below a folder."""
    entries = (line.partition("\t") for line in git(root, "ls-tree", "-r", "-z", commit, "--", place).split("\0") if line)
    return {path: told.split()[2] for told, _, path in entries}


def _current(root: Path) -> str:
    return git(root, "symbolic-ref", "--quiet", "HEAD", check=False).strip()


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")


def _branch(root: Path, branch: str | None) -> tuple[str, str, str]:
    """The branch's name, its last commit, and the commit to build on; empty where there is none.

    A branch that HEAD holds whole goes on from HEAD. Raises StorageError if the work tree is on no branch.
    """
    ref = f"refs/heads/{branch}" if branch else _current(root)
    if not ref:
        raise StorageError(f"{root} is on no branch (detached HEAD)")
    tip = git(root, "rev-parse", "--verify", "--quiet", ref, check=False).strip()
    head = git(root, "rev-parse", "--verify", "--quiet", "HEAD", check=False).strip()
    behind = bool(tip and head) and _asked(root, "merge-base", "--is-ancestor", tip, head).returncode == 0
    return ref, tip, head if behind or not tip else tip


def _checked_out(root: Path) -> set[str]:
    """Branches that other work trees of the repository have checked out."""
    told = git(root, "worktree", "list", "--porcelain", check=False)
    found = set()
    for block in told.split("\n\n"):
        lines = dict(line.partition(" ")[::2] for line in block.splitlines())
        if "branch" in lines and Path(lines.get("worktree", "")).resolve() != root.resolve():
            found.add(lines["branch"])
    return found


def _ask_hooks(root: Path, start: str, tree: str, message: str, folder: Path, names: Mapping[str, str]) -> None:
    """Ask the repository's hooks whether they take the commit, in a checkout of their own. Raises StorageError if one refuses."""
    there = [name for name in _HOOKS if os.access(root / git(root, "rev-parse", "--git-path", f"hooks/{name}").strip(), os.X_OK)]
    if not there:
        return
    git(root, *_NO_HOOKS, "worktree", "add", "--quiet", "--detach", str(folder), start)
    try:
        git(folder, *_NO_HOOKS, "read-tree", "-u", "-m", start, tree)
        told = folder.with_name("message")
        told.write_text(message, encoding="utf-8")
        for name in there:
            asked = _asked(folder, "hook", "run", name, *(["--", str(told)] if name == "commit-msg" else []), more=names,
                           seconds=_HOOK_SECONDS)  # fmt: skip
            if asked.returncode:
                said = (asked.stderr or asked.stdout).decode("utf-8", "replace")
                raise StorageError(f"the hook {name} refuses the commit: {' '.join(said.split())[:300] or 'it says nothing'}")
    finally:
        git(root, "worktree", "remove", "--force", "--force", str(folder), check=False)


# ---------------------------------------------------------------- trees


def _inside(root: Path, file: Path) -> str:
    path = file.resolve()
    if not path.is_relative_to(root.resolve()):
        raise StorageError(f"{file} lies outside of the repository {root}")
    return path.relative_to(root.resolve()).as_posix()


def _wanted(root: Path, files: Mapping[Path, str | None]) -> dict[str, str | None]:
    """Path below the root → text, without what git is told to ignore."""
    paths = {_inside(root, file): text for file, text in files.items()}
    return {path: text for path, text in paths.items() if _asked(root, "check-ignore", "--quiet", "--", path).returncode}


def _blob(root: Path, commit: str, path: str) -> str | None:
    """The hash of a file's content in a commit."""
    told = git(root, "ls-tree", commit, "--", path) if commit else ""
    return told.split()[2] if told else None


def _mode(root: Path, commit: str, path: str) -> str:
    told = git(root, "ls-tree", commit, "--", path) if commit else ""
    return told.split()[0] if told else "100644"


def _staged(root: Path, path: str, environment: Mapping[str, str] | None = None) -> set[str]:
    """What the index holds of a file: several where it is in conflict."""
    return {line.split()[1] for line in git(root, "ls-files", "--stage", "--", path, more=environment).splitlines()}


def _hashed(root: Path, path: str, text: str, write: bool = True) -> str:
    """The hash of a text as `git add` would keep it at this path."""
    return git(root, "hash-object", *(["-w"] if write else []), "--stdin", "--path", path, text=text).strip()


def _stage(root: Path, path: str, blob: str | None, mode: str, environment: Mapping[str, str]) -> None:
    if blob is None:
        git(root, "update-index", "--force-remove", "--", path, more=environment)
    else:
        git(root, "update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", more=environment)


# ---------------------------------------------------------------- the command


def _names(author: str | None) -> dict[str, str]:
    if author is None:
        return {}
    name, _, address = author.partition("<")
    both = {"NAME": name.strip(), "EMAIL": address.strip(" >")}
    return {f"GIT_{who}_{key}": value for who in ("AUTHOR", "COMMITTER") for key, value in both.items()}


def git(place: Path, *arguments: str, check: bool = True, more: Mapping[str, str] | None = None, text: str = "") -> str:
    """What git says in `place`, about the repository there whatever git's variables in the environment name.

    Raises ConfigurationError if git is not installed, and unless `check` is off, StorageError if it fails.
    """
    done = _asked(place, *arguments, more=more, text=text)
    if check and done.returncode:
        what = next(word for word in arguments if not word.startswith(("-", "core.")))
        raise StorageError(f"git {what} failed in {place}: {done.stderr.decode('utf-8', 'replace').strip()[:400]}")
    return done.stdout.decode("utf-8", "surrogateescape") if not done.returncode else ""


def _asked(
    place: Path, *arguments: str, more: Mapping[str, str] | None = None, text: str = "", seconds: int = _SECONDS
) -> subprocess.CompletedProcess[bytes]:
    inherited = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    environment = {**inherited, **_OURS, **(more or {})}
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=place,
            env=environment,
            input=text.encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        raise ConfigurationError("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise StorageError(f"git {arguments[0]} did not end within {seconds} seconds in {place}") from None
