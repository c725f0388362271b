"""What NVIDIA's Audio2Face exports, read as ARKit weights.

The application writes json: `{"exportFps": 30, "trackPath": ..., "numPoses": C, "numFrames": N, "facsNames": [...],
"weightMat": [[...], ...]}`. Audio2Face-3D's clients write a csv: `timeCode` in seconds, `blendShapes.EyeBlinkLeft` ...;
some put a column with the number of the row before it. Beside it lies a csv of emotions (`emotion_values.joy`), which
holds no weights.

Shapes: N frames, C channels.
"""

from pathlib import Path
from typing import Any

import numpy as np

from emage.errors import InputError
from emage.motion.arkit import is_number, number_rows
from emage.motion.arkit_motion import MAX_FPS, MIN_FPS, ArkitMotion, assemble, channel_places, measured_fps, shortened
from emage.motion.face_csv import read_table

_TIME, _PREFIX, _EMOTION = ("timecode", "time_code"), "blendshapes.", "emotion_values."
JSON_KEYS = ("facsNames", "weightMat")


def audio2face_from_json(node: dict[str, Any], path: str | Path, fps: float | None = None) -> ArkitMotion:
    """The weights of an exported json; channels that it lacks are 0 and not valid, with a notice.

    Args:
        node: the content of the file.
        path: the file.
        fps: frames per second, where the file does not say.

    Raises:
        InputError: no or another rate, unknown channels (the solver's own poses), rows of another length, or weights
            that are no numbers from -2 to 2.
    """
    names, rows = (node.get(key) for key in JSON_KEYS)
    if not isinstance(names, list) or not isinstance(rows, list) or not rows:
        raise InputError(f'{path}: no lists "facsNames" and "weightMat"; export the weights from Audio2Face as json')
    said = node.get("exportFps", fps)
    if said is None:
        raise InputError(f'{path}: no "exportFps"; write it into the file, e.g. "exportFps": 30')
    if not is_number(said) or not MIN_FPS <= said <= MAX_FPS:
        raise InputError(
            f'{path}: "exportFps" is {shortened(said)}; expected frames per second from {MIN_FPS:g} to {MAX_FPS:g}'
        )
    places = channel_places(names, path, partial=True)
    weights = number_rows(rows, names, path)
    times_s = np.arange(len(rows)) / said
    motion = assemble(
        names, places, weights, times_s=times_s, fps=float(said), where=lambda row, _: f"{path}, frame {row}"
    )
    counted = node.get("numFrames")
    if counted is not None and counted != len(rows):
        motion.notices += (f'"numFrames" says {shortened(counted)}, the file holds {len(rows)} frames',)
    return motion


def is_audio2face_header(header: list[str]) -> bool:
    """Whether the names in the first line of a csv are those of Audio2Face-3D, weights or emotions."""
    lower = [name.strip().lower() for name in header]
    return any(name.startswith((_PREFIX, _EMOTION)) for name in lower)


def read_audio2face_csv(path: str | Path) -> ArkitMotion:
    """Reads a csv of Audio2Face-3D; channels that it lacks are 0 and not valid, with a notice.

    Raises:
        InputError: no such file, emotions in place of weights, an unknown channel, a broken row or number, or times
            that do not rise.
    """
    table = read_table(path)
    columns = [place for place, name in enumerate(table.header) if name.strip().lower().startswith(_PREFIX)]
    if not columns:
        raise InputError(f"{path}: line 1: it holds emotions, no blendShapes; give animation_frames.csv")
    time = table.column(*_TIME)
    if time is None:
        raise InputError(f"{path}: line 1: no column timeCode; export the file again")
    names = ["_neutral" if place not in columns else name for place, name in enumerate(table.header)]
    places = channel_places(names, path, partial=True)
    everywhere = np.ones(len(table.rows), dtype=bool)
    values, known = table.numbers(everywhere, [time, *sorted(places.values())])
    times_s = values[:, time]
    wrong = ~known[:, time]
    wrong[1:] |= np.diff(times_s) <= 0
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{table.where(row, time)}: time {shortened(table.rows[row][time])} does not rise; sort the rows"
        )
    if len(times_s) < 2:
        raise InputError(f"{path}: one frame; at least 2 are needed to know the frame rate")
    motion = assemble(
        names, places, values, times_s=times_s, fps=measured_fps(times_s, path), where=table.where, known=known
    )
    motion.names = tuple(table.header[places[channel]] for channel in places)
    motion.notices = (*table.notices, *motion.notices)
    return motion
