"""Write the golden file of each wire version that has none yet. Existing files stay: they are what once travelled."""

from __future__ import annotations

from tests.contracts.test_wire import ENCODED, GOLDEN

if __name__ == "__main__":
    for schema, (encode, _, record) in ENCODED.items():
        path = GOLDEN / f"{schema}.bin"
        if not path.exists():
            path.write_bytes(encode(record).body)
