"""What the P values of one part of a person mean: the body's parts as rotations, the face as ARKit weights.

A part of the body has the columns of its joints in a rot6d layout, the root translation (cm) before them where the part
holds the root; `lower` has four foot contact labels (0 or 1, in the order of contact.CONTACT_JOINTS) behind them. The
face has the 51 weights.

Shapes: ... any leading dimensions, T frames, D columns of the layout, J joints of the part, P values of the part.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.contact import CONTACT_JOINTS, contact_of_motion
from emage.motion.layout import ARKIT_51, Layout, get_layout

FACE = "face"
TOKEN_PARTS = ("upper", "hands", "lower", FACE)  # what makes a whole person, in the order of every list of parts
# Smallest scales of normalised values: noise of what does not move must not be blown up.
MIN_ROT6D_SCALE, MIN_TRANSLATION_SCALE_CM, MIN_WEIGHT_SCALE = 0.02, 0.1, 0.01


@dataclass(frozen=True)
class PartValues:
    """The values of one part.

    Attributes:
        part: upper, hands, lower, all or face.
        layout: of the whole body's motion; must be rot6d.

    Raises:
        InputError: if the layout is not rot6d or holds no joint of the part.
    """

    part: str
    layout: Layout

    def __post_init__(self) -> None:
        if self.layout.kind != "rot6d":
            raise InputError(f"model.layout: got {self.layout.name}; a vqvae takes beat_full_rot6d or beat_141_rot6d")
        if not self.is_face:
            self.layout.part_columns(self.part)

    @classmethod
    def of(cls, part: str, layout: str) -> "PartValues":
        """The same by the layout's name."""
        return cls(part, get_layout(layout))

    @property
    def is_face(self) -> bool:
        return self.part == FACE

    @cached_property
    def columns(self) -> Tensor:
        """Columns of the layout that the values begin with, int64; none for the face."""
        return torch.zeros(0, dtype=torch.int64) if self.is_face else self.layout.part_columns(self.part)

    @cached_property
    def joints(self) -> tuple[str, ...]:
        """Joints in the order of the values, J."""
        return () if self.is_face else self.layout.held_joints(self.part)

    @property
    def num_translation(self) -> int:
        return len(self.columns) - len(self.joints) * self.layout.values_per_joint

    @property
    def num_contact(self) -> int:
        """Foot contact labels: of the part that is the lower body of a moving person."""
        return len(CONTACT_JOINTS) if self.part == "lower" and self.num_translation else 0

    @property
    def num_values(self) -> int:
        """P."""
        return len(ARKIT_51) if self.is_face else len(self.columns) + self.num_contact

    def translation(self, values: Tensor) -> Tensor:
        """Root translation of (..., P) in cm, (..., 3), or no columns."""
        return values[..., : self.num_translation]

    def matrices(self, values: Tensor) -> Tensor:
        """Rotations of (..., P): (..., J, 3, 3)."""
        rot6d = values[..., self.num_translation : len(self.columns)]
        return rotation.rot6d_to_matrix(rot6d.unflatten(-1, (len(self.joints), -1)))

    def contact(self, values: Tensor) -> Tensor:
        """Foot contact of (..., P): (..., 4), or no columns."""
        return values[..., len(self.columns) : len(self.columns) + self.num_contact]

    def of_motion(self, motion: Tensor, offsets_cm: Tensor | None, fps: float) -> Tensor:
        """The values of a part of the body.

        Args:
            motion: (..., T, D) in the layout.
            offsets_cm: (..., N, 3) bones of the layout's joints, for the foot contact; None: the feet are taken to rest.
            fps: frames per second.

        Returns:
            (..., T, P).
        """
        values = motion[..., self.columns.to(motion.device)]
        if not self.num_contact:
            return values
        if offsets_cm is None:
            contact = values.new_ones(*values.shape[:-1], self.num_contact)
        else:
            contact = contact_of_motion(motion, self.layout, offsets_cm, fps)
        return torch.cat([values, contact], dim=-1)

    def mean_and_scale(self, means: dict[str, Tensor], stds: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """What brings values to the size of 1, from the statistics of whole layouts by name: (P,) and (P,).

        Rotations of one joint share a scale (its six numbers are one rotation): the geometric mean of the spread of the
        joint and that of the whole part. With the first alone a degree of the neck would weigh as much as ten of the
        forearm, with the second alone the neck would be lost. No scale is below a smallest one.
        """
        if self.is_face:
            return means["arkit_51"], stds["arkit_51"].clamp(min=MIN_WEIGHT_SCALE)
        mean, std = means[self.layout.name][self.columns], stds[self.layout.name][self.columns]
        joints = std[self.num_translation :].unflatten(0, (len(self.joints), -1))  # (J, 6)
        own = joints.square().mean(dim=1, keepdim=True).sqrt()  # (J, 1)
        shared = (own * own.square().mean().sqrt()).sqrt().clamp(min=MIN_ROT6D_SCALE).expand_as(joints)
        middle = mean.new_full((self.num_contact,), 0.5)  # contact 0 and 1 become -1 and 1
        translation = self.translation(std).clamp(min=MIN_TRANSLATION_SCALE_CM)
        return torch.cat([mean, middle]), torch.cat([translation, shared.flatten(), middle])

    def rest(self) -> Tensor:
        """Values of a part at rest, (P,): unturned joints at the origin, feet in contact; a neutral face."""
        if self.is_face:
            return torch.zeros(self.num_values)
        unturned = rotation.matrix_to_rot6d(torch.eye(3)).repeat(len(self.joints))
        return torch.cat([torch.zeros(self.num_translation), unturned, torch.ones(self.num_contact)])
