"""A csv of facial weights: a header of names, then one row a frame. Live Link Face and Audio2Face write such files.

Shapes: N rows, C columns.
"""

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emage.errors import InputError
from emage.motion.arkit_motion import shortened

_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(eq=False)
class FaceTable:
    """The cells of a csv.

    Attributes:
        path: the file.
        header: C names.
        lines: line number of each row.
        rows: N rows of C cells, or of fewer where the face was lost.
        notices: what was left out.
    """

    path: Path
    header: list[str]
    lines: list[int]
    rows: list[list[str]]
    notices: list[str]

    def column(self, *names: str) -> int | None:
        """The first column that has one of some names, in any case."""
        return next((place for place, name in enumerate(self.header) if name.strip().lower() in names), None)

    def where(self, row: int, column: int) -> str:
        """File, line and column of a cell, for errors."""
        return f"{self.path}: line {self.lines[row]}, column {column + 1}"

    def numbers(self, has_face: np.ndarray, columns: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """The cells of some columns as numbers.

        Args:
            has_face: (N,) bool; other rows are not read.
            columns: which ones are read.

        Returns:
            (N, C) float64, 0 where there is no number, and (N, C) bool, True where there is one.

        Raises:
            InputError: a cell that is neither empty nor a finite number.
        """
        values = np.zeros((len(self.rows), len(self.header)))
        known = np.zeros(values.shape, dtype=bool)
        for number, row in enumerate(self.rows):
            for column in columns if has_face[number] else ():
                text = row[column].strip()
                if not text:
                    continue
                values[number, column] = finite(text, self.where(number, column))
                known[number, column] = True
        return values, known


def finite(text: str, where: str) -> float:
    """A decimal number.

    Raises:
        InputError: begins with `where`; another text, NaN or infinity.
    """
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: {shortened(text)}; expected a number")
    return value


def read_header(path: str | Path) -> list[str]:
    """The names in the first line of a csv; empty where it is no text."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        return [name.strip() for name in file.readline(100_000).split(",")]


def read_table(path: str | Path, short_rows: bool = False) -> FaceTable:
    """Reads the cells of a csv. A last row that is cut off is left out, with a notice.

    Args:
        path: the file.
        short_rows: whether rows may have fewer cells than the header.

    Raises:
        InputError: no such file, no csv text, no rows, or a row whose number of cells is not the header's.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if row]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: no csv text: {error}; export the file again") from error
    if len(rows) < 2:
        raise InputError(f"{path}: {max(0, len(rows) - 1)} frames; a header and at least one row are needed")
    header, notices = rows[0][1], []
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            raise InputError(f"{path}: line 1: its cells are separated by {name}; export the csv with commas")
    rows = rows[1:]
    rows = [(line, row[: len(header)] if not any(row[len(header) :]) else row) for line, row in rows]  # trailing commas
    last = rows[-1][1]
    if len(rows) > 1 and len(last) < len(header) and last[1:2] != ["0"]:
        notices.append(f"the last row, line {rows[-1][0]}, is cut off and left out")
        rows = rows[:-1]
    for line, row in rows:
        if len(row) > len(header) or (len(row) < len(header) and not short_rows):
            raise wrong_length(path, line, row, header)
    return FaceTable(Path(path), header, [line for line, _ in rows], [row for _, row in rows], notices)


def wrong_length(path: str | Path, line: int, row: list[str], header: list[str]) -> InputError:
    """The error about a row whose number of cells is not the header's."""
    remedy = "the file is cut off" if len(row) < len(header) else "repair the row"
    return InputError(f"{path}: line {line}: {len(row)} values, the header has {len(header)}; {remedy}")
