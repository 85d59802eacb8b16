"""`ktrig replay`: play spills through the trigger, or to readers outside."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console

from streams.cli.progress import progress
from streams.cli.signals import Ended, finishing, take_no_more_signals
from streams.stages.pacing import CATCH_UP
from trigger.frames import BLOCK_FRAMES

if TYPE_CHECKING:
    from streams.report import Report
    from streams.stages.request import Request, Watcher

    Engine = Callable[[Request, Watcher], Report]


FOR_THE_TRIGGER: Final = (
    "explain",
    "require_all",
    "metrics",
    "counters",
    "workers",
    "out",
    "no_l1",
    "no_searches",
    "snapshot",
    "publish",
)
"""Options that have no meaning with --to."""


def _factor(_context: click.Context, _parameter: click.Parameter, value: str) -> float | None:
    if value == "max":
        return None
    try:
        factor = float(value)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise click.BadParameter(f"{value!r} is neither 'max' nor a positive number")
    return factor


def _catch_up(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return CATCH_UP
    factor = _factor(context, parameter, value)
    if factor is not None and factor < 1:
        raise click.BadParameter(f"{value!r} is less than 1: what is late would stay late")
    return factor


@click.command()
@click.option(
    "--spill",
    "spills",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="Spill file to play; several times for one after the other.",
)
@click.option(
    "--loop", default=1, show_default=True, type=click.IntRange(1), help="Play them all this often."
)
@click.option("--menu", default="na62-2018", show_default=True, help="Menu, by name or file.")
@click.option("--experiment", "profile", help="Experiment profile of your own, as a file.")
@click.option(
    "--speed", default="max", show_default=True, callback=_factor, help="Times real time, or 'max'."
)
@click.option(
    "--catch-up",
    callback=_catch_up,
    metavar="FACTOR",
    help=f"With --speed: after a stall go at most this much faster, or 'max'.  [default: {CATCH_UP}]",
)
@click.option(
    "--downscaling",
    type=click.Choice(["continue", "reset", "hash"]),
    default="continue",
    show_default=True,
    help="Where the counters of each spill begin: at those of the spill before, at 0, or at a value that depends on "
    "run, burst and line.",
)
@click.option(
    "--counters",
    type=click.Path(path_type=Path),
    metavar="REPORT",
    help="Begin at the final counters of a report printed by --json.",
)
@click.option("--require-all", is_flag=True, help="Refuse a spill that lacks a detector of the menu.")
@click.option(
    "--explain", is_flag=True, help="Say what each line loses and gains against an ideal trigger, and why."
)
@click.option("--line", help="With --explain: show the first cases of this line.")
@click.option("--no-l1", is_flag=True, help="Leave L1 out.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that run L1.  [default: one a core]")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the events that L1 accepts (HDF5)."
)
@click.option("--no-searches", is_flag=True, help="Leave out the searches in what L1 accepts.")
@click.option(
    "--snapshot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what the monitors have at the end of each spill (JSON), and go on from it if it is there.",
)
@click.option(
    "--publish",
    metavar="ENDPOINT",
    help="Send snapshots of the monitors to whoever listens: tcp://127.0.0.1:PORT.",
)
@click.option("--inline", is_flag=True, help="All stages in one process.")
@click.option(
    "--transport",
    type=click.Choice(["ipc", "tcp"]),
    help="Links between the processes.  [default: ipc]",
)
@click.option(
    "--to", metavar="ENDPOINT", help="Serve the primitives to readers there instead: tcp://127.0.0.1:PORT."
)
@click.option(
    "--wait-readers", type=click.IntRange(1, 16), help="With --to: readers to wait for.  [default: 1]"
)
@click.option("--metrics", metavar="HOST:PORT", help="Serve Prometheus metrics while it runs.")
@click.option(
    "--block-frames",
    type=click.IntRange(1),
    help=f"Frames in a block.  [default: {BLOCK_FRAMES}; times the speed where that is above 1]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    spills: tuple[Path, ...],
    loop: int,
    menu: str,
    profile: str | None,
    inline: bool,
    to: str | None,
    wait_readers: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Play spills through the L0 and L1 trigger and report the rate of each line.

    L1 runs if the menu has it and the spill has hits.

    A first SIGINT or SIGTERM ends the replay in good order, with a report of what was played; a second one ends it at
    once.
    """
    _check_together(inline, to, wait_readers, options)
    with finishing() as asked:
        from streams.replay import make_request

        request = make_request(spills * loop, menu, profile, **options)
        try:
            run = _engine(inline, to, wait_readers or 1)
        except Ended:
            # In the first compilation, which does not look whether to go on.
            take_no_more_signals()
            _print(_untouched(request), as_json, to)
            raise
        report = _untouched(request) if asked() else _play(run, request, asked)
        _print(report, as_json, to)
    if not report["ledger_closed"]:
        sys.exit(1)


def _engine(inline: bool, to: str | None, readers: int) -> Engine:
    """Return what runs the replay; that of one process compiles its kernels here."""
    if to is not None:
        from streams.stages.serve import serve

        return partial(serve, endpoint=to, readers=readers)
    if inline:
        from streams.stages.inline import replay_inline

        return replay_inline
    from streams.stages.local import replay_processes

    return replay_processes


def _untouched(request: Request) -> Report:
    from streams.report import total_report
    from streams.stages.stopped import untouched_report

    return total_report([untouched_report(request)])


def _play(run: Engine, request: Request, asked: Callable[[], bool]) -> Report:
    from streams.stages.request import Watcher

    with progress("replay") as bar:
        return run(request, Watcher(bar.tell, lambda url: bar.say(f"metrics at {url}"), bar.say, asked))


def _print(report: Report, as_json: bool, to: str | None) -> None:
    from streams.cli.report_text import render, render_served

    if as_json:
        click.echo(json.dumps(report))
    elif to is not None and "endpoint" in report:
        render_served(report, Console())
    else:
        render(report, Console())


def _check_together(inline: bool, to: str | None, wait_readers: int | None, options: dict[str, Any]) -> None:
    if options["line"] is not None and not options["explain"]:
        raise click.UsageError("--line shows cases that --explain finds; give both")
    if options["counters"] is not None and options["downscaling"] != "continue":
        raise click.UsageError(
            f"--counters says where to go on, and with --downscaling {options['downscaling']} no spill does; "
            "leave one of them out"
        )
    if inline and options["transport"] is not None:
        raise click.UsageError(
            "--transport is for links, and with --inline there are none; leave one of them out"
        )
    if inline and options["workers"] is not None:
        raise click.UsageError(
            "--workers are processes, and with --inline there are none; leave one of them out"
        )
    if options["no_l1"] and (options["out"] is not None or options["workers"] is not None):
        what = "--out is for what L1 accepts" if options["out"] is not None else "--workers run L1"
        raise click.UsageError(f"{what}, and with --no-l1 there is none; leave one of them out")
    options["transport"] = options["transport"] or "ipc"
    if to is None:
        if wait_readers is not None:
            raise click.UsageError("--wait-readers is for readers outside; give --to as well")
        return
    given = [name for name in FOR_THE_TRIGGER if options[name]] + ["inline"] * inline
    if given:
        raise click.UsageError(
            f"--{given[0].replace('_', '-')} is for the trigger, and with --to none runs here; leave one of them out"
        )
