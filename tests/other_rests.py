"""The same motion in a BVH of other axes, another rest pose or another tree: for tests of what reads such files."""

import json
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import torch
from torch import Tensor

import emage
from emage.motion import rotation
from emage.motion.bvh import BvhMotion, bvh_from_rotations
from emage.motion.skeleton import Skeleton

Z_UP = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=torch.float64)  # (x, y, z) -> (x, -z, y)
QUARTER_TURNS = [
    matrix
    for order in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
    if torch.linalg.det(matrix := torch.diag(torch.tensor(signs, dtype=torch.float64))[list(order)]) > 0
]


def person() -> Skeleton:
    """A skeleton of BEAT's joints with the proportions of a person, in a T-pose."""
    path = Path(emage.__file__).parent / "pretrained" / "synthetic" / "skeleton.json"
    return Skeleton.from_dict(next(iter(json.loads(path.read_text()).values())))


def about(axis: str, degrees: float) -> Tensor:
    return rotation.euler_to_matrix(torch.tensor([degrees, 0, 0], dtype=torch.float64), f"{axis}{_others(axis)}")


def _others(axis: str) -> str:
    return "".join(letter for letter in "XYZ" if letter != axis)


def everywhere(turn: Tensor, body: Skeleton) -> Tensor:
    return turn.expand(body.num_joints, 3, 3)


def from_joint(turns: dict[str, Tensor], body: Skeleton) -> Tensor:
    """(J, 3, 3): the turn of a joint and of all joints below it, identity elsewhere."""
    result = torch.eye(3, dtype=torch.float64).repeat(body.num_joints, 1, 1)
    for joint, parent in enumerate(body.parents):
        result[joint] = turns.get(body.names[joint], result[parent] if parent >= 0 else result[joint])
    return result


def resting_otherwise(motion: BvhMotion, rest: Tensor, world: Tensor) -> BvhMotion:
    """The same movement written relative to another rest pose, in another world.

    Args:
        motion: one root, with 6 channels.
        rest: (J, 3, 3), from the rest pose of each joint to the new one.
        world: (3, 3), from the old axes of the world to the new ones.
    """
    body = motion.skeleton
    above = torch.stack([rest[parent] if parent >= 0 else world for parent in body.parents])  # (J, 3, 3)
    rotations = above @ motion.rotations() @ rest.transpose(-1, -2)
    offsets = (above @ body.offsets_cm[..., None])[..., 0]
    root = motion.translations_cm()[:, body.parents.index(-1)] @ world.T
    sites = tuple((joint, rest[joint] @ offset) for joint, offset in motion.end_sites)
    changed = bvh_from_rotations(
        replace(body, offsets_cm=offsets), rotations, root_translation_cm=root, fps=motion.fps, end_sites=sites
    )
    places = motion.positions() @ world.T
    torch.testing.assert_close(changed.positions(), places, atol=1e-6, rtol=0)  # the picture is the same
    return changed


def renamed(motion: BvhMotion, names: dict[str, str]) -> BvhMotion:
    body = motion.skeleton
    return replace(motion, skeleton=replace(body, names=tuple(names.get(name, name) for name in body.names)))


def without_joint(motion: BvhMotion, joint: str) -> BvhMotion:
    """The joint is taken out; its children hang off its parent and its rotation is lost."""
    body = motion.skeleton
    gone = body.names.index(joint)
    kept = [place for place in range(body.num_joints) if place != gone]
    parents = [body.parents[gone] if body.parents[place] == gone else body.parents[place] for place in kept]
    offsets = body.offsets_cm.clone()
    for place in kept:
        if body.parents[place] == gone:
            offsets[place] += body.offsets_cm[gone]
    new = Skeleton(
        tuple(body.names[place] for place in kept),
        tuple(kept.index(p) if p >= 0 else -1 for p in parents),
        offsets[kept],
    )
    translation = motion.translations_cm()[:, body.parents.index(-1)]
    return bvh_from_rotations(new, motion.rotations()[:, kept], root_translation_cm=translation, fps=motion.fps)
