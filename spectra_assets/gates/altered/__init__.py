"""How the values of a column changed from one reading to the next, where they changed in nearly all records at once and alike.

Records that are there both times are compared, value by value. What one record in ten did not do, or what changed each in its own
way, is life; what all did in one way was done to them: a unit, a zone, a mask, a charset, another vocabulary. Pure functions of
values: numbers and moments (seconds since 1970; days of dates) as floats, texts, truth values.
"""

from spectra_assets.gates.altered.columns import alterations
from spectra_assets.gates.altered.pairs import LONGEST, MOST, Alteration, Form, Pairs
from spectra_assets.gates.altered.values import CODES, words_of

__all__ = ["CODES", "LONGEST", "MOST", "Alteration", "Form", "Pairs", "alterations", "words_of"]
