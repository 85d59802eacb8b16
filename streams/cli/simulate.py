"""`ktrig simulate`: make a spill file."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from streams.catalogue import load_experiment
from streams.cli.output import output_option
from streams.cli.progress import progress
from streams.simulate.decays.catalogue import standard_modes
from streams.simulate.decays.signals import EXOTIC_MODES, keys_of
from streams.simulate.readout import load_readout
from streams.simulate.settings import DUTY_FACTOR, SIGNAL, TRIGGERED, TRUTHS, SimulationSettings
from streams.simulate.write import SpillSummary, write_spill
from trigger.experiment import Experiment


def _list_modes(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """Show the decay modes and end."""
    if not value or context.resilient_parsing:
        return
    table = Table("mode", "decay", box=None, pad_edge=False, header_style="bold")
    table.add_column("BR", justify="right")
    table.add_column("keys")
    for mode in (*standard_modes(), *EXOTIC_MODES):
        ratio = f"{mode.branching_ratio:.3g}" if mode.branching_ratio else ""
        table.add_row(mode.name, mode.title, ratio, ", ".join(keys_of(mode)))
    Console(highlight=False, width=80).print(table)
    context.exit()


@click.command()
@click.option(
    "--experiment", "profile_name", default="na62", show_default=True, help="Profile, a name or a file."
)
@click.option(
    "--intensity", "intensity_mhz", type=float, help="Mean MHz of beam over the spill.  [default: nominal]"
)
@click.option("--duration", "duration_s", type=float, help="Seconds of spill.  [default: nominal]")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same file.")
@click.option("--run", type=click.IntRange(0), default=0, show_default=True, help="Run number in the file.")
@click.option(
    "--burst", type=click.IntRange(0), default=0, show_default=True, help="Burst number in the file."
)
@click.option("--flat", is_flag=True, help="Constant intensity.")
@click.option(
    "--profile",
    default="",
    metavar="FILE",
    help="Measured intensity against time: text (s, intensity), or a spill file.",
)
@click.option(
    "--duty-factor",
    type=float,
    default=DUTY_FACTOR,
    show_default=True,
    help="<I>^2/<I^2> of the plateau in 5 ms bins.",
)
@click.option(
    "--signal",
    "signals",
    multiple=True,
    metavar="MODE[:KEY=VALUE,...]",
    help="A decay mode with its parameters, as K-pi-X:mass=0.2,br=1e-3.  [repeatable]",
)
@click.option(
    "--list-modes",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_modes,
    help="Show all modes.",
)
@click.option(
    "--accidentals", type=float, default=1.0, show_default=True, help="Scale of the accidental rates."
)
@click.option("--no-accidentals", is_flag=True, help="No hits of one detector alone.")
@click.option("--halo", type=float, default=1.0, show_default=True, help="Scale of the halo muon rate.")
@click.option("--no-halo", is_flag=True, help="No halo muons.")
@click.option(
    "--hit-menu",
    default="na62-2018",
    show_default=True,
    metavar="MENU",
    help="Menu around whose triggers hits are kept, a name or a file.",
)
@click.option(
    "--window",
    "windows",
    multiple=True,
    metavar="NAME=BEGIN:END",
    help="Readout window in ns about the trigger, as STRAW=-50:275.  [repeatable]",
)
@click.option("--no-hits", is_flag=True, help="Primitives only: no hits, records or truth.")
@click.option(
    "--truth",
    type=click.Choice(TRUTHS),
    help="Decays whose truth is kept.  [default: signal with --signal, else triggered]",
)
@click.option("--workers", type=click.IntRange(1), help="Threads.  [default: one per processor]")
@output_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    profile_name: str,
    run: int,
    burst: int,
    no_accidentals: bool,
    no_halo: bool,
    hit_menu: str,
    windows: tuple[str, ...],
    no_hits: bool,
    workers: int | None,
    output: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Simulate a spill: primitives, hits around the triggers of a menu, truth.

    A spill shorter than five sixths of the nominal one is a piece of its plateau.
    """
    experiment = load_experiment(profile_name)
    settings = _settings(experiment, no_accidentals, no_halo, options)
    readout = None if no_hits else load_readout(experiment, hit_menu, windows)
    began = time.monotonic()
    with progress("simulate") as bar:
        summary = write_spill(
            output,
            settings,
            experiment,
            readout,
            run=run,
            burst=burst,
            workers=workers or os.cpu_count() or 1,
            progress=bar.tell,
        )
    wall_s = time.monotonic() - began
    if as_json:
        click.echo(json.dumps(_described(output, summary, wall_s), indent=2))
    elif sys.stdout.isatty():
        click.echo(_sentence(output, summary, wall_s))


def _settings(
    experiment: Experiment, no_accidentals: bool, no_halo: bool, options: dict[str, Any]
) -> SimulationSettings:
    """Fill in what was not asked for."""
    given = {name: value for name, value in options.items() if value is not None}
    given.setdefault("intensity_mhz", experiment.beam.nominal_intensity_mhz)
    given.setdefault("duration_s", experiment.spill.duration_s)
    given.setdefault("truth", SIGNAL if given["signals"] else TRIGGERED)
    for name, off in (("accidentals", no_accidentals), ("halo", no_halo)):
        given[name] = 0.0 if off else given[name]
    return SimulationSettings(**given)


def _described(output: Path, summary: SpillSummary, wall_s: float) -> dict[str, Any]:
    return {
        "file": str(output),
        "bytes": output.stat().st_size,
        "n_frames": summary.n_frames,
        "duration_s": summary.duration_s,
        "primitives": summary.primitives,
        "rates_mhz": {name: n / summary.duration_s / 1e6 for name, n in summary.primitives.items()},
        "hits": summary.hits,
        "records": summary.records,
        "decays": summary.decays,
        "clipped": summary.clipped,
        "wall_s": wall_s,
    }


def _sentence(output: Path, summary: SpillSummary, wall_s: float) -> str:
    return (
        f"{output}: {summary.n_primitives:,} primitives in {summary.duration_s:.3f} s of spill, "
        f"{output.stat().st_size / 1e6:.0f} MB, made in {wall_s:.1f} s"
    )
