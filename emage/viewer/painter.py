"""What the page draws, drawn for a video: matplotlib's antialiased rasteriser, without its figures.

The functions mirror body.js and face.js; numbers of looks and shapes come from the same places.

Shapes: J joints, P points of an outline.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.transforms import Affine2D, TransformedPath

from emage.viewer.body_shape import Capsule
from emage.viewer.face_shape import VIEW_BOX, Shape
from emage.viewer.theme import CAPSULE_LAYERS, FAR_FADE

Colour = tuple[float, float, float]
_ARC_STEPS = 10
_DPI = 72
_GRID_REACH_CM, _GRID_STEP_CM, _GRID_LEVELS = 300, 50, 8


def mix(colour: str | Colour, other: str | Colour, share: float) -> Colour:
    """`share` of another colour in a colour."""
    return tuple(a * (1 - share) + b * share for a, b in zip(to_rgb(colour), to_rgb(other), strict=True))  # type: ignore[return-value]


def tone(colour: str | Colour, amount: float) -> Colour:
    """Lighter (above 0) or darker (below 0)."""
    return mix(colour, "#ffffff" if amount > 0 else "#000000", abs(amount))


class Canvas:
    """A picture of pixels, y down from the top."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._renderer = RendererAgg(width, height, _DPI)
        self._flip = Affine2D().scale(1, -1).translate(0, height)

    def pixels(self) -> np.ndarray:
        """(height, width, 3) uint8."""
        return np.asarray(self._renderer.buffer_rgba())[..., :3]

    def gradient(self, colours: Sequence[tuple[float, str]], left: int, right: int) -> None:
        """Fills columns with colours that change from top to bottom; places as shares of the height."""
        stops = [share for share, _ in colours]
        channels = np.array([to_rgb(colour) for _, colour in colours])
        rows = np.linspace(0, 1, self.height)
        column = np.stack([np.interp(rows, stops, channels[:, k]) for k in range(3)], axis=1)  # (height, 3)
        image = np.asarray(self._renderer.buffer_rgba())
        image[:, left:right, :3] = np.rint(column * 255)[:, None]
        image[:, left:right, 3] = 255

    def fill(
        self, points: np.ndarray | Outline, colour: str | Colour, alpha: float = 1.0, clip: Outline | None = None
    ) -> None:
        """Fills an outline, (P, 2) or a path."""
        outline = points if isinstance(points, Outline) else _closed(points)
        context = self._context(clip)
        context.set_linewidth(0)
        context.set_alpha(alpha)
        self._renderer.draw_path(context, outline, self._flip, (*to_rgb(colour), alpha))

    def stroke(
        self,
        points: np.ndarray | Outline,
        colour: str | Colour,
        width: float,
        alpha: float = 1.0,
        clip: Outline | None = None,
    ) -> None:
        """Draws along an outline with round ends."""
        context = self._context(clip)
        context.set_linewidth(width)
        context.set_foreground((*to_rgb(colour), alpha), isRGBA=True)
        context.set_capstyle("round")
        context.set_joinstyle("round")
        self._renderer.draw_path(context, points if isinstance(points, Outline) else Outline(points), self._flip)

    def text(
        self, x: float, y: float, text: str, colour: str, size: float, alpha: float = 1.0, bold: bool = False
    ) -> float:
        """Writes from x on, y the base line; returns the width."""
        font = FontProperties(size=size, weight="bold" if bold else "normal")
        context = self._context(None)
        context.set_foreground((*to_rgb(colour), alpha), isRGBA=True)
        text = text.replace("$", r"\$")
        self._renderer.draw_text(context, round(x), round(y), text, font, 0, ismath=False)
        return self._renderer.get_text_width_height_descent(text, font, False)[0]

    def _context(self, clip: Outline | None):
        context = self._renderer.new_gc()
        context.set_antialiased(True)
        if clip is not None:
            context.set_clip_path(TransformedPath(clip, self._flip))
        return context


def _closed(points: np.ndarray) -> Outline:
    return Outline(np.concatenate([points, points[:1]]), closed=True)


@dataclass(frozen=True)
class Camera:
    """Where we look from, and where on the picture the middle is.

    Attributes:
        yaw_rad: turn about the vertical; 0 looks into the face.
        pitch_rad: from above.
        distance_cm: from the point looked at.
        target_cm: (3,) the point looked at.
        focal: pixels.
        centre: pixels (x, y) of the point looked at.
    """

    yaw_rad: float
    pitch_rad: float
    distance_cm: float
    target_cm: np.ndarray
    focal: float
    centre: tuple[float, float]

    def project(self, places_cm: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(..., 3) -> pixels (..., 2), pixels per centimetre (...), depth (...)."""
        x, y, z = np.moveaxis(places_cm - self.target_cm, -1, 0)
        right = x * math.cos(self.yaw_rad) - z * math.sin(self.yaw_rad)
        front = x * math.sin(self.yaw_rad) + z * math.cos(self.yaw_rad)
        up = y * math.cos(self.pitch_rad) - front * math.sin(self.pitch_rad)
        near = y * math.sin(self.pitch_rad) + front * math.cos(self.pitch_rad)
        depth = np.maximum(self.distance_cm - near, 5.0)
        scale = self.focal / depth
        return np.stack([self.centre[0] + right * scale, self.centre[1] - up * scale], axis=-1), scale, depth


def paint_floor(canvas: Canvas, camera: Camera, theme: dict[str, str], clip: Outline) -> None:
    """The grid, fading with the distance from where the person began."""
    at, first = np.meshgrid(
        np.arange(-_GRID_REACH_CM, _GRID_REACH_CM + 1.0, _GRID_STEP_CM),
        np.arange(-_GRID_REACH_CM, float(_GRID_REACH_CM), _GRID_STEP_CM),
    )
    at, first, still = at.ravel(), first.ravel(), np.zeros(at.size)
    along_z = np.stack([at, still, first, at, still, first + _GRID_STEP_CM], axis=1)
    along_x = np.stack([first, still, at, first + _GRID_STEP_CM, still, at], axis=1)
    ends_cm = np.concatenate([along_z, along_x]).reshape(-1, 2, 3)
    far = np.hypot(*ends_cm.mean(axis=1)[:, [0, 2]].T) / _GRID_REACH_CM
    lines, _, depth = camera.project(ends_cm)
    level = np.where(depth.min(axis=1) > 30, np.floor(far * _GRID_LEVELS), _GRID_LEVELS)
    for ring in range(_GRID_LEVELS):  # a level of brightness is drawn at once
        held = lines[level == ring]
        if len(held):
            codes = np.tile([Outline.MOVETO, Outline.LINETO], len(held))
            alpha = 0.75 * (1 - (ring + 0.5) / _GRID_LEVELS) ** 1.2
            canvas.stroke(Outline(held.reshape(-1, 2), codes), theme["grid"], 1.0, alpha, clip)


def paint_shadow(
    canvas: Canvas,
    camera: Camera,
    theme: dict[str, str],
    bones: Sequence[Capsule],
    places_cm: np.ndarray,
    clip: Outline,
) -> None:
    """The shadow of all capsules on the floor as one outline, so that overlaps do not darken."""
    outlines = []
    for first, second, r1, r2 in bones:
        a, b = places_cm[first][[0, 2]], places_cm[second][[0, 2]]
        turn = math.atan2(b[1] - a[1], b[0] - a[0]) - math.pi / 2 + np.linspace(0, math.pi, 8)
        ring = np.concatenate(
            [
                b + r2 * np.stack([np.cos(turn), np.sin(turn)], axis=1),
                a - r1 * np.stack([np.cos(turn), np.sin(turn)], axis=1),
            ]
        )
        ground, _, _ = camera.project(np.stack([ring[:, 0], np.zeros(len(ring)), ring[:, 1]], axis=1))
        outlines.append(_closed(ground))
    canvas.fill(Outline.make_compound_path(*outlines), theme["shadow"], 0.22, clip)


def paint_body(
    canvas: Canvas,
    camera: Camera,
    theme: dict[str, str],
    bones: Sequence[Capsule],
    places_cm: np.ndarray,
    *,
    colour: str,
    height_cm: float,
    clip: Outline,
) -> None:
    """The capsules from far to near, each in the layers of its shading."""
    points, scale, depth = camera.project(places_cm)
    behind = 0.45 * height_cm
    order = [((depth[a] + depth[b]) / 2 - (r1 + r2) / 2, a, b, r1 * scale[a], r2 * scale[b]) for a, b, r1, r2 in bones]
    for far, a, b, r1, r2 in sorted(order, reverse=True):
        fade = min(1.0, max(0.0, (far - camera.distance_cm + behind / 2) / behind)) * FAR_FADE
        faded = mix(colour, theme["horizon"], fade)
        for share, right, down, amount in CAPSULE_LAYERS:
            shift = np.array([right, down])
            outline = capsule_outline(points[a] + shift * r1, share * r1, points[b] + shift * r2, share * r2)
            canvas.fill(outline, tone(faded, amount), 1.0, clip)


def capsule_outline(first: np.ndarray, r1: float, second: np.ndarray, r2: float) -> np.ndarray:
    """Two circles and the tangents between them, (P, 2)."""
    (dx, dy), length = second - first, float(np.hypot(*(second - first)))
    if length <= abs(r1 - r2) + 1e-6:
        turns = np.linspace(0, 2 * math.pi, 2 * _ARC_STEPS, endpoint=False)
        centre, radius = (first, r1) if r1 >= r2 else (second, r2)
        return centre + radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    along, side = math.atan2(dy, dx), math.acos((r1 - r2) / length)
    back = np.linspace(along + side, along + 2 * math.pi - side, _ARC_STEPS)
    front = np.linspace(along - side, along + side, _ARC_STEPS)
    arcs = [(first, r1, back), (second, r2, front)]
    return np.concatenate([c + r * np.stack([np.cos(turn), np.sin(turn)], axis=1) for c, r, turn in arcs])


def paint_face(
    canvas: Canvas,
    theme: dict[str, str],
    shapes: Sequence[Shape],
    weights: dict[str, float],
    *,
    box: tuple[float, float, float, float],
) -> None:
    """The drawn face in a box (left, top, right, bottom) of the picture."""
    left, top, right, bottom = box
    frame = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=float)
    canvas.fill(frame, theme["faceBack"])
    scale = min((right - left) / (VIEW_BOX[2] - VIEW_BOX[0]), (bottom - top) / (VIEW_BOX[3] - VIEW_BOX[1]))
    foot = np.array([(VIEW_BOX[0] + VIEW_BOX[2]) / 2, VIEW_BOX[3]])
    ground = np.array([(left + right) / 2, bottom])
    outlines = [smooth_outline((moved(shape, weights) - foot) * scale + ground, shape.closed) for shape in shapes]
    whole = _closed(frame)
    for shape, outline in zip(shapes, outlines, strict=True):
        clip = outlines[shape.clip] if shape.clip >= 0 else whole
        if shape.fill:
            canvas.fill(outline, theme[shape.fill], 1.0, clip)
        if shape.stroke:
            canvas.stroke(outline, theme[shape.stroke], shape.width * scale, 1.0, clip)


def moved(shape: Shape, weights: dict[str, float]) -> np.ndarray:
    """Points of an outline under the weights, (P, 2)."""
    points = np.array(shape.points, dtype=float)
    for channel, steps in shape.moves.items():
        weight = weights.get(channel, 0.0)
        if weight:
            points = points + weight * np.array(steps)
    return points


def smooth_outline(points: np.ndarray, closed: bool) -> Outline:
    """A smooth line through the points (Catmull-Rom as Bezier curves)."""
    padded = (
        np.concatenate([points[-1:], points, points[:2]])
        if closed
        else np.concatenate([points[:1], points, points[-1:]])
    )
    before, start, end, after = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    curves = np.stack([start + (end - before) / 6, end - (after - start) / 6, end], axis=1).reshape(-1, 2)
    codes = [Outline.MOVETO, *[Outline.CURVE4] * len(curves)]
    return Outline(np.concatenate([start[:1], curves]), codes)
