"""The FLAME head model: codes -> vertices and 3D landmarks. The user brings the licensed files; none are shipped.

A model folder holds `generic_model.pkl` or `FLAME_NEUTRAL.pkl` / `.npz` (FLAME 2020: 100 expressions), and beside it,
where they are wanted, `FLAME_masks.pkl` (vertices of lips, face, forehead ...) and an embedding of landmarks:
`landmark_embedding.npy` (DECA's: the 68 points of the SingingHead metrics) or `flame_static_embedding.pkl` (51,
without the jaw line). All of them are pickles in one dress or another and are read through an allow-list; the old ones
hold chumpy and scipy objects, of which only the numbers are taken. `tools/make_flame_model.py` writes a licence-free
head in the same format, as npz. The skinning itself is that of the `smplx` package.

Shapes: T frames, V vertices, P landmarks, D columns.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.array_pickle import ForeignObject, parse_array_pickle, read_array_pickle
from emage.motion.convert_face import split_face
from emage.motion.flame_file import FLAME_59_PARTS

MODEL_FILES = ("FLAME_NEUTRAL.npz", "FLAME_NEUTRAL.pkl", "generic_model.npz", "generic_model.pkl")
MASK_FILE, MASK_NPZ = "FLAME_masks.pkl", "FLAME_masks.npz"
LANDMARKS_68_FILE, LANDMARKS_51_FILE = "landmark_embedding.npy", "flame_static_embedding.pkl"
LANDMARKS_NPZ = "landmark_embedding.npz"  # ours: lmk_face_idx (P,), lmk_b_coords (P, 3)
NUM_SHAPE_COLUMNS = 300  # of shapedirs; the expressions follow them
NUM_JOINTS = 5  # global, neck, jaw, left eye, right eye
MAX_MODEL_BYTES = 512 * 2**20
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
        node = _read_npz(path, _MODEL_ARRAYS)
    else:
        node = read_array_pickle(path, foreign=_FOREIGN, max_bytes=MAX_MODEL_BYTES)
    if not isinstance(node, dict):
        raise InputError(f"{path}: holds a {type(node).__name__}; expected the mapping of a FLAME model")
    template = _array(node, "v_template", (None, 3), path)
    num_vertices = len(template)
    blend_shapes = _array(node, "shapedirs", (num_vertices, 3, None), path)
    least = NUM_SHAPE_COLUMNS + FLAME_59_PARTS["expression"]
    if blend_shapes.shape[2] < least:
        raise InputError(
            f"{path}: shapedirs has {blend_shapes.shape[2]} columns; {least} are needed (FLAME 2020 has 400: 300 of"
            " identity, 100 of expression)"
        )
    pose_blend_shapes = _array(node, "posedirs", (num_vertices, 3, (NUM_JOINTS - 1) * 9), path)
    parents = _array(node, "kintree_table", (2, NUM_JOINTS), path)[0].astype(np.int64)
    parents[0] = -1  # stored as the largest unsigned number
    faces = torch.from_numpy(_array(node, "f", (None, 3), path).astype(np.int64))
    if len(faces) == 0 or faces.min() < 0 or faces.max() >= num_vertices:
        raise InputError(f"{path}: f names a vertex that is not among the {num_vertices}")
    return FlameModel(
        path=path,
        template=_tensor(template),
        faces=faces,
        blend_shapes=_tensor(blend_shapes),
        pose_blend_shapes=_tensor(pose_blend_shapes).reshape(num_vertices * 3, -1).T.contiguous(),
        joint_regressor=_tensor(_array(node, "J_regressor", (NUM_JOINTS, num_vertices), path)),
        parents=torch.from_numpy(parents),
        skin_weights=_tensor(_array(node, "weights", (num_vertices, NUM_JOINTS), path)),
        landmarks=_landmarks(path.parent, faces),
    )


def read_flame_masks(folder: str | Path) -> dict[str, np.ndarray] | None:
    """Vertex indices by region (lips, face, forehead, eye_region ...) from FLAME_masks.pkl (or our .npz), or None.

    Raises:
        InputError: the file is damaged or holds anything but whole numbers.
    """
    folder = Path(folder)
    folder = folder if folder.is_dir() else folder.parent
    path = next((folder / name for name in (MASK_FILE, MASK_NPZ) if (folder / name).is_file()), None)
    if path is None:
        return None
    node = _read_npz(path) if path.suffix == ".npz" else read_array_pickle(path)
    masks = {}
    for name, indices in node.items() if isinstance(node, dict) else ():
        indices = np.asarray(indices)
        if indices.ndim != 1 or indices.dtype.kind not in "iu" or not len(indices):
            raise InputError(f"{path}: {name} is no list of vertex indices: {indices.dtype} {indices.shape}")
        masks[str(name)] = indices.astype(np.int64)
    if not masks:
        raise InputError(f"{path}: holds no masks")
    return masks


def _model_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; give the folder of the licensed FLAME model")
    for name in MODEL_FILES:
        if (path / name).is_file():
            return path / name
    raise InputError(f"{path}: no FLAME model in it; expected one of {', '.join(MODEL_FILES)}")


def _read_npz(path: Path, wanted: Iterable[str] | None = None) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files if wanted is None else [name for name in wanted if name in archive.files]
            return {name: archive[name] for name in names}
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as npz of arrays ({error})") from error


def _array(node: dict[str, Any], name: str, shape: tuple[int | None, ...], path: Path) -> np.ndarray:
    """A named array of the model with its shape checked; None fits any length."""
    if name not in node:
        raise InputError(f"{path}: no {name}; it is no FLAME model")
    value = node[name]
    if isinstance(value, ForeignObject):
        value = _foreign_numbers(value, name, path)
    try:
        value = np.asarray(value)
        numbers = value.dtype.kind in "iuf"
    except ValueError:
        numbers = False
    fits = numbers and value.ndim == len(shape)
    if not fits or any(want not in (None, have) for want, have in zip(shape, value.shape, strict=True)):
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise InputError(f"{path}: {name} is {getattr(value, 'shape', type(value))}; expected ({wanted})")
    return value


def _foreign_numbers(value: ForeignObject, name: str, path: Path) -> np.ndarray:
    """A chumpy array, or a compressed sparse matrix, as the dense array it stood for."""
    state = value.state if isinstance(value.state, dict) else {}
    if "x" in state:
        return np.asarray(state["x"])
    shape = state.get("_shape", state.get("shape"))
    if shape is None or not {"data", "indices", "indptr"} <= set(state):
        raise InputError(f"{path}: {name} is a {value.type_name}, which is not understood; store it as a plain array")
    from scipy import sparse

    by_column = "csc" in value.type_name
    make = sparse.csc_matrix if by_column else sparse.csr_matrix
    try:
        return make((state["data"], state["indices"], state["indptr"]), shape=tuple(shape)).toarray()
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {name} is a damaged sparse matrix ({error})") from error


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
        node = _read_npz(path) if path.suffix == ".npz" else read_array_pickle(path, foreign=_FOREIGN)
    if not isinstance(node, dict) or any(key not in node for key in keys):
        raise InputError(f"{path}: expected a mapping with {' and '.join(keys)}")
    triangles, weights = (np.asarray(node[key]) for key in keys)
    triangles, weights = triangles.reshape(-1), weights.reshape(-1, 3)
    if triangles.dtype.kind not in "iu" or len(triangles) != len(weights) or triangles.max(initial=0) >= len(faces):
        raise InputError(f"{path}: {keys[0]} does not name triangles of this model ({len(faces)})")
    return LandmarkEmbedding(faces[torch.from_numpy(triangles.astype(np.int64))], _tensor(weights))


def _object_npy(path: Path) -> Any:
    """The object in a .npy file of numpy's `save` of a mapping, through the allow-list; torch's tensors stay shut."""
    with open(path, "rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[version[0]]
            read_header(file)
        except (ValueError, KeyError) as error:
            raise InputError(f"{path}: no npy file ({error})") from error
        return parse_array_pickle(file.read(), path, foreign=("torch",))


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32, order="C"))
