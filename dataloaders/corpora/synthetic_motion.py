"""The body of the synthetic speakers: arm tracks, posture, sway and small noise put together into Euler angles of all joints.

Shapes: T frames, J joints, N noise channels.
"""

from dataclasses import dataclass

import numpy as np
import torch

from dataloaders.corpora.synthetic_body import make_skeleton, plant_feet, standing_height_cm
from dataloaders.corpora.synthetic_causes import CauseEvent, Movement
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
    rng = plan.random("motion noise")
    arms = arm_tracks(times_s, speech, style, emotion, plan.random("stroke sizes"))
    skeleton = make_skeleton(style.stature)
    angles: dict[str, np.ndarray] = {}
    hips_cm, hips_deg = _hips(times_s, style, emotion, rng, standing_height_cm(skeleton))
    angles["Hips"] = hips_deg
    angles |= _trunk(times_s, hips_deg, arms.poses, emotion, rng)
    nods = [speech.phones[i].middle_s for i in speech.loud]
    angles |= _head(times_s, nods, style, emotion, rng)
    for side in SIDES:
        angles |= _arm(side, arms.poses[side], emotion, times_s, rng)
    angles |= plant_feet(skeleton, hips_cm, hips_deg)

    euler_deg = np.zeros((len(times_s), len(BEAT_JOINTS), 3))
    for name, values in angles.items():
        euler_deg[:, BEAT_JOINTS.index(name)] = values
    bvh = bvh_from_rotations(
        skeleton, torch.from_numpy(euler_deg), root_translation_cm=torch.from_numpy(hips_cm), fps=MOTION_FPS
    )
    nod_events = [_nod_event(speech, i) for i in speech.loud]
    return Movements(bvh, arms.events + nod_events + _label_events(plan, style, emotion))


def smooth_noise(times_s: np.ndarray, num_channels: int, band_hz: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """(T, N) independent band-limited noise of standard deviation 1 (over chance), at most 2.5: a sum of sinusoids."""
    num_waves = 3
    frequency = rng.uniform(*band_hz, (num_waves, 1, num_channels))
    phase = rng.uniform(0, 2 * np.pi, (num_waves, 1, num_channels))
    return np.sin(2 * np.pi * frequency * times_s[:, None] + phase).sum(axis=0) * np.sqrt(2 / num_waves)


def _hips(
    times_s: np.ndarray, style: SpeakerStyle, emotion: EmotionStyle, rng: np.random.Generator, height_cm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Place and Euler angles of the hips, both (T, 3): the weight goes from foot to foot."""
    band = (0.7 * style.sway_hz, 1.3 * style.sway_hz)
    sway = smooth_noise(times_s, 4, band, rng) * emotion.sway
    sideways, forward, turn, tilt = sway.T
    drop = -0.02 * sideways**2
    place = np.stack([style.sway_cm * sideways, height_cm + drop, 0.5 * style.sway_cm * forward], axis=1)
    return place, np.stack([0.4 * forward, 1.8 * turn, 0.8 * tilt - 0.6 * sideways], axis=1)


def _trunk(
    times_s: np.ndarray, hips_deg: np.ndarray, poses: dict[str, np.ndarray], emotion: EmotionStyle, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The spine leans as the emotion has it, keeps upright over the hips and turns a little with the hands."""
    activity = {side: poses[side][:, ArmPose._fields.index("activity")] for side in SIDES}
    bend = smooth_noise(times_s, 3, DRIFT_HZ, rng) * [0.8, 1.5, 0.7] - 0.7 * hips_deg  # (T, 3)
    bend[:, 0] += emotion.lean_deg + 1.0 * (activity["Right"] + activity["Left"])
    bend[:, 1] += TRUNK_TURN_DEG * (activity["Right"] - activity["Left"])
    noise = smooth_noise(times_s, 3 * len(_TRUNK_SHARES), NOISE_HZ, rng).reshape(len(times_s), -1, 3) * TRUNK_NOISE_DEG
    return {name: share * bend + noise[:, k] for k, (name, share) in enumerate(_TRUNK_SHARES.items())}


def _head(
    times_s: np.ndarray, nods_s: list[float], style: SpeakerStyle, emotion: EmotionStyle, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The head bows as the emotion has it, wanders, and nods at loud syllables."""
    wander = smooth_noise(times_s, 3, DRIFT_HZ, rng) * style.head_turn_deg * [0.35, 0.7, 0.25]
    wander[:, 0] += emotion.bow_deg
    for nod_s in nods_s:
        wander[:, 0] += NOD_DEG * emotion.amplitude * bump(times_s, nod_s, NOD_RISE_S, NOD_FALL_S)
    noise = smooth_noise(times_s, 3 * len(_NECK_SHARES), NOISE_HZ, rng).reshape(len(times_s), -1, 3) * TRUNK_NOISE_DEG
    return {name: share * wander + noise[:, k] for k, (name, share) in enumerate(_NECK_SHARES.items())}


def bump(times_s: np.ndarray, peak_s: float, rise_s: float, fall_s: float) -> np.ndarray:
    """(T,) rises from 0 to 1 at `peak_s` and falls back, smoothly."""
    since = times_s - peak_s
    s = np.clip(1 - np.where(since < 0, -since / rise_s, since / fall_s), 0, 1)
    return s**3 * (10 - 15 * s + 6 * s**2)


def _arm(side: str, pose: np.ndarray, emotion: EmotionStyle, times_s: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Euler angles (T, 3) of shoulder, arm and fingers; what is said of the left arm is mirrored for the right one."""
    field = {name: pose[:, k] for k, name in enumerate(ArmPose._fields)}
    zero = np.zeros(len(times_s))
    angles = {
        "Shoulder": np.stack([zero, zero, 0.12 * (field["upper_z"] + 76) - 0.05 * field["upper_x"] + emotion.shrug_deg], axis=1),
        "Arm": np.stack([field["upper_x"], field["upper_y"], field["upper_z"]], axis=1),
        "ForeArm": np.stack([field["elbow_x"], zero, field["elbow_z"]], axis=1),
        "Hand": np.stack([field["hand_x"], field["hand_y"], field["hand_z"]], axis=1),
    }
    drift = smooth_noise(times_s, 6, DRIFT_HZ, rng) * ARM_DRIFT_DEG
    noise = smooth_noise(times_s, 12, NOISE_HZ, rng).reshape(len(times_s), 4, 3) * ARM_NOISE_DEG
    for k, name in enumerate(angles):
        angles[name] = angles[name] + noise[:, k]
    angles["Arm"] += drift[:, :3] * [0.6, 0.3, 0.6]
    angles["ForeArm"][:, 2] += drift[:, 3]
    angles["Hand"][:, [0, 2]] += drift[:, 4:]
    angles |= _fingers(field, times_s, rng)
    mirror = np.array([1.0, -1.0, -1.0]) if side == "Right" else np.ones(3)
    return {side + name: values * mirror for name, values in angles.items()}


def _fingers(field: dict[str, np.ndarray], times_s: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Finger joints 1 to 3 bend together; all fingers of a hand open and close a little in common."""
    zero = np.zeros(len(times_s))
    common = smooth_noise(times_s, 1, NOISE_HZ, rng)[:, 0] * FINGER_NOISE_DEG
    own = smooth_noise(times_s, len(_FINGERS) + 1, NOISE_HZ, rng) * FINGER_NOISE_DEG / 2
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


def _nod_event(speech: Speech, loud: int) -> CauseEvent:
    phone = speech.phones[loud]
    movement = Movement(
        tuple(_NECK_SHARES), phone.middle_s - NOD_RISE_S, phone.middle_s, phone.middle_s + NOD_FALL_S, NOD_DEG
    )
    return CauseEvent("stress", "audio", phone.middle_s, speech.words[phone.word].script.text.strip(".,"), (movement,))


def _label_events(plan: RecordingPlan, style: SpeakerStyle, emotion: EmotionStyle) -> list[CauseEvent]:
    """What holds all the time, and which label says so."""
    speaker = {"handedness": style.handedness, "rest_elbow_deg": round(style.rest.elbow_z, 3), "stature": round(style.stature, 4)}
    mood = {"amplitude": emotion.amplitude, "tempo": emotion.tempo, "lean_deg": emotion.lean_deg, "bow_deg": emotion.bow_deg}
    return [
        CauseEvent("speaker", "speaker", 0.0, plan.speaker, values=speaker),
        CauseEvent("emotion", "emotion", 0.0, emotion.name, values=mood),
    ]
