"""One self-contained html: results side by side, with sound, waveform, words and a camera. It asks the network for nothing.

At most 30 frames a second travel, the page draws between them; positions as 16-bit integers of 0.2 mm and more, weights as
bytes, sound as FLAC: some 3 MB a minute.
"""

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from emage.errors import InputError
from emage.motion.atomic import write_text_atomic
from emage.motion.layout import ARKIT_51
from emage.viewer.body_shape import capsules
from emage.viewer.face_shape import face_description
from emage.viewer.html_page import encodable, render_page, viewer_text
from emage.viewer.shown import Shown, Sound
from emage.viewer.theme import CAMERA, CAPSULE_LAYERS, FAR_FADE, RESULT_COLOURS, THEMES
from emage.words import TimedWord

PEAKS_PER_SECOND = 100
MAX_FPS = 30
_SCRIPTS = ("body.js", "face.js", "timeline.js", "player.js")


def write_page(
    path: str | Path,
    results: Sequence[Shown],
    *,
    sound: Sound | None = None,
    words: Sequence[TimedWord] = (),
    title: str | None = None,
    theme: str = "auto",
) -> None:
    """Writes the page; it is there whole or not at all.

    Args:
        path: the html.
        results: shown side by side, all from second 0 on.
        sound: what was said.
        words: shown above the waveform.
        title: None: the name of the first result.
        theme: "auto" as the browser wishes, "light" or "dark".

    Raises:
        InputError: without a result, or with a word whose times are not finite.
    """
    if not results:
        raise InputError(f"{path}: no result to show")
    for word in words:
        if not all(map(math.isfinite, word[1:])):
            raise InputError(f"{path}: the word {word.word!r} has times that are not finite: {word[1:]}")
    duration_s = max(result.duration_s for result in results)
    data = {
        "results": [_result(result, place) for place, result in enumerate(results)],
        "duration_s": max(duration_s, len(sound.waveform) / sound.sample_rate if sound else 0.0),
        "channels": len(ARKIT_51),
        "face": face_description(),
        "style": {"layers": CAPSULE_LAYERS, "fade": FAR_FADE, "camera": CAMERA},
        "themes": THEMES,
        "theme": theme,
        "words": [[word.word, *(round(value, 3) for value in word[1:])] for word in words],
        "sound": None if sound is None else {"type": "audio/flac", "content": _base64(_flac(sound))},
        "peaks": _base64(_peaks(sound).tobytes()),
        "peaksPerSecond": PEAKS_PER_SECOND,
    }
    text = render_page(
        "page.html",
        style=viewer_text("page.css"),
        script=viewer_text(*_SCRIPTS),
        sources=("media-src blob:", "img-src data:"),
        title=encodable(title or results[0].name),
        data=data,
    )
    write_text_atomic(path, text)


def _result(shown: Shown, place: int) -> dict[str, Any]:
    stride = max(1, int(shown.fps // MAX_FPS))
    positions_cm = shown.positions_cm[::stride]
    unit_cm = max(0.02, float(np.abs(positions_cm).max()) / 32000)
    face = None if shown.face is None else np.rint(np.clip(shown.face[::stride], 0, 1) * 255).astype(np.uint8)
    return {
        "name": shown.name,
        "colour": RESULT_COLOURS[place % len(RESULT_COLOURS)],
        "fps": shown.fps / stride,
        "frames": len(positions_cm),
        "source": f"{shown.fps:g} fps, {shown.num_frames} frames",
        "joints": len(shown.joints),
        "height": shown.height_cm,
        "unit_cm": unit_cm,
        "places": _base64(np.rint(positions_cm / unit_cm).astype("<i2").tobytes()),
        "face": None if face is None else _base64(face.tobytes()),
        "capsules": capsules(shown),
    }


def _flac(sound: Sound) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(sound.waveform, -1, 1), sound.sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _peaks(sound: Sound | None) -> np.ndarray:
    """Loudest sample of each hundredth of a second, 255 = the loudest of all."""
    if sound is None or not len(sound.waveform):
        return np.zeros(1, np.uint8)
    edges = np.arange(0, len(sound.waveform), sound.sample_rate / PEAKS_PER_SECOND).astype(int)
    peaks = np.maximum.reduceat(np.abs(sound.waveform), edges)
    return np.rint(255 * peaks / max(1e-6, float(peaks.max()))).astype(np.uint8)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
