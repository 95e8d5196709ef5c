"""Fields that never had a value, but stand for the other end of a span: they are of its type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import split_path
from spectra_assets.names import words

_SPANS = tuple(
    tuple(text.split())
    for text in (
        "from to until till thru through", "start end stop finish", "started ended finished stopped", "starts ends", "begin end",
        "begins ends", "min max", "minimum maximum", "low high", "lower upper", "first last", "opened closed", "opening closing",
        "open close", "arrived departed", "arrival departure", "old new", "previous current", "von bis", "debut fin",
        "desde hasta", "inicio fin",
    )
)  # fmt: skip
"""Words of the ends of a span: what both are of one type."""


def spanned(entity: CanonEntity) -> CanonEntity:
    """The entity, where a field that never had a value is of the type of the other end of its span: `validTo` of `validFrom`."""
    by_place = {(each.raw.rpartition(".")[0], tuple(_leaf_words(each.raw))): each for each in entity.fields}
    found: list[CanonField] = []
    for one in entity.fields:
        twin = None
        if not one.filled and one.type == DataType.TEXT and one.structure == "scalar" and one.evidence == "sample":
            twins = (by_place.get((one.raw.rpartition(".")[0], said)) for said in _other_ends(_leaf_words(one.raw)))
            twin = next((each for each in twins if each is not None and each.filled and each.structure == "scalar"), None)
        same = (
            {"type": twin.type, "date_format": twin.date_format, "note": f"never seen; of the type of {twin.raw}"} if twin else {}
        )
        found.append(one.model_copy(update=same))
    return entity.model_copy(update={"fields": tuple(found)})


def _leaf_words(raw: str) -> list[str]:
    return [word.lower() for word in words(split_path(raw)[-1])] if not raw.startswith("@") else []


def _other_ends(said: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """What the other end of a span would be called, by the words of this one."""
    for place, word in enumerate(said):
        for ends in _SPANS:
            if word in ends:
                yield from ((*said[:place], other, *said[place + 1 :]) for other in ends if other != word)
