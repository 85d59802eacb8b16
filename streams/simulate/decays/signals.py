"""Decay modes as the command line asks for them: NAME[:key=value,...]."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from streams.simulate.decays.mode import EXOTIC_DECAYS, PARENTS, Mode
from streams.simulate.settings import SimulationError
from trigger.toml_source import NEAR

EXOTIC_MODES: Final = (
    Mode("K-pi-X", "K+ -> pi+ X", "K+", ("pi+", "X")),
    Mode("K-pi-aa", "K+ -> pi+ a a, a -> e+ e-", "K+", ("pi+", "X", "X"), to="ee"),
    Mode("K-pi-S", "K+ -> pi+ S, S -> A' A', A' -> e+ e-", "K+", ("pi+", "X"), to="ApAp"),
    Mode("K-e-N", "K+ -> e+ N", "K+", ("e+", "X")),
    Mode("K-mu-N", "K+ -> mu+ N", "K+", ("mu+", "X")),
    Mode("K-mu-nu-X", "K+ -> mu+ nu X (phase space)", "K+", ("mu+", "nu", "X")),
    Mode("pi-e-N", "pi+ -> e+ N", "pi+", ("e+", "X")),
    Mode("pi-mu-N", "pi+ -> mu+ N", "pi+", ("mu+", "X")),
    Mode("pi0-gamma-Ap", "pi0 -> gamma A', A' -> e+ e-", "pi0", ("gamma", "X"), to="ee"),
    Mode("pi0-inv", "pi0 -> nothing seen", "pi0", ("nu", "nu")),
)
"""Modes with a new particle; its mass is given with each."""

DECAYS_OF: Final = {
    "K-pi-X": ("inv", "ee", "mumu", "gg"),
    "K-pi-aa": ("ee", "inv"),
    "K-pi-S": ("ApAp",),
    "K-e-N": ("inv", "pi-e", "pi-mu"),
    "K-mu-N": ("inv", "pi-e", "pi-mu"),
    "K-mu-nu-X": ("inv", "ee", "mumu", "gg"),
    "pi-e-N": ("inv",),
    "pi-mu-N": ("inv",),
    "pi0-gamma-Ap": ("ee", "inv"),
}
"""What the new particle of each mode may decay to, the default first (with a ctau the first that is seen)."""

LONGEST_MM: Final = 1e12
"""ctau at most: a million kilometres is stable."""


def parse_signal(text: str, known: Mapping[str, Mode]) -> Mode:
    """Read `NAME[:key=value,...]`; `known` are the modes of the Standard Model.

    Keys: br (branching ratio of the parent), and for modes with a new particle mass (GeV), to, ctau (mm), for
    K-pi-S also mass2. Raises SimulationError that says what is wrong, and what to write.
    """
    name, _, rest = text.partition(":")
    modes = {mode.name: mode for mode in (*known.values(), *EXOTIC_MODES)}
    if name not in modes:
        near = get_close_matches(name, modes, cutoff=NEAR)
        meant = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(modes)}"
        raise SimulationError(f"signal {text!r}: there is no decay mode {name!r}; {meant}")
    given = _pairs(text, rest)
    mode = modes[name]
    allowed = keys_of(mode)
    for key in given:
        if key not in allowed:
            raise SimulationError(f"signal {text!r}: {name} has no {key!r}; it has {', '.join(allowed)}")
    return _filled(text, mode, given)


def keys_of(mode: Mode) -> list[str]:
    """Return the keys that a mode takes."""
    if "X" not in mode.products:
        return ["br"]
    return ["br", "mass", "to", "ctau"] + (["mass2"] if mode.to == "ApAp" else [])


def _pairs(text: str, rest: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals or not value:
            raise SimulationError(f"signal {text!r}: {pair!r} is not key=value; write it as br=1e-3")
        if key in given:
            raise SimulationError(f"signal {text!r}: {key} is given twice; leave one out")
        given[key] = value
    return given


def _filled(text: str, mode: Mode, given: Mapping[str, str]) -> Mode:
    """Return the mode with its parameters, checked."""
    ratio = _number(text, "br", given["br"]) if "br" in given else mode.branching_ratio
    if "br" not in given and not ratio:
        raise SimulationError(
            f"signal {text!r}: br is missing; give the branching ratio of the {mode.parent}"
        )
    if not 0 < ratio <= 1:
        raise SimulationError(f"signal {text!r}: br is {ratio:g}; give more than 0, at most 1")
    mode = replace(mode, branching_ratio=ratio, signal=True)
    if "X" not in mode.products:
        return mode
    if "mass" not in given:
        raise SimulationError(f"signal {text!r}: mass is missing; give it in GeV")
    choices = DECAYS_OF[mode.name]
    # A lifetime without a decay would change nothing: it is meant to decay to something that is seen.
    visible = [choice for choice in choices if choice != "inv"]
    to = given.get("to", visible[0] if "ctau" in given and visible else choices[0])
    if to not in choices:
        raise SimulationError(f"signal {text!r}: to is {to!r}; give {' or '.join(choices)}")
    mode = replace(
        mode,
        mass_gev=_number(text, "mass", given["mass"]),
        to=to,
        ctau_mm=_number(text, "ctau", given["ctau"]) if "ctau" in given else 0.0,
        mass2_gev=_number(text, "mass2", given["mass2"]) if "mass2" in given else 0.0,
    )
    _check_masses(text, mode, "mass2" in given)
    if not 0 <= mode.ctau_mm <= LONGEST_MM:
        raise SimulationError(f"signal {text!r}: ctau is {mode.ctau_mm:g} mm; give 0 to {LONGEST_MM:g}")
    return mode


def _check_masses(text: str, mode: Mode, has_mass2: bool) -> None:
    n_new = mode.products.count("X")
    most = (PARENTS[mode.parent][1] - (mode.threshold_gev - n_new * mode.mass_gev)) / n_new
    least = EXOTIC_DECAYS[mode.to][1]
    if mode.to == "ApAp":
        if not has_mass2:
            raise SimulationError(f"signal {text!r}: mass2 is missing; give the mass of the A' in GeV")
        if not EXOTIC_DECAYS["ee"][1] < mode.mass2_gev < mode.mass_gev / 2:
            raise SimulationError(
                f"signal {text!r}: mass2 is {mode.mass2_gev:g} GeV; give more than 2 m_e, less than half of mass"
            )
    if not least < mode.mass_gev < most and not (least == 0 and mode.mass_gev == 0 and mode.to == "inv"):
        raise SimulationError(
            f"signal {text!r}: mass is {mode.mass_gev:g} GeV, out of reach; give {least:.6g} to {most:.6g} GeV"
        )


def _number(text: str, key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if key == "ctau" and number == math.inf:
        return LONGEST_MM
    if not math.isfinite(number):
        raise SimulationError(f"signal {text!r}: {key} is {value!r}, not a number; write it as {key}=1e-3")
    return number
