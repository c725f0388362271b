"""A head made of formulas, with FLAME's number of vertices, triangles and joints, and nobody's face.

FLAME's files are licensed and cannot ship. What is tested, and what is drawn where the user has no model, uses this
head: a grid of rings around a profile, with nose, lips, sockets and two eyeballs, and a slit between the lips, so that
the mouth opens. Forty-three displacement fields stand for ARKit's weights (gaze has none, as in FLAME).

Metres; x to the person's left, y up, z forward. Shapes: V = 5023 vertices, F = 9976 triangles.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from emage.motion.layout import ARKIT_51

NUM_VERTICES, NUM_FACES = 5023, 9976
_COLUMNS, _RINGS = 76, 52
_EYE_COLUMNS, _EYE_RINGS, _EYE_RADIUS = 41, 13, 0.0135
_EYES = ((0.031, 0.010, 0.0370), (-0.031, 0.010, 0.0370))
_LIP_Y, _LIP_HALF_WIDTH = -0.060, 0.0235

# Height, half width, front, back of the head's outline.
_PROFILE = np.array(
    [
        (0.128, 0.002, -0.030, -0.036),
        (0.120, 0.036, 0.012, -0.080),
        (0.100, 0.059, 0.043, -0.118),
        (0.070, 0.071, 0.061, -0.142),
        (0.035, 0.075, 0.068, -0.150),
        (0.010, 0.074, 0.064, -0.150),
        (-0.025, 0.071, 0.063, -0.145),
        (-0.060, 0.063, 0.060, -0.132),
        (-0.090, 0.052, 0.056, -0.115),
        (-0.108, 0.046, 0.040, -0.104),
        (-0.128, 0.045, 0.004, -0.100),
        (-0.190, 0.056, -0.004, -0.106),
    ]
)
# Bumps of the front: x, y of the centre (both sides where x is not 0), width, height, how far forward.
_FEATURES = (
    (0.000, -0.024, 0.0095, 0.0170, 0.0230),  # nose
    (0.000, 0.000, 0.0080, 0.0180, 0.0080),
    (0.000, -0.054, 0.0180, 0.0045, 0.0050),  # upper lip
    (0.000, -0.067, 0.0165, 0.0050, 0.0055),  # lower lip
    (0.000, -0.094, 0.0160, 0.0100, 0.0070),  # chin
    (0.031, 0.010, 0.0140, 0.0095, -0.0130),  # sockets
    (0.028, 0.036, 0.0240, 0.0080, 0.0040),  # brows
    (0.042, -0.022, 0.0160, 0.0160, 0.0040),  # cheeks
)

# What each weight moves: x, y of the centre, size, and the way in mm: to the side (outward), up, forward. The way of a
# name without Left or Right is mirrored where its centre is; Left and Right move their own side, by the same numbers.
_MOVES: dict[str, tuple[tuple[float, float, float, float, float, float], ...]] = {
    "browDown": ((0.024, 0.036, 0.016, -2, -6, 1),),
    "browInnerUp": ((0.010, 0.038, 0.012, 0, 8, 0),),
    "browOuterUp": ((0.042, 0.038, 0.014, 0, 8, 0),),
    "cheekPuff": ((0.040, -0.050, 0.018, 6, 0, 7),),
    "cheekSquint": ((0.038, -0.012, 0.014, 0, 5, 2),),
    "eyeBlink": ((0.031, 0.019, 0.008, 0, -10, 3), (0.031, 0.002, 0.007, 0, 3, 2)),
    "eyeSquint": ((0.031, 0.000, 0.009, 0, 5, 1),),
    "eyeWide": ((0.031, 0.021, 0.009, 0, 5, -1),),
    "jawForward": ((0.000, -0.085, 0.030, 0, 0, 8),),
    "jawLeft": ((0.000, -0.088, 0.026, 7, 0, 0),),
    "jawRight": ((0.000, -0.088, 0.026, -7, 0, 0),),
    "jawOpen": ((0.000, -0.088, 0.030, 0, -3, 0),),
    "mouthClose": ((0.000, -0.068, 0.012, 0, 5, 0), (0.000, -0.053, 0.012, 0, -3, 0)),
    "mouthDimple": ((0.028, -0.060, 0.008, 3, 0, -4),),
    "mouthFrown": ((0.024, -0.064, 0.010, 1, -7, 0),),
    "mouthFunnel": ((0.000, -0.060, 0.016, 0, 0, 9), (0.020, -0.060, 0.010, -5, 0, 3)),
    "mouthLeft": ((0.000, -0.060, 0.020, 7, 0, 0),),
    "mouthLowerDown": ((0.012, -0.067, 0.009, 0, -7, 1),),
    "mouthPress": ((0.016, -0.060, 0.009, 0, 1, -4),),
    "mouthPucker": ((0.000, -0.060, 0.012, 0, 0, 12), (0.020, -0.060, 0.010, -9, 0, 3)),
    "mouthRight": ((0.000, -0.060, 0.020, -7, 0, 0),),
    "mouthRollLower": ((0.000, -0.066, 0.012, 0, 4, -5),),
    "mouthRollUpper": ((0.000, -0.054, 0.012, 0, -3, -5),),
    "mouthShrugLower": ((0.000, -0.078, 0.014, 0, 6, 2),),
    "mouthShrugUpper": ((0.000, -0.048, 0.012, 0, 5, 2),),
    "mouthSmile": ((0.025, -0.059, 0.011, 6, 9, -2), (0.040, -0.030, 0.016, 1, 3, 3)),
    "mouthStretch": ((0.026, -0.063, 0.011, 8, -3, -3),),
    "mouthUpperUp": ((0.012, -0.053, 0.009, 0, 6, 1),),
    "noseSneer": ((0.012, -0.020, 0.009, 1, 6, 0),),
}


@dataclass(frozen=True, eq=False)
class SyntheticHead:
    """The head.

    Attributes:
        template: (V, 3) float64 metres.
        faces: (F, 3) int64.
        joints: (5, 3) global, neck, jaw, left eye, right eye.
        skin_weights: (V, 5), rows sum to 1.
        shapes: ARKit channel -> (V, 3) displacement at weight 1.
        masks: region -> vertex indices: lips, face, forehead, eye_region, nose, left_eyeball, right_eyeball.
        landmarks: (68,) vertices near the usual points: jaw line, brows, nose, eyes, outer and inner lips.
    """

    template: np.ndarray
    faces: np.ndarray
    joints: np.ndarray
    skin_weights: np.ndarray
    shapes: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    landmarks: np.ndarray


def synthetic_head() -> SyntheticHead:
    """Makes the head; the same each time."""
    skin, slit = _skin()
    left, right = (_eyeball(centre) for centre in _EYES)
    template = np.concatenate([skin, left, right])
    faces = _faces(slit)
    assert template.shape == (NUM_VERTICES, 3), template.shape
    assert faces.shape == (NUM_FACES, 3), faces.shape
    is_skin = np.arange(NUM_VERTICES) < len(skin)
    is_lower = np.zeros(NUM_VERTICES, dtype=bool)
    is_lower[: len(skin)] = _ring_of_skin() > slit  # below the slit: only these follow the jaw at the mouth
    shapes = {name: _displacement(name, template, is_skin) for name in ARKIT_51 if not name.startswith("eyeLook")}
    return SyntheticHead(
        template,
        faces,
        np.array([(0, -0.16, -0.05), (0, -0.10, -0.05), (0, -0.02, -0.02), *_EYES]),
        _skin_weights(template, is_skin, is_lower),
        shapes,
        _masks(template, is_skin),
        _landmarks(template, is_skin, is_lower),
    )


def _ring_of_skin() -> np.ndarray:
    """Ring of each vertex of the skin; the crown is ring -1."""
    return np.concatenate([[-1], np.repeat(np.arange(_RINGS), _COLUMNS)])


def _skin() -> tuple[np.ndarray, int]:
    """(1 + rings * columns, 3), and the ring above the slit of the mouth."""
    above = np.concatenate([np.linspace(0.126, 0.05, 12, endpoint=False), np.linspace(0.05, _LIP_Y, 21)])
    below = np.concatenate([[_LIP_Y - 1e-4], np.linspace(_LIP_Y - 0.0045, -0.108, 10), np.linspace(-0.117, -0.19, 8)])
    heights = np.concatenate([above, below])
    u = np.arange(_COLUMNS) / _COLUMNS * 2 * np.pi - np.pi
    around = u - 0.45 * np.sin(u)  # more columns in front; 0 looks forward, pi / 2 to the left
    order = np.argsort(_PROFILE[:, 0])
    half, front, back = PchipInterpolator(_PROFILE[order, 0], _PROFILE[order, 1:])(heights).T
    middle, depth = (front + back) / 2, (front - back) / 2
    x = half[:, None] * np.sin(around)
    z = middle[:, None] + depth[:, None] * np.cos(around)
    y = np.broadcast_to(heights[:, None], x.shape)
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    points[:, 2] += _relief(points)
    crown = np.array([[0.0, 0.128, -0.033]])
    return np.concatenate([crown, points]), len(above) - 1


def _relief(points: np.ndarray) -> np.ndarray:
    """(V,) how far forward the features of the face stand."""
    is_front = np.clip((points[:, 2] - 0.01) / 0.02, 0, 1)
    relief = np.zeros(len(points))
    for x, y, width, height, forward in _FEATURES:
        for side in (1, -1) if x else (1,):
            away = ((points[:, 0] - side * x) / width) ** 2 + ((points[:, 1] - y) / height) ** 2
            relief += forward * np.exp(-away / 2)
    return relief * is_front


def _eyeball(centre: tuple[float, float, float]) -> np.ndarray:
    """(535, 3) a ball whose poles look forward and back."""
    polar = np.linspace(0, np.pi, _EYE_RINGS + 2)[1:-1, None]
    turn = np.arange(_EYE_COLUMNS) / _EYE_COLUMNS * 2 * np.pi
    rows = np.stack(np.broadcast_arrays(np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)), -1)
    return np.array(centre) + _EYE_RADIUS * np.concatenate([[[0, 0, 1]], rows.reshape(-1, 3), [[0, 0, -1]]])


def _faces(slit: int) -> np.ndarray:
    columns = np.arange(_COLUMNS)
    following = (columns + 1) % _COLUMNS
    faces = [np.stack([np.zeros_like(columns), 1 + columns, 1 + following], axis=1)]
    u = columns / _COLUMNS * 2 * np.pi - np.pi
    at_mouth = np.abs(0.063 * np.sin(u - 0.45 * np.sin(u))) < _LIP_HALF_WIDTH
    at_mouth &= np.abs(u) < np.pi / 2
    for ring in range(_RINGS - 1):
        kept = columns[~(at_mouth & at_mouth[following])] if ring == slit else columns
        upper, lower = 1 + ring * _COLUMNS, 1 + (ring + 1) * _COLUMNS
        a, b, c, d = upper + kept, upper + following[kept], lower + kept, lower + following[kept]
        faces += [np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)]
    num_skin = 1 + _RINGS * _COLUMNS
    num_eye = 2 + _EYE_RINGS * _EYE_COLUMNS
    faces += [num_skin + _ball_faces(), num_skin + num_eye + _ball_faces()]
    made = np.concatenate(faces)
    # Part of the neck's opening is closed, as far as it takes to have FLAME's number of triangles.
    missing, last = NUM_FACES - len(made), 1 + (_RINGS - 1) * _COLUMNS
    fan = np.arange(1, missing + 1)
    return np.concatenate([made, np.stack([np.full(missing, last), last + fan + 1, last + fan], axis=1)])


def _ball_faces() -> np.ndarray:
    columns = np.arange(_EYE_COLUMNS)
    following = (columns + 1) % _EYE_COLUMNS
    last = 1 + (_EYE_RINGS - 1) * _EYE_COLUMNS
    pole = np.full(_EYE_COLUMNS, last + _EYE_COLUMNS)
    faces = [np.stack([np.zeros_like(columns), 1 + columns, 1 + following], axis=1)]
    for ring in range(_EYE_RINGS - 1):
        upper, lower = 1 + ring * _EYE_COLUMNS, 1 + (ring + 1) * _EYE_COLUMNS
        a, b, c, d = upper + columns, upper + following, lower + columns, lower + following
        faces += [np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)]
    return np.concatenate([*faces, np.stack([pole, last + following, last + columns], axis=1)])


def _displacement(name: str, template: np.ndarray, is_skin: np.ndarray) -> np.ndarray:
    """(V, 3) metres at weight 1."""
    side = {"Left": 1, "Right": -1}.get(next((end for end in ("Left", "Right") if name.endswith(end)), ""), 0)
    base = name if name in _MOVES else name.removesuffix("Left").removesuffix("Right")
    side = 0 if name in _MOVES else side
    moved = np.zeros_like(template)
    for x, y, size, outward, up, forward in _MOVES[base]:
        for place in (side,) if side else ((1, -1) if x else (0,)):
            away = ((template[:, 0] - place * x) ** 2 + (template[:, 1] - y) ** 2) / size**2
            weight = np.exp(-away / 2) * is_skin * (template[:, 2] > 0)
            moved += weight[:, None] * np.array([outward * (place or 1), up, forward]) * 1e-3
    return moved


def _skin_weights(template: np.ndarray, is_skin: np.ndarray, is_lower: np.ndarray) -> np.ndarray:
    """(V, 5) global, neck (the whole head), jaw, eyes."""
    x, y, z = template.T
    head = np.clip((y + 0.165) / 0.05, 0, 1)
    jaw = np.where(is_lower, 1.0, 0.0) * np.clip((z + 0.01) / 0.04, 0, 1) * np.clip((y + 0.135) / 0.02, 0, 1)
    # At the corners and along the cheeks the pull fades, or the skin would tear where the slit ends.
    jaw *= np.exp(-((np.abs(x) / 0.038) ** 4))
    to_corner = np.clip(np.abs(x) / _LIP_HALF_WIDTH, 0, 1) ** 2
    jaw *= 1 - to_corner * np.exp(-(((y - _LIP_Y) / 0.016) ** 2))
    weights = np.zeros((len(template), 5))
    weights[:, 0], weights[:, 1], weights[:, 2] = 1 - head, head * (1 - jaw), head * jaw
    eye = 2 + _EYE_RINGS * _EYE_COLUMNS
    num_skin = int(is_skin.sum())
    for joint in (3, 4):
        rows = slice(num_skin + (joint - 3) * eye, num_skin + (joint - 2) * eye)
        weights[rows] = 0
        weights[rows, joint] = 1
    return weights


def _masks(template: np.ndarray, is_skin: np.ndarray) -> dict[str, np.ndarray]:
    x, y, z = template.T
    front = is_skin & (z > 0.015)
    eye = 2 + _EYE_RINGS * _EYE_COLUMNS
    num_skin = int(is_skin.sum())
    regions = {
        "lips": front & (np.abs(x) < 0.03) & (np.abs(y - _LIP_Y) < 0.013),
        "face": front & (y < 0.06) & (y > -0.115),
        "forehead": front & (y >= 0.045) & (y < 0.09),
        "eye_region": front & (np.abs(np.abs(x) - 0.031) < 0.022) & (np.abs(y - 0.015) < 0.028),
        "nose": front & (np.abs(x) < 0.018) & (y < 0.01) & (y > -0.042),
    }
    masks = {name: np.flatnonzero(region) for name, region in regions.items()}
    masks["left_eyeball"] = np.arange(num_skin, num_skin + eye)
    masks["right_eyeball"] = np.arange(num_skin + eye, num_skin + 2 * eye)
    return masks


def _landmarks(template: np.ndarray, is_skin: np.ndarray, is_lower: np.ndarray) -> np.ndarray:
    """(68,) the vertex of the skin's front that is nearest to each point, in the usual order."""
    jaw_line = [(0.068 * np.cos(t), -0.002 - 0.098 * np.sin(t)) for t in np.linspace(np.pi, 0, 17)]
    brow = [(0.050, 0.032), (0.042, 0.038), (0.032, 0.040), (0.022, 0.038), (0.012, 0.034)]
    nose = [(0, y) for y in (0.008, -0.004, -0.016, -0.028)] + [(x, -0.040) for x in (-0.012, -0.006, 0, 0.006, 0.012)]
    eye = [(0.044, 0.010), (0.036, 0.017), (0.027, 0.017), (0.019, 0.010), (0.027, 0.003), (0.036, 0.003)]
    upper = [(-0.024, -0.0595), (-0.015, -0.052), (-0.006, -0.049), (0, -0.050), (0.006, -0.049), (0.015, -0.052)]
    lower = [(0.015, -0.070), (0.006, -0.074), (0, -0.075), (-0.006, -0.074), (-0.015, -0.070)]
    inner_up = [(-0.020, -0.0600), (-0.010, -0.0595), (0, -0.0595), (0.010, -0.0595), (0.020, -0.0600)]
    inner_low = [(0.010, -0.0605), (0, -0.0605), (-0.010, -0.0605)]
    mirrored = [(-x, y) for x, y in brow], [(-x, y) for x, y in eye]
    right_brow, left_brow = mirrored[0], brow[::-1]
    left_eye = [eye[k] for k in (3, 2, 1, 0, 5, 4)]
    points = [*jaw_line, *right_brow, *left_brow, *nose, *mirrored[1], *left_eye]
    points += [*upper, (0.024, -0.0595), *lower, *inner_up, *inner_low]
    below = [False] * (48 + 7) + [True] * 5 + [False] * 5 + [True] * 3
    found = []
    for (x, y), wants_lower in zip(points, below, strict=True):
        away = (template[:, 0] - x) ** 2 + (template[:, 1] - y) ** 2
        usable = is_skin & (template[:, 2] > -0.06)
        if len(found) >= 48:
            usable &= is_lower == wants_lower
        found.append(int(np.where(usable, away, np.inf).argmin()))
    return np.array(found)
