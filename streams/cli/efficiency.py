"""`ktrig efficiency`: how much of each decay mode each trigger line takes."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from streams.cli.output import check_picture
from streams.cli.progress import progress

MENU = "na62-2018"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--menu", default=MENU, show_default=True, help="Menu, by name or file.")
@click.option("--experiment", "profile", help="Experiment profile of your own, as a file.")
@click.option(
    "--mode",
    "modes",
    multiple=True,
    metavar="NAME",
    help="Decay mode to look at.  [repeatable; default: all]",
)
@click.option(
    "--line", "lines", multiple=True, metavar="NAME", help="Line to look at.  [repeatable; default: all]"
)
@click.option(
    "--acceptance",
    type=click.Choice(["fiducial", "pinunu"]),
    help="Decays in the fiducial volume, or a single pi+ of 15 to 45 GeV/c through all straw chambers.  [default: "
    "pinunu for pi nu nu and invisible pi X]",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    callback=check_picture,
    metavar="FILE",
    help="Picture to write: .png, .svg or .pdf.  [default: FILE.efficiency.png]",
)
@click.option("--no-picture", is_flag=True, help="Draw nothing.")
@click.option("--all", "every", is_flag=True, help="Show lines that fewer than 10 decays fire, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    file: Path,
    menu: str,
    profile: str | None,
    modes: tuple[str, ...],
    lines: tuple[str, ...],
    acceptance: str | None,
    picture: Path | None,
    no_picture: bool,
    every: bool,
    as_json: bool,
) -> None:
    """Show L0 and L1 efficiencies by decay mode and line.

    From the truth of a simulated spill FILE (ktrig simulate --truth fiducial), before downscaling. The picture shows
    one mode and line, the first that are named, against momentum, vertex and intensity.
    """
    # Only now: the kernels of L1.
    from streams.efficiency.asked import make_asked
    from streams.efficiency.report import build_report, count

    if picture and no_picture:
        raise click.UsageError("--picture and --no-picture exclude each other; leave out one of them")
    asked = make_asked(file, menu, profile, modes, lines, acceptance)
    with progress("efficiency") as bar:
        report = build_report(asked, count(asked, bar.tell))
    if not no_picture:
        from streams.plots.efficiency import draw

        picture = picture or file.with_suffix(".efficiency.png")
        draw(report, picture)
    if as_json:
        click.echo(json.dumps(report | {"picture": None if picture is None else str(picture)}))
        return
    from streams.cli.efficiency_text import render

    render(report, Console(), every or bool(lines))
    if picture is not None:
        click.echo(str(picture))
