"""Trains CaMN: audio, words, speaker, emotion, perhaps face and seed frames -> motion, perhaps face.

Source: camn_trainer.py of BEAT 2022, without its adversarial part: the epoch switch never let it run, and its author
found the results better without.

Shapes: B batch, T frames, D columns.
"""

from torch import Tensor, nn

from emage import losses
from emage.config import Config
from emage.errors import InputError
from emage.face_trunk import start_face_path
from emage.models.camn import CaMN
from emage.training.batches import NEUTRAL_SPEAKER, SEED_FRAMES, draw_windows
from emage.training.protocols import TrainingCorpus
from emage.training.tasks.normalised import normalised


class CaMNTask:
    """Huber loss on the z-scored motion, frames with meaning weighing more; the same on a predicted face."""

    def __init__(self, config: Config, corpus: TrainingCorpus):
        if config.model.seed_frames >= config.data.window_frames:
            raise InputError(
                f"model.seed_frames: got {config.model.seed_frames}; it must be below data.window_frames="
                f"{config.data.window_frames}, or nothing is left to generate"
            )
        self.config = config
        self.statistics = corpus.statistics
        self.speakers = corpus.speakers

    def build_network(self) -> CaMN:
        """A fresh network; its face path too has random weights."""
        return CaMN(self.config.model)

    def build_model(self) -> nn.Module:
        """A fresh network, whose face path begins as a trained face trunk if the config names one."""
        options, model = self.config.model, self.build_network()
        if options.face_trunk:
            start_face_path(model.face_path, options.face_trunk, self.speakers, self.statistics)
        return model

    def train_step(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its parts; a share of the windows has no seed frames, and a share a neutral face."""
        options, device = self.config.model, batch["motion"].device
        hidden: dict[str, Tensor] = {}
        if options.seed_frames:
            hidden["seed_hidden"] = draw_windows(batch["draw_seed"], options.seed_dropout, SEED_FRAMES).to(device)
        if options.face_trunk_config is not None:
            share = options.face_trunk_config.neutral_share
            hidden["neutral"] = draw_windows(batch["draw_seed"], share, NEUTRAL_SPEAKER).to(device)
        return self._loss(model, batch, hidden)

    def _loss(
        self, model: nn.Module, batch: dict[str, Tensor], hidden: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        options, weights, data = self.config.model, self.config.loss, self.config.data
        motion = normalised(self.statistics, batch, "motion", layout=options.layout)  # (B, T, D)
        face = normalised(self.statistics, batch, "face", layout="arkit_51")  # (B, T, 51)
        output = model(
            batch["waveform"],
            batch["words"],
            batch["speaker"],
            batch["emotion"],
            face=face if options.face_input else None,
            seed_motion=motion[:, : options.seed_frames] if options.seed_frames else None,
            **hidden,
            fps=data.fps,
            sample_rate=data.sample_rate,
        )
        valid, scale = batch["motion_valid"], 1 + weights.semantic * batch["semantic"]  # (B, T)
        predicted = output.motion.float()
        parts = {"huber": losses.huber(predicted, motion, beta=weights.huber_beta, frame_scale=scale, mask=valid)}
        loss = weights.huber * parts["huber"]
        if weights.velocity:
            parts["velocity"] = losses.velocity(predicted, motion, mask=valid)
            loss = loss + weights.velocity * parts["velocity"]
        if options.predict_face:
            parts["face"] = losses.huber(output.face.float(), face, beta=weights.huber_beta, mask=batch["face_valid"])
            loss = loss + weights.face * parts["face"]
        return loss, parts

    def eval_step(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same on a validation batch, whose seed frames and speakers are all there."""
        loss, parts = self._loss(model, batch, {})
        return {"loss": loss, **parts}
