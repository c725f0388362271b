"""ARKit weights <-> FLAME codes: by name, bounded, there and back, and the numbers that a fitted map reports."""

import numpy as np
import pytest
import torch

from emage.errors import InputError
from emage.motion.arkit_flame import GAZE, KINDS, FaceMap, linear_regression, load_face_map
from emage.motion.bounded_inverse import solve_bounded
from emage.motion.face_map_fit import _Solver, fit_face_map
from emage.motion.layout import ARKIT_51
from tools.fit_face_map import synthetic_pairs

CHANNELS = tuple(name for name in ARKIT_51 if name not in GAZE)
USED = [ARKIT_51.index(name) for name in CHANNELS]


@pytest.fixture(scope="module")
def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    """Weights of 43 channels and the codes of a bent map of them, with 2 % noise."""
    return synthetic_pairs(6000, seed=1)


@pytest.fixture(scope="module")
def fitted(pairs) -> tuple[FaceMap, torch.Tensor]:
    return fit_face_map(*pairs, "flame_53", kinds=("linear", "quadratic"))


def rmse(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a[:, USED].double() - b[:, USED].double()).square().mean().sqrt())


def matrix_map(seed: int = 0) -> FaceMap:
    """A straight map of all 51 channels to 103 codes, as the published matrix is one."""
    matrix = torch.randn(51, 103, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    matrix[:, 100:] *= 0.02
    return FaceMap(ARKIT_51, "flame_103", linear_regression(matrix))


def some_weights(frames: int = 40, seed: int = 3) -> torch.Tensor:
    weights = torch.rand(frames, 51, generator=torch.Generator().manual_seed(seed))
    weights[:, ::3] = 0
    weights[:, [ARKIT_51.index(name) for name in GAZE]] = 0
    return weights


def test_held_out_pairs_go_to_flame_and_back(pairs, fitted):
    face_map, held_out = fitted
    weights, codes = pairs[0][held_out], pairs[1][held_out]
    mean_rmse = rmse(pairs[0][~held_out].mean(dim=0).expand_as(weights), weights)
    assert mean_rmse > 0.2
    there_and_back = rmse(face_map.to_arkit(face_map.to_flame(weights.float()), "flame_53"), weights)
    assert there_and_back <= 0.05
    assert rmse(face_map.to_arkit(codes, "flame_53"), weights) <= 0.05
    assert face_map.errors["mean_predictor_rmse"] == pytest.approx(mean_rmse, rel=0.05)
    assert face_map.errors["there_and_back_rmse"] == pytest.approx(there_and_back, rel=0.3)
    assert face_map.errors["jaw_open_correlation"] > 0.99


def test_the_held_out_frames_were_not_learned_from(pairs, fitted):
    face_map, held_out = fitted
    spoiled = pairs[1].clone()
    spoiled[held_out] = 7.0
    again, held_out_again = fit_face_map(pairs[0], spoiled, "flame_53", kinds=("linear", "quadratic"))
    assert torch.equal(held_out, held_out_again)
    for name, tensor in face_map.forward.tensors.items():
        assert torch.equal(tensor, again.forward.tensors[name])


def test_whole_recordings_are_held_out(pairs):
    groups = torch.arange(6000) // 300
    _, held_out = fit_face_map(*pairs, "flame_53", groups=groups, kinds=("linear",))
    for number in range(20):
        assert held_out[groups == number].all() or not held_out[groups == number].any()
    assert held_out.sum() == 1200


def test_a_saved_map_says_the_same_and_names_its_channels(tmp_path, fitted, pairs):
    face_map, _ = fitted
    face_map.save(tmp_path / "map.safetensors")
    read = load_face_map(tmp_path / "map.safetensors")
    assert (read.channels, read.layout, read.errors) == (CHANNELS, "flame_53", face_map.errors)
    weights = pairs[0][:50].float()
    torch.testing.assert_close(read.to_flame(weights), face_map.to_flame(weights).float(), atol=2e-4, rtol=1e-4)
    codes = pairs[1][:50]
    torch.testing.assert_close(
        read.to_arkit(codes, "flame_53"), face_map.to_arkit(codes, "flame_53"), atol=2e-3, rtol=0
    )


def test_channels_are_met_by_name_in_whatever_order():
    face_map = matrix_map()
    order = torch.randperm(51, generator=torch.Generator().manual_seed(1)).tolist()
    shuffled = FaceMap(
        tuple(ARKIT_51[k] for k in order), "flame_103", linear_regression(face_map.forward.tensors["weight"][order])
    )
    weights = some_weights()
    torch.testing.assert_close(shuffled.to_flame(weights), face_map.to_flame(weights), atol=1e-9, rtol=0)
    codes = face_map.to_flame(weights)
    torch.testing.assert_close(
        shuffled.to_arkit(codes, "flame_103"), face_map.to_arkit(codes, "flame_103"), atol=1e-4, rtol=0
    )


def test_the_published_matrix_goes_there_and_back_within_its_bounds(tmp_path):
    matrix = matrix_map().forward.tensors["weight"].numpy()
    np.save(tmp_path / "mat_final.npy", matrix)
    face_map = load_face_map(tmp_path / "mat_final.npy")
    weights = some_weights()
    codes = face_map.to_flame(weights)
    np.testing.assert_allclose(codes, weights.double().numpy() @ matrix, atol=1e-12)
    back = face_map.to_arkit(codes, "flame_103")
    assert rmse(back, weights) < 0.01
    # Half of the expressions, as the other corpora have them, still say it; what is not given is not taken as zero.
    from emage.motion.convert_face import convert_face

    assert rmse(face_map.to_arkit(convert_face(codes, "flame_103", "flame_53"), "flame_53"), weights) < 0.05


def test_the_bounded_solution_is_scipys():
    from scipy.optimize import lsq_linear

    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(12, 20, generator=generator, dtype=torch.float64)
    wanted = 3 * torch.randn(6, 20, generator=generator, dtype=torch.float64)  # out of reach: many bounds are active
    regression = linear_regression(matrix)
    made = solve_bounded(
        regression,
        regression.jacobian,
        wanted,
        importance=torch.ones(20, dtype=torch.float64),
        observed=torch.arange(20),
        free=torch.ones(12, dtype=torch.bool),
    )
    for row, target in zip(made.numpy(), wanted.numpy(), strict=True):
        expected = lsq_linear(matrix.T.numpy(), target, bounds=(0, 1), tol=1e-12).x
        np.testing.assert_allclose(row, expected, atol=2e-3)


def test_gaze_and_unknown_channels_are_zero_and_all_is_within_bounds(fitted):
    face_map, _ = fitted
    wild = 30 * torch.randn(20, 53, generator=torch.Generator().manual_seed(0))
    weights = face_map.to_arkit(wild, "flame_53")
    assert weights.isfinite().all()
    assert weights.min() >= 0
    assert weights.max() <= 1
    assert not weights[:, [ARKIT_51.index(name) for name in GAZE]].any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_derivative_of_each_kind_is_that_of_autograd(kind):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(200, n, generator=generator, dtype=torch.float64) for n in (6, 4))
    regression = _Solver(x, y, kind).solve(1e-3)
    rows = x[:5].clone()
    expected = torch.stack([torch.autograd.functional.jacobian(lambda r: regression(r[None])[0], row) for row in rows])
    torch.testing.assert_close(regression.jacobian(rows), expected, atol=1e-10, rtol=0)


def test_a_kind_is_chosen_by_frames_it_was_not_fitted_on():
    draw = torch.Generator().manual_seed(0)
    weights = torch.rand(2000, 51, generator=draw, dtype=torch.float64)
    mixed = torch.randn(51, 53, generator=draw, dtype=torch.float64)
    noise = 0.05 * torch.randn(2000, 53, generator=draw, dtype=torch.float64)
    for bend, kind in ((0.0, "linear"), (1.0, "squares")):
        codes = (weights + 2 * bend * weights.square()) @ mixed + noise
        assert fit_face_map(weights, codes, "flame_53", kinds=KINDS)[0].forward.kind == kind


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (np.zeros((103, 51)), "the published matrix is (51, 103)"),
        (np.full((51, 103), np.nan), "the published matrix is"),
        (np.array([object()] * 3), "no npy file of numbers"),
    ],
)
def test_another_matrix_is_refused(tmp_path, content, reason):
    np.save(tmp_path / "m.npy", content, allow_pickle=True)
    with pytest.raises(InputError) as error:
        load_face_map(tmp_path / "m.npy")
    assert reason in str(error.value)


def test_what_is_no_map_is_said(tmp_path, pairs):
    (tmp_path / "x.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InputError, match="no safetensors file of a face map"):
        load_face_map(tmp_path / "x.safetensors")
    with pytest.raises(InputError, match=r"no such face map; fit one with tools/fit_face_map\.py"):
        load_face_map(tmp_path / "nothing.safetensors")
    with pytest.raises(InputError, match="50 frames; at least 100"):
        fit_face_map(pairs[0][:50], pairs[1][:50], "flame_53")
    with pytest.raises(InputError, match="choose bounded, or fitted or refined for a fitted map"):
        matrix_map().to_arkit(torch.zeros(2, 103), "flame_103", method="fitted")
