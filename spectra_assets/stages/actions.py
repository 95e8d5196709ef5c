"""Every action: importing this module registers them all."""

from __future__ import annotations

from spectra_assets.stages import analyse, clean, coverage, dimension, extract, fact, log, prepare, refine, source
from spectra_assets.stages.work import ACTIONS

__all__ = ["ACTIONS", "analyse", "clean", "coverage", "dimension", "extract", "fact", "log", "prepare", "refine", "source"]
