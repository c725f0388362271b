"""Skeletons: joint names, parents and bone offsets, and where the joints are in space (forward kinematics).

The one place that knows joints by index. A skeleton keeps the spelling of the file it came from; look-ups also accept
BEAT's two spellings of a joint (`RightForeArm`, as in the released BVH files, and `RArm1`, as in the reference code).

Shapes: T frames, J joints.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from emage.errors import InputError

_FINGERS = {"Middle": "M", "Ring": "R", "Pinky": "P", "Index": "I", "Thumb": "T"}
_METACARPALS = ("Ring", "Pinky", "Index")  # these fingers have one joint more, without a number


def _arm(side: str) -> dict[str, str]:
    """BVH spelling -> short spelling of one arm and its fingers, in file order."""
    short = side[0]
    names = {
        f"{side}Shoulder": f"{short}Shoulder",
        f"{side}Arm": f"{short}Arm",
        f"{side}ForeArm": f"{short}Arm1",
        f"{side}Hand": f"{short}Hand",
    }
    for finger, letter in _FINGERS.items():
        numbers = ([""] if finger in _METACARPALS else []) + ["1", "2", "3", "4"]
        names |= {f"{side}Hand{finger}{number}": f"{short}Hand{letter}{number}" for number in numbers}
    return names


def _leg(side: str) -> dict[str, str]:
    short = side[0]
    segments = ("UpLeg", "Leg", "Foot", "ForeFoot", "ToeBase", "ToeBaseEnd")
    return {f"{side}{name}": f"{short}{'FootF' if name == 'ForeFoot' else name}" for name in segments}


_TRUNK = ("Hips", "Spine", "Spine1", "Spine2", "Spine3", "Neck", "Neck1", "Head", "HeadEnd")

# BVH spelling -> the reference code's short spelling, all 75 joints of BEAT in file order.
SHORT_NAMES: dict[str, str] = {
    **{name: name for name in _TRUNK},
    **_arm("Right"),
    **_arm("Left"),
    **_leg("Right"),
    **_leg("Left"),
}
BEAT_JOINTS: tuple[str, ...] = tuple(SHORT_NAMES)
_CANONICAL = {short: name for name, short in SHORT_NAMES.items()}

# A leg is one chain below the hips in every BEAT file: it can be followed without the file's tree.
LEG_CHAINS: dict[str, tuple[str, ...]] = {side: (_TRUNK[0], *_leg(side)) for side in ("Left", "Right")}

# The 47 joints of the BEAT 2022 benchmark (`spine_neck_141`), in its order: the finger tips are left out.
_FINGER_TIPS = tuple(f"{side}Hand{finger}4" for side in ("Right", "Left") for finger in _FINGERS)
BEAT_141_JOINTS: tuple[str, ...] = (
    "Spine",
    "Neck",
    "Neck1",
    *(name for side in ("Right", "Left") for name in _arm(side) if name not in _FINGER_TIPS),
)

# SMPL-X's 55 joints in its order (`smplx.joint_names`), and the parent of each; its bone lengths belong to the licensed
# model, so those of `smplx_skeleton` are our own, in round centimetres, for a person of 1.7 m in T-pose.
_SMPLX_TREE: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    ("pelvis", "", (0, 0, 0)),
    ("left_hip", "pelvis", (6, -9, -1)),
    ("right_hip", "pelvis", (-6, -9, -1)),
    ("spine1", "pelvis", (0, 11, -2)),
    ("left_knee", "left_hip", (5, -38, 0)),
    ("right_knee", "right_hip", (-5, -38, 0)),
    ("spine2", "spine1", (0, 13, 0)),
    ("left_ankle", "left_knee", (-2, -41, -3)),
    ("right_ankle", "right_knee", (2, -41, -3)),
    ("spine3", "spine2", (0, 6, 2)),
    ("left_foot", "left_ankle", (4, -6, 12)),
    ("right_foot", "right_ankle", (-4, -6, 12)),
    ("neck", "spine3", (0, 17, -3)),
    ("left_collar", "spine3", (5, 8, -2)),
    ("right_collar", "spine3", (-5, 8, -2)),
    ("head", "neck", (0, 16, 2)),
    ("left_shoulder", "left_collar", (12, 4, 0)),
    ("right_shoulder", "right_collar", (-12, 4, 0)),
    ("left_elbow", "left_shoulder", (26, 0, 0)),
    ("right_elbow", "right_shoulder", (-26, 0, 0)),
    ("left_wrist", "left_elbow", (25, 0, 0)),
    ("right_wrist", "right_elbow", (-25, 0, 0)),
    ("jaw", "head", (0, 0, 2)),
    ("left_eye_smplhf", "head", (3, 7, 7)),
    ("right_eye_smplhf", "head", (-3, 7, 7)),
    *(
        (
            f"{side}_{finger}{number}",
            f"{side}_{finger}{number - 1}" if number > 1 else f"{side}_wrist",
            (sign * (3 if number > 1 else reach), 0, across if number == 1 else 0),
        )
        for side, sign in (("left", 1), ("right", -1))
        for finger, reach, across in (
            ("index", 10, 2),
            ("middle", 10, 0),
            ("pinky", 8, -4),
            ("ring", 9, -2),
            ("thumb", 4, 4),
        )
        for number in (1, 2, 3)
    ),
)
SMPLX_JOINTS: tuple[str, ...] = tuple(name for name, _, _ in _SMPLX_TREE)  # as BEAT2's `poses` hold them

METRES_BELOW_CM, MILLIMETRES_ABOVE_CM = 8.0, 900.0  # extent of a resting skeleton as if its unit were the centimetre


def canonical_name(name: str) -> str:
    """BEAT's BVH spelling of a joint (`RArm1` -> `RightForeArm`), or the name itself where BEAT has no such joint."""
    return _CANONICAL.get(name, name)


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A tree of joints.

    Attributes:
        names: the file's spelling, parents before their children; a name may occur twice.
        parents: index of each joint's parent, -1 at a root.
        offsets_cm: (J, 3) float64, from the parent joint in the parent's frame, centimetres.

    Raises:
        InputError: if the three differ in length, or a parent does not come before its child.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets_cm: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "parents", tuple(int(parent) for parent in self.parents))
        object.__setattr__(self, "offsets_cm", torch.as_tensor(self.offsets_cm, dtype=torch.float64))
        if len(self.parents) != len(self.names) or tuple(self.offsets_cm.shape) != (len(self.names), 3):
            raise InputError(
                f"skeleton: {len(self.names)} names, {len(self.parents)} parents and offsets of shape "
                f"{tuple(self.offsets_cm.shape)} do not fit together; expected J, J and (J, 3)"
            )
        for joint, parent in enumerate(self.parents):
            if not -1 <= parent < joint:
                raise InputError(
                    f"skeleton: joint {joint} ({self.names[joint]}) has parent {parent}; "
                    "a parent must come before its child (-1: a root)"
                )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Skeleton):
            return NotImplemented
        same_tree = self.names == other.names and self.parents == other.parents
        return same_tree and torch.equal(self.offsets_cm, other.offsets_cm)

    def __hash__(self) -> int:
        return hash((self.names, self.parents))

    @property
    def num_joints(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Index of a joint by the file's spelling or, where the file has no such name, by BEAT's other spelling.

        Raises:
            InputError: if no joint is called so (names the nearest) or more than one is.
        """
        found = [joint for joint, own in enumerate(self.names) if own == name]
        if not found:
            wanted = canonical_name(name)
            found = [joint for joint, own in enumerate(self.names) if canonical_name(own) == wanted]
        if len(found) > 1:
            raise InputError(
                f"skeleton: the joint name {name!r} occurs {len(found)} times (joints {found}); rename one in the file"
            )
        if not found:
            near = difflib.get_close_matches(name, [*self.names, *map(canonical_name, self.names)], n=1, cutoff=0.0)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"skeleton: no joint is called {name!r}{hint}")
        return found[0]

    def indices(self, names: Iterable[str]) -> list[int]:
        """Indices of several joints, in the order asked; see `index`."""
        return [self.index(name) for name in names]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for json; `from_dict` gives an equal skeleton."""
        return {
            "names": list(self.names),
            "parents": list(self.parents),
            "offsets_cm": self.offsets_cm.tolist(),
        }

    @classmethod
    def from_dict(cls, node: dict[str, Any]) -> "Skeleton":
        """Inverse of `to_dict`.

        Raises:
            InputError: if a key is missing or the lists do not fit together.
        """
        missing = [key for key in ("names", "parents", "offsets_cm") if key not in node]
        if missing:
            raise InputError(f"skeleton: missing {', '.join(missing)}; expected names, parents and offsets_cm")
        offsets_cm = torch.tensor(node["offsets_cm"], dtype=torch.float64).reshape(-1, 3)
        return cls(tuple(node["names"]), tuple(node["parents"]), offsets_cm)


def smplx_skeleton() -> Skeleton:
    """SMPL-X's 55 joints with bone lengths of our own (see above): good for pictures and speeds, not for its surface."""
    parents = tuple(SMPLX_JOINTS.index(parent) if parent else -1 for _, parent, _ in _SMPLX_TREE)
    offsets_cm = torch.tensor([offset for _, _, offset in _SMPLX_TREE], dtype=torch.float64)
    return Skeleton(SMPLX_JOINTS, parents, offsets_cm)


def _levels(parents: Sequence[int]) -> list[list[int]]:
    """Joints by their depth below the roots, so that one batched product serves a whole level."""
    depth: list[int] = []
    for parent in parents:
        depth.append(0 if parent < 0 else depth[parent] + 1)
    levels: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for joint, level in enumerate(depth):
        levels[level].append(joint)
    return levels


def forward_kinematics(
    local_matrix: Tensor, parents: Sequence[int], local_translation_cm: Tensor
) -> tuple[Tensor, Tensor]:
    """Global positions and orientations from local ones.

    Args:
        local_matrix: (..., J, 3, 3) rotation of each joint in its parent's frame, column vectors.
        parents: J indices, -1 at a root, parents before their children.
        local_translation_cm: (..., J, 3) from parent to joint in the parent's frame, or the (J, 3) offsets alone;
            the root's is its place in the world.

    Returns:
        positions_cm (..., J, 3) and global_matrix (..., J, 3, 3); both carry gradients to both inputs.
    """
    assert local_matrix.shape[-3] == len(parents), "one parent per joint"
    assert all(parent < joint for joint, parent in enumerate(parents)), "parents come before their children"
    translation = local_translation_cm.to(local_matrix.dtype).expand(*local_matrix.shape[:-2], 3)
    if not len(parents):
        return translation, local_matrix

    order: list[int] = []  # joints in the order in which the levels put them out
    position_of: dict[int, int] = {}
    matrix_levels: list[Tensor] = []
    position_levels: list[Tensor] = []
    for joints in _levels(parents):
        matrix, position = local_matrix[..., joints, :, :], translation[..., joints, :]
        if matrix_levels:
            above = [position_of[parents[joint]] for joint in joints]
            parent_matrix, parent_position = matrix_levels[-1][..., above, :, :], position_levels[-1][..., above, :]
            position = parent_position + (parent_matrix @ position[..., None])[..., 0]
            matrix = parent_matrix @ matrix
        matrix_levels.append(matrix)
        position_levels.append(position)
        position_of = {joint: place for place, joint in enumerate(joints)}
        order += joints
    back = sorted(range(len(order)), key=order.__getitem__)
    return torch.cat(position_levels, dim=-2)[..., back, :], torch.cat(matrix_levels, dim=-3)[..., back, :, :]


def file_scale(skeleton: Skeleton) -> tuple[float, str]:
    """Centimetres per unit of a file, guessed from the size of its skeleton: (1 or 100 or 0.1, name of the unit)."""
    identity = torch.eye(3, dtype=torch.float64).expand(1, skeleton.num_joints, 3, 3)
    rest = forward_kinematics(identity, skeleton.parents, skeleton.offsets_cm)[0][0]  # (J, 3)
    size = float((rest.amax(dim=0) - rest.amin(dim=0)).max())
    if 0 < size < METRES_BELOW_CM:
        return 100.0, "metres"
    return (0.1, "millimetres") if size > MILLIMETRES_ABOVE_CM else (1.0, "centimetres")
