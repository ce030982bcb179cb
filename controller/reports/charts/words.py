"""Figures and times as a person reads them, and how wide a text will be.

Numbers and units are joined by a narrow no-break space; a reading that is missing is a dash, never a zero.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from controller.reports.charts.scales import day_text

MISSING = "–"
_NARROW = "\u202f"
_MINUS = "\u2212"


def figure(value: float | None, unit: str = "", *, digits: int | None = None) -> str:
    """Return ``value`` to about three figures with its unit, e.g. ``12.3 kW``; a dash for ``None``."""
    if value is None:
        return MISSING
    if digits is None:
        digits = 0 if abs(value) >= 99.95 else 1
    text = f"{abs(value):,.{digits}f}".replace(",", _NARROW)
    if digits and abs(value) < 1e4:
        text = text.removesuffix("." + "0" * digits)
    sign = _MINUS if value < 0 and float(f"{value:.{digits}f}") != 0 else ""
    return f"{sign}{text}{_NARROW}{unit}" if unit else f"{sign}{text}"


def power_text(kw: float | None) -> str:
    """Return ``12.3 kW``, or ``450 W`` below one kilowatt."""
    return _small(kw, "W")


def power_unit(peak_kw: float) -> tuple[str, float]:
    """Return the unit of a power axis and how many of it make a kilowatt: ``kW``, or ``W`` for a small site."""
    return ("kW", 1.0) if peak_kw >= 1.0 else ("W", 1000.0)


def energy_text(kwh: float | None) -> str:
    """Return ``12.3 kWh``, or ``450 Wh`` below one kilowatt-hour."""
    return _small(kwh, "Wh")


def _small(thousands: float | None, unit: str) -> str:
    if thousands is not None and 0.0005 <= abs(thousands) < 0.9995:
        return figure(thousands * 1000, unit, digits=0 if abs(thousands) >= 0.00995 else 1)
    return figure(thousands, f"k{unit}")


def amount_text(amount: float, unit: str) -> str:
    """Return an amount with its unit in words, e.g. ``1 job``, ``3 jobs``, ``1.5 h late``."""
    words = figure(amount)
    return f"{words} {unit.removesuffix('s') if words == '1' else unit}"


def gpu_count(gpus: float) -> str:
    """Return ``1 GPU`` or ``16 GPUs``."""
    words = figure(gpus)
    return f"{words} GPU{'' if words == '1' else 's'}"


def rate_text(per_second: float | None) -> str:
    """Return ``57.2 requests/s``, or per minute or hour where that gives a figure to look at."""
    if per_second is None or per_second >= 1.0 or per_second == 0.0:
        return figure(per_second, "requests/s")
    if per_second * 60 >= 1.0:
        return figure(per_second * 60, "requests/min")
    return figure(per_second * 3600, "requests/h")


def percent(frac: float | None, *, digits: int = 0) -> str:
    """Return a fraction as ``62 %``."""
    return figure(None if frac is None else frac * 100, "%", digits=digits)


def money(usd: float | None) -> str:
    """Return ``$3.20``, ``−$12``, ``$1 240``."""
    if usd is None:
        return MISSING
    digits = 0 if abs(usd) >= 99.5 else 2
    text = f"{abs(usd):,.{digits}f}".replace(",", _NARROW)
    return f"{_MINUS if usd <= -0.005 else ''}${text}"


def more_text(usd: float | None, *, exact: bool) -> str:
    """Return what the other choice costs more, marked as an estimate unless it is exact; nothing if it is not known."""
    if usd is None:
        return ""
    return money(usd) + ("" if exact else " (estimate)")


def duration(hours: float | None) -> str:
    """Return ``45 min``, ``3 h 20 min``, ``4.5 days``."""
    if hours is None:
        return MISSING
    minutes = round(hours * 60)
    if minutes < 60:
        return f"{minutes}{_NARROW}min"
    if minutes < 48 * 60:
        whole, rest = divmod(minutes, 60)
        return f"{whole}{_NARROW}h {rest}{_NARROW}min" if rest else f"{whole}{_NARROW}h"
    return f"{figure(hours / 24, digits=1 if hours < 240 else 0)} days"


def clock(moment: datetime, zone: ZoneInfo, *, seconds: bool = False) -> str:
    """Return ``14:05`` in the site's zone."""
    return moment.astimezone(zone).strftime("%H:%M:%S" if seconds else "%H:%M")


def day_clock(moment: datetime, zone: ZoneInfo) -> str:
    """Return ``Thu 16 Jan 14:05`` in the site's zone."""
    return f"{day_text(moment.astimezone(zone).date())} {clock(moment, zone)}"


def width_px(text: str, size_px: float, *, bold: bool = False) -> float:
    """Return an upper estimate of the width of ``text`` in common sans-serif faces at ``size_px``.

    Advance widths are those of a wide face (DejaVu Sans), so that a label that fits by this estimate fits in
    narrower faces as well.
    """
    return size_px * sum(_ADVANCES.get(char, 0.64) for char in text) * (BOLD if bold else 1.0)


BOLD = 1.13
"""How much wider the bold face is."""


_ADVANCES: dict[str, float] = {
    **dict.fromkeys("iljI'|", 0.32),
    **dict.fromkeys(".,:; \u202f\u00a0", 0.33),
    **dict.fromkeys("ftr()[]/-!", 0.41),
    **dict.fromkeys("mMW@%", 0.97),
    **dict.fromkeys("wNOQGDHU", 0.82),
    **dict.fromkeys("→−+×≥≤", 0.84),
}


def whole_words(text: str, room_px: float, size_px: float) -> str:
    """Return as many whole words of ``text`` as have room."""
    words = text.split(" ")
    while words and width_px(" ".join(words), size_px) > room_px:
        words.pop()
    return " ".join(words).rstrip(",")


def fit(text: str, room_px: float, size_px: float, *, bold: bool = False) -> str:
    """Return ``text``, shortened with an ellipsis to at most ``room_px``; empty if not even three letters fit."""
    if width_px(text, size_px, bold=bold) <= room_px:
        return text
    while text and width_px(text + "…", size_px, bold=bold) > room_px:
        text = text[:-1]
    return text.rstrip() + "…" if len(text) >= 3 else ""
