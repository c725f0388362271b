"""`emage convert-face`: a face from ARKit weights to FLAME codes or back, with what the conversion cost in numbers.

Shapes: T frames.
"""

import argparse
import json

import numpy as np
import torch
from torch import Tensor

from emage.errors import InputError
from emage.metrics.face import CHANNEL_GROUPS, group_errors
from emage.motion.arkit import write_arkit_json
from emage.motion.arkit_flame import FaceMap, load_face_map
from emage.motion.atomic import write_text_atomic
from emage.motion.convert_face import convert_face
from emage.motion.face_file import DEFAULT_FPS, FaceFile, read_face, write_codes_npz
from emage.motion.layout import ARKIT_51, get_layout
from emage.output_paths import check_outputs

TARGETS = {"arkit": "arkit_51", "flame50": "flame_53", "flame100": "flame_103"}
SATURATED = 1e-3  # a weight this near to 0 or 1 is at its bound


def run_convert_face(arguments: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        InputError: an input, a map or a name that cannot be used.
    """
    ending = ".json" if arguments.to == "arkit" else ".npz"
    if arguments.target.suffix.lower() != ending:
        raise InputError(f"{arguments.target}: --to {arguments.to} writes a {ending} file; give OUT that ending")
    outputs, inputs = (arguments.target, arguments.report), (arguments.source, arguments.map)
    check_outputs(outputs, inputs, remedy="give another OUT or --report")
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
