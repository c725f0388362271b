"""Joints of a BVH file that are to stay as they are while a model completes the rest: what `emage generate --keep` reads.

A kept joint is, at every frame of the result, where the file has it at that time: between its frames by slerp and never
filtered, whatever the rates. So it is put in twice: for the model at the model's rate, to complete around it, and again
at the rate of the files.

Shapes: T frames, N frames of the file, J joints.
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from emage.completion import GIVEN_PARTS, Given, joint_places
from emage.errors import InputError
from emage.motion import rotation
from emage.motion.bvh import BvhMotion, read_bvh
from emage.motion.convert import from_matrices
from emage.motion.layout import ROOT, Layout, get_layout, part_joints
from emage.motion.resample import resample_linear, resample_quat
from emage.motion.skeleton import BEAT_JOINTS, Skeleton, canonical_name, file_scale
from emage.motion.splice import splice_motion
from emage.performance import Performance

TIME_TOLERANCE = 1e-6  # frames: a time that falls on a frame means that frame
LONGEST_ANGLE_DEG = 50.0  # between a bone at rest in the file and in the model; BEAT's people differ by less
SMALLEST_BONE_CM = 1.0  # a shorter one has no direction


@dataclass(frozen=True, eq=False)
class KeptMotion:
    """Some joints of a BVH file for some seconds.

    Attributes:
        bvh: the file; time 0 is that of the result.
        names: joints in either of BEAT's spellings, or parts of the body (upper, hands, lower, all).
        start_s: the first time that is kept.
        stop_s: the last one.
    """

    bvh: BvhMotion
    names: tuple[str, ...]
    start_s: float
    stop_s: float

    def given(self, layout: Layout | str, fps: float, num_frames: int) -> Given:
        """The kept joints in a layout at a frame rate, T frames; marked are the frames within start_s..stop_s, ends included.

        Raises:
            InputError: the layout has not the joints, or no frame lies between the two times.
        """
        layout = get_layout(layout)
        places = sorted({place for name in self.names for place in joint_places(name, layout)})
        turned = [place for place in places if place < layout.num_joints]
        first = math.ceil(self.start_s * fps - TIME_TOLERANCE)
        stop = min(math.floor(self.stop_s * fps + TIME_TOLERANCE) + 1, num_frames)
        if first >= stop or not turned:
            raise InputError(
                f"time to keep: {self.start_s:g}-{self.stop_s:g} s holds no frame at {fps:g} fps of joints that the model"
                " moves; give a longer time or other joints"
            )
        joints = torch.zeros(num_frames, layout.num_joints + 1, dtype=torch.bool)
        joints[first:stop, places] = True
        indices = self.bvh.skeleton.indices([layout.joints[place] for place in turned])
        quat = rotation.matrix_to_quat(self.bvh.rotations()[:, indices])  # (N, kept joints, 4)
        quat = resample_quat(quat, self.bvh.fps, fps, num_frames, lowpass=False)
        matrix = torch.eye(3, dtype=quat.dtype).repeat(num_frames, layout.num_joints, 1, 1)  # (T, J, 3, 3)
        matrix[:, turned] = rotation.quat_to_matrix(quat)
        translation_cm = self._root_cm(fps, num_frames) if layout.has_translation else None
        return Given(from_matrices(matrix, layout, translation_cm).float(), joints)

    def put_into(self, performance: Performance) -> Performance:
        """A performance at any rate with the kept joints in it; what lies around them is bent to meet them."""
        given = self.given(performance.layout, performance.fps, performance.num_frames)
        motion = splice_motion(
            performance.motion, given.motion, given.joints, layout=performance.layout, fps=performance.fps
        )
        return replace(performance, motion=motion)

    def _root_cm(self, fps: float, num_frames: int) -> Tensor:
        root_cm = self.bvh.translations_cm()[:, self.bvh.skeleton.index(ROOT)]
        return resample_linear(root_cm, self.bvh.fps, fps, num_frames, lowpass=False)


def read_kept(
    path: str | Path,
    *,
    skeleton: Skeleton,
    duration_s: float,
    names: Sequence[str] = ("all",),
    span_s: tuple[float, float] | None = None,
) -> KeptMotion:
    """Reads the motion to be kept.

    Args:
        path: a BVH of BEAT's joints (the kept ones suffice) in centimetres, metres or millimetres, at any frame rate.
        skeleton: of the person who will move.
        duration_s: of the speech.
        names: joints or parts of the body.
        span_s: first and last time; None: all that the file and the speech both have.

    Raises:
        InputError: a broken file, one without frames or of another skeleton, an unknown name, or a time beyond either.
    """
    bvh = read_bvh(path)
    scale, _ = file_scale(bvh.skeleton)
    bvh = bvh if scale == 1 else read_bvh(path, scale)
    if not bvh.num_frames:
        raise InputError(f"{path}: it holds no frames, so there is nothing to keep; give a BVH that moves")
    kept = list(dict.fromkeys(joint for name in names for joint in _joints(name)))
    if not kept:
        raise InputError("joints to keep: none named; name joints or parts (upper, hands, lower, all)")
    _check_skeleton(path, bvh, skeleton, kept)
    start_s, stop_s = _checked_span(path, span_s, bvh.duration_s, duration_s)
    return KeptMotion(bvh, tuple(names), start_s, stop_s)


def _joints(name: str) -> tuple[str, ...]:
    if name in GIVEN_PARTS:
        return part_joints(name)
    joint = canonical_name(name)
    if joint not in BEAT_JOINTS:
        near = difflib.get_close_matches(name, [*GIVEN_PARTS, *BEAT_JOINTS], n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputError(
            f"joints to keep: got {name!r}; {hint}choose parts ({', '.join(GIVEN_PARTS)}) or joints such as RightForeArm"
        )
    return (joint,)


def _check_skeleton(path: str | Path, bvh: BvhMotion, skeleton: Skeleton, kept: Sequence[str]) -> None:
    """Whether rotations of the file mean the same on the model's skeleton."""
    own = [canonical_name(name) for name in bvh.names]
    missing = [joint for joint in kept if joint not in own]
    if missing:
        more = ", ..." if len(missing) > 3 else ""
        raise InputError(
            f"{path}: it lacks {len(missing)} of the {len(kept)} joints to keep: {', '.join(missing[:3])}{more}; keep"
            " fewer joints, or give a BVH with BEAT's joint names, as `emage generate` writes it"
        )
    for joint in kept:
        place, model_place = bvh.skeleton.index(joint), skeleton.index(joint)
        parent, model_parent = bvh.parents[place], skeleton.parents[model_place]
        above = canonical_name(bvh.names[parent]) if parent >= 0 else "nothing"
        expected = canonical_name(skeleton.names[model_parent]) if model_parent >= 0 else "nothing"
        if above != expected:
            raise InputError(
                f"{path}: joint {joint} hangs off {above}, in the model off {expected}: another skeleton; retarget the"
                " motion to the skeleton of a BVH that `emage generate` wrote"
            )
        bone, model_bone = bvh.offsets_cm[place], skeleton.offsets_cm[model_place]
        if model_parent < 0 or min(bone.norm(), model_bone.norm()) < SMALLEST_BONE_CM:
            continue
        cosine = (bone @ model_bone) / (bone.norm() * model_bone.norm())
        angle_deg = math.degrees(math.acos(float(cosine.clamp(-1, 1))))
        if angle_deg > LONGEST_ANGLE_DEG:
            raise InputError(
                f"{path}: the bone of {joint} rests {angle_deg:.0f} degrees away from the model's: another rest pose or"
                " another axis up; give a Y-up BVH that rests in BEAT's T-pose, as `emage generate` writes it"
            )


def _checked_span(
    path: str | Path, span_s: tuple[float, float] | None, motion_s: float, speech_s: float
) -> tuple[float, float]:
    end_s = min(motion_s, speech_s)
    if span_s is None:
        return 0.0, end_s
    start_s, stop_s = span_s
    if not 0 <= start_s < stop_s:
        raise InputError(f"time to keep: got {start_s:g}-{stop_s:g}; expected two rising times in seconds, e.g. 2-5")
    if stop_s > end_s + TIME_TOLERANCE:
        raise InputError(
            f"time to keep: got {start_s:g}-{stop_s:g} s, but {path} lasts {motion_s:.2f} s and the speech"
            f" {speech_s:.2f} s; end at {end_s:.2f} at most"
        )
    return start_s, stop_s
