"""Numbers of an evaluation as the cells of a Markdown table, and the table."""

from collections.abc import Sequence
from typing import Any

DASH = "-"  # where there is no number


def number(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """A number with so many digits behind the point."""
    return DASH if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def with_interval(row: dict[str, Any], digits: int = 3) -> str:
    """An entry of `measures` of metrics.json: mean ± spread over the seeds [interval]."""
    if row["value"] is None:
        return DASH
    text = number(row["value"], digits)
    if row["seed_std"] is not None:
        text += f" ± {number(row['seed_std'], digits)}"
    if row["low"] is not None:
        text += f" [{number(row['low'], digits)}, {number(row['high'], digits)}]"
    return text


def difference(row: dict[str, Any] | None, digits: int = 3) -> str:
    """An entry of `compare` of metrics.json; bold where it can be told apart from 0."""
    if row is None or row["difference"] is None:
        return DASH
    text = number(row["difference"], digits, sign=True)
    if row["low"] is not None:
        text += f" [{number(row['low'], digits, sign=True)}, {number(row['high'], digits, sign=True)}]"
    return f"**{text}**" if row["told_apart"] else text


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
