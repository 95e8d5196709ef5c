"""Charts of measures as SVG: no scripts, nothing loaded from elsewhere, text from data bounded and escaped, below 60 KB."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

import pygal
from pygal.style import Style

from spectra_assets.covenant.build import Chart

MOST_ROWS = 400
"""Rows that are drawn at most."""

MOST_BYTES = 60_000
MOST_BARS = 40
"""Categories of a bar chart at most: more can't be read."""

_WIDTH = 520
"""Pixels. Dagster shows a picture in a window of 350: what is drawn much wider can't be read there."""

_FEW = 8
"""Up to this value a line's axis has a label for each whole number."""

_ROOM = 1.3
"""Length of the axis of lying bars, in lengths of the longest one."""

LABEL = 40
"""Characters of a text from data."""

TITLE = 90

_STYLE = Style(
    background="#ffffff",
    plot_background="#ffffff",
    foreground="#4a5568",
    foreground_strong="#1a202c",
    foreground_subtle="#cbd5e0",
    guide_stroke_color="#e2e8f0",
    major_guide_stroke_color="#cbd5e0",
    guide_stroke_dasharray="1,0",
    major_guide_stroke_dasharray="1,0",
    opacity="1",
    opacity_hover="0.85",
    value_colors=("#1a202c",) * 8,
    transition="0s",
    colors=("#2b6cb0", "#dd6b20", "#2f855a", "#805ad5", "#c53030", "#4a5568", "#b7791f", "#00838f"),
    font_family="Segoe UI, Helvetica Neue, Arial, sans-serif",
    title_font_size=15,
    label_font_size=12,
    major_label_font_size=12,
    value_font_size=11,
    legend_font_size=13,
    no_data_font_size=16,
)
_LINE = "#chart .series .line{stroke-width:2}"
_UPRIGHT = _LINE + "#chart .text-overlay text.value{transform:translate(0,-4px)}"
_LYING = "#chart .text-overlay text.value{text-anchor:start;transform:translate(4px,0)}"
_SCRIPT = re.compile(r"<script\b.*?(?:</script>|/>)", re.DOTALL | re.IGNORECASE)
_ID = re.compile(r"chart-[0-9a-f]{8}-[0-9a-f-]{27}")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_UNUSED = re.compile(r"<!--.*?-->|<desc class=\"[xy](?: centered)?\">.*?</desc>", re.DOTALL)


def draw(chart: Chart, rows: Sequence[Mapping[str, Any]]) -> str:
    """The chart of `rows`, in their order, with the columns `chart.x` and `chart.y`. Deterministic."""
    most = min(chart.top, MOST_ROWS) if chart.type == "line" else min(chart.top, MOST_BARS)
    shown = list(rows[:most])
    svg = _drawn(chart, shown)
    while len(svg.encode()) > MOST_BYTES and len(shown) > 1:
        shown = shown[: len(shown) * 3 // 4]
        svg = _drawn(chart, shown)
    return svg


def label(value: object, width: int = LABEL) -> str:
    """A value from data as one line of at most `width` characters, without control and direction characters."""
    if value is None:
        return "(none)"
    if isinstance(value, datetime) and value.time() == value.min.time():
        value = value.date()
    text = value.isoformat() if isinstance(value, date) else str(value)
    clean = "".join(" " if char.isspace() else char for char in text[: width * 4] if char.isspace() or _shows(char))
    line = " ".join(clean.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def _shows(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _drawn(chart: Chart, rows: list[Mapping[str, Any]]) -> str:
    kind, options = _form(chart, rows)
    figure = kind(
        title=label(chart.title, TITLE),
        style=_STYLE,
        js=(),
        disable_xml_declaration=True,
        no_data_text="no rows",
        legend_at_bottom=True,
        legend_at_bottom_columns=min(4, len(chart.y)),
        show_legend=len(chart.y) > 1,
        truncate_label=-1,
        truncate_legend=-1,
        margin=20,
        max_scale=8,
        value_formatter=_number_text,
        **options,
    )
    upright = kind is not pygal.HorizontalBar and kind is not pygal.HorizontalStackedBar
    ordered = rows if upright else list(reversed(rows))
    figure.x_labels = [label(row[chart.x]) for row in ordered]
    if chart.type == "line" and len(rows) > 14:
        step = -(-len(rows) // 12)
        figure.x_labels_major = figure.x_labels[::step]
        figure.show_minor_x_labels = False
    for name in chart.y:
        figure.add(_title(name), [_number(row[name]) for row in ordered])
    return _still(figure.render(is_unicode=True)).replace("</style>", f"{_UPRIGHT if upright else _LYING}</style>", 1)


def _form(chart: Chart, rows: list[Mapping[str, Any]]) -> tuple[type[Any], dict[str, Any]]:
    """The kind of chart, its size and its axis of values: bars lie where their labels would not fit below them."""
    numbers = [number for row in rows for name in chart.y if (number := _number(row[name])) is not None]
    least, most = min(numbers, default=0.0), max(numbers, default=0.0)
    if chart.type == "line":
        dots = len(rows) <= 60
        return pygal.Line, {
            "width": _WIDTH,
            "height": 300,
            "x_label_rotation": 35,
            "show_dots": dots,
            "dots_size": 2.5,
            "include_x_axis": True,
            **({"y_labels": range(int(most) + 1)} if least >= 0 and 1 <= most <= _FEW else {}),
        }
    stacked = chart.type == "stacked"
    values = {"print_values": not stacked, "print_values_position": "top"}
    widest = max((len(label(row[chart.x])) for row in rows), default=0)
    if not 2 < len(rows) <= 12 or widest * max(1, len(rows)) > 90:
        kind = pygal.HorizontalStackedBar if stacked else pygal.HorizontalBar
        each = 26 if stacked else 14 + 14 * len(chart.y)
        if not stacked and least >= 0 < most:  # each bar tells its value, which needs room beside the longest one
            values |= {"range": (0, _ROOM * most)}
        return kind, {"width": _WIDTH, "height": 110 + each * max(2, len(rows)), **values}
    kind = pygal.StackedBar if stacked else pygal.Bar
    return kind, {"width": _WIDTH, "height": 300, **values}


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float | Decimal):
        number = float(value)
        return number if isfinite(number) else None
    return None


def _number_text(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if abs(value) >= 1e12 else f"{value:,.2f}".rstrip("0").rstrip(".")


def _title(name: str) -> str:
    """A column's name as people read it: passRatePct → Pass rate %."""
    words = _WORD.findall(name) or [name]
    text = " ".join("%" if word.lower() == "pct" else word.lower() for word in words)
    return label(text[:1].upper() + text[1:])


def _still(svg: str) -> str:
    """Without scripts and the data they used, comments (they hold the day) and the random id that pygal gives each chart."""
    return _UNUSED.sub("", _ID.sub("chart", _SCRIPT.sub("", svg)))
