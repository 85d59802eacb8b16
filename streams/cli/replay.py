"""`ktrig replay`: play a spill through the trigger."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from streams.cli.progress import progress
from trigger.frames import BLOCK_FRAMES


def _speed(_context: click.Context, _parameter: click.Parameter, value: str) -> float | None:
    if value == "max":
        return None
    try:
        speed = float(value)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise click.BadParameter(f"{value!r} is neither 'max' nor a positive number of times real time")
    return speed


@click.command()
@click.option("--spill", required=True, type=click.Path(path_type=Path), help="Spill file to play.")
@click.option("--menu", default="na62-2018", show_default=True, help="Menu, by name or file.")
@click.option("--experiment", "profile", help="Experiment profile of your own, as a file.")
@click.option("--speed", default="max", show_default=True, callback=_speed, help="Times real time, or 'max'.")
@click.option("--inline", is_flag=True, help="All stages in one process.")
@click.option("--metrics", metavar="HOST:PORT", help="Serve Prometheus metrics while it runs.")
@click.option(
    "--block-frames",
    default=BLOCK_FRAMES,
    show_default=True,
    type=click.IntRange(1),
    help="Frames in a block.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    spill: Path,
    menu: str,
    profile: str | None,
    speed: float | None,
    inline: bool,
    metrics: str | None,
    block_frames: int,
    as_json: bool,
) -> None:
    """Play a spill through the L0 trigger and report the rate of each line."""
    from streams.cli.report_text import render
    from streams.replay import make_request
    from streams.stages.request import Watcher

    request = make_request(spill, menu, profile, speed, metrics, block_frames)
    if inline:
        from streams.stages.inline import replay_inline as run
    else:
        from streams.stages.local import replay_processes as run
    with progress("replay") as bar:
        report = run(request, Watcher(bar.tell, lambda url: bar.say(f"metrics at {url}")))
    if as_json:
        click.echo(json.dumps(report))
    else:
        render(report, Console())
    if not report["ledger_closed"]:
        sys.exit(1)
