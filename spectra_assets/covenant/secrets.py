"""Fields that let in whoever has them: of their values no more than hashes come out of an answer."""

from __future__ import annotations

from collections.abc import Iterable

from spectra_assets.covenant.access import Server, Withheld
from spectra_assets.covenant.canon import Canon
from spectra_assets.covenant.model import Covenant, PiiLevel
from spectra_assets.covenant.paths import ARRAY, join_path, split_path
from spectra_assets.names import Stage


def secrets_of(canon: Canon) -> list[str]:
    """Paths of the secrets that Prepare saw."""
    return [field.raw for entity in canon.entities for field in entity.fields if field.pii == PiiLevel.SECRET]


def secrets_in(covenant: Covenant) -> list[str]:
    """Paths of the secrets in its Clean tables."""
    clean = (table for table in covenant.tables() if table.ref.schema == Stage.CLEAN)
    return [path for table in clean for column in table.schema_ if column.pii == PiiLevel.SECRET for path in column.source]


def hashing(server: Server, paths: Iterable[str]) -> Server:
    """The server, of whose fields at these paths hashes are kept, unless a rule says already how they are withheld."""
    ruled = [_keys(each.field) for each in server.withheld]
    named = [keys for path in paths if not path.startswith("@") and (keys := _keys(path))]
    free = [join_path(keys) for keys in named if not any(keys[-len(each) :] == each for each in ruled)]
    found = [Withheld(field=name, how="hash") for name in dict.fromkeys(free)]
    return server.model_copy(update={"withheld": [*server.withheld, *found]}) if found else server


def _keys(path: str) -> list[str]:
    """The keys of a path as rules of kind withhold compare them."""
    return [key.removesuffix(ARRAY).lower() for key in split_path(path)]
