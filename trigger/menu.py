"""The trigger menu: lines with conditions in words and downscalings, from menus/*.toml."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from trigger.clock import LSB_PER_TICK, seconds
from trigger.conditions import ConditionError, canonical, read_condition
from trigger.errors import KtrigError
from trigger.experiment import Experiment, ExperimentError
from trigger.l1.settings import Factor, L1Settings, Steps
from trigger.toml_source import Name, Path, Table, Whole, fault, parse, place, shown

N_MASKS: Final = 16
"""Masks of the L0 processor: a menu's lines, one each, in order."""

MASK_DOWNSCALING_BITS: Final = 32
"""Width of a mask's downscaling register (registers 27-42), which holds downscaling - 1."""

CONTROL_DOWNSCALING_BITS: Final = 16
"""Width of the control trigger's downscaling in the end-of-burst record."""

MAX_TIME_CUT_LSB: Final = 2**15 - 1
"""Time differences are signed 16-bit numbers of LSB in the firmware."""

MAX_TICK: Final = 2**31 - 1
"""Timestamps are 31 bits in the firmware."""

MAX_LATENCY_TICKS: Final = 2**15 - 1
"""The RAM in which triggers wait for their dispatch is addressed by 15 bits of the timestamp."""


class MenuError(KtrigError):
    """A menu that is wrong; the message names file, line, field and remedy."""


def _downscaling(bits: int, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise fault((), f"must be a whole number, n keeps 1 in n (is {shown(value)})")
    if value < 1:
        raise fault((), f"must be 1 or more, 1 keeps all (is {value})")
    if value > 2**bits:
        raise fault((), f"must be {2**bits} or less, its register has {bits} bits (is {shown(value)})")
    return value


def _condition(text: str) -> str:
    try:
        return canonical(text)
    except ConditionError as wrong:
        raise fault((), _about(text, wrong)) from None


def _about(condition: str, wrong: KtrigError) -> str:
    """Name the condition, which may be long, behind what is wrong with it."""
    return f"{wrong} (is {json.dumps(condition, ensure_ascii=False)})"


Condition = Annotated[str, AfterValidator(_condition)]
TimeCut = Annotated[Whole, Field(ge=1, le=MAX_TIME_CUT_LSB)]


class L0Settings(Table):
    """What all lines share.

    A detector takes part if |t - t_reference| < its time cut, strictly; 1 LSB = 97.46 ps. Reference entries
    up to and including `ignore_until_tick` trigger nothing (the extraction spike).
    """

    reference: str
    fine_time_bits: Annotated[Whole, Field(ge=0, le=3)]
    time_cut_lsb: TimeCut
    time_cuts_lsb: dict[str, TimeCut] = Field(default_factory=dict)
    ignore_until_tick: Annotated[Whole, Field(ge=0, le=MAX_TICK)] | None = None

    @property
    def slot_lsb(self) -> int:
        """Width of a slot of the alignment RAM."""
        return LSB_PER_TICK >> self.fine_time_bits


class Control(Table):
    """The control trigger: entries of its own detector, a mask and a downscaling of its own."""

    name: Name = "Control"
    detector: str
    condition: Condition
    downscaling: Annotated[int, BeforeValidator(partial(_downscaling, CONTROL_DOWNSCALING_BITS))]


class Line(Table):
    """One row of the menu; of every `downscaling` times its condition is met it fires once.

    l1: its algorithms, in order; without any, L1 accepts all of it. l1_reduction: 1 in so many is looked at.
    """

    name: Name
    condition: Condition
    downscaling: Annotated[int, BeforeValidator(partial(_downscaling, MASK_DOWNSCALING_BITS))]
    description: str = ""
    l1: Steps = ()
    l1_reduction: Factor = 1


def _choke(value: Any) -> Any:
    """Check a list of [from, to] in seconds; tuples from here on."""
    if not isinstance(value, list | tuple):
        raise fault((), f"must be a list of [from, to] in seconds (is {shown(value)})")
    last = seconds(MAX_TICK * LSB_PER_TICK)
    end = 0.0
    for i, interval in enumerate(value):
        if not _is_interval(interval):
            raise fault((i,), f"must be two numbers [from, to] in seconds (is {shown(interval)})")
        on, off = interval
        if on < 0 or off > last:
            raise fault(
                (i,), f"must lie between 0 and {last:.1f} s, the board's clock (is {shown(interval)})"
            )
        if on >= off:
            raise fault((i,), f"must begin before it ends (is {shown(interval)})")
        if on < end:
            raise fault(
                (i,), f"must not begin before the one above it ends, at {end} s (is {shown(interval)})"
            )
        end = off
    return tuple((float(on), float(off)) for on, off in value)


def _is_interval(value: Any) -> bool:
    """Whether a value is two finite numbers."""
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(t, int | float) and not isinstance(t, bool) and math.isfinite(t) for t in value)
    )


class DispatchSettings(Table):
    """What the board loses behind the acceptance.

    dead_time_ticks: least distance of two dispatched triggers, the register PrimitiveDT + 1; 3 is 75 ns, 0 and 1
    are none. latency_ticks: the register Fixed_Latency, from a trigger's timestamp to its dispatch. choke:
    [from, to] of each choke in seconds of the board's clock since SOB, as recorded at CHOKE_ON and CHOKE_OFF.
    """

    dead_time_ticks: Annotated[Whole, Field(ge=0, le=MAX_TICK)] = 0
    latency_ticks: Annotated[Whole, Field(ge=0, le=MAX_LATENCY_TICKS)] = 0
    choke: Annotated[tuple[tuple[float, float], ...], BeforeValidator(_choke)] = ()


class Menu(Table):
    """A menu from menus/*.toml. Line i is mask i."""

    name: Name
    experiment: Name
    l0: L0Settings
    control: Control | None = None
    dispatch: DispatchSettings | None = None
    l1: L1Settings | None = None
    line: Annotated[tuple[Line, ...], Field(validate_default=True)] = ()

    @field_validator("line")
    @classmethod
    def _one_mask_a_line(cls, lines: tuple[Line, ...]) -> tuple[Line, ...]:
        if not lines:
            raise fault((), "the menu has no lines; add [[line]] with name, condition and downscaling")
        if len(lines) > N_MASKS:
            raise fault(
                (N_MASKS,), f"the processor has {N_MASKS} masks, one a line; remove {len(lines) - N_MASKS}"
            )
        return lines

    @model_validator(mode="after")
    def _names_are_unique(self) -> Menu:
        taken = {self.control.name: "the control trigger"} if self.control else {}
        for i, line in enumerate(self.line):
            if line.name in taken:
                raise fault(
                    ("line", i, "name"), f"{line.name!r} is the name of {taken[line.name]}; choose another"
                )
            taken[line.name] = f"line {i + 1}"
        return self

    @model_validator(mode="after")
    def _l1_is_there(self) -> Menu:
        for i, line in enumerate(self.line):
            if self.l1 is None and (line.l1 or line.l1_reduction > 1):
                field = "l1" if line.l1 else "l1_reduction"
                raise fault(("line", i, field), "the menu has no L1; add the table [l1]")
        return self

    @property
    def rows(self) -> list[tuple[int, Line | Control]]:
        """Rows of the processor that are in use, in order: line i is row i, the control trigger row N_MASKS."""
        lines: list[tuple[int, Line | Control]] = list(enumerate(self.line))
        return lines + ([(N_MASKS, self.control)] if self.control else [])

    @classmethod
    def from_toml(cls, text: str, source: str) -> Menu:
        """Parse a menu; `source` names the file in errors (MenuError). See also `check`."""
        return parse(cls, text, source, MenuError)

    def check(self, experiment: Experiment, text: str = "", source: str = "") -> None:
        """Raise MenuError if the menu does not fit the experiment.

        text, source: the TOML it was read from and its name, to say where the fault is.
        """
        for path, message in self._misfits(experiment):
            raise MenuError(f"{place(text, source or f'menu {self.name}', path)}: {message}")

    def _misfits(self, experiment: Experiment) -> Iterator[tuple[Path, str]]:
        if self.experiment != experiment.name:
            message = f"a menu for another experiment: it is for {self.experiment}, this is {experiment.name}"
            yield ("experiment",), message
        yield from _wrong(("l0", "reference"), experiment.find, self.l0.reference)
        for name in self.l0.time_cuts_lsb:
            yield from _wrong(("l0", "time_cuts_lsb", name), experiment.find, name)
        if self.control:
            yield from _wrong(("control", "detector"), experiment.find, self.control.detector)
            yield from _unreadable(("control", "condition"), self.control.condition, experiment)
        for i, line in enumerate(self.line):
            yield from _unreadable(("line", i, "condition"), line.condition, experiment)

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the menu's content, whatever its comments, spacing and order of fields."""
        # A menu without a table has the hash that it had before there was this table.
        left_out = {name for name in ("dispatch", "l1") if getattr(self, name) is None}
        dumped = self.model_dump(mode="json", exclude=left_out)
        if self.l1 is None:
            for line in dumped["line"]:
                del line["l1"], line["l1_reduction"]
        content = json.dumps(dumped, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()


def _wrong(path: Path, find: Callable[[str], object], name: str) -> Iterator[tuple[Path, str]]:
    try:
        find(name)
    except ExperimentError as wrong:
        yield path, str(wrong)


def _unreadable(path: Path, condition: str, experiment: Experiment) -> Iterator[tuple[Path, str]]:
    try:
        read_condition(condition, experiment)
    except (ConditionError, ExperimentError) as wrong:
        yield path, _about(condition, wrong)
