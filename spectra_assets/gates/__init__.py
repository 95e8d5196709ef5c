"""Gates: rules judged on a table before it is published. `evaluate` judges a candidate, `registry.GATES` are all gates.

Importing the package registers them.
"""

from spectra_assets.gates import (
    analyse,
    clean,
    extract,
    filled,
    gone,
    keys,
    lasting,
    log,
    prepare,
    refine,
    scale,
    source,
    together,
    transform,
)

__all__ = [
    "analyse",
    "clean",
    "extract",
    "filled",
    "gone",
    "keys",
    "lasting",
    "log",
    "prepare",
    "refine",
    "scale",
    "source",
    "together",
    "transform",
]
