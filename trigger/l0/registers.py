"""A menu in the form of the L0 processor's registers.

A row (a mask or the control trigger) fires if it is enabled and ((S | dontcare) == mask) on all 7 x 16 bits,
where S is the OR of the IDs in the time window. Per bit, mask/dontcare 1/1 ignores, 1/0 requires, 0/0
vetoes, 0/1 never fires.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trigger.activity import activity
from trigger.conditions import Term, read_condition
from trigger.errors import KtrigError
from trigger.experiment import N_DETECTORS as N_DETECTORS
from trigger.experiment import Experiment
from trigger.menu import MAX_TIME_CUT_LSB, Menu
from trigger.menu import N_MASKS as N_MASKS

CONTROL: Final = N_MASKS
"""Row of the control trigger, behind the masks."""

N_ROWS: Final = N_MASKS + 1

IGNORE: Final = 0x7FFF
"""Mask and dontcare word that ignores a detector; bit 15 (calibration) is never set in S."""

MAX_FINE_TIME_BITS: Final = 3


class RegisterError(KtrigError):
    """Register values that the L0 processor cannot hold."""


@dataclass(frozen=True, eq=False)
class L0Registers:
    """The settings of one L0 processor. Row i is mask i, row CONTROL is the control trigger.

    fine_time_bits: fine-time bits in the slot address, 0 to 3.
    reference, control: detector indices; control is None if there is no control trigger.
    mask, dontcare: uint16[17, 7]. enabled: bool[17].
    downscale: uint32[17], register D keeps 1 of D + 1.
    time_cut_lsb: int32[7], strict cut on |t - t_reference| in LSB.
    ignore_until_tick: entries up to and including this tick trigger nothing; -1 is off.

    The arrays are copied and converted; RegisterError if a shape or a value does not fit.
    """

    fine_time_bits: int
    reference: int
    control: int | None
    mask: NDArray[np.uint16]
    dontcare: NDArray[np.uint16]
    enabled: NDArray[np.bool_]
    downscale: NDArray[np.uint32]
    time_cut_lsb: NDArray[np.int32]
    ignore_until_tick: int = -1

    def __post_init__(self) -> None:
        _check_number("fine_time_bits", self.fine_time_bits, 0, MAX_FINE_TIME_BITS)
        _check_number("reference", self.reference, 0, N_DETECTORS - 1)
        if self.control is not None:
            _check_number("control", self.control, 0, N_DETECTORS - 1)
        _check_number("ignore_until_tick", self.ignore_until_tick, -1, 2**32 - 1)
        words, rows = (N_ROWS, N_DETECTORS), (N_ROWS,)
        for name, dtype, shape, low, high in (
            ("mask", np.uint16, words, 0, 2**16 - 1),
            ("dontcare", np.uint16, words, 0, 2**16 - 1),
            ("enabled", np.bool_, rows, 0, 1),
            ("downscale", np.uint32, rows, 0, 2**32 - 1),
            ("time_cut_lsb", np.int32, (N_DETECTORS,), 0, MAX_TIME_CUT_LSB),
        ):
            fitted = _fit(name, getattr(self, name), shape, low, high)
            object.__setattr__(self, name, np.array(fitted, dtype, order="C"))
        if self.control is None and self.enabled[CONTROL]:
            raise RegisterError("enabled[16] is set without a control detector; name one or clear it")


def register_word(mask: int | np.uint16, dontcare: int | np.uint16) -> int:
    """Return the firmware's 32-bit register of one mask and detector: dontcare above mask."""
    return int(dontcare) << 16 | int(mask)


def compile_registers(
    menu: Menu, experiment: Experiment, present: Collection[str] | None = None
) -> L0Registers:
    """Compile a menu for an experiment; MenuError if it does not fit.

    present: names of the detectors in the spill; lines that cannot fire without the others are disabled,
    and the vetoes of absent detectors find nothing. None: all are there.
    """
    menu.check(experiment)
    mask = np.full((N_ROWS, N_DETECTORS), IGNORE, np.uint16)
    dontcare = mask.copy()
    enabled = np.zeros(N_ROWS, np.bool_)
    downscale = np.zeros(N_ROWS, np.uint32)
    for row, line in menu.rows:
        _set_terms(read_condition(line.condition, experiment), mask[row], dontcare[row])
        enabled[row] = True
        downscale[row] = line.downscaling - 1
    if present is not None:
        for (row, _), verdict in zip(menu.rows, activity(menu, experiment, present), strict=True):
            enabled[row] = verdict.active
    return L0Registers(
        fine_time_bits=menu.l0.fine_time_bits,
        reference=experiment.find(menu.l0.reference).index,
        control=experiment.find(menu.control.detector).index if menu.control else None,
        mask=mask,
        dontcare=dontcare,
        enabled=enabled,
        downscale=downscale,
        time_cut_lsb=_time_cuts(menu, experiment),
        ignore_until_tick=-1 if menu.l0.ignore_until_tick is None else menu.l0.ignore_until_tick,
    )


def _set_terms(terms: Iterable[Term], mask: NDArray[np.uint16], dontcare: NDArray[np.uint16]) -> None:
    """Require (1/0) or veto (0/0) the bit of each term in one row, in place."""
    for term in terms:
        bit = np.uint16(1 << term.bit)
        dontcare[term.detector.index] &= ~bit
        if term.veto:
            mask[term.detector.index] &= ~bit


def _time_cuts(menu: Menu, experiment: Experiment) -> NDArray[np.int32]:
    cuts = np.full(N_DETECTORS, menu.l0.time_cut_lsb, np.int32)
    for name, cut in menu.l0.time_cuts_lsb.items():
        cuts[experiment.find(name).index] = cut
    return cuts


def _check_number(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise RegisterError(f"{name}: must be a whole number from {low} to {high} (is {value!r})")


def _fit(name: str, values: Any, shape: tuple[int, ...], low: int, high: int) -> NDArray[Any]:
    """Return the values as an array after checking its kind, shape and range."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise RegisterError(f"{name}: rows differ in length; its shape must be {shape}") from None
    if array.shape != shape:
        raise RegisterError(f"{name}: its shape must be {shape} (is {array.shape})")
    if array.dtype.kind not in "iub":
        raise RegisterError(f"{name}: must be whole numbers (is {array.dtype})")
    outside = np.argwhere((array < low) | (array > high))
    if outside.size:
        where = tuple(int(i) for i in outside[0])
        raise RegisterError(f"{name}{list(where)}: must be from {low} to {high} (is {array[where]})")
    return array
