"""Fits a map between ARKit weights and FLAME codes on pairs of the same frames.

Both ways are ridge regressions; which kind serves each way best (linear, squares, quadratic) and how much it is held
back is decided by frames that are set aside. What is reported is measured on others, which nothing was chosen by.

Shapes: N frames, C channels, D columns.
"""

import math

import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.arkit_flame import GAZE, KINDS, FaceMap, Regression, features
from emage.motion.layout import ARKIT_51, get_layout
from emage.motion.statistics import MIN_STD

RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # times the number of frames, on z-scores
MAX_REPORTED = 500  # held-out frames, evenly chosen, that the errors are measured on
CHOICE_SHARE, TEST_SHARE = 0.15, 0.2
MIN_FRAMES = 100


def fit_face_map(
    weights: Tensor,
    codes: Tensor,
    layout: str,
    *,
    groups: Tensor | None = None,
    kinds: tuple[str, ...] = ("linear", "squares", "quadratic"),
    seed: int = 0,
) -> tuple[FaceMap, Tensor]:
    """Fits both ways.

    Args:
        weights: (N, 51) in ARKIT_51 order.
        codes: (N, D) in `layout`, of the same frames.
        layout: flame_53 or flame_103.
        groups: (N,) number of the recording of each frame: a recording is held out as a whole. None, or one only:
            blocks of neighbouring frames are.
        kinds: of KINDS, those to choose from.
        seed: of the choice of what is held out.

    Returns:
        The map, with the errors of both ways on held-out frames, and which frames were held out for them (N,) bool.

    Raises:
        InputError: too few frames, shapes that do not fit, another kind.
    """
    if codes.shape != (len(weights), get_layout(layout).dim) or weights.shape[1] != len(ARKIT_51):
        raise InputError(
            f"face map: {tuple(weights.shape)} weights and {tuple(codes.shape)} codes; "
            f"expected (N, 51) and (N, {get_layout(layout).dim})"
        )
    if len(weights) < MIN_FRAMES:
        raise InputError(f"face map: {len(weights)} frames; at least {MIN_FRAMES} are needed")
    if not kinds or set(kinds) - set(KINDS):
        raise InputError(f"face map: got kinds {kinds}; choose among {', '.join(KINDS)}")
    channels = tuple(name for name in ARKIT_51 if name not in GAZE)
    x = weights[:, [ARKIT_51.index(name) for name in channels]].double()
    y = codes.double()
    held_out, chosen_by = _held_out(len(x), groups, seed)
    learn, both = ~held_out & ~chosen_by, ~held_out
    ways, usual = {}, {}
    for name, source, target in (("forward", x, y), ("backward", y, x)):
        setting, usual[name] = _best(source[learn], target[learn], source[chosen_by], target[chosen_by], kinds)
        ways[name] = _fit(source[both], target[both], *setting)
    usual_errors = (usual["forward"], usual["backward"])
    face_map = FaceMap(channels, layout, ways["forward"], ways["backward"], usual_errors)
    rows = held_out.nonzero()[:, 0]
    rows = rows[:: math.ceil(len(rows) / MAX_REPORTED)]
    face_map.errors = held_out_errors(face_map, weights[rows].float(), y[rows], train_weights=weights[both])
    return face_map, held_out


def held_out_errors(face_map: FaceMap, weights: Tensor, codes: Tensor, *, train_weights: Tensor) -> dict[str, float]:
    """Errors of both ways and of there and back on pairs that were not fitted; RMSE over the map's channels."""
    places = [ARKIT_51.index(name) for name in face_map.channels]
    real = weights[:, places].double()

    def rmse(made: Tensor) -> float:
        return float((made[:, places].double() - real).square().mean().sqrt())

    mean = train_weights[:, places].double().mean(dim=0)
    codes_made = face_map.to_flame(weights)
    jaw, jaw_open = get_layout(face_map.layout).part_slices["jaw"], ARKIT_51.index("jawOpen")
    back = face_map.to_arkit(codes, face_map.layout)
    off = codes_made.double() - codes.double()
    return {
        "arkit_to_flame_expression_rmse": float(off[:, : jaw.start].square().mean().sqrt()),
        "arkit_to_flame_jaw_rmse_rad": float(off[:, jaw].square().mean().sqrt()),
        "flame_to_arkit_rmse": rmse(back),
        "there_and_back_rmse": rmse(face_map.to_arkit(codes_made, face_map.layout)),
        "mean_predictor_rmse": float((mean - real).square().mean().sqrt()),
        "jaw_open_correlation": correlation(back[:, jaw_open], weights[:, jaw_open]),
        "num_reported": float(len(weights)),
    }


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's; NaN where one does not move."""
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    spread = float(a.norm() * b.norm())
    return float((a * b).sum()) / spread if spread > 1e-9 else math.nan


def _held_out(num_frames: int, groups: Tensor | None, seed: int) -> tuple[Tensor, Tensor]:
    """Frames for the report and for the choice, (N,) bool each: whole recordings, or blocks of 50 neighbours."""
    if groups is None or len(groups.unique()) < 5:
        groups = torch.arange(num_frames) // 50
    ids = groups.unique()
    order = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed))]
    num_test = max(1, round(TEST_SHARE * len(ids)))
    num_choice = max(1, round(CHOICE_SHARE * len(ids)))
    return (
        torch.isin(groups, order[:num_test]),
        torch.isin(groups, order[num_test : num_test + num_choice]),
    )


def _best(
    x: Tensor, y: Tensor, x_choice: Tensor, y_choice: Tensor, kinds: tuple[str, ...]
) -> tuple[tuple[str, float], Tensor]:
    """Kind and ridge with the least error on the frames for the choice (columns weigh by their own spread), and the
    RMSE of each column there."""
    spread = y.std(dim=0).clamp(min=MIN_STD)
    found: list[tuple[float, tuple[str, float], Tensor]] = []
    for kind in kinds:
        solver = _Solver(x, y, kind)
        if kind == "quadratic" and solver.num_features > len(x):
            continue  # more unknowns than frames: nothing to learn from
        for ridge in RIDGES:
            off = solver.solve(ridge)(x_choice) - y_choice
            found.append((float((off / spread).square().mean()), (kind, ridge), off.square().mean(dim=0).sqrt()))
    _, setting, usual = min(found, key=lambda row: row[0])
    return setting, usual


def _fit(x: Tensor, y: Tensor, kind: str, ridge: float) -> Regression:
    return _Solver(x, y, kind).solve(ridge)


class _Solver:
    """Ridge regression on the features of a kind; one decomposition serves every ridge."""

    def __init__(self, x: Tensor, y: Tensor, kind: str) -> None:
        self.kind, self.num_rows = kind, len(x)
        offset, scale = x.mean(dim=0), x.std(dim=0).clamp(min=MIN_STD)
        self.tensors = {"offset": offset, "scale": scale}
        z = (x - offset) / scale
        inputs = features(z, kind)
        self.centre, self.mean = inputs.mean(dim=0), y.mean(dim=0)
        inputs = inputs - self.centre
        self.num_features = inputs.shape[1]
        self.values, self.vectors = torch.linalg.eigh(inputs.T @ inputs)
        self.products = self.vectors.T @ (inputs.T @ (y - self.mean))

    def solve(self, ridge: float) -> Regression:
        """The regression, held back by `ridge` times the number of rows."""
        damped = self.values.clamp(min=0) + ridge * self.num_rows
        weight = self.vectors @ (self.products / damped[:, None])
        return Regression(self.kind, self.tensors | {"weight": weight, "bias": self.mean - self.centre @ weight})
