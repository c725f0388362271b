"""Trains the VQ-VAE of one part of the body, or of the face.

A body is judged by angles, by the places its joints come to, and by how both change over TIME (the released EMAGE code
takes some of its differences along the vertex axis); the lower body by where it stands too.

Shapes: B batch, T frames, J joints of the part, P values of the part.
"""

import torch
from torch import Tensor, nn

from emage import losses
from emage.config import Config
from emage.models.vqvae import MotionVQVAE, MotionVQVAEOutput
from emage.motion.contact import foot_positions
from emage.motion.part_kinematics import PartKinematics, bone_table
from emage.motion.parts import PartValues
from emage.motion.skeleton import BEAT_JOINTS
from emage.training.batches import UNQUANTIZED, draw_windows
from emage.training.mirroring import mirror_people, mirror_some
from emage.training.protocols import TrainingCorpus

CM_PER_M = 100.0
# L1 with a rounded foot. The gradient of bare L1 jumps where a joint rests: rounding alone made runs on one and on two
# processes drift apart (1e-3 in 20 steps, 1e-6 with the foot).
FOOT = 1e-3


class MotionVQVAETask:
    """Reconstruction of one part, and the commitment of its latents to the codes."""

    def __init__(self, config: Config, corpus: TrainingCorpus):
        self.config = config
        self.values = PartValues.of(config.model.part, config.model.layout)
        self.mean, self.scale = self.values.mean_and_scale(corpus.statistics.means, corpus.statistics.stds)  # (P,) each
        if not self.values.is_face:
            self.kinematics = PartKinematics(self.values, corpus.skeletons)
            self.bones_cm = bone_table(corpus.skeletons, corpus.speakers)

    def build_model(self) -> nn.Module:
        """A fresh network with the normalisation of the train split."""
        model = MotionVQVAE(self.config.model)
        model.set_features(self.mean, self.scale, self.config.data.fps)
        return model

    def before_first_step(self, model: MotionVQVAE, micro_batches: list[dict[str, Tensor]]) -> None:
        """Puts EMA codebooks on latents of the whole first step, which gradient accumulation splits."""
        options = self.config.model
        batches = [mirror_some(batch, self.values.layout, options.mirror_share) for batch in micro_batches]
        model.initialise_codebooks([self._seen(batch) for batch in batches])

    def train_step(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its parts; `perplexity` is how many codes this micro-batch uses.

        What is logged is the mean over the micro-batches of all processes. It therefore depends on
        optim.accumulation_steps and on the number of processes: small micro-batches use fewer codes than the whole batch.
        """
        options = self.config.model
        batch = mirror_some(batch, self.values.layout, options.mirror_share)
        return self._loss(model, batch | {"unquantized": self._unquantized(batch)})

    def _unquantized(self, batch: dict[str, Tensor]) -> Tensor | None:
        """Which windows are decoded without codes, (B,) bool, by their own seeds; None: none."""
        share = self.config.model.unquantized_share
        if not share:
            return None
        return draw_windows(batch["draw_seed"], share, UNQUANTIZED).to(batch["motion"].device)

    def _loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        parts = self._face_parts(model, batch) if self.values.is_face else self._body_parts(model, batch)
        perplexity = parts.pop("perplexity")
        loss = torch.stack([getattr(self.config.loss, name) * value for name, value in parts.items()]).sum()
        return loss, {**parts, "perplexity": perplexity}

    def eval_step(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same on a validation batch, as it was captured."""
        loss, parts = self._loss(model, mirror_some(batch, self.values.layout, 0.0))
        return {"loss": loss, **parts}

    def _seen(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """What the network sees of a batch: values (B, T, P) and the frames that were captured, (B, T)."""
        if self.values.is_face:
            valid = batch["face_valid"]
            return torch.where(valid[..., None], batch["face"], torch.zeros_like(batch["face"])), valid
        bones_cm = self._layout_bones(self._bones(batch))
        return self.values.of_motion(self._seen_motion(batch), bones_cm, self.config.data.fps), batch["motion_valid"]

    def _face_parts(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        face, valid = self._seen(batch)
        output: MotionVQVAEOutput = model(face, valid, batch.get("unquantized"))
        predicted = output.reconstruction.float()
        return {
            "face": losses.huber(predicted, face, beta=FOOT, mask=valid),
            "velocity": _change(predicted, face, valid, order=1),
            "acceleration": _change(predicted, face, valid, order=2),
            **_code_parts(output),
        }

    def _body_parts(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        values, motion, bones_cm = self.values, self._seen_motion(batch), self._bones(batch)
        wanted, valid = self._seen(batch)  # (B, T, P), (B, T)
        output: MotionVQVAEOutput = model(wanted, valid, batch.get("unquantized"))
        predicted = output.reconstruction.float()
        matrix, target_matrix = values.matrices(predicted), values.matrices(wanted)  # (B, T, J, 3, 3)
        others = self.kinematics.other_matrices(motion)
        positions_m, target_m = (
            self.kinematics.positions(rotations, others, values.translation(x), bones_cm) / CM_PER_M
            for rotations, x in ((matrix, predicted), (target_matrix, wanted))
        )  # (B, T, M, 3)
        parts = {
            "geodesic": losses.geodesic(matrix, target_matrix, mask=valid),
            "position": losses.huber(positions_m, target_m, beta=FOOT, mask=valid),
            "velocity": _change(matrix, target_matrix, valid, order=1),
            "acceleration": _change(matrix, target_matrix, valid, order=2),
            **_code_parts(output),
        }
        if values.num_translation:
            predicted_m, wanted_m = (values.translation(x) / CM_PER_M for x in (predicted, wanted))
            parts["translation"] = losses.huber(predicted_m, wanted_m, beta=FOOT, mask=valid)
        if values.num_contact:
            parts |= self._foot_parts(predicted, wanted, motion, self._layout_bones(bones_cm), valid)
        return parts

    def _foot_parts(
        self, predicted: Tensor, wanted: Tensor, motion: Tensor, bones_cm: Tensor, valid: Tensor
    ) -> dict[str, Tensor]:
        """Contact labels, and the speed of the feet that stand."""
        values, contact = self.values, self.values.contact(wanted)
        # A label describes the step to the next frame: it counts if both were captured.
        both = torch.cat([valid[:, :-1] & valid[:, 1:], torch.zeros_like(valid[:, :1])], dim=1)
        moved = motion.index_copy(-1, values.columns.to(motion.device), predicted[..., : len(values.columns)])
        step_m = foot_positions(moved, values.layout, bones_cm).diff(dim=1) / CM_PER_M  # (B, T - 1, 4, 3)
        sliding = step_m * contact[:, :-1, :, None]
        return {
            "contact": losses.masked_mean((values.contact(predicted) - contact).square(), both),
            "foot_velocity": losses.huber(sliding, torch.zeros_like(sliding), beta=FOOT, mask=both[:, :-1]),
        }

    def _seen_motion(self, batch: dict[str, Tensor]) -> Tensor:
        """The motion (B, T, D), at rest in frames that were not captured: 0 would be no rotation, NaN none at all."""
        motion, layout = batch["motion"], self.values.layout
        rest = PartValues("all", layout).rest().to(motion)
        return torch.where(batch["motion_valid"][..., None], motion, rest)

    def _bones(self, batch: dict[str, Tensor]) -> Tensor:
        """Bones of each window's speaker, (B, 75, 3)."""
        self.bones_cm = self.bones_cm.to(batch["motion"].device)
        return mirror_people(self.bones_cm[batch["speaker"]], batch["mirrored"])

    def _layout_bones(self, bones_cm: Tensor) -> Tensor:
        return bones_cm[:, [BEAT_JOINTS.index(name) for name in self.values.layout.joints]]


def _code_parts(output: MotionVQVAEOutput) -> dict[str, Tensor]:
    return {"commitment": output.commitment_loss.float(), "perplexity": output.perplexity}


def _change(predicted: Tensor, wanted: Tensor, valid: Tensor, *, order: int) -> Tensor:
    """Distance of the differences over time of (B, T, ...); one counts if all its frames are valid, (B, T)."""
    num_differences = predicted.shape[1] - order
    kept = torch.stack([valid[:, k : k + num_differences] for k in range(order + 1)]).all(dim=0)
    predicted, wanted = (x.diff(n=order, dim=1).flatten(2) for x in (predicted, wanted))  # (B, T - order, ...)
    return losses.huber(predicted, wanted, beta=FOOT, mask=kept)
