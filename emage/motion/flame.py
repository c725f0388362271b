"""The FLAME head model: codes -> vertices and 3D landmarks. The user brings the licensed files; none are shipped.

A model folder holds `generic_model.pkl` or `FLAME_NEUTRAL.pkl` / `.npz` (FLAME 2020: 100 expressions), and beside it,
where they are wanted, `FLAME_masks.pkl` (vertices of lips, face, forehead ...) and an embedding of landmarks:
`landmark_embedding.npy` (DECA's: the 68 points of the SingingHead metrics) or `flame_static_embedding.pkl` (51,
without the jaw line). All of them are pickles in one dress or another and are read through an allow-list; the old ones
hold chumpy and scipy objects, of which only the numbers are taken. `tools/make_flame_model.py` writes a licence-free
head in the same format, as npz. The skinning itself is that of the `smplx` package.

Shapes: T frames, V vertices, P landmarks, D columns.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.array_pickle import parse_array_pickle, read_array_pickle
from emage.motion.convert_face import split_face
from emage.motion.flame_arrays import MAX_MODEL_BYTES, MAX_VALUE, model_array, model_indices, read_model_npz
from emage.motion.flame_file import FLAME_59_PARTS

MODEL_FILES = ("FLAME_NEUTRAL.npz", "FLAME_NEUTRAL.pkl", "generic_model.npz", "generic_model.pkl")
MASK_FILE, MASK_NPZ = "FLAME_masks.pkl", "FLAME_masks.npz"
LANDMARKS_68_FILE, LANDMARKS_51_FILE = "landmark_embedding.npy", "flame_static_embedding.pkl"
LANDMARKS_NPZ = "landmark_embedding.npz"  # ours: lmk_face_idx (P,), lmk_b_coords (P, 3)
NUM_SHAPE_COLUMNS = 300  # of shapedirs; the expressions follow them
NUM_JOINTS = 5  # global, neck, jaw, left eye, right eye
CHUNK_FRAMES = 128  # 128 x 5023 vertices: some 8 MB, and the blend weights of 128 frames some 10 times that
_FOREIGN = ("chumpy", "scipy")
_MODEL_ARRAYS = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "kintree_table", "weights")


@dataclass(frozen=True, eq=False)
class LandmarkEmbedding:
    """Points on triangles.

    Attributes:
        vertices: (P, 3) int64, the corners of the triangle of each point.
        weights: (P, 3) float32 barycentric.
    """

    vertices: Tensor
    weights: Tensor

    def points(self, vertices: Tensor) -> Tensor:
        """(T, V, 3) -> (T, P, 3)."""
        return torch.einsum("tpci,pc->tpi", vertices[:, self.vertices], self.weights)


@dataclass(frozen=True, eq=False)
class FlameModel:
    """FLAME's arrays.

    Attributes:
        path: the file they are from.
        template: (V, 3) metres.
        faces: (F, 3) int64.
        blend_shapes: (V, 3, 400) float32, identity then expression.
        pose_blend_shapes: (36, V * 3).
        joint_regressor: (5, V).
        parents: (5,) int64, the root's is -1.
        skin_weights: (V, 5).
        landmarks: where the 68 or 51 points lie, or None.
    """

    path: Path
    template: Tensor
    faces: Tensor
    blend_shapes: Tensor
    pose_blend_shapes: Tensor
    joint_regressor: Tensor
    parents: Tensor
    skin_weights: Tensor
    landmarks: LandmarkEmbedding | None

    @property
    def num_vertices(self) -> int:
        """V."""
        return len(self.template)

    def vertices(
        self,
        values: np.ndarray | Tensor,
        *,
        layout: str = "flame_59",
        shape_code: np.ndarray | None = None,
        with_head_pose: bool = True,
    ) -> Tensor:
        """Vertices of a face in motion.

        Args:
            values: (T, D) codes.
            layout: of the codes: flame_59, emoca_56, flame_53 or flame_103.
            shape_code: (C,) identity, C <= 300; None: the average person.
            with_head_pose: False leaves the rotations of global and neck at zero, for the face alone.

        Returns:
            (T, V, 3) float32 metres.

        Raises:
            InputError: codes of another width, or more expressions than the model has.
        """
        from smplx.lbs import lbs  # non-commercial licence: loaded where a model is used

        values = torch.as_tensor(np.asarray(values, dtype=np.float32))
        identity = torch.zeros(NUM_SHAPE_COLUMNS)
        if shape_code is not None:
            code = torch.as_tensor(np.asarray(shape_code, dtype=np.float32))[:NUM_SHAPE_COLUMNS]
            identity[: len(code)] = code
        person = self.template + self.blend_shapes[..., :NUM_SHAPE_COLUMNS] @ identity  # (V, 3)
        codes = split_face(values, layout)
        num_expression = codes["expression"].shape[-1]
        if NUM_SHAPE_COLUMNS + num_expression > self.blend_shapes.shape[-1]:
            held = self.blend_shapes.shape[-1] - NUM_SHAPE_COLUMNS
            raise InputError(f"{self.path}: it has {held} expressions; {layout} needs {num_expression}")
        expressions = self.blend_shapes[..., NUM_SHAPE_COLUMNS : NUM_SHAPE_COLUMNS + num_expression]
        rest = values.new_zeros(len(values), 3)
        head = [codes.get(name, rest) if with_head_pose else rest for name in ("global", "neck")]
        poses = torch.cat([*head, codes["jaw"], rest, rest], dim=1)  # (T, 15); the eyes look ahead
        chunks = []
        with torch.no_grad():
            for part, pose in zip(codes["expression"].split(CHUNK_FRAMES), poses.split(CHUNK_FRAMES), strict=True):
                vertices, _ = lbs(
                    part,
                    pose,
                    person.expand(len(part), -1, -1),
                    expressions,
                    self.pose_blend_shapes,
                    self.joint_regressor,
                    self.parents,
                    self.skin_weights,
                )
                chunks.append(vertices)
        return torch.cat(chunks)  # (T, V, 3)


def load_flame(folder: str | Path) -> FlameModel:
    """Loads the FLAME model of a folder (or the model file itself).

    Raises:
        InputError: no such folder, no model in it, or arrays that are not FLAME's.
    """
    path = _model_file(Path(folder))
    if path.suffix == ".npz":
        node = read_model_npz(path, _MODEL_ARRAYS)
    else:
        node = read_array_pickle(path, foreign=_FOREIGN, max_bytes=MAX_MODEL_BYTES)
    if not isinstance(node, dict):
        raise InputError(f"{path}: holds a {type(node).__name__}; expected the mapping of a FLAME model")
    template = model_array(node, "v_template", (None, 3), path)
    num_vertices = len(template)
    blend_shapes = model_array(node, "shapedirs", (num_vertices, 3, None), path)
    least = NUM_SHAPE_COLUMNS + FLAME_59_PARTS["expression"]
    if blend_shapes.shape[2] < least:
        raise InputError(
            f"{path}: shapedirs has {blend_shapes.shape[2]} columns; {least} are needed (FLAME 2020 has 400: 300 of"
            " identity, 100 of expression)"
        )
    pose_blend_shapes = model_array(node, "posedirs", (num_vertices, 3, (NUM_JOINTS - 1) * 9), path)
    faces = model_indices(node, "f", (None, 3), path, limit=num_vertices)
    if len(faces) == 0:
        raise InputError(f"{path}: f names no triangle")
    faces = torch.from_numpy(faces)
    return FlameModel(
        path=path,
        template=_tensor(template),
        faces=faces,
        blend_shapes=_tensor(blend_shapes),
        pose_blend_shapes=_tensor(pose_blend_shapes).reshape(num_vertices * 3, -1).T.contiguous(),
        joint_regressor=_tensor(model_array(node, "J_regressor", (NUM_JOINTS, num_vertices), path)),
        parents=_parents(node, path),
        skin_weights=_tensor(model_array(node, "weights", (num_vertices, NUM_JOINTS), path)),
        landmarks=_landmarks(path.parent, faces),
    )


def read_flame_masks(folder: str | Path, num_vertices: int | None = None) -> dict[str, np.ndarray] | None:
    """Vertex indices by region (lips, face, forehead, eye_region ...) from FLAME_masks.pkl (or our .npz), or None.

    Args:
        folder: of the model, or the model file itself.
        num_vertices: of the model; a mask that names another vertex is an error.

    Raises:
        InputError: the file is damaged or holds anything but whole numbers from 0 on.
    """
    folder = Path(folder)
    folder = folder if folder.is_dir() else folder.parent
    path = next((folder / name for name in (MASK_FILE, MASK_NPZ) if (folder / name).is_file()), None)
    if path is None:
        return None
    node = read_model_npz(path) if path.suffix == ".npz" else read_array_pickle(path)
    masks = {}
    for name, indices in node.items() if isinstance(node, dict) else ():
        masks[str(name)] = _mask(indices, name, num_vertices, path)
    if not masks:
        raise InputError(f"{path}: holds no masks")
    return masks


def _mask(indices: Any, name: str, num_vertices: int | None, path: Path) -> np.ndarray:
    try:
        indices = np.asarray(indices)
    except (TypeError, ValueError) as error:  # e.g. lists of unequal length
        raise InputError(f"{path}: {name} is no list of vertex indices ({error})") from error
    if indices.ndim != 1 or indices.dtype.kind not in "iu" or not len(indices):
        raise InputError(f"{path}: {name} is no list of vertex indices: {indices.dtype} {indices.shape}")
    limit = np.iinfo(np.int64).max if num_vertices is None else num_vertices
    if int(indices.min()) < 0 or int(indices.max()) >= limit:
        wrong = int(indices.min()) if int(indices.min()) < 0 else int(indices.max())
        has = "" if num_vertices is None else f" of a model of {num_vertices}"
        raise InputError(f"{path}: {name} names vertex {wrong}{has}")
    return indices.astype(np.int64)


def _parents(node: dict[str, Any], path: Path) -> Tensor:
    """The parent of each joint, (5,) int64; every joint stands behind its parent."""
    parents = model_indices(node, "kintree_table", (2, NUM_JOINTS), path)[0]
    parents[0] = -1  # stored as the largest unsigned number
    for joint, parent in enumerate(parents[1:].tolist(), 1):
        if not 0 <= parent < joint:
            raise InputError(f"{path}: kintree_table names joint {parent} as the parent of joint {joint}")
    return torch.from_numpy(parents)


def _model_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; give the folder of the licensed FLAME model")
    for name in MODEL_FILES:
        if (path / name).is_file():
            return path / name
    raise InputError(f"{path}: no FLAME model in it; expected one of {', '.join(MODEL_FILES)}")


def _landmarks(folder: Path, faces: Tensor) -> LandmarkEmbedding | None:
    """The 68 points if their file is there, else the 51, else none."""
    names = (LANDMARKS_68_FILE, LANDMARKS_NPZ, LANDMARKS_51_FILE)
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        return None
    keys = ("lmk_face_idx", "lmk_b_coords")
    if path.name == LANDMARKS_68_FILE:
        node, keys = _object_npy(path), ("full_lmk_faces_idx", "full_lmk_bary_coords")
    else:
        node = read_model_npz(path) if path.suffix == ".npz" else read_array_pickle(path, foreign=_FOREIGN)
    if not isinstance(node, dict) or any(key not in node for key in keys):
        raise InputError(f"{path}: expected a mapping with {' and '.join(keys)}")
    try:
        triangles, weights = np.asarray(node[keys[0]]).reshape(-1), np.asarray(node[keys[1]]).reshape(-1, 3)
    except (TypeError, ValueError) as error:  # lists of unequal length, or no three weights a point
        raise InputError(
            f"{path}: {keys[0]} and {keys[1]} are no triangles with three weights each ({error})"
        ) from error
    known = triangles.dtype.kind in "iu" and len(triangles) == len(weights)
    if not known or (len(triangles) and not 0 <= int(triangles.min()) <= int(triangles.max()) < len(faces)):
        raise InputError(f"{path}: {keys[0]} does not name triangles of this model ({len(faces)})")
    if weights.dtype.kind not in "iuf" or not (np.abs(weights) <= MAX_VALUE).all():
        raise InputError(f"{path}: {keys[1]} holds weights that are no finite numbers")
    return LandmarkEmbedding(faces[torch.from_numpy(triangles.astype(np.int64))], _tensor(weights))


def _object_npy(path: Path) -> Any:
    """The object in a .npy file of numpy's `save` of a mapping, through the allow-list; torch's tensors stay shut."""
    with open(path, "rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[version[0]]
            read_header(file)
        except Exception as error:  # the header is Python text: tokenizer and parser have exceptions of their own
            raise InputError(f"{path}: no npy file ({' '.join(str(error).split())})") from error
        return parse_array_pickle(file.read(), path, foreign=("torch",))


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32, order="C"))
