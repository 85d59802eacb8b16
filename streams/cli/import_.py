"""`ktrig import`: an experiment's own files into spill files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from streams import catalogue
from streams.cli.output import output_option
from streams.formats import na62_primitives
from streams.formats.na62_primitives import Primitives
from streams.spill.bits import unnamed_bits, unnamed_text
from streams.spill.writer import SpillWriter
from trigger.clock import seconds
from trigger.errors import KtrigError
from trigger.experiment import CALIBRATION_BIT, Detector

FIRED_BIT: Final = 14
"""Set in every physics primitive, by NA62's convention; the bits below are conditions."""


class ImportArgumentsError(KtrigError):
    """What was asked for does not fit together."""


@click.group("import")
def command() -> None:
    """Turn an experiment's own files into spill files."""


@command.command()
@click.option("--experiment", required=True, help="Experiment profile: a name or a .toml file.")
@click.option(
    "--detector",
    "detectors",
    required=True,
    multiple=True,
    help="Detector of the file; once for each FILE, in the same order.",
)
@click.argument("files", metavar="FILE...", type=click.Path(), nargs=-1, required=True)
@output_option
@click.option(
    "--format",
    "wanted",
    type=click.Choice(["auto", "32", "64"]),
    default="auto",
    show_default=True,
    help="Bits of a primitive. auto takes the format in which every time lies inside a burst and the "
    "frames are in order, and refuses if that is both or none.",
)
@click.option("--run", type=click.IntRange(min=0), help="Run number, if not in the file names.")
@click.option("--burst", type=click.IntRange(min=0), help="Burst number, if not in the file names.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def primitives(
    experiment: str,
    detectors: tuple[str, ...],
    files: tuple[str, ...],
    output: Path,
    wanted: Any,
    run: int | None,
    burst: int | None,
    as_json: bool,
) -> None:
    """Import NA62 primitives from FILE, one file a detector.

    The run and burst are taken from file names like Run8764_burst500_LKr.bin; where they are in none and
    not given they are 0.
    """
    profile = catalogue.load_experiment(experiment)
    found_detectors = [profile.find(name) for name in detectors]
    names = [detector.name for detector in found_detectors]
    if len(files) != len(names) or len(set(names)) != len(names):
        raise ImportArgumentsError(
            f"--detector: {len(names)} for {len(files)} files ({', '.join(names)}); give one for each, all different"
        )
    run = _number("run", run, files)
    burst = _number("burst", burst, files)
    found = {name: na62_primitives.read(file, wanted) for name, file in zip(names, files, strict=True)}
    sources = [
        _source(detector, file, found[detector.name])
        for detector, file in zip(found_detectors, files, strict=True)
    ]
    block = na62_primitives.pack(found)
    with SpillWriter(
        output,
        experiment=profile.name,
        run=run,
        burst=burst,
        sob_unix_ns=0,
        simulated=False,
        provenance={"made_by": "ktrig import primitives", "sources": sources},
        detectors=names,
    ) as writer:
        writer.write(block)
    summary = {
        "file": str(output),
        "experiment": profile.name,
        "run": run,
        "burst": burst,
        "n_frames": block.n_frames,
        "sources": sources,
    }
    _report(summary, as_json)


def _number(what: str, given: int | None, files: Sequence[str]) -> int:
    """Return the run or burst as given, else as in the file names, else 0."""
    if given is not None:
        return given
    pattern = re.compile(rf"{what}[_-]?(\d{{1,18}})", re.IGNORECASE)
    found = {int(match[1]) for file in files if (match := pattern.search(Path(file).name))}
    if len(found) > 1:
        values = ", ".join(map(str, sorted(found)))
        raise ImportArgumentsError(
            f"the file names have different {what}s ({values}); say which with --{what}"
        )
    return found.pop() if found else 0


def _source(detector: Detector, file: str, primitives: Primitives) -> dict[str, Any]:
    """Describe a file, and how well the profile's names fit the bits of its IDs, calibration primitives apart."""
    times = primitives.times_lsb
    ids = primitives.ids[primitives.ids >> CALIBRATION_BIT == 0]
    set_bits = int(np.bitwise_or.reduce(ids, initial=0))
    return {
        "detector": detector.name,
        "file": Path(file).name,
        "format": f"na62-primitives-{primitives.format}",
        "primitives": len(times),
        "first_s": seconds(int(times.min())),
        "last_s": seconds(int(times.max())),
        "id_0_discarded": primitives.discarded,
        "out_of_order": primitives.steps_back,
        "bits_without_name": [bit for bit in unnamed_bits(set_bits, detector) if bit != FIRED_BIT],
        "lack_bit_14": float(np.mean(ids >> FIRED_BIT & 1 == 0)) if len(ids) else 0.0,
    }


def _report(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(summary))
        return
    for source in summary["sources"]:
        notes = ""
        if source["id_0_discarded"]:
            notes += f", {source['id_0_discarded']:,} with ID 0 discarded"
        if source["out_of_order"]:
            notes += f", {source['out_of_order']:,} out of order, sorted"
        click.echo(
            f"{source['detector']}: {source['primitives']:,} primitives, {source['first_s']:.3f} to "
            f"{source['last_s']:.3f} s, {source['format'][-2:]}-bit format{notes}"
        )
    click.echo(
        f"{summary['file']}: run {summary['run']}, burst {summary['burst']}, {summary['n_frames']:,} frames"
    )
    for source in summary["sources"]:
        misfits = _misfits(source, summary["experiment"])
        if misfits:
            click.echo(f"{source['detector']}: {'; '.join(misfits)}")


def _misfits(source: dict[str, Any], experiment: str) -> list[str]:
    """Say where the IDs of a source do not fit the profile, if anywhere."""
    misfits = []
    bits, lack = source["bits_without_name"], source["lack_bit_14"]
    if bits:
        misfits.append(unnamed_text(bits, experiment))
    if lack:
        percent = f"{lack:.0%}" if lack >= 0.01 else "under 1%"
        misfits.append(f"{percent} lack bit {FIRED_BIT}")
    return misfits
