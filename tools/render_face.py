"""Shows a face in motion: an mp4 with its sound, and a contact sheet as png.

With the folder of a FLAME model the face is a mesh (FLAME's own, or the licence-free one of tools/make_flame_model.py);
without one it is 68 landmarks of a made-up head. Beside it run the curves of what moves most. ARKit weights need a map
for a mesh (--map, see `emage convert-face`); FLAME codes without a model need it for more than the jaw.
"""

import argparse
import contextlib
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
from face_picture import (
    View,
    contact_sheet,
    draw_landmarks,
    draw_mesh,
    draw_panel,
    mesh_colours,
    side_by_side,
)
from PIL import Image
from tqdm import tqdm

from emage.audio import SAMPLE_RATE, frame_to_sample, read_audio
from emage.errors import InputError, one_line_errors
from emage.ffmpeg import ffmpeg_command
from emage.motion.arkit_flame import FaceMap, load_face_map
from emage.motion.atomic import partial_file
from emage.motion.convert_face import split_face
from emage.motion.face_file import DEFAULT_FPS, FaceFile, read_face
from emage.motion.flame import load_flame, read_flame_masks
from emage.motion.layout import ARKIT_51, get_layout
from emage.motion.synthetic_head import synthetic_head
from emage.output_paths import check_outputs

EXAMPLE = """
examples:
  python tools/render_face.py face.json --audio speech.wav --out runs/face.mp4
  python tools/render_face.py trainset/V0-GRID/V0-s1-00001 --model FLAME2020 --out runs/grid.mp4
  python tools/render_face.py id0_10_0_0.npz --audio id0_10_0_0.wav --model runs/synthetic_flame --out runs/song.mp4
"""
FACE_MARGIN = 1.35  # how much more than the face itself is shown of a head
NUM_CURVES, SHEET_FRAMES, SHEET_COLUMNS, SHEET_PANEL = 4, 12, 6, (1500, 420)
ALWAYS = ("jawOpen", "jaw_x")  # what is always among the curves


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("face", type=Path, metavar="FACE", help="ARKit .json, FLAME .npz or .pkl, or an EMOCA folder")
    parser.add_argument("--audio", type=Path, metavar="WAV", help="its sound; of an EMOCA folder, its own")
    parser.add_argument("--model", type=Path, metavar="DIR", help="folder of a FLAME model")
    parser.add_argument("--map", type=Path, metavar="FILE", help="between ARKit and FLAME")
    parser.add_argument("--fps", type=float, help=f"where the file does not say (default {DEFAULT_FPS:g})")
    parser.add_argument("--seconds", nargs=2, type=float, metavar=("FROM", "TO"), help="the part that is shown")
    parser.add_argument("--no-head", action="store_true", help="leave the head's rotation out")
    parser.add_argument("--no-video", action="store_true", help="only the contact sheet")
    parser.add_argument("--out", type=Path, required=True, metavar="MP4", help="the sheet gets the same name as .png")
    arguments = parser.parse_args(argv)
    if arguments.out.suffix != ".mp4":
        raise InputError(f"{arguments.out}: a video is an .mp4 file; give --out that ending")
    sheet_path = arguments.out.with_suffix(".png")
    audio = arguments.audio or (arguments.face / "audio.wav" if arguments.face.is_dir() else None)
    inputs = (arguments.face, audio, arguments.model, arguments.map)
    check_outputs((arguments.out, sheet_path), inputs, remedy="give another --out")
    face = read_face(arguments.face)
    fps = face.fps or arguments.fps or DEFAULT_FPS
    start, stop = frame_range(arguments.seconds, len(face.values), fps)
    waveform = None
    if audio is not None:
        first, last = (frame_to_sample(frame, fps, SAMPLE_RATE) for frame in (start, stop))
        waveform = read_audio(audio)[first:last]
    face_map = load_face_map(arguments.map) if arguments.map else None
    head = None if face.head is None or arguments.no_head else face.head[start:stop]
    part = FaceFile(face.values[start:stop], face.layout, fps, head)
    draw, what = face_drawer(part, arguments.model, face_map)
    times_s = (start + np.arange(stop - start)) / fps
    title = f"{arguments.face.name}   {face.layout}, {fps:g} fps   {what}"
    curves = moving_curves(part)
    options = {"title": title, "start_s": start / fps}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    shown = sheet_frames(curves, SHEET_FRAMES)
    marks = times_s[shown].tolist()
    panel = draw_panel(
        curves, fps, waveform, SAMPLE_RATE, **options, width=SHEET_PANEL[0], height=SHEET_PANEL[1], marks_s=marks
    )
    sheet = contact_sheet([draw(frame) for frame in shown], marks, panel.image, SHEET_COLUMNS)
    sheet.save(sheet_path)
    print(f"{sheet_path}: {len(shown)} of {stop - start} frames, {what}")
    if not arguments.no_video:
        panel = draw_panel(curves, fps, waveform, SAMPLE_RATE, **options)
        frames = (
            side_by_side(draw(k), panel.at(times_s[k])) for k in tqdm(range(stop - start), "frames", disable=None)
        )
        write_video(arguments.out, frames, fps, waveform)
        print(
            f"{arguments.out}: {(stop - start) / fps:.2f} s at {fps:g} fps{'' if waveform is None else ', with sound'}"
        )
    return 0


def frame_range(seconds: list[float] | None, num_frames: int, fps: float) -> tuple[int, int]:
    """First frame and frame after the last of a part.

    Raises:
        InputError: a part that the face does not have.
    """
    if seconds is None:
        return 0, num_frames
    start, stop = max(0, round(seconds[0] * fps)), min(num_frames, round(seconds[1] * fps))
    if stop - start < 2:
        raise InputError(f"--seconds: {seconds[0]:g} to {seconds[1]:g} of a face of {num_frames / fps:.2f} s")
    return start, stop


def face_drawer(
    face: FaceFile, model: Path | None, face_map: FaceMap | None
) -> tuple[Callable[[int], Image.Image], str]:
    """What draws frame k, and what is drawn.

    Raises:
        InputError: no FLAME model in the folder, or ARKit weights with a model and no map.
    """
    is_arkit = face.layout == "arkit_51"
    if model is not None:
        if is_arkit and face_map is None:
            raise InputError(
                "--model: ARKit weights need a map to be drawn on FLAME; give --map, see convert-face --help"
            )
        codes, layout = (face_map.to_flame(face.values), face_map.layout) if is_arkit else (face.values, face.layout)
        flame = load_flame(model)
        vertices = flame.vertices(codes.float(), layout=layout).numpy()  # (T, V, 3)
        if face.head is not None:
            vertices = turned(vertices, face.head, flame.template.numpy())
        masks = read_flame_masks(model, flame.num_vertices) or {}
        eyeballs = [masks[name] for name in ("left_eyeball", "right_eyeball") if name in masks]
        triangles = flame.faces.numpy()
        colours = mesh_colours(flame.template.numpy(), triangles, eyeballs)
        view = View.of(vertices[:, masks["face"]], FACE_MARGIN) if "face" in masks else View.of(vertices)
        return lambda k: draw_mesh(vertices[k], triangles, view, colours), f"mesh of {flame.path.parent.name}"
    weights, what = face.values, "landmarks of a made-up head"
    if not is_arkit:
        if face_map is not None:
            weights, what = face_map.to_arkit(face.values, face.layout), f"{what}, by the map"
        else:
            weights, what = jaw_only(face), f"{what}: the jaw only (no model, no map)"
    points = landmarks(weights.numpy())
    if face.head is not None:
        points = turned(points, face.head, points[0])
    view = View.of(points)
    return lambda k: draw_landmarks(points[k], view), what


def landmarks(weights: np.ndarray) -> np.ndarray:
    """68 points (T, P, 3) in metres of the made-up head under ARKit weights (T, 51)."""
    head = synthetic_head()
    template = head.template[head.landmarks]
    fields = np.stack([head.shapes.get(name, np.zeros_like(head.template))[head.landmarks] for name in ARKIT_51])
    points = template + np.einsum("tc,cpi->tpi", weights, fields)
    opened = 0.32 * weights[:, ARKIT_51.index("jawOpen")]  # radians about the jaw's joint, as in the synthetic corpora
    away = points - head.joints[2]
    cos, sin = np.cos(opened)[:, None], np.sin(opened)[:, None]
    swung = np.stack(
        [away[..., 0], cos * away[..., 1] - sin * away[..., 2], sin * away[..., 1] + cos * away[..., 2]], axis=-1
    )
    return points + head.skin_weights[head.landmarks, 2][:, None] * (swung - away)


def jaw_only(face: FaceFile) -> torch.Tensor:
    """Weights of a face of codes of which nothing but the jaw's turn is understood."""
    jaw = split_face(face.values, face.layout)["jaw"]
    weights = torch.zeros(len(jaw), len(ARKIT_51))
    weights[:, ARKIT_51.index("jawOpen")] = (jaw[:, 0] / 0.32).clamp(0, 1)
    return weights


def turned(points: np.ndarray, head: torch.Tensor, rest: np.ndarray) -> np.ndarray:
    """Points (T, N, 3) turned about the neck by global and neck (T, 6), relative to their mean turn.

    A tracker's or a dancer's mean turn would show the head from the side or from below.
    """
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(head[:, :3].double().numpy()) * Rotation.from_rotvec(head[:, 3:].double().numpy())
    relative = (turn.mean().inv() * turn).as_matrix()
    pivot = np.array([0.0, rest[:, 1].min() + 0.05, -0.03])
    return np.einsum("tij,tnj->tni", relative, points - pivot) + pivot


def moving_curves(face: FaceFile) -> dict[str, np.ndarray]:
    """The jaw, and what else moves most, by name."""
    columns = get_layout(face.layout).columns
    spread = face.values.std(dim=0)
    # The right side moves as the left one does: it would take a curve and say nothing.
    left_out = [name.startswith(("jaw", "eyeLook")) or name.endswith("Right") for name in columns]
    spread[torch.tensor(left_out)] = 0
    names = [name for name in ALWAYS if name in columns]
    names += [columns[k] for k in spread.argsort(descending=True)[: NUM_CURVES - len(names)].tolist()]
    return {name: face.values[:, columns.index(name)].double().numpy() for name in names}


def sheet_frames(curves: dict[str, np.ndarray], count: int) -> list[int]:
    """Frames for the sheet: of each even stretch, by turns where the jaw is widest open and where it is closed."""
    jaw = next(iter(curves.values()))
    borders = np.linspace(0, len(jaw), min(count, len(jaw)) + 1).astype(int)
    pick = (np.argmax, np.argmin)
    return [int(a + pick[k % 2](jaw[a:b])) for k, (a, b) in enumerate(zip(borders[:-1], borders[1:], strict=True))]


def write_video(path: Path, frames: Iterator[Image.Image], fps: float, waveform: np.ndarray | None) -> None:
    """Encodes frames and sound; the file is there whole or not at all.

    Raises:
        InputError: there is no ffmpeg, or it fails.
    """
    first = next(frames)
    command = [ffmpeg_command(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{first.width}x{first.height}", "-r", f"{fps:g}", "-i", "-"]
    with partial_file(path) as partial, tempfile.TemporaryDirectory() as folder:
        if waveform is not None:
            sound = Path(folder) / "sound.wav"
            soundfile.write(sound, waveform, SAMPLE_RATE, "PCM_16")
            command += ["-i", str(sound), "-c:a", "aac", "-b:a", "96k"]
        command += [
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
            "-crf",
            "20",
            "-preset",
            "veryfast",
            "-f",
            "mp4",
            str(partial),
        ]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            with contextlib.suppress(BrokenPipeError):  # it says below why it went away
                for frame in itertools.chain([first], frames):
                    process.stdin.write(frame.tobytes())
            message = process.communicate()[1].decode(errors="replace").strip()
        if process.returncode:
            raise InputError(f"{path}: ffmpeg cannot encode it: {message.splitlines()[-1:] or process.returncode}")


if __name__ == "__main__":
    sys.exit(main())
