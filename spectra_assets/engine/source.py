"""Discover: the intelligence pack of a source, and the address of its API in this process's environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from spectra_assets.client.address import Address
from spectra_assets.covenant.access import Server
from spectra_assets.discovery.discover import CUT, MORE, base_url_variable, discover
from spectra_assets.discovery.given import Given, Wanted
from spectra_assets.discovery.named import Listed, paths_of
from spectra_assets.discovery.proven import resumed
from spectra_assets.discovery.route import shape
from spectra_assets.engine.console import Console
from spectra_assets.errors import ConfigurationError, CredentialError, DocumentError, RequestError
from spectra_assets.intelligence.model import OVERRIDE, Pack, known_packs, load_pack, pack_as_written
from spectra_assets.intelligence.override import merged
from spectra_assets.intelligence.writing import pack_file, write
from spectra_assets.settings import Settings, variable
from spectra_assets.stages.design import playbooks_of


@dataclass(frozen=True)
class Options:
    """What `solution-engine run` was given beside the sentence. Names of environment variables, never their values."""

    base_url: str | None = None
    token_env: str | None = None
    user_env: str | None = None
    auth: str | None = None
    """A kind of covenant Auth, `header:NAME`, `header:NAME:PREFIX` or `query:NAME`."""
    openapi: str | None = None
    post_search: bool = False
    request_budget: int | None = None
    rediscover: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    """Fixed headers of every request; none: those that were given before."""
    lists: tuple[str, ...] = ()
    """Paths of lists to read as well, see `named.paths_of`."""


def address_variable(settings: Settings, source: str) -> str:
    """Environment variable with the address of the source's API."""
    if source in known_packs(settings.intelligence):
        return load_pack(source, settings.intelligence).server.base_url_env
    return base_url_variable(source)


@contextmanager
def addressed(settings: Settings, source: str, options: Options) -> Iterator[str | None]:
    """With `--base-url` (and `--token-env` for a source whose pack names another variable) in the environment meanwhile; what
    a person exports to run the pipeline elsewhere, None if nothing was given.

    Raises ConfigurationError for an address that is not valid, CredentialError if the variable that was named is not set.
    """
    values: dict[str, str] = {}
    name = address_variable(settings, source)
    if options.base_url is not None:
        Address.parse(options.base_url, "", "--base-url")
        values[name] = options.base_url
    if options.token_env and _is_curated(settings, source):
        named, value = load_pack(source).server.auth.token_env, variable(options.token_env)
        if value is None:
            raise CredentialError(f"--token-env names {options.token_env}, which is not set")
        if named and named != options.token_env:
            values[named] = value
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield f"export {name}={options.base_url}" if options.base_url else None
    finally:
        for key, old in before.items():
            if old is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = old


def pack_for(settings: Settings, source: str, options: Options, console: Console) -> Pack:
    """The pack of the source: the known one, or that of a discovery, which is written to `covenants/intelligence/`.

    Raises what `discover` raises; RequestError for `--rediscover` of a source whose pack comes with the package,
    ConfigurationError if the address is not known.
    """
    known = source in known_packs(settings.intelligence)
    if options.rediscover and _is_curated(settings, source):
        raise RequestError(
            f"the pack of {source} comes with the package and is not discovered again; correct it by "
            f"covenants/intelligence/{source}.override.yaml"
        )
    named = _named(settings, source, options)
    if known and not options.rediscover and not _opens(settings, source, options) and not _names_more(settings, source, named):
        return _known(settings, source, options, console)
    name = address_variable(settings, source)
    base_url = variable(name)
    if base_url is None:
        raise ConfigurationError(f"the address of {source} is not known: give --base-url URL, or set {name} to it")
    told = f"described by {options.openapi}" if options.openapi else "look for a description"
    console.step("Discover", f"{source}: {told}; find authentication, endpoints, records")
    before = load_pack(source, settings.intelligence).server if known else None
    allowed = tuple(before.searches) if before else ()
    headers = dict(options.headers) or (before.headers if before else {})
    again = {Listed.of(text).path for text in named}
    before_named = pack_as_written(source, settings.intelligence).paths if known else ()
    kept = tuple(text for text in before_named if Listed.of(text).path not in again)
    given = _given(settings, source, options)
    wanted = Wanted(given, options.openapi, options.post_search, allowed, headers, named, kept)
    budget = options.request_budget or int(playbooks_of(settings).setting("discovery_requests", source))
    pack = discover(settings, source, base_url, wanted, budget, console.line, console.detail)
    changed = write(settings.intelligence, pack)
    gaps = [f"gap: {each.about}: {each.evidence}" for each in pack.evidence if each.finding == "gap"]
    spent = next((each.finding for each in pack.evidence if each.about == "requests"), "")
    console.line(
        f"{len(pack.entities)} kinds of records at {len(pack.endpoints)} endpoints, {len(pack.excluded)} excluded, "
        f"{len(gaps)} gap{'' if len(gaps) == 1 else 's'}; {spent} requests"
    )
    console.line(f"kinds of records: {', '.join(sorted(hint.entity for hint in pack.entities))}")
    console.some(gaps, f"covenants/intelligence/{source}.yaml tells them with their evidence", 5)
    console.line(f"covenants/intelligence/{source}.yaml: {'written' if changed else 'unchanged'}")
    if pack.server.guessed:
        console.line(f"! nothing names its lists: these were found by guessing usual names, so {MORE}")
        if any(each.evidence.endswith(CUT) for each in pack.evidence):
            console.line(f"! {CUT}")
    if options.post_search:
        searches = ", ".join(f"POST {search.path}" for search in pack.server.searches) or "no search that only reads is described"
        console.line(f"--allow-post-search: {searches[:300]}")
    return load_pack(source, settings.intelligence)


def _opens(settings: Settings, source: str, options: Options) -> bool:
    """Whether a person allows searches by POST now that discovery left out: then it finds out about the source again."""
    if not options.post_search or _is_curated(settings, source):
        return False
    pack = load_pack(source, settings.intelligence)
    asked = {endpoint.path for endpoint in pack.reading}
    return any(endpoint.reads and endpoint.path not in asked for endpoint in pack.endpoints)


def _named(settings: Settings, source: str, options: Options) -> tuple[str, ...]:
    """Paths of lists that a person names now, or has in the override. Raises DocumentError, ConfigurationError."""
    file = settings.intelligence / f"{source}{OVERRIDE}"
    corrected: Any = merged({}, file, list(Pack.model_fields))[0].get("paths", []) if file.is_file() else []
    if not isinstance(corrected, list) or not all(isinstance(path, str) for path in corrected):
        raise DocumentError("paths: a list of paths is expected, such as [/students, '/faculties/{code}/programmes']", file)
    return tuple(dict.fromkeys((*options.lists, *paths_of(corrected, f"{file.name}, paths"))))


def _names_more(settings: Settings, source: str, named: tuple[str, ...]) -> bool:
    """Whether a person names a list that discovery did not ask for: then it finds out about the source again.

    Raises RequestError for a source whose pack comes with the package.
    """
    pack = pack_as_written(source, settings.intelligence)
    known = {shape(endpoint.path) for endpoint in pack.reading}
    lists = [Listed.of(text) for text in named]
    fresh = [
        path for path, entity in lists if shape(path) not in known or (entity and pack.entity_at(path) not in (entity, None))
    ]
    if fresh and _is_curated(settings, source):
        raise RequestError(
            f"the pack of {source} comes with the package, and knows no {fresh[0]}: add it as endpoint and entity by "
            f"covenants/intelligence/{source}.override.yaml"
        )
    return bool(fresh)


def requests_setting(settings: Settings, source: str) -> int:
    """Requests that Source and Prepare may send, as a person set them."""
    return int(playbooks_of(settings).setting("probe_requests", source))


def _known(settings: Settings, source: str, options: Options, console: Console) -> Pack:
    """The pack as it lies there; in a discovered one, another variable for the credential is remembered, and what an earlier run
    had no budget for is taken up."""
    written = pack_as_written(source, settings.intelligence)
    if written.origin == "discovered":
        if variable(written.server.base_url_env) is None:
            name = written.server.base_url_env
            raise ConfigurationError(f"{name} is not set: give --base-url URL again, or export {name}=<address of the API>")
        for option, named in (("--token-env", options.token_env), ("--user-env", options.user_env)):
            if named and variable(named) is None:  # a name that is mistyped must not be remembered
                raise CredentialError(f"{option} names {named}, which is not set")
        server = _renamed(written.server, options)
        pack, taken = resumed(written.model_copy(update={"server": server}), requests_setting(settings, source))
        if taken:
            console.line(f"postponed by an earlier run for want of requests, tried now: {', '.join(taken)[:300]}")
        if pack != written:
            write(settings.intelligence, pack)
    return load_pack(source, settings.intelligence)


def _renamed(server: Server, options: Options) -> Server:
    auth = server.auth
    names: dict[str, str] = {}
    if options.token_env and auth.kind != "none":
        names["token_env" if auth.token_env else "user_env"] = options.token_env
    if options.user_env and auth.user_env and auth.token_env:
        names["user_env"] = options.user_env
    changed: dict[str, Any] = {"auth": auth.model_copy(update=names)} if names else {}
    if options.headers:
        changed["headers"] = dict(options.headers)
    return server.model_copy(update=changed) if changed else server


def _given(settings: Settings, source: str, options: Options) -> Given:
    """The credential's variables: those given now, else those that an earlier discovery remembered, with how it sent them."""
    if source not in known_packs(settings.intelligence):
        return Given.of(options.token_env, options.user_env, options.auth)
    auth = pack_as_written(source, settings.intelligence).server.auth
    names = (options.token_env, options.user_env)
    if options.token_env is None:
        alone = auth.kind == "basic" and auth.token_env is None
        names = (auth.user_env, None) if alone else (auth.token_env, auth.user_env)
    before = auth if auth.kind != "none" and options.auth is None else None
    return replace(Given.of(*names, options.auth), before=before)


def _is_curated(settings: Settings, source: str) -> bool:
    """Whether the source's pack is one of the package."""
    return source in known_packs() and not pack_file(settings.intelligence, source).is_file()
