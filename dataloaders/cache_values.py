"""Compares the values of one data file with their checksums, in a process that may die of a damaged search tree.

`cache_check.py` runs this module as a script: {"path", "values": {key: crc32}} on stdin, the keys of the damaged values
on stdout.
"""

import json
import sys
import zlib

import lmdb


def damaged_values(path: str, checksums: dict[str, int]) -> list[str]:
    """Keys whose value is not there or has another CRC-32."""
    with lmdb.open(path, subdir=False, readonly=True, lock=False) as environment:
        with environment.begin(buffers=True) as transaction:
            return [key for key, checksum in checksums.items() if _checksum(transaction, key) != checksum]


def _checksum(transaction: lmdb.Transaction, key: str) -> int | None:
    value = transaction.get(key.encode())
    return None if value is None else zlib.crc32(value)


if __name__ == "__main__":
    request = json.load(sys.stdin)
    json.dump(damaged_values(request["path"], request["values"]), sys.stdout)
