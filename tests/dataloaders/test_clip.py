import dataclasses

import numpy as np
import pytest
import torch
from raw_corpus import JOINTS, NAMES, euler_deg_at, face_at, make_raw_recording, offsets_cm, root_cm_at, words_until
from scipy.spatial.transform import Rotation

from dataloaders.clip import Clip, Sources, beat_skeleton, make_clip
from dataloaders.corpora import DATASETS
from dataloaders.labels import Interval
from emage.config import DataConfig
from emage.errors import InputError
from emage.motion.arkit import ArkitMotion
from emage.motion.bvh import BvhMotion
from emage.motion.layout import ARKIT_51, get_layout
from emage.motion.skeleton import BEAT_JOINTS, Skeleton
from emage.text import Word

FULL = get_layout("beat_full")


def sources_at(root, recording_id: str = "2_scott_0_1_1") -> Sources:
    config = DataConfig(root=str(root))
    recordings = {recording.id: recording for recording in DATASETS["raw"].find_recordings(config)}
    return DATASETS["raw"].read_sources(recordings[recording_id], config)


def euler_of(clip: Clip) -> np.ndarray:
    """(T, 75, 3)."""
    return clip.motion[:, FULL.rotation_slice].reshape(clip.num_frames, 75, 3)


def angle_deg(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Angle between rotations given as XYZ Euler degrees (..., 3)."""
    a, b = (Rotation.from_euler("XYZ", euler.reshape(-1, 3), degrees=True) for euler in (one, other))
    return np.degrees((a.inv() * b).magnitude())


def body(euler_deg: np.ndarray, root_cm: np.ndarray | None = None) -> BvhMotion:
    """A BVH of BEAT's joints from (N, 75, 3) degrees."""
    root_cm = np.zeros((len(euler_deg), 3)) if root_cm is None else root_cm
    turns = ("Xrotation", "Yrotation", "Zrotation")
    parents = beat_parents()
    values = np.concatenate([root_cm, euler_deg.reshape(len(euler_deg), -1)], axis=1)
    return BvhMotion(
        skeleton=Skeleton(tuple(NAMES), parents, torch.from_numpy(offsets_cm())),
        channels=(("Xposition", "Yposition", "Zposition", *turns), *[turns] * 74),
        values=torch.from_numpy(values),
        frame_time_s=1 / 120,
    )


def beat_parents() -> tuple[int, ...]:
    return tuple(-1 if parent is None else NAMES.index(parent) for _, parent in JOINTS)


def sources_of(bvh: BvhMotion, seconds: float, **changes) -> Sources:
    times_s = np.arange(round(seconds * 60)) / 60
    face = ArkitMotion(
        names=ARKIT_51,
        weights=torch.from_numpy(face_at(times_s)).float(),
        tongue_out=None,
        times_s=torch.from_numpy(times_s),
        fps=60.0,
    )
    waveform = np.linspace(-0.5, 0.5, round(seconds * 16000), dtype=np.float32)
    sources = Sources("2_scott_0_1_1", "2", bvh, 120.0, face, waveform, 16000)
    return dataclasses.replace(sources, **changes)


@pytest.mark.parametrize("fps", [15, 12.5, 29.97, 30, 120])
def test_every_stream_is_at_its_exact_time(raw_corpus_root, fps):
    clip = make_clip(sources_at(raw_corpus_root), fps, 16000)
    times_s = np.arange(round(4 * fps)) / fps
    assert clip.num_frames == len(times_s)
    inside = (times_s > 0.5) & (times_s < 3.5)  # at the ends a filter knows one side only
    assert angle_deg(euler_of(clip)[inside], euler_deg_at(times_s[inside])).max() < 0.1
    np.testing.assert_allclose(clip.motion[inside, :3], root_cm_at(times_s[inside]), atol=5e-3)
    np.testing.assert_allclose(clip.face[inside], face_at(times_s[inside]), atol=5e-3)
    assert angle_deg(euler_of(clip), euler_deg_at(times_s)).max() < 3
    np.testing.assert_allclose(clip.face, face_at(times_s), atol=0.05)
    words = [Word(*word) for word in words_until(4.0)]
    assert clip.words == words
    sounding = [next((i for i, w in enumerate(words) if w.start_s <= t < w.end_s), -1) for t in times_s]
    assert clip.word_index.tolist() == sounding
    assert clip.semantic.tolist() == np.where(times_s < 2, 0.1, 0.7).astype(np.float32).tolist()
    assert clip.emotion.tolist() == [0] * len(times_s)


def test_shapes_types_and_skeleton(raw_corpus_root):
    clip = make_clip(sources_at(raw_corpus_root), 15, 16000)
    found = {name: (getattr(clip, name).shape, getattr(clip, name).dtype) for name in ("motion", "face", "waveform")}
    assert found == {"motion": ((60, 228), "f4"), "face": ((60, 51), "f4"), "waveform": ((64000,), "f4")}
    assert (clip.word_index.dtype, clip.emotion.dtype, clip.semantic.dtype) == ("i4", "i1", "f4")
    assert clip.skeleton.names == tuple(NAMES) == BEAT_JOINTS
    assert clip.skeleton.parents == beat_parents()
    np.testing.assert_allclose(clip.skeleton.offsets_cm, offsets_cm(), atol=1e-6)


def test_tremor_above_the_new_nyquist_frequency_does_not_come_back_as_slow_movement():
    times_s = np.arange(480) / 120
    euler_deg = np.zeros((480, 75, 3))
    euler_deg[:, 10, 1] = 10 * np.sin(2 * np.pi * 14 * times_s)  # taken every 8th sample it would be a sway of 1 Hz
    plain = euler_deg[::8, 10, 1]
    assert np.abs(plain).max() > 9
    clip = make_clip(sources_of(body(euler_deg), 4.0), 15, 16000)
    assert np.abs(euler_of(clip)[15:-15]).max() < 0.02


def test_euler_angles_are_continuous_on_the_branch_of_the_source():
    times_s = np.arange(480) / 120
    truth = np.zeros((480, 75, 3))
    truth[:, 5] = np.stack([100 + 40 * times_s, 30 * np.sin(times_s), -250 - 20 * times_s], axis=1)
    wrapped = truth.copy()
    wrapped[1:, 5] = (wrapped[1:, 5] + 180) % 360 - 180  # the file jumps at +-180, and after its first frame
    clip = make_clip(sources_of(body(wrapped), 4.0), 15, 16000)
    np.testing.assert_allclose(euler_of(clip)[:, 5], truth[::8, 5], atol=0.3)


def test_the_other_branch_of_the_same_rotation_is_followed():
    euler_deg = np.tile(np.array([10.0, 20.0, 30.0]), (240, 75, 1))
    other = np.array([190.0, 160.0, 210.0])  # (a+180, 180-b, c+180)
    euler_deg[:, 7] = other
    clip = make_clip(sources_of(body(euler_deg), 2.0), 15, 16000)
    np.testing.assert_allclose(euler_of(clip)[:, 7], np.tile(other, (30, 1)), atol=1e-3)
    np.testing.assert_allclose(euler_of(clip)[:, 8], np.tile([10, 20, 30], (30, 1)), atol=1e-3)


def test_another_euler_order_is_converted(tmp_path):
    make_raw_recording(tmp_path, "2_scott_0_1_1", 3.0, order="ZXY")
    clip = make_clip(sources_at(tmp_path), 15, 16000)
    times_s = np.arange(45) / 15
    columns = euler_deg_at(times_s)  # the columns of the file stand for Z, X, Y
    expected = Rotation.from_euler("ZXY", columns.reshape(-1, 3), degrees=True).as_euler("XYZ", degrees=True)
    inside = slice(8, -8)
    assert angle_deg(euler_of(clip)[inside], expected.reshape(45, 75, 3)[inside]).max() < 0.1
    assert "Euler order ZXY converted to XYZ" in clip.notices


def test_joints_are_found_by_name_in_any_order_and_spelling():
    bvh = body(euler_deg_at(np.arange(240) / 120), root_cm_at(np.arange(240) / 120))
    expected = make_clip(sources_of(bvh, 2.0), 15, 16000)
    order = [0, *range(63, 75), *range(1, 63)]  # legs first
    aliases = {"RightForeArm": "RArm1", "LeftHandThumb2": "LHandT2", "LeftUpLeg": "LUpLeg"}
    shuffled = BvhMotion(
        skeleton=Skeleton(
            tuple(aliases.get(NAMES[j], NAMES[j]) for j in order),
            tuple(-1 if p < 0 else order.index(p) for p in (bvh.parents[j] for j in order)),
            bvh.offsets_cm[order],
        ),
        channels=tuple(bvh.channels[j] for j in order),
        values=torch.cat([bvh.values[:, 3 * j + (0 if j == 0 else 3) : 3 * j + 6] for j in order], dim=1),
        frame_time_s=bvh.frame_time_s,
    )
    clip = make_clip(sources_of(shuffled, 2.0), 15, 16000)
    np.testing.assert_array_equal(clip.motion, expected.motion)
    assert clip.skeleton.parents == expected.skeleton.parents
    assert torch.equal(clip.skeleton.offsets_cm, expected.skeleton.offsets_cm)
    assert clip.skeleton.names[11] == "RArm1"  # the file's own spelling


def edited(bvh: BvhMotion, **changes) -> BvhMotion:
    """The same file with another skeleton."""
    return dataclasses.replace(bvh, skeleton=dataclasses.replace(bvh.skeleton, **changes))


def with_joint(bvh: BvhMotion, name: str, parent: int) -> BvhMotion:
    """One more joint, at the end of the file."""
    skeleton = Skeleton((*bvh.names, name), (*bvh.parents, parent), torch.cat([bvh.offsets_cm, torch.ones(1, 3)]))
    values = torch.cat([bvh.values, torch.full((bvh.num_frames, 3), 5.0)], dim=1)
    return dataclasses.replace(bvh, skeleton=skeleton, channels=(*bvh.channels, bvh.channels[1]), values=values)


def test_joints_that_beat_does_not_have_are_left_out():
    bvh = body(euler_deg_at(np.arange(240) / 120))
    clip = make_clip(sources_of(with_joint(bvh, "Microphone", 13), 2.0), 15, 16000)
    np.testing.assert_array_equal(clip.motion, make_clip(sources_of(bvh, 2.0), 15, 16000).motion)
    assert any("Microphone" in notice for notice in clip.notices)


def test_bad_skeletons_are_named():
    bvh = body(np.zeros((10, 75, 3)))
    renamed = edited(bvh, names=("Hips", "Waist", *NAMES[2:-1], "Toe"))
    with pytest.raises(InputError, match=r"a.bvh: it lacks 2 of BEAT's 75 joints: Spine, LeftToeBaseEnd$"):
        beat_skeleton(renamed, "a.bvh")
    strange = edited(
        with_joint(bvh, "Twist", 0),
        names=("Hips", "Twist", *NAMES[1:]),
        parents=(-1, 0, 1, *[p + (p > 0) for p in bvh.parents[2:]]),
    )
    with pytest.raises(InputError, match="a.bvh: joint Spine hangs off Twist, which BEAT does not have"):
        beat_skeleton(strange, "a.bvh")
    loose = edited(bvh, parents=(-1, -1, *bvh.parents[2:]))
    with pytest.raises(InputError, match="joint Spine hangs off nothing"):
        beat_skeleton(loose, "a.bvh")


def test_position_channels_replace_offsets():
    bvh = body(euler_deg_at(np.arange(240) / 120))
    position = ("Xposition", "Yposition", "Zposition")
    channels = (bvh.channels[0], position + bvh.channels[1], *bvh.channels[2:])
    moved = torch.tensor([1.0, 20.0, 3.0]).double().expand(240, 3)
    values = torch.cat([bvh.values[:, :6], moved, bvh.values[:, 6:]], dim=1)
    clip = make_clip(sources_of(dataclasses.replace(bvh, channels=channels, values=values), 2.0), 15, 16000)
    assert clip.skeleton.offsets_cm[1].tolist() == [1, 20, 3]
    assert not any("position channels" in notice for notice in clip.notices)
    values = values.clone()
    values[100:, 7] += 5
    clip = make_clip(sources_of(dataclasses.replace(bvh, channels=channels, values=values), 2.0), 15, 16000)
    assert clip.skeleton.offsets_cm[1].tolist() == [1, 20, 3]
    assert any("position channels of 1 joints vary (Spine ...)" in notice for notice in clip.notices)


@pytest.mark.parametrize(
    ("audio_s", "face_s", "expected"),
    [(6.0, 6.0, 60), (2.02, 6.0, 30), (2.04, 6.0, 31), (6.0, 1.5, 22), (3.0, 4.0, 45)],
)
def test_the_shortest_stream_decides(tmp_path, audio_s, face_s, expected):
    make_raw_recording(tmp_path, "2_scott_0_1_1", 4.0, audio_s=audio_s, face_s=face_s)
    clip = make_clip(sources_at(tmp_path), 15, 16000)
    lengths = {len(getattr(clip, name)) for name in ("motion", "face", "word_index", "emotion", "semantic")}
    assert lengths == {clip.num_frames} == {expected}
    assert len(clip.waveform) == round(expected * 16000 / 15)
    assert all(word.end_s <= expected / 15 for word in clip.words)
    assert any("unequal lengths" in notice and f"face {face_s:.2f} s" in notice for notice in clip.notices)


def test_waveform_beyond_the_sound_is_silent():
    waveform = np.ones(round(2.04 * 16000), np.float32)
    clip = make_clip(sources_of(body(np.zeros((480, 75, 3))), 4.0, waveform=waveform), 15, 16000)
    assert clip.num_frames == 31
    assert clip.waveform.sum() == len(waveform)
    assert clip.waveform[len(waveform) :].max() == 0


def test_waveform_at_another_rate():
    clip = make_clip(sources_of(body(np.zeros((480, 75, 3))), 4.0), 15, 22050)
    assert len(clip.waveform) == 4 * 22050


def test_nothing_left_is_an_error():
    short = np.zeros(200, np.float32)
    with pytest.raises(InputError, match=r"2_scott_0_1_1: no frame at 15 fps is left of audio 0.01 s, motion 4.00 s"):
        make_clip(sources_of(body(np.zeros((480, 75, 3))), 4.0, waveform=short), 15, 16000)


def test_frames_that_a_face_lost_do_not_shift_what_follows():
    sources = sources_of(body(np.zeros((480, 75, 3))), 4.0)
    kept = torch.cat([torch.arange(60), torch.arange(90, 240)])  # half a second is gone
    face = sources.face
    gappy = dataclasses.replace(face, weights=face.weights[kept], times_s=face.times_s[kept], fps=209 / (239 / 60))
    clip = make_clip(dataclasses.replace(sources, face=gappy), 15, 16000)
    whole = make_clip(sources, 15, 16000)
    assert clip.num_frames == 60
    np.testing.assert_allclose(clip.face[25:], whole.face[25:], atol=2e-3)


def test_a_weight_stays_within_what_its_channel_showed():
    sources = sources_of(body(np.zeros((480, 75, 3))), 4.0)
    blink = torch.zeros_like(sources.face.weights)
    blink[100:108] = 1.0
    clip = make_clip(dataclasses.replace(sources, face=dataclasses.replace(sources.face, weights=blink)), 15, 16000)
    assert clip.face.min() == 0
    assert 0.5 < clip.face.max() <= 1


def test_an_emotion_lasts_to_the_end_of_the_clip():
    sources = sources_of(body(np.zeros((480, 75, 3))), 4.0, emotion=[Interval(0, 3.8, 2, "")])
    assert make_clip(sources, 15, 16000).emotion.tolist() == [2] * 60


def test_the_real_recording(beat_sample):
    sources = sources_at(beat_sample)
    clip = make_clip(sources, 15, 16000)
    assert (clip.num_frames, len(clip.waveform), clip.motion.shape) == (600, 640000, (600, 228))
    euler = euler_of(clip)
    source = sources.bvh.euler_deg().numpy()
    assert np.abs(np.diff(source, axis=0)).max() > 300  # the file jumps by 360
    assert np.abs(np.diff(euler, axis=0)).max() < 180
    # The angles follow the file's own path, jumps taken out at its own rate, past the elbow's gimbal lock too.
    np.testing.assert_allclose(euler, np.unwrap(source, period=360, axis=0)[::8], atol=10)
    np.testing.assert_allclose(euler[0], source[0], atol=1.0)
    error_deg = angle_deg(euler, source[::8])
    assert np.median(error_deg) < 0.1
    assert np.quantile(error_deg, 0.999) < 5  # what moves faster than 15 fps can show is smoothed
    assert len(clip.words) == 134
    assert clip.semantic.max() == 1
