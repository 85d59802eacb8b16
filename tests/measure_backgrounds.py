"""Measure the backgrounds that searches state as known, on simulated spills, and what is taken of a nominal one.

    PYTHONPATH=tests:. python tests/measure_backgrounds.py FOLDER [NOMINAL.h5]

makes the spills in a folder if they are not there; of the nominal one, of `ktrig simulate` with the menu of 2018, it
prints which decays the searches take.
"""

from __future__ import annotations

import sys
from collections import Counter
from math import sqrt
from pathlib import Path
from typing import Final

import numpy as np
from measure_searches import Signal, menu_of
from search_sample import SearchSample, read_sample
from simulated import simulate

from trigger.searches.catalogue import SEARCHES, find_search
from trigger.searches.search import Search

MODES: Final = {
    "K-mu-nu": 0.6294,
    "K-mu-nu-gamma": 6.2e-3,
    "K-pi0-mu-nu": 0.03352,
    "K-pi-pi0": 0.2067,
    "K-3pi": 0.05583,
}
"""Decays that may leave a muon alone, and their branching ratios."""

EDGES_GEV2: Final = np.linspace(0.100, 0.150, 6)
"""Steps of the background of k_mu_nu_x."""


def sample(folder: Path, search: Search, signal: Signal, mhz: int, seconds: float, seed: int) -> SearchSample:
    """Return the sample of a decay made frequent; simulate it if it is not there."""
    menu = menu_of(folder, search)
    path = folder / f"background-{menu.stem}-{signal.mode}-{mhz}-{seed}.h5"
    if not path.exists():
        simulate(
            path,
            *("--signal", signal.text, "--intensity", str(mhz), "--duration", str(seconds), "--flat"),
            *("--hit-menu", str(menu), "--seed", str(seed), "--truth", "triggered"),
        )
    return read_sample(path, str(menu))


def print_pi0(folder: Path) -> None:
    """Print how many K+ -> pi+ pi0 pi0_inv counts for each event of k2pi: at 50 and at 750 MHz."""
    search, channel = find_search("pi0_inv"), find_search("k2pi")
    low, high = search.regions[0].fit
    signal = Signal(0.0, "K-pi-pi0:br=0.99")
    for mhz, seconds, seeds in ((50, 2.0, (1,)), (750, 0.15, (1, 2))):
        counted = made = 0
        for seed in seeds:
            found = sample(folder, search, signal, mhz, seconds, seed)
            _, values = found.taken(search)
            counted += int(((values > low) & (values < high)).sum())
            made += found.made(signal.mode)
        events = made * channel.acceptance_at(0.0, mhz)
        print(
            f"pi0_inv at {mhz} MHz: {counted} for {events:.0f} events of k2pi, {counted / events:.2e}",
            flush=True,
        )


def print_three_body(folder: Path) -> None:
    """Print the background of k_mu_nu_x, for each event of the peak of K+ -> mu+ nu, in steps: at 50 MHz."""
    search = find_search("k_mu_nu_x")
    assert search.expected is not None
    assert search.expected.per is not None
    low, high = search.expected.per
    total = np.zeros(len(EDGES_GEV2) - 1)
    square = np.zeros_like(total)
    per = 1.0
    for mode, ratio in MODES.items():
        found = sample(folder, search, Signal(0.0, f"{mode}:br=0.9"), 50, 0.3, 1)
        events, values = found.taken(search)
        own = values[found.mode_of(events) == mode]
        weight = ratio / found.made(mode)
        if mode == "K-mu-nu":
            per = float(((own > low) & (own < high)).sum() * weight)
        counts = np.histogram(own, EDGES_GEV2)[0]
        print(mode, counts, f"{weight / per:.2e} each", flush=True)
        total, square = total + counts * weight, square + counts * weight**2
    width = np.diff(EDGES_GEV2)
    for edge, density, error in zip(
        EDGES_GEV2, total / per / width, np.sqrt(square) / per / width, strict=False
    ):
        print(f"k_mu_nu_x from {edge:.3f}: {density:.2e} +- {error:.1e} an event and GeV^2")
    print(f"sum {total.sum() / per:.2e} +- {sqrt(square.sum()) / per:.1e}")


def print_nominal(path: Path) -> None:
    """Print what the searches take of a spill of the menu of 2018, in all and in the regions, by true mode."""
    found = read_sample(path)
    for search in SEARCHES:
        events, values = found.taken(search)
        inside = np.zeros(len(values), bool)
        spans = [search.channel.counted] if search.channel else [region.fit for region in search.regions]
        for low, high in spans:
            inside |= (values > low) & (values < high)
        modes = Counter(found.mode_of(events).tolist()).most_common(5)
        near = Counter(found.mode_of(events[inside]).tolist()).most_common(5)
        print(
            f"{search.name}: {len(values)} {dict(modes)}; in a fit {inside.sum()} {dict(near)}",
            flush=True,
        )


if __name__ == "__main__":
    print_three_body(Path(sys.argv[1]))
    print_pi0(Path(sys.argv[1]))
    for name in sys.argv[2:]:
        print_nominal(Path(name))
