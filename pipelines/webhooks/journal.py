"""The receiver's journal: a delivery is on the disk before its vendor is told that it arrived.

    append ─► the writer's thread: all that waits, one write, one fsync ─► the futures of all of them
    <folder>/0000000042.log   frames: length (4 bytes), CRC-32 of the rest (4 bytes), a Delivery in MessagePack
    <folder>/0000000042.sent  partition → the offset behind its last message, once all of the segment is acknowledged

A segment is a file of its own, so that it can be forgotten whole once the warehouse holds all of it. Our own lines and
no database: an append-only file of which every byte is checked is the whole of what a crash may leave, and a group of
deliveries costs one fsync.
"""

from __future__ import annotations

import fcntl
import os
import queue
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import structlog

from contracts.errors import JournalFull, JournalTaken

log = structlog.get_logger()

SEGMENT_BYTES = 8 * 1024 * 1024
SEGMENT_AGE_S = 10.0
"""An open segment is closed after this long, so that what has landed can be forgotten soon."""
GROUP = 512
"""Deliveries that share an fsync, at most."""
_FRAME = struct.Struct("<II")


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was proved to be its vendor's."""

    source: str
    received_at: datetime
    """Our clock."""
    sent_at: datetime | None = None
    """The vendor's clock, as it was signed; of another try where the vendor signs anew."""
    delivery_id: str = ""
    """The vendor's, where it is in a header."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A delivery, and where its frame ends."""

    delivery: Delivery
    end: int


@dataclass(slots=True)
class _Waiting:
    frame: bytes
    done: Future[None] = field(default_factory=Future)


class Journal:
    """Segments in a folder, which one process at a time writes.

    Raises:
        JournalTaken: on opening: another process writes there.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """
        Args:
            max_bytes: of all segments together; beyond it nothing is taken.
        """
        self.folder = folder
        self.max_bytes = max_bytes
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise JournalTaken(str(folder)) from error
        for left in folder.glob("*.part"):
            left.unlink()
        self.bytes = sum(path.stat().st_size for path in folder.glob("*.log"))
        self.failing = False
        """Whether the last write failed: the disk is full, or broken."""
        self.grown = threading.Event()
        """Set whenever there is more to read."""
        self._number = max(self.segments(), default=0)
        self._file: int | None = None
        self._size = 0
        self._opened_at = 0.0
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def append(self, delivery: Delivery) -> Future[None]:
        """Done once the delivery is on the disk.

        Raises:
            JournalFull: at once, or from the future where the disk refuses.
        """
        if self.bytes >= self.max_bytes:
            raise JournalFull(str(self.folder), self.max_bytes)
        packed = msgspec.msgpack.encode(delivery)
        waiting = _Waiting(_FRAME.pack(len(packed), zlib.crc32(packed)) + packed)
        self._queue.put(waiting)
        return waiting.done

    @property
    def fill(self) -> float:
        """0 to 1: how much of what it may hold it holds."""
        return self.bytes / self.max_bytes

    def segments(self) -> list[int]:
        """Numbers of what there is, the oldest first."""
        return sorted(int(path.stem) for path in self.folder.glob("*.log"))

    def unsent(self) -> list[int]:
        """Numbers of what is not marked as sent, the oldest first."""
        marked = {path.stem for path in self.folder.glob("*.sent")}
        return [number for number in self.segments() if f"{number:010}" not in marked]

    def is_open(self, number: int) -> bool:
        """Whether the segment may still grow."""
        return self._file is not None and number == self._number

    def read(self, number: int, start: int = 0) -> Iterator[Entry]:
        """Whole frames from a byte on. What a crash has cut off, or a disk has spoiled, ends them."""
        with self._path(number).open("rb") as file:
            file.seek(start)
            while len(head := file.read(_FRAME.size)) == _FRAME.size:
                length, crc = _FRAME.unpack(head)
                packed = file.read(length)
                if len(packed) != length:
                    return
                if zlib.crc32(packed) != crc:
                    if not self.is_open(number):
                        log.warning("journal_damaged", segment=number, byte=file.tell())
                        with suppress(FileExistsError):
                            self._path(number).with_suffix(".damaged").hardlink_to(self._path(number))
                    return
                yield Entry(msgspec.msgpack.decode(packed, type=Delivery), file.tell())

    def mark_sent(self, number: int, ends: dict[str, int]) -> None:
        """Remember that all of a segment is on its topics.

        Args:
            ends: position's key (`topic:<name>:<topic id>:<partition>`) → the offset behind its last message.
        """
        path = self._path(number).with_suffix(".sent")
        part = path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(ends))
        part.rename(path)

    def sent(self) -> dict[int, dict[str, int]]:
        """The segments that are on their topics, with their ends."""
        marks = {int(path.stem): path for path in self.folder.glob("*.sent")}
        return {number: msgspec.json.decode(marks[number].read_bytes(), type=dict[str, int]) for number in marks}

    def unmark(self, number: int) -> None:
        """Its topics were lost: it must be sent again."""
        self._path(number).with_suffix(".sent").unlink(missing_ok=True)

    def forget(self, number: int) -> None:
        """The warehouse holds all of it."""
        path = self._path(number)
        size = path.stat().st_size
        path.unlink()
        path.with_suffix(".sent").unlink(missing_ok=True)
        self.bytes -= size

    def close(self) -> None:
        """Write what waits."""
        self._queue.put(None)
        self._thread.join()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:010}.log"

    def _write(self) -> None:
        is_ending = False
        while not is_ending:
            group = self._next_group()
            is_ending = None in group
            waiting = [one for one in group if one is not None]
            if waiting:
                self._write_group(waiting)
            if self._file is not None and (is_ending or self._is_finished()):
                os.close(self._file)
                self._file = None
                self.grown.set()

    def _next_group(self) -> list[_Waiting | None]:
        """What waits; after a while nothing, so that a finished segment is closed."""
        try:
            group = [self._queue.get(timeout=1.0)]
        except queue.Empty:
            return []
        while len(group) < GROUP and group[-1] is not None and not self._queue.empty():
            group.append(self._queue.get())
        return group

    def _write_group(self, group: list[_Waiting]) -> None:
        block = b"".join(waiting.frame for waiting in group)
        try:
            if self._file is None:
                self._begin_segment()
            assert self._file is not None
            _write_all(self._file, block)
            os.fsync(self._file)
        except OSError as error:
            self.failing = True
            log.warning("journal_write_failed", reason=error.strerror)
            if self._file is not None:  # what the failed write has left must not stand before a later frame
                os.close(self._file)
                self._file = None
            for waiting in group:
                waiting.done.set_exception(JournalFull(str(self.folder), self.max_bytes))
            return
        self.failing = False
        self._size += len(block)
        self.bytes += len(block)
        self.grown.set()
        for waiting in group:
            waiting.done.set_result(None)

    def _begin_segment(self) -> None:
        self._number += 1
        self._file = os.open(self._path(self._number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._size, self._opened_at = 0, time.monotonic()
        folder = os.open(self.folder, os.O_RDONLY)  # the file's name must be as safe as what is in it
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _is_finished(self) -> bool:
        return self._size >= SEGMENT_BYTES or time.monotonic() - self._opened_at >= SEGMENT_AGE_S


def _write_all(file: int, block: bytes) -> None:
    left = memoryview(block)
    while left:
        left = left[os.write(file, left) :]
