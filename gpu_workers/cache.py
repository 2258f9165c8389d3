"""Vectors on disk, so that unchanged text is never embedded twice: an LMDB file of all models and processes.

Key: a hash of the model's id, precision included, and of the embedded text's hash. Value: float32, low byte
first. A vector is stored before its batch is sent, so a batch that is sent again after a crash is the same to
the bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import lmdb
import numpy as np

from contracts.errors import InvalidSetting
from gpu_workers.engine import Vectors

_FIRST_MAP_BYTES = 64 * 1024 * 1024
_NORM_TOLERANCE = 1e-3


class VectorCache:
    """The vectors of one model. A process opens a path once; several processes may share it."""

    def __init__(self, path: Path, model_id: str, dimension: int) -> None:
        """Raises InvalidSetting: what lies at the path is no cache that this version of LMDB can read."""
        self._dimension = dimension
        self._model_id = model_id
        path.mkdir(parents=True, exist_ok=True)
        try:
            # Without metasync a power cut may lose the last vectors, but never tears the file.
            self._env = lmdb.open(str(path), map_size=_FIRST_MAP_BYTES, metasync=False, max_readers=512)
        except (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError) as error:
            rule = f"{path} holds no readable vector cache ({error}); delete that folder, it fills again"
            raise InvalidSetting("SOPHIA_HOME", str(path.parent), rule) from error

    def __enter__(self) -> VectorCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._env.close()

    def get_many(self, text_hashes: Iterable[str]) -> dict[str, Vectors]:
        """The vectors that are known, each of shape (dimension,); a damaged one counts as unknown."""
        found: dict[str, Vectors] = {}
        with self._transaction(write=False) as transaction:
            for text_hash in text_hashes:
                value = transaction.get(self._key(text_hash))
                if value is not None and len(value) == 4 * self._dimension:
                    found[text_hash] = np.frombuffer(bytes(value), "<f4").astype(np.float32)
        lengths = {text_hash: float(np.linalg.norm(vector)) for text_hash, vector in found.items()}
        return {h: v for h, v in found.items() if abs(lengths[h] - 1) <= _NORM_TOLERANCE}

    def put_many(self, vectors: Mapping[str, Vectors]) -> None:
        """Store vectors by the hash of their text; on disk when it returns."""
        values = {self._key(text_hash): v.astype("<f4").tobytes() for text_hash, v in vectors.items()}

        def put(transaction: lmdb.Transaction) -> None:
            for key, value in values.items():
                transaction.put(key, value)

        if values:
            self._write(put)

    def keep_only(self, text_hashes: Mapping[str, Collection[str]]) -> int:
        """Remove every vector, of whatever model, but those of these texts.

        Args:
            text_hashes: model id → hashes of the texts that it may keep.
        Returns:
            Vectors removed.
        """
        kept = {_key(model_id, text_hash) for model_id, hashes in text_hashes.items() for text_hash in hashes}
        with self._transaction(write=False) as transaction:
            gone = [key for key in map(bytes, transaction.cursor().iternext(values=False)) if key not in kept]

        def remove(transaction: lmdb.Transaction) -> None:
            for key in gone:
                transaction.delete(key)

        if gone:
            self._write(remove)
        return len(gone)

    def _write(self, change: Callable[[lmdb.Transaction], None]) -> None:
        while True:
            try:
                with self._transaction(write=True) as transaction:
                    change(transaction)
                return
            except lmdb.MapFullError:  # the file is sparse: a large map costs nothing until it is filled
                self._env.set_mapsize(2 * self._env.info()["map_size"])

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[lmdb.Transaction]:
        try:
            transaction = self._env.begin(write=write)
        except lmdb.MapResizedError:  # another process has made it grow
            self._env.set_mapsize(0)
            transaction = self._env.begin(write=write)
        with transaction:
            yield transaction

    def _key(self, text_hash: str) -> bytes:
        return _key(self._model_id, text_hash)


def _key(model_id: str, text_hash: str) -> bytes:
    return hashlib.blake2b(f"{model_id}\x1f{text_hash}".encode(), digest_size=16).digest()
