"""The FLAME model against the smplx package, on a synthetic head (no licensed file)."""

import pickle
import sys
import types

import numpy as np
import pytest
import torch
from scipy import sparse
from synthetic_flame import flame_arrays, flame_masks, landmarks_68, write_flame_folder

from emage.errors import InputError
from emage.motion.flame import load_flame, read_flame_masks


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_flame_folder(tmp_path_factory.mktemp("flame"))


def codes(frames: int = 6, *, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.concatenate(
        [generator.standard_normal((frames, 50)), 0.3 * generator.standard_normal((frames, 9))], axis=1
    )


def test_vertices_and_landmarks_equal_those_of_smplx(folder, tmp_path):
    import smplx

    arrays = flame_arrays()
    (tmp_path / "FLAME_NEUTRAL.pkl").write_bytes(pickle.dumps(arrays))
    triangles = np.random.default_rng(5).integers(0, len(arrays["f"]), 51)
    weights = np.random.default_rng(6).dirichlet(np.ones(3), 51)
    embedding = {"lmk_face_idx": triangles, "lmk_b_coords": weights}
    (tmp_path / "flame_static_embedding.pkl").write_bytes(pickle.dumps(embedding))
    values, shape = torch.as_tensor(codes()).float(), torch.randn(100, generator=torch.Generator().manual_seed(0))
    frames = len(values)
    network = smplx.FLAME(
        str(tmp_path), num_betas=100, num_expression_coeffs=50, ext="pkl", batch_size=frames, use_face_contour=False
    )
    output = network(
        betas=shape.expand(frames, -1),
        expression=values[:, :50],
        global_orient=values[:, 50:53],
        neck_pose=values[:, 53:56],
        jaw_pose=values[:, 56:59],
    )
    model = load_flame(tmp_path)
    vertices = model.vertices(values, shape_code=shape.numpy())
    assert torch.allclose(vertices, output.vertices, atol=1e-6)
    assert torch.allclose(model.landmarks.points(vertices), output.joints[:, 5:], atol=1e-6)
    still = model.vertices(values, shape_code=shape.numpy(), with_head_pose=False)
    values[:, 50:56] = 0
    assert torch.allclose(still, model.vertices(values, shape_code=shape.numpy()), atol=1e-7)


def test_zero_codes_give_the_template_and_long_motions_are_their_frames(folder):
    model = load_flame(folder)
    assert torch.allclose(model.vertices(np.zeros((1, 59)))[0], model.template, atol=1e-7)
    motion = codes(150)
    assert torch.allclose(model.vertices(motion)[140:], model.vertices(motion[140:]), atol=1e-6)


def test_expression_moves_the_face_linearly_and_the_head_turns_rigidly(folder):
    model = load_flame(folder)
    motion = np.zeros((3, 59))
    motion[1, 7], motion[2, 7] = 1, 2
    first, second = (model.vertices(motion)[k] - model.template for k in (1, 2))
    assert torch.allclose(2 * first, second, atol=1e-6)
    motion = np.zeros((2, 59))
    motion[1, 50:53] = [0.2, -0.4, 0.1]
    still, turned = model.vertices(motion)
    assert torch.allclose(torch.pdist(still), torch.pdist(turned), atol=1e-3)


def test_landmarks_of_decas_embedding(folder):
    model = load_flame(folder)
    points = model.landmarks.points(model.vertices(codes(2)))
    assert points.shape == (2, 68, 3)
    embedding, vertices = landmarks_68(), model.vertices(codes(2))
    corner = vertices[1, model.faces[embedding["full_lmk_faces_idx"][0, 9]]]  # (3, 3)
    expected = torch.as_tensor(embedding["full_lmk_bary_coords"][0, 9]).float() @ corner
    assert torch.allclose(points[1, 9], expected, atol=1e-6)


def test_decas_file_is_read_though_it_holds_tensors(folder, tmp_path):
    (tmp_path / "generic_model.pkl").write_bytes(pickle.dumps(flame_arrays()))
    node = {**landmarks_68(), "dynamic_lmk_faces_idx": torch.arange(5), "static": [torch.ones(2)]}
    np.save(tmp_path / "landmark_embedding.npy", np.array(node, dtype=object), allow_pickle=True)
    assert len(load_flame(tmp_path).landmarks.weights) == 68


def test_old_models_of_chumpy_and_sparse_arrays_are_read_without_chumpy(folder, tmp_path, monkeypatch):
    arrays = flame_arrays()
    module = types.ModuleType("chumpy.ch")
    module.Ch = type("Ch", (), {"__module__": "chumpy.ch", "__qualname__": "Ch"})
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
        patch.setitem(sys.modules, "chumpy.ch", module)
        old = module.Ch()
        old.x = arrays["shapedirs"]
        content = pickle.dumps({**arrays, "shapedirs": old, "J_regressor": sparse.csc_matrix(arrays["J_regressor"])}, 2)
    (tmp_path / "generic_model.pkl").write_bytes(content)
    old_model, model = load_flame(tmp_path), load_flame(folder)
    assert "chumpy" not in sys.modules
    assert torch.equal(old_model.vertices(codes()), model.vertices(codes()))
    assert old_model.landmarks is None


def test_npz_models_and_model_files_are_read(folder, tmp_path):
    np.savez(tmp_path / "FLAME_NEUTRAL.npz", **flame_arrays())
    for path in (tmp_path, tmp_path / "FLAME_NEUTRAL.npz"):
        assert torch.equal(load_flame(path).vertices(codes()), load_flame(folder).vertices(codes()))


def test_masks_keep_their_order_and_their_repeats(folder, tmp_path):
    found = read_flame_masks(folder)
    assert {name: indices.tolist() for name, indices in found.items()} == {
        name: indices.tolist() for name, indices in flame_masks().items()
    }
    assert read_flame_masks(tmp_path) is None
    (tmp_path / "FLAME_masks.pkl").write_bytes(pickle.dumps({"lips": np.array([0.5])}))
    with pytest.raises(InputError, match="lips is no list of vertex indices"):
        read_flame_masks(tmp_path)
    for wrong, message in (([[1], [2, 3]], "no list of vertex indices"), (np.array([-1]), "names vertex -1")):
        (tmp_path / "FLAME_masks.pkl").write_bytes(pickle.dumps({"lips": wrong}))
        with pytest.raises(InputError, match=message):
            read_flame_masks(tmp_path)
    with pytest.raises(InputError, match=r"names vertex 19\d of a model of 100"):
        read_flame_masks(folder, 100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": None}, "no weights; it is no FLAME model"),
        ({"shapedirs": np.zeros((200, 3, 150))}, "shapedirs has 150 columns; 350 are needed"),
        ({"posedirs": np.zeros((200, 3, 9))}, r"posedirs is \(200, 3, 9\); expected \(200, 3, 36\)"),
        ({"f": np.full((3, 3), 200)}, "f holds 200; expected 0 to 199"),
        ({"v_template": [[1, 2], [3]]}, "v_template is .*; expected"),
    ],
)
def test_a_file_that_is_no_flame_model_is_named(tmp_path, change, message):
    arrays = {name: value for name, value in (flame_arrays() | change).items() if value is not None}
    (tmp_path / "generic_model.pkl").write_bytes(pickle.dumps(arrays))
    with pytest.raises(InputError, match=f"generic_model.pkl: {message}"):
        load_flame(tmp_path)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(InputError, match="no FLAME model in it; expected one of FLAME_NEUTRAL.npz"):
        load_flame(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        load_flame(tmp_path / "none")
    (tmp_path / "generic_model.pkl").write_bytes(pickle.dumps(flame_arrays()))
    (tmp_path / "landmark_embedding.npy").write_bytes(b"no npy")
    with pytest.raises(InputError, match="landmark_embedding.npy: no npy file"):
        load_flame(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lmk_face_idx": np.array([-1, 2])}, "does not name triangles"),
        ({"lmk_face_idx": np.array([120, 2])}, "does not name triangles"),
        ({"lmk_face_idx": np.array([0.5, 2])}, "does not name triangles"),
        ({"lmk_b_coords": np.full((2, 3), np.nan)}, "no finite numbers"),
        ({"lmk_b_coords": np.full((2, 3), 1e300)}, "no finite numbers"),
        ({"lmk_b_coords": np.ones((2, 2))}, "three weights each"),
        ({"lmk_b_coords": [[1, 2, 3], [1]]}, "three weights each"),
        ({"lmk_b_coords": np.array([["a", "b", "c"]] * 2).tolist()}, "no finite numbers"),
    ],
)
def test_landmarks_that_do_not_fit_the_model_are_named(tmp_path, change, message):
    (tmp_path / "generic_model.pkl").write_bytes(pickle.dumps(flame_arrays()))
    embedding = {"lmk_face_idx": np.array([1, 2]), "lmk_b_coords": np.full((2, 3), 1 / 3)} | change
    (tmp_path / "flame_static_embedding.pkl").write_bytes(pickle.dumps(embedding))
    with pytest.raises(InputError, match=f"flame_static_embedding.pkl: .*{message}"):
        load_flame(tmp_path)
