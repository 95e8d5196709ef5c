"""The stand-in as the API of a demonstration, and the Dagster UI."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from spectra_assets.covenant.files import covenant_files
from spectra_assets.graph.runner import dagster_home
from spectra_assets.intelligence.model import load_pack
from spectra_assets.settings import Settings, variable
from spectra_assets.standin import SOURCE
from spectra_assets.standin.server import StandIn

_SEED = 7
_LOCATION = "spectra"
"""The code location of workspace.yaml."""

_LOOKS = 2.0
"""Seconds between two looks at the covenants."""


@contextmanager
def standin_environment(executions: int, seed: int = _SEED) -> Iterator[StandIn]:
    """A running stand-in, to which the environment of this process points meanwhile."""
    server = load_pack(SOURCE).server
    with StandIn(executions=executions, seed=seed) as standin:
        values = {server.base_url_env: standin.base_url, str(server.auth.token_env): standin.token}
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield standin
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def serve_ui(settings: Settings, port: int, executions: int) -> int:
    """Run `dagster dev` on 127.0.0.1 until interrupted; its exit code. Without an address of the API the stand-in is it.

    Its code location is loaded again whenever a covenant changes: what a remedy brought can be asked for then.
    """
    dagster_home(settings)
    with ExitStack() as stack:
        if variable(load_pack(SOURCE).server.base_url_env) is None:
            standin = stack.enter_context(standin_environment(executions))
            print(f"The stand-in answers at {standin.base_url}", file=sys.stderr)
        print(f"The Dagster UI opens at http://127.0.0.1:{port}", file=sys.stderr)
        command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, cwd=settings.project, preexec_fn=_default_signals)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        ended = threading.Event()
        stack.callback(ended.set)
        threading.Thread(target=follow, args=(settings, partial(_reload, port), ended, _LOOKS), daemon=True).start()
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            return process.wait()


def follow(settings: Settings, reload: Callable[[], bool], ended: threading.Event, seconds: float) -> None:
    """Call `reload` when covenants have changed, and again until it says that it could, up to the end."""
    known = _stamps(settings)
    while not ended.wait(seconds):
        now = _stamps(settings)
        if now != known and reload():
            known = now


def _stamps(settings: Settings) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in covenant_files(settings.covenants, settings.sources)}


def _reload(port: int) -> bool:
    """Have Dagster load the covenants again, as its button does; whether it took it (at first it is not up yet)."""
    from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError

    try:
        told = DagsterGraphQLClient("127.0.0.1", port_number=port).reload_repository_location(_LOCATION)
    except (DagsterGraphQLClientError, OSError):
        return False
    if told.message:
        print(f"The covenants changed, and Dagster could not load them again: {told.message}"[:1000], file=sys.stderr)
    return True


def _default_signals() -> None:
    """What a shell set to be ignored for jobs in the background would be ignored by Dagster as well."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
