"""A file is there whole or not at all: written beside its place, then renamed over it."""

import os
from pathlib import Path


def write_text_atomic(path: str | Path, text: str) -> None:
    r"""Writes `text` as UTF-8 with "\n" line ends; a reader, or a kill at any moment, never meets half a file.

    Args:
        path: where the file is to lie; missing folders are made.
        text: the whole content.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
