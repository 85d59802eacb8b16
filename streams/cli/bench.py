"""`ktrig bench`: how fast ktrig is here, against a baseline timed in the same run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import click

from streams.bench.l0 import DURATION_S, MENU, NUMPY_REPETITIONS, REPETITIONS, bench_l0

MS: Final = 1e3
SHORTEST_S: Final = 0.001
LONGEST_S: Final = 4.8
"""A spill; the blocks are held in memory, 0.2 GB a second."""


@click.group()
def command() -> None:
    """Time the parts of ktrig against a baseline."""


@command.command()
@click.option(
    "--duration",
    "duration_s",
    type=click.FloatRange(SHORTEST_S, LONGEST_S),
    default=DURATION_S,
    show_default=True,
    metavar="SECONDS",
    help="Length of the simulated spill.",
)
@click.option(
    "--repetitions",
    type=click.IntRange(min=1),
    default=REPETITIONS,
    show_default=True,
    help="Times of which the median is taken.",
)
@click.option(
    "--numpy-repetitions",
    type=click.IntRange(min=1),
    default=NUMPY_REPETITIONS,
    show_default=True,
    help="The same for the numpy baseline.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def l0(duration_s: float, repetitions: int, numpy_repetitions: int, as_json: bool) -> None:
    """Time the L0 processor on one core.

    The input is a simulated spill of the nominal intensity, made before, with the menu na62-2018 and its
    control trigger. A numpy implementation must give the same triggers on the first 52 ms of it, and is
    timed on them.
    """
    figures = bench_l0(duration_s, repetitions, numpy_repetitions)
    if as_json:
        click.echo(json.dumps(figures, indent=2))
        return
    for line in _lines(figures):
        click.echo(line)


def _lines(f: dict[str, Any]) -> Iterator[str]:
    yield (
        f"spill   {MS * f['duration_s']:.1f} ms simulated: {f['primitives_mhz']:.1f} MHz of primitives, "
        f"{f['reference_mhz']:.2f} MHz of the reference"
    )
    yield f"menu    {MENU}: {f['triggers']} triggers"
    yield (
        f"time    {MS * f['seconds']:.1f} ms ({MS * f['seconds_min']:.1f} to {MS * f['seconds_max']:.1f}), "
        f"median of {f['repetitions']}; {f['ns_per_reference_primitive']:.1f} ns per reference"
    )
    yield f"speed   {f['realtime_factor']:.2f} x real time on one core"
    yield f"numpy   {f['numpy_ratio']:.1f} x the time, for the same triggers"
