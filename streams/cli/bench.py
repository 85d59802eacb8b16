"""`ktrig bench`: how fast ktrig is here, against a baseline timed in the same run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import click

from streams.bench import simulate as simulate_
from streams.bench import transport
from streams.bench.l0 import DURATION_S, MENU, NUMPY_REPETITIONS, REPETITIONS, bench_l0

F = TypeVar("F", bound=Callable[..., Any])

MS: Final = 1e3
SHORTEST_S: Final = 0.001
LONGEST_S: Final = 4.8
"""A spill; the blocks are held in memory, 0.2 GB a second."""


@click.group()
def command() -> None:
    """Time the parts of ktrig against a baseline."""


def _duration_option(default_s: float) -> Callable[[F], F]:
    return click.option(
        "--duration",
        "duration_s",
        type=click.FloatRange(SHORTEST_S, LONGEST_S),
        default=default_s,
        show_default=True,
        metavar="SECONDS",
        help="Length of the simulated spill.",
    )


def _repetitions_option(name: str, default: int, what: str) -> Callable[[F], F]:
    return click.option(name, type=click.IntRange(min=1), default=default, show_default=True, help=what)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@command.command()
@_duration_option(DURATION_S)
@_repetitions_option("--repetitions", REPETITIONS, "Times of which the median is taken.")
@_repetitions_option("--numpy-repetitions", NUMPY_REPETITIONS, "The same for the numpy baseline.")
@json_option
def l0(duration_s: float, repetitions: int, numpy_repetitions: int, as_json: bool) -> None:
    """Time the L0 processor on one core.

    The input is a simulated spill of the nominal intensity, made before, with the menu na62-2018 and its
    control trigger. A numpy implementation must give the same triggers on the first 52 ms of it, and is
    timed on them.
    """
    _show(bench_l0(duration_s, repetitions, numpy_repetitions), _lines, as_json)


@command.command(name="transport")
@_duration_option(transport.DURATION_S)
@_repetitions_option("--repetitions", transport.REPETITIONS, "Times of which the median is taken.")
@json_option
def transport_(duration_s: float, repetitions: int, as_json: bool) -> None:
    """Time the delivery of primitives over TCP loopback.

    A simulated spill of the nominal intensity goes in the messages of a replay to another process, which takes each
    block apart, checks it and acknowledges it.
    """
    _show(transport.bench_transport(duration_s, repetitions), _transport_lines, as_json)


@command.command()
@_repetitions_option("--repetitions", simulate_.REPETITIONS, "Times of which the median is taken.")
@json_option
def simulate(repetitions: int, as_json: bool) -> None:
    """Time the simulation of decays on one core.

    The beam of the nominal intensity, from its decays to primitives; numpy is timed on the kinematics of K+ -> pi+
    pi0 alone.
    """
    _show(simulate_.bench_simulate(repetitions), _simulate_lines, as_json)


def _show(figures: dict[str, Any], lines: Callable[[dict[str, Any]], Iterator[str]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(figures, indent=2))
        return
    for line in lines(figures):
        click.echo(line)


def _transport_lines(f: dict[str, Any]) -> Iterator[str]:
    yield (
        f"spill   {f['duration_s']:.2f} s simulated: {f['primitives_mhz']:.1f} MHz of primitives, "
        f"{f['bytes'] * 1e-6:.0f} MB in {f['blocks']} blocks"
    )
    yield (
        f"time    {MS * f['seconds']:.0f} ms ({MS * f['seconds_min']:.0f} to {MS * f['seconds_max']:.0f}), "
        f"median of {f['repetitions']}; {f['bytes_per_second'] * 1e-9:.2f} GB/s"
    )
    yield f"speed   {f['realtime_factor']:.1f} x real time, acknowledged, over {f['transport']}"
    yield f"numpy   {f['copy_ratio']:.1f} x the time of one copy of the words in memory"
    yield (
        f"cores   {f['sender_cores_at_real_time']:.3f} to send and {f['receiver_cores_at_real_time']:.3f} to "
        "receive at the speed of the beam"
    )


def _simulate_lines(f: dict[str, Any]) -> Iterator[str]:
    yield (
        f"spill   {MS * f['duration_s']:.1f} ms at {f['intensity_mhz']:g} MHz: {f['decays']:,} decays, "
        f"{f['decays_seen']:,} of them seen"
    )
    yield (
        f"time    {MS * f['seconds']:.0f} ms ({MS * f['seconds_min']:.0f} to {MS * f['seconds_max']:.0f}), "
        f"median of {f['repetitions']}; {f['ns_per_decay']:.0f} ns per decay seen"
    )
    yield f"speed   {f['decays_per_s'] * 1e-6:.2f} M decays/s on one core, {f['realtime_factor']:.3f} x real time"
    yield f"numpy   {f['numpy_ratio']:.2f} x the time, for the kinematics of as many K+ -> pi+ pi0 alone"


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
