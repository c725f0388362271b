"""The synthetic body moves as a body can: planted feet, bounded joints, smooth curves, bones of an adult."""

import importlib.util
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dataloaders.corpora.synthetic import make_recording
from dataloaders.corpora.synthetic_body import make_skeleton, plant_feet, standing_height_cm, within_reach
from dataloaders.corpora.synthetic_curves import SmoothNoise, bump, minimum_jerk
from dataloaders.corpora.synthetic_face import make_face, mouth_shape
from dataloaders.corpora.synthetic_motion import MOTION_FPS, make_motion
from dataloaders.corpora.synthetic_people import EMOTION_STYLES, speaker_style
from dataloaders.corpora.synthetic_plan import SPEAKER_NAMES, RecordingPlan
from dataloaders.corpora.synthetic_speech import SAMPLE_RATE, Speech
from emage.motion.bvh import bvh_from_rotations
from emage.motion.layout import ARKIT_51

needs_espeak = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="the corpus is spoken by espeak-ng: pip install -e .[demo]",
)
SILENCE = Speech(np.zeros(6 * SAMPLE_RATE, dtype=np.float32), [], [], [])
# Degrees that a healthy joint reaches, by the end of its name; X, Y, Z as the left side has them (the right one is mirrored).
RANGES_DEG = {
    "Hips": ((-10, 10), (-15, 15), (-15, 15)),
    "Spine": ((-10, 15), (-12, 12), (-10, 10)),
    "Spine1": ((-10, 15), (-12, 12), (-10, 10)),
    "Spine2": ((-10, 15), (-12, 12), (-10, 10)),
    "Spine3": ((-10, 15), (-12, 12), (-10, 10)),
    "Neck": ((-20, 25), (-25, 25), (-15, 15)),
    "Neck1": ((-20, 25), (-25, 25), (-15, 15)),
    "Head": ((-25, 30), (-35, 35), (-20, 20)),
    "Shoulder": ((-5, 5), (-5, 5), (-10, 30)),
    "Arm": ((-130, 40), (-15, 15), (-95, 20)),
    "ForeArm": ((40, 150), (-10, 10), (0, 150)),
    "Hand": ((-175, 45), (-20, 20), (-60, 60)),
    "UpLeg": ((-40, 20), (-20, 20), (-20, 20)),
    "Leg": ((0, 60), (0, 0), (0, 0)),
    "Foot": ((-30, 30), (-20, 20), (-15, 15)),
}


def plan(number: int = 0, speaker: str = "1", emotion: int = 0) -> RecordingPlan:
    return RecordingPlan(number, speaker, 9, emotion, 6.0, seed=0)


@needs_espeak
@pytest.mark.parametrize(("speaker", "emotion"), [("1", 2), ("2", 3), ("3", 5), ("4", 1), ("21", 6)])
def test_joints_stay_within_what_a_body_can_and_move_smoothly(speaker, emotion):
    bvh = make_recording(plan(3, speaker, emotion)).movements.bvh
    euler_deg = bvh.euler_deg().numpy()
    for joint, name in enumerate(bvh.names):
        bare = name.removeprefix("Left").removeprefix("Right")
        values = euler_deg[:, joint] * ([1, -1, -1] if name.startswith("Right") else [1, 1, 1])
        if bare.startswith("Hand") and bare != "Hand":  # fingers bend about one axis, thumbs about two
            assert values[:, 2].max() <= 12
            assert values[:, 2].min() >= -95
            assert np.abs(values[:, :2]).max() <= 40
            continue
        for axis, (low, high) in enumerate(RANGES_DEG.get(bare, ((0, 0),) * 3)):
            assert low <= values[:, axis].min(), f"{name} axis {axis}"
            assert values[:, axis].max() <= high, f"{name} axis {axis}"
    # A hand in a quick stroke stays below 1000 degrees per second; a jump of one frame would be thousands.
    assert np.abs(np.diff(euler_deg, axis=0)).max() * MOTION_FPS < 1000
    assert np.abs(np.diff(euler_deg, n=2, axis=0)).max() * MOTION_FPS**2 < 20000


@needs_espeak
@pytest.mark.parametrize("speaker", ["2", "3", "7"])
def test_hands_pass_neither_through_each_other_nor_through_the_trunk(speaker):
    for number in range(3):
        bvh = make_recording(plan(number, speaker, 2)).movements.bvh
        names = ("LeftHandMiddle2", "RightHandMiddle2", "LeftArm", "RightArm", "Spine2")
        left, right, left_shoulder, right_shoulder, chest = bvh.positions()[:, bvh.skeleton.indices(names)].unbind(1)
        across = torch.nn.functional.normalize(left_shoulder - right_shoulder, dim=-1)
        assert ((left - right) * across).sum(dim=-1).min() > 5
        for hand in (left, right):
            apart = hand - chest
            in_front = (apart[:, 0].abs() < 14) & (apart[:, 1].abs() < 30)
            assert (apart[in_front, 2] > 12).all()


@pytest.mark.parametrize("speaker", list(SPEAKER_NAMES))
def test_feet_stand_still_on_the_floor_while_the_hips_sway(speaker):
    bvh = make_motion(plan(speaker=speaker, emotion=1), SILENCE).bvh
    positions = bvh.positions().numpy()
    feet = [
        bvh.skeleton.index(f"{side}{name}") for side in ("Left", "Right") for name in ("Foot", "ToeBase", "ToeBaseEnd")
    ]
    assert np.ptp(positions[:, feet], axis=0).max() < 1e-9
    assert positions[..., 1].min() == pytest.approx(1.5)  # the toe joints, above the soles
    assert np.ptp(positions[:, 0, 0]) > 1.0
    assert 155 < positions[0, bvh.skeleton.index("HeadEnd"), 1] < 195
    assert np.abs(positions[:, :, 2]).max() < 80  # nobody lies down


@settings(max_examples=20, deadline=None)
@given(st.floats(0.9, 1.1), st.integers(0, 10_000))
def test_planted_feet_do_not_move_for_any_small_sway(stature, seed):
    skeleton = make_skeleton(stature)
    rng = np.random.default_rng(seed)
    hips_cm = np.array([0, standing_height_cm(skeleton) - 3, 0]) + rng.uniform(-2, 2, (5, 3))
    hips_deg = rng.uniform(-4, 4, (5, 3))
    angles = plant_feet(skeleton, hips_cm, hips_deg=hips_deg) | {"Hips": hips_deg}
    euler_deg = np.zeros((5, skeleton.num_joints, 3))
    for name, values in angles.items():
        euler_deg[:, skeleton.index(name)] = values
    bvh = bvh_from_rotations(
        skeleton, torch.from_numpy(euler_deg), root_translation_cm=torch.from_numpy(hips_cm), fps=MOTION_FPS
    )
    for side, sign in (("Left", 1), ("Right", -1)):
        foot = bvh.positions()[:, skeleton.index(f"{side}Foot")].numpy()
        assert np.ptp(foot, axis=0).max() < 1e-9
        assert sign * foot[0, 0] > 5
        assert (angles[f"{side}Leg"][:, 0] > 0).all()  # knees bend forward only


def test_bones_are_mirrored_and_grow_with_stature():
    small, tall = make_skeleton(0.9), make_skeleton(1.1)
    assert torch.allclose(tall.offsets_cm * 0.9, small.offsets_cm * 1.1)
    for name in small.names:
        if name.startswith("Left"):
            left, right = (small.offsets_cm[small.index(side + name[4:])] for side in ("Left", "Right"))
            assert torch.equal(left, right * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))


def test_a_face_that_hears_nothing_keeps_its_mouth_shut_but_blinks():
    face = make_face(plan(), SILENCE)
    assert face.weights.shape == (360, 51)
    assert {event.cause for event in face.events} == {"blink"}
    assert face.weights[:, ARKIT_51.index("eyeBlinkLeft")].max() > 0.95
    assert face.weights[:, ARKIT_51.index("jawOpen")].max() < 0.06
    assert face.weights.min() >= 0
    assert face.weights.max() <= 1


def test_a_body_that_hears_nothing_rests():
    motion = make_motion(plan(), SILENCE)
    assert {event.cause for event in motion.events} == {"speaker", "emotion"}
    wrist = motion.bvh.positions()[:, motion.bvh.skeleton.index("RightHand")].numpy()
    assert np.linalg.norm(np.diff(wrist, axis=0), axis=1).max() * MOTION_FPS < 25


def test_every_sound_of_a_phone_table_has_a_mouth_shape_and_others_are_refused():
    assert mouth_shape("t\u0283") is mouth_shape("\u0283")  # the affricate, not the t
    assert mouth_shape("a\u026a")["jawOpen"] > mouth_shape("i\u02d0")["jawOpen"]
    with pytest.raises(KeyError, match="no mouth shape"):
        mouth_shape("\u0298")


def test_styles_differ_and_cover_each_handedness():
    styles = [speaker_style(label, 0) for label in SPEAKER_NAMES]
    assert {style.handedness for style in styles[:4]} == {"right", "left", "both"}
    assert all(a.rest != b.rest and a.centre != b.centre for a, b in itertools.combinations(styles, 2))
    assert speaker_style("1", 0) == speaker_style("1", 0) != speaker_style("1", 1)
    assert len({(style.amplitude, style.tempo) for style in EMOTION_STYLES}) == len(EMOTION_STYLES)


def test_minimum_jerk_is_the_published_curve():
    progress = np.linspace(0, 1, 10_001)
    curve = minimum_jerk(progress)
    speed = np.gradient(curve, progress)
    assert minimum_jerk(np.array([-1, 0, 0.5, 1, 2])).tolist() == [0, 0, 0.5, 1, 1]
    assert speed.max() == pytest.approx(1.875, abs=1e-6)
    assert progress[speed.argmax()] == pytest.approx(0.5)
    assert speed[[0, -1]] == pytest.approx([0, 0], abs=1e-6)


def test_bump_peaks_where_told_and_is_zero_outside():
    times_s = np.array([0.0, 0.79, 0.8, 0.9, 1.0, 1.2, 1.4, 1.41])
    values = bump(times_s, 1.0, rise_s=0.2, fall_s=0.4)
    assert values == pytest.approx([0, 0, 0, 0.5, 1, 0.5, 0, 0])


def test_noise_keeps_its_bound_its_size_and_its_band():
    times_s = np.arange(12_000) / MOTION_FPS
    noise = SmoothNoise(times_s, np.random.default_rng(0)).draw(50, (0.5, 2.0))
    assert np.abs(noise).max() <= 2.5
    assert noise.std() == pytest.approx(1, abs=0.05)
    power = np.abs(np.fft.rfft(noise * np.hanning(len(times_s))[:, None], axis=0)) ** 2
    frequency_hz = np.fft.rfftfreq(len(times_s), 1 / MOTION_FPS)
    outside = (frequency_hz < 0.45) | (frequency_hz > 2.05)
    assert power[outside].sum() < 1e-3 * power.sum()


def test_who_sways_too_far_bends_the_knees_and_who_does_not_stays_as_he_is():
    skeleton = make_skeleton(1.0)
    times = np.arange(100) / 10
    hips_deg = np.zeros((100, 3))
    hips_cm = np.stack([16 * np.sin(times), np.full(100, standing_height_cm(skeleton)), 0 * times], axis=1)
    with pytest.raises(AssertionError, match="farther than the legs reach"):
        plant_feet(skeleton, hips_cm, hips_deg=hips_deg)
    lowered = within_reach(skeleton, hips_cm, hips_deg=hips_deg)
    assert (lowered[:, [0, 2]] == hips_cm[:, [0, 2]]).all()
    drop_cm = hips_cm[:, 1] - lowered[:, 1]
    assert np.ptp(drop_cm) < 1e-9
    assert 0 < drop_cm[0] < 3
    assert all(np.isfinite(values).all() for values in plant_feet(skeleton, lowered, hips_deg=hips_deg).values())
    assert within_reach(skeleton, lowered, hips_deg=hips_deg) is lowered
