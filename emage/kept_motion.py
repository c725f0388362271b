"""Joints of a BVH file that stay as they are while a model completes the rest: what `emage generate --keep` reads.

A kept joint is, at every frame of the result, where the file has it at that time: between its frames by slerp and never
filtered, whatever the rates. So it is inserted twice: for the model at the model's rate, to complete around it, and again
at the rate of the files.

The file may have other joint names, axes, another unit or rest pose than the model; see `emage.motion.rest_pose`.

Shapes: T frames, N frames of the file, J joints, K kept joints.
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from emage.completion import GIVEN_PARTS, Given, joint_places
from emage.errors import InputError, warn_input
from emage.motion import rotation
from emage.motion.bvh import BvhMotion, read_bvh
from emage.motion.convert import from_matrices
from emage.motion.joint_aliases import beat_names
from emage.motion.layout import ROOT, Layout, get_layout, part_joints
from emage.motion.resample import resample_linear, resample_quat
from emage.motion.rest_pose import RestMatch, mapped_parent, match_rest, same_parent
from emage.motion.skeleton import BEAT_JOINTS, Skeleton, canonical_name
from emage.motion.splice import splice_motion
from emage.performance import Performance

TIME_TOLERANCE = 1e-6  # frames: a time that falls on a frame means that frame
AT_REST_DEG = 0.01  # a frame whose joints turn by less shows the rest pose
SMALLEST_JUMP_DEG, JUMP_RATIO = 10.0, 3.0  # from a frame at rest to the motion, and beside the step after it
WARNING_DEG = 6.0  # rest poses that differ by more are warned of; BEAT's own speakers differ by 5.9 in arms and hands
UPRIGHT_DEG = 45.0  # a body whose axis of the hips is, on average, farther from upright lies
Z_UP = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=torch.float64)  # (x, y, z) -> (x, z, -y)


@dataclass(frozen=True, eq=False)
class KeptMotion:
    """Some joints of a BVH file for some seconds, in the axes and the rest pose of the model.

    Attributes:
        joints: K names in BEAT's BVH spelling.
        quat: (N, K, 4) local rotations.
        root_cm: (N, 3) position of the root; None if it is not kept.
        fps: frames per second of the file.
        names: what was asked for: joints in either of BEAT's spellings, or parts of the body (upper, hands, lower, all).
        start_s: the first time that is kept; time 0 is that of the result.
        stop_s: the last one.
        still: those of `joints` that the file lacks: they carry a kept joint in the model and are held at rest.
    """

    joints: tuple[str, ...]
    quat: Tensor
    root_cm: Tensor | None
    fps: float
    names: tuple[str, ...]
    start_s: float
    stop_s: float
    still: tuple[str, ...] = ()

    def given(self, layout: Layout | str, fps: float, num_frames: int) -> Given:
        """The kept joints in a layout at a frame rate, T frames; marked are the frames within start_s..stop_s, ends included.

        Raises:
            InputError: the layout has not the joints, or no frame lies between the two times.
        """
        layout = get_layout(layout)
        names = (*self.names, *(joint for joint in self.still if joint in layout.joints))
        places = sorted({place for name in names for place in joint_places(name, layout)})
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
        quat = self.quat[:, [self.joints.index(layout.joints[place]) for place in turned]]  # (N, kept joints, 4)
        quat = resample_quat(quat, self.fps, fps, num_frames, lowpass=False)
        matrix = torch.eye(3, dtype=quat.dtype).repeat(num_frames, layout.num_joints, 1, 1)  # (T, J, 3, 3)
        matrix[:, turned] = rotation.quat_to_matrix(quat)
        translation_cm = None
        if layout.has_translation:
            translation_cm = matrix.new_zeros(num_frames, 3)
            if self.root_cm is not None:
                translation_cm = resample_linear(self.root_cm, self.fps, fps, num_frames, lowpass=False)
        return Given(from_matrices(matrix, layout, translation_cm).float(), joints)

    def put_into(self, performance: Performance) -> Performance:
        """A performance at any rate with the kept joints in it; what lies around them is bent to meet them."""
        given = self.given(performance.layout, performance.fps, performance.num_frames)
        motion = splice_motion(
            performance.motion, given.motion, given.joints, layout=performance.layout, fps=performance.fps
        )
        return replace(performance, motion=motion)


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
        path: a BVH that holds the kept joints, under BEAT's or another known system's names, at any frame rate. Another
            unit, other axes, another rest pose and a first frame that shows the rest pose issue warnings.
        skeleton: of the person who will move.
        duration_s: of the speech.
        names: joints or parts of the body.
        span_s: first and last time; None: all that the file and the speech both have.

    Raises:
        InputError: a broken file, one without frames or of another tree of joints, one whose axes cannot be told, an
            unknown name, or a time beyond either.
    """
    bvh = read_bvh(path)
    if not bvh.num_frames:
        raise InputError(f"{path}: it holds no frames, so there is nothing to keep; give a BVH that moves")
    kept = list(dict.fromkeys(joint for name in names for joint in _joints(name)))
    if not kept:
        raise InputError("joints to keep: none named; name joints or parts (upper, hands, lower, all)")
    places = {name: place for place, name in beat_names(bvh.names, bvh.parents).items()}
    _check_tree(path, bvh, places, skeleton, kept)
    try:
        match = match_rest(bvh.skeleton, places, skeleton)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    _warn_of_rest(path, match, kept, bvh, places)
    start_s, stop_s = _checked_span(path, span_s, bvh.duration_s, duration_s)
    local = bvh.rotations()  # (N, J, 3, 3)
    if _begins_at_rest(local, bvh, places) and start_s < 1 / bvh.fps:
        start_s = 1 / bvh.fps
        warn_input(
            f"{path}: its first frame shows the rest pose and is not kept; the motion is kept from {start_s:.3f} s"
        )
    turned = _retargeted(local, bvh, places, match, kept)
    still = _missing_above(path, places, skeleton, kept)
    turned.update({joint: torch.eye(3, dtype=local.dtype).expand(len(local), 3, 3) for joint in still})
    root_cm = None
    if ROOT in kept:
        world = _world(path, turned[ROOT], match)
        position = _root_positions(local, bvh, places[ROOT])
        turned[ROOT], root_cm = world @ turned[ROOT], match.scale_to_cm * position @ (world @ match.axes).T
    quat = torch.stack([rotation.matrix_to_quat(turned[joint]) for joint in (*kept, *still)], dim=1)  # (N, K, 4)
    return KeptMotion((*kept, *still), quat, root_cm, bvh.fps, tuple(names), start_s, stop_s, tuple(still))


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


def _check_tree(
    path: str | Path, bvh: BvhMotion, places: dict[str, int], skeleton: Skeleton, kept: Sequence[str]
) -> None:
    """Whether the file has the kept joints, below the same joints as the model."""
    missing = [joint for joint in kept if joint not in places]
    if missing:
        more = ", ..." if len(missing) > 3 else ""
        raise InputError(
            f"{path}: it lacks {len(missing)} of the {len(kept)} joints to keep: {', '.join(missing[:3])}{more}; keep"
            " fewer joints, or give a BVH with BEAT's joints, as `emage generate` writes it"
        )
    for joint in kept:
        place = skeleton.parents[skeleton.index(joint)]
        expected = canonical_name(skeleton.names[place]) if place >= 0 else ""
        above = mapped_parent(bvh.skeleton, places, joint)
        if not same_parent(above, expected, list(places)):
            raise InputError(
                f"{path}: joint {joint} hangs off {above or 'nothing'}, in the model off {expected or 'nothing'}: another"
                " skeleton; keep other joints, or retarget the motion to a BVH that `emage generate` wrote"
            )


def _missing_above(
    path: str | Path, places: dict[str, int], skeleton: Skeleton, kept: Sequence[str]
) -> dict[str, None]:
    """The model's joints between a kept joint and the joint that it hangs off in the file, each once.

    The rotation in the file includes that of the missing joint, so that one must not turn in the result.
    """
    still: dict[str, None] = {}
    for joint in kept:
        place = skeleton.parents[skeleton.index(joint)]
        while place >= 0 and (name := canonical_name(skeleton.names[place])) not in places:
            if name not in still:
                warn_input(
                    f"{path}: it has no {name}, which carries {joint} in the model; {name} is held at rest meanwhile, so"
                    f" that {joint} turns as in the file"
                )
            still[name] = None
            place = skeleton.parents[place]
    return still


def _warn_of_rest(
    path: str | Path, match: RestMatch, kept: Sequence[str], bvh: BvhMotion, places: dict[str, int]
) -> None:
    if _turn_deg(match.axes) > 0:
        up, front = (_axis_name(match.axes.T[:, column]) for column in (1, 2))
        warn_input(f"{path}: its skeleton rests with {up} up and {front} in front; turned to Y up and Z in front")
    concerned = {*kept, *(mapped_parent(bvh.skeleton, places, joint) for joint in kept)}
    if others := _farthest(match.other_pose_deg, concerned):
        warn_input(
            f"{path}: it rests in another pose than the model ({others}); the rotations are transferred by the directions"
            " of the bones"
        )
    if others := _farthest(match.uncorrected_deg, concerned):
        warn_input(
            f"{path}: bones rest in another direction than in the model ({others}); that is taken for the build of"
            " another rig, and the rotations are kept as they are"
        )
    if ROOT in kept and match.unit != "centimetres":
        unit = match.unit or f"another size ({1 / match.scale_to_cm:.3g} times the model's)"
        warn_input(f"{path}: its bones are in {unit}; positions of the root are brought to the model's centimetres")


def _farthest(angles_deg: dict[str, float], concerned: set[str]) -> str:
    """The three joints that differ most, with their angles; "" if no joint concerned differs by more than WARNING_DEG."""
    far = {joint: angle for joint, angle in angles_deg.items() if joint in concerned and angle > WARNING_DEG}
    worst = sorted(far, key=far.__getitem__, reverse=True)[:3]
    return ", ".join(f"{joint} by {far[joint]:.0f} degrees" for joint in worst)


def _axis_name(direction: Tensor) -> str:
    """The axis along a direction, e.g. "-Z"; the vector where it is none."""
    place = int(direction.abs().argmax())
    if direction[place].abs() < 0.999:
        return "(" + ", ".join(f"{value:.2f}" for value in direction.tolist()) + ")"
    return ("-" if direction[place] < 0 else "") + "XYZ"[place]


def _turn_deg(matrix: Tensor) -> Tensor:
    """Angle of rotations (..., 3, 3)."""
    return torch.rad2deg(rotation.angle_between(torch.eye(3, dtype=matrix.dtype).expand_as(matrix), matrix))


def _begins_at_rest(local: Tensor, bvh: BvhMotion, places: dict[str, int]) -> bool:
    """Whether the first frame alone shows the rest pose, as `--t-pose` and many exporters write it, and then jumps."""
    above = set(_above(bvh, places[ROOT])) if ROOT in places else set()
    joints = [joint for joint in range(len(bvh.names)) if joint not in above]
    if len(local) < 3 or not joints or float(_turn_deg(local[0, joints]).max()) > AT_REST_DEG:
        return False
    steps = torch.rad2deg(rotation.angle_between(local[:2, joints], local[1:3, joints])).amax(dim=1)
    return bool(steps[0] > max(SMALLEST_JUMP_DEG, JUMP_RATIO * steps[1]))


def _above(bvh: BvhMotion, joint: int) -> list[int]:
    """A joint and the joints above it, up to the root of the file."""
    path = []
    while joint >= 0:
        path.append(joint)
        joint = bvh.parents[joint]
    return path


def _retargeted(
    local: Tensor, bvh: BvhMotion, places: dict[str, int], match: RestMatch, kept: Sequence[str]
) -> dict[str, Tensor]:
    """Local rotations (N, 3, 3) of the kept joints on the model's skeleton; the root's in the world of its own axes."""
    turned = {}
    for joint in kept:
        above = mapped_parent(bvh.skeleton, places, joint)
        matrix = local[:, places[joint]]
        for place in _above(bvh, bvh.parents[places[joint]]):
            if place == places.get(above):
                break
            matrix = local[:, place] @ matrix  # joints between that BEAT has not
        before = match.corrections[above].T if above else match.axes
        turned[joint] = before @ matrix @ match.corrections[joint]
    return turned


def _root_positions(local: Tensor, bvh: BvhMotion, root: int) -> Tensor:
    """(N, 3) of the hips in the world of the file, in its unit."""
    translations = bvh.translations_cm()
    position = translations[:, root]
    for place in _above(bvh, root)[1:]:
        position = translations[:, place] + (local[:, place] @ position[..., None])[..., 0]
    return position


def _world(path: str | Path, root: Tensor, match: RestMatch) -> Tensor:
    """(3, 3) that puts the root (N, 3, 3), already in the model's axes, upright.

    A file may have its axes in the rest pose, in the root's rotation, or in both so that they cancel out.
    """
    identity = torch.eye(3, dtype=root.dtype)
    for turn in (identity, match.axes.T, Z_UP):
        up = (turn @ root)[..., 1].mean(dim=0)  # of the body, on average
        if float(up[1]) > math.cos(math.radians(UPRIGHT_DEG)) * float(up.norm()):
            if turn is Z_UP:
                warn_input(f"{path}: its root is turned so that Z points up; turned back to Y up")
            return turn
    raise InputError(
        f"{path}: the body does not stand along Y or Z, so the axis that points up cannot be told; export it with Y up, or"
        " keep joints other than the hips"
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
