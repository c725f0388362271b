"""Trains the face trunk: sound, corpus and speaker -> the face, each head where a corpus annotates it.

A window counts for the heads of its corpus alone: what a corpus does not know is masked, never taken as zero. The
values are z-scores by corpus; the statistics become part of the weights.

Shapes: B batch, T frames, D columns of a head, G parts of face_all.
"""

import torch
from torch import Tensor, nn

from emage import losses
from emage.checkpoint import load_bundle
from emage.config import Config
from emage.errors import InputError
from emage.models.face import HEADS, NEUTRAL, FaceTrunk, head_columns
from emage.motion.convert_face import FACE_GROUPS, REST
from emage.motion.face_statistics import FaceStatistics
from emage.motion.layout import get_layout
from emage.training.batches import NEUTRAL_SPEAKER, draw_windows
from emage.training.protocols import TrainingCorpus

IMPORTANT = ("jawOpen", "jaw_x", "jaw_y", "jaw_z")  # columns that say the most about speech


class FaceTask:
    """Huber loss on the z-scores that are known, and L1 on their steps, by head."""

    def __init__(self, config: Config, corpus: TrainingCorpus):
        statistics = corpus.statistics
        if not isinstance(statistics, FaceStatistics):
            raise InputError("model.name=face is trained on windows of faces; see dataloaders.face_corpus")
        self.config = config
        self.statistics = statistics
        columns = get_layout(config.model.layout).columns
        important = torch.tensor([name in IMPORTANT for name in columns])
        self.scale = torch.where(important, config.loss.jaw, 1.0)  # (157,)

    def build_network(self) -> FaceTrunk:
        """A fresh network with the statistics of the corpora."""
        model = FaceTrunk(self.config.model)
        model.set_statistics(self.statistics.corpus_mean, self.statistics.corpus_std)
        return model

    def build_model(self) -> nn.Module:
        """A fresh network, or one whose trunk begins as another's (`model.init`)."""
        model = self.build_network()
        if self.config.model.init:
            begin_from(model, load_bundle(self.config.model.init, expected="face").model)
        return model

    def train_step(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its parts: the sum over heads of their errors, each averaged over the frames that it has.

        A share of the windows is shown with the neutral identity.
        """
        drawn = draw_windows(batch["draw_seed"], self.config.model.neutral_share, NEUTRAL_SPEAKER)
        return self._loss(model, batch, drawn.to(batch["speaker"].device))

    def _loss(
        self, model: nn.Module, batch: dict[str, Tensor], neutral: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        data, weights = self.config.data, self.config.loss
        network = getattr(model, "module", model)
        num_frames = batch["face_all"].shape[1]
        output = model(
            batch["waveform"],
            batch["corpus"],
            batch["speaker"],
            neutral,
            num_frames=num_frames,
            fps=data.fps,
            sample_rate=data.sample_rate,
        )
        target = network.normalise(batch["face_all"], batch["corpus"])  # (B, T, 157)
        parts: dict[str, Tensor] = {}
        loss = target.new_zeros(())
        for head, predicted in output.heads.items():
            columns = head_columns(head).to(target.device)
            valid = head_valid(batch["face_all_valid"], head)  # (B, T)
            scale = self.scale.to(target)[columns]
            wanted, predicted = target[..., columns] * scale, predicted * scale
            share = valid.float().mean()  # a head that few windows train must not weigh as much as one that all do
            value = losses.huber(predicted, wanted, beta=weights.beta, mask=valid) * share
            velocity = losses.velocity(predicted, wanted, mask=valid) * share
            loss = loss + weights.value * value + weights.velocity * velocity
            parts[head] = value
        return loss, parts

    def eval_step(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same on a validation batch."""
        loss, parts = self._loss(model, batch, None)
        return {"loss": loss, **parts}


def head_valid(valid: Tensor, head: str) -> Tensor:
    """Frames (B, T) that a head is trained on: all of its parts are known, and no richer head says the same."""
    known = {name: valid[..., place] for place, name in enumerate(FACE_GROUPS)}
    of_head = torch.stack([known[part] for part in HEADS[head]]).all(dim=0)
    return of_head & ~known[REST] if head == "flame50" else of_head


def begin_from(model: FaceTrunk, trained: FaceTrunk) -> None:
    """Takes over what does not belong to the corpora and speakers of another training.

    Raises:
        InputError: a trunk of another size.
    """
    own = model.state_dict()
    bound = ("corpus_", "speaker_embedding.")
    shared = {name: values for name, values in trained.state_dict().items() if not name.startswith(bound)}
    other = [name for name, values in shared.items() if name not in own or own[name].shape != values.shape]
    if other:
        raise InputError(f"model.init: a face trunk of another size: {other[0]} differs; use the sizes of its config")
    model.load_state_dict(own | shared)
    with torch.no_grad():  # the neutral identity is nobody's
        model.speaker_embedding.weight[NEUTRAL] = trained.speaker_embedding.weight[NEUTRAL]
