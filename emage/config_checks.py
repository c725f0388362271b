"""Checks of single values: each raises an InputError that names the key, the value and what it must be."""

import math
import numbers
from collections.abc import Iterable
from typing import Any

from emage.errors import InputError

MAX_FPS = 1000.0  # of data
MAX_SEED = 2**63 - 1
# Of the decoding of a masked transformer. More steps than codes change nothing; the memory of the draws grows with them.
MAX_STEPS = 1000
MAX_TEMPERATURE = 100.0  # far below, codes are already drawn uniformly
MAX_GUIDANCE = 100.0
MAX_WINDOW_FRAMES = 2**31 - 1
MAX_SHOWN = 60  # characters of a value in an error


def choice(key: str, value: str, choices: Iterable[str]) -> None:
    """The value is one of the choices."""
    choices = list(choices)
    if value not in choices:
        raise InputError(f"{key}: got {value!r}; choose one of {', '.join(choices)}")


def is_finite(value: Any) -> bool:
    """Whether a number is finite; an int of any size is."""
    return isinstance(value, numbers.Integral) or math.isfinite(value)


def at_least(key: str, value: Any, low: float) -> None:
    """The value is a number, finite and not below `low`."""
    value = _number(key, value)
    if not (is_finite(value) and value >= low):
        finite = "" if is_finite(value) else ", and finite"
        raise InputError(f"{key}: got {_shown(value)}; it must be at least {low}{finite}")


def above_zero(key: str, *values: Any) -> None:
    """The values are numbers, finite and above 0."""
    for value in values:
        value = _number(key, value)
        if not (is_finite(value) and value > 0):
            finite = "" if is_finite(value) else ", and finite"
            raise InputError(f"{key}: got {_shown(value)}; it must be above 0{finite}")


def between(key: str, value: Any, low: float, high: float) -> None:
    """The value is a number from `low` to `high`, both included."""
    value = _number(key, value)
    if not low <= value <= high:  # NaN too
        raise InputError(f"{key}: got {_shown(value)}; it must be from {low:g} to {high:g}")


def share(key: str, value: Any) -> None:
    """The value is a share that is not the whole."""
    value = _number(key, value)
    if not 0 <= value < 1:  # NaN too
        raise InputError(f"{key}: got {_shown(value)}; it must be from 0 to below 1")


def whole(key: str, value: Any, low: int, high: int) -> int:
    """The value, an integer from `low` to `high`, both included, as int; of numpy or torch it may be a scalar."""
    value = _scalar(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= value <= high:
        raise InputError(f"{key}: got {_shown(value)}; it must be a whole number from {low} to {high}")
    return int(value)


def check_seed(key: str, value: Any) -> int:
    """The value as int, if it is an integer that seeds every random generator in use."""
    return whole(key, value, 0, MAX_SEED)


def _number(key: str, value: Any) -> Any:
    """The value as a Python number, if it is a real one.

    Raises:
        InputError: text, a boolean, an array or any other object.
    """
    value = _scalar(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"{key}: got {_shown(value)}; it must be a number")
    return value


def _scalar(value: Any) -> Any:
    """A scalar of numpy or torch (no dimension) as the Python number that it holds; all else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _shown(value: Any) -> str:
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an int of more digits than Python prints
        return "an integer of thousands of digits"
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."
