"""What networks see of motion and face: z-scored by the training statistics, 0 in frames that were not captured."""

import torch
from torch import Tensor

from emage.motion.statistics import MotionStatistics


def normalised(statistics: MotionStatistics, batch: dict[str, Tensor], key: str, *, layout: str) -> Tensor:
    """Z-scores one stream of a batch.

    Args:
        statistics: of the training split.
        batch: as collated, with `<key>_valid` beside `<key>`.
        key: "motion" or "face".
        layout: of that stream's columns.

    Returns:
        (B, T, D). Invalid frames hold 0, the mean: what stands there may be NaN, whose gradient no mask stops.
    """
    values = statistics.normalise(batch[key], layout)
    return torch.where(batch[f"{key}_valid"][..., None], values, torch.zeros_like(values))
