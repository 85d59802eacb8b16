"""Rates as text."""

from __future__ import annotations

import math


def rate_text(hz: float, error_hz: float, sign: str = "") -> str:
    """Write a rate with its error to two digits, in the unit that suits the rate; sign: "+" for a difference."""
    unit, scale = next(((u, s) for u, s in (("MHz", 1e6), ("kHz", 1e3)) if abs(hz) >= s), ("Hz", 1.0))
    error = error_hz / scale
    digits = max(1 - math.floor(math.log10(error)), 0) if error > 0 else 0
    return f"{hz / scale:{sign},.{digits}f} +- {error:.{digits}f} {unit}"
