"""Count the primitives of each detector: python reader.py ENDPOINT NAME"""

import secrets
import sys

import msgpack
import numpy as np
import zmq

endpoint, name = sys.argv[1:]
instance = secrets.randbits(63)  # Another number each time this program starts.
epoch = expected = 0  # All messages before number `expected` of this epoch are dealt with.

context = zmq.Context()
socket = context.socket(zmq.DEALER)
socket.setsockopt(zmq.RCVHWM, 0)  # Credit is the limit; a full queue would stop the heartbeat.
socket.setsockopt(zmq.LINGER, 1000)
socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)
socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 10000)
socket.connect(endpoint)


def grant(resume: bool = False) -> None:
    """Say where we stand; credit is how many bytes may be under way to us."""
    state = {"reader": name, "instance": instance, "credit": 16_000_000, "epoch": epoch, "next": expected}
    socket.send(msgpack.packb({"v": 1, **state, "resume": resume}))


counts: dict[str, int] = {}
last = resume = False
while not last:
    if not socket.poll(50):
        grant(resume)
        continue
    head, *frames = socket.recv_multipart()
    header = msgpack.unpackb(head)
    if header["epoch"] > epoch and header["seq"] == 0:
        epoch, expected = header["epoch"], 0  # A spill begins, or begins again: forget what it gave so far.
        start, counts = header["body"], dict.fromkeys(header["body"]["primitives"], 0)
    resume = header["epoch"] > epoch or (header["epoch"] == epoch and header["seq"] > expected)
    if header["epoch"] != epoch or header["seq"] != expected:
        continue  # It came twice, or too early, or is of an attempt that was given up.
    arrays = {
        array: np.frombuffer(frame, "<" + dtype)
        for (array, dtype, _length), frame in zip(header["arrays"], frames, strict=True)
    }
    if header["kind"] == "primitives":
        for detector in header["body"]["detectors"]:
            counts[detector] += len(arrays[f"{detector}.words"])
    expected += 1
    grant()
    if header["kind"] == "eob":
        print(start["file"], *(f"{detector}={n}" for detector, n in counts.items()), flush=True)
        last = start["last"] or header["body"]["interrupted"]
context.destroy(linger=1000)
