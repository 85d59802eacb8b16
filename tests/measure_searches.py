"""Measure what the searches state: acceptance, pile-up, resolution and place of their signals, on simulated spills.

    PYTHONPATH=tests:. python tests/measure_searches.py FOLDER [SEARCH ...]

makes the spills in a folder, some 100 MB each, if they are not there, and prints tables as the searches have them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from search_sample import SearchSample, read_sample
from simulated import simulate

from trigger.searches.catalogue import SEARCHES, find_search
from trigger.searches.search import Search

LOW_MHZ: Final = 50
INTENSITIES_MHZ: Final = (50, 300, 750)

ACCEPTANCE_MHZ: Final = {"pi_e_n": 750}
"""Where the acceptance is measured, if it is not at LOW_MHZ: the trigger takes decays of pions beside a kaon
only."""


@dataclass(frozen=True)
class Signal:
    """A signal of a search: its mass in the search's sense, and how it is simulated."""

    mass_gev: float
    text: str

    @property
    def mode(self) -> str:
        """Name of the decay mode."""
        return self.text.partition(":")[0]

    @property
    def in_a_decay(self) -> float:
        """Signals in a decay with one: with `br` 0.9 there are many with two pi0 of the signal."""
        return 0.9 * 0.3261 / (0.9 * 0.2909 + 0.99 * 0.0176) if self.mode.startswith("pi0") else 1.0


def _line(mode: str, masses: tuple[float, ...], more: str = "") -> tuple[Signal, ...]:
    return tuple(Signal(m, f"{mode}:mass={m},br=0.9{more}") for m in masses)


SIGNALS: Final[dict[str, tuple[Signal, ...]]] = {
    "k_pi_x": _line("K-pi-X", (0.0, 0.06, 0.11, 0.154, 0.2, 0.26)),
    "pi0_inv": (Signal(0.1349768, "pi0-inv:br=0.9"),),
    "k_pi_mumu": _line("K-pi-X", (0.215, 0.22, 0.23, 0.25, 0.3, 0.34, 0.35), ",to=mumu"),
    "k_pi_gg": _line("K-pi-X", (0.21, 0.25, 0.3, 0.34, 0.35), ",to=gg"),
    "pi0_dark_photon": _line("pi0-gamma-Ap", (0.01, 0.03, 0.06, 0.09, 0.12)),
    "k_e_n": _line("K-e-N", (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.462)),
    "k_mu_n": _line("K-mu-N", (0.2, 0.25, 0.3, 0.35, 0.38, 0.384)),
    "pi_e_n": _line("pi-e-N", (0.095, 0.105, 0.115, 0.126)),
    "k_mu_nu_x": _line("K-mu-nu-X", (0.01, 0.1, 0.2, 0.3, 0.34, 0.37)),
    "k_pi_aa": _line("K-pi-aa", (0.005, 0.017, 0.05, 0.1, 0.15, 0.17)),
    "k_pi_s": tuple(
        Signal(s, f"K-pi-S:mass={s},mass2={a},br=0.9")
        for s, a in ((0.02, 0.007), (0.05, 0.015), (0.1, 0.03), (0.2, 0.05), (0.3, 0.1), (0.34, 0.1))
    ),
    "k_pi_ee": _line("K-pi-X", (0.15, 0.2, 0.25, 0.3, 0.34, 0.35), ",to=ee"),
    "k2pi": (Signal(0.1349768, "K-pi-pi0:br=0.2067"),),
    "kmu2": (Signal(0.0, "K-mu-nu:br=0.6294"),),
    "k3pi": (Signal(0.493677, "K-3pi:br=0.05583"),),
}
"""By search. The channels are measured in the usual mixture."""

DURATION_S: Final = {"pi0_dark_photon": 0.4, "pi_e_n": 1.0, "k3pi": 1.2}
"""At LOW_MHZ, where it is not 0.2 s."""

OPEN_MENU: Final = "downscaling = 1"


def menu_of(folder: Path, search: Search) -> Path:
    """Return the menu of 2018 without downscaling, and with none of the lines that a search does not ride on."""
    text = (Path(__file__).parents[1] / "trigger" / "menus" / "na62-2018.toml").read_text(encoding="utf-8")
    head, *lines = text.split("[[line]]\n")
    kept = [line for line in lines if line.partition('"')[2].partition('"')[0] in search.lines]
    if "Control" not in search.lines:
        head = head[: head.index("[control]")] + head[head.index("# L1:") :]
    # A menu has a line; this one hardly fires.
    spare = [line for line in lines if '"2muMT"' in line]
    body = "[[line]]\n".join([head, *(kept or spare)])
    path = folder / f"{'-'.join(search.lines)}.toml"
    path.write_text(
        "\n".join(OPEN_MENU if row.startswith("downscaling") else row for row in body.splitlines()) + "\n",
        encoding="utf-8",
    )
    return path


def spill_of(folder: Path, search: Search, signal: Signal, mhz: int) -> SearchSample:
    """Return the sample of a signal at an intensity; simulate it if it is not there."""
    menu = menu_of(folder, search)
    plain = signal.text.replace(":", "_").replace(",", "_").replace("=", "")
    path = folder / f"{menu.stem}-{plain}-{mhz}.h5"
    if not path.exists():
        duration = DURATION_S.get(search.name, 0.2) * LOW_MHZ / mhz
        simulate(
            path,
            *("--signal", signal.text, "--intensity", str(mhz), "--duration", str(duration), "--flat"),
            *("--hit-menu", str(menu), "--seed", "11"),
        )
    return read_sample(path, str(menu))


def core(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard deviation of the core: of the Gaussian whose part within two of them is the same."""
    mean, sigma = float(np.median(values)), float(np.diff(np.percentile(values, [15.87, 84.13]))[0] / 2)
    for _ in range(20):
        inside = values[np.abs(values - mean) < 2.0 * sigma]
        # A Gaussian cut at two standard deviations has 0.8796 of it.
        mean, sigma = float(inside.mean()), float(inside.std() / 0.8796)
    return mean, sigma


def taken_of(sample: SearchSample, search: Search, signal: Signal) -> tuple[NDArray[np.float64], float]:
    """Return the observables of the signal's decays in the fiducial volume that are taken, and how many were made.

    Only the first line counts. Of a channel all that lies in its range counts, whatever it is of.
    """
    events, values = sample.taken(search, search.lines[:1])
    made = sample.made(signal.mode) * signal.in_a_decay
    if search.channel is not None:
        low, high = search.channel.counted
        return values[(values > low) & (values < high)], made
    own = (sample.mode_of(events) == signal.mode) & sample.fiducial[np.maximum(sample.decay[events], 0)]
    if search.expected is not None:
        low, high = search.window(search.regions[0], signal.mass_gev)
        own &= (values > low) & (values < high)
    return values[own], made


def measure(folder: Path, search: Search) -> Iterator[str]:
    """Yield lines of text about a search."""
    middle = SIGNALS[search.name][len(SIGNALS[search.name]) // 2]
    base = ACCEPTANCE_MHZ.get(search.name, LOW_MHZ)
    low = {}
    for signal in SIGNALS[search.name]:
        values, made = taken_of(spill_of(folder, search, signal, base), search, signal)
        low[signal] = acceptance = len(values) / made
        error = sqrt(max(len(values), 1)) / made
        at = search.observable_of(signal.mass_gev)
        where = ""
        if len(values) > 50:
            mean, sigma = core(values)
            where = (
                f"sigma {sigma:.3e} +- {sigma / sqrt(2 * len(values)):.1e}, "
                f"off by {(mean - at) / sigma:+.3f} +- {1 / sqrt(len(values)):.3f} sigma"
            )
        yield f"({signal.mass_gev}, {acceptance:.4f})  +- {error:.4f}  {where}"
    for mhz in INTENSITIES_MHZ:
        values, made = taken_of(spill_of(folder, search, middle, mhz), search, middle)
        factor = len(values) / made / low[middle] if low[middle] else float("nan")
        yield f"pile-up at {middle.mass_gev} GeV: ({mhz}, {factor:.3f})  +- {factor / sqrt(max(len(values), 1)):.3f}"


def main(folder: Path, names: list[str]) -> None:
    """Print the tables of some searches, by default of all."""
    folder.mkdir(parents=True, exist_ok=True)
    for search in [find_search(name) for name in names] or SEARCHES:
        print(search.name, flush=True)
        for line in measure(folder, search):
            print("  " + line, flush=True)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2:])
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
