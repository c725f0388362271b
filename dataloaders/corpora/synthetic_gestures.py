"""Strokes and keyword gestures as tracks of both arms: preparation, stroke, hold, retraction, each a minimum-jerk movement.

A stroke is timed so that the hand is fastest at the syllable (or word) that causes it.

Shapes: T frames, P fields of ArmPose.
"""

from dataclasses import dataclass

import numpy as np

from dataloaders.corpora.synthetic_causes import CauseEvent, Movement
from dataloaders.corpora.synthetic_curves import minimum_jerk
from dataloaders.corpora.synthetic_people import ArmPose, EmotionStyle, SpeakerStyle
from dataloaders.corpora.synthetic_speech import Speech

SIDES = ("Right", "Left")
ARM_JOINTS = ("Arm", "ForeArm", "Hand")

_BODY_FIELDS = ArmPose._fields[: ArmPose._fields.index("index")]  # without the fingers

# At tempo 1.
PREPARATION_S = 0.80
STROKE_S = 0.28
BEAT_HOLD_S = 0.14
KEYWORD_HOLD_S = 0.40
RETRACTION_S = 0.85
MIN_HOLD_S = 0.04
ELBOW_DEG = (5.0, 142.0)

_POINTING = {"index": 4.0, "middle": 46.0, "ring": 50.0, "pinky": 50.0, "thumb": 22.0}
_TWO_FINGERS = _POINTING | {"middle": 4.0}
_OPEN_HAND = {"index": 4.0, "middle": 5.0, "ring": 6.0, "pinky": 6.0, "thumb": 2.0}


@dataclass(frozen=True)
class KeywordGesture:
    """Where a keyword's stroke begins and ends; `both_arms` or the dominant one."""

    prepared: ArmPose
    apex: ArmPose
    both_arms: bool = False


def _gesture(
    prepared: dict[str, float], apex: dict[str, float], hand: dict[str, float], *, both_arms: bool = False
) -> KeywordGesture:
    return KeywordGesture(ArmPose(**prepared, **hand), ArmPose(**apex, **hand), both_arms)


# Angles upper_x, upper_z, elbow_x, elbow_z, hand_x, hand_z of the left arm; see ArmPose.
_ANGLES = ("upper_x", "upper_z", "elbow_x", "elbow_z", "hand_x", "hand_z")


def _angles(*values: float) -> dict[str, float]:
    return dict(zip(_ANGLES, values, strict=True))


KEYWORD_GESTURES = {
    "here": _gesture(_angles(-34, -70, 108, 104, -20, 10), _angles(-28, -70, 100, 36, 0, -30), _POINTING),
    "there": _gesture(_angles(-30, -70, 96, 108, -40, 10), _angles(-60, -58, 82, 20, -30, 0), _POINTING),
    "two": _gesture(_angles(-24, -74, 112, 78, -40, -10), _angles(-34, -66, 96, 132, -70, 14), _TWO_FINGERS),
    "high": _gesture(_angles(-30, -72, 104, 96, -40, 0), _angles(-84, -60, 88, 52, -25, 12), _OPEN_HAND),
    "whole": _gesture(
        _angles(-40, -74, 104, 84, -60, 0), _angles(-40, -48, 80, 66, -95, 0), _OPEN_HAND, both_arms=True
    ),
    "peace": _gesture(
        _angles(-28, -72, 100, 100, -70, 6), _angles(-36, -58, 74, 48, -140, -12), _OPEN_HAND, both_arms=True
    ),
}


@dataclass(frozen=True)
class Stroke:
    """One gesture to be made at `time_s`, by `sides`, from `prepared` to `apex` (already at the size that it shall have)."""

    cause: str
    what: str
    time_s: float
    sides: tuple[str, ...]
    prepared: ArmPose
    apex: ArmPose
    hold_s: float


@dataclass(frozen=True)
class ArmTracks:
    """Poses of both arms over time, and the movements that each stroke came to."""

    poses: dict[str, np.ndarray]  # side -> (T, P)
    events: list[CauseEvent]


def arm_tracks(
    times_s: np.ndarray, speech: Speech, *, style: SpeakerStyle, emotion: EmotionStyle, rng: np.random.Generator
) -> ArmTracks:
    """Gestures of a whole recording.

    Args:
        times_s: (T,) times of the frames.
        speech: gives the loud syllables and the keywords.
        style: of the speaker.
        emotion: scales and hastens.
        rng: small differences of size from stroke to stroke.
    """
    strokes = _beats(speech, style, emotion=emotion, rng=rng) + _keyword_strokes(speech, style, emotion=emotion)
    strokes.sort(key=lambda stroke: stroke.time_s)
    rest = style.rest._replace(upper_z=style.rest.upper_z + emotion.open_deg)
    poses: dict[str, np.ndarray] = {}
    movements: dict[int, list[Movement]] = {i: [] for i in range(len(strokes))}
    for side in SIDES:
        own = [i for i, stroke in enumerate(strokes) if side in stroke.sides]
        keys, spans = _key_poses([strokes[i] for i in own], rest, tempo=emotion.tempo)
        poses[side] = _between_keys(times_s, keys)
        for i, (start_s, end_s) in zip(own, spans, strict=True):
            amplitude = float(np.abs(np.subtract(strokes[i].apex, strokes[i].prepared)[: len(_BODY_FIELDS)]).max())
            joints = tuple(side + name for name in ARM_JOINTS)
            movements[i].append(Movement(joints, start_s, strokes[i].time_s, end_s, amplitude))
    events = [
        CauseEvent(s.cause, "audio" if s.cause == "stress" else "text", s.time_s, s.what, tuple(movements[i]))
        for i, s in enumerate(strokes)
    ]
    return ArmTracks(poses, events + _homophones(speech))


def dominant_side(style: SpeakerStyle) -> str:
    """The hand that makes one-handed keyword gestures; the right one of people who beat with both."""
    return "Left" if style.handedness == "left" else "Right"


def _beats(speech: Speech, style: SpeakerStyle, *, emotion: EmotionStyle, rng: np.random.Generator) -> list[Stroke]:
    """A stroke for each loud syllable."""
    strokes = []
    sides = SIDES if style.handedness == "both" else (dominant_side(style),)
    for i in speech.loud:
        phone = speech.phones[i]
        size = emotion.amplitude * float(rng.uniform(0.92, 1.08))
        prepared, apex = (_scaled(style.rest, pose, size=size) for pose in _beat(style))
        word = speech.words[phone.word].text
        strokes.append(Stroke("stress", word, phone.middle_s, sides, prepared, apex, BEAT_HOLD_S))
    return strokes


def _keyword_strokes(speech: Speech, style: SpeakerStyle, *, emotion: EmotionStyle) -> list[Stroke]:
    """A stroke for each keyword, and none for its twin."""
    strokes = []
    for w, word in enumerate(speech.words):
        if not word.script.is_keyword:
            continue
        vowel = max((phone for phone in speech.phones if phone.word == w), key=lambda phone: phone.stress)
        gesture = KEYWORD_GESTURES[word.text]
        size = emotion.amplitude**0.4  # a gesture that means something keeps its form
        prepared, apex = (_scaled(style.rest, pose, size=size) for pose in (gesture.prepared, gesture.apex))
        who = SIDES if gesture.both_arms else (dominant_side(style),)
        strokes.append(Stroke("keyword", word.text, vowel.middle_s, who, prepared, apex, KEYWORD_HOLD_S))
    return strokes


def _homophones(speech: Speech) -> list[CauseEvent]:
    twins = [word for word in speech.words if word.script.keyword and not word.script.is_keyword]
    return [CauseEvent("homophone", "text", (word.start_s + word.end_s) / 2, word.text) for word in twins]


def _beat(style: SpeakerStyle) -> tuple[ArmPose, ArmPose]:
    """A beat goes down and outward, the palm turning up as the speaker's style has it."""
    c = style.centre
    prepared = c._replace(
        elbow_z=c.elbow_z + style.lift_deg, elbow_x=c.elbow_x + 6, hand_z=c.hand_z + 16, upper_x=c.upper_x - 6
    )
    apex = c._replace(
        elbow_z=c.elbow_z - style.lift_deg,
        elbow_x=c.elbow_x - style.outward_deg,
        upper_z=c.upper_z + 0.3 * style.outward_deg,
        hand_x=c.hand_x - style.outward_deg,
        hand_z=c.hand_z - 14,
    )
    return prepared._replace(activity=0.7), apex._replace(activity=1.0)


def _scaled(rest: ArmPose, pose: ArmPose, *, size: float) -> ArmPose:
    """The pose at `size` times its distance from rest, as far as an elbow bends; fingers keep their shape."""
    moved = {name: getattr(rest, name) + size * (getattr(pose, name) - getattr(rest, name)) for name in _BODY_FIELDS}
    moved["elbow_z"] = min(max(moved["elbow_z"], ELBOW_DEG[0]), ELBOW_DEG[1])
    return pose._replace(**moved, activity=size * (pose.activity or 1.0))


def _key_poses(
    strokes: list[Stroke], rest: ArmPose, *, tempo: float
) -> tuple[list[tuple[float, ArmPose]], list[tuple[float, float]]]:
    """Poses at which the arm stands still, with their times, and start and end of each stroke's whole movement.

    Where the next preparation comes too early, the arm holds and goes on from there instead of returning to rest.
    """
    keys: list[tuple[float, ArmPose]] = [(0.0, rest)]
    spans: list[tuple[float, float]] = []
    half_s = STROKE_S / tempo / 2
    for i, stroke in enumerate(strokes):
        start_s = max(stroke.time_s - half_s - PREPARATION_S / tempo, keys[-1][0] + MIN_HOLD_S)
        apex_s = stroke.time_s + half_s
        keys += [(start_s, keys[-1][1]), (stroke.time_s - half_s, stroke.prepared), (apex_s, stroke.apex)]
        release_s = apex_s + stroke.hold_s / tempo
        end_s = release_s + RETRACTION_S / tempo
        if i + 1 < len(strokes):
            next_start_s = max(strokes[i + 1].time_s - half_s - PREPARATION_S / tempo, apex_s + MIN_HOLD_S)
            if end_s > next_start_s:
                spans.append((start_s, next_start_s))
                continue
        keys += [(release_s, stroke.apex), (end_s, rest)]
        spans.append((start_s, end_s))
    assert all(a[0] < b[0] for a, b in zip(keys, keys[1:], strict=False)), "strokes are too close"
    return keys, spans


def _between_keys(times_s: np.ndarray, keys: list[tuple[float, ArmPose]]) -> np.ndarray:
    """(T, P) poses on the way from key pose to key pose."""
    key_times = np.array([time_s for time_s, _ in keys])
    poses = np.array([pose for _, pose in keys])
    before = np.clip(np.searchsorted(key_times, times_s, side="right") - 1, 0, len(keys) - 1)
    after = np.minimum(before + 1, len(keys) - 1)
    span = np.where(after > before, key_times[after] - key_times[before], 1.0)
    weight = minimum_jerk((times_s - key_times[before]) / span)
    return poses[before] + weight[:, None] * (poses[after] - poses[before])
