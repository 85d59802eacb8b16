"""Where a link is: its endpoint, its socket, and the limits that both ends share."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from pathlib import Path
from typing import Any, Final

import zmq

from trigger.errors import KtrigError

CREDIT_BYTES: Final = 24 * 1024 * 1024
"""What a receiver lets its sender have under way: about 15 blocks of nominal NA62, 100 ms."""

FRAME_BYTES: Final = 64
"""What ZeroMQ keeps for a frame beside its content (zmq_msg_t): credit counts it, so that small messages cost too."""

SOCKET_BYTES: Final = 512 * 1024
"""Buffers of a TCP connection in the kernel; over loopback smaller and larger ones are slower."""

POLL_MS: Final = 50
"""How often a waiting end looks whether it should stop; how often a receiver that hears nothing says where it is."""

HEARTBEAT_MS: Final = 2_000
HEARTBEAT_TIMEOUT_MS: Final = 10_000
"""A TCP connection whose other end does not answer for this long is made anew."""

MAX_PORT: Final = 65_535

RECONNECT_MS: Final = 20
RECONNECT_MAX_MS: Final = 500
"""First and longest time between two attempts to connect."""


class LinkError(KtrigError):
    """A link that cannot be made or went away."""


class Stopped(Exception):  # noqa: N818 - it is an order, not an error
    """A stage was told to stop while it waited."""


def make_socket(context: zmq.Context[Any], kind: int, max_frame_bytes: int) -> zmq.Socket[Any]:
    """Make a socket that drops nothing: credit is the limit, and high-water marks (0: none) would hide its errors."""
    made: zmq.Socket[Any] = context.socket(kind)
    made.sndhwm = made.rcvhwm = 0
    made.maxmsgsize = max_frame_bytes
    made.linger = 0
    made.sndbuf = made.rcvbuf = SOCKET_BYTES
    made.heartbeat_ivl = HEARTBEAT_MS
    made.heartbeat_timeout = HEARTBEAT_TIMEOUT_MS
    made.reconnect_ivl = RECONNECT_MS
    made.reconnect_ivl_max = RECONNECT_MAX_MS
    return made


def check_endpoint(endpoint: str) -> None:
    """Raise LinkError unless the endpoint is ipc, or tcp on the loopback interface."""
    if endpoint.startswith("ipc://") and endpoint != "ipc://":
        return
    found = re.fullmatch(r"tcp://([^:/\[\]]+):([0-9]{1,5}|\*)", endpoint)
    if not found:
        raise LinkError(f"{endpoint}: is no endpoint; give tcp://127.0.0.1:PORT or ipc://PATH")
    host, port = found.groups()
    # ZeroMQ would take it modulo 65,536.
    if port != "*" and int(port) > MAX_PORT:
        raise LinkError(f"{endpoint}: {port} is no port; give one from 0 to {MAX_PORT}")
    if host == "localhost":
        return
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise LinkError(
            f"{endpoint}: {host} is not an address of this host's loopback interface, and links to other hosts would "
            "not be encrypted; give 127.0.0.1 and forward the port, as with ssh -L"
        )


def check_path(endpoint: str) -> None:
    """Raise OSError if a file, or somebody who listens, is where an ipc endpoint is to be: ZeroMQ deletes it."""
    path = Path(endpoint.removeprefix("ipc://"))
    if not endpoint.startswith("ipc://") or not path.exists():
        return
    if not path.is_socket():
        raise OSError(errno.EEXIST, "")
    with socket.socket(socket.AF_UNIX) as other:
        other.setblocking(False)
        if other.connect_ex(str(path)) != errno.ECONNREFUSED:
            raise OSError(errno.EADDRINUSE, "")


def listen(made: zmq.Socket[Any], endpoint: str) -> str:
    """Bind a socket; return its endpoint, with the port if the system chose. Raises LinkError, the socket closed."""
    try:
        check_path(endpoint)
        made.bind(endpoint)
    except (zmq.ZMQError, OSError) as wrong:
        made.close()
        raise LinkError(f"cannot listen at {endpoint}: {reason(wrong)}; choose another") from None
    return made.getsockopt_string(zmq.LAST_ENDPOINT)


def reason(wrong: zmq.ZMQError | OSError) -> str:
    """What the system says, without the address that pyzmq adds to it."""
    return zmq.strerror(wrong.errno or 0)
