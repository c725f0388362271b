"""A licence-free head in the format of FLAME: an ellipsoid with 400 random smooth blend shapes; no face of anybody.

Shapes: V vertices, F triangles.
"""

import pickle
from pathlib import Path

import numpy as np


def flame_arrays(num_vertices: int = 200, num_faces: int = 120, *, seed: int = 0) -> dict[str, np.ndarray]:
    """The arrays that a FLAME model file holds."""
    generator = np.random.default_rng(seed)
    directions = generator.standard_normal((num_vertices, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    template = directions * [0.08, 0.12, 0.09]  # metres
    centres = np.array([[0, -0.1, 0], [0, -0.08, 0], [0, -0.03, 0.05], [0.03, 0.03, 0.07], [-0.03, 0.03, 0.07]])
    closeness = np.exp(-np.linalg.norm(template[:, None] - centres, axis=2) / 0.03)  # (V, 5)
    corners = np.stack([generator.permutation(num_vertices)[:3] for _ in range(num_faces)])
    return {
        "v_template": template,
        "f": corners.astype(np.uint32),
        "shapedirs": generator.standard_normal((num_vertices, 3, 400)) * 1e-3,
        "posedirs": generator.standard_normal((num_vertices, 3, 36)) * 1e-4,
        "J_regressor": (closeness / closeness.sum(axis=0)).T,
        "kintree_table": np.array([[4294967295, 0, 1, 1, 1], [0, 1, 2, 3, 4]], dtype=np.uint32),
        "weights": closeness / closeness.sum(axis=1, keepdims=True),
    }


def flame_masks(num_vertices: int = 200, *, seed: int = 1) -> dict[str, np.ndarray]:
    """Regions of such a head; like FLAME's, lips hold some vertices twice, and eye_region some of the forehead's."""
    order = np.random.default_rng(seed).permutation(num_vertices)
    lips, forehead = order[:20], order[30:50]
    return {
        "face": order[:120],
        "lips": np.concatenate([lips, lips[:3]]),
        "forehead": forehead,
        "eye_region": np.concatenate([order[50:80], forehead[:6]]),
    }


def landmarks_68(num_faces: int = 120, *, seed: int = 2) -> dict[str, np.ndarray]:
    """The mapping inside DECA's landmark_embedding.npy, as far as it is read."""
    generator = np.random.default_rng(seed)
    return {
        "full_lmk_faces_idx": generator.integers(0, num_faces, (1, 68)),
        "full_lmk_bary_coords": generator.dirichlet(np.ones(3), (1, 68)),
    }


def write_flame_folder(folder: Path) -> Path:
    """A model folder as a user has it: model as pkl, masks as a pickle of Python 2's kind, 68 landmarks as npy."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "generic_model.pkl").write_bytes(pickle.dumps(flame_arrays(), protocol=2))
    (folder / "FLAME_masks.pkl").write_bytes(pickle.dumps(flame_masks(), protocol=0))
    np.save(folder / "landmark_embedding.npy", np.array(landmarks_68(), dtype=object), allow_pickle=True)
    return folder
