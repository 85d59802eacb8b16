"""The command line: help that fits, one line for what is wrong, exit codes, signals."""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version

import click
import pytest
from replay_cases import KTRIG, LIMIT_S

import streams.cli
from streams.cli import signals
from streams.cli.main import COMMANDS, ktrig, main
from streams.cli.signals import Ended
from trigger.errors import KtrigError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process: exit code, stdout, stderr."""

    def run_it(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["ktrig", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out, error = capsys.readouterr()
        return (int(left.value.code or 0), out, error)

    return run_it


def all_commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of a command and of all below it."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from all_commands(below, (*path, name))


def test_every_help_fits_80_columns_and_every_option_has_one(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    paths = [*all_commands(ktrig)]
    assert ("menu", "show") in paths
    for path in paths:
        code, out, error = run(*path, "--help")
        assert (code, error) == (0, ""), path
        assert max(map(len, out.splitlines())) <= 80, path
        assert out.startswith(" ".join(["Usage: ktrig", *path])), path
        assert "..." not in out.partition("Commands:")[2], path
        lines = out.partition("Options:")[2].splitlines()
        bare = [a for a, b in zip(lines, [*lines[1:], ""], strict=True) if is_bare_option(a, b)]
        assert bare == [], path


def is_bare_option(line: str, following: str) -> bool:
    """Whether a line of help names an option and neither it nor the following one says what it does."""
    text = line.strip()
    return text.startswith("-") and "  " not in text and not following.startswith(" " * 8)


def test_short_and_long_help_are_the_same(run: Run) -> None:
    assert run("replay", "-h") == run("replay", "--help")


def test_every_module_of_a_command_is_in_the_table() -> None:
    modules = {f"streams.cli.{module.name}" for module in pkgutil.iter_modules(streams.cli.__path__)}
    with_command = {name for name in modules if hasattr(importlib.import_module(name), "command")}
    assert with_command == {module for module, _does in COMMANDS.values()}


def test_the_help_names_every_command_and_imports_no_kernel() -> None:
    code = (
        "import sys; sys.argv = ['ktrig', '--help']\n"
        "from streams.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: print('numba' in sys.modules, 'h5py' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S)
    assert (ended.returncode, ended.stderr) == (0, "")
    commands = ended.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in commands[:-1]] == sorted(COMMANDS)
    assert commands[-1] == "False False"


def test_the_version_is_that_of_the_distribution() -> None:
    ended = subprocess.run([KTRIG, "--version"], capture_output=True, text=True, timeout=LIMIT_S)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"ktrig, version {version('ktrig')}\n", "")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nosuch"], "No such command 'nosuch'; see ktrig --help"),
        (["--nosuch"], "; see ktrig --help"),
        (["replay"], "Missing option '--spill'; see ktrig replay --help"),
        (["replay", "--spill"], "Option '--spill' requires an argument; see ktrig"),
        (["replay", "--spill", "x", "more"], "Got unexpected extra argument (more); see ktrig replay --help"),
        (["replay", "--spill", "x", "--block-frames", "0"], "0 is not in the range x>=1; see ktrig replay"),
        (["replay", "--spill", "x", "--block-frames", "1.5"], "'1.5' is not a valid integer"),
        *(
            (
                ["replay", "--spill", "x", "--speed", speed],
                f"{speed!r} is neither 'max' nor a positive number",
            )
            for speed in ("0", "-1", "fast", "nan", "inf", "1e999", "")
        ),
        (["menu", "nosuch"], "No such command 'nosuch'; see ktrig menu --help"),
        (["verify", "l0"], "see ktrig verify l0 --help"),
        (["import", "primitives", "--format", "16"], "see ktrig import primitives --help"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(run: Run, arguments: list[str], error: str) -> None:
    code, out, said = run(*arguments)
    assert (code, out) == (2, "")
    assert said.startswith("ktrig: ")
    assert said.count("\n") == 1
    assert error in said


@pytest.mark.parametrize("arguments", [[], ["menu"], ["import"], ["bench"], ["verify"]])
def test_a_group_without_a_command_shows_its_help(run: Run, arguments: list[str]) -> None:
    code, _out, error = run(*arguments)
    assert code == 2
    assert "Commands:" in error


def test_an_error_is_one_line_and_exit_code_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise KtrigError("file: field is 1; give 2")

    monkeypatch.setattr("streams.replay.make_request", fail)
    assert run("replay", "--spill", "x") == (1, "", "ktrig: file: field is 1; give 2\n")


def test_an_error_of_ours_that_nobody_foresaw_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("streams.replay.make_request", fail)
    monkeypatch.setattr("sys.argv", ["ktrig", "replay", "--spill", "x"])
    with pytest.raises(ZeroDivisionError):
        main()


def shell(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env={**os.environ, "KTRIG": str(KTRIG)},
    )


def test_a_full_disk_under_the_output_is_one_line() -> None:
    ended = shell("$KTRIG menu show na62-2018 > /dev/full")
    assert ended.returncode == 1
    assert ended.stderr == "ktrig: cannot write the output: No space left on device\n"


def test_a_reader_that_goes_away_is_no_error_to_speak_of() -> None:
    ended = shell("$KTRIG menu show na62-2018 | true")
    assert ended.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_raised_where_it_finds_us(number: signal.Signals) -> None:
    signals.take_signals()
    with pytest.raises(Ended) as ended:
        signal.raise_signal(number)
    signals.take_no_more_signals()
    assert ended.value.number == number


def test_a_signal_that_a_library_swallows_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "AGAIN_S", 0.02)
    signals.take_signals()
    with pytest.raises(Ended):
        signal.raise_signal(signal.SIGTERM)
    for _again in range(2):
        with pytest.raises(Ended) as ended:
            signal.pause()
        assert ended.value.number == signal.SIGTERM
    signals.take_no_more_signals()


def test_more_signals_while_we_end_change_nothing() -> None:
    signals.take_signals()
    with pytest.raises(Ended):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)
    signals.take_no_more_signals()


def test_a_signal_that_our_caller_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals.take_signals()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    signal.raise_signal(signal.SIGHUP)


def test_an_ended_command_says_why_and_tells_the_signal_in_its_exit_code(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.cli.menu.names", lambda _kind: signal.raise_signal(signal.SIGTERM))
    assert run("menu", "list") == (143, "", "ktrig: terminated\n")


def finish_after(steps: Callable[[Callable[[], bool]], None]) -> bool:
    """Take these steps in a command that can finish; return whether it came to the end of them."""
    reached = False
    signals.take_signals()
    try:
        with signals.finishing() as asked:
            steps(asked)
            reached = True
    except Ended:
        signals.take_no_more_signals()
        return reached
    pytest.fail("the signal was forgotten")


def test_a_first_signal_is_a_wish_while_a_command_can_finish_and_is_raised_behind_it() -> None:
    def steps(asked: Callable[[], bool]) -> None:
        assert not asked()
        signal.raise_signal(signal.SIGTERM)
        assert asked()

    assert finish_after(steps)


def test_a_second_signal_ends_a_command_at_once() -> None:
    def steps(asked: Callable[[], bool]) -> None:
        signal.raise_signal(signal.SIGINT)
        assert asked()
        signal.raise_signal(signal.SIGINT)

    assert not finish_after(steps)


def test_a_command_that_does_not_finish_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "FINISH_S", 0.02)

    def steps(_asked: Callable[[], bool]) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.pause()

    assert not finish_after(steps)


def test_a_command_that_no_signal_disturbs_ends_as_it_does() -> None:
    with signals.finishing() as asked:
        pass
    assert not asked()
