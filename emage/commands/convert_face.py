"""`emage convert-face`: a face from ARKit weights to FLAME codes or back, with what the conversion cost in numbers.

Shapes: T frames.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emage.errors import InputError
from emage.metrics.face import CHANNEL_GROUPS, group_errors
from emage.motion.arkit import write_arkit_json
from emage.motion.arkit_flame import METHODS, FaceMap, load_face_map
from emage.motion.atomic import write_text_atomic
from emage.motion.convert_face import convert_face
from emage.motion.face_file import DEFAULT_FPS, FaceFile, read_face, write_codes_npz
from emage.motion.layout import ARKIT_51, get_layout

TARGETS = {"arkit": "arkit_51", "flame50": "flame_53", "flame100": "flame_103"}
SATURATED = 1e-3  # a weight this near to 0 or 1 is at its bound

EXAMPLES = """examples:
  emage convert-face face.json face.npz --to flame50 --map face_map.safetensors
  emage convert-face phone.csv face.json --to arkit
  emage convert-face 2_scott_0_1_1.npz face.json --to arkit --map mat_final.npy
  emage convert-face trainset/V0-GRID/V0-s1-00001 face.json --to arkit --map face_map.safetensors --report cost.json

An ARKit .json is BEAT's, ours or Audio2Face's, a .csv is Live Link Face's or Audio2Face's. Frames in which the phone lost
the face leave a gap in a .json, and are False in `valid` of an .npz.
A map is fitted on pairs of your own by tools/fit_face_map.py, or is the published matrix of BEAT2_Tools (mat_final.npy).
FLAME to FLAME (flame50, flame100) needs none.
"""


def add_convert_face_parser(commands: argparse._SubParsersAction) -> None:
    """Adds `convert-face` to the commands of `emage`."""
    parser = commands.add_parser(
        "convert-face",
        help="a face from ARKit weights to FLAME codes or back",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source", type=Path, metavar="IN", help="ARKit .json or .csv, FLAME .npz or .pkl, or an EMOCA folder"
    )
    parser.add_argument("target", type=Path, metavar="OUT", help=".json for arkit, .npz for flame50 and flame100")
    parser.add_argument("--to", required=True, choices=TARGETS)
    parser.add_argument("--map", type=Path, metavar="FILE", help="fitted map (.safetensors) or published matrix (.npy)")
    parser.add_argument("--method", choices=METHODS, default="auto", help="of FLAME to ARKit (default %(default)s)")
    parser.add_argument("--fps", type=float, help=f"where the file does not say (default {DEFAULT_FPS:g})")
    parser.add_argument("--report", type=Path, metavar="JSON", help="what the conversion cost, as json")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        InputError: an input, a map or a name that cannot be used.
    """
    ending = ".json" if arguments.to == "arkit" else ".npz"
    if arguments.target.suffix.lower() != ending:
        raise InputError(f"{arguments.target}: --to {arguments.to} writes a {ending} file; give OUT that ending")
    if arguments.fps is not None and not 1 <= arguments.fps <= 1000:
        raise InputError(f"--fps: got {arguments.fps:g}; expected frames per second from 1 to 1000")
    face = read_face(arguments.source, arguments.fps)
    fps = face.fps or arguments.fps or DEFAULT_FPS
    if not 1 <= fps <= 1000:
        raise InputError(f"{arguments.source}: its fps is {fps:g}; expected frames per second from 1 to 1000")
    face_map = load_face_map(arguments.map) if arguments.map else None
    made, report = convert(face, TARGETS[arguments.to], face_map, method=arguments.method)
    if arguments.to == "arkit":
        write_arkit_json(arguments.target, made, fps, face.valid)
    else:
        write_codes_npz(arguments.target, made, TARGETS[arguments.to], fps, head=face.head, valid=face.valid)
    print(f"{arguments.target}: {len(made)} frames at {fps:g} fps, {face.layout} -> {TARGETS[arguments.to]}")
    for name, value in report.items():
        print(f"  {name}: {value:.4g}")
    if arguments.report:
        write_text_atomic(arguments.report, json.dumps(report, indent=1) + "\n")
    return 0


def convert(
    face: FaceFile, target: str, face_map: FaceMap | None, *, method: str = "auto"
) -> tuple[Tensor, dict[str, float]]:
    """Converts a face and says what it cost.

    Args:
        face: the face.
        target: arkit_51, flame_53 or flame_103.
        face_map: needed between ARKit and FLAME.
        method: of FLAME -> ARKit, see FaceMap.to_arkit.

    Returns:
        (T, D) in the target layout, and the report: of ARKit -> FLAME the RMSE of each group of weights there and back,
        of FLAME -> ARKit how far the weights' codes are from the given ones and how many weights are at their bounds;
        of both the correlation of jawOpen with the turn of the jaw, and the map's own errors on held-out pairs.

    Raises:
        InputError: no map where one is needed, or one that the method does not fit.
    """
    if face.layout == target:
        return face.values, {}
    is_arkit = face.layout == "arkit_51"
    if not is_arkit and target != "arkit_51":
        lost = max(0, get_layout(face.layout).dim - get_layout(target).dim)
        return convert_face(face.values, face.layout, target), {"coefficients_dropped": float(lost)}
    if face_map is None:
        raise InputError("convert-face: ARKit and FLAME need a map: fit one with tools/fit_face_map.py and give --map")
    known = {f"held_out_{name}": value for name, value in face_map.errors.items()}
    if is_arkit:
        own = face_map.to_flame(face.values).float()
        back = face_map.to_arkit(own, face_map.layout, method=method)
        report = {f"there_and_back_rmse_{g}": group_errors(back, face.values, g)[1] for g in CHANNEL_GROUPS}
        report["jaw_correlation"] = _jaw_correlation(face.values, own, face_map.layout)
        return convert_face(own, face_map.layout, target), report | known
    weights = face_map.to_arkit(face.values, face.layout, method=method)
    report = face_map.residual(weights, face.values, face.layout)
    report["jaw_correlation"] = _jaw_correlation(weights, face.values, face.layout)
    used = weights[:, [ARKIT_51.index(name) for name in face_map.channels]]
    report["saturated_at_1"] = float((used > 1 - SATURATED).float().mean())
    report["saturated_at_0"] = float((used < SATURATED).float().mean())
    return weights, report | known


def _jaw_correlation(weights: Tensor, codes: Tensor, layout: str) -> float:
    """Of jawOpen with the jaw's turn about x; NaN where one does not move."""
    pair = torch.stack([weights[:, ARKIT_51.index("jawOpen")], codes[:, get_layout(layout).part_slices["jaw"]][:, 0]])
    if len(weights) < 2 or pair.std(dim=1).min() < 1e-6:
        return float("nan")
    return float(np.corrcoef(pair.double().numpy())[0, 1])
