"""Output paths that would destroy something: the input of the same command, or another output of it."""

import os
from collections.abc import Iterable
from pathlib import Path

from emage.errors import InputError


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path | None], *, remedy: str) -> None:
    """Refuses outputs that are folders, inputs of the same command, or one file twice.

    Files are compared as the operating system identifies them: links, relative paths and, on a file system that ignores it,
    case make no difference. Call it before anything is written.

    Args:
        outputs: files that will be written or replaced; None is skipped.
        inputs: files that are read; of a folder, every file within it counts. None is skipped.
        remedy: what to do instead, e.g. "give another --out".

    Raises:
        InputError: names the output and the input.
    """
    read = [Path(path) for path in inputs if path is not None]
    seen: dict[str, Path] = {}
    for output in (Path(path) for path in outputs if path is not None):
        if os.path.isdir(output):
            raise InputError(f"{output}: it is a folder; {remedy}")
        for source in read:
            if os.path.exists(source) and _is_part_of(output, source):
                raise InputError(f"{output}: it is an input of this command ({source}) and would be replaced; {remedy}")
        other = seen.setdefault(_place(output), output)
        if other is not output:
            raise InputError(f"{output}: two results would be written to this file; {remedy}")


def _is_part_of(output: Path, source: Path) -> bool:
    """Whether a file that exists is `source`, or lies within the folder `source`."""
    if not os.path.lexists(output):
        return False
    if os.path.isdir(source):
        return Path(_place(source)) in Path(_place(output)).parents
    return os.path.exists(output) and os.path.samefile(output, source)


def _place(path: Path) -> str:
    """The absolute path without links."""
    return os.path.normcase(os.path.realpath(path))
