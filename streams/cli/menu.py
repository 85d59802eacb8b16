"""`ktrig menu`: show a trigger menu, check menu files, say what changed between two."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any, Final

import click

from streams.catalogue import load_menu, names
from streams.cli.menu_diff_text import as_dict, text_lines
from trigger.clock import LSB_NS, LSB_PER_TICK, seconds
from trigger.errors import KtrigError
from trigger.experiment import Experiment
from trigger.l0.registers import CONTROL, IGNORE, compile_registers, register_word
from trigger.menu import Control, DispatchSettings, Line, Menu
from trigger.menu_diff import diff_menus
from trigger.remarks import remarks

WIDTH: Final = 80
DEFAULT_MENU: Final = "na62-2018"

profile_option = click.option(
    "--experiment", "profile", metavar="PROFILE", help="Use this profile, a name or a .toml file."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def command() -> None:
    """Show, check and compare trigger menus."""


@command.command(name="list")
def list_() -> None:
    """List the menus that ship with ktrig."""
    for name in names("menus"):
        click.echo(name)


@command.command()
@click.argument("wanted", metavar="[MENU]", default=DEFAULT_MENU)
@profile_option
@click.option("--registers", is_flag=True, help="Show the L0 processor's registers too.")
@json_option
def show(wanted: str, profile: str | None, registers: bool, as_json: bool) -> None:
    """Show MENU, a shipped name or a .toml file.

    Without MENU it is na62-2018.
    """
    menu, experiment = load_menu(wanted, profile)
    rows = list(_register_rows(menu, experiment)) if registers else []
    if as_json:
        extra = {"registers": rows} if registers else {}
        click.echo(json.dumps(_described(menu, experiment) | extra, indent=2))
        return
    parts = [_settings(menu, experiment), _line_table(menu)]
    if registers:
        parts.append(_register_table(rows))
    parts.extend(
        textwrap.wrap(f"note: {n}", WIDTH, subsequent_indent="  ") for n in remarks(menu, experiment)
    )
    click.echo("\n\n".join("\n".join(part) for part in parts))


@command.command()
@click.argument("wanted", metavar="FILE...", nargs=-1, required=True)
@profile_option
@json_option
def check(wanted: tuple[str, ...], profile: str | None, as_json: bool) -> None:
    """Check menu files, a line each; the exit code is 1 if any is wrong."""
    results = [_checked(file, profile) for file in wanted]
    if as_json:
        click.echo(json.dumps({"files": results}, indent=2))
    else:
        for result in results:
            click.echo(result["error"] or _praise(result), err=not result["good"])
    if not all(result["good"] for result in results):
        click.get_current_context().exit(1)


@command.command()
@click.argument("a")
@click.argument("b")
@profile_option
@json_option
@click.option("--exit-code", is_flag=True, help="Exit with 1 if the menus differ.")
def diff(a: str, b: str, profile: str | None, as_json: bool, exit_code: bool) -> None:
    """Say what changed from menu A to menu B.

    Each is a shipped name or a .toml file.
    """
    found = diff_menus(load_menu(a, profile), load_menu(b, profile))
    if as_json:
        click.echo(json.dumps({"a": a, "b": b} | as_dict(found), indent=2))
    else:
        click.echo("\n".join([f"A  {a}", f"B  {b}", *(text_lines(found) if found else ["no difference"])]))
    if exit_code and found:
        click.get_current_context().exit(1)


def _checked(file: str, profile: str | None) -> dict[str, Any]:
    try:
        menu, experiment = load_menu(file, profile)
    except KtrigError as wrong:
        return {"file": file, "good": False, "error": str(wrong)}
    return {
        "file": file,
        "good": True,
        "error": None,
        "lines": len(menu.line),
        "control": menu.control is not None,
        "notes": remarks(menu, experiment),
    }


def _praise(result: dict[str, Any]) -> str:
    lines = "1 line" if result["lines"] == 1 else f"{result['lines']} lines"
    control = " and the control trigger" if result["control"] else ""
    notes = "".join(f"; note: {note}" for note in result["notes"])
    return f"{result['file']}: good, {lines}{control}{notes}"


def _settings(menu: Menu, experiment: Experiment) -> list[str]:
    l0 = menu.l0
    cuts = [f"{_cut(l0.time_cut_lsb)}"] + [f"{name} {_cut(cut)}" for name, cut in l0.time_cuts_lsb.items()]
    text = [
        f"menu {menu.name} for {experiment.name}: {experiment.title}",
        f"hash       {menu.hash[:12]}",
        f"reference  {l0.reference}",
        f"slot       {l0.slot_lsb * LSB_NS:.2f} ns ({l0.fine_time_bits} fine-time bits)",
    ]
    text += textwrap.wrap("time cut   " + ", ".join(cuts), WIDTH, subsequent_indent=" " * 11)
    if l0.ignore_until_tick is not None:
        until_ms = 1e3 * seconds(l0.ignore_until_tick * LSB_PER_TICK)
        text.append(f"ignored    entries up to tick {l0.ignore_until_tick} ({until_ms:.3f} ms)")
    if menu.control:
        text.append(f"control    entries of {menu.control.detector}, line {menu.control.name}")
    if menu.dispatch:
        text += textwrap.wrap("dispatch   " + _dispatch(menu.dispatch), WIDTH, subsequent_indent=" " * 11)
    if menu.l1:
        text += textwrap.wrap("L1         " + _l1(menu), WIDTH, subsequent_indent=" " * 11)
    return text


def _l1(menu: Menu) -> str:
    """Say what the lines share: windows of the algorithms in use, and what is not as it is by default."""
    l1 = menu.l1
    assert l1 is not None
    used = dict.fromkeys(step.call.name for line in menu.line for step in line.l1)
    words = [f"{name} +-{l1.window_ns(name):g} ns" for name in used if name != "STRAW"]
    words += [f"STRAW {l1.straw}"] if "STRAW" in used else []
    words += [f"autopass 1 in {l1.autopass}"] if l1.autopass else []
    words += [f"{name} 1 in {n}" for name in ("reduction", "downscaling") if (n := getattr(l1, name)) > 1]
    words += ["flag mode"] if l1.flag_mode else []
    words += [f"bypass {l1.bypass_probability:g}"] if l1.bypass_probability else []
    changed = l1.thresholds.model_dump(exclude_defaults=True)
    return ", ".join(words + [f"{name} {value:g}" for name, value in changed.items()]) or "accepts all"


def _dispatch(settings: DispatchSettings) -> str:
    dead_time_ns, latency_ns = (
        ticks * LSB_PER_TICK * LSB_NS for ticks in (settings.dead_time_ticks, settings.latency_ticks)
    )
    dead_time = f"{settings.dead_time_ticks} ticks ({dead_time_ns:.0f} ns)"
    latency = f"{settings.latency_ticks} ticks ({latency_ns / 1e3:.1f} us)"
    choke = ", ".join(f"{on} to {off} s" for on, off in settings.choke) or "none"
    return f"dead time {dead_time}, latency {latency}, choke {choke}"


def _cut(cut_lsb: int) -> str:
    return f"{cut_lsb} LSB ({cut_lsb * LSB_NS:.2f} ns)"


def _numbered(menu: Menu) -> list[tuple[int, Line | Control]]:
    """Return (row of the registers, line) for each line, and for the control trigger."""
    control = [(CONTROL, menu.control)] if menu.control else []
    return [*enumerate(menu.line), *control]


def _line_table(menu: Menu) -> list[str]:
    lines = _numbered(menu)
    name_width = max(len(line.name) for _, line in lines)
    text = [f"mask  {'line':<{name_width}}  downscaling  condition"]
    for row, line in lines:
        number = "C" if row == CONTROL else str(row)
        start = f"{number:>4}  {line.name:<{name_width}}  {line.downscaling:>11}  "
        text += _wrapped(start, line.condition)
        if isinstance(line, Line) and (line.l1 or line.l1_reduction > 1):
            text += _wrapped(" " * (len(start) - 4) + "L1  ", _chain(line))
        if isinstance(line, Line) and line.description:
            text += textwrap.wrap(line.description, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return text


def _chain(line: Line) -> str:
    """Write a line's algorithms in a row."""
    steps = [step.run + (f" / {step.downscaling}" if step.downscaling > 1 else "") for step in line.l1]
    looked_at = [f"1 in {line.l1_reduction}"] if line.l1_reduction > 1 else []
    return " & ".join(looked_at + steps)


def _wrapped(start: str, condition: str) -> list[str]:
    """Put a condition behind `start`, broken in front of an & where it is too long."""
    glued = condition.replace("& ", "&\N{NO-BREAK SPACE}")
    room = max(WIDTH - len(start), 24)
    pieces = textwrap.wrap(glued, room, break_long_words=False, break_on_hyphens=False)
    indents = [start] + [" " * len(start)] * (len(pieces) - 1)
    return [i + p.replace("\N{NO-BREAK SPACE}", " ") for i, p in zip(indents, pieces, strict=True)]


def _register_rows(menu: Menu, experiment: Experiment) -> Iterator[dict[str, Any]]:
    """Describe the registers of each line; detectors that it ignores are left out."""
    registers = compile_registers(menu, experiment)
    for row, line in _numbered(menu):
        words = {}
        for detector in sorted(experiment.detector, key=lambda d: d.index):
            mask, dontcare = (a[row, detector.index] for a in (registers.mask, registers.dontcare))
            if (mask, dontcare) != (IGNORE, IGNORE):
                words[detector.name] = f"0x{register_word(mask, dontcare):08X}"
        yield {
            "mask": None if row == CONTROL else row,
            "name": line.name,
            "downscale": int(registers.downscale[row]),
            "words": words,
        }


def _register_table(rows: list[dict[str, Any]]) -> list[str]:
    name_width = max(len(row["name"]) for row in rows)
    text = [f"mask  {'line':<{name_width}}  {'D':>10}  detector  don't care | mask"]
    for row in rows:
        number = "C" if row["mask"] is None else row["mask"]
        start = f"{number:>4}  {row['name']:<{name_width}}  {row['downscale']:>10}  "
        for detector, word in row["words"].items():
            text.append(f"{start}{detector:<8}  {word}")
            start = " " * len(start)
    ignored = f"0x{register_word(IGNORE, IGNORE):08X}"
    return [*text, f"D keeps 1 in D + 1. Detectors that are not listed are ignored: {ignored}."]


def _described(menu: Menu, experiment: Experiment) -> dict[str, Any]:
    content = menu.model_dump(mode="json")
    lines = [{"mask": i} | line for i, line in enumerate(content["line"])]
    return {
        "name": menu.name,
        "experiment": experiment.name,
        "hash": menu.hash,
        "l0": content["l0"] | {"slot_ns": menu.l0.slot_lsb * LSB_NS},
        "control": content["control"],
        "dispatch": content["dispatch"],
        "l1": content["l1"],
        "lines": lines,
        "notes": remarks(menu, experiment),
    }
