"""Draws a face in motion: a mesh as shaded triangles, 68 landmarks as lines, and curves of what moves over time.

Shapes: T frames, V vertices, F triangles, P = 68 landmarks.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw

SIZE = 480  # pixels of the face's square
PANEL_WIDTH = 720
_SMOOTH = 2  # the face is drawn so many times larger and shrunk
_BACKGROUND, _INK, _CURSOR = (246, 246, 244), (52, 60, 74), (200, 85, 61)
_SKIN, _EYE, _INSIDE = np.array([222, 184, 160.0]), np.array([236, 236, 232.0]), (74, 26, 30)
_IRIS, _IRIS_COLOUR = 0.05, np.array([58, 74, 92.0])  # share of an eyeball's depth
_LIGHT = np.array([0.35, 0.45, 0.82])
_LINES = (  # the usual 68 points: first, last, closed
    (0, 16, False),
    (17, 21, False),
    (22, 26, False),
    (27, 30, False),
    (31, 35, False),
    (36, 41, True),
    (42, 47, True),
    (48, 59, True),
    (60, 67, True),
)


@dataclass(frozen=True)
class View:
    """From where a face is seen: orthographic from the front, its middle in the middle of the picture.

    Attributes:
        centre: (2,) x and y in metres.
        half: metres from the middle to the edge.
    """

    centre: np.ndarray
    half: float

    @classmethod
    def of(cls, points: np.ndarray, margin: float = 1.08) -> "View":
        """A view that holds points (..., 3) of all frames, and so many times as wide."""
        low, high = points.reshape(-1, 3)[:, :2].min(axis=0), points.reshape(-1, 3)[:, :2].max(axis=0)
        return cls((low + high) / 2, float((high - low).max()) * margin / 2)

    def pixels(self, points: np.ndarray, size: int) -> np.ndarray:
        """(N, 3) metres -> (N, 2) pixels, y down."""
        away = (points[:, :2] - self.centre) / self.half
        return (np.stack([away[:, 0], -away[:, 1]], axis=1) + 1) * (size / 2)


def draw_mesh(vertices: np.ndarray, faces: np.ndarray, view: View, colours: np.ndarray) -> Image.Image:
    """One frame of a mesh, (V, 3) metres and (F, 3): the far triangles first, each in its own light.

    `colours` (F, 3) are 0 to 255, see `mesh_colours`.
    """
    size = SIZE * _SMOOTH
    corners = vertices[faces]  # (F, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    light = 0.32 + 0.68 * np.clip(normals @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)
    colours = (colours * light[:, None]).astype(int)
    image = Image.new("RGB", (size, size), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    pixels = view.pixels(vertices, size)[faces].reshape(len(faces), 6)
    is_inside = normals[:, 2] < 0  # seen from behind: through the mouth, or the far side of the head
    for number in np.argsort(corners[:, :, 2].mean(axis=1)).tolist():
        draw.polygon(pixels[number].tolist(), fill=_INSIDE if is_inside[number] else tuple(colours[number].tolist()))
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def mesh_colours(template: np.ndarray, faces: np.ndarray, eyeballs: Sequence[np.ndarray]) -> np.ndarray:
    """(F, 3) the colour of each triangle: skin, eyeballs, and the front of each eyeball as its iris."""
    of_vertex = np.tile(_SKIN, (len(template), 1))
    for rows in eyeballs:
        forward = template[rows, 2]
        reach = forward.max() - forward.min()
        of_vertex[rows] = np.where((forward > forward.max() - _IRIS * reach)[:, None], _IRIS_COLOUR, _EYE)
    return of_vertex[faces].min(axis=1)


def draw_landmarks(points: np.ndarray, view: View) -> Image.Image:
    """One frame of 68 landmarks, (P, 3) metres, as the lines of a face."""
    size = SIZE * _SMOOTH
    image = Image.new("RGB", (size, size), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    pixels = view.pixels(points, size)
    for first, last, closed in _LINES:
        line = [tuple(p) for p in pixels[first : last + 1].tolist()]
        draw.line([*line, line[0]] if closed else line, fill=_INK, width=3 * _SMOOTH, joint="curve")
    for x, y in pixels.tolist():
        draw.ellipse([x - 5, y - 5, x + 5, y + 5], fill=_CURSOR)
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


@dataclass(frozen=True)
class Panel:
    """A picture of curves over time, and where on it a moment is.

    Attributes:
        image: the curves.
        left, right: pixels of the first and of the last moment.
        seconds: (first, last) moment.
    """

    image: Image.Image
    left: float
    right: float
    seconds: tuple[float, float]

    def at(self, time_s: float) -> Image.Image:
        """The curves with a line at a moment."""
        share = (time_s - self.seconds[0]) / (self.seconds[1] - self.seconds[0])
        x = self.left + share * (self.right - self.left)
        image = self.image.copy()
        ImageDraw.Draw(image).line([(x, 26), (x, image.height - 40)], fill=_CURSOR, width=2)
        return image


def draw_panel(
    curves: dict[str, np.ndarray],
    fps: float,
    waveform: np.ndarray | None,
    sample_rate: int,
    *,
    title: str,
    width: int = PANEL_WIDTH,
    height: int = SIZE,
    marks_s: Sequence[float] = (),
    start_s: float = 0.0,
) -> Panel:
    """Draws the sound and the curves below each other.

    Args:
        curves: label -> (T,) values.
        fps: frames per second.
        waveform: (S,) or None.
        sample_rate: of the waveform.
        title: stands above.
        width: pixels.
        height: pixels.
        marks_s: moments that get a thin line.
        start_s: time of the first frame.
    """
    num_frames = len(next(iter(curves.values())))
    end_s = start_s + max(num_frames - 1, 1) / fps
    times_s = start_s + np.arange(num_frames) / fps
    num_rows = len(curves) + (waveform is not None)
    figure, rows = plt.subplots(num_rows, 1, figsize=(width / 100, height / 100), dpi=100, sharex=True, squeeze=False)
    figure.patch.set_facecolor(np.array(_BACKGROUND) / 255)
    axes = list(rows[:, 0])
    if waveform is not None:
        sound = axes.pop(0)
        step = max(1, len(waveform) // 4000)
        sound.plot(start_s + np.arange(0, len(waveform), step) / sample_rate, waveform[::step], color="#6b7a8f", lw=0.5)
        sound.set_ylabel("sound", rotation=0, ha="right", va="center", fontsize=8)
        sound.set_yticks([])
    for axis, (label, values) in zip(axes, curves.items(), strict=True):
        axis.plot(times_s, values, color="#2f6690", lw=1.2)
        axis.fill_between(times_s, values, min(0, float(values.min())), color="#2f6690", alpha=0.12, lw=0)
        axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.locator_params(axis="y", nbins=3)
    for axis in rows[:, 0]:
        axis.set_facecolor("white")
        axis.set_xlim(start_s, end_s)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for moment in marks_s:
            axis.axvline(moment, color="#c8553d", lw=0.6, alpha=0.6)
    rows[-1, 0].set_xlabel("seconds", fontsize=8)
    figure.suptitle(title, fontsize=9, x=0.02, ha="left")
    figure.subplots_adjust(left=0.2, right=0.97, top=0.93, bottom=0.1, hspace=0.35)
    left, right = (rows[0, 0].transAxes.transform((share, 0))[0] for share in (0, 1))
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100, facecolor=figure.get_facecolor())
    plt.close(figure)
    return Panel(Image.open(buffer).convert("RGB"), float(left), float(right), (start_s, end_s))


def side_by_side(face: Image.Image, panel: Image.Image) -> Image.Image:
    """A frame of the video: the face, and the curves beside it."""
    image = Image.new("RGB", (face.width + panel.width, max(face.height, panel.height)), _BACKGROUND)
    image.paste(face, (0, 0))
    image.paste(panel, (face.width, 0))
    return image


def contact_sheet(
    faces: Sequence[Image.Image], times_s: Sequence[float], panel: Image.Image, columns: int
) -> Image.Image:
    """Faces in rows with their times, and the curves below them."""
    cell = panel.width // columns
    rows = -(-len(faces) // columns)
    image = Image.new("RGB", (panel.width, rows * cell + panel.height), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    for number, (face, time_s) in enumerate(zip(faces, times_s, strict=True)):
        x, y = (number % columns) * cell, (number // columns) * cell
        image.paste(face.resize((cell, cell), Image.Resampling.LANCZOS), (x, y))
        draw.text((x + 8, y + 6), f"{time_s:.2f} s", fill=_INK)
    image.paste(panel, (0, rows * cell))
    return image
