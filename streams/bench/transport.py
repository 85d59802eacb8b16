"""The benchmark of transport: blocks of primitives from process to process over TCP loopback, acknowledged."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from statistics import median
from typing import Any, Final

import numpy as np
import zmq

from streams import exchange
from streams.bench.errors import BenchError
from streams.catalogue import load_experiment
from streams.exchange import SpillStart, StageTotals
from streams.simulate.blocks import simulate_blocks
from streams.simulate.settings import SimulationSettings
from streams.timing import Lateness
from streams.wire.receiver import Receiver
from streams.wire.sender import Sender
from trigger.clock import FRAME_S
from trigger.frames import Block, FrameStream, join

EXPERIMENT: Final = "na62"
SEED: Final = 1
PIECE_S: Final = 0.1
"""Length of the simulated spill; it is sent over and over."""

BLOCKS_JOINED: Final = 4
"""Blocks of a replay that travel as one, 4,096 frames: what is per message, not per byte, then costs little."""

DURATION_S: Final = 1.0
REPETITIONS: Final = 7
START_S: Final = 60.0
"""Time that the receiver gets to start, or to say what it counted."""

NAME: Final = "bench"


def bench_transport(
    duration_s: float = DURATION_S, repetitions: int = REPETITIONS, seed: int = SEED
) -> dict[str, Any]:
    """Time the delivery of `duration_s` of a spill of nominal intensity, in the messages of a replay.

    Each block is taken apart, checked and acknowledged by the receiver. Raises BenchError if it counts other
    primitives than were sent.
    """
    blocks = _blocks(duration_s, seed)
    start = SpillStart(EXPERIMENT, 0, 0, 0, blocks[-1].stop_frame, dict.fromkeys(blocks[0].streams, 0))
    with _receiver() as (sender, answers):
        passes = [_deliver(sender, answers, blocks, start) for _ in range(repetitions + 1)][1:]
    seconds = sorted(p["seconds"] for p in passes)
    spill_s = start.n_frames * FRAME_S
    size = sum(stream.words.nbytes + stream.offsets.nbytes for b in blocks for stream in b.streams.values())
    primitives = sum(len(stream.words) for b in blocks for stream in b.streams.values())
    middle = median(seconds)
    return {
        "benchmark": "transport",
        "transport": "tcp loopback",
        "duration_s": spill_s,
        "blocks": len(blocks),
        "bytes": size,
        "primitives": primitives,
        "primitives_mhz": primitives / spill_s * 1e-6,
        "repetitions": repetitions,
        "seed": seed,
        "seconds": middle,
        "seconds_min": seconds[0],
        "seconds_max": seconds[-1],
        "realtime_factor": spill_s / middle,
        "bytes_per_second": size / middle,
        "copy_ratio": middle / _copy_s(blocks),
        "sender_cores_at_real_time": median(p["sender_cpu_s"] for p in passes) / spill_s,
        "receiver_cores_at_real_time": median(p["receiver_cpu_s"] for p in passes) / spill_s,
    }


def _blocks(duration_s: float, seed: int) -> list[Block]:
    """Simulate a piece of a spill and repeat its whole blocks, numbered on, to the length asked for."""
    experiment = load_experiment(EXPERIMENT)
    settings = SimulationSettings(experiment.beam.nominal_intensity_mhz, min(duration_s, PIECE_S), seed)
    made = list(simulate_blocks(settings, experiment))
    piece = [_joined(made[i : i + BLOCKS_JOINED]) for i in range(0, len(made), BLOCKS_JOINED)]
    blocks: list[Block] = []
    frame = 0
    while frame * FRAME_S < duration_s:
        block = piece[len(blocks) % len(piece)]
        streams = {
            name: FrameStream(frame, np.ascontiguousarray(s.offsets), np.ascontiguousarray(s.words))
            for name, s in block.streams.items()
        }
        blocks.append(Block(frame, block.n_frames, streams))
        frame += block.n_frames
    return blocks


def _joined(blocks: Sequence[Block]) -> Block:
    """Return consecutive blocks as one."""
    streams = {name: join([block.streams[name] for block in blocks]) for name in blocks[0].streams}
    return Block(blocks[0].first_frame, sum(block.n_frames for block in blocks), streams)


@contextmanager
def _receiver() -> Iterator[tuple[Sender, Connection]]:
    """Start a receiver as a process; give the sender to it, and what it answers."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    context = zmq.Context()
    process = multiprocessing.get_context("spawn").Process(target=_receive, args=(theirs,), daemon=True)
    try:
        with closing(Sender(context, "tcp://127.0.0.1:*", lambda: process.exitcode is not None)) as sender:
            process.start()
            theirs.close()
            ours.send(sender.endpoint)
            sender.wait_for_readers()
            yield sender, ours
    finally:
        ours.close()
        process.terminate()
        process.join()
        context.term()


def _receive(connection: Connection) -> None:
    """Take spills until we are ended; after each, say what was counted and the CPU time it took."""
    context = zmq.Context()
    with closing(Receiver(context, connection.recv(), lambda: False, NAME)) as receiver:
        while True:
            message = receiver.receive()
            if message.kind == exchange.START:
                totals = StageTotals.of(SpillStart.of(message))
                began = time.process_time()
            elif message.kind == exchange.END:
                connection.send((totals.primitives, time.process_time() - began))
            else:
                totals.add(exchange.read_block(message)[0])
            receiver.acknowledge(message)


def _deliver(
    sender: Sender, answers: Connection, blocks: Sequence[Block], start: SpillStart
) -> dict[str, float]:
    """Send a spill and wait until it is dealt with; return the times. Raises BenchError."""
    totals = StageTotals.of(start)
    cpu_s, began = time.process_time(), time.perf_counter()
    sender.begin(start.message(""))
    for block in blocks:
        totals.add(block)
        sender.send(exchange.block_message(block, start, totals, Lateness(), ""))
    sender.send(exchange.end_message(exchange.SpillEnd(0.0, 0, 0.0, None, Lateness(), {}), start, ""))
    sender.drain()
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    if not answers.poll(START_S):
        raise BenchError("the receiver does not answer; report this as a fault of ktrig")
    counted, receiver_cpu_s = answers.recv()
    if counted != totals.primitives:
        raise BenchError(
            f"{totals.primitives} primitives were sent and {counted} came; report this as a fault of ktrig"
        )
    return {"seconds": seconds, "sender_cpu_s": cpu_s, "receiver_cpu_s": receiver_cpu_s}


def _copy_s(blocks: Sequence[Block]) -> float:
    """Time numpy takes to copy the same words once, on one core."""
    target = np.empty(max(len(s.words) for b in blocks for s in b.streams.values()), np.uint32)
    times = []
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        for block in blocks:
            for stream in block.streams.values():
                np.copyto(target[: len(stream.words)], stream.words)
        times.append(time.perf_counter() - began)
    return median(times)
