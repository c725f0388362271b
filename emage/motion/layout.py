"""Layouts: what every COLUMN of a motion array means. The one place that knows columns by number.

A body layout is a list of joints, how each joint's rotation is written (Euler degrees in BEAT's XYZ order, 6D, or
axis-angle in radians), and whether the root translation (centimetres) stands before it. A face layout is a list of
channels: ARKit weights, or parts of FLAME codes, whose rotations (head, neck, jaw) are axis-angle in radians.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Literal

import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.skeleton import BEAT_141_JOINTS, BEAT_JOINTS, SMPLX_JOINTS, canonical_name

EULER_ORDER = "XYZ"  # of every euler_deg layout, as in the BEAT files
ROOT = BEAT_JOINTS[0]
MAX_CHANNEL = 1e6  # magnitude of degrees, centimetres and the other units: squares of greater numbers leave float32

# The 51 ARKit channels of BEAT, in its (alphabetical) order.
ARKIT_51: tuple[str, ...] = tuple(
    """
    browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight
    eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight eyeLookOutLeft
    eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight jawForward
    jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight mouthFunnel
    mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
    mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight mouthStretchLeft
    mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight
    """.split()
)
ARKIT_52: tuple[str, ...] = (*ARKIT_51, "tongueOut")

_HANDS = tuple(name for name in BEAT_JOINTS if "Hand" in name and name not in ("RightHand", "LeftHand"))
_UPPER = tuple(name for name in BEAT_JOINTS if name in BEAT_141_JOINTS and name not in _HANDS)
_BODY = ("Spine", "Neck", "Neck1") + tuple(
    side + name for side in ("Right", "Left") for name in ("Shoulder", "Arm", "ForeArm")
)

# Parts of the body. `upper` and `hands` together are what beat_141 holds, so that the published benchmark judges these
# two alone; `lower` is all else: hips and root translation, the rest of the spine, the head, the legs. `body` is what
# CaMN's first decoder puts out (27 columns of beat_141), and `camn_hands` what its second does (the other 114).
PARTS: dict[str, tuple[str, ...]] = {
    "upper": _UPPER,
    "hands": _HANDS,
    "lower": tuple(name for name in BEAT_JOINTS if name not in _UPPER and name not in _HANDS),
    "all": BEAT_JOINTS,
    "body": _BODY,
    "camn_hands": tuple(name for name in BEAT_141_JOINTS if name not in _BODY),
}

# The same parts of SMPL-X's 55 joints; its jaw and eyes belong to the face, and to no part of the body.
_SMPLX_FACE = ("jaw", "left_eye_smplhf", "right_eye_smplhf")
_SMPLX_HANDS = SMPLX_JOINTS[25:]
_SMPLX_LOWER = (
    "pelvis",
    *(f"{side}_{name}" for name in ("hip", "knee", "ankle", "foot") for side in ("left", "right")),
)
_SMPLX_PARTS: dict[str, tuple[str, ...]] = {
    "upper": tuple(n for n in SMPLX_JOINTS if n not in (*_SMPLX_HANDS, *_SMPLX_LOWER, *_SMPLX_FACE)),
    "hands": _SMPLX_HANDS,
    "lower": _SMPLX_LOWER,
    "all": SMPLX_JOINTS,
}

# Parts of the FLAME layouts and their widths, in the order of the columns; the coefficients have no unit.
_FACE_PARTS: dict[str, dict[str, int]] = {
    "flame_59": {"expression": 50, "global": 3, "neck": 3, "jaw": 3},  # SingingHead
    "emoca_56": {"expression": 50, "global": 3, "jaw": 3},  # EMOCA: expcode, posecode
    "flame_53": {"expression": 50, "jaw": 3},
    "flame_103": {"expression": 100, "jaw": 3},  # BEAT2, and the published matrix from ARKit
    # What a window of any face corpus is brought to; which part of it is known, its validity masks say.
    "face_all": {"arkit": 51, "expression": 50, "expression_rest": 50, "jaw": 3, "head": 3},
}
ROTATION_PARTS = ("global", "neck", "jaw", "head")  # axis-angle, radians; all other parts may be averaged

_VALUES = {
    "axis_angle": tuple(f"axis_angle_{axis}" for axis in "xyz"),
    "euler_deg": tuple(f"{axis}rotation" for axis in EULER_ORDER),
    "rot6d": tuple(f"rot6d_{number}" for number in range(6)),
}
_POSITIONS = ("Xposition", "Yposition", "Zposition")


def part_joints(part: str) -> tuple[str, ...]:
    """Joints (BVH spelling, BEAT's file order) of a part of the body: upper, hands, lower, all, body, camn_hands.

    Raises:
        InputError: for another name.
    """
    if part not in PARTS:
        raise InputError(f"body part: got {part!r}; choose one of {', '.join(PARTS)}")
    return PARTS[part]


@dataclass(frozen=True)
class Layout:
    """The meaning of the D columns of a motion array (..., D).

    Attributes:
        name: as in configs and checkpoints.
        columns: D names, "Hips.Xposition", "Spine.Xrotation", "Spine.rot6d_0", or a facial channel.
        kind: how the values are to be read.
        joints: the joints in column order, BVH spelling; none for facial weights.
        has_translation: whether the root translation (cm) takes the first three columns.
        parts: of FLAME codes, the name and width of each part in column order.
    """

    name: str
    columns: tuple[str, ...]
    kind: Literal["euler_deg", "rot6d", "axis_angle", "weights", "codes"]
    joints: tuple[str, ...]
    has_translation: bool
    parts: tuple[tuple[str, int], ...] = ()

    @property
    def dim(self) -> int:
        return len(self.columns)

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @property
    def values_per_joint(self) -> int:
        """Columns of one joint's rotation: 3, 6, or 0 for facial weights."""
        return len(_VALUES.get(self.kind, ()))

    @property
    def translation_slice(self) -> slice:
        """Columns of the root translation; empty where the layout has none."""
        return slice(0, len(_POSITIONS) if self.has_translation else 0)

    @property
    def rotation_slice(self) -> slice:
        """Columns of all rotations, joint after joint."""
        start = self.translation_slice.stop
        return slice(start, start + self.num_joints * self.values_per_joint)

    @cached_property
    def part_slices(self) -> dict[str, slice]:
        """Columns of each part of FLAME codes, by name; empty for other layouts."""
        borders = [0, *accumulate(width for _, width in self.parts)]
        return {name: slice(*span) for (name, _), span in zip(self.parts, pairwise(borders), strict=True)}

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.joints)}

    def joint_slice(self, joint: str) -> slice:
        """Columns of one joint's rotation; both of BEAT's spellings are understood.

        Raises:
            InputError: if the layout does not hold the joint.
        """
        place = self._place.get(canonical_name(joint))
        if place is None:
            held = ", ".join(self.joints) if self.joints else "none"
            raise InputError(f"layout {self.name}: it has no joint {joint!r}; its joints: {held}")
        start = self.rotation_slice.start + place * self.values_per_joint
        return slice(start, start + self.values_per_joint)

    def joint_columns(self, joints: Iterable[str]) -> Tensor:
        """Columns of the rotations of some joints, in the order asked: (num_joints * values_per_joint,) int64.

        Raises:
            InputError: if the layout does not hold one of them.
        """
        spans = [self.joint_slice(joint) for joint in joints]
        return torch.tensor([c for span in spans for c in range(span.start, span.stop)], dtype=torch.long)

    def held_joints(self, part: str) -> tuple[str, ...]:
        """Joints of a part of the body that the layout holds, in the layout's order.

        Raises:
            InputError: for an unknown part.
        """
        wanted = {*part_joints(part), *_SMPLX_PARTS.get(part, ())}
        return tuple(name for name in self.joints if name in wanted)

    def of_joints(self, joints: Iterable[str]) -> "Layout":
        """The layout of the rotations of some joints alone, as `joint_columns` picks them."""
        return _body_layout(f"{self.name} of some joints", self.kind, tuple(joints), False)

    def part_columns(self, part: str) -> Tensor:
        """Columns of a part of the body, in the layout's order: (P,) int64.

        The root translation, where there is one, belongs to the part that holds the root (lower, all) and comes first.

        Raises:
            InputError: for an unknown part, or one of which the layout holds no joint.
        """
        joints = self.held_joints(part)
        if not joints:
            raise InputError(f"layout {self.name}: it has no joint of the part {part!r}")
        columns = self.joint_columns(joints)
        if not self.has_translation or self.joints[0] not in joints:
            return columns
        translation = torch.arange(self.translation_slice.start, self.translation_slice.stop)
        return torch.cat([translation, columns])


def _face_layout(name: str, parts: dict[str, int]) -> Layout:
    columns: list[str] = []
    for part, width in parts.items():
        if part == "arkit":
            columns += ARKIT_51
        elif part in ROTATION_PARTS:
            columns += [f"{part}_{axis}" for axis in "xyz"]
        else:  # the rest of the expression goes on counting
            first = parts["expression"] if part == "expression_rest" else 0
            columns += [f"expression_{number}" for number in range(first, first + width)]
    return Layout(name, tuple(columns), "codes", (), False, tuple(parts.items()))


def _body_layout(
    name: str,
    kind: Literal["euler_deg", "rot6d", "axis_angle", "weights"],
    joints: tuple[str, ...],
    has_translation: bool,
) -> Layout:
    translation = tuple(f"{joints[0]}.{column}" for column in _POSITIONS) if has_translation else ()
    rotations = tuple(f"{joint}.{value}" for joint in joints for value in _VALUES[kind])
    return Layout(name, translation + rotations, kind, joints, has_translation)


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        _body_layout("beat_141", "euler_deg", BEAT_141_JOINTS, False),
        _body_layout("beat_full", "euler_deg", BEAT_JOINTS, True),
        _body_layout("beat_141_rot6d", "rot6d", BEAT_141_JOINTS, False),
        _body_layout("beat_full_rot6d", "rot6d", BEAT_JOINTS, True),
        _body_layout("smplx_full", "axis_angle", SMPLX_JOINTS, True),
        _body_layout("smplx_full_rot6d", "rot6d", SMPLX_JOINTS, True),
        Layout("arkit_51", ARKIT_51, "weights", (), False),
        *(_face_layout(name, parts) for name, parts in _FACE_PARTS.items()),
    )
}


def get_layout(name: str | Layout) -> Layout:
    """A layout by its name (a Layout is passed through).

    Raises:
        InputError: for another name, with the choices.
    """
    if isinstance(name, Layout):
        return name
    if name not in LAYOUTS:
        raise InputError(f"layout: got {name!r}; choose one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
