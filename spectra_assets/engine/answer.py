"""How a command answers: text or JSON on standard output, a problem with its exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

import click

from spectra_assets.errors import DocumentError, SpectraError
from spectra_assets.untrusted import lines


def command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`, and turn a SpectraError into its message and exit code."""

    @click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
    @wraps(function)
    def guarded(*args: Any, as_json: bool, **kwargs: Any) -> Any:
        try:
            return function(*args, as_json=as_json, **kwargs)
        except SpectraError as error:
            fail(error, as_json)

    return guarded


def fail(error: SpectraError, as_json: bool) -> NoReturn:
    if as_json:
        told: dict[str, Any] = {"ok": False, "error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
        if isinstance(error, DocumentError):
            told["mistakes"] = [{"file": each.file, "line": each.line, "message": str(each)} for each in error.each]
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        click.echo(lines(f"{type(error).__name__}: {error}"), err=True)
    sys.exit(error.exit_code)


def answer(value: Any, text: str, as_json: bool) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, default=str) if as_json else lines(text))
