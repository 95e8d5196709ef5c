"""Remedies: what a gap's evidence lets propose, as changes of playbooks and nothing else. One module per family."""

from spectra_assets.learning.remedy import (
    acceptance,
    aside,
    endpoints,
    fields,
    filters,
    gates,
    keys,
    orphans,
    parents,
    plans,
    rate,
    types,
    values,
    words,
)
from spectra_assets.learning.remedy.registry import propose

__all__ = [
    "acceptance",
    "aside",
    "endpoints",
    "fields",
    "filters",
    "gates",
    "keys",
    "orphans",
    "parents",
    "plans",
    "propose",
    "rate",
    "types",
    "values",
    "words",
]
