"""`ktrig bench`: how fast ktrig is here, against a baseline timed in the same run."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import click

from streams.bench import simulate as simulate_
from streams.bench import transport
from streams.bench.l0 import DURATION_S, MENU, NUMPY_REPETITIONS, REPETITIONS, bench_l0

F = TypeVar("F", bound=Callable[..., Any])

MS: Final = 1e3
WIDTH: Final = 80
SHORTEST_S: Final = 0.001
LONGEST_S: Final = 4.8
"""A spill; the blocks are held in memory, 0.2 GB a second."""

BLOCKS: Final = 40
"""Blocks of a spill that the benchmark of L1 uses: 0.26 s."""

MOST_BLOCKS: Final = 200
"""Hits of a nominal spill are some 4 MB a block."""


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


@command.command()
@click.argument("files", metavar="FILE...", nargs=-1)
@_repetitions_option("--repetitions", REPETITIONS, "Times of which the median is taken.")
@json_option
def straw(files: tuple[str, ...], repetitions: int, as_json: bool) -> None:
    """Time both STRAW searches on one core.

    From the edges of each event to its verdict. FILE... are golden files of the STRAW algorithm, as `ktrig verify
    straw` takes them. Compatible verdicts must be the recorded ones, and the refit must find the track in samples of
    one track.
    """
    if not files:
        raise click.UsageError(
            "Missing argument 'FILE...': give golden files of the STRAW algorithm (t1-n0.npz and others, in the "
            "folder straw of the golden vectors)"
        )
    # Here and below: the other benchmarks do not wait for the kernels of L1.
    from streams.bench.straw import bench_straw

    _show(bench_straw(files, repetitions), _straw_lines, as_json)


menu_option = click.option(
    "--menu", default=MENU, show_default=True, help="Menu of L0 and L1, a name or a file."
)
blocks_option = click.option(
    "--blocks",
    type=click.IntRange(1, MOST_BLOCKS),
    default=BLOCKS,
    show_default=True,
    help="Blocks of 6.5 ms to use, from the middle of the spill; they are held in memory.",
)


@command.command()
@click.argument("spill", required=False)
@menu_option
@blocks_option
@_repetitions_option("--repetitions", REPETITIONS, "Times of which the median is taken.")
@json_option
def l1(spill: str | None, menu: str, blocks: int, repetitions: int, as_json: bool) -> None:
    """Time the event builder and L1 on one core.

    SPILL is a spill file with hits; without one, 20 ms at the nominal intensity are simulated. Hits are in memory
    before. The builder's events must have the hits that numpy finds, which is timed beside it.
    """
    from streams.bench.l1 import bench_l1

    _show(bench_l1(spill, menu, blocks, repetitions), _l1_lines, as_json)


@command.command()
@click.argument("spill", required=False)
@menu_option
@blocks_option
@_repetitions_option("--repetitions", REPETITIONS, "Times of which the median is taken.")
@json_option
def monitors(spill: str | None, menu: str, blocks: int, repetitions: int, as_json: bool) -> None:
    """Time the monitors on one core.

    SPILL is a spill file with hits and records; without one, 20 ms at the nominal intensity are simulated.
    Candidates, searches and spectra are timed on what L1 accepts of it, the scans on spectra of 20,000 entries each.
    boost-histogram fills the same spectra, and pyBumpHunter scans one of them, if they are installed.
    """
    from streams.bench.monitors import bench_monitors

    _show(bench_monitors(spill, menu, blocks, repetitions), _monitors_lines, as_json)


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


def _straw_lines(f: dict[str, Any]) -> Iterator[str]:
    width = max(6, *(len(name) for name in f["events"]))
    yield f"{'sample':<{width}}  events  edges  refit us  compatible us  ratio  refit events/s"
    for name, events in f["events"].items():
        yield (
            f"{name:<{width}}  {events:>6}  {f['edges_per_event'][name]:>5.0f}  {f['us_per_event'][name]:>8.2f}  "
            f"{f['compatible_us_per_event'][name]:>13.2f}  {f['refit_over_compatible'][name]:>5.2f}  "
            f"{f['events_per_s'][name]:>14,.0f}"
        )
    yield f"times of an event, medians of {f['repetitions']}; ratio of refit to compatible"
    yield f"compatible gives the recorded verdict in {min(f['compatible_same_verdict'].values()):.4f} or more"
    if f["refit_track_found"]:
        yield f"refit finds the only track in {min(f['refit_track_found'].values()):.4f} or more"


def _l1_lines(f: dict[str, Any]) -> Iterator[str]:
    yield f"spill   {MS * f['duration_s']:.1f} ms: {f['events']:,} events, {f['hits']:,} hits"
    yield f"menu    {f['menu']}, STRAW search {f['straw']}"
    yield (
        f"build   {f['builder_events_per_s'] * 1e-6:.2f} M events/s, {f['builder_cores_at_real_time']:.3f} cores at "
        "the speed of the beam"
    )
    yield f"numpy   {f['builder_numpy_ratio']:.1f} x the time, for the same hits of each event"
    yield (
        f"l1      {f['l1_us_per_event']:.2f} us per event, {f['l1_cores_at_real_time']:.3f} cores at "
        "the speed of the beam"
    )
    yield (
        f"time    {MS * f['l1_seconds']:.1f} ms ({MS * f['l1_seconds_min']:.1f} to {MS * f['l1_seconds_max']:.1f}), "
        f"median of {f['repetitions']}"
    )
    ran = ", ".join(f"{name} {part:.3f}" for name, part in f["calls"].items() if part)
    yield from textwrap.wrap(f"ran     {ran or 'nothing'}", WIDTH, subsequent_indent=" " * 8)
    fates = ", ".join(f"{name} {part:.3f}" for name, part in f["fates"].items() if part)
    yield from textwrap.wrap(f"fates   {fates}", WIDTH, subsequent_indent=" " * 8)


def _monitors_lines(f: dict[str, Any]) -> Iterator[str]:
    yield f"sample  {f['accepted']:,} accepted events, {f['entries']:,} entries; medians of {f['repetitions']}"
    yield (
        f"events  {f['us_per_event']:.2f} us for candidates, searches and spectra; "
        f"{f['core_fraction_at_100khz']:.3f} cores at 100 kHz"
    )
    if f["us_per_bypassed_event"] is not None:
        yield (
            f"tracks  {f['us_per_bypassed_event']:.2f} us in each of {f['bypassed']:,} events that L1 passed without "
            f"them;\n        with these {f['core_fraction_with_tracks_at_100khz']:.3f} cores at 100 kHz"
        )
    yield f"fill    {f['fill_ns_per_entry']:.1f} ns per entry{_ratio(f['boost_histogram_ratio'], 'boost-histogram')}"
    yield (
        f"scan    {f['scan_s']:.3f} s ({f['scan_s_min']:.3f} to {f['scan_s_max']:.3f}) at the end of a spill, "
        f"{f['hypotheses']:,} masses"
    )
    yield (
        f"boxes   {f['scan_one_s'] * MS:.2f} ms for {f['scan_one']}, known background"
        f"{_ratio(f['bump_hunter_ratio'], 'pyBumpHunter')}"
    )


def _ratio(ratio: float | None, of: str) -> str:
    """Say how the same with another program compares."""
    return f"; {of} is not installed" if ratio is None else f"; {of}: {ratio:.2g} x the time"


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
