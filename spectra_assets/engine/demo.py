"""The stand-in as the API of a demonstration, and the Dagster UI."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from spectra_assets.graph.runner import dagster_home
from spectra_assets.intelligence.model import load_pack
from spectra_assets.settings import Settings, variable
from spectra_assets.standin import SOURCE
from spectra_assets.standin.server import StandIn

_SEED = 7


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
    """Run `dagster dev` on 127.0.0.1 until interrupted; its exit code. Without an address of the API the stand-in is it."""
    dagster_home(settings)
    with ExitStack() as stack:
        if variable(load_pack(SOURCE).server.base_url_env) is None:
            standin = stack.enter_context(standin_environment(executions))
            print(f"The stand-in answers at {standin.base_url}", file=sys.stderr)
        print(f"The Dagster UI opens at http://127.0.0.1:{port}", file=sys.stderr)
        command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, cwd=settings.project, preexec_fn=_default_signals)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            return process.wait()


def _default_signals() -> None:
    """What a shell set to be ignored for jobs in the background would be ignored by Dagster as well."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
