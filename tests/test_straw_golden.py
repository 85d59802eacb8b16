"""The search that is compatible with the experiment's code against what that code answered to recorded events."""

from __future__ import annotations

import numpy as np
import pytest
import straw_cases
from conftest import NO_JIT
from naive_straw import NaiveStraw
from straw_cases import FILES, Recorded

from trigger.l1.straw.compatible import make_compatible, search_compatible
from trigger.l1.straw.hits import make_straws
from trigger.l1.straw.verdict import Cuts

MOST = 60 if NO_JIT else 10**6
"""Events of a file."""

FEW = 5
"""Events that may differ in a part of a file; there are ten in all."""

TWINS = 25
ROUNDING = 1e-5
"""The recorded numbers have six digits."""


class Agreement:
    """Counts events with the recorded verdict, with all that is recorded, and those of them with another vertex."""

    def __init__(self, of: Recorded):
        self.of, self.events, self.verdicts, self.whole, self.moved = of, 0, 0, 0, 0

    def add(self, verdict: int, n: int, p_mev: list[float], z_mm: list[float]) -> None:
        e, of = self.events, self.of
        self.events += 1
        verdict_agrees = verdict == of.verdict[e]
        self.verdicts += verdict_agrees
        if not (verdict_agrees and n == of.n_tracks[e]):
            return
        if np.allclose(p_mev[:4], of.p_mev[e], rtol=ROUNDING, atol=0):
            self.whole += 1
            self.moved += not np.allclose(z_mm[:4], of.z_mm[e], rtol=ROUNDING, atol=0)


def searched(name: str, memory: bool) -> Agreement:
    straws, scratch, cuts = make_straws(), make_compatible(), Cuts()
    found = Agreement(straw_cases.recorded(name))
    for event in found.of.events[:MOST]:
        n = straw_cases.fill(straws, event)
        verdict, tracks = search_compatible(straws, n, scratch, cuts, memory)
        kept = max(tracks, 0)
        found.add(verdict, kept, scratch.final.p[:kept].tolist(), scratch.final.z[:kept].tolist())
    return found


def test_eight_files_are_there() -> None:
    assert len(FILES) == 8


@pytest.mark.parametrize("name", FILES)
def test_the_search_gives_the_recorded_verdicts_and_momenta(name: str) -> None:
    found = searched(name, memory=True)
    assert found.verdicts >= 0.995 * found.events
    assert found.events - found.whole <= max(0.02 * found.events, FEW)
    # Of tracks at a small angle to the beam, the last bits of a mean decide where they are closest to it.
    assert found.moved <= 0.001 * found.whole


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", FILES)
def test_without_memory_a_few_events_in_a_thousand_differ_at_most(name: str) -> None:
    found = searched(name, memory=False)
    assert found.verdicts >= 0.99 * found.events
    assert found.events - found.whole <= max(0.04 * found.events, 2 * FEW)


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("name", FILES)
def test_the_twin_gives_the_recorded_verdicts_and_momenta(name: str, memory: bool) -> None:
    """So the twin can judge the search on other events."""
    twin = NaiveStraw(memory)
    found = Agreement(straw_cases.recorded(name))
    for event in found.of.events[:TWINS]:
        answer = twin.run(*event)
        found.add(answer.verdict, answer.n_tracks, answer.p_mev, answer.z_mm)
    assert found.verdicts == TWINS
    assert found.whole >= TWINS - 2
    assert found.moved == 0
