"""A file is there whole or not at all: written beside its place, then renamed over it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


def write_text_atomic(path: str | Path, text: str) -> None:
    r"""Writes `text` as UTF-8 with "\n" line ends; a reader, or a kill at any moment, never meets half a file.

    Args:
        path: where the file is to lie; missing folders are made.
        text: the whole content.
    """
    with partial_file(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def write_npz_atomic(path: str | Path, **arrays: np.ndarray) -> None:
    """Writes named arrays, compressed, in the same way; nothing is pickled.

    Args:
        path: where the file is to lie, under exactly this name; missing folders are made.
        arrays: numbers and texts.
    """
    assert all(np.asarray(array).dtype != object for array in arrays.values()), "an object array would be pickled"
    with partial_file(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, **arrays)


@contextmanager
def partial_file(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends without an error.

    A process that is killed leaves the partial file. Its name is hidden and does not end like the file it was to become, so
    that no listing of a folder takes it for one; a writer that chooses its format by the ending must be told the format.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
