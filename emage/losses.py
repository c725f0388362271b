"""Formulas of the losses; their weights belong to the config of the task.

All of them average over the frames that `mask` leaves and over whatever follows the frame axis, and are 0 (with a
gradient) where it leaves none.

Shapes: B batch, T frames, D columns, J joints; `...` is anything after the frame axis.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from emage.motion import rotation


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Averages (B, T, ...) over the frames of `mask` (B, T) bool, or over all of them."""
    if mask is None:
        return values.mean()
    per_frame = values.flatten(2).mean(dim=2) if values.dim() > 2 else values  # (B, T)
    # `where` and not a product: a masked frame may hold NaN.
    kept = torch.where(mask, per_frame, torch.zeros_like(per_frame))
    return kept.sum() / mask.sum().clamp(min=1)


def l1(prediction: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mean absolute error of (B, T, ...)."""
    return masked_mean((prediction - target).abs(), mask)


def huber(
    prediction: Tensor,
    target: Tensor,
    *,
    beta: float,
    frame_scale: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Huber loss: quadratic (e^2 / (2 beta)) below `beta`, |e| - beta / 2 above.

    Args:
        prediction: (B, T, D).
        target: (B, T, D).
        beta: where the two branches meet, in units of the values.
        frame_scale: (B, T) factor of the error BEFORE the branch is chosen, e.g. 1 + semantic score.
        mask: (B, T) bool, frames that count.

    Source: camn_trainer.py of BEAT 2022: 0.1 * smooth_l1(a / 0.1, b / 0.1) on poses multiplied by 1 + semantic score.
    """
    error = prediction - target  # (B, T, D)
    if frame_scale is not None:
        error = error * frame_scale[..., None]
    return masked_mean(F.smooth_l1_loss(error, torch.zeros_like(error), beta=beta, reduction="none"), mask)


def velocity(prediction: Tensor, target: Tensor, *, order: int = 1, mask: Tensor | None = None) -> Tensor:
    """L1 between the differences over time: order 1 steps, order 2 their change (acceleration).

    A difference counts only if `mask` keeps every frame in it. A clip with too few frames for one costs 0.

    Args:
        prediction: (B, T, ...).
        target: (B, T, ...).
        order: how often the difference is taken.
        mask: (B, T) bool.

    Source: the velocity and acceleration terms of the EMAGE VQ-VAE trainers (L1 on rotation matrices).
    """
    if prediction.shape[1] <= order:
        return (prediction - target).sum() * 0.0
    if mask is not None:
        kept = mask.shape[1] - order
        mask = torch.stack([mask[:, k : k + kept] for k in range(order + 1)]).all(dim=0)  # (B, T - order)
    return l1(prediction.diff(n=order, dim=1), target.diff(n=order, dim=1), mask=mask)


def geodesic(prediction_matrix: Tensor, target_matrix: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mean angle in radians between rotation matrices (B, T, J, 3, 3); its gradient is finite at 0 and at pi."""
    return masked_mean(rotation.angle_between(prediction_matrix, target_matrix), mask)
