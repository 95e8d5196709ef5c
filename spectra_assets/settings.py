"""The only reader of environment variables. Nothing is read at import."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from spectra_assets.errors import ConfigurationError
from spectra_assets.names import check_source

LESSONS_AUTHOR = "SPECTRA learning loop <lessons@spectra.invalid>"
DAILY = "0 5 * * *"
_CRON = r"\S+( \S+){4}"
LESSONS_MESSAGE = "{message}"
_COMMIT = r"current|off|branch:(?!-)[A-Za-z0-9._/-]{1,100}"
_MESSAGE = r"(?=.{1,200}$)[^{}\n]*\{message\}[^{}\n]*"
_NUMBER = re.compile(r"[1-9][0-9]*")


class Settings(BaseModel):
    """What a person may set, with its environment variable.

    project         SPECTRA_PROJECT         folder with playbooks/, covenants/ and lessons/; default: found upward from here
    lakehouse_root  SPECTRA_LAKEHOUSE       folder (relative to the project) or URI of the lakehouses; default: lakehouse
    sources         SPECTRA_SOURCES         comma-separated sources whose covenants are loaded; default: all
    engine          SPECTRA_ENGINE          `sail` (embedded, default) or the address of a Spark Connect server, sc://…
    engine_memory   SPECTRA_ENGINE_MEMORY   MiB which the embedded engine may use; default 1024
    schedule        SPECTRA_SCHEDULE        when a pipeline runs once its schedule is switched on: cron, in UTC; default 0 5 * * *
    in_flight       SPECTRA_IN_FLIGHT       requests in flight to one API at most; default: what its covenant says
    learning        SPECTRA_LEARNING        `apply` (default): remedies that are proven are applied; `propose`: a person applies
                                            them; `off`: gaps are written down only
    lessons_commit  SPECTRA_LESSONS_COMMIT  where what the loop changes is committed: `current` (default), `branch:NAME` or `off`
    lessons_author  SPECTRA_LESSONS_AUTHOR  author of these commits, `Name <address>`
    lessons_message  SPECTRA_LESSONS_MESSAGE  their message, one line with `{message}` for what the loop says of the change
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: Path
    lakehouse_root: str
    sources: tuple[str, ...] = ()
    engine: str = "sail"
    engine_memory: int = 1024
    schedule: str = DAILY
    in_flight: int | None = None
    learning: str = "apply"
    lessons_commit: str = "current"
    lessons_author: str = LESSONS_AUTHOR
    lessons_message: str = LESSONS_MESSAGE

    @property
    def playbooks(self) -> Path:
        return self.project / "playbooks"

    @property
    def covenants(self) -> Path:
        return self.project / "covenants"

    @property
    def intelligence(self) -> Path:
        """Folder of the packs that discovery writes."""
        return self.covenants / "intelligence"

    @property
    def lessons(self) -> Path:
        return self.project / "lessons"


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises ConfigurationError naming the variable, its value and what is valid."""
    env = os.environ if environment is None else environment
    project = _project(env.get("SPECTRA_PROJECT"))
    engine = env.get("SPECTRA_ENGINE") or "sail"
    if engine != "sail" and not engine.startswith("sc://"):
        raise ConfigurationError(f"SPECTRA_ENGINE is {engine!r}; valid are sail and sc://host:port of a Spark Connect server")
    return Settings(
        project=project,
        lakehouse_root=_lakehouse(env.get("SPECTRA_LAKEHOUSE") or "lakehouse", project),
        sources=tuple(check_source(name.strip()) for name in env.get("SPECTRA_SOURCES", "").split(",") if name.strip()),
        engine=engine,
        engine_memory=_number(env, "SPECTRA_ENGINE_MEMORY") or 1024,
        schedule=_form(env, "SPECTRA_SCHEDULE", DAILY, _CRON, f"cron with five fields, such as {DAILY}"),
        in_flight=_number(env, "SPECTRA_IN_FLIGHT"),
        learning=_form(env, "SPECTRA_LEARNING", "apply", r"apply|propose|off", "apply, propose and off"),
        lessons_commit=_form(env, "SPECTRA_LESSONS_COMMIT", "current", _COMMIT, "current, off and branch:NAME"),
        lessons_author=_form(env, "SPECTRA_LESSONS_AUTHOR", LESSONS_AUTHOR, r"[^<>\n]+ <[^<>\s]+>", "Name <address>"),
        lessons_message=_form(
            env,
            "SPECTRA_LESSONS_MESSAGE",
            LESSONS_MESSAGE,
            _MESSAGE,
            "one line of at most 200 characters with {message} in it, once",
        ),
    )


def variable(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Value of the environment variable which a covenant names (a base URL, a token); None if unset or empty."""
    env = os.environ if environment is None else environment
    return env.get(name, "").strip() or None


def state_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where this user's programs keep what outlives them: XDG_STATE_HOME, or ~/.local/state. Raises ConfigurationError."""
    env = os.environ if environment is None else environment
    given = Path(env.get("XDG_STATE_HOME", ""))
    try:
        return given if given.is_absolute() else Path.home() / ".local" / "state"
    except RuntimeError:
        raise ConfigurationError("this user has no home folder; set XDG_STATE_HOME to a folder of this user's own") from None


def _project(given: str | None) -> Path:
    if given:
        folder = Path(given).expanduser().resolve()
        if not (folder / "playbooks").is_dir():
            raise ConfigurationError(f"SPECTRA_PROJECT is {given!r}, which has no folder playbooks/")
        return folder
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parent.parent):
        if (folder / "playbooks" / "STANDARDS.md").is_file() and (folder / "covenants").is_dir():
            return folder
    raise ConfigurationError("no SPECTRA project here: no folder upward has playbooks/ and covenants/; set SPECTRA_PROJECT")


def _lakehouse(given: str, project: Path) -> str:
    """A URI as it is; a folder below the project unless it begins elsewhere: the command line and a daemon mean the same one."""
    return given if "://" in given else str(project / Path(given).expanduser())


def _form(env: Mapping[str, str], name: str, default: str, form: str, valid: str) -> str:
    text = env.get(name, "").strip() or default
    if not re.fullmatch(form, text):
        raise ConfigurationError(f"{name} is {text!r}; valid: {valid}")
    return text


def _number(env: Mapping[str, str], name: str) -> int | None:
    text = env.get(name, "").strip()
    if text and not _NUMBER.fullmatch(text):
        raise ConfigurationError(f"{name} is {text!r}; valid is a whole number from 1")
    return int(text) if text else None
