"""Each stage as a process: read, step, send, acknowledge, until the end of the spill or an order to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, Final

import msgpack
import zmq

from streams import exchange
from streams.exchange import L0Output, SpillStart
from streams.stages.request import Request
from streams.wire.link import Receiver, Sender, Stopped
from trigger.errors import KtrigError

PROGRESS_S: Final = 0.1
"""Time between two reports of progress."""


class Supervisor:
    """A stage's line to the process that started it: small msgpack maps both ways."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stopped = False

    def tell(self, **what: Any) -> None:
        """Tell the supervisor something; that it is gone shows in `stopped`."""
        try:
            self._connection.send_bytes(msgpack.packb(what))
        except OSError:
            self._stopped = True

    def stopped(self) -> bool:
        """Whether the supervisor ordered a stop or is gone."""
        try:
            if not self._stopped and self._connection.poll():
                self._connection.recv_bytes()
                self._stopped = True
        except (EOFError, OSError):
            self._stopped = True
        return self._stopped

    def check(self) -> None:
        """Raise Stopped if the supervisor ordered a stop or is gone."""
        if self.stopped():
            raise Stopped

    def wait_for_go(self) -> None:
        """Wait for the order to begin. Raises Stopped if the supervisor goes away instead."""
        try:
            order = msgpack.unpackb(self._connection.recv_bytes())
        except (EOFError, OSError):
            order = {}
        if "go" not in order:
            raise Stopped


Step = Callable[[Request, dict[str, str], Supervisor, zmq.Context[Any]], None]


def run_stage(step: Step, request: Request, endpoints: dict[str, str], connection: Connection) -> None:
    """Run one stage; an error is told to the supervisor. The entry point of the child processes."""
    supervisor = Supervisor(connection)
    context = zmq.Context()
    try:
        step(request, endpoints, supervisor, context)
    except Stopped:
        supervisor.tell(stopped=True)
    except KtrigError as wrong:
        supervisor.tell(error=str(wrong))
    finally:
        context.term()
        connection.close()


def source_step(
    request: Request, endpoints: dict[str, str], supervisor: Supervisor, context: zmq.Context[Any]
) -> None:
    """Play the file to L0."""
    # Each stage imports what only it needs, in particular kernels: that is most of the time of its start.
    from streams.stages.source import FileSource

    menu = request.menu.hash
    with (
        closing(FileSource(request.spill, request.speed, request.block_frames, supervisor.check)) as source,
        closing(Sender(context, endpoints["l0"], supervisor.stopped)) as sender,
    ):
        sender.send(source.start.message(menu))
        supervisor.tell(ready=True)
        supervisor.wait_for_go()
        for block in source.blocks():
            sender.send(exchange.block_message(block, source.start, source.totals, menu))
        sender.send(exchange.end_message(source.end(), source.start, menu))
        sender.drain()


def l0_step(
    request: Request, endpoints: dict[str, str], supervisor: Supervisor, context: zmq.Context[Any]
) -> None:
    """Turn primitives into triggers."""
    from streams.stages.l0 import L0Stage

    menu = request.menu.hash
    with (
        closing(Receiver(context, endpoints["l0"], supervisor.stopped)) as receiver,
        closing(Sender(context, endpoints["monitor"], supervisor.stopped)) as sender,
    ):
        message = receiver.receive()
        start = SpillStart.of(message)
        stage = L0Stage(start, request.menu, request.experiment)
        sender.send(start.message(menu))
        receiver.acknowledge(message)
        supervisor.tell(ready=True)
        last: L0Output | None = None
        while (message := receiver.receive()).kind != exchange.END:
            block, source_totals = exchange.read_block(message)
            last = stage.process(block, source_totals)
            receiver.acknowledge(message)
            sender.send(exchange.output_message(last, start, menu))
        end = exchange.read_end(message)
        sender.send(exchange.output_message(stage.finish(last, end), start, menu))
        sender.send(exchange.end_message(stage.end(end, receiver.missing, receiver.malformed), start, menu))
        sender.drain()
        receiver.acknowledge(message)


def monitor_step(
    request: Request, endpoints: dict[str, str], supervisor: Supervisor, context: zmq.Context[Any]
) -> None:
    """Count, serve metrics, and report at the end."""
    from streams.stages.monitor import MonitorStage

    with closing(Receiver(context, endpoints["monitor"], supervisor.stopped)) as receiver:
        message = receiver.receive()
        start = SpillStart.of(message)
        with closing(MonitorStage(start, request.menu, request.experiment)) as stage:
            if request.metrics:
                supervisor.tell(metrics_url=stage.serve(request.metrics))
            receiver.acknowledge(message)
            supervisor.tell(ready=True)
            told = time.monotonic()
            while (message := receiver.receive()).kind != exchange.END:
                done = stage.update(exchange.read_output(message))
                receiver.acknowledge(message)
                if time.monotonic() - told >= PROGRESS_S:
                    told = time.monotonic()
                    supervisor.tell(progress=done)
            end = exchange.read_end(message)
            end = replace(
                end,
                missing_blocks=end.missing_blocks + receiver.missing,
                malformed=end.malformed + receiver.malformed,
            )
            supervisor.tell(report=stage.finish(end))
            receiver.acknowledge(message)


STAGES: dict[str, Step] = {"monitor": monitor_step, "l0": l0_step, "source": source_step}
"""In the order of starting, from the end of the flow; a stage that connects too early is let in later."""
