"""Trains the masked audio-gesture transformer: hidden codes from the speech, the codes and the values that are shown.

The codes come from frozen tokenizers, window by window. What a window shows is drawn from its own seed (masking.py).

Shapes: B batch, T frames, N steps, P values of a part, Q levels, K codebook entries.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emage import losses
from emage.config import Config
from emage.face_trunk import start_face_path
from emage.models.masked_transformer import MaskedGestureTransformer
from emage.models.tokenizer import MotionTokenizer
from emage.motion.part_kinematics import bone_table
from emage.motion.parts import PartValues
from emage.tokenizers import load_tokenizer
from emage.training.augmentation import SoundAugmentation
from emage.training.batches import NEUTRAL_SPEAKER, draw_windows
from emage.training.masking import Shown, WindowMasks
from emage.training.mirroring import mirror_people, mirror_some
from emage.training.protocols import TrainingCorpus
from emage.training.tasks.normalised import normalised
from emage.word_vectors import start_words

FACE_HUBER_BETA = 0.1


class MaskedTransformerTask:
    """Cross-entropy of the codes that are hidden; a face that a trunk makes is compared with the real one."""

    def __init__(self, config: Config, corpus: TrainingCorpus):
        self.config = config
        self.statistics, self.speakers = corpus.statistics, corpus.speakers
        self.bones_cm = bone_table(corpus.skeletons, corpus.speakers)
        self.vocabulary = vocabulary = corpus.vocabulary
        self.word_buckets = torch.arange(config.model.num_words + config.model.word_buckets)
        self.word_buckets[: len(vocabulary)] = torch.tensor(vocabulary.buckets())
        self.augmentation = SoundAugmentation(config.model.audio_augmentation, config.data.sample_rate)
        self.tokenizer: MotionTokenizer
        self.masks: WindowMasks

    def build_network(self) -> MaskedGestureTransformer:
        """A fresh network; its tokenizers too have random weights.

        Raises:
            InputError: a pretrained audio encoder that cannot be used, or one of another sample rate than the data.
        """
        model = MaskedGestureTransformer(self.config.model)
        model.speech.check_sample_rate(self.config.data.sample_rate)
        self.adopt(model)
        return model

    def build_model(self) -> nn.Module:
        """A fresh network around the trained tokenizers.

        Raises:
            InputError: a tokenizer that is missing, untrained, or does not fit the others.
        """
        options = self.config.model
        model = self.build_network()
        model.tokenizer.load_state_dict(load_tokenizer(options.tokenizers).tokenizer.state_dict())
        if options.face_trunk:
            start_face_path(model.face_path, options.face_trunk, self.speakers, self.statistics)
        if options.word_vectors:
            start_words(model.speech.words.embedding, self.vocabulary, options.word_vectors)
        return model

    def adopt(self, model: MaskedGestureTransformer) -> None:
        """Takes the tokenizers of a network, whose codes it is to be trained on."""
        self.tokenizer = model.tokenizer
        self.masks = WindowMasks(self.config.model, model.tokenizer)

    def train_step(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its parts: by part of the body the cross-entropy of a hidden code (nats), and how many are right."""
        batch = batch | {"waveform": self.augmentation(batch["waveform"], batch["draw_seed"].tolist())}
        trunk = self.config.model.face_trunk_config
        if trunk is not None:
            drawn = draw_windows(batch["draw_seed"], trunk.neutral_share, NEUTRAL_SPEAKER)
            batch["neutral"] = drawn.to(batch["speaker"].device)
        return self._loss(model, mirror_some(batch, self.config.model.layout, self.config.model.mirror_share))

    def _loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        config, device = self.config, batch["motion"].device
        values, valid = self.part_values(batch)  # (B, T, P), (B, N) by part
        with torch.no_grad():
            codes = self.tokenizer.encode(values)  # (B, N, Q) by part
        shown = self.masks.draw(batch["draw_seed"].tolist(), batch["motion"].shape[1], float(batch["progress"])).to(
            device
        )
        names = ("waveform", "words", "speaker", "emotion", "mirrored", "neutral")
        speech = {name: batch[name] for name in names if name in batch}
        spelled = self.word_buckets.to(device)[batch["words"]]
        speech["words"] = torch.where(shown.spelled[:, None], spelled, batch["words"])
        output = model(
            speech,
            shown.given,
            values,
            shown.hint_given,
            codes,
            self.with_noise(codes, shown),
            shown.known,
            fps=config.data.fps,
            sample_rate=config.data.sample_rate,
        )
        parts, total = {}, torch.zeros((), device=device)
        for part, logits in output.logits.items():
            hidden = (~shown.known[part] & valid[part]).float()  # (B, N)
            entropy = F.cross_entropy(
                logits.permute(0, 3, 1, 2), codes[part], reduction="none", label_smoothing=config.loss.label_smoothing
            )  # (B, N, Q)
            weights = torch.full(entropy.shape[-1:], config.loss.residual, device=device).index_fill_(
                0, torch.zeros(1, dtype=torch.long, device=device), 1.0
            )
            # Summed over hidden steps and divided by ALL steps: a mean over windows, however they are spread over processes.
            loss = ((entropy * weights).sum(dim=-1) / weights.sum() * hidden).mean()
            if config.loss.latent:
                far = (self.latent_error(part, logits[:, :, 0], codes[part]) * hidden).mean()
                parts[f"{part}_latent"] = far / hidden.mean().clamp(min=1e-6)
                loss = loss + config.loss.latent * far
            total = total + getattr(config.loss, part) * loss
            share = hidden.mean().clamp(min=1e-6)
            right = (logits.detach()[:, :, 0].argmax(dim=-1) == codes[part][..., 0]) * hidden
            parts |= {part: loss / share, f"{part}_right": right.mean() / share}
        if output.face is not None:
            parts["face"] = self.face_loss(output.face, batch)
            total = total + config.loss.face * parts["face"]
        return total, parts

    def latent_error(self, part: str, logits: Tensor, codes: Tensor) -> Tensor:
        """How far the expectation of the first level is from the latents of all levels, (B, N); 1 is the codebook's variance.

        Cross-entropy holds all wrong codes for equally wrong. Many codes are one hand shape with another tremble; this term
        tells them from another shape.

        Args:
            part: of the body.
            logits: (B, N, K) of its first level.
            codes: (B, N, Q) the true ones.
        """
        vqvae = self.tokenizer.vqvaes[part]
        entries = vqvae.level_embeddings(0)  # (K, C)
        expected = logits.softmax(dim=-1) @ entries
        return (expected - vqvae.lookup(codes)).square().sum(dim=-1) / entries.var(dim=0).sum()

    def face_loss(self, face: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Of the face that a trunk made, (B, T, 51) z-scores: Huber loss, and L1 on its steps."""
        target = normalised(self.statistics, batch, "face", layout="arkit_51")
        valid = batch["face_valid"]
        return losses.huber(face, target, beta=FACE_HUBER_BETA, mask=valid) + losses.velocity(face, target, mask=valid)

    @staticmethod
    def with_noise(codes: dict[str, Tensor], shown: Shown) -> dict[str, Tensor]:
        """The codes that the network sees, (B, N, Q) by part: some of those that are shown are of another step."""
        return {part: value.gather(1, shown.shift[..., None].expand_as(value)) for part, value in codes.items()}

    def eval_step(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same on a validation batch, as it was recorded."""
        loss, parts = self._loss(model, mirror_some(batch, self.config.model.layout, 0.0))
        return {"loss": loss, **parts}

    def part_values(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Raw values of the parts, (B, T, P), and which code steps lie in valid frames alone, (B, N)."""
        tokenizer, motion = self.tokenizer, batch["motion"]
        bones_cm = mirror_people(self.bones_cm.to(motion.device)[batch["speaker"]], batch["mirrored"])
        # A fixed pose where nothing was captured: whatever stands there would reach the feet of the frame before.
        rest = PartValues("all", tokenizer.layout).rest()[: tokenizer.layout.dim].to(motion)
        motion = torch.where(batch["motion_valid"][..., None], motion, rest)
        values = tokenizer.part_values(motion, batch["face"], bones_cm)
        frames = {part: batch["face_valid" if part == "face" else "motion_valid"] for part in tokenizer.parts}
        filled = {
            part: torch.where(frames[part][..., None], value, tokenizer.vqvaes[part].feature_mean)
            for part, value in values.items()
        }
        return filled, {part: whole_steps(mask, tokenizer.downsample) for part, mask in frames.items()}


def whole_steps(valid: Tensor, downsample: int) -> Tensor:
    """(B, T) frames -> (B, N) steps all of whose frames are valid."""
    padded = F.pad(valid, (0, -valid.shape[1] % downsample), value=True)
    return padded.unflatten(1, (-1, downsample)).all(dim=-1)
