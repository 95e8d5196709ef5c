"""Remedies: what a gap's evidence lets propose, as changes of playbooks and nothing else. One module per family."""

from spectra_assets.learning.remedy import (
    aside,
    endpoints,
    fields,
    filters,
    gates,
    keys,
    losses,
    orphans,
    parents,
    plans,
    rate,
    types,
    values,
)
from spectra_assets.learning.remedy.registry import propose

__all__ = [
    "aside",
    "endpoints",
    "fields",
    "filters",
    "gates",
    "keys",
    "losses",
    "orphans",
    "parents",
    "plans",
    "propose",
    "rate",
    "types",
    "values",
]
