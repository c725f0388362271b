"""Trains the FGD network: reconstruct z-scored motion windows (BEAT 2022, ae_trainer.py).

Shapes: B batch, T frames, D columns.
"""

from torch import Tensor, nn

from emage import losses
from emage.config import Config
from emage.errors import InputError
from emage.models.motion_autoencoder import MotionAutoencoder
from emage.training.protocols import TrainingCorpus
from emage.training.tasks.normalised import normalised


class MotionAutoencoderTask:
    """Reconstruction and its steps over time, both L1."""

    def __init__(self, config: Config, corpus: TrainingCorpus):
        if config.data.window_frames != config.model.window_frames:
            raise InputError(
                f"data.window_frames: got {config.data.window_frames}, but the network takes windows of "
                f"model.window_frames={config.model.window_frames}; make them equal"
            )
        self.config = config
        self.statistics = corpus.statistics

    def build_model(self) -> nn.Module:
        """A fresh network."""
        return MotionAutoencoder(self.config.model)

    def train_step(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its parts."""
        motion = normalised(self.statistics, batch, "motion", layout=self.config.model.layout)  # (B, T, D)
        valid = batch["motion_valid"]
        reconstruction = model(motion).reconstruction.float()  # (B, T, D); float: bf16 differences over time are noise
        parts = {
            "reconstruction": losses.l1(reconstruction, motion, mask=valid),
            "velocity": losses.velocity(reconstruction, motion, mask=valid),
        }
        weights = self.config.loss
        return weights.reconstruction * parts["reconstruction"] + weights.velocity * parts["velocity"], parts

    def eval_step(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same on a validation batch."""
        loss, parts = self.train_step(model, batch)
        return {"loss": loss, **parts}
