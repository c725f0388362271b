"""The page as a video: results side by side, faces, waveform and words, with the sound. Written by imageio-ffmpeg."""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import soundfile

from emage.errors import InputError
from emage.motion.atomic import partial_file
from emage.motion.layout import ARKIT_51
from emage.viewer.body_shape import capsules
from emage.viewer.face_shape import VIEW_BOX, face_shapes
from emage.viewer.painter import Camera, Canvas, Outline, paint_body, paint_face, paint_floor, paint_shadow
from emage.viewer.shown import Shown, Sound
from emage.viewer.theme import CAMERA, RESULT_COLOURS, THEMES
from emage.words import TimedWord

VIDEO_FPS = 30
HEIGHT, PANEL_WIDTHS, TIMELINE_HEIGHT = 720, {1: 1280, 2: 960}, 110  # pixels
_MORE_PANELS_WIDTH = 720
CLOSE_S = 8.0  # of the waveform are seen at once
_PEAKS_PER_SECOND = 100

logger = logging.getLogger(__name__)


def write_video(
    path: str | Path,
    results: Sequence[Shown],
    *,
    sound: Sound | None = None,
    words: Sequence[TimedWord] = (),
    theme: str = "light",
) -> None:
    """Writes an mp4 of 30 frames a second; it is there whole or not at all.

    Args:
        path: the mp4.
        results: side by side, all from second 0 on.
        sound: what was said, also seen as a waveform.
        words: above the waveform.
        theme: "light" or "dark".

    Raises:
        InputError: without a result, or if ffmpeg fails.
    """
    if not results:
        raise InputError(f"{path}: no result to show")
    sound_s = len(sound.waveform) / sound.sample_rate if sound is not None else 0.0
    duration_s = max(sound_s, *(result.duration_s for result in results))
    film = _Film(results, sound, words, THEMES[theme])
    num_frames = max(1, round(duration_s * VIDEO_FPS))
    with partial_file(path) as partial, tempfile.TemporaryDirectory() as folder:
        options: dict = {"output_params": ["-f", "mp4"]}  # the partial file does not say it by its ending
        if sound is not None:
            wav = Path(folder) / "sound.wav"
            soundfile.write(wav, np.clip(sound.waveform, -1, 1), sound.sample_rate)
            # Sound shorter than the picture would end the pipe early: it is filled up with silence.
            options["output_params"] += ["-af", "apad", "-t", f"{num_frames / VIDEO_FPS:.6f}"]
            options |= {"audio_path": str(wav), "audio_codec": "aac"}
        writer = imageio_ffmpeg.write_frames(
            str(partial),
            film.size,
            fps=VIDEO_FPS,
            codec="libx264",
            quality=7,
            macro_block_size=2,
            ffmpeg_log_level="error",
            **options,
        )
        writer.send(None)
        try:
            for number in range(num_frames):
                writer.send(film.picture(number / VIDEO_FPS).tobytes())
                if number and number % (60 * VIDEO_FPS) == 0:
                    logger.info("%s: %d of %d minutes are drawn", path, number // (60 * VIDEO_FPS), num_frames // 1800)
        except OSError as error:
            raise InputError(f"{path}: ffmpeg stopped: {error}") from error
        finally:
            writer.close()


class _Film:
    """Pictures of results at any second."""

    def __init__(
        self, results: Sequence[Shown], sound: Sound | None, words: Sequence[TimedWord], theme: dict[str, str]
    ) -> None:
        self.results, self.words, self.theme = results, words, theme
        self.panel_width = PANEL_WIDTHS.get(len(results), _MORE_PANELS_WIDTH)
        self.size = (self.panel_width * len(results), HEIGHT)
        self.bones = [capsules(result) for result in results]
        self.face = face_shapes()
        self.tallest_cm = max(result.height_cm for result in results)
        self.peaks = _peaks(sound)

    def picture(self, at_s: float) -> np.ndarray:
        """(height, width, 3) uint8 of one moment."""
        canvas = Canvas(*self.size)
        for place, result in enumerate(self.results):
            self._panel(canvas, place, result, at_s)
        self._timeline(canvas, at_s)
        return canvas.pixels()

    def _panel(self, canvas: Canvas, place: int, result: Shown, at_s: float) -> None:
        theme, left, stage_height = self.theme, place * self.panel_width, HEIGHT - TIMELINE_HEIGHT
        right = left + self.panel_width
        horizon = 0.62 * stage_height / HEIGHT
        canvas.gradient([(0, theme["stage"]), (horizon, theme["horizon"]), (1, theme["stage"])], left, right)
        corners = np.array([[left, 0], [right, 0], [right, stage_height], [left, stage_height], [left, 0]], dtype=float)
        clip = Outline(corners, closed=True)
        face_height = 0.72 * stage_height if len(self.results) == 1 else 0.42 * stage_height
        face_width = face_height * (VIEW_BOX[2] - VIEW_BOX[0]) / (VIEW_BOX[3] - VIEW_BOX[1])
        room = self.panel_width - (0.9 * face_width if result.face is not None else 0.0)
        places_cm = _between(result.positions_cm, result.fps, at_s)
        camera = Camera(
            CAMERA["yaw_rad"],
            CAMERA["pitch_rad"],
            CAMERA["distance"] * self.tallest_cm,
            _followed(result, at_s, CAMERA["target"] * self.tallest_cm),
            CAMERA["focal"] * min(stage_height, room * 1.15),
            (left + room / 2, stage_height / 2),
        )
        paint_floor(canvas, camera, theme, clip)
        paint_shadow(canvas, camera, theme, self.bones[place], places_cm, clip)
        colour = RESULT_COLOURS[place % len(RESULT_COLOURS)]
        look = {"colour": colour, "height_cm": result.height_cm, "clip": clip}
        paint_body(canvas, camera, theme, self.bones[place], places_cm, **look)
        if result.face is not None:
            weights = dict(zip(ARKIT_51, _between(result.face, result.fps, at_s).tolist(), strict=True))
            edge, top = right - 24, 24 if len(self.results) > 1 else (stage_height - face_height) / 2
            paint_face(canvas, theme, self.face, weights, box=(edge - face_width, top, edge, top + face_height))
        canvas.text(left + 22, 38, result.name, theme["text"], 21, bold=True)
        canvas.fill(np.array([[left, 0], [right, 0], [right, 5], [left, 5]], dtype=float), colour)

    def _timeline(self, canvas: Canvas, at_s: float) -> None:
        theme, (width, height) = self.theme, self.size
        top = height - TIMELINE_HEIGHT
        canvas.fill(np.array([[0, top], [width, top], [width, height], [0, height]], dtype=float), theme["panel"])
        from_s = at_s - 0.35 * CLOSE_S
        step, middle = 4, height - 34
        bars: dict[str, list[Outline]] = {"accent": [], "wave": []}
        for x in range(0, width, step):
            first, stop = (int((from_s + CLOSE_S * edge / width) * _PEAKS_PER_SECOND) for edge in (x, x + step))
            if stop <= 0 or first >= len(self.peaks):
                continue
            half = max(1.0, 26 * float(self.peaks[max(0, first) : max(1, stop, first + 1)].max()))
            is_said = from_s + CLOSE_S * (x + step) / width <= at_s
            corners = [(x, middle - half), (x + 2.4, middle - half), (x + 2.4, middle + half), (x, middle + half)]
            bars["accent" if is_said else "wave"].append(Outline([*corners, corners[0]], closed=True))
        for colour, outlines in bars.items():
            if outlines:
                canvas.fill(Outline.make_compound_path(*outlines), theme[colour])
        free = -1e9
        for word in self.words:
            x = max(8.0, width * (word.start_s - from_s) / CLOSE_S)
            if word.end_s < from_s or word.start_s > from_s + CLOSE_S or x < free:
                continue
            said = word.start_s <= at_s < word.end_s
            free = (
                x
                + 8
                + canvas.text(x, top + 30, word.word, theme["accent" if said else "text"], 17, 1.0 if said else 0.85)
            )
        x = 0.35 * width
        canvas.stroke(np.array([[x, top + 42], [x, height - 6]], dtype=float), theme["text"], 1.6)


def _between(rows: np.ndarray, fps: float, at_s: float) -> np.ndarray:
    """Linear between two frames; after the end the last."""
    place = min(at_s * fps, len(rows) - 1)
    first = int(place)
    share = place - first
    return rows[first] * (1 - share) + rows[min(first + 1, len(rows) - 1)] * share


def _followed(result: Shown, at_s: float, height_cm: float) -> np.ndarray:
    """The point that the camera looks at: above where the hips are on the mean of some seconds."""
    times_s = np.maximum(0, at_s + np.linspace(-0.5, 0.5, 13) * CAMERA["follow_s"])
    rows = np.minimum(np.rint(times_s * result.fps).astype(int), result.num_frames - 1)
    x, _, z = result.positions_cm[rows, 0].mean(axis=0)
    return np.array([x, height_cm, z])


def _peaks(sound: Sound | None) -> np.ndarray:
    """Loudest sample of each hundredth of a second, 1 = the loudest of all."""
    if sound is None or not len(sound.waveform):
        return np.zeros(1)
    edges = np.arange(0, len(sound.waveform), sound.sample_rate / _PEAKS_PER_SECOND).astype(int)
    peaks = np.maximum.reduceat(np.abs(sound.waveform), edges)
    return peaks / max(1e-6, float(peaks.max()))
