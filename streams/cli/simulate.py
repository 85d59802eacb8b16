"""`ktrig simulate`: make a spill file."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from streams.catalogue import load_experiment
from streams.cli.output import output_option
from streams.cli.progress import progress
from streams.simulate.settings import CLUSTER_NS, DUTY_FACTOR, SimulationSettings
from streams.simulate.write import SpillSummary, write_spill


@click.command()
@click.option("--experiment", "profile", default="na62", show_default=True, help="Profile, a name or a file.")
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
    "--duty-factor",
    type=float,
    default=DUTY_FACTOR,
    show_default=True,
    help="<I>^2/<I^2> of the plateau in 5 ms bins.",
)
@click.option(
    "--accidentals", type=float, default=1.0, show_default=True, help="Scale of the accidental rates."
)
@click.option("--no-accidentals", is_flag=True, help="Primitives of decays only.")
@click.option(
    "--halo", type=float, default=0.0, show_default=True, help="Scale of the halo muon rate (1: 1 MHz)."
)
@click.option(
    "--cluster-ns",
    type=float,
    default=CLUSTER_NS,
    show_default=True,
    help="Join hits of a detector within this time; 0 is off.",
)
@click.option("--workers", type=click.IntRange(1), help="Threads.  [default: one per processor]")
@output_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    profile: str,
    run: int,
    burst: int,
    no_accidentals: bool,
    workers: int | None,
    output: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Simulate the L0 primitives of a spill.

    A spill shorter than five sixths of the nominal one is a piece of its plateau.
    """
    experiment = load_experiment(profile)
    if options["intensity_mhz"] is None:
        options["intensity_mhz"] = experiment.beam.nominal_intensity_mhz
    if options["duration_s"] is None:
        options["duration_s"] = experiment.spill.duration_s
    if no_accidentals:
        options["accidentals"] = 0.0
    settings = SimulationSettings(**options)
    began = time.monotonic()
    with progress("simulate") as bar:
        summary = write_spill(
            output,
            settings,
            experiment,
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


def _described(output: Path, summary: SpillSummary, wall_s: float) -> dict[str, Any]:
    return {
        "file": str(output),
        "bytes": output.stat().st_size,
        "n_frames": summary.n_frames,
        "duration_s": summary.duration_s,
        "primitives": summary.primitives,
        "rates_mhz": {name: n / summary.duration_s / 1e6 for name, n in summary.primitives.items()},
        "clipped": summary.clipped,
        "wall_s": wall_s,
    }


def _sentence(output: Path, summary: SpillSummary, wall_s: float) -> str:
    return (
        f"{output}: {summary.n_primitives:,} primitives in {summary.duration_s:.3f} s of spill, "
        f"{output.stat().st_size / 1e6:.0f} MB, made in {wall_s:.1f} s"
    )
