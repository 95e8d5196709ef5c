"""What a person asks for, in one sentence."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from spectra_assets.errors import RequestError, one_of
from spectra_assets.intelligence.model import known_packs
from spectra_assets.names import check_source

_SENTENCE = re.compile(
    r"\s*(?:please\s+)?(?:create|build|make|generate|set\s+up|run|refresh|update|deliver)\s+"
    r"(?:(?:a|an|the|my|our)\s+)?(?:new\s+)?(?:spectra\s+)?(?:data\s+)?pipeline\s+(?:for|of|from)\s+(?:the\s+)?"
    r"(?P<source>\S+?)(?:\s+(?:api|source))?\s*[.!]?\s*",
    re.IGNORECASE,
)


class Request(BaseModel):
    """An understood sentence."""

    model_config = ConfigDict(frozen=True)

    source: str


def understand(sentence: str, folder: Path | None = None, new: bool = False) -> Request:
    """Read the sentence. `folder` holds the project's packs; `new`: the address of a source that nobody described is known.

    Raises RequestError saying what can be asked, ConfigurationError for an invalid source name.
    """
    match = _SENTENCE.fullmatch(sentence)
    known = known_packs(folder)
    if not match:
        raise RequestError(
            f"I don't understand {sentence[:200]!r}. I can create and run a pipeline: "
            f'"create SPECTRA pipeline for <source>", where <source> is {one_of(known)}, or any other with --base-url URL'
        )
    source = check_source(match["source"].strip("\"'").lower() if match["source"].isalpha() else match["source"].strip("\"'"))
    if source not in known and not new:
        raise RequestError(
            f"nothing is known about the source {source!r}: there are intelligence packs for {one_of(known)}. "
            f"To find out about another API, give its address by --base-url URL (and --token-env NAME, the environment variable "
            f'with its credential), or ask for example: "create SPECTRA pipeline for {known[0]}"'
        )
    return Request(source=source)
