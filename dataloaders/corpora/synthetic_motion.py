"""The body of the synthetic speakers: arm tracks, posture, sway and small noise put together into Euler angles of all joints.

Shapes: T frames.
"""

from dataclasses import dataclass

import numpy as np
import torch

from dataloaders.corpora.synthetic_body import make_skeleton, plant_feet, standing_height_cm, within_reach
from dataloaders.corpora.synthetic_causes import CauseEvent, Movement
from dataloaders.corpora.synthetic_curves import SmoothNoise, bump
from dataloaders.corpora.synthetic_gestures import SIDES, arm_tracks
from dataloaders.corpora.synthetic_people import EMOTION_STYLES, ArmPose, EmotionStyle, SpeakerStyle, speaker_style
from dataloaders.corpora.synthetic_plan import RecordingPlan
from dataloaders.corpora.synthetic_speech import Speech
from emage.motion.bvh import BvhMotion, bvh_from_rotations
from emage.motion.skeleton import BEAT_JOINTS

MOTION_FPS = 120
NOD_DEG = 5.0
NOD_RISE_S, NOD_FALL_S = 0.16, 0.30
NOISE_HZ = (0.15, 1.1)
DRIFT_HZ = (0.1, 0.3)  # fast enough to come round within a recording: no cause of its own for each
ARM_NOISE_DEG, ARM_DRIFT_DEG = 0.5, 2.0
TRUNK_NOISE_DEG, FINGER_NOISE_DEG = 0.25, 1.5
TRUNK_TURN_DEG = 5.0  # towards the hand that gestures

_TRUNK_SHARES = {"Spine": 0.2, "Spine1": 0.25, "Spine2": 0.3, "Spine3": 0.25}
_NECK_SHARES = {"Neck": 0.3, "Neck1": 0.25, "Head": 0.45}
_FINGERS = ("Index", "Middle", "Ring", "Pinky")
_FINGER_SHARES = (0.9, 1.15, 0.8)  # of the curl, joint by joint


@dataclass(frozen=True)
class Movements:
    """The motion of a recording and what caused it."""

    bvh: BvhMotion
    events: list[CauseEvent]


def make_motion(plan: RecordingPlan, speech: Speech) -> Movements:
    """The body's movement at 120 fps, from the speech and the labels of the plan."""
    style, emotion = speaker_style(plan.speaker, plan.seed), EMOTION_STYLES[plan.emotion]
    times_s = np.arange(round(plan.seconds * MOTION_FPS)) / MOTION_FPS
    noise = SmoothNoise(times_s, plan.random("motion noise"))
    arms = arm_tracks(times_s, speech, style=style, emotion=emotion, rng=plan.random("stroke sizes"))
    skeleton = make_skeleton(style.stature)
    angles: dict[str, np.ndarray] = {}
    hips_cm, hips_deg = _hips(noise, style, emotion=emotion, height_cm=standing_height_cm(skeleton))
    hips_cm = within_reach(skeleton, hips_cm, hips_deg=hips_deg)
    angles["Hips"] = hips_deg
    angles |= _trunk(noise, hips_deg, poses=arms.poses, emotion=emotion)
    nods = [speech.phones[i].middle_s for i in speech.loud]
    angles |= _head(noise, nods, style=style, emotion=emotion)
    for side in SIDES:
        angles |= _arm(noise, side, pose=arms.poses[side], emotion=emotion)
    angles |= plant_feet(skeleton, hips_cm, hips_deg=hips_deg)

    euler_deg = np.zeros((len(times_s), len(BEAT_JOINTS), 3))
    for name, values in angles.items():
        euler_deg[:, BEAT_JOINTS.index(name)] = values
    bvh = bvh_from_rotations(
        skeleton, torch.from_numpy(euler_deg), root_translation_cm=torch.from_numpy(hips_cm), fps=MOTION_FPS
    )
    nod_events = [_nod_event(speech, i, amplitude_deg=NOD_DEG * emotion.amplitude) for i in speech.loud]
    return Movements(bvh, arms.events + nod_events + _label_events(plan, style, emotion=emotion))


def _hips(
    noise: SmoothNoise, style: SpeakerStyle, *, emotion: EmotionStyle, height_cm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Place and Euler angles of the hips, both (T, 3): the weight goes from foot to foot."""
    band = (0.7 * style.sway_hz, 1.3 * style.sway_hz)
    sway = noise.draw(4, band) * emotion.sway
    sideways, forward, turn, tilt = sway.T
    drop = -0.02 * sideways**2
    place = np.stack([style.sway_cm * sideways, height_cm + drop, 0.5 * style.sway_cm * forward], axis=1)
    return place, np.stack([0.4 * forward, 1.8 * turn, 0.8 * tilt - 0.6 * sideways], axis=1)


def _trunk(
    noise: SmoothNoise, hips_deg: np.ndarray, *, poses: dict[str, np.ndarray], emotion: EmotionStyle
) -> dict[str, np.ndarray]:
    """The spine leans as the emotion has it, keeps upright over the hips and turns a little with the hands."""
    activity = {side: poses[side][:, ArmPose._fields.index("activity")] for side in SIDES}
    bend = noise.draw(3, DRIFT_HZ) * [0.8, 1.5, 0.7] - 0.7 * hips_deg  # (T, 3)
    bend[:, 0] += emotion.lean_deg + 1.0 * (activity["Right"] + activity["Left"])
    bend[:, 1] += TRUNK_TURN_DEG * (activity["Right"] - activity["Left"])
    own = noise.draw(3 * len(_TRUNK_SHARES), NOISE_HZ).reshape(len(bend), -1, 3) * TRUNK_NOISE_DEG
    return {name: share * bend + own[:, k] for k, (name, share) in enumerate(_TRUNK_SHARES.items())}


def _head(
    noise: SmoothNoise, nods_s: list[float], *, style: SpeakerStyle, emotion: EmotionStyle
) -> dict[str, np.ndarray]:
    """The head bows as the emotion has it, wanders, and nods at loud syllables."""
    wander = noise.draw(3, DRIFT_HZ) * style.head_turn_deg * [0.35, 0.7, 0.25]
    wander[:, 0] += emotion.bow_deg
    for nod_s in nods_s:
        nod = bump(noise.times_s, nod_s, rise_s=NOD_RISE_S, fall_s=NOD_FALL_S)
        wander[:, 0] += NOD_DEG * emotion.amplitude * nod
    own = noise.draw(3 * len(_NECK_SHARES), NOISE_HZ).reshape(len(wander), -1, 3) * TRUNK_NOISE_DEG
    return {name: share * wander + own[:, k] for k, (name, share) in enumerate(_NECK_SHARES.items())}


def _arm(noise: SmoothNoise, side: str, *, pose: np.ndarray, emotion: EmotionStyle) -> dict[str, np.ndarray]:
    """Euler angles (T, 3) of shoulder, arm and fingers; what is said of the left arm is mirrored for the right one."""
    field = {name: pose[:, k] for k, name in enumerate(ArmPose._fields)}
    zero = np.zeros(len(pose))
    angles = {
        "Shoulder": np.stack(
            [zero, zero, 0.12 * (field["upper_z"] + 76) - 0.05 * field["upper_x"] + emotion.shrug_deg], axis=1
        ),
        "Arm": np.stack([field["upper_x"], field["upper_y"], field["upper_z"]], axis=1),
        "ForeArm": np.stack([field["elbow_x"], zero, field["elbow_z"]], axis=1),
        "Hand": np.stack([field["hand_x"], field["hand_y"], field["hand_z"]], axis=1),
    }
    drift = noise.draw(6, DRIFT_HZ) * ARM_DRIFT_DEG
    own = noise.draw(12, NOISE_HZ).reshape(len(pose), 4, 3) * ARM_NOISE_DEG
    for k, name in enumerate(angles):
        angles[name] = angles[name] + own[:, k]
    angles["Arm"] += drift[:, :3] * [0.6, 0.3, 0.6]
    angles["ForeArm"][:, 2] += drift[:, 3]
    angles["Hand"][:, [0, 2]] += drift[:, 4:]
    angles |= _fingers(noise, field)
    mirror = np.array([1.0, -1.0, -1.0]) if side == "Right" else np.ones(3)
    return {side + name: values * mirror for name, values in angles.items()}


def _fingers(noise: SmoothNoise, field: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Finger joints 1 to 3 bend together; all fingers of a hand open and close a little in common."""
    zero = np.zeros(len(noise.times_s))
    common = noise.draw(1, NOISE_HZ)[:, 0] * FINGER_NOISE_DEG
    own = noise.draw(len(_FINGERS) + 1, NOISE_HZ) * FINGER_NOISE_DEG / 2
    angles: dict[str, np.ndarray] = {}
    for k, finger in enumerate(_FINGERS):
        curl = field[finger.lower()] + common + own[:, k]
        for joint, share in enumerate(_FINGER_SHARES, start=1):
            angles[f"Hand{finger}{joint}"] = np.stack([zero, zero, -share * curl], axis=1)
    thumb = field["thumb"] + 0.5 * common + own[:, -1]
    angles["HandThumb1"] = np.stack([-0.3 * thumb, 0.5 * thumb, zero], axis=1)
    for joint in (2, 3):
        angles[f"HandThumb{joint}"] = np.stack([zero, 0.6 * thumb, zero], axis=1)
    return angles


def _nod_event(speech: Speech, loud: int, *, amplitude_deg: float) -> CauseEvent:
    phone = speech.phones[loud]
    start_s, end_s = phone.middle_s - NOD_RISE_S, phone.middle_s + NOD_FALL_S
    movement = Movement(tuple(_NECK_SHARES), start_s, phone.middle_s, end_s, amplitude_deg)
    return CauseEvent("stress", "audio", phone.middle_s, speech.words[phone.word].text, (movement,))


def _label_events(plan: RecordingPlan, style: SpeakerStyle, *, emotion: EmotionStyle) -> list[CauseEvent]:
    """What holds all the time, and which label says so."""
    speaker = {
        "handedness": style.handedness,
        "rest_elbow_deg": round(style.rest.elbow_z, 3),
        "stature": round(style.stature, 4),
    }
    mood = {
        "amplitude": emotion.amplitude,
        "tempo": emotion.tempo,
        "lean_deg": emotion.lean_deg,
        "bow_deg": emotion.bow_deg,
    }
    return [
        CauseEvent("speaker", "speaker", 0.0, plan.speaker, values=speaker),
        CauseEvent("emotion", "emotion", 0.0, emotion.name, values=mood),
    ]
