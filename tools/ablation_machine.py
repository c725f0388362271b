"""Where an ablation runs: the project's commit, the machine, and which of its seconds count as training."""

import os
import subprocess
from typing import Any

import torch
from ablation_steps import Done


def commit() -> str:
    """Of the project, with `+` behind it if files differ from it; "unknown" outside git."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found + ("+" if changed.stdout.strip() else "")


def training_seconds(done: Done) -> float:
    """What counts as training time: of one core; with a GPU the time that it was held."""
    return done.wall_s if torch.cuda.is_available() else done.cpu_s


def describe_machine(wall_s: float) -> dict[str, Any]:
    """Plain values for json.

    Args:
        wall_s: seconds of this run of the ablation.
    """
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "wall_s_of_this_run": round(wall_s, 1),
    }
