"""Errors and warnings about the user's input; entry points print each as one line on stderr.

An `InputError` ends the command with exit code 1. An `InputWarning` says that doubtful input was accepted, and how.
"""

import contextlib
import functools
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any


class InputError(ValueError):
    """A file, a config value or a command line that cannot be used.

    The message names the file or key, the place, the value and the remedy, in one line.
    """


class ReportedError(InputError):
    """An error that another process of the same run reports; a command ends by it without a line of its own."""


class InputWarning(UserWarning):
    """Doubtful input that was accepted; the message names file, place, value and what was made of it, in one line."""


def warn_input(message: str) -> None:
    """Issues an InputWarning.

    Args:
        message: one line; it begins with the file or the option that it is about.
    """
    warnings.warn(message, InputWarning, stacklevel=3)


@contextlib.contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collects the messages of the InputWarnings raised inside the block instead of showing them.

    Other warnings pass. Not for threads: Python's warning filters belong to the process.

    Yields:
        The messages, without repetition; complete when the block ends.
    """
    messages: list[str] = []
    with _handled_warnings(lambda message: messages.append(message) if message not in messages else None):
        yield messages


@contextlib.contextmanager
def _handled_warnings(handle: Callable[[str], None]) -> Iterator[None]:
    """Passes the message of each InputWarning raised inside the block to `handle`."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        show = warnings.showwarning

        def show_warning(message: Any, category: type[Warning], *place: Any, **options: Any) -> None:
            if issubclass(category, InputWarning):
                handle(" ".join(str(message).split()))
            else:
                show(message, category, *place, **options)

        warnings.showwarning = show_warning
        yield


def one_line_errors(main: Callable[..., int]) -> Callable[..., int]:
    """Wraps the `main` of a command: an InputError ends as one line on stderr and exit code 1.

    Each InputWarning is printed as one line `warning: ...` on stderr, once. Any other exception keeps its traceback.
    EMAGE_TRACEBACK=1 shows the traceback of every error.
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs) -> int:
        shown: set[str] = set()

        def print_once(message: str) -> None:
            if message not in shown:
                shown.add(message)
                print(f"warning: {message}", file=sys.stderr)

        with _handled_warnings(print_once):
            return run(*args, **kwargs)

    def run(*args, **kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except ReportedError:
            return 1
        except (InputError, OSError) as error:
            if os.environ.get("EMAGE_TRACEBACK"):
                raise
            sys.stdout.flush()
            print("error: " + " ".join(str(error).split()), file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted: run the same command again to go on", file=sys.stderr)
            return 130

    return wrapped
