"""Bits of primitive IDs that an experiment's profile has no name for."""

from __future__ import annotations

from collections.abc import Sequence

from trigger.experiment import CALIBRATION_BIT, Detector


def unnamed_bits(set_bits: int, detector: Detector) -> list[int]:
    """Return the bits of `set_bits` (IDs, OR-ed) below the calibration bit that have no name, rising."""
    named = set(detector.bits.values())
    return [bit for bit in range(CALIBRATION_BIT) if set_bits >> bit & 1 and bit not in named]


def unnamed_text(bits: Sequence[int], experiment: str) -> str:
    """Say of one or more rising bits that they are set and have no name: 'bits 0, 10-11 are set ...'."""
    bit, are, have = ("bit", "is", "has") if len(bits) == 1 else ("bits", "are", "have")
    return f"{bit} {_ranges(bits)} {are} set and {have} no name in {experiment}"


def _ranges(numbers: Sequence[int]) -> str:
    """Write rising numbers as 0, 2, 8-13."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
