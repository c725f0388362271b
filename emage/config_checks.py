"""Checks of single config values: each raises an InputError that names the key, the value and what it must be."""

from collections.abc import Iterable

from emage.errors import InputError


def choice(key: str, value: str, choices: Iterable[str]) -> None:
    """The value is one of the choices."""
    choices = list(choices)
    if value not in choices:
        raise InputError(f"{key}: got {value!r}; choose one of {', '.join(choices)}")


def at_least(key: str, value: float, low: float) -> None:
    """The value is not below `low`."""
    if not value >= low:  # NaN too
        raise InputError(f"{key}: got {value}; it must be at least {low}")


def share(key: str, value: float) -> None:
    """The value is a share that is not the whole."""
    if not 0 <= value < 1:
        raise InputError(f"{key}: got {value}; it must be from 0 to below 1")
