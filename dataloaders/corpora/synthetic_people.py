"""Who the synthetic speakers are and what an emotion does to them: the two causes that only a label tells.

A speaker's label decides handedness, the pose of rest, where the hands gesture and how (style), and the bones. An emotion's label
decides amplitude, tempo and posture. Neither touches the voice.
"""

import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dataloaders.corpora.synthetic_plan import SPEAKER_NAMES


class ArmPose(NamedTuple):
    """One arm and hand in degrees, as a LEFT arm; the right one is its mirror image.

    In the T-pose all is 0, the palm down. `upper_z` -90 lets the arm hang, negative `upper_x` brings it forward; `elbow_z` bends the
    elbow, forward at `elbow_x` 90, inward beyond; at `hand_x` 0 the palm of the bent arm looks down, at -90 inward. Curls are per
    finger joint. `activity` is 0 at rest and 1 at the end of a stroke.
    """

    upper_x: float = 0.0
    upper_y: float = 0.0
    upper_z: float = -76.0
    elbow_x: float = 100.0
    elbow_z: float = 20.0
    hand_x: float = -75.0
    hand_y: float = 0.0
    hand_z: float = 0.0
    index: float = 24.0
    middle: float = 28.0
    ring: float = 32.0
    pinky: float = 34.0
    thumb: float = 14.0
    activity: float = 0.0


@dataclass(frozen=True)
class SpeakerStyle:
    """What a speaker's label causes.

    Attributes:
        handedness: "right", "left" or "both": which arms beat.
        rest: the pose of both arms between gestures.
        centre: where the dominant hand beats.
        lift_deg: how far a stroke begins above the centre, at the elbow.
        outward_deg: how far it ends outward.
        sway_hz, sway_cm: shifting of the weight.
        head_turn_deg: how far the head wanders.
        stature: length of all bones, 1 = 1.75 m.
    """

    handedness: str
    rest: ArmPose
    centre: ArmPose
    lift_deg: float
    outward_deg: float
    sway_hz: float
    sway_cm: float
    head_turn_deg: float
    stature: float


@dataclass(frozen=True)
class EmotionStyle:
    """What an emotion's label causes: amplitude and tempo of strokes (1 = neutral), posture in degrees, sway (1 = neutral)."""

    name: str
    amplitude: float
    tempo: float
    lean_deg: float  # of the trunk, forward
    bow_deg: float  # of the head, down
    shrug_deg: float  # of the shoulders, up
    open_deg: float  # of the upper arms, away from the body
    sway: float


# Numbered as in BEAT's emotion csv.
EMOTION_STYLES = (
    EmotionStyle("neutral", 1.0, 1.0, 0, 0, 0, 0, 1.0),
    EmotionStyle("happiness", 1.2, 1.15, -2, -4, 2, 5, 1.4),
    EmotionStyle("anger", 1.3, 1.25, 5, 3, 5, 7, 1.2),
    EmotionStyle("sadness", 0.65, 0.75, 7, 11, -3, -4, 0.6),
    EmotionStyle("contempt", 0.8, 0.9, -4, -7, 0, 2, 0.8),
    EmotionStyle("surprise", 1.15, 1.2, -5, -5, 6, 6, 1.1),
    EmotionStyle("fear", 0.75, 1.2, 3, 5, 9, -6, 0.7),
    EmotionStyle("disgust", 0.9, 0.85, -6, 4, 3, -3, 0.9),
)

_HANDEDNESS = ("right", "left", "both")
_RESTS = (
    ArmPose(upper_x=-2, elbow_z=22),  # arms at the sides
    ArmPose(upper_x=-8, upper_z=-72, elbow_x=118, elbow_z=68, hand_x=-60),  # hands before the belly
    ArmPose(upper_x=4, upper_z=-68, elbow_x=112, elbow_z=42, hand_x=-80),  # elbows out, hands at the hips
    ArmPose(upper_x=-6, upper_z=-75, elbow_x=98, elbow_z=46, hand_x=-85),  # forearms half raised
)
_CENTRE = ArmPose(
    upper_x=-24, upper_z=-68, elbow_x=106, elbow_z=84, hand_x=-60, index=12, middle=16, ring=20, pinky=22, thumb=8
)


def speaker_style(label: str, seed: int) -> SpeakerStyle:
    """The style of a speaker; the same label differs from seed to seed, but never in handedness."""
    turn = list(SPEAKER_NAMES).index(label)
    rng = np.random.default_rng([seed, zlib.crc32(f"speaker {label}".encode())])

    def near(value: float, spread: float) -> float:
        return value + float(rng.uniform(-spread, spread))

    rest = _RESTS[turn % len(_RESTS)]
    rest = rest._replace(upper_z=near(rest.upper_z, 2), elbow_x=near(rest.elbow_x, 5), elbow_z=near(rest.elbow_z, 5))
    centre = _CENTRE._replace(
        upper_x=near(_CENTRE.upper_x, 9),
        upper_z=near(_CENTRE.upper_z, 6),
        elbow_x=near(_CENTRE.elbow_x, 10),
        hand_x=near(-65, 25),
    )
    return SpeakerStyle(
        handedness=_HANDEDNESS[turn % len(_HANDEDNESS)],
        rest=rest,
        centre=centre,
        lift_deg=near(31, 5),
        outward_deg=near(20, 12),
        sway_hz=near(0.20, 0.05),
        sway_cm=near(1.5, 0.5),
        head_turn_deg=near(11, 3),
        stature=near(1.0, 0.06),
    )
