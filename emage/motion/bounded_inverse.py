"""Bounded least squares: which values from 0 to 1 does a function map nearest to given rows?

Gauss-Newton from a first guess, or from the middle of the range: the function is taken as straight around the values
so far, and the bounded problem of that straight function is solved by accelerated projected gradient steps, all frames
at once. A straight function needs one round.

Source of the inner steps: Beck and Teboulle 2009, "A fast iterative shrinkage-thresholding algorithm" (here the
shrinkage is the projection into the box).

Shapes: T frames, C unknowns, D observed columns.
"""

from collections.abc import Callable

import torch
from torch import Tensor

ROUNDS, INNER_STEPS = 5, 150
SMALLEST_PULL = 1e-4  # towards 0, relative to the strongest unknown: decides what the observations do not
CHUNK_FRAMES = 512
_CONVERGED = 1e-4


def solve_bounded(
    function: Callable[[Tensor], Tensor],
    jacobian: Callable[[Tensor], Tensor],
    wanted: Tensor,
    *,
    importance: Tensor,
    observed: Tensor,
    free: Tensor,
    guess: Tensor | None = None,
    trust: Tensor | None = None,
) -> Tensor:
    """Solves for the unknowns.

    Args:
        function: (T, C) -> (T, D).
        jacobian: its derivative, (T, C) -> (T, D, C).
        wanted: (T, D) float64.
        importance: (D,) factor of each column's error.
        observed: numbers of the columns that count.
        free: (C,) bool, the unknowns that are solved for; the others are 0.
        guess: (T, C) values that the solution is pulled to; None: to 0, so little that it decides only what the
            observations do not.
        trust: (C,) strength of that pull: one over the square of the guess's usual error, if `importance` is one over
            that of each column.

    Returns:
        (T, C) float64, 0 to 1.
    """
    places = free.nonzero()[:, 0]
    factor = importance[observed]

    def widened(values: Tensor) -> Tensor:
        return values.new_zeros(len(values), len(free)).index_copy(1, places, values)

    anchor = wanted.new_zeros(len(wanted), len(places)) if guess is None else guess.to(wanted)[:, places].clamp(0, 1)
    pull = None if guess is None else trust.to(wanted)[places]
    solved = []
    for rows, towards in zip(wanted.split(CHUNK_FRAMES), anchor.split(CHUNK_FRAMES), strict=True):
        target = rows[:, observed] * factor
        values = torch.full_like(towards, 0.5) if guess is None else towards
        for _ in range(ROUNDS):
            full = widened(values)
            slope = jacobian(full)[:, observed][:, :, places].to(target) * factor[:, None]  # (T, D, C)
            offset = target - function(full)[:, observed].to(target) * factor + (slope @ values[..., None])[..., 0]
            following = _solve_straight(slope, offset, values, towards=towards, pull=pull)
            change = (following - values).abs().max()
            values = following
            if change < _CONVERGED:
                break
        solved.append(values)
    made = wanted.new_zeros(len(wanted), len(free))
    made[:, places] = torch.cat(solved) if solved else made[:, places]
    return made


def _solve_straight(matrix: Tensor, target: Tensor, start: Tensor, *, towards: Tensor, pull: Tensor | None) -> Tensor:
    """argmin over 0..1 of |M x - target|^2 + sum of pull * (x - towards)^2: (T, C)."""
    hessian = matrix.mT @ matrix  # (T, C, C)
    if pull is None:
        strongest = hessian.diagonal(dim1=1, dim2=2).amax(dim=1, keepdim=True).clamp(min=1e-12)
        pull = SMALLEST_PULL * strongest.expand(-1, hessian.shape[-1])
    pull = pull.expand(len(hessian), -1)
    hessian = hessian + torch.diag_embed(pull)
    gradient_at_0 = (matrix.mT @ target[..., None])[..., 0] + pull * towards
    step = 1 / torch.linalg.eigvalsh(hessian)[:, -1:]
    values, momentum, t = start, start, 1.0
    for _ in range(INNER_STEPS):
        slope = (hessian @ momentum[..., None])[..., 0] - gradient_at_0
        following = (momentum - step * slope).clamp(0, 1)
        t_following = (1 + (1 + 4 * t * t) ** 0.5) / 2
        momentum = following + (t - 1) / t_following * (following - values)
        change = (following - values).abs().max()
        values, t = following, t_following
        if change < _CONVERGED / 10:
            break
    return values
