"""The response table, and the outcomes multiplied out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streams.catalogue import load_experiment
from streams.simulate.outcomes import alias_table, enumerate_outcomes
from streams.simulate.response import ResponseTable, load_response
from streams.simulate.settings import SimulationError
from trigger.experiment import ExperimentError

NA62 = load_experiment("na62")
TABLE = load_response("na62")
DECAYS = enumerate_outcomes(TABLE, NA62, accidentals=0.0, halo=0.0)
NOMINAL_MHZ = 750.0
DETECTOR_RATES_MHZ = {"CHOD": 11.4, "RICH": 10.2, "MUV3": 13.2, "NewCHOD": 11.4}
LINE_RATES_KHZ = {
    "RICH Q1 UTMC !QX !M1 !LKr30": 363,
    "RICH Q1 !M1": 2070,
    "RICH QX": 329,
    "RICH QX MO2": 4,
    "RICH QX LKr20": 141,
    "RICH QX MO1 LKr10": 34,
    "RICH Q2 MO1 LKr10": 37,
    "RICH Q2 MO2 !LKr20": 4,
}


def fires(condition: str) -> NDArray[np.bool_]:
    """Which outcomes fulfil a condition, in an ideal coincidence of one decay with itself: bool[n]."""
    passed = np.ones(len(DECAYS.rates), bool)
    for word in condition.split():
        detector, bit = NA62.bit(word.removeprefix("!"))
        present = DECAYS.ids[:, DECAYS.detectors.index(detector.name)] >> bit & 1 == 1
        passed &= ~present if word.startswith("!") else present
    return passed


@pytest.mark.parametrize(("detector", "rate_mhz"), DETECTOR_RATES_MHZ.items())
def test_decays_fire_each_detector_at_the_rate_of_the_experiment(detector: str, rate_mhz: float) -> None:
    assert DECAYS.detector_rates()[detector] * NOMINAL_MHZ == pytest.approx(rate_mhz, rel=0.1)


@pytest.mark.parametrize(("condition", "rate_mhz"), [("MO1", 4.1), ("E10", 2.72), ("Q1", 11.4), ("M1", 13.2)])
def test_decays_fulfil_each_condition_at_the_rate_of_the_table(condition: str, rate_mhz: float) -> None:
    seen = DECAYS.rates[fires(condition)].sum() * NOMINAL_MHZ
    assert seen == pytest.approx(rate_mhz, rel=0.04)


def test_simulated_spills_set_every_bit_of_the_profile_but_those_it_says() -> None:
    """The comment at the head of trigger/experiments/na62.toml."""
    everything = enumerate_outcomes(TABLE, NA62, accidentals=1.0, halo=1.0)
    seen = dict(zip(everything.detectors, np.bitwise_or.reduce(everything.ids, axis=0).tolist(), strict=True))
    unset = {n for d in NA62.detector for n, bit in d.bits.items() if not seen.get(d.name, 0) >> bit & 1}
    tight_or_exclusive = {"QE1", "QE2", "QE3", "QE4", "HO1", "HT1", "HTO1", "MT1", "MTO1"}
    assert unset == tight_or_exclusive | {"E1", "E2", "C1E10", "C2E10", "TALK"}


@pytest.mark.parametrize(("condition", "rate_khz"), LINE_RATES_KHZ.items())
def test_decays_fire_each_line_at_the_rate_of_the_experiment(condition: str, rate_khz: float) -> None:
    seen = DECAYS.rates[fires(condition)].sum() * NOMINAL_MHZ * 1e3
    assert seen == pytest.approx(rate_khz, rel=0.2)


def test_pnn_is_two_thirds_pi_pi0_and_mt_is_all_three_pions() -> None:
    sources = np.array(DECAYS.sources)
    pnn = fires("RICH Q1 UTMC !QX !M1 !LKr30")
    share = {s: DECAYS.rates[pnn & (sources == s)].sum() / DECAYS.rates[pnn].sum() for s in set(sources)}
    assert share["K+ -> pi+ pi0"] == pytest.approx(0.66, abs=0.04)
    assert share["K+ -> pi+ pi+ pi-"] == pytest.approx(0.29, abs=0.04)
    assert share["K+ -> pi0 e nu"] == pytest.approx(0.04, abs=0.02)
    assert set(sources[fires("RICH QX")]) == {"K+ -> pi+ pi+ pi-"}


def test_all_primitives_are_50_million_a_second_at_nominal_intensity() -> None:
    outcomes = enumerate_outcomes(TABLE, NA62, 1.0, 0.0)
    assert sum(outcomes.detector_rates().values()) * NOMINAL_MHZ == pytest.approx(50, rel=0.05)


def test_accidentals_and_halo_scale_and_add_to_the_decays() -> None:
    table = TABLE
    for accidentals, halo in ((0.5, 0.0), (0.0, 2.0)):
        more = enumerate_outcomes(table, NA62, accidentals, halo)
        expected = accidentals * sum(a.rate_mhz for a in table.accidental) + halo * sum(
            h.rate_mhz for h in table.halo
        )
        assert (more.rate - DECAYS.rate) * NOMINAL_MHZ == pytest.approx(expected, rel=1e-9)


def test_multiplying_out_the_table_keeps_the_rate_of_every_detector() -> None:
    expected = dict.fromkeys(DECAYS.detectors, 0.0)
    for _, row, rate in TABLE.rates(0.0, 0.0):
        for detector, alternatives in row.detectors.items():
            expected[detector] += rate * sum(alternatives.values())
    assert DECAYS.detector_rates() == pytest.approx(expected, rel=1e-9)


def test_conditions_bring_what_they_imply() -> None:
    close = TABLE.close
    assert close({"QX"}) == {"QX", "Q2", "Q1", "H1", "H2"}
    assert close({"E5", "C1"}) == {"E5", "C1"}
    assert close({"E10", "C2"}) == {"E10", "E5", "C2", "LKr30"}
    assert close({"E30", "C1"}) == {"E30", "E20", "E10", "E5", "LKr30", "C1"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": [{"parent": "proton"}]}, "no parent proton; it is one of kaon"),
        ({"mode": [{"topology": [{"share": 0.7}, {"share": 0.4}]}]}, "shares of topologies add up to more"),
        ({"mode": [{"topology": [{"CHOD": {"": 0.7, "X": 0.4}}]}]}, "probabilities of CHOD add up to more"),
        ({"mode": [{"topology": [{"GTK": 1.0}]}]}, "GTK has no resolution_ns"),
        ({"mode": [{"branching_ratio": 1.1}]}, "less than or equal to 1"),
    ],
)
def test_a_table_that_does_not_add_up_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResponseTable.model_validate(tiny_table() | {"mode": [tiny_mode(**m) for m in change["mode"]]})


def tiny_table() -> dict[str, Any]:
    return {
        "experiment": "toy",
        "nominal_intensity_mhz": 1.0,
        "resolution_ns": {"CHOD": 1.0},
        "implies": {},
        "parent": {"kaon": {"beam_fraction": 1.0, "decay_probability": 1.0}},
        "mode": [],
        "halo": [],
        "accidental": [],
    }


def tiny_mode(**changed: Any) -> dict[str, Any]:
    topologies = changed.pop("topology", [{}])
    mode = {"name": "K", "parent": "kaon", "branching_ratio": 1.0}
    return mode | {"topology": [{"name": "t", "share": 0.5} | t for t in topologies]} | changed


def test_a_table_with_a_bit_that_the_experiment_does_not_have_is_refused() -> None:
    table = ResponseTable.model_validate(
        tiny_table() | {"mode": [tiny_mode(topology=[{"CHOD": {"Q7": 1.0}}])]}
    )
    with pytest.raises(ExperimentError, match="CHOD has no bit 'Q7'"):
        enumerate_outcomes(table, NA62, 0.0, 0.0)


def test_an_experiment_without_a_table_is_refused() -> None:
    with pytest.raises(SimulationError, match="no response table for koto; tables exist for na62"):
        load_response("koto")


@pytest.mark.parametrize("n", [1, 2, 7, 300])
def test_the_alias_table_stands_for_its_weights(n: int) -> None:
    weights = np.random.default_rng(n).exponential(size=n) ** 3
    accept, alias = alias_table(weights)
    chance = accept.copy()
    np.add.at(chance, alias, 1 - accept)
    np.testing.assert_allclose(chance / n, weights / weights.sum(), rtol=1e-9)
