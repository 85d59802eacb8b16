"""What was drawn into the panels of a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from numpy.typing import NDArray

from streams.cli.main import main

Floats = NDArray[np.float64]


def panel() -> Axes:
    return Figure().subplots()


def xy(line: Line2D) -> Floats:
    """Points of a line: float64[n, 2]."""
    return np.asarray(line.get_xydata(), np.float64)


def lines(axes: Axes) -> dict[str, Floats]:
    """Points of the lines that have a name."""
    return {str(line.get_label()): xy(line) for line in axes.get_lines()}


def stairs(axes: Axes) -> dict[str, Floats]:
    """Values of the staircases that have a name."""
    return {str(p.get_label()): np.asarray(p.get_data()[0]) for p in axes.patches if isinstance(p, StepPatch)}


def plot(monkeypatch: pytest.MonkeyPatch, what: str, *arguments: str | Path) -> int:
    """Run `ktrig plot WHAT` in this process; return its exit code."""
    monkeypatch.setattr("sys.argv", ["ktrig", "plot", what, *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)
