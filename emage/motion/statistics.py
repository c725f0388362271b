"""Mean and standard deviation of each layout's columns, and the mean pose; saved with every checkpoint.

The numbers come from the train split alone (they are computed where the data is read); this file holds, applies, saves
and loads them.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.atomic import write_text_atomic
from emage.motion.layout import Layout, get_layout

MIN_STD = 1e-4  # a column that moves less is constant: dividing by its noise would blow the noise up


@dataclass
class MotionStatistics:
    """Statistics of a train split.

    Attributes:
        means: layout name -> (D,) float32.
        stds: layout name -> (D,) float32, as measured; constant columns are taken care of where they are applied.
        mean_pose: (D,) float32 in beat_full: mean rotation of each joint (Euler degrees) and mean root translation.

    Raises:
        InputError: if a vector is not as wide as its layout, holds a NaN, or a layout has only one of the two.
    """

    means: dict[str, Tensor]
    stds: dict[str, Tensor]
    mean_pose: Tensor

    def __post_init__(self) -> None:
        if self.means.keys() != self.stds.keys():
            raise InputError(f"statistics: means of {sorted(self.means)} but stds of {sorted(self.stds)}")
        self.means = {name: _column_vector(row, name, f"means.{name}") for name, row in self.means.items()}
        self.stds = {name: _column_vector(row, name, f"stds.{name}") for name, row in self.stds.items()}
        self.mean_pose = _column_vector(self.mean_pose, "beat_full", "mean_pose")

    def normalise(self, values: Tensor, layout: Layout | str) -> Tensor:
        """z-scores (..., D): zero mean and unit deviation over the train split; a constant column is only shifted.

        Raises:
            InputError: if the layout has no statistics here or another width.
        """
        mean, scale = self._mean_and_scale(values, layout)
        return (values - mean) / scale

    def denormalise(self, values: Tensor, layout: Layout | str) -> Tensor:
        """Inverse of `normalise`."""
        mean, scale = self._mean_and_scale(values, layout)
        return values * scale + mean

    def _mean_and_scale(self, values: Tensor, layout: Layout | str) -> tuple[Tensor, Tensor]:
        layout = get_layout(layout)
        if layout.name not in self.means:
            held = ", ".join(sorted(self.means)) or "none"
            raise InputError(f"statistics: none for layout {layout.name}; layouts here: {held}")
        if values.shape[-1] != layout.dim:
            raise InputError(f"layout {layout.name}: got {values.shape[-1]} columns, expected {layout.dim}")
        mean, std = self.means[layout.name].to(values), self.stds[layout.name].to(values)
        return mean, torch.where(std < MIN_STD, 1.0, std)

    def save(self, path: str | Path) -> None:
        """Writes json; `load` gives back the same float32 numbers, bit for bit."""
        node = {
            "means": {name: row.tolist() for name, row in self.means.items()},
            "stds": {name: row.tolist() for name, row in self.stds.items()},
            "mean_pose": self.mean_pose.tolist(),
        }
        write_text_atomic(path, json.dumps(node))

    @classmethod
    def load(cls, path: str | Path) -> "MotionStatistics":
        """Reads what `save` wrote.

        Raises:
            InputError: if the file is missing, is no json of statistics, or does not fit the layouts.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"statistics {path}: no such file; it is written beside every checkpoint by train.py")
        try:
            node = json.loads(path.read_text(encoding="utf-8"))
            means, stds = ({name: torch.tensor(row) for name, row in node[key].items()} for key in ("means", "stds"))
            return cls(means, stds, torch.tensor(node["mean_pose"]))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"statistics {path}: not a statistics file ({error!r}); train the model again") from error


def _column_vector(row: Tensor, layout: str, key: str) -> Tensor:
    row = torch.as_tensor(row, dtype=torch.float32).detach().cpu()
    dim = get_layout(layout).dim
    if tuple(row.shape) != (dim,):
        raise InputError(f"statistics: {key} has shape {tuple(row.shape)}, expected ({dim},)")
    if not row.isfinite().all():
        raise InputError(f"statistics: {key} holds NaN or infinity; the data it was computed from is broken")
    return row
