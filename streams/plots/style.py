"""What all pictures have in common."""

from __future__ import annotations

from typing import Any, Final

DPI: Final = 150

SUFFIXES: Final = (".png", ".svg", ".pdf")
"""Kinds of picture that can be drawn."""

STAMPS: Final[dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}
"""What leaves the date out of a picture: the same content gives the same file."""

SETTINGS: Final[Any] = {"svg.hashsalt": "ktrig", "font.size": 10, "axes.titlesize": 11}

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
"""Colours that colour-blind people can tell apart (Okabe and Ito)."""
