"""ARKit weights <-> FLAME codes, by channel name, through a map that the user has or fits.

There is no exact conversion: the two describe a face by other shapes. A `FaceMap` says how weights become codes, and,
where it was fitted, how codes become weights; its file names its channels, so that no order is ever assumed. A map
without a way back (the public matrix) goes back by bounded least squares: the weights from 0 to 1 whose codes come
nearest. A fitted one weighs both: weights near those of its own way back whose codes come near the given ones, each
by its usual error. Gaze (eyeLook*) has no codes in FLAME: it is 0 on the way back.

Shapes: T frames, C channels of the map, D columns of its FLAME layout, F features.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emage.errors import InputError
from emage.motion.bounded_inverse import solve_bounded
from emage.motion.convert_face import EXPRESSION, join_face, split_face
from emage.motion.layout import ARKIT_51, get_layout

GAZE = tuple(name for name in ARKIT_51 if name.startswith("eyeLook"))
MATRIX_SHAPE = (len(ARKIT_51), get_layout("flame_103").dim)  # of the published mat_final.npy
SMALLEST_SURPRISE = 1e-3
SMALLEST_ERROR = 1e-3  # of a code or a weight: nothing is known better
JAW_WEIGHT = 50.0  # a jaw of 0.02 rad is as much of a face as a coefficient of 1
KINDS = ("linear", "squares", "quadratic")
METHODS = ("auto", "refined", "fitted", "bounded")


@dataclass(eq=False)
class Regression:
    """A function of rows (T, C) -> (T, D), linear in features of them.

    Attributes:
        kind: linear; squares: the squares of the values count too; quadratic: and their products.
        tensors: offset (C,) and scale (C,) of the input, weight (F, D) and bias (D,).
    """

    kind: str
    tensors: dict[str, Tensor]

    def __call__(self, values: Tensor) -> Tensor:
        """(T, C) -> (T, D)."""
        return features(self._scaled(values), self.kind) @ self.tensors["weight"] + self.tensors["bias"]

    def jacobian(self, values: Tensor) -> Tensor:
        """Its derivative, (T, C) -> (T, D, C)."""
        z, weight = self._scaled(values), self.tensors["weight"]
        num_in = z.shape[-1]
        slope = weight[:num_in].T.expand(len(z), -1, -1)  # (T, D, C)
        if self.kind == "squares":
            slope = slope + 2 * weight[num_in:].T * z[:, None]
        if self.kind == "quadratic":
            first, second = torch.triu_indices(num_in, num_in)
            pairs = weight.new_zeros(num_in, num_in, weight.shape[1])
            pairs[first, second] = weight[num_in:]
            slope = slope + torch.einsum("tj,jcd->tdc", z, pairs + pairs.transpose(0, 1))
        return slope / self.tensors["scale"]

    def _scaled(self, values: Tensor) -> Tensor:
        return (values.to(self.tensors["weight"]) - self.tensors["offset"]) / self.tensors["scale"]


def features(values: Tensor, kind: str) -> Tensor:
    """What the weight of a regression sees, (T, C) -> (T, F)."""
    if kind == "squares":
        return torch.cat([values, values.square()], dim=-1)
    if kind == "quadratic":
        first, second = torch.triu_indices(values.shape[-1], values.shape[-1])
        return torch.cat([values, values[..., first] * values[..., second]], dim=-1)
    return values


@dataclass(eq=False)
class FaceMap:
    """A map between ARKit weights and FLAME codes.

    Attributes:
        channels: ARKit names of its weights, in its own order.
        layout: FLAME layout without a head, flame_53 or flame_103.
        forward: weights -> codes.
        backward: codes -> weights; None: bounded least squares on `forward`.
        usual_errors: of a fitted map, RMSE of each code (D,) forward and of each weight (C,) backward.
        errors: what was measured on held-out pairs when it was fitted.
    """

    channels: tuple[str, ...]
    layout: str
    forward: Regression
    backward: Regression | None = None
    usual_errors: tuple[Tensor, Tensor] | None = None
    errors: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [name for name in self.channels if name not in ARKIT_51]
        if unknown or len(set(self.channels)) != len(self.channels):
            raise InputError(f"face map: channels {unknown or list(self.channels)} are no different ARKit channels")

    def to_flame(self, weights: Tensor) -> Tensor:
        """ARKit weights (T, 51) in ARKIT_51 order -> codes (T, D) in the map's layout."""
        return self.forward(weights[..., [ARKIT_51.index(name) for name in self.channels]])

    def to_arkit(self, codes: Tensor, layout: str, *, method: str = "auto") -> Tensor:
        """Codes -> ARKit weights.

        Args:
            codes: (T, D') in `layout`; the rotation of the head is not used.
            layout: any FLAME layout; coefficients that only one of it and the map has are left out of a bounded
                solution, and are 0 for a fitted way back.
            method: bounded: the weights whose codes come nearest; fitted: the fitted way back; refined: both, weighed by
                their usual errors; auto: refined where the map was fitted and all of its codes are given, else bounded.

        Returns:
            (T, 51) float32 in ARKIT_51 order, 0 to 1; channels that the map does not know are 0.

        Raises:
            InputError: another method, or one that this map has not.
        """
        if method not in METHODS or (method in ("refined", "fitted") and self.backward is None):
            raise InputError(f"face map: got method {method!r}; choose bounded, or fitted or refined for a fitted map")
        own, observed = self._own_codes(codes, layout)
        guess = None if method == "bounded" or self.backward is None else self.backward(own)
        if method == "auto" and len(observed) < own.shape[-1]:
            guess = None  # a way back that was fitted on all coefficients is misled by zeros for some
        solved = guess.clamp(0, 1) if method == "fitted" else self._solve(own, observed, guess)
        weights = torch.zeros(len(codes), len(ARKIT_51))
        weights[:, [ARKIT_51.index(name) for name in self.channels]] = solved.float()
        weights[:, [ARKIT_51.index(name) for name in GAZE]] = 0
        return weights

    def residual(self, weights: Tensor, codes: Tensor, layout: str) -> dict[str, float]:
        """How far the codes of some weights are from given ones: RMSE of the shared coefficients and of the jaw (rad)."""
        own, observed = self._own_codes(codes, layout)
        parts = get_layout(self.layout).part_slices
        off = (self.to_flame(weights) - own)[:, observed]
        is_jaw = torch.zeros(own.shape[-1], dtype=torch.bool)
        is_jaw[parts["jaw"]] = True
        return {
            "expression_rmse": float(off[:, ~is_jaw[observed]].square().mean().sqrt()),
            "jaw_rmse_rad": float(off[:, is_jaw[observed]].square().mean().sqrt()),
        }

    def _own_codes(self, codes: Tensor, layout: str) -> tuple[Tensor, Tensor]:
        """The codes in the map's layout, and the columns of it that are really known."""
        given, own = split_face(codes, layout), get_layout(self.layout)
        width = dict(own.parts)[EXPRESSION]
        known = min(width, given[EXPRESSION].shape[-1])
        expression = torch.zeros(len(codes), width, dtype=codes.dtype)
        expression[:, :known] = given[EXPRESSION][:, :known]
        observed = [*range(known), *range(own.part_slices["jaw"].start, own.part_slices["jaw"].stop)]
        return join_face({EXPRESSION: expression, "jaw": given["jaw"]}, own), torch.tensor(observed)

    def _solve(self, codes: Tensor, observed: Tensor, guess: Tensor | None) -> Tensor:
        importance = torch.ones(codes.shape[-1], dtype=torch.float64)
        importance[get_layout(self.layout).part_slices["jaw"]] = JAW_WEIGHT
        if self.usual_errors is not None:
            importance = 1 / self.usual_errors[0].double().clamp(min=SMALLEST_ERROR)
        free = torch.tensor([name not in GAZE for name in self.channels])
        codes = codes.double()
        problem = {"importance": importance, "observed": observed, "free": free}
        solved = solve_bounded(self.forward, self.forward.jacobian, codes, **problem)
        if guess is None or self.usual_errors is None:
            return solved
        # Codes that a map of this kind made can be met exactly: then they tell more than the guess. How well they are
        # met, next to the usual error and by as many columns as there are beyond the unknowns, says so.
        spare = len(observed) - int(free.sum())
        off = ((self.forward(solved).double() - codes) * importance)[:, observed].square().sum(dim=1).mean()
        surprise = float((off / spare).clamp(SMALLEST_SURPRISE, 1)) if spare > 0 else 1.0
        trust = surprise / self.usual_errors[1].double().clamp(min=SMALLEST_ERROR).square()
        return solve_bounded(self.forward, self.forward.jacobian, codes, **problem, guess=guess, trust=trust)

    def save(self, path: str | Path) -> None:
        """Writes one safetensors file; channels, layout and errors are in its header."""
        tensors = {}
        for side, regression in (("forward", self.forward), ("backward", self.backward)):
            if regression is not None:
                tensors |= {f"{side}.{name}": t.float().contiguous() for name, t in regression.tensors.items()}
        if self.usual_errors is not None:
            tensors |= {"errors.codes": self.usual_errors[0].float(), "errors.weights": self.usual_errors[1].float()}
        header = {
            "channels": ",".join(self.channels),
            "layout": self.layout,
            "forward": self.forward.kind,
            "backward": self.backward.kind if self.backward else "",
            "errors": json.dumps(self.errors),
        }
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, str(path), metadata=header)


def load_face_map(path: str | Path) -> FaceMap:
    """Reads a fitted map (safetensors) or the published matrix (.npy of shape (51, 103)).

    Raises:
        InputError: no such file, or another kind of file.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such face map; fit one with tools/fit_face_map.py, or give the published mat_final.npy"
        )
    if path.suffix == ".npy":
        return _published_matrix(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: no safetensors file of a face map ({error})") from error
    try:
        sides = {}
        for side in ("forward", "backward"):
            own = {name.split(".", 1)[1]: t for name, t in tensors.items() if name.startswith(f"{side}.")}
            if own and header[side] not in KINDS:
                raise KeyError(f"{side} {header[side]!r}")
            sides[side] = Regression(header[side], own) if own else None
        channels, errors = tuple(header["channels"].split(",")), json.loads(header["errors"])
        usual = (tensors["errors.codes"], tensors["errors.weights"]) if "errors.codes" in tensors else None
        return FaceMap(channels, header["layout"], sides["forward"], sides["backward"], usual, errors)
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not a face map of this project ({error}); fit it again") from error


def _published_matrix(path: Path) -> FaceMap:
    try:
        matrix = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: no npy file of numbers ({error})") from error
    if matrix.shape != MATRIX_SHAPE or matrix.dtype.kind != "f" or not np.isfinite(matrix).all():
        raise InputError(
            f"{path}: {matrix.dtype} {matrix.shape}; the published matrix is {MATRIX_SHAPE}: 51 weights in alphabetical "
            "order, 100 expressions and the jaw"
        )
    return FaceMap(ARKIT_51, "flame_103", linear_regression(torch.from_numpy(matrix).double()))


def linear_regression(weight: Tensor) -> Regression:
    """values @ weight, without an offset."""
    num_in, num_out = weight.shape
    zeros, ones = weight.new_zeros(num_in), weight.new_ones(num_in)
    return Regression("linear", {"offset": zeros, "scale": ones, "weight": weight, "bias": weight.new_zeros(num_out)})
