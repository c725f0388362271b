"""Motion that is kept: the joints of a BVH come back at any rate where they were, and a file that does not fit is told."""

import math

import pytest
import torch
from tiny_bundles import masked_bundle, skeleton

from emage.errors import InputError
from emage.generation import Generator
from emage.kept_motion import KeptMotion, read_kept
from emage.motion import rotation
from emage.motion.bvh import BvhMotion, bvh_from_rotations, read_bvh, write_bvh
from emage.motion.convert import to_matrices
from emage.motion.layout import get_layout, part_joints
from emage.motion.skeleton import BEAT_JOINTS, Skeleton

LAYOUT = "beat_full_rot6d"
ARM = ("RightArm", "RArm1", "RightHand")  # in both of BEAT's spellings


def moving(fps: float, seconds: float = 4.0, *, body: Skeleton | None = None, order: str = "XYZ") -> BvhMotion:
    """Every joint turns to and fro, each at its own pace, up to 4 Hz; the root wanders."""
    body = body or skeleton()
    times = torch.arange(round(seconds * fps), dtype=torch.float64)[:, None, None] / fps
    hz = 0.3 + 3.7 * torch.rand(1, body.num_joints, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    euler_deg = 50 * torch.sin(2 * math.pi * hz * times)
    root_cm = torch.cat([20 * torch.sin(times[:, 0]), 90 + times[:, 0], -5 * times[:, 0]], dim=1)
    return bvh_from_rotations(body, euler_deg, root_translation_cm=root_cm, fps=fps, order=order)


def kept(path, motion: BvhMotion | None = None, *, scale: float = 1.0, **options) -> KeptMotion:
    """Writes a motion (unless the file is there) and reads it as one to be kept."""
    if motion is not None:
        write_bvh(path, motion, scale_to_cm=scale)
    return read_kept(path, **({"skeleton": skeleton(), "duration_s": 4.0} | options))


def largest_error_deg(motion, wanted: BvhMotion, *, fps: float, joints, span_s: tuple[float, float]) -> float:
    """Between a motion in LAYOUT at `fps` and the file's joints at the same times; the rates divide each other."""
    shared = math.gcd(round(fps), round(wanted.fps))
    layout = get_layout(LAYOUT)
    places = [layout.joint_slice(name).start for name in joints]
    places = [(place - 3) // 6 for place in places]
    ours = to_matrices(motion.double(), layout)[:: round(fps) // shared, places]
    theirs = wanted.rotations()[:: round(wanted.fps) // shared, wanted.skeleton.indices(joints)]
    frames = slice(round(span_s[0] * shared), round(span_s[1] * shared) + 1)
    angles = rotation.angle_between(ours[: len(theirs)][frames], theirs[: len(ours)][frames])
    return float(torch.rad2deg(angles).max())


@pytest.mark.parametrize("file_fps", [15, 24, 60, 120])
@pytest.mark.parametrize("fps", [15, 30, 60])
@pytest.mark.parametrize("order", ["XYZ", "ZXY"])
def test_the_joints_are_where_the_file_has_them_at_that_time(tmp_path, file_fps, fps, order):
    motion = moving(file_fps, order=order)
    found = kept(tmp_path / "a.bvh", motion, names=(*ARM, "lower"), span_s=(1.0, 3.0))
    given = found.given(LAYOUT, fps, 4 * fps)
    frames = given.joints[:, get_layout(LAYOUT).joints.index("RightArm")]
    assert frames.nonzero()[:, 0].tolist() == list(range(fps, 3 * fps + 1))  # both ends are kept
    assert int(given.joints.any(dim=0).sum()) == 3 + len(part_joints("lower")) + 1  # and the root translation
    joints = (*ARM, "Hips", "LeftFoot")
    assert largest_error_deg(given.motion, motion, fps=fps, joints=joints, span_s=(1, 3)) < 0.01


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator(masked_bundle())


@pytest.mark.parametrize("fps", [15, 30, 60])
@pytest.mark.parametrize("file_fps", [15, 60])
def test_they_come_back_at_the_rate_of_the_result(tmp_path, generator, fps, file_fps):
    motion = moving(file_fps)
    found = kept(tmp_path / "a.bvh", motion, names=(*ARM, "lower"), span_s=(1.0, 2.6))
    waveform = 0.1 * torch.randn(64000, generator=torch.Generator().manual_seed(0)).numpy()
    given = found.given(generator.layout, generator.fps, 60)
    result = generator.generate(waveform, 16000, given=given).resample(fps)
    result = found.put_into(result)
    where = {"fps": fps, "joints": (*ARM, "Hips"), "span_s": (1.0, 2.6)}
    assert largest_error_deg(result.motion, motion, **where) < 0.1
    others = {**where, "joints": ("LeftArm", "LeftHand")}
    assert largest_error_deg(result.motion, motion, **others) > 5  # what was not named is not taken from the file
    assert result.motion[fps : 2 * fps, 1].numpy() == pytest.approx(
        90 + torch.arange(fps, 2 * fps).numpy() / fps, abs=0.01
    )


@pytest.mark.parametrize("scale", [1.0, 100.0, 0.1])
def test_the_unit_of_the_file_does_not_matter(tmp_path, scale):
    body = skeleton(8.0)  # of a grown person's size, about
    found = kept(tmp_path / "a.bvh", moving(15, body=body), skeleton=body, scale=scale, names=("lower",))
    assert found.given(LAYOUT, 15, 60).motion[15, 1] == pytest.approx(91, abs=0.01)


def test_by_default_all_is_kept_as_long_as_both_last(tmp_path):
    found = kept(tmp_path / "a.bvh", moving(30, 3.0), duration_s=4.0)
    assert (found.names, found.start_s, found.stop_s) == (("all",), 0.0, 3.0)
    given = found.given(LAYOUT, 15, 60)
    assert given.joints[:46].all()  # the frame at 3 s too: the last one is held
    assert not given.joints[46:].any()


def without(motion: BvhMotion, joint: str) -> BvhMotion:
    """The same file with a joint of another name."""
    names = tuple("Other" if name == joint else name for name in motion.names)
    body = Skeleton(names, motion.parents, motion.offsets_cm)
    return BvhMotion(body, motion.channels, motion.values, motion.frame_time_s, motion.end_sites)


def test_joints_that_are_not_kept_may_be_missing(tmp_path):
    motion = without(moving(15), "LeftFoot")
    assert kept(tmp_path / "a.bvh", motion, names=("RightHand",)).given(LAYOUT, 15, 60).joints.any()
    with pytest.raises(InputError, match=r"a\.bvh: it lacks 1 of the .* joints to keep: LeftFoot; keep fewer"):
        kept(tmp_path / "a.bvh", names=("lower",))


def rehung(motion: BvhMotion) -> BvhMotion:
    """A skeleton whose forearm hangs off the collar bone."""
    parents = list(motion.parents)
    parents[motion.names.index("RightForeArm")] = motion.names.index("RightShoulder")
    body = Skeleton(motion.names, tuple(parents), motion.offsets_cm)
    return BvhMotion(body, motion.channels, motion.values, motion.frame_time_s, motion.end_sites)


@pytest.mark.parametrize(
    "change, options, message",
    [
        (lambda m: m, {"names": ("RightArn",)}, r"got 'RightArn'; did you mean RightArm\? choose parts"),
        (lambda m: m, {"names": ("face",)}, r"got 'face'; .*choose parts \(upper, hands, lower, all\)"),
        (lambda m: m, {"names": ()}, "none named"),
        (lambda m: m, {"span_s": (3.0, 2.0)}, "got 3-2; expected two rising times"),
        (
            lambda m: m,
            {"span_s": (2.0, 5.0)},
            r"got 2-5 s, but .*a\.bvh lasts 4.00 s and the speech 4.00 s; end at 4.00",
        ),
        (lambda m: m, {"span_s": (1.0, 3.5), "duration_s": 3.0}, "the speech 3.00 s; end at 3.00 at most"),
        (lambda m: BvhMotion(m.skeleton, m.channels, m.values[:0], m.frame_time_s), {}, r"a\.bvh: it holds no frames"),
        (rehung, {"names": ("RightForeArm",)}, "RightForeArm hangs off RightShoulder, in the model off RightArm"),
    ],
)
def test_what_cannot_be_kept_is_told(tmp_path, change, options, message):
    with pytest.raises(InputError, match=message) as caught:
        kept(tmp_path / "a.bvh", change(moving(15)), **options)
    assert "\n" not in str(caught.value)


def test_a_time_between_two_frames_keeps_nothing_and_is_told(tmp_path):
    found = kept(tmp_path / "a.bvh", moving(15), span_s=(1.01, 1.02))
    with pytest.raises(InputError, match=r"1\.01-1\.02 s holds no frame at 15 fps"):
        found.given(LAYOUT, 15, 60)


def test_the_file_is_read_back_as_generate_wrote_it(tmp_path, generator):
    """Round trip: a result's own BVH, kept whole, is the result."""
    waveform = 0.1 * torch.randn(32000, generator=torch.Generator().manual_seed(0)).numpy()
    first = generator.generate(waveform, 16000, seed=1)
    first.save_bvh(tmp_path / "a.bvh")
    found = kept(tmp_path / "a.bvh", duration_s=2.0)
    second = generator.generate(waveform, 16000, seed=2, given=found.given(generator.layout, 15, 30))
    second.save_bvh(tmp_path / "b.bvh")
    a, b = (read_bvh(tmp_path / name).rotations() for name in ("a.bvh", "b.bvh"))
    assert torch.rad2deg(rotation.angle_between(a, b)).max() < 0.01
    assert set(BEAT_JOINTS) == set(read_bvh(tmp_path / "b.bvh").names)
