"""The algorithms of L1 by name: numbers, variants, defaults. Without kernels, so that a menu loads at once.

Numbers, windows and thresholds are those of the experiment's L1 code: docs/l1.md.
"""

from __future__ import annotations

from typing import Final

CHOD, RICH, KTAG, LAV, IRCSAC, STRAW, MUV3, NEWCHOD = range(8)

ALGORITHMS: Final = {
    "CHOD": CHOD,
    "KTAG": KTAG,
    "LAV": LAV,
    "IRCSAC": IRCSAC,
    "STRAW": STRAW,
    "MUV3": MUV3,
    "NewCHOD": NEWCHOD,
}
"""Algorithms by name; each reads the hits of the detector of its name. RICH, 1, is disabled in the experiment."""

WINDOWS_NS: Final = {"CHOD": 10.0, "KTAG": 10.0, "LAV": 20.0, "IRCSAC": 20.0, "MUV3": 10.0, "NewCHOD": 10.0}
"""Half widths of the windows about the trigger time, unless the menu has others; STRAW has none."""

STRAW_BITS: Final = {
    "pnn": 1,
    "exotic": 2,
    "multi-track": 4,
    "dv-loose": 8,
    "dv-tight": 16,
    "one-track": 32,
}
"""Bits of the STRAW verdict by the names that a menu uses; see `straw.verdict`."""

TIGHT, OPPOSITE, MULTIPLICITY = range(3)

MUV3_KINDS: Final = {"tight": TIGHT, "opposite": OPPOSITE, "multiplicity": MULTIPLICITY}
"""Variants of MUV3; see `muv3`."""

MAX_STEPS: Final = 10
"""Algorithms of a line."""

# What is computed once an event: each algorithm, MUV3 each of its variants.
CALL_KTAG, CALL_CHOD, CALL_NEWCHOD, CALL_LAV, CALL_IRCSAC, CALL_MUV3, _, _, CALL_STRAW = range(9)

CALLS: Final = {
    KTAG: CALL_KTAG,
    CHOD: CALL_CHOD,
    NEWCHOD: CALL_NEWCHOD,
    LAV: CALL_LAV,
    IRCSAC: CALL_IRCSAC,
    MUV3: CALL_MUV3,
    STRAW: CALL_STRAW,
}
"""The call of an algorithm; that of MUV3 plus its variant."""
