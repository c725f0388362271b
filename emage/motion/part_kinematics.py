"""Where the joints are that a part of the body moves, so that turns can be judged by the places they lead to.

Shapes: B batch, T frames, J joints of the part, M joints whose place it moves.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.layout import ROOT
from emage.motion.parts import PartValues
from emage.motion.skeleton import BEAT_JOINTS, Skeleton, forward_kinematics
from emage.speakers import SpeakerTable


class PartKinematics:
    """Forward kinematics of one part, all else as in a given motion.

    Only the joints of the part are followed, with those between two of them and those right below one: further joints
    move with these rigidly, and a turn of a joint above the part changes no distance between two poses of it.

    Args:
        values: the part.
        skeletons: by any key, of all people; one tree, different bones.

    Raises:
        InputError: no skeleton, or trees that differ.
    """

    def __init__(self, values: PartValues, skeletons: Mapping[str, Skeleton]) -> None:
        above = common_parents(skeletons)
        own, layout = set(values.joints), values.layout
        ancestors = {name: _ancestors(name, above) for name in BEAT_JOINTS}
        between = {above_one for name in own for above_one in ancestors[name] if own & set(ancestors[above_one])} - own
        below = {name for name in BEAT_JOINTS if above[name] in own} - own - between
        names = [name for name in BEAT_JOINTS if name in own | between | below]
        self.values = values
        self.parents = [names.index(above[name]) if above[name] in names else -1 for name in names]
        self.bones = [BEAT_JOINTS.index(name) for name in names]
        # A joint without a parent here stays where it is, unless it is the root of the body and the part moves that.
        self.moved = [place for place, name in enumerate(names) if self.parents[place] >= 0 or self._is_root(name)]
        self.root = [place for place, name in enumerate(names) if self._is_root(name)]
        self.others = [name for name in names if name in between and name in layout.joints]
        source = [
            *values.joints,
            *self.others,
            *(name for name in names if name not in own and name not in self.others),
        ]
        self.order = [source.index(name) for name in names]
        self.num_unturned = len(names) - len(values.joints) - len(self.others)
        self.other_columns = layout.joint_columns(self.others)

    def _is_root(self, name: str) -> bool:
        return name == ROOT and self.values.num_translation > 0

    def other_matrices(self, motion: Tensor) -> Tensor:
        """Rotations of the followed joints that are not the part's, from (B, T, D) of the layout."""
        rot6d = motion[..., self.other_columns.to(motion.device)].unflatten(-1, (len(self.others), 6))
        return rotation.rot6d_to_matrix(rot6d)

    def positions(self, matrix: Tensor, others: Tensor, translation_cm: Tensor, bones_cm: Tensor) -> Tensor:
        """Places of the joints that the part moves.

        Args:
            matrix: (B, T, J, 3, 3) of the part.
            others: (B, T, O, 3, 3) from `other_matrices`.
            translation_cm: (B, T, 3) of the root, or (B, T, 0) where the part does not hold it.
            bones_cm: (B, 75, 3) offsets of all joints, in the order of BEAT_JOINTS.

        Returns:
            (B, T, M, 3) centimetres.
        """
        unturned = torch.eye(3, dtype=matrix.dtype, device=matrix.device).expand(
            *matrix.shape[:2], self.num_unturned, 3, 3
        )
        local = torch.cat([matrix, others, unturned], dim=2)[:, :, self.order]
        offsets = bones_cm[:, None, self.bones].to(local).expand(*local.shape[:3], 3)
        if self.root:
            place = self.root[0]
            offsets = torch.cat([offsets[:, :, :place], translation_cm[:, :, None], offsets[:, :, place + 1 :]], dim=2)
        positions, _ = forward_kinematics(local, self.parents, offsets)
        return positions[:, :, self.moved]


def bone_table(skeletons: Mapping[str, Skeleton], speakers: SpeakerTable) -> Tensor:
    """Bones of all people by their index: (highest index + 1, 75, 3) cm float32, joints as in BEAT_JOINTS.

    Args:
        skeletons: by label.
        speakers: label <-> index. Who has no skeleton, and an index without a person, gets the first one's bones.
    """
    indices = {label: speakers.index(label) for label in speakers.labels}
    bones = {label: skeleton.offsets_cm[skeleton.indices(BEAT_JOINTS)] for label, skeleton in skeletons.items()}
    first = next(iter(bones.values()))
    table = first.repeat(max(indices.values(), default=0) + 1, 1, 1)
    for label, index in indices.items():
        table[index] = bones.get(label, first)
    return table.float()


def common_parents(skeletons: Mapping[str, Skeleton]) -> dict[str, str | None]:
    """Joint -> its parent (BEAT's spelling), None at the root, where all skeletons agree.

    Raises:
        InputError: no skeleton, a missing joint, or two trees that differ.
    """
    if not skeletons:
        raise InputError("skeletons: none given; joint positions need one for each speaker")
    trees = {label: _tree(skeleton) for label, skeleton in skeletons.items()}
    first_label, first = next(iter(trees.items()))
    for label, tree in trees.items():
        different = [name for name in BEAT_JOINTS if tree[name] != first[name]]
        if different:
            name = different[0]
            raise InputError(
                f"skeletons: {name} hangs below {first[name]} for speaker {first_label} and below {tree[name]} for "
                f"speaker {label}; train on speakers with one tree (data.speakers)"
            )
    return first


def _tree(skeleton: Skeleton) -> dict[str, str | None]:
    place = dict(zip(skeleton.indices(BEAT_JOINTS), BEAT_JOINTS, strict=True))
    return {name: place.get(skeleton.parents[joint]) for joint, name in place.items()}


def _ancestors(name: str, above: dict[str, str | None]) -> list[str]:
    found: list[str] = []
    while (name := above[name]) is not None:
        found.append(name)
    return found
