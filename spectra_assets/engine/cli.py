"""`solution-engine`: the command line. Answers go to standard output, progress and problems to standard error.

Exit codes: 0 done · 1 a bug · 2 something a person must change · 3 the credential · 4 the lakehouse ·
5 a table that is not there yet · 6 the API · 7 a gate · 8 what would change breaks readers · 130 stopped by a signal.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn, get_args

import click

from spectra_assets.covenant.access import Auth
from spectra_assets.engine import stop
from spectra_assets.engine.answer import Commands, tell_end
from spectra_assets.engine.answer import answer as _answer
from spectra_assets.engine.answer import command as _command
from spectra_assets.engine.answer import fail as _fail
from spectra_assets.engine.contracts import covenant, playbook
from spectra_assets.engine.lessons import lessons
from spectra_assets.engine.summary import summary_text
from spectra_assets.errors import RequestError, SpectraError
from spectra_assets.names import check_source
from spectra_assets.settings import load as load_settings

STOPPED = 128 + signal.SIGINT
"""Exit code of a process that was asked to stop, as shells have it."""

_EXAMPLES = """\b
Example:
  solution-engine run "create SPECTRA pipeline for shop" --base-url https://api.example.com/v2 --token-env SHOP_TOKEN
"""

_AUTH = get_args(Auth.model_fields["kind"].annotation)


@click.group(cls=Commands, epilog=__doc__ and "\b\n" + __doc__.split("\n\n", 1)[1])
@click.version_option(package_name="spectra-assets", prog_name="solution-engine")
def commands() -> None:
    """Turns a REST API into a governed lakehouse pipeline: Source, Prepare, Extract, Clean, Transform, Refine, Analyse."""


@commands.command(short_help="Build or refresh a pipeline by one sentence.", epilog=_EXAMPLES)
@click.argument("sentence", nargs=-1, required=True)
@click.option(
    "--commit", "commit_files", is_flag=True, help="Commit the covenant, the document and what was discovered, nothing else."
)
@click.option("--base-url", metavar="URL", help="Address of the API: all that an API without a built-in pack needs.")
@click.option(
    "--token-env", metavar="NAME", help="Environment variable with the credential (token, key, password, client secret)."
)
@click.option("--user-env", metavar="NAME", help="Environment variable with the user name, or the client id.")
@click.option(
    "--auth",
    metavar="KIND",
    help=f"How the credential is sent: {', '.join(_AUTH)}, header:NAME, header:NAME:PREFIX, query:NAME; default: found out.",
)
@click.option(
    "--header", metavar="NAME:VALUE", multiple=True, help="What the API wants with every request, such as its version; no secret."
)
@click.option(
    "--openapi", metavar="FILE_OR_URL", help="The API's description; default: looked for, else its answers are followed."
)
@click.option(
    "--list",
    "lists",
    metavar="PATHS",
    multiple=True,
    help="Lists to read as well, by their paths with commas between: /students,/faculties/{code}/programmes.",
)
@click.option(
    "--allow-post-search", is_flag=True, help="Searches by POST may be sent, where the description shows that they only read."
)
@click.option("--request-budget", type=click.IntRange(1), metavar="N", help="Requests that discovery may send.")
@click.option("--rediscover", is_flag=True, help="Find out about the source again, in place of what was found before.")
@click.option("--verbose", "-v", is_flag=True, help="Show everything: each endpoint tried, each change, each table.")
@_command
def run(
    sentence: tuple[str, ...],
    commit_files: bool,
    base_url: str | None,
    token_env: str | None,
    user_env: str | None,
    auth: str | None,
    header: tuple[str, ...],
    openapi: str | None,
    lists: tuple[str, ...],
    allow_post_search: bool,
    request_budget: int | None,
    rediscover: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Carry out a sentence: "create SPECTRA pipeline for SOURCE". Safe to run again: it says what did not change.

    SOURCE is a name of your choice (lower-case letters, digits, underscores) for an API with --base-url, or one that is known.
    """
    from spectra_assets.discovery.given import declared, fixed_header
    from spectra_assets.discovery.named import paths_of
    from spectra_assets.engine.console import Console
    from spectra_assets.engine.run import run_sentence
    from spectra_assets.engine.sentence import understand
    from spectra_assets.engine.source import Options

    text = " ".join(sentence)
    understand(text, new=True)
    if auth is not None:
        declared(auth)
    headers = tuple(fixed_header(text) for text in header)
    named = paths_of(lists, "--list")
    options = Options(base_url, token_env, user_env, auth, openapi, allow_post_search, request_budget, rediscover, headers, named)
    summary = run_sentence(text, load_settings(), Console(quiet=as_json, verbose=verbose), commit_files, options)
    _answer(summary.model_dump(mode="json"), summary_text(summary, verbose), as_json)
    sys.exit(summary.exit_code)


@commands.command()
@click.argument("source", required=False)
@_command
def status(source: str | None, as_json: bool) -> None:
    """Health of every table of one pipeline, or of all."""
    from spectra_assets.engine.status import health, status_text

    settings = load_settings()
    answer = health(settings, check_source(source) if source else None)
    _answer(answer, status_text(answer), as_json)


@commands.command(short_help="Make tables again from what was kept, without the API.")
@click.argument("source")
@click.option("--from", "start", required=True, metavar="STAGE", help="raw, clean, transform, refine or analyse.")
@_command
def replay(source: str, start: str, as_json: bool) -> None:
    """Make the tables of a pipeline again from what was kept, without the API: from raw pages, or from a stage on."""
    from spectra_assets.engine.console import Console
    from spectra_assets.engine.replay import replay as made_again

    result = made_again(load_settings(), check_source(source), start, Console(quiet=as_json))
    lines = [f"  {table['table']}: {table['rows']:,} rows" for table in result.tables if table["status"] == "published"]
    unchanged = sum(table["status"] == "unchanged" for table in result.tables)
    lines.append(f"{len(result.tables)} tables made again from {start}, {unchanged} of them came out as they were")
    _answer(result.model_dump(mode="json"), "\n".join([*lines, *_not_done(result)]), as_json)
    sys.exit(result.exit_code)


@commands.command(short_help="Read some entities, or lists of some parents, again.")
@click.argument("source")
@click.option(
    "--entity", "entities", metavar="NAME", multiple=True, required=True, help="What to read again; may be given several times."
)
@click.option(
    "--parent",
    "parents",
    metavar="ID",
    multiple=True,
    help="Only the list of this parent, by its id; may be given several times.",
)
@_command
def backfill(source: str, entities: tuple[str, ...], parents: tuple[str, ...], as_json: bool) -> None:
    """Read entities again, or the lists of some parents, merge them, and make again what depends on what changed."""
    from spectra_assets.engine.backfill import backfill as read_again
    from spectra_assets.engine.console import Console

    result = read_again(load_settings(), check_source(source), entities, parents, Console(quiet=as_json))
    lines = [f"  {table['table']}: {table['rows']:,} rows" for table in result.tables if table["status"] == "published"]
    lines = lines or ["  nothing changed: the tables already hold these rows"] if result.ok else lines
    _answer(result.model_dump(mode="json"), "\n".join([*lines, *_not_done(result)]), as_json)
    sys.exit(result.exit_code)


def _not_done(result: Any) -> list[str]:
    return [] if result.ok else [f"Not done: {result.problem}", "What was published before stays."]


@commands.command(short_help="List and archive tables that nothing makes any more.")
@click.argument("source")
@click.argument("tables", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Archive all of them.")
@_command
def retire(source: str, tables: tuple[str, ...], every: bool, as_json: bool) -> None:
    """List tables that the covenant no longer makes; archive those you name: they move to Files/retired, whole."""
    from spectra_assets.engine.leftover import leftovers
    from spectra_assets.engine.leftover import retire as put_aside

    settings = load_settings()
    found = leftovers(settings, check_source(source))
    names = [entry["table"] for entry in found] if every else list(tables)
    answer = put_aside(settings, source, names) if names else found
    lines = [
        f"  {entry['table']}: {entry['rows']:,} rows, written {entry['written_at'][:10]}"
        + (f", moved to {entry['moved_to']}" if "moved_to" in entry else "")
        for entry in answer
    ]
    if answer and not names:
        lines.append(f"solution-engine retire {source} TABLE… (or --all) moves them to the lakehouse's Files/retired")
    _answer(answer, "\n".join(lines) or f"nothing is left over: the covenant of {source} makes every table there is", as_json)


@commands.group(cls=Commands)
def quarantine() -> None:
    """Rows that broke a rule: list them, and restore those that now pass."""


@quarantine.command("list")
@click.argument("source")
@_command
def quarantine_list(source: str, as_json: bool) -> None:
    """Count the rows in quarantine by table and rule."""
    from spectra_assets.engine.replay import rejected_rows

    found = rejected_rows(load_settings(), check_source(source))
    lines = [f"  {entry['table']}: {entry['rows']:,} rows, {', '.join(entry['reasons'])}" for entry in found]
    _answer(found, "\n".join(lines) or f"no row of {source} is in quarantine", as_json)


@quarantine.command("replay")
@click.argument("source")
@click.option(
    "--table", metavar="STAGE.TABLE", help="Only this table, e.g. clean.cycle; default: every table with rows in quarantine."
)
@_command
def quarantine_replay(source: str, table: str | None, as_json: bool) -> None:
    """After a rule or the data was mended: make the tables again, and tell which rows came back and which did not."""
    from spectra_assets.engine.console import Console
    from spectra_assets.engine.replay import replay_quarantine

    result, tables = replay_quarantine(load_settings(), check_source(source), table, Console(quiet=as_json))
    lines = []
    for each in tables:
        lines.append(f"  {each.table}: {each.returned} rows came back, {each.still} are still rejected, {each.new} are new")
        lines += [f"    back   {row['key']}" for row in each.returned_rows]
        lines += [f"    still  {row['key']}: {', '.join(row['reasons'])}" for row in each.still_rows]
        if each.gone:
            lines.append(
                f"    {each.gone} are gone from both tables: duplicates of other records, or no longer sent by the source"
            )
    answer = {**result.model_dump(mode="json"), "quarantine": [each.model_dump() for each in tables]}
    _answer(answer, "\n".join([*lines, *_not_done(result)]) or f"no row of {source} is in quarantine", as_json)
    sys.exit(result.exit_code)


commands.add_command(covenant)
commands.add_command(playbook)
commands.add_command(lessons)


@commands.command("serve-standin")
@click.option("--executions", default=2000, show_default=True, type=click.IntRange(0), help="How many executions there are.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same data.")
@click.option(
    "--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="Port on 127.0.0.1; 0 takes a free one."
)
@click.option("--token-env", help="Environment variable that holds the token; without it one is generated and shown.")
@click.option("--fault", "faults", multiple=True, help="A fault to show, e.g. rate-limit:10; may be given several times.")
@_command
def serve_standin(executions: int, seed: int, port: int, token_env: str | None, faults: tuple[str, ...], as_json: bool) -> None:
    """Serve the stand-in API on 127.0.0.1 until interrupted."""
    from spectra_assets.settings import variable
    from spectra_assets.standin.faults import parse_fault
    from spectra_assets.standin.server import StandIn, serve

    for fault in faults:
        parse_fault(fault)
    token = variable(token_env) if token_env else None
    if token_env and token is None:
        raise RequestError(f"--token-env names {token_env}, which is not set")
    if not as_json:
        serve(executions, seed, port, token, faults)
        return
    with StandIn(executions=executions, seed=seed, port=port, token=token, faults=faults) as server:
        click.echo(json.dumps({"base_url": server.base_url, "port": server.port, **({} if token else {"token": server.token})}))
        _wait_for_signal()


def _wait_for_signal() -> None:
    import threading

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


@commands.command(short_help="Build the pipeline of the stand-in API.")
@click.option(
    "--executions", default=2000, show_default=True, type=click.IntRange(0), help="How many executions the stand-in has."
)
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same data.")
@_command
def demo(executions: int, seed: int, as_json: bool) -> None:
    """Start the stand-in API on a free port and create the pipeline against it."""
    from spectra_assets.engine.console import Console
    from spectra_assets.engine.demo import standin_environment
    from spectra_assets.engine.run import run_sentence
    from spectra_assets.standin import SOURCE

    with standin_environment(executions, seed):
        summary = run_sentence(f"create SPECTRA pipeline for {SOURCE}", load_settings(), Console(quiet=as_json))
    _answer(summary.model_dump(mode="json"), summary_text(summary), as_json)
    sys.exit(summary.exit_code)


@commands.command(short_help="Open the Dagster UI.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Port of the UI on 127.0.0.1.")
@click.option(
    "--executions", default=2000, show_default=True, type=click.IntRange(0), help="How many executions the stand-in has."
)
def dev(port: int, executions: int) -> None:
    """Open the Dagster UI; without an address of the API, the stand-in serves the API beside it."""
    from spectra_assets.engine.demo import serve_ui

    try:
        sys.exit(serve_ui(load_settings(), port, executions))
    except SpectraError as error:
        _fail(error, as_json=False)


def main() -> NoReturn:
    """The process: what a command ends with is what the process ends with.

    Threads of libraries may still run while the interpreter is taken down, and end it by SIGABRT (CPython 3.11 ends a thread that
    wants the interpreter back by an exception through C++ frames). So it is not taken down: what is to be done at exit is done,
    output is written, and the process ends.
    """
    stop.watch()
    code: object = None
    ended: tuple[str, str, int] | None = None
    try:
        code = commands(prog_name="solution-engine", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        ended = type(error).__name__, error.format_message(), error.exit_code
    except (click.Abort, KeyboardInterrupt):
        message = "Stopped. What was published stays; the same command goes on from here."
        click.echo(message, err=True)
        ended = "Stopped", message, STOPPED
    except SystemExit as end:
        code = end.code
    except BaseException as error:  # noqa: BLE001  (a bug: its traceback is shown as Python would)
        traceback.print_exc()
        ended = type(error).__name__, "a bug of this software; standard error has its traceback", 1
    if ended:
        code = ended[-1]
        if "--json" in sys.argv:
            with suppress(OSError):
                tell_end(*ended)
    atexit._run_exitfuncs()  # an error in one is shown, and keeps no other from being called
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it is gone
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
