"""Decay modes on the command line: what can be asked for, and what is said of what cannot."""

from __future__ import annotations

import pytest

from streams.simulate.decays.catalogue import Catalogue
from streams.simulate.settings import SimulationError


def test_a_mode_of_the_standard_model_can_be_made_more_frequent() -> None:
    catalogue = Catalogue(["K-pi-nunu:br=0.01"])
    mode = catalogue.modes[catalogue.number("K-pi-nunu")]
    assert (mode.branching_ratio, mode.signal) == (0.01, True)
    assert sum(m.name == "K-pi-nunu" for m in catalogue.modes) == 1


def test_a_mode_of_the_standard_model_keeps_its_branching_ratio_if_none_is_given() -> None:
    catalogue = Catalogue(["K-e-nu"])
    assert catalogue.modes[catalogue.number("K-e-nu")].branching_ratio == 1.582e-5


def test_one_mode_can_be_asked_for_with_several_masses() -> None:
    catalogue = Catalogue(["K-pi-X:mass=0.1,br=0.1", "K-pi-X:mass=0.2,br=0.1"])
    assert [m.mass_gev for m in catalogue.modes if m.signal] == [0.1, 0.2]


def test_a_lifetime_means_that_the_particle_is_seen_to_decay() -> None:
    catalogue = Catalogue(["K-pi-X:mass=0.2,br=1e-9,ctau=100"])
    assert catalogue.modes[-1].to == "ee"


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        (["K-pi-Y"], "signal 'K-pi-Y': there is no decay mode 'K-pi-Y'; did you mean K-pi-X"),
        (["quark"], "known are K-mu-nu, K-pi-pi0"),
        (["K-pi-X:br=1e-3"], "mass is missing; give it in GeV"),
        (["K-pi-X:mass=0.2"], "br is missing; give the branching ratio of the K+"),
        (["K-pi-X:mass=0.2,br=1.5"], "br is 1.5; give more than 0, at most 1"),
        (["K-pi-X:mass=0.2,br=0"], "br is 0; give more than 0"),
        (["K-pi-X:mass=0.2,br=-1"], "br is -1"),
        (["K-pi-X:mass=0.4,br=1e-3"], "mass is 0.4 GeV, out of reach; give 0 to 0.354107 GeV"),
        (["K-pi-X:mass=0.2,br=1e-3,to=mumu"], "out of reach; give 0.211317 to 0.354107 GeV"),
        (["K-e-N:mass=0.5,br=1e-3"], "out of reach; give 0 to 0.493166 GeV"),
        (["K-pi-X:mass=-0.1,br=1e-3"], "mass is -0.1 GeV, out of reach"),
        (["K-pi-X:mass=nan,br=1e-3"], "mass is 'nan', not a number"),
        (["K-pi-X:mass=heavy,br=1e-3"], "mass is 'heavy', not a number; write it as mass=1e-3"),
        (["K-pi-X:mass=0.2,br=1e-3,to=gluons"], "to is 'gluons'; give inv or ee or mumu or gg"),
        (["K-pi-X:mass=0.2,br=1e-3,ctau=-1"], "ctau is -1 mm; give 0 to 1e.12"),
        (["K-pi-X:mass=0.2,br=1e-3,spin=1"], "K-pi-X has no 'spin'; it has br, mass, to, ctau"),
        (["K-mu-nu:mass=0.2"], "K-mu-nu has no 'mass'; it has br"),
        (["K-pi-X:mass"], "'mass' is not key=value; write it as br=1e-3"),
        (["K-pi-X:mass=0.2,mass=0.3,br=1"], "mass is given twice; leave one out"),
        (["K-pi-S:mass=0.2,br=1e-3"], "mass2 is missing; give the mass of the A' in GeV"),
        (["K-pi-S:mass=0.2,mass2=0.2,br=1e-3"], "mass2 is 0.2 GeV; give more than 2 m_e, less than half of mass"),
        (["K-pi-X:mass=0.2,br=0.6", "K-e-N:mass=0.3,br=0.6"], "the signals of K. have br = 1.2 in all; lower them"),
        (["K-pi-X:mass=0.2,br=0.1", "K-pi-X:mass=0.2,br=0.2"], "K-pi-X is given twice with the same parameters"),
    ],
)  # fmt: skip
def test_a_wrong_signal_is_an_error_that_says_what_to_write(signals: list[str], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        Catalogue(signals)
