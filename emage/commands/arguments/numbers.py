"""Numbers on the command line: what `type=` of an argument takes."""

from collections.abc import Callable
from typing import Any

from emage.config_checks import MAX_SEED

_SHOWN_CHARACTERS = 40  # of a value in an error


class NumberError(Exception):
    """A value of an option that is no number of its range.

    It is no ValueError, which argparse would turn into a usage error without the range.
    """


def number(option: str, kind: type, low: float, high: float, what: str) -> Callable[[str], Any]:
    """Makes an argparse type for a number in a range; NaN is outside of every range.

    Args:
        option: its name, e.g. "--fps".
        kind: int or float.
        low: the smallest value.
        high: the largest value.
        what: noun of the error message, e.g. "frames per second".

    Returns:
        A function from text to a number, which raises NumberError.
    """

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except (ValueError, OverflowError):
            value = None
        if value is None or not low <= value <= high:
            shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
            shown = repr(shown) if value is None else shown
            raise NumberError(f"{option}: got {shown}; expected {what} from {_plain(low)} to {_plain(high)}")
        return value

    return parse


def _plain(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


seed = number("--seed", int, 0, MAX_SEED, "a whole number")
