"""Makes a licence-free head in FLAME's format (5023 vertices, 9976 triangles, 300 + 100 blend shapes), for tests and pictures.

It is nobody's face (emage/motion/synthetic_head.py). Its first 50 expressions undo the made-up map of the synthetic
corpora (tools/make_corpus.py --layout emoca), so that their codes move the mouth as the phones did; FLAME's own
coefficients mean something else, and move it in some way or other.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from dataloaders.corpora.synthetic_flame import MAPPED_CHANNELS, straight_map
from emage.errors import InputError, one_line_errors
from emage.motion.flame import LANDMARKS_NPZ, MASK_NPZ, NUM_JOINTS, NUM_SHAPE_COLUMNS
from emage.motion.synthetic_head import SyntheticHead, synthetic_head

EXAMPLE = """
example:
  python tools/make_flame_model.py --out runs/synthetic_flame
"""
NUM_EXPRESSIONS = 100
NUM_PEOPLE = 20  # identity shapes that differ from 0
ROOT_PARENT = 2**32 - 1  # as FLAME stores "none"


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the model: new, or one of ours"
    )
    arguments = parser.parse_args(argv)
    if arguments.out.is_file():
        raise InputError(f"{arguments.out}: is a file; give another --out")
    write_model(arguments.out)
    print(f"{arguments.out}: FLAME_NEUTRAL.npz, {MASK_NPZ}, {LANDMARKS_NPZ}")
    return 0


def write_model(folder: Path) -> None:
    """Writes the model, its masks and its 68 landmarks, all as npz without pickles."""
    head = synthetic_head()
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "FLAME_NEUTRAL.npz", **model_arrays(head))
    np.savez_compressed(folder / MASK_NPZ, **head.masks)
    triangles = np.array([np.flatnonzero((head.faces == vertex).any(axis=1))[0] for vertex in head.landmarks])
    weights = (head.faces[triangles] == head.landmarks[:, None]).astype(np.float32)
    np.savez_compressed(folder / LANDMARKS_NPZ, lmk_face_idx=triangles, lmk_b_coords=weights)


def model_arrays(head: SyntheticHead) -> dict[str, np.ndarray]:
    """The arrays of a FLAME model file."""
    num_vertices = len(head.template)
    expressions = np.zeros((num_vertices, 3, NUM_EXPRESSIONS))
    shapes = np.stack([head.shapes[name] for name in MAPPED_CHANNELS])  # (43, V, 3)
    undone = np.linalg.pinv(straight_map())  # (50, 43): coefficient -> weights
    expressions[..., : len(undone)] = np.einsum("ec,cvi->vie", undone, shapes)
    expressions[..., len(undone) :] = 2e-4 * smooth_fields(head.template, NUM_EXPRESSIONS - len(undone), seed=1)
    identities = np.zeros((num_vertices, 3, NUM_SHAPE_COLUMNS))
    identities[..., :NUM_PEOPLE] = 2e-3 * smooth_fields(head.template, NUM_PEOPLE, seed=0)
    return {
        "v_template": head.template.astype(np.float32),
        "f": head.faces.astype(np.uint32),
        "shapedirs": np.concatenate([identities, expressions], axis=2).astype(np.float32),
        "posedirs": np.zeros((num_vertices, 3, 9 * (NUM_JOINTS - 1)), dtype=np.float32),
        "J_regressor": joint_regressor(head).astype(np.float32),
        "kintree_table": np.array([[ROOT_PARENT, 0, 1, 1, 1], [0, 1, 2, 3, 4]], dtype=np.uint32),
        "weights": head.skin_weights.astype(np.float32),
    }


def smooth_fields(points: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """(V, 3, count) waves over the head, some centimetres long, of deviation near 1."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(0, 2 * np.pi / 0.25, (3, 3, count))
    phase = rng.uniform(0, 2 * np.pi, (3, count))
    return np.sqrt(2) * np.sin(np.einsum("vi,ijk->vjk", points, waves) + phase)


def joint_regressor(head: SyntheticHead) -> np.ndarray:
    """(5, V) rows of sum 1 that give the joints exactly: the smallest change of an even mean that does."""
    augmented = np.concatenate([head.template.T, np.ones((1, len(head.template)))])  # (4, V)
    wanted = np.concatenate([head.joints.T, np.ones((1, NUM_JOINTS))])  # (4, 5)
    return (np.linalg.pinv(augmented) @ wanted).T


if __name__ == "__main__":
    sys.exit(main())
