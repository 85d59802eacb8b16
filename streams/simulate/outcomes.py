"""The response table as arrays that a kernel draws from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from streams.simulate.response import Firing, ResponseTable
from trigger.clock import LSB_NS
from trigger.experiment import Experiment

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """Every set of primitives that one decay (or accidental) can fire.

    detectors: names, in the order of their L0 inputs. sources: str[n], the mode of each outcome. rates:
    float64[n], rate per MHz of beam. ids: uint16[n, n_detectors], 0 where the detector is silent.
    resolution_lsb: float64[n_detectors].
    """

    detectors: tuple[str, ...]
    sources: tuple[str, ...]
    rates: Floats
    ids: NDArray[np.uint16]
    resolution_lsb: Floats

    @property
    def rate(self) -> float:
        """Rate of outcomes per MHz of beam."""
        return float(self.rates.sum())

    def detector_rates(self) -> dict[str, float]:
        """Rate of each detector's hits per MHz of beam, before hits are joined into clusters."""
        return {d: float(self.rates[self.ids[:, i] != 0].sum()) for i, d in enumerate(self.detectors)}


def enumerate_outcomes(
    table: ResponseTable, experiment: Experiment, accidentals: float, halo: float
) -> Outcomes:
    """Multiply out the table. Raises ExperimentError for a detector or bit that the experiment does not have.

    Every primitive carries the bit that has its detector's name ("this detector fired").
    """
    detectors = tuple(sorted(table.resolution_ns, key=lambda d: experiment.find(d).index))
    merged: dict[tuple[str, tuple[int, ...]], float] = {}
    for source, firing, rate in table.rates(accidentals, halo):
        for ids, probability in _combinations(firing, detectors, table, experiment):
            key = (source, ids)
            merged[key] = merged.get(key, 0.0) + rate * probability
    possible = {key: rate for key, rate in merged.items() if rate > 0 and any(key[1])}
    return Outcomes(
        detectors,
        tuple(source for source, _ in possible),
        np.array(list(possible.values()), np.float64),
        np.array([ids for _, ids in possible], np.uint16).reshape(-1, len(detectors)),
        np.array([table.resolution_ns[d] / LSB_NS for d in detectors]),
    )


def _combinations(
    firing: Firing, detectors: tuple[str, ...], table: ResponseTable, experiment: Experiment
) -> list[tuple[tuple[int, ...], float]]:
    """Return every combination of the detectors' alternatives: (IDs, probability)."""
    choices = []
    for detector in detectors:
        alternatives = firing.detectors.get(detector, {})
        fired = [
            (_identity(detector, table.close(names.split()), experiment), p)
            for names, p in alternatives.items()
        ]
        choices.append([*fired, (0, max(0.0, 1 - sum(alternatives.values())))])
    return [
        (tuple(i for i, _ in chosen), float(np.prod([p for _, p in chosen]))) for chosen in product(*choices)
    ]


def _identity(detector: str, conditions: frozenset[str], experiment: Experiment) -> int:
    bits = {experiment.bit(f"{detector}.{name}")[1] for name in (detector, *conditions)}
    return sum(1 << bit for bit in bits)


def alias_table(weights: Floats) -> tuple[Floats, NDArray[np.int32]]:
    """Return Walker's alias table of `weights` (float64[n], not all 0): accept float64[n], alias int32[n].

    Row k of a uniform draw stands for k with probability accept[k], otherwise for alias[k]. Construction by
    M. D. Vose, IEEE Trans. Software Eng. 17 (1991) 972.
    """
    scaled = weights * (len(weights) / weights.sum())
    accept, alias = np.ones(len(weights)), np.arange(len(weights), dtype=np.int32)
    small, large = [int(k) for k in np.flatnonzero(scaled < 1)], [int(k) for k in np.flatnonzero(scaled >= 1)]
    while small and large:
        low, high = small.pop(), large[-1]
        accept[low], alias[low] = scaled[low], high
        scaled[high] -= 1 - scaled[low]
        if scaled[high] < 1:
            small.append(large.pop())
    return accept, alias
