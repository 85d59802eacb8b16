"""One decay, from the beam particle to everything that lives long enough to be tracked."""

from __future__ import annotations

from typing import Any

from streams.simulate import chance
from streams.simulate.decays.kinematics import two_body
from streams.simulate.decays.multibody import four_leptons, one_and_pair, three_body, transverse_pair
from streams.simulate.decays.tables import (
    ACCEPT,
    ALIAS,
    CTAU_MM,
    FOUR_LEPTONS,
    KAON_MODES,
    KIND,
    MASS,
    MASS2,
    PAIR,
    PI0_MODES,
    PION_MODES,
    PRODUCT,
    SIGNAL,
    STABLE,
    THREE,
    TO,
    TO_EE,
    TO_GG,
    TO_MUMU,
    TO_PAIR,
    TO_PI_E,
)
from streams.simulate.stack import END_Z, MODE, MOTHER, Z, count, momentum_of, pdg_of, place_of
from trigger.jit import inline
from trigger.particles import (
    DARK_PHOTON,
    ELECTRON,
    EXOTIC,
    GAMMA,
    KAON,
    M_ELECTRON_GEV,
    M_MUON_GEV,
    M_PI0_GEV,
    M_PION_GEV,
    MUON,
    PI0,
    PION,
    mass_gev,
)


@inline
def draw_mode(rng: Any, tables: Any, parent: int) -> int:
    """Draw a mode of a parent (KAON_MODES ...)."""
    draw = chance.uniform(rng) * len(tables)
    row = min(int(draw), len(tables) - 1)
    return row if draw - row < tables[row, ACCEPT + parent] else int(tables[row, ALIAS + parent])


@inline
def decay_by(rng: Any, tables: Any, stack: Any, row: int, mode: int, mass: float) -> None:
    """Let the particle in `row` decay where it is, in a mode; add the products."""
    kind, first = int(tables[mode, KIND]), count(stack)
    stack[row, END_Z] = stack[row, Z]
    if kind == THREE:
        three_body(rng, tables, stack, row, mode, mass)
    elif kind == PAIR:
        one_and_pair(rng, tables, stack, row, mode, mass)
    else:
        p, place = momentum_of(stack, row), place_of(stack, row)
        one, m1 = int(tables[mode, PRODUCT]), tables[mode, MASS]
        if kind == FOUR_LEPTONS:
            four_leptons(rng, stack, row, p, mass, place, one, m1 if one else 0.0)
        else:
            two, m2 = int(tables[mode, PRODUCT + 1]), tables[mode, MASS + 1]
            two_body(rng, stack, row, p, mass, place, one, m1, two, m2)
    for product in range(first, count(stack)):
        stack[product, MODE] = mode


@inline
def exotic_decay(rng: Any, tables: Any, stack: Any, row: int, mode: int, mass: float) -> None:
    """Let the new particle in `row` fly and decay as its mode says; one without mass or decay flies on."""
    to = int(tables[mode, TO])
    if to == STABLE or mass <= 0.0:
        return
    p, began = momentum_of(stack, row), place_of(stack, row)
    length = tables[mode, CTAU_MM] * chance.exponential(rng) / mass  # times the momentum
    place = (began[0] + length * p[0], began[1] + length * p[1], began[2] + length * p[2])
    stack[row, END_Z] = place[2]
    if to == TO_PAIR and pdg_of(stack, row) == EXOTIC:
        m2 = tables[mode, MASS2]
        first = count(stack)
        two_body(rng, stack, row, p, mass, place, DARK_PHOTON, m2, DARK_PHOTON, m2)
        stack[first, MODE], stack[first + 1, MODE] = mode, mode
    elif to == TO_EE and pdg_of(stack, int(stack[row, MOTHER])) == PI0:
        transverse_pair(rng, stack, row, p, mass, place)
    elif to in (TO_EE, TO_PAIR):
        two_body(rng, stack, row, p, mass, place, -ELECTRON, M_ELECTRON_GEV, ELECTRON, M_ELECTRON_GEV)
    elif to == TO_MUMU:
        two_body(rng, stack, row, p, mass, place, -MUON, M_MUON_GEV, MUON, M_MUON_GEV)
    elif to == TO_GG:
        two_body(rng, stack, row, p, mass, place, GAMMA, 0.0, GAMMA, 0.0)
    else:
        # A Majorana neutrino decays to either charge.
        sign = 1 if chance.uniform(rng) < 0.5 else -1
        lepton, m_lepton = (ELECTRON, M_ELECTRON_GEV) if to == TO_PI_E else (MUON, M_MUON_GEV)
        two_body(rng, stack, row, p, mass, place, sign * PION, M_PION_GEV, sign * lepton, m_lepton)


@inline
def decay(rng: Any, tables: Any, stack: Any) -> int:
    """Let the K+ or pi+ in row 0 of the stack decay where it is, then all its products that do so before they are
    seen.

    Returns the number of its mode; or that of a pi0 among the products, if this decays in a mode that was asked for.
    """
    mode = draw_mode(rng, tables, KAON_MODES if pdg_of(stack, 0) == KAON else PION_MODES)
    decay_by(rng, tables, stack, 0, mode, mass_gev(pdg_of(stack, 0)))
    i, told = 1, mode
    while i < count(stack):
        pdg = pdg_of(stack, i)
        if pdg == PI0:
            own = draw_mode(rng, tables, PI0_MODES)
            if tables[own, SIGNAL] > 0.0:
                told = own
            decay_by(rng, tables, stack, i, own, M_PI0_GEV)
        elif pdg == EXOTIC:
            exotic = int(stack[i, MODE])
            last = MASS + (2 if tables[exotic, KIND] == THREE else 1)
            exotic_decay(rng, tables, stack, i, exotic, tables[exotic, last])
        elif pdg == DARK_PHOTON:
            exotic = int(stack[i, MODE])
            exotic_decay(rng, tables, stack, i, exotic, tables[exotic, MASS2])
        i += 1
    return told
