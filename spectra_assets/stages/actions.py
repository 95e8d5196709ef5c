"""Every action: importing this module registers them all."""

from __future__ import annotations

from spectra_assets.stages import log, refine
from spectra_assets.stages.analyse import analyse
from spectra_assets.stages.clean import clean
from spectra_assets.stages.extract import cursor, extract
from spectra_assets.stages.prepare import coverage, deletions, prepare
from spectra_assets.stages.prepare.increments import increments
from spectra_assets.stages.source import source
from spectra_assets.stages.transform import dimension, fact
from spectra_assets.stages.work import ACTIONS

__all__ = [
    "ACTIONS",
    "analyse",
    "clean",
    "coverage",
    "cursor",
    "deletions",
    "dimension",
    "extract",
    "fact",
    "increments",
    "log",
    "prepare",
    "refine",
    "source",
]
