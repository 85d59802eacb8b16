"""What a menu says of L1: its [l1] table, and the algorithms of each line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from trigger.l1.algorithms import ALGORITHMS, MAX_STEPS, MUV3_KINDS, STRAW_BITS, WINDOWS_NS
from trigger.toml_source import Real, Table, Whole, fault, shown

MAX_FACTOR: Final = 2**31 - 1

WIDEST_NS: Final = 1000.0

Factor = Annotated[Whole, Field(ge=1, le=MAX_FACTOR)]
"""n keeps 1 in n."""

_TEXT: Final = re.compile(r"(?P<flag>\?)?\s*(?P<veto>!)?\s*(?P<name>\w+)\s*(\(\s*(?P<variant>[^()]*?)\s*\))?")


@dataclass(frozen=True)
class Call:
    """An algorithm as a line asks for it. variant: of MUV3; mask of STRAW bits that are all required; else 0."""

    name: str
    variant: int
    veto: bool
    flag: bool


def read_step(text: str) -> Call:
    """Read an algorithm in words: `KTAG`, `!LAV`, `?STRAW(exotic)`. Raises ValueError that says what is wrong."""
    found = _TEXT.fullmatch(text.strip())
    if not found:
        raise ValueError("is no algorithm; write KTAG, !LAV for a veto, ?KTAG for a flag, STRAW(pnn)")
    name, variant = found["name"], found["variant"]
    if name not in ALGORITHMS:
        raise ValueError(f"{name} is no algorithm of L1; there are {', '.join(ALGORITHMS)}")
    return Call(name, _variant(name, variant), bool(found["veto"]), bool(found["flag"]))


def _variant(name: str, text: str | None) -> int:
    if name not in ("STRAW", "MUV3"):
        if text is not None:
            raise ValueError(f"{name} has no variants; write {name}")
        return 0
    known = STRAW_BITS if name == "STRAW" else MUV3_KINDS
    words = [word.strip() for word in (text or "").split("+")]
    if name == "MUV3" and len(words) != 1:
        raise ValueError("MUV3 has one variant at a time; write it as a step of its own")
    for word in words:
        if word not in known:
            joined = " joined by +" if name == "STRAW" else ""
            raise ValueError(
                f"{name} needs one of {', '.join(known)}{joined}; write {name}({next(iter(known))})"
            )
    return sum(known[word] for word in set(words))


def _step(text: str) -> str:
    try:
        call = read_step(text)
    except ValueError as wrong:
        raise fault((), f"{wrong} (is {shown(text)})") from None
    return _spelt(call)


def _spelt(call: Call) -> str:
    """Spell an algorithm in the one way that a menu's hash is made of."""
    variants: list[str] = []
    if call.name == "STRAW":
        variants = [name for name, bit in STRAW_BITS.items() if call.variant & bit]
    elif call.name == "MUV3":
        variants = [name for name, kind in MUV3_KINDS.items() if call.variant == kind]
    text = "?" * call.flag + "!" * call.veto + call.name
    return f"{text}({'+'.join(variants)})" if variants else text


class Step(Table):
    """One algorithm of a line, in words or as a table. downscaling: of the events for which its condition is met."""

    run: Annotated[str, AfterValidator(_step)]
    downscaling: Factor = 1

    @cached_property
    def call(self) -> Call:
        """What is to be run."""
        return read_step(self.run)


def _steps(value: Any) -> Any:
    """Let a step be its text alone."""
    if not isinstance(value, list | tuple):
        raise fault((), f'must be a list of algorithms; write ["KTAG", "!LAV"] (is {shown(value)})')
    if len(value) > MAX_STEPS:
        raise fault((), f"a line has at most {MAX_STEPS} algorithms (has {len(value)})")
    for i, step in enumerate(value):
        if not isinstance(step, str | dict | Step):
            raise fault((i,), f'must be an algorithm in quotes; write "KTAG" (is {shown(step)})')
    return tuple({"run": step} if isinstance(step, str) else step for step in value)


Steps = Annotated[tuple[Step, ...], BeforeValidator(_steps)]


def _windows(windows: dict[str, float]) -> dict[str, float]:
    for name in windows:
        if name not in WINDOWS_NS:
            raise fault((name,), f"there is no window of {name}; there are {', '.join(WINDOWS_NS)}")
    return windows


Window = Annotated[Real, Field(gt=0, le=WIDEST_NS, allow_inf_nan=False)]


class Thresholds(Table):
    """Numbers that the algorithms compare with; the defaults are the experiment's.

    KTAG: sectors at least. CHOD, NewCHOD: hits at most; pairs of NewCHOD and of MUV3 (tight, opposite): time
    apart, excluded. LAV, IRCSAC: hits at least. STRAW: momentum of a pnn and of a one-track track, vertex, excluded.
    """

    ktag_sectors: Annotated[Whole, Field(ge=1, le=8)] = 5
    chod_hits: Annotated[Whole, Field(ge=1, le=128)] = 5
    newchod_pairs: Annotated[Whole, Field(ge=1, le=1000)] = 3
    newchod_pair_ns: Window = 5.0
    lav_hits: Annotated[Whole, Field(ge=1, le=1000)] = 3
    ircsac_hits: Annotated[Whole, Field(ge=1, le=1000)] = 1
    muv3_tight_ns: Window = 50.0
    muv3_opposite_ns: Window = 10.0
    straw_pnn_gev: Annotated[Real, Field(gt=0, le=1000, allow_inf_nan=False)] = 50.0
    straw_one_track_gev: Annotated[Real, Field(gt=0, le=1000, allow_inf_nan=False)] = 65.0
    straw_vertex_m: Annotated[Real, Field(gt=0, le=1000, allow_inf_nan=False)] = 180.0


class L1Settings(Table):
    """What all lines share.

    straw: the search for tracks; compatible is the experiment's own, refit ktrig's. windows_ns: half widths.
    autopass: 1 in so many events is accepted whatever the algorithms say, 0 for none. flag_mode: all are.
    reduction: 1 in so many events is looked at at all. downscaling: 1 in so many accepted events is kept.
    bypass_probability: that an event is accepted unseen.
    """

    straw: Literal["refit", "compatible"] = "refit"
    windows_ns: Annotated[dict[str, Window], AfterValidator(_windows)] = Field(default_factory=dict)
    thresholds: Thresholds = Thresholds()
    autopass: Annotated[Whole, Field(ge=0, le=MAX_FACTOR)] = 0
    flag_mode: Annotated[bool, Strict()] = False
    reduction: Factor = 1
    downscaling: Factor = 1
    bypass_probability: Annotated[Real, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0

    def window_ns(self, name: str) -> float:
        """Return the half width of an algorithm's window."""
        return self.windows_ns.get(name, WINDOWS_NS[name])
