"""The face of the synthetic speakers: the mouth follows the phones, the brows loud syllables; blinks and glances come by chance.

No label reaches the face, so that it betrays neither the speaker nor the emotion to a model that is given it.

Shapes: T frames, C = 51 channels in the order of ARKIT_51.
"""

from dataclasses import dataclass

import numpy as np

from dataloaders.corpora.synthetic_causes import CauseEvent, Movement
from dataloaders.corpora.synthetic_curves import SmoothNoise, bump
from dataloaders.corpora.synthetic_plan import RecordingPlan
from dataloaders.corpora.synthetic_speech import Speech
from emage.motion.arkit import ARKIT_51

FACE_FPS = 60
BROW_WEIGHT, BROW_RISE_S, BROW_FALL_S = 0.55, 0.18, 0.40
LOUD_JAW = 1.35  # a loud vowel opens the mouth wider
BLINK_S = 0.22
BLINK_WAIT_S = (1.8, 5.0)
NOISE_WEIGHT, NOISE_HZ = 0.015, (0.2, 1.5)
GLANCE_WEIGHT, GLANCE_HZ = 0.12, (0.1, 0.4)
REST_S = 0.14  # the mouth closes this long after the last phone

# Weights of the mouth by the sound's shape. A shape that is not told about a channel leaves it at 0.
_REST = {"jawOpen": 0.03, "mouthClose": 0.02}
_BILABIAL = {"jawOpen": 0.05, "mouthClose": 0.45, "mouthPress": 0.55, "mouthRollLower": 0.30, "mouthRollUpper": 0.25}
_LIP_TEETH = {"jawOpen": 0.08, "mouthRollLower": 0.50, "mouthUpperUp": 0.20, "mouthClose": 0.05}
_TONGUE_TIP = {"jawOpen": 0.12, "mouthStretch": 0.12, "mouthLowerDown": 0.12}
_SIBILANT = {"jawOpen": 0.06, "mouthStretch": 0.30, "mouthLowerDown": 0.20, "mouthDimple": 0.10}
_HUSHING = {"jawOpen": 0.08, "mouthFunnel": 0.55, "mouthPucker": 0.25, "mouthShrugUpper": 0.10}
_ROUND_GLIDE = {"jawOpen": 0.08, "mouthPucker": 0.70, "mouthFunnel": 0.30}
_RHOTIC = {"jawOpen": 0.14, "mouthPucker": 0.30, "mouthFunnel": 0.30}
_BACK = {"jawOpen": 0.16, "mouthLowerDown": 0.10}
_VOWEL_OPEN = {"jawOpen": 0.62, "mouthLowerDown": 0.35, "mouthUpperUp": 0.15}
_VOWEL_MID = {"jawOpen": 0.38, "mouthLowerDown": 0.25, "mouthStretch": 0.20}
_VOWEL_SCHWA = {"jawOpen": 0.26, "mouthLowerDown": 0.15}
_VOWEL_SPREAD = {"jawOpen": 0.16, "mouthStretch": 0.35, "mouthSmile": 0.25, "mouthDimple": 0.10}
_VOWEL_ROUND_OPEN = {"jawOpen": 0.45, "mouthFunnel": 0.45, "mouthPucker": 0.15}
_VOWEL_ROUND_CLOSE = {"jawOpen": 0.14, "mouthPucker": 0.65, "mouthFunnel": 0.35}

_SHAPES_OF_SOUNDS = (
    ("p b m", _BILABIAL),
    ("f v", _LIP_TEETH),
    ("t d n l \u03b8 \u00f0 \u027e", _TONGUE_TIP),  # theta, eth, flap
    ("s z", _SIBILANT),
    ("\u0283 \u0292 t\u0283 d\u0292", _HUSHING),
    ("w", _ROUND_GLIDE),
    ("\u0279 r", _RHOTIC),
    ("k g \u0261 \u014b h j", _BACK),
    ("a \u00e6 \u0251 \u0250\u02d0", _VOWEL_OPEN),
    ("\u025b e \u028c \u025c", _VOWEL_MID),
    ("\u0259 \u0250 \u025a", _VOWEL_SCHWA),
    ("i \u026a \u1d7b", _VOWEL_SPREAD),
    ("o \u0254 \u0252", _VOWEL_ROUND_OPEN),
    ("u \u028a", _VOWEL_ROUND_CLOSE),
)
_SHAPE_OF_SOUND = {sound: shape for sounds, shape in _SHAPES_OF_SOUNDS for sound in sounds.split()}
_VOWELS = frozenset("a\u00e6\u0251\u025be\u028c\u025c\u0259\u0250\u025ai\u026a\u1d7bo\u0254\u0252u\u028a")


@dataclass(frozen=True)
class Face:
    """Weights (T, C) in 0..1 at 60 fps and what caused them."""

    weights: np.ndarray
    events: list[CauseEvent]


def mouth_shape(ipa: str) -> dict[str, float]:
    """The weights that a phone aims at; a name without Left or Right stands for both sides.

    The longest sound at the start of the phone decides, so a diphthong takes its first vowel.

    Raises:
        KeyError: no sound of the table starts the phone.
    """
    for length in (2, 1):
        if ipa[:length] in _SHAPE_OF_SOUND:
            return _SHAPE_OF_SOUND[ipa[:length]]
    raise KeyError(f"no mouth shape for the phone {ipa!r}")


def make_face(plan: RecordingPlan, speech: Speech) -> Face:
    """The face's movement, from the speech alone; `plan` gives the length and the chance."""
    times_s = np.arange(round(plan.seconds * FACE_FPS)) / FACE_FPS
    rng = plan.random("face")
    weights = dict.fromkeys(ARKIT_51, 0.0)
    mouth, events = _mouth(times_s, speech)
    brows, brow_events = _brows(times_s, speech)
    blinks, blink_events = _blinks(times_s, rng)
    weights |= mouth | brows | blinks | _glances(times_s, rng)
    values = np.stack([np.broadcast_to(weights[name], times_s.shape) for name in ARKIT_51], axis=1)  # (T, C)
    noise = NOISE_WEIGHT * (0.5 + 0.2 * SmoothNoise(times_s, rng).draw(len(ARKIT_51), NOISE_HZ))  # 0..NOISE_WEIGHT
    still = np.array([name.startswith(("eyeBlink", "mouthPress", "mouthClose")) for name in ARKIT_51])
    return Face(np.clip(values + np.where(still, 0, noise), 0, 1), events + brow_events + blink_events)


def _mouth(times_s: np.ndarray, speech: Speech) -> tuple[dict[str, np.ndarray], list[CauseEvent]]:
    """Each phone's shape is reached in its middle and held for a third of it; between phones the mouth glides."""
    loud = set(speech.loud)
    knots: list[tuple[float, dict[str, float]]] = [(0.0, _REST)]
    events: list[CauseEvent] = []
    previous_end_s = 0.0
    for i, phone in enumerate(speech.phones):
        if phone.start_s - previous_end_s > 2 * REST_S:  # a pause: the mouth comes to rest
            knots += [(previous_end_s + REST_S, _REST), (phone.start_s - REST_S / 2, _REST)]
        previous_end_s = phone.end_s
        shape = mouth_shape(phone.ipa)
        if i in loud:
            shape = shape | {"jawOpen": min(shape["jawOpen"] * LOUD_JAW, 0.9)}
        third = (phone.end_s - phone.start_s) / 6
        knots += [(phone.middle_s - third, shape), (phone.middle_s + third, shape)]
        if phone.ipa[0] in _VOWELS or shape is _BILABIAL:
            events.append(_phone_event(phone.ipa, phone.start_s, phone.end_s, shape))
    knots = [*knots, (previous_end_s + REST_S, _REST), (max(times_s[-1], previous_end_s + REST_S) + 1, _REST)]
    knot_times = np.array([time_s for time_s, _ in knots])
    names = sorted({name for shape in (_REST, *(shape for _, shape in knots)) for name in shape})
    targets = np.array([[shape.get(name, 0.0) for name in names] for _, shape in knots])
    before = np.clip(np.searchsorted(knot_times, times_s, side="right") - 1, 0, len(knots) - 2)
    s = (times_s - knot_times[before]) / (knot_times[before + 1] - knot_times[before])
    weight = (s**2 * (3 - 2 * s))[:, None]
    values = targets[before] + weight * (targets[before + 1] - targets[before])  # (T, names)
    return _both_sides({name: values[:, k] for k, name in enumerate(names)}), events


def _both_sides(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Spells out mouthPress as mouthPressLeft and mouthPressRight, and so on."""
    return {full: values for name, values in weights.items() for full in _channels(name)}


def _channels(name: str) -> tuple[str, ...]:
    return (name,) if name in ARKIT_51 else (f"{name}Left", f"{name}Right")


def _phone_event(ipa: str, start_s: float, end_s: float, shape: dict[str, float]) -> CauseEvent:
    """The strongest movement of a phone."""
    closing = "mouthPress" in shape
    name = "mouthPress" if closing else max(shape, key=lambda name: shape[name])
    middle_s = (start_s + end_s) / 2
    movement = Movement(_channels(name), start_s, middle_s, end_s, shape[name], unit="weight")
    return CauseEvent("phoneme", "audio", middle_s, ipa, (movement,))


def _brows(times_s: np.ndarray, speech: Speech) -> tuple[dict[str, np.ndarray], list[CauseEvent]]:
    raised = np.zeros_like(times_s)
    events = []
    channels = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
    for i in speech.loud:
        phone = speech.phones[i]
        raised = np.maximum(raised, bump(times_s, phone.middle_s, rise_s=BROW_RISE_S, fall_s=BROW_FALL_S))
        start_s, end_s = phone.middle_s - BROW_RISE_S, phone.middle_s + BROW_FALL_S
        movement = Movement(channels, start_s, phone.middle_s, end_s, BROW_WEIGHT, unit="weight")
        word = speech.words[phone.word].text
        events.append(CauseEvent("stress", "audio", phone.middle_s, word, (movement,)))
    return dict.fromkeys(channels, BROW_WEIGHT * raised), events


def _blinks(times_s: np.ndarray, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], list[CauseEvent]]:
    closed = np.zeros_like(times_s)
    events = []
    channels = ("eyeBlinkLeft", "eyeBlinkRight")
    blink_s = float(rng.uniform(0.5, BLINK_WAIT_S[1]))
    while blink_s < times_s[-1]:
        closed = np.maximum(closed, bump(times_s, blink_s, rise_s=0.4 * BLINK_S, fall_s=0.6 * BLINK_S))
        movement = Movement(channels, blink_s - 0.4 * BLINK_S, blink_s, blink_s + 0.6 * BLINK_S, 1.0, unit="weight")
        events.append(CauseEvent("blink", None, blink_s, "", (movement,)))
        blink_s += float(rng.uniform(*BLINK_WAIT_S))
    return dict.fromkeys(channels, closed), events


def _glances(times_s: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Both eyes wander together: the one looks in where the other looks out."""
    right, up = SmoothNoise(times_s, rng).draw(2, GLANCE_HZ).T * GLANCE_WEIGHT
    to_right, to_left = np.maximum(right, 0), np.maximum(-right, 0)
    return {
        "eyeLookOutRight": to_right,
        "eyeLookInLeft": to_right,
        "eyeLookInRight": to_left,
        "eyeLookOutLeft": to_left,
        "eyeLookUpLeft": np.maximum(up, 0),
        "eyeLookUpRight": np.maximum(up, 0),
        "eyeLookDownLeft": np.maximum(-up, 0),
        "eyeLookDownRight": np.maximum(-up, 0),
    }
