"""`ktrig info`: what is in a spill file."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.spill.reader import SpillReader
from streams.spill.summary import summary


@click.command()
@click.argument("file", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(file: str, as_json: bool) -> None:
    """Show what a spill FILE holds: the burst, its detectors and their rates."""
    with SpillReader(file) as reader:
        content = summary(reader)
    if as_json:
        click.echo(json.dumps(content))
        return
    console = Console(highlight=False)
    console.print(_head(content))
    console.print(_detectors(content["detectors"]))
    if "hits" in content:
        console.print(_counts("hits", content["hits"], content.get("readout", {}).get("windows_ns", {})))
    if "records" in content:
        console.print(_counts("records", content["records"], {}))
    if "truth" in content:
        console.print(_modes(content["truth"]))
    console.print(_provenance(content["provenance"]))


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _head(content: dict[str, Any]) -> Table:
    grid = _grid()
    what = "simulated" if content["simulated"] else "recorded"
    rows = {
        "file": f"{content['file']}, {_with_unit(content['size_bytes'], 'B')}",
        "spill": f"{content['experiment']} run {content['run']} burst {content['burst']}, {what}",
        "start of burst": content["sob_utc"] or "not known",
        "length": f"{content['duration_s']:.6f} s, {content['n_frames']:,} frames",
    }
    for name, text in rows.items():
        grid.add_row(name, Text(text))
    return grid


def _detectors(detectors: dict[str, dict[str, Any]]) -> Table:
    table = Table("detector", box=None, pad_edge=False, header_style="bold")
    for title in ("primitives", "mean rate", "first (s)", "last (s)"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, d in detectors.items():
        rate = "-" if d["rate_hz"] is None else _with_unit(d["rate_hz"], "Hz")
        times = ["-" if d[key] is None else f"{d[key]:.6f}" for key in ("first_s", "last_s")]
        table.add_row(Text(name), f"{d['primitives']:,}", rate, *times)
    return table


def _counts(title: str, numbers: dict[str, int], windows: dict[str, list[float]]) -> Table:
    table = Table(title, box=None, pad_edge=False, header_style="bold")
    table.add_column("number", justify="right")
    if windows:
        table.add_column("window (ns)", justify="right")
    for name, n in numbers.items():
        window = [f"{windows[name][0]:g} to {windows[name][1]:g}"] if name in windows else []
        table.add_row(Text(name), f"{n:,}", *window)
    return table


def _modes(truth: dict[str, Any]) -> Table:
    """The modes of which decays were made."""
    table = Table("decays", box=None, pad_edge=False, header_style="bold")
    for title in ("made", "in fiducial volume", "branching ratio"):
        table.add_column(title, justify="right", no_wrap=True)
    for mode in truth["modes"]:
        if mode["generated"]:
            ratio = f"{mode['branching_ratio']:.3g} of {mode['parent']}"
            table.add_row(
                Text(mode["name"]), f"{mode['generated']:,}", f"{mode['generated_fiducial']:,}", ratio
            )
    return table


def _provenance(provenance: dict[str, Any]) -> Table:
    grid = _grid()
    for key, value in provenance.items():
        text = value if isinstance(value, str) and value.isprintable() else json.dumps(value)
        grid.add_row(Text(json.dumps(key)[1:-1]), Text(text))
    return grid


def _with_unit(value: float, unit: str) -> str:
    """Write a value with three or four digits and an SI prefix: 10.42 MHz."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"
