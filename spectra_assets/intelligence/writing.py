"""Packs as files: the same bytes for equal packs, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from spectra_assets.covenant.files import plain
from spectra_assets.draft import replace_text
from spectra_assets.intelligence.model import OVERRIDE, Pack

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

HEADER = (
    "# What discovery found out about {source}, and by which evidence; Prepare's proofs are in it once it has run.\n"
    "# Written again by `solution-engine run … --rediscover`: put corrections into {source}{override}, which is merged over it.\n"
)


def pack_file(folder: Path, source: str) -> Path:
    """Where the pack that discovery writes lies."""
    return folder / f"{source}.yaml"


def text_of(pack: Pack) -> str:
    """The file's text: keys in the model's order, defaults left out."""
    body = yaml.dump(plain(pack), Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=120)
    return HEADER.format(source=pack.source, override=OVERRIDE) + body


def write(folder: Path, pack: Pack) -> bool:
    """Write the pack to `folder`; False if the file already says the same. Raises StorageError."""
    return replace_text(pack_file(folder, pack.source), text_of(pack), "the intelligence pack")
