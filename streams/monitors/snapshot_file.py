"""A snapshot of the monitors on disk: whole or not there, and the same content gives the same bytes."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from streams.monitors.snapshot import Snapshot, SnapshotError
from trigger.toml_source import dotted, shown

FORMAT: Final = "ktrig-monitors"
VERSION: Final = 1

REMEDY: Final = "put back a copy of it, or move it away and begin anew"


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot as NAME.partial and rename it, so that there is the old one or the new one, whole.

    Raises SnapshotError if the file cannot be written.
    """
    text = snapshot_text(snapshot)
    partial = path.with_name(path.name + ".partial")
    try:
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            _sync_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as wrong:
        reason = wrong.strerror or " ".join(str(wrong).split())
        raise SnapshotError(
            f"{path}: cannot be written ({reason}); name a file on a disk that has room and may be written"
        ) from None


def snapshot_text(snapshot: Snapshot) -> str:
    """Return a snapshot as it is in its file. crc32: of the JSON of the other fields as `_text` has it."""
    text = _text({"format": FORMAT, "version": VERSION, **snapshot.model_dump()})
    # The first of the keys in order: what would come of another pass over 2 MB with it.
    return f'{{"crc32":{zlib.crc32(text.encode())},{text[1:]}\n'


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder last over a loss of power."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _text(content: dict[str, Any]) -> str:
    """Return JSON of which there is one for each content: keys in order, no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def read_snapshot(path: Path) -> Snapshot:
    """Read a snapshot that `write_snapshot` wrote.

    Raises SnapshotError if it cannot be read, is not whole, of another format, or wrong anywhere.
    """
    try:
        raw = path.read_bytes()
    except OSError as wrong:
        raise SnapshotError(
            f"{path}: {wrong.strerror}; give one that `ktrig replay --snapshot` wrote"
        ) from None
    content = _object(path, raw)
    _check_header(path, content)
    fields = {key: content[key] for key in content if key not in ("format", "version", "crc32")}
    try:
        snapshot = Snapshot.model_validate(fields)
    except ValidationError as wrong:
        raise SnapshotError(f"{path}: {_worded(wrong)}; {REMEDY}") from None
    given = content.pop("crc32")
    if given != (crc32 := zlib.crc32(_text(content).encode())):
        raise SnapshotError(
            f"{path}: crc32: the content is not what was written: must be {crc32} (is {shown(given)}); {REMEDY}"
        )
    return snapshot


def _object(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw.decode(), parse_constant=_refuse)
    except UnicodeDecodeError as wrong:
        raise SnapshotError(f"{path}: byte {wrong.start} is not text in UTF-8; {REMEDY}") from None
    except json.JSONDecodeError as wrong:
        short = wrong.pos >= len(wrong.doc.rstrip()) or wrong.msg.startswith("Unterminated string")
        at = "it ends too early" if short else f"at character {wrong.pos}"
        raise SnapshotError(f"{path}: is not whole JSON ({at}: {wrong.msg}); {REMEDY}") from None
    except (ValueError, RecursionError) as wrong:
        raise SnapshotError(f"{path}: is not JSON ({wrong}); {REMEDY}") from None
    if not isinstance(content, dict):
        raise SnapshotError(
            f"{path}: must be an object (is {shown(content)}); give one that `ktrig replay --snapshot` wrote"
        )
    return content


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _check_header(path: Path, content: dict[str, Any]) -> None:
    if content.get("format") != FORMAT:
        what = f"must be {shown(FORMAT)} (is {shown(content.get('format'))})"
        raise SnapshotError(f"{path}: format: {what}; give one that `ktrig replay --snapshot` wrote")
    if content.get("version") != VERSION:
        what = f"must be {VERSION} (is {shown(content.get('version'))})"
        raise SnapshotError(f"{path}: version: {what}; read it with the ktrig that wrote it, or begin anew")
    if "crc32" not in content:
        raise SnapshotError(f"{path}: crc32: missing; {REMEDY}")


def _worded(wrong: ValidationError) -> str:
    """Word the first of pydantic's findings: the place, what is wanted, what is there."""
    found = wrong.errors(include_url=False)[0]
    context: dict[str, Any] = found.get("ctx", {})
    place = dotted((*found["loc"], *context.get("path", ())))
    if found["type"] == "fault":
        message = context["message"]
    elif found["type"] == "missing":
        message = "missing"
    elif found["type"] == "extra_forbidden":
        message = "there is no such field"
    else:
        message = f"{found['msg'].replace('Input should be', 'must be')} (is {shown(found['input'])})"
    return f"{place}: {message}" if place else str(message)
