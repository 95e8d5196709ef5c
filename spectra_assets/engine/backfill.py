"""Reading chosen entities again, or lists of some parents, and making again what depends on the rows that changed."""

from __future__ import annotations

from collections.abc import Sequence

from spectra_assets.covenant.build import Extraction
from spectra_assets.covenant.files import read_of
from spectra_assets.covenant.model import Covenant
from spectra_assets.engine.console import Console
from spectra_assets.engine.replay import Replayed, below, remade
from spectra_assets.errors import ConfigurationError, RequestError, one_of
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import Stage, TableRef
from spectra_assets.settings import Settings, variable


def backfill(settings: Settings, source: str, entities: Sequence[str], parents: Sequence[str], console: Console) -> Replayed:
    """Read exactly these entities again, all of each or the lists of the `parents`, and merge them into their tables.

    Nothing else is asked for. Tables after Extract are made again if one of these changed. Raises RequestError for entities that
    the covenant does not extract, and for parents of several entities; failures of tables are in the result.
    """
    covenant = read_of(settings.covenants, source)
    tables = [_table(covenant, entity) for entity in dict.fromkeys(entities)]
    if parents and len(tables) != 1:
        raise RequestError(f"--parent goes with one --entity; there are {len(tables)}: {', '.join(entities)}")
    _demand_address(settings, covenant)
    told = f"the lists of {', '.join(parents)}" if parents else "all of it"
    console.step("Backfill", f"{covenant.pipeline.title}: {', '.join(tables)}, {told}")
    made = remade(covenant, tables, settings, console, backfill={name: list(parents) for name in tables})
    changed = [table["table"] for table in made.tables if table["status"] == "published"]
    if not made.ok or not changed:
        return made
    later = [name for name in below(covenant, changed) if not name.startswith(f"{Stage.EXTRACT}.")]
    return remade(covenant, later, settings, console)


def _demand_address(settings: Settings, covenant: Covenant) -> None:
    """Raise ConfigurationError if the variable with the API's address is not set, naming the host that the last run asked."""
    name = covenant.pipeline.server.base_url_env
    if variable(name) is not None:
        return
    lakehouse, ref = Lakehouse(settings.lakehouse_root, covenant.source), TableRef("source", "config")
    rows = lakehouse.read(ref, ["key", "value"]).to_pylist() if lakehouse.exists(ref) else []
    host = next((row["value"] for row in rows if row["key"] == "host" and row["value"]), None)
    told = (
        f"; the last run asked {host}: export {name}=<https or http>://{host}"
        if host
        else ", for example https://api.example.com"
    )
    raise ConfigurationError(f"{name} is not set: it is the base URL of the API{told}")


def _table(covenant: Covenant, entity: str) -> str:
    there = {table.entity: table.table for table in covenant.tables() if isinstance(table.build, Extraction)}
    if entity not in there:
        raise RequestError(f"{covenant.source} extracts no {entity!r}; there are {one_of(map(str, there))}")
    return there[entity]
