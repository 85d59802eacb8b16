"""`ktrig compare`: one spill through two menus."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from streams.cli.output import check_picture
from streams.cli.progress import progress
from trigger.frames import BLOCK_FRAMES


def _two(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, str]:
    if len(value) != 2:
        raise click.BadParameter(f"give it twice, first menu A, then menu B (given {len(value)} times)")
    return value[0], value[1]


@click.command()
@click.option("--spill", required=True, type=click.Path(path_type=Path), help="Spill file to play.")
@click.option(
    "--menu",
    "menus",
    multiple=True,
    callback=_two,
    metavar="MENU",
    help="Menu, by name or file; twice: A, B.",
)
@click.option("--experiment", "profile", help="Experiment profile of your own, as a file.")
@click.option(
    "--block-frames",
    default=BLOCK_FRAMES,
    show_default=True,
    type=click.IntRange(1),
    help="Frames in a block.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    callback=check_picture,
    metavar="FILE",
    help="Draw a picture: .png, .svg or .pdf.",
)
def command(
    spill: Path,
    menus: tuple[str, str],
    profile: str | None,
    block_frames: int,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Play a spill through two menus and report how their lines differ.

    Rates with correlated errors, events gained and lost and why, overlaps of the lines.
    """
    from streams.cli.compare_text import render
    from streams.compare import make_comparison, play
    from streams.compare_report import build_report

    asked = make_comparison(spill, menus, profile, block_frames)
    with progress("compare") as bar:
        report = build_report(asked, play(asked, bar.tell))
    if plot is not None:
        from streams.plots.compare import draw

        draw(report, plot)
    if as_json:
        click.echo(json.dumps(report))
    else:
        render(report, Console())
    if not report["closed"]:
        sys.exit(1)
