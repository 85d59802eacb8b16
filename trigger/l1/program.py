"""A menu's L1 as arrays, for the kernels."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trigger.clock import LSB_NS
from trigger.jit import named
from trigger.l1.algorithms import ALGORITHMS, CALLS, MUV3, STRAW
from trigger.l1.settings import L1Settings
from trigger.l1.straw.verdict import Cuts
from trigger.menu import N_MASKS, Menu

REFIT, COMPATIBLE = range(2)


class Program(NamedTuple):
    """What each mask runs, and with which numbers.

    Of mask m, the steps from first[m] to first[m + 1], each with its call (what is computed), variant, whether it is
    a veto, only a flag, and its downscaling. reduction: int64[16]. half_lsb: half width of the window of each call,
    float64[9]; then thresholds (`settings.Thresholds`), times in LSB.
    """

    first: NDArray[np.int64]
    call: NDArray[np.int64]
    variant: NDArray[np.int64]
    veto: NDArray[np.int64]
    flag: NDArray[np.int64]
    downscaling: NDArray[np.int64]
    reduction: NDArray[np.int64]
    half_lsb: NDArray[np.float64]
    cuts: Cuts
    ktag_sectors: int
    chod_hits: int
    newchod_pairs: int
    newchod_pair_lsb: float
    lav_hits: int
    ircsac_hits: int
    muv3_tight_lsb: float
    muv3_opposite_lsb: float
    straw_search: int
    autopass: int
    flag_mode: int
    all_reduction: int
    all_downscaling: int
    bypass_probability: float

    @property
    def n_steps(self) -> int:
        """Steps of all masks."""
        return len(self.call)


PROGRAM_T: Final = named(Program)


def compile_program(menu: Menu) -> Program:
    """Return the program of a menu; one without [l1] accepts all that comes."""
    settings = menu.l1 or L1Settings()
    steps = [step for line in menu.line for step in line.l1]
    counts = [len(line.l1) for line in menu.line] + [0] * (N_MASKS - len(menu.line))
    reduction = np.ones(N_MASKS, np.int64)
    reduction[: len(menu.line)] = [line.l1_reduction for line in menu.line]
    calls = [step.call for step in steps]
    numbers = [CALLS[ALGORITHMS[call.name]] for call in calls]
    kinds = [call.variant if ALGORITHMS[call.name] == MUV3 else 0 for call in calls]
    cuts = settings.thresholds
    return Program(
        first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        call=np.array(numbers, np.int64) + np.array(kinds, np.int64),
        variant=np.array([call.variant for call in calls], np.int64),
        veto=np.array([call.veto for call in calls], np.int64),
        flag=np.array([call.flag for call in calls], np.int64),
        downscaling=np.array([step.downscaling for step in steps], np.int64),
        reduction=reduction,
        half_lsb=_half_widths(settings),
        cuts=Cuts(cuts.straw_pnn_gev * 1e3, cuts.straw_one_track_gev * 1e3, cuts.straw_vertex_m * 1e3),
        ktag_sectors=cuts.ktag_sectors,
        chod_hits=cuts.chod_hits,
        newchod_pairs=cuts.newchod_pairs,
        newchod_pair_lsb=cuts.newchod_pair_ns / LSB_NS,
        lav_hits=cuts.lav_hits,
        ircsac_hits=cuts.ircsac_hits,
        muv3_tight_lsb=cuts.muv3_tight_ns / LSB_NS,
        muv3_opposite_lsb=cuts.muv3_opposite_ns / LSB_NS,
        straw_search=COMPATIBLE if settings.straw == "compatible" else REFIT,
        autopass=settings.autopass,
        flag_mode=int(settings.flag_mode),
        all_reduction=settings.reduction,
        all_downscaling=settings.downscaling,
        bypass_probability=settings.bypass_probability,
    )


def _half_widths(settings: L1Settings) -> NDArray[np.float64]:
    """Return the half width of the window of each call in LSB."""
    widths = np.zeros(9)
    for name, number in ALGORITHMS.items():
        if number == STRAW:
            continue
        first = CALLS[number]
        widths[first : first + (3 if number == MUV3 else 1)] = settings.window_ns(name) / LSB_NS
    return widths
