"""Transform: the star of dimensions, facts and bridges. Importing this module registers its actions."""

from __future__ import annotations

from spectra_assets.stages import dimension, fact

__all__ = ["dimension", "fact"]
