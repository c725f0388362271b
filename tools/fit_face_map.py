"""Fits a map between ARKit weights and FLAME codes on pairs of the same recordings, and says how good it is.

Pairs are files of one name: ARKit json here, FLAME there (BEAT's json and BEAT2's npz, say). A fifth of the recordings
(or, of few recordings, of stretches of 50 frames) is held out, and every number is of those. --synthetic shows it on pairs
that a known, bent map makes, with 2 % noise.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from dataloaders.corpora.synthetic_curves import SmoothNoise
from dataloaders.corpora.synthetic_flame import arkit_to_codes
from emage.config_checks import check_seed
from emage.errors import InputError, one_line_errors
from emage.motion.arkit_file import ARKIT_ENDINGS
from emage.motion.arkit_flame import KINDS
from emage.motion.convert_face import convert_face
from emage.motion.face_file import DEFAULT_FPS, FaceFile, read_face
from emage.motion.face_map_fit import fit_face_map
from emage.motion.layout import ARKIT_51
from emage.motion.resample import frame_count, resample_face

EXAMPLE = """
examples:
  python tools/fit_face_map.py --arkit beat/2 --flame beat2/smplxflame_30 --out face_map.safetensors
  python tools/fit_face_map.py --synthetic 8000 --out runs/face_map.safetensors
"""
NOISE = 0.02  # of each column's spread
SYNTHETIC_FPS, SYNTHETIC_HZ = 30, (0.1, 2.0)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arkit", type=Path, metavar="DIR", help="folder of ARKit json")
    parser.add_argument("--flame", type=Path, metavar="DIR", help="folder of FLAME npz or pkl with the same names")
    parser.add_argument("--synthetic", type=int, metavar="N", help="instead: so many made-up frames")
    parser.add_argument("--layout", choices=("flame_53", "flame_103"), help="of the map; default: the files' own")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0, help="of what is held out (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the map, .safetensors")
    arguments = parser.parse_args(argv)
    if arguments.out.suffix != ".safetensors":
        raise InputError(f"{arguments.out}: a map is a .safetensors file; give --out that ending")
    check_seed("--seed", arguments.seed)
    if (arguments.synthetic is None) == (arguments.arkit is None or arguments.flame is None):
        raise InputError("fit_face_map: give both --arkit DIR and --flame DIR, or --synthetic N")
    if arguments.synthetic is None:
        weights, codes, layout, groups = read_pairs(arguments.arkit, arguments.flame, arguments.layout)
    else:
        weights, codes = synthetic_pairs(arguments.synthetic, seed=arguments.seed)
        layout, groups = "flame_53", None
    face_map, _ = fit_face_map(weights, codes, layout, groups=groups, kinds=tuple(arguments.kinds), seed=arguments.seed)
    face_map.save(arguments.out)
    kinds = f"ARKit -> FLAME {face_map.forward.kind}, FLAME -> ARKit {face_map.backward.kind}"
    print(f"{arguments.out}: {len(weights)} frames, {len(face_map.channels)} channels, {layout}; {kinds}")
    for name, value in face_map.errors.items():
        print(f"  {name}: {value:.4g}")
    return 0


def read_pairs(arkit: Path, flame: Path, layout: str | None) -> tuple[torch.Tensor, torch.Tensor, str, torch.Tensor]:
    """Frames of all pairs: weights (N, 51), codes (N, D), their layout, and the number of each frame's recording.

    Weights are brought to the frame rate of the codes by time; the shorter of a pair counts. Frames in which a face was
    lost are left out.

    Raises:
        InputError: no pair, or a file that cannot be read.
    """
    faces = {path.stem: path for path in sorted(flame.glob("*")) if path.suffix in (".npz", ".pkl")}
    weights_of = {path.stem: path for ending in reversed(ARKIT_ENDINGS) for path in arkit.glob(f"*{ending}")}
    pairs = [(weights_of[stem], faces[stem]) for stem in sorted(weights_of.keys() & faces.keys())]
    if not pairs:
        raise InputError(f"{arkit} and {flame}: no .json (or .csv) and .npz (or .pkl) of one name")
    weights, codes, groups, seen = [], [], [], []
    for number, (arkit_path, flame_path) in enumerate(pairs):
        face, own = read_face(flame_path), read_face(arkit_path)
        layout = layout or face.layout
        fps = face.fps or DEFAULT_FPS
        num_frames = min(len(face.values), frame_count(len(own.values) / own.fps, fps))
        weights.append(
            resample_face(own.values, own.layout, own.fps, target_fps=fps, num_frames=num_frames).clamp(0, 1)
        )
        codes.append(convert_face(face.values[:num_frames], face.layout, layout))
        groups.append(torch.full((num_frames,), number))
        seen.append(_frames_with_face(own, fps, num_frames) & _frames_with_face(face, fps, num_frames))
    seen = torch.cat(seen)
    return torch.cat(weights)[seen], torch.cat(codes)[seen], layout, torch.cat(groups)[seen]


def _frames_with_face(face: FaceFile, fps: float, num_frames: int) -> torch.Tensor:
    """(num_frames,) bool at another rate: the frames in which the face was not lost."""
    if face.valid is None:
        return torch.ones(num_frames, dtype=torch.bool)
    places = (torch.arange(num_frames) * ((face.fps or fps) / fps)).clamp(max=len(face.valid) - 1)
    return face.valid[places.floor().long()] & face.valid[places.ceil().long()]


def synthetic_pairs(num_frames: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth weights (N, 51), all of them moving all the time, and their codes (N, 53) with noise."""
    rng = np.random.default_rng(seed)
    waves = SmoothNoise(np.arange(num_frames) / SYNTHETIC_FPS, rng).draw(len(ARKIT_51), SYNTHETIC_HZ)
    weights = 1 / (1 + np.exp(1 - 1.5 * waves))
    codes = np.concatenate(arkit_to_codes(weights), axis=1)
    codes = codes + NOISE * codes.std(axis=0) * rng.standard_normal(codes.shape)
    return torch.from_numpy(weights), torch.from_numpy(codes)


if __name__ == "__main__":
    sys.exit(main())
