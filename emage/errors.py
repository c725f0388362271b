"""What a user can cause is an InputError; the doors of the project print it as one line and exit with 1."""

import functools
import os
import sys
from collections.abc import Callable


class InputError(ValueError):
    """A file, a config value or a command line that cannot be used.

    The message names the file or key, the place, the value and the remedy, in one line.
    """


def one_line_errors(main: Callable[..., int]) -> Callable[..., int]:
    """Wraps the `main` of a command: what the user caused ends as one line on stderr and exit code 1.

    Anything else keeps its traceback, since it is our fault. EMAGE_TRACEBACK=1 shows the traceback of every error.
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs) -> int:
        try:
            return main(*args, **kwargs)
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
