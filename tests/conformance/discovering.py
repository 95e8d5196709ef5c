"""Discovery as `solution-engine run … --base-url … --token-env …` calls it."""

from __future__ import annotations

import io

from spectra_assets.discovery.named import paths_of
from spectra_assets.engine.console import Console
from spectra_assets.engine.source import Options, pack_for
from spectra_assets.intelligence.model import Pack
from spectra_assets.settings import Settings
from tests.conformance.servers.api import Api


def discovered(api: Api, settings: Settings) -> Pack:
    """The pack that discovery makes of a running API, written into the project. Raises SpectraError."""
    return pack_for(settings, api.name(), options_of(api), Console(out=io.StringIO()))


def options_of(api: Api) -> Options:
    """What a person says about it."""
    user = f"{api.name().upper()}_USER" if api.user is not None else None
    headers = tuple(api.headers.items())
    searches = bool(api.searches)
    given = {"headers": headers, "lists": paths_of(api.named, "--list") if api.named else ()}
    return Options(base_url=api.base_url, token_env=api.token_env, user_env=user, post_search=searches, **given)
