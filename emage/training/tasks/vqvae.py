"""Trains the VQ-VAE of one part of the body (EMAGE 2024): rotations as rot6d, judged as rotation matrices.

The released code takes some of its differences along the vertex axis; here velocity and acceleration are over TIME.

Shapes: B batch, T frames, J joints of the part, P columns of the part.
"""

import torch
from torch import Tensor, nn

from emage import losses
from emage.config import Config
from emage.errors import InputError
from emage.models.vqvae import MotionVQVAE
from emage.motion import rotation
from emage.motion.layout import get_layout
from emage.motion.statistics import MotionStatistics
from emage.training.tasks.normalised import normalised

# L1 with a rounded foot, per entry of a rotation matrix and frame. The gradient of bare L1 jumps where a joint rests:
# rounding alone made runs on one and on two processes drift apart (1e-3 in 20 steps, 1e-6 with the foot).
FOOT = 1e-3


class MotionVQVAETask:
    """Angle, velocity and acceleration of the rotations, the root translation where the part holds it, commitment."""

    def __init__(self, config: Config, statistics: MotionStatistics):
        self.config = config
        self.statistics = statistics
        self.layout = get_layout(config.model.layout)
        if self.layout.kind != "rot6d":
            raise InputError(f"model.layout: got {self.layout.name}; a vqvae takes {self.layout.name}_rot6d")
        self.columns = self.layout.part_columns(config.model.part)  # (P,)
        self.num_joints = len(self.layout.held_joints(config.model.part))
        # The root translation comes first; parts without the root have none.
        self.num_translation = len(self.columns) - self.num_joints * self.layout.values_per_joint

    def build_model(self) -> nn.Module:
        """A fresh network."""
        return MotionVQVAE(self.config.model)

    def train_step(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its parts; `perplexity` is how many codes are in use."""
        motion, valid = self.part_motion(batch), batch["motion_valid"]
        output = model(motion)
        reconstruction = output.reconstruction.float()  # (B, T, P)
        translation, target_translation = (x[..., : self.num_translation] for x in (reconstruction, motion))
        matrix, target_matrix = self._matrices(reconstruction), self._matrices(motion)  # (B, T, J, 3, 3)
        parts = {
            "geodesic": losses.geodesic(matrix, target_matrix, mask=valid),
            "velocity": _change(matrix, target_matrix, valid, order=1),
            "acceleration": _change(matrix, target_matrix, valid, order=2),
            "commitment": output.commitment_loss.float(),
        }
        if self.num_translation:
            parts["translation"] = losses.l1(translation, target_translation, mask=valid)
        loss = torch.stack([getattr(self.config.loss, name) * value for name, value in parts.items()]).sum()
        return loss, {**parts, "perplexity": output.perplexity}

    def eval_step(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same on a validation batch."""
        loss, parts = self.train_step(model, batch)
        return {"loss": loss, **parts}

    def part_motion(self, batch: dict[str, Tensor]) -> Tensor:
        """What the network sees, (B, T, P): rot6d as it is, the translation z-scored (centimetres would drown it)."""
        columns = self.columns.to(batch["motion"].device)
        z_scored = normalised(self.statistics, batch, "motion", layout=self.layout.name)[..., columns]
        raw = batch["motion"][..., columns]
        rotations = torch.where(batch["motion_valid"][..., None], raw, self._rest(raw))
        return torch.cat([z_scored[..., : self.num_translation], rotations[..., self.num_translation :]], dim=-1)

    def _rest(self, like: Tensor) -> Tensor:
        """Columns of unturned joints, (P,), for frames that were not captured: 0 would be no rotation."""
        identity = rotation.matrix_to_rot6d(torch.eye(3, dtype=like.dtype, device=like.device))
        return torch.cat([like.new_zeros(self.num_translation), identity.repeat(self.num_joints)])

    def _matrices(self, columns: Tensor) -> Tensor:
        rot6d = columns[..., self.num_translation :].unflatten(-1, (self.num_joints, -1))
        return rotation.rot6d_to_matrix(rot6d)


def _change(matrix: Tensor, target: Tensor, valid: Tensor, *, order: int) -> Tensor:
    """Distance of the differences over time of (B, T, J, 3, 3); one counts if all its frames are valid, (B, T)."""
    num_differences = matrix.shape[1] - order
    kept = torch.stack([valid[:, k : k + num_differences] for k in range(order + 1)]).all(dim=0)
    predicted, wanted = (x.diff(n=order, dim=1).flatten(2) for x in (matrix, target))  # (B, T - order, 9 J)
    return losses.huber(predicted, wanted, beta=FOOT, mask=kept)
