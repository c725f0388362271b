"""What is wrong with the files that a run goes on from, told before anything is written over them."""

import tempfile
from pathlib import Path

from emage.checkpoint import read_json
from emage.config import load_config, save_config
from emage.errors import InputError
from emage.training.checkpoint import PROGRESS_FILE, read_progress
from emage.training.recorder import LOSSES_FILE, VALIDATION_FILE, check_curve


def check_run_files(folder: Path, resume: Path, max_steps: int) -> None:
    """Refuses an unfinished run whose curves or resume state are damaged.

    Args:
        folder: of the run.
        resume: its resume state, which need not exist.
        max_steps: of its config.

    Raises:
        InputError: a file is damaged; the message names the file, the place in it and the remedy.
    """
    for name in (LOSSES_FILE, VALIDATION_FILE):
        check_curve(folder / name)
    progress = read_progress(resume)
    if progress is not None and progress.step > max_steps:
        raise InputError(
            f"resume state {resume / PROGRESS_FILE}: step {progress.step} of a run of {max_steps} steps; restore the"
            " folder from a copy, or delete the folder of the run to start anew"
        )


def finished_steps(path: Path) -> int:
    """The steps of a checkpoint, from its info.json.

    Raises:
        InputError: the file is damaged.
    """
    remedy = f"delete the folder {path.parent}: the run then goes on from its resume state and writes it again"
    info = read_json(path, remedy)
    steps = info.get("steps") if isinstance(info, dict) else None
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
        raise InputError(f"{path}: expected a json object with a whole number `steps`; {remedy}")
    return steps


def is_saved_config(path: Path) -> bool:
    """Whether a config file is, byte for byte, what `save_config` writes; a person's comments and order are not."""
    if not path.is_file():
        return False
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / path.name
        try:
            save_config(load_config(path), again)
        except InputError:
            return False
        return again.read_bytes() == path.read_bytes()
