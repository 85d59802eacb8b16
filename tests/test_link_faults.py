"""Whole replays whose links are cut, slow or silent and whose processes stop or die give the same report."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from link_cases import Collector, Context, started_anew
from proxy import CHUNK_BYTES, Proxy
from replay_cases import (
    LIMIT_S,
    physics,
    replay_threads,
    request,
    stages_as_threads,
    wait_until,
    zmq_context,
)
from test_serve import expected, reader, report_of, served

from streams import exchange
from streams.report import Report
from streams.stages import processes
from streams.stages.inline import replay_inline
from streams.stages.processes import STAGES
from streams.stages.request import Request, Watcher
from streams.stages.source import FileSource
from streams.wire import endpoint as endpoints
from streams.wire.receiver import Receiver

pytestmark = pytest.mark.needs_jit

CUTS = 20

MAX_MIB = 600
"""All processes of a replay of a small spill; the kernels and their compiler are most of it."""

SLOWLY = ("--speed", "0.02", "--block-frames", "20")
"""The small spill takes a second."""

OF_FAULTS = ("redone", "redelivered_blocks")
"""What of a report says that something was sent again."""


def undisturbed(report: Report) -> Report:
    """What faults must not change of a report."""
    kept = {key: value for key, value in physics(report).items() if key not in OF_FAULTS}
    return kept | {"spills": [undisturbed(spill) for spill in kept.get("spills", [])]}


@pytest.fixture(scope="module")
def whole(spill: Path) -> Report:
    """The report of an undisturbed replay."""
    return undisturbed(json.loads(json.dumps(replay_inline(request(spill), Watcher()))))


@contextmanager
def before_l0(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[Proxy]:
    """A proxy between the source and L0 of `replay_threads`."""

    def proxied(context: Any, endpoint: str, stop: Callable[[], bool], name: str, **options: Any) -> Receiver:
        return Receiver(context, endpoint + "-proxy" * (name == "l0"), stop, name, **options)

    monkeypatch.setattr(processes, "Receiver", proxied)
    with closing(Proxy.unix(folder / "l0", folder / "l0-proxy", **options)) as proxy:
        yield proxy


def replay(folder: Path, spill: Path) -> Report:
    """Replay in small blocks, over the proxy; the report of the spill."""
    return replay_threads(folder, request(spill, block_frames=20))


def is_whole(report: Report, whole: Report) -> bool:
    """Whether the report of one spill says what that of an undisturbed replay does."""
    assert report["ledger_closed"]
    return bool(undisturbed(report) == whole["spills"][0] | {"spills": []})


def test_a_link_that_is_cut_20_times_loses_nothing(
    spill: Path, tmp_path: Path, whole: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_at = [10_007 * (i + 1) for i in range(CUTS)]
    with before_l0(tmp_path, monkeypatch, cut_at=cut_at) as proxy:
        report = replay(tmp_path, spill)
    assert proxy.cuts == CUTS
    assert is_whole(report, whole)
    # A connection may be cut once more before its reader has said anything.
    assert 0 < report["links"]["l0"]["reconnections"] <= CUTS
    assert report["links"]["l0"]["redelivered"] > 0


def test_a_link_that_is_slow_and_passes_single_bytes_loses_nothing(
    spill: Path, tmp_path: Path, whole: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(proxy: Proxy) -> None:
        proxy.chunk = 1 if 30_000 < proxy.passed < 40_000 else CHUNK_BYTES
        proxy.delay_s = 0.01 if proxy.passed > 60_000 else 0.0

    with before_l0(tmp_path, monkeypatch, plan=plan) as proxy:
        report = replay(tmp_path, spill)
    assert proxy.passed > 100_000
    assert is_whole(report, whole)
    assert report["links"]["l0"]["reconnections"] == 0


def test_a_connection_that_falls_silent_is_made_anew(
    spill: Path, tmp_path: Path, whole: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "HEARTBEAT_MS", 50)
    monkeypatch.setattr(endpoints, "HEARTBEAT_TIMEOUT_MS", 200)

    def plan(proxy: Proxy) -> None:
        if proxy.passed > 50_000 and proxy.silences == 0:
            proxy.silent_at = proxy.passed
        elif proxy.silences:
            proxy.silent_at = None

    with before_l0(tmp_path, monkeypatch, plan=plan) as proxy:
        report = replay(tmp_path, spill)
    assert proxy.silences > 0
    assert is_whole(report, whole)


@contextmanager
def behind_a_proxy(
    spill: Path, *options: str, cut_at: Sequence[int] = ()
) -> Iterator[tuple[subprocess.Popen[str], Proxy]]:
    """A `ktrig` that serves the spill, and a proxy before it."""
    with (
        served(spill, "tcp://127.0.0.1:*", *options) as (process, where),
        closing(Proxy.tcp(int(where.rpartition(":")[2]), cut_at=cut_at)) as proxy,
    ):
        yield process, proxy


def test_a_reader_whose_connection_is_cut_20_times_gets_every_primitive_once(spill: Path) -> None:
    cut_at = [10_007 * (i + 1) for i in range(CUTS)]
    with (
        behind_a_proxy(spill, "--block-frames", "20", cut_at=cut_at) as (process, proxy),
        reader(proxy.endpoint) as mine,
    ):
        report = report_of(process)
        assert mine.communicate(timeout=LIMIT_S) == (expected(spill), "")
        assert proxy.cuts == CUTS
    assert report["ledger_closed"]
    assert report["redone"] == 0


def test_a_reader_that_is_stopped_for_3_s_loses_nothing(spill: Path) -> None:
    with behind_a_proxy(spill, *SLOWLY) as (process, proxy), reader(proxy.endpoint) as mine:
        wait_until(lambda: proxy.passed > 10_000)
        mine.send_signal(signal.SIGSTOP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3.0)
        mine.send_signal(signal.SIGCONT)
        report = report_of(process)
        assert mine.communicate(timeout=LIMIT_S) == (expected(spill), "")
    assert report["ledger_closed"]
    assert (report["redone"], report["links"]["readers"]["reconnections"]) == (0, 0)


def test_a_reader_that_is_killed_and_started_anew_gets_the_spill_whole(spill: Path) -> None:
    with behind_a_proxy(spill, *SLOWLY) as (process, proxy):
        with reader(proxy.endpoint) as first:
            wait_until(lambda: proxy.passed > 10_000)
            first.kill()
        with reader(proxy.endpoint) as second:
            report = report_of(process)
            assert second.communicate(timeout=LIMIT_S) == (expected(spill), "")
    assert report["redone"] == report["links"]["readers"]["restarts"] == 1
    assert report["ledger_closed"]


def deliver(context: Context, endpoint: str, wanted: Request) -> None:
    """Send the first spill of a request to L0, as a source that was just started."""
    with closing(FileSource(wanted)) as source, closing(started_anew(context, endpoint)) as sender:
        start = source.start
        sender.wait_for_readers()
        sender.begin(start.message(""))
        for block in source.blocks():
            sender.send(exchange.block_message(block, start, source.totals, source.late, ""))
        sender.send(exchange.end_message(source.end(), start, ""))
        sender.drain()


def test_a_spill_that_comes_once_more_after_its_end_begins_at_the_counters_of_the_first_time(
    spill: Path, tmp_path: Path
) -> None:
    # Of two spills, so that L0 goes on behind the first one.
    wanted = replace(request(spill, block_frames=500), spills=(spill, spill))
    with zmq_context() as context, stages_as_threads(tmp_path, wanted, {"l0": STAGES["l0"]}) as threads:
        threads.listen("ready", "l0")
        with closing(Collector(context, threads.endpoints["monitor"], name="monitor")) as monitor:
            for _ in range(2):
                deliver(context, threads.endpoints["l0"], wanted)
            counters = {
                kind: [message.body["counters"] for message in monitor.messages if message.kind == kind]
                for kind in (exchange.START, exchange.END)
            }
    first, second = counters[exchange.START]
    assert first == second
    assert counters[exchange.END][0] == counters[exchange.END][1] != first
