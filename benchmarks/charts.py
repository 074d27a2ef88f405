"""Draws panels of a Grafana dashboard as one HTML page with SVG in it: enough to see whether a panel says something."""

import html
import math
import re
from dataclasses import dataclass, field
from typing import Any

COLUMN, UNIT = 60, 34
_LENGTHS = ((86400, "days"), (3600, "h"), (60, "min"))
_MEANT = {
    **{"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "dark-red": "#c4162a", "blue": "#5794f2"},
    **{"yellow": "#fade2a", "purple": "#b877d9", "text": "#ccccdc", "light-blue": "#8ab8ff"},
    **{
        "super-light-blue": "#c0d8ff",
        "light-purple": "#ca95e5",
        "dark-purple": "#8f3bb8",
        "light-yellow": "#ffee52",
        "semi-dark-blue": "#3274d9",
        "dark-blue": "#1f60c4",
        "transparent": "none",
    },
}
_COLORS = ("#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0", "#508642", "#cca300")
_STYLE = (
    "body{background:#111217;color:#ccccdc;font:12px sans-serif;margin:12px}h1{font-size:18px}.grid{position:relative}"
    ".panel{position:absolute;background:#181b1f;border:1px solid #2c3235;box-sizing:border-box;padding:6px;"
    "overflow:hidden}.row{background:none;border:0;font-weight:bold}.title{font-weight:bold}"
    ".value{font-size:28px;margin-top:18px;text-align:center}.none{color:#f55}"
    ".legend span{margin-right:10px;white-space:nowrap}"
)


@dataclass(frozen=True)
class Line:
    """One series: what its legend says, and its points as Unix seconds and values."""

    name: str
    points: list[tuple[float, float]] = field(repr=False)


def draw_page(title: str, panels: list[tuple[dict[str, Any], list[Line]]]) -> str:
    """The dashboard as a page; each panel of the file with the lines that its queries gave."""
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in panels) * UNIT
    drawn = "".join(_draw(panel, lines) for panel, lines in panels)
    return (
        f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
        f'<h1>{html.escape(title)}</h1><div class="grid" style="height:{height}px">{drawn}</div>'
    )


def _draw(panel: dict[str, Any], lines: list[Line]) -> str:
    place, kind = panel["gridPos"], panel["type"]
    width, height = place["w"] * COLUMN - 6, place["h"] * UNIT - 6
    content = f'<div class="title">{html.escape(panel["title"])}</div>'
    if kind == "text":
        content += f"<p>{html.escape(panel['options']['content'])}</p>"
    elif kind != "row":
        unit = panel["fieldConfig"]["defaults"]["unit"]
        if kind == "stat":
            content += _value(panel, lines, unit)
        elif kind == "table":
            content += _table(panel, lines)
        else:
            content += _chart(panel, lines, unit, width - 14, height - 60)
    style = f"left:{place['x'] * COLUMN}px;top:{place['y'] * UNIT}px;width:{width}px;height:{height}px"
    return f'<div class="panel {kind}" style="{style}">{content}</div>'


def _value(panel: dict[str, Any], lines: list[Line], unit: str) -> str:
    if not lines:
        return '<div class="value none">no data</div>'
    named = panel["options"].get("textMode") == "name"
    told = ", ".join(line.name if named else f"{_said(line.points[-1][1], unit)} {line.name}" for line in lines[:2])
    color = "text"
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is None or lines[0].points[-1][1] >= step["value"]:
            color = step["color"]
    return f'<div class="value" style="color:{_MEANT[color]}">{html.escape(told)}</div>'


def _table(panel: dict[str, Any], lines: list[Line]) -> str:
    """One row for each series, by what its legend says."""
    if not lines:
        return f"<p>{html.escape(panel['fieldConfig']['defaults']['noValue'])}</p>"
    mappings = [
        property["value"][0]["options"]
        for override in panel["fieldConfig"]["overrides"]
        for property in override["properties"]
        if property["id"] == "mappings" and override["matcher"]["options"] == "runbook"
    ]
    rows = (f"<li>{html.escape(line.name)} → {mappings[0].get(line.name, {}).get('text', '?')}</li>" for line in lines)
    return f"<ul>{''.join(rows)}</ul>"


def _shown(panel: dict[str, Any], name: str) -> tuple[str, str]:
    """Name and colour of a series by the panel's overrides; without one the colour follows from the name."""
    shown, color = name, _COLORS[sum(map(ord, name)) % len(_COLORS)]
    for override in panel["fieldConfig"]["overrides"]:
        matcher = override["matcher"]
        pattern = re.escape(matcher["options"]) if matcher["id"] == "byName" else matcher["options"][1:-1]
        if re.search(f"^(?:{pattern})$", name):
            for one in override["properties"]:
                shown = one["value"] if one["id"] == "displayName" else shown
                color = _MEANT[one["value"]["fixedColor"]] if one["id"] == "color" else color
    return shown, color


def _chart(panel: dict[str, Any], lines: list[Line], unit: str, width: int, height: int) -> str:
    points = [point for line in lines for point in line.points]
    if not points:
        said = panel["fieldConfig"]["defaults"].get("noValue")
        return f'<div class="value">{html.escape(said)}</div>' if said else '<div class="value none">no data</div>'
    left, right = min(at for at, _ in points), max(at for at, _ in points)
    low, high = min(0.0, *(value for _, value in points)), max(value for _, value in points)
    high = high if high > low else low + 1

    def place(at: float, value: float) -> str:
        x = 60 + (width - 66) * (at - left) / max(right - left, 1)
        return f"{x:.1f},{height - 4 - (height - 14) * (value - low) / (high - low):.1f}"

    drawn = "".join(
        f'<text x="54" y="{height - 2 - (height - 14) * share:.0f}" fill="#999" text-anchor="end" font-size="10">'
        f"{_said(low + (high - low) * share, unit)}</text>"
        for share in (0, 0.5, 1)
    )
    for line in lines:
        _, color = _shown(panel, line.name)
        way = " ".join(place(at, value) for at, value in line.points)
        drawn += f'<polyline points="{way}" fill="none" stroke="{color}" stroke-width="1.5"/>'
    shown = (_shown(panel, line.name) for line in lines)
    legend = " ".join(f'<span style="color:{color}">{html.escape(name)}</span>' for name, color in shown)
    return f'<svg width="{width}" height="{height}">{drawn}</svg><div class="legend">{legend}</div>'


def _said(value: float, unit: str) -> str:
    """A number as Grafana would say it, roughly."""
    if unit == "percentunit":
        return f"{value:.1%}"
    if unit == "s" and abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    if unit == "s":
        size, word = next((one for one in _LENGTHS if abs(value) >= one[0]), (1, "s"))
        return f"{value / size:.3g} {word}"
    if abs(value) >= 1e3:
        power = min(int(math.log10(abs(value)) // 3), 3)
        return f"{value / 1000**power:.3g} {' kMG'[power]}{unit if unit == 'Bps' else ''}"
    return f"{value:.3g}"
