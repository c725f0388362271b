import math
import os

import numpy as np
import pytest
import torch
from bvh_text import ARM, assert_same_motion, save
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.bvh import BvhMotion, bvh_from_rotations, read_bvh, write_bvh
from emage.motion.bvh_reader import CHANNELS
from emage.motion.skeleton import BEAT_JOINTS, Skeleton

ARM_POSITIONS = [
    [[1, 2, 3], [-9, 2, 3], [-9, 7, 3]],
    # Rx Ry: the hand's +x goes to -z by Ry, then to +y by Rx.
    [[1, 2, 3], [1, 12, 3], [1, 17, 3]],
]


def oracle_positions(motion: BvhMotion) -> np.ndarray:
    """Forward kinematics joint by joint with scipy, from the raw columns alone: (T, J, 3)."""
    positions = np.zeros((motion.num_frames, len(motion.names), 3))
    for frame, row in enumerate(motion.values.tolist()):
        globals_, column = [], 0
        for joint, channels in enumerate(motion.channels):
            numbers = dict(zip(channels, row[column : column + len(channels)], strict=True))
            column += len(channels)
            place = motion.offsets_cm[joint].numpy().copy()
            for axis, letter in enumerate("XYZ"):
                place[axis] = numbers.get(f"{letter}position", place[axis])
            turns = [channel for channel in channels if channel.endswith("rotation")]
            turn = Rotation.identity()
            for channel in turns:
                turn = turn * Rotation.from_euler(channel[0].lower(), numbers[channel], degrees=True)
            parent = motion.parents[joint]
            above_turn, above_place = globals_[parent] if parent >= 0 else (Rotation.identity(), np.zeros(3))
            globals_.append((above_turn * turn, above_place + above_turn.apply(place)))
            positions[frame, joint] = globals_[-1][1]
    return positions


# Known cases


def test_a_small_arm_stands_where_pencil_and_paper_put_it(tmp_path):
    motion = read_bvh(save(tmp_path, ARM))
    assert motion.skeleton.names == ("Hips", "Arm", "Hand")
    assert motion.skeleton.parents == (-1, 0, 1)
    assert motion.skeleton.offsets_cm.tolist() == [[0, 90, 0], [0, 10, 0], [5, 0, 0]]
    assert motion.frame_time_s == 0.033333
    assert (motion.num_frames, motion.fps, motion.duration_s) == (2, 30.0, 2 / 30)
    torch.testing.assert_close(motion.positions(), torch.tensor(ARM_POSITIONS, dtype=torch.float64))
    assert [(joint, offset.tolist()) for joint, offset in motion.end_sites] == [(2, [0, 0, 2])]


@pytest.mark.parametrize(
    ("channels", "row", "child"),
    [
        ("Xposition Yposition Zposition", "7 8 9", [7, 8, 9]),
        ("Zposition Xposition", "9 7", [7, 2, 9]),  # y is not given: the OFFSET's stays
        ("Yposition", "0", [1, 0, 3]),  # a given zero replaces too
        ("Zrotation Xrotation Yrotation Xposition Yposition Zposition", "10 20 30 7 8 9", [7, 8, 9]),
        ("Xposition Zrotation Yposition", "7 10 8", [7, 8, 3]),
        ("Yrotation", "10", [1, 2, 3]),
    ],
)
@pytest.mark.parametrize("root_channels", ["", "Yposition"])
def test_position_channels_replace_their_axis_of_the_offset(tmp_path, channels, row, child, root_channels):
    text = (
        "HIERARCHY\nROOT R\n{\nOFFSET 100 200 300\n"
        f"CHANNELS {len(root_channels.split())} {root_channels}\n"
        f"JOINT J\n{{\nOFFSET 1 2 3\nCHANNELS {len(channels.split())} {channels}\n"
        "End Site\n{\nOFFSET 0 0 0\n}\n}\n}\nMOTION\nFrames: 1\nFrame Time: 0.1\n"
        f"{'50' if root_channels else ''} {row}\n"
    )
    motion = read_bvh(save(tmp_path, text))
    root = torch.tensor([100.0, 50.0 if root_channels else 200.0, 300.0], dtype=torch.float64)
    torch.testing.assert_close(motion.positions()[0, 0], root)
    torch.testing.assert_close(motion.positions()[0, 1], root + torch.tensor(child, dtype=torch.float64))
    assert motion.offsets_cm.tolist() == [[100, 200, 300], [1, 2, 3]]  # kept, to be written back


def test_scale_takes_offsets_positions_and_end_sites_but_no_angle(tmp_path):
    path = save(tmp_path, ARM)
    metres, plain = read_bvh(path, scale_to_cm=100), read_bvh(path)
    torch.testing.assert_close(metres.positions(), plain.positions() * 100)
    for (_, one), (_, other) in zip(metres.end_sites, plain.end_sites, strict=True):
        torch.testing.assert_close(one, other * 100)
    assert metres.values[0].tolist() == [100, 200, 300, 90, 0, 0, 0, 0]
    with pytest.raises(InputError, match="scale_to_cm: got 0"):
        read_bvh(path, scale_to_cm=0)


@pytest.mark.parametrize(
    ("frame_time", "fps"),
    [
        ("0.008333", 120),
        (".0083333", 120),
        ("0.0333333", 30),
        ("0.0667", 15),
        ("4.1667e-2", 24),
        ("0.04170838", 23.976),
    ],
)
def test_fps_is_the_whole_number_that_a_rounded_frame_time_stands_for(tmp_path, frame_time, fps):
    motion = read_bvh(save(tmp_path, ARM.replace("0.033333", frame_time)))
    assert motion.frame_time_s == float(frame_time)  # the file's own, untouched
    assert motion.fps == (fps if fps == int(fps) else pytest.approx(fps, abs=1e-3))


# Round trips and oracles


@st.composite
def motions(draw: st.DrawFn) -> BvhMotion:
    """Any tree in depth-first order with any channels."""
    num_joints = draw(st.integers(1, 8))
    parents = [-1]
    for joint in range(1, num_joints):
        line = [joint - 1]  # the last joint and all above it: only they can still be open
        while parents[line[-1]] >= 0:
            line.append(parents[line[-1]])
        parents.append(draw(st.sampled_from(line)))
    names = draw(
        st.lists(st.text("ab: _.19", min_size=1).map(str.strip).filter(bool), min_size=num_joints, max_size=num_joints)
    )
    channels = [tuple(draw(st.lists(st.sampled_from(CHANNELS), unique=True, max_size=6))) for _ in parents]
    number = st.floats(-500, 500, width=32)
    point = st.tuples(number, number, number)
    num_channels, num_frames = sum(map(len, channels)), draw(st.integers(0, 3))
    values = [draw(st.lists(number, min_size=num_channels, max_size=num_channels)) for _ in range(num_frames)]
    return BvhMotion(
        skeleton=Skeleton(
            tuple(names), tuple(parents), torch.tensor([draw(point) for _ in parents], dtype=torch.float64)
        ),
        channels=tuple(channels),
        values=torch.tensor(values, dtype=torch.float64).reshape(num_frames, num_channels),
        frame_time_s=draw(st.sampled_from([0.008333, 1 / 15, 1 / 30, 0.04, 1e-4])),
        end_sites=tuple(
            (joint, torch.tensor(draw(point), dtype=torch.float64))
            for joint in range(num_joints)
            if draw(st.booleans())
        ),
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(motion=motions())
def test_any_hierarchy_reads_back_as_it_was_and_moves_as_scipy_says(tmp_path, motion):
    path = tmp_path / "any.bvh"
    write_bvh(path, motion)
    back = read_bvh(path)
    assert_same_motion(back, motion)
    np.testing.assert_allclose(back.positions().numpy(), oracle_positions(back), atol=1e-6)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    motion=motions().filter(lambda m: m.num_frames and m.values.shape[1] and not any(" " in name for name in m.names))
)
def test_an_independent_reader_puts_every_joint_at_the_same_place(tmp_path, motion):
    bvhio = pytest.importorskip("bvhio", reason="bvhio, the independent BVH reader, comes with the extra `dev`")
    path = tmp_path / "any.bvh"
    write_bvh(path, motion)
    positions, root = read_bvh(path).positions(), bvhio.readAsHierarchy(str(path))
    for frame in range(motion.num_frames):
        theirs = [list(joint.PositionWorld) for joint, _, _ in root.loadPose(frame).layout()]
        np.testing.assert_allclose(positions[frame].numpy(), theirs, atol=2e-2, rtol=1e-5)  # bvhio counts in float32


def random_rotations(num_frames: int, num_joints: int, degrees: float = 8.0) -> torch.Tensor:
    """A smooth walk on the rotations that passes through every branch of the angles: (T, J, 3, 3)."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(num_frames, num_joints, 3, generator=generator, dtype=torch.float64) * math.radians(degrees)
    steps[:, :, 1] += math.radians(degrees)
    walk = [rotation.axis_angle_to_matrix(steps[0])]
    for step in rotation.axis_angle_to_matrix(steps[1:]):
        walk.append(walk[-1] @ step)
    return torch.stack(walk)


@pytest.mark.parametrize("order", ["XYZ", "ZXY", "YZX"])
def test_rotations_read_back_with_continuous_angles_and_their_own_frame_time(tmp_path, order):
    skeleton = Skeleton(("a", "b", "c"), (-1, 0, 0), torch.randn(3, 3, dtype=torch.float64))
    matrix = random_rotations(200, 3)
    translation = torch.randn(200, 3, dtype=torch.float64) * 100
    motion = bvh_from_rotations(skeleton, matrix, root_translation_cm=translation, fps=15, order=order)
    assert motion.order(1) == order
    assert motion.euler_deg().diff(dim=0).abs().max() < 180
    write_bvh(tmp_path / "a.bvh", motion)
    back = read_bvh(tmp_path / "a.bvh")
    assert back.frame_time_s == 1 / 15
    assert back.fps == 15
    assert torch.rad2deg(rotation.angle_between(back.rotations(), matrix)).max() < 1e-4
    torch.testing.assert_close(back.translations_cm()[:, 0], translation, atol=1e-6, rtol=0)
    assert torch.equal(back.offsets_cm, skeleton.offsets_cm)
    assert [joint for joint, _ in back.end_sites] == [1, 2]  # leaves are closed as readers expect


def test_given_angles_are_written_as_they_are(tmp_path):
    skeleton = Skeleton(("a", "b"), (-1, 0), torch.ones(2, 3))
    euler_deg = torch.tensor([[[0.0, 200.0, 0.0], [-400.0, 10.0, 20.0]]])
    site = (1, torch.tensor([0.0, 1.5, 0.0], dtype=torch.float64))
    motion = bvh_from_rotations(skeleton, euler_deg, root_translation_cm=torch.zeros(3), fps=30, end_sites=[site])
    write_bvh(tmp_path / "a.bvh", motion)
    back = read_bvh(tmp_path / "a.bvh")
    torch.testing.assert_close(back.euler_deg(), euler_deg.double())
    assert [(joint, offset.tolist()) for joint, offset in back.end_sites] == [(1, [0, 1.5, 0])]


def test_a_skeleton_that_is_not_depth_first_is_written_so_and_moves_alike(tmp_path):
    parents = (-1, 0, 0, 1, 2, 1)
    skeleton = Skeleton(tuple("abcdef"), parents, torch.randn(6, 3, dtype=torch.float64))
    motion = bvh_from_rotations(skeleton, random_rotations(5, 6), root_translation_cm=torch.zeros(3), fps=30)
    write_bvh(tmp_path / "a.bvh", motion)
    back = read_bvh(tmp_path / "a.bvh")
    assert back.names == ("a", "b", "d", "f", "c", "e")
    torch.testing.assert_close(back.positions(), motion.positions()[:, skeleton.indices(back.names)], atol=1e-5, rtol=0)


def test_euler_angles_are_refused_where_a_joint_has_not_three(tmp_path):
    with pytest.raises(InputError, match="joint Arm turns about 'XY'"):
        read_bvh(save(tmp_path, ARM)).euler_deg()


# Writing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.values.__setitem__((1, 3), math.nan), "frame 1 of the motion holds NaN"),
        (lambda m: object.__setattr__(m.skeleton, "names", ("Hips", "a{", "Hand")), "cannot hold the joint name 'a{'"),
        (lambda m: object.__setattr__(m.skeleton, "names", ("Hips", "a\nb", "Hand")), "cannot hold the joint name"),
        (lambda m: object.__setattr__(m.skeleton, "names", ("Hips", "", "Hand")), "cannot hold the joint name ''"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, change, message):
    motion = read_bvh(save(tmp_path, ARM))
    change(motion)
    with pytest.raises(InputError, match=message):
        write_bvh(tmp_path / "out.bvh", motion)
    assert not (tmp_path / "out.bvh").exists()


def test_a_write_that_dies_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    motion = read_bvh(save(tmp_path, ARM))
    target = save(tmp_path, "old", "out.bvh")

    def die(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(OSError, match="disk full"):
        write_bvh(target, motion)
    assert target.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bvh", "out.bvh"]


# The real recording


def test_the_real_recording_reads_as_beat_and_is_written_byte_for_byte(beat_sample, tmp_path):
    path = beat_sample / "2" / "2_scott_0_1_1.bvh"
    motion = read_bvh(path)
    assert [motion.skeleton.index(name) for name in BEAT_JOINTS] == list(range(75))
    assert (motion.num_frames, motion.fps, motion.frame_time_s, motion.duration_s) == (4800, 120, 0.008333, 40)
    assert len(motion.end_sites) == 13
    foot = motion.positions()[:, motion.skeleton.indices(["LeftToeBase", "RightToeBase"]), 1]
    assert foot.amin(dim=1).abs().max() < 10  # the corpus' README: the lower foot stays on the floor
    write_bvh(tmp_path / "out.bvh", motion)
    assert (tmp_path / "out.bvh").read_bytes() == path.read_bytes()


def test_the_real_recording_stands_where_an_independent_reader_puts_it(beat_sample, tmp_path):
    bvhio = pytest.importorskip("bvhio", reason="bvhio, the independent BVH reader, comes with the extra `dev`")
    path = beat_sample / "2" / "2_scott_0_1_1.bvh"
    lines = path.read_text().splitlines()
    header = [line.replace("4800", "10") for line in lines[:431]]
    short = save(tmp_path, "\n".join(header + lines[431::480]))  # ten frames from all over: bvhio takes 3 ms each
    positions, root = read_bvh(short).positions(), bvhio.readAsHierarchy(str(short))
    assert torch.equal(positions, read_bvh(path).positions()[::480])
    for frame in range(10):
        theirs = [list(joint.PositionWorld) for joint, _, _ in root.loadPose(frame).layout()]
        np.testing.assert_allclose(positions[frame].numpy(), theirs, atol=1e-3)
