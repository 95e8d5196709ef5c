"""How a command answers: text or JSON on standard output, a problem with its exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from typing import Any, NoReturn

import click

from spectra_assets.errors import DocumentError, SpectraError
from spectra_assets.untrusted import lines


class Commands(click.Group):
    """Commands in the order in which a person needs them; a misspelt one is answered with those there are."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            close = get_close_matches(args[0], self.commands, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"there is no command {args[0]!r}{hint} Commands are {', '.join(self.commands)}.")
        return super().resolve_command(ctx, args)


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
        more: dict[str, Any] = {}
        if isinstance(error, DocumentError):
            more["mistakes"] = [{"file": each.file, "line": each.line, "message": str(each)} for each in error.each]
        tell_end(type(error).__name__, str(error), error.exit_code, **more)
    else:
        click.echo(lines(f"{type(error).__name__}: {error}"), err=True)
    sys.exit(error.exit_code)


def tell_end(kind: str, message: str, exit_code: int, **more: Any) -> None:
    """The JSON of a command that gives no other answer: what ended it, and with which exit code."""
    click.echo(json.dumps({"ok": False, "error": kind, "message": message, "exit_code": exit_code, **more}, ensure_ascii=False))


def answer(value: Any, text: str, as_json: bool) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, default=str) if as_json else lines(text))
