"""The licence-free head in FLAME's format: its sizes are FLAME's, it loads as FLAME does, and what should move moves."""

import pickle

import numpy as np
import pytest
import torch

from dataloaders.corpora.synthetic_flame import MAPPED_CHANNELS, arkit_to_codes
from emage.motion.flame import load_flame, read_flame_masks
from emage.motion.layout import ARKIT_51
from emage.motion.synthetic_head import synthetic_head
from tools import make_flame_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("flame")
    assert make_flame_model.main(["--out", str(out)]) == 0
    return out


def codes_of(**weights: float) -> np.ndarray:
    """(1, 53) codes of a face with some ARKit weights, in flame_53."""
    row = np.zeros((1, 51))
    for name, value in weights.items():
        row[0, ARKIT_51.index(name)] = value
    return np.concatenate(arkit_to_codes(row), axis=1)


def lip_gap_mm(vertices: torch.Tensor, model) -> float:
    """Height between the inner lips (68-point numbers 62 and 66)."""
    points = model.landmarks.points(vertices)[0]
    return 1000 * float(points[62, 1] - points[66, 1])


def test_it_has_the_sizes_of_flame_and_is_one_head(folder):
    model = load_flame(folder)
    assert model.num_vertices == 5023
    assert model.faces.shape == (9976, 3)
    assert model.blend_shapes.shape == (5023, 3, 400)
    torch.testing.assert_close(model.joint_regressor.sum(dim=1), torch.ones(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(model.skin_weights.sum(dim=1), torch.ones(5023), atol=1e-5, rtol=0)
    head = synthetic_head()
    torch.testing.assert_close(
        model.joint_regressor @ model.template, torch.tensor(head.joints).float(), atol=1e-5, rtol=0
    )
    assert set(np.unique(head.faces)) == set(range(5023))
    for rows in read_flame_masks(folder).values():
        assert len(rows) > 50
        assert rows.max() < 5023


def test_the_smplx_package_reads_it_as_flame_and_agrees(folder, tmp_path):
    import smplx

    with np.load(folder / "FLAME_NEUTRAL.npz") as archive:
        np.savez(tmp_path / "FLAME_NEUTRAL.npz", **archive)
    with np.load(folder / "landmark_embedding.npz") as archive:
        (tmp_path / "flame_static_embedding.pkl").write_bytes(pickle.dumps(dict(archive)))
    values = torch.zeros(2, 103)
    values[1] = 0.3 * torch.randn(103, generator=torch.Generator().manual_seed(0))
    options = {"num_betas": 10, "num_expression_coeffs": 100, "batch_size": 2, "use_face_contour": False}
    output = smplx.FLAME(str(tmp_path), ext="npz", **options)(expression=values[:, :100], jaw_pose=values[:, 100:])
    model = load_flame(folder)
    vertices = model.vertices(values, layout="flame_103")
    torch.testing.assert_close(vertices, output.vertices, atol=1e-6, rtol=0)
    torch.testing.assert_close(model.landmarks.points(vertices), output.joints[:, 5:], atol=1e-5, rtol=0)


def test_the_mouth_opens_with_the_jaw_and_closes_with_the_lips(folder):
    model = load_flame(folder)
    gaps = [
        lip_gap_mm(model.vertices(codes_of(**weights), layout="flame_53"), model)
        for weights in ({}, {"jawOpen": 0.3}, {"jawOpen": 0.9})
    ]
    assert abs(gaps[0]) < 0.5
    assert 2 < gaps[1] < gaps[2] < 40


@pytest.mark.parametrize("name", [name for name in MAPPED_CHANNELS if name != "jawOpen"])
def test_codes_of_a_small_weight_move_the_head_as_its_shape_says(folder, name):
    model, head = load_flame(folder), synthetic_head()
    codes = codes_of(**{name: 0.1})
    codes[:, 50:] = 0  # without the jaw's turn
    moved = (model.vertices(codes, layout="flame_53")[0] - model.template).numpy()
    expected = 0.1 * head.shapes[name]
    assert np.abs(moved - expected).max() < 0.35 * np.abs(expected).max()


def test_the_head_is_mirrored(folder):
    head = synthetic_head()
    mirror = head.shapes["mouthSmileLeft"] * [-1, 1, 1]
    order = np.lexsort(np.round(head.template * [-1, 1, 1], 6).T)
    own = np.lexsort(np.round(head.template, 6).T)
    np.testing.assert_allclose(mirror[order], head.shapes["mouthSmileRight"][own], atol=1e-6)
