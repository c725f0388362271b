"""The defaults of every model and of its losses' weights; `emage.config` has the rest and reads the files."""

from dataclasses import dataclass, field
from typing import Any

from emage.config_checks import at_least, choice, share
from emage.errors import InputError
from emage.face_config import FaceConfig, FaceLossConfig


def _check_sizes(model: Any, *names: str) -> None:
    for name in names:
        at_least(f"model.{name}", getattr(model, name), 1)


@dataclass
class MotionAutoencoderConfig:
    """The FGD network (BEAT 2022, motion_autoencoder.py); the defaults are the published size, 10,095,499 parameters."""

    name: str = "motion_autoencoder"
    layout: str = "beat_141"
    window_frames: int = 34
    features: int = 300
    channels: int = 300  # of the first and last encoder convolution; the two between have twice as many
    hidden: list[int] = field(default_factory=lambda: [1200, 600])
    dense_slope: float = (
        0.2  # LeakyReLU slope of the dense part; the published code has 1.0 by accident (`LeakyReLU(True)`)
    )

    def __post_init__(self) -> None:
        _check_sizes(self, "features", "channels")


@dataclass
class MotionAutoencoderLossConfig:
    """L1 on the z-scored motion and on its steps."""

    reconstruction: float = 1.0
    velocity: float = 0.1


@dataclass
class MotionVQVAEConfig:
    """A VQ-VAE over one part of the body or the face; by default EMAGE's size, one code a frame."""

    name: str = "vqvae"
    layout: str = "beat_full_rot6d"
    part: str = "upper"  # upper | hands | lower | all: the joints of the layout that belong to it; or face
    channels: int = 256
    num_layers: int = 2
    codebook_size: int = 256
    code_dim: int = 256
    num_quantizers: int = 1  # levels of residual quantisation, each with a codebook of its own
    downsample: int = 1  # frames a code step: 1, 2 or 4
    codebook: str = "ema"  # ema | straight_through
    codebook_decay: float = 0.99
    mirror_share: float = 0.0  # of training windows that are seen in a mirror, left and right exchanged
    # Of training windows that are decoded from latents without codes: a rare pose that has no code yet still teaches the networks
    # to tell it from others, and then gets one.
    unquantized_share: float = 0.0
    dead_code_threshold: float = 1.0  # ema: a code with a moving count below it is put on a random latent; 0 never

    def __post_init__(self) -> None:
        _check_sizes(self, "channels", "num_layers", "codebook_size", "code_dim", "num_quantizers")
        choice("model.downsample", str(self.downsample), ("1", "2", "4"))
        share("model.codebook_decay", self.codebook_decay)
        share("model.mirror_share", self.mirror_share)
        share("model.unquantized_share", self.unquantized_share)
        at_least("model.dead_code_threshold", self.dead_code_threshold, 0)
        choice("model.codebook", self.codebook, ("ema", "straight_through"))
        choice("model.part", self.part, ("upper", "hands", "lower", "all", "face"))


@dataclass
class MotionVQVAELossConfig:
    """What a reconstruction is judged by, as far as the part holds it (a face has no rotations)."""

    geodesic: float = 1.0  # radians
    position: float = 1.0  # joints through forward kinematics, metres
    velocity: float = 1.0  # of rotation matrices or facial weights, per frame
    acceleration: float = 1.0
    translation: float = 1.0  # of the root, metres
    contact: float = 0.1  # mean square error of the labels
    foot_velocity: float = 1.0  # metres per frame of feet that should rest
    face: float = 1.0  # facial weights
    commitment: float = 1.0


@dataclass
class CaMNConfig:
    """Cascaded motion network (BEAT 2022); the defaults are the published size, 16,365,225 parameters."""

    name: str = "camn"
    layout: str = "beat_141"
    num_speakers: int = 30
    num_emotions: int = 8
    num_words: int = 5793  # capacity of the vocabulary, with its four special entries
    speaker_dim: int = 8
    emotion_dim: int = 8
    word_dim: int = 300
    text_dim: int = 128
    text_hidden: int = 256
    text_levels: int = 4
    audio_encoder: str = (
        "waveform"  # waveform: the published convolutions; log_mel: the same convolutions on 64 mel bands, ~30x cheaper
    )
    audio_channels: list[int] = field(default_factory=lambda: [32, 32, 32, 64, 64, 128])
    audio_dim: int = 128
    face_dim: int = 32
    hidden: int = 256
    num_layers: int = 4
    dropout: float = 0.3
    word_dropout: float = 0.1
    seed_frames: int = 4  # given frames at the start; 0: none
    seed_dropout: float = (
        0.0  # share of training windows whose seed frames are hidden; above 0, it can begin without any
    )
    face_input: bool = True  # the captured face is an input
    predict_face: bool = False  # the face is an output instead
    face_trunk: str = ""  # a checkpoint of a face trunk that then makes the predicted face, and is trained further
    face_trunk_config: FaceConfig | None = None  # filled in from it
    face_trunk_hash: str = ""  # SHA-256 of its weights, filled in too

    def __post_init__(self) -> None:
        _check_sizes(
            self,
            *("num_speakers", "num_emotions", "num_words", "speaker_dim", "emotion_dim", "word_dim", "text_dim"),
            *("text_hidden", "text_levels", "audio_dim", "face_dim", "num_layers"),
        )
        at_least("model.hidden", self.hidden, 2)
        at_least("model.seed_frames", self.seed_frames, 0)
        for key in ("dropout", "word_dropout", "seed_dropout"):
            share(f"model.{key}", getattr(self, key))
        choice("model.audio_encoder", self.audio_encoder, ("waveform", "log_mel"))
        if self.face_input and self.predict_face:
            raise InputError(
                "model.predict_face: a face that is given cannot be predicted too; set model.face_input=false"
            )
        if self.face_trunk and not self.predict_face:
            raise InputError(
                "model.face_trunk: the face is not predicted; set model.predict_face=true and model.face_input=false"
            )


@dataclass
class CaMNLossConfig:
    """Huber loss of the reference on the z-scored motion, weighted by 1 + semantic score; the same on the face."""

    huber: float = 500.0
    huber_beta: float = 0.1
    semantic: float = 1.0  # 0: every frame weighs the same
    velocity: float = 0.0
    face: float = 500.0


@dataclass
class MaskedTransformerConfig:
    """Masked audio-gesture transformer; the defaults are the full size, 104 M parameters without its tokenizers."""

    name: str = "masked_transformer"
    layout: str = "beat_full_rot6d"
    # One folder of a trained vqvae for each part that is generated. A checkpoint holds the tokenizers themselves.
    tokenizers: dict[str, str] = field(default_factory=dict)
    tokenizer_configs: dict[str, MotionVQVAEConfig] = field(default_factory=dict)  # filled in from those folders
    tokenizer_hashes: dict[str, str] = field(default_factory=dict)  # SHA-256 of their weights, filled in too
    face_trunk: str = ""  # a checkpoint of a face trunk that makes the face in place of the tokenizer of the face
    face_trunk_config: FaceConfig | None = None  # filled in from it
    face_trunk_hash: str = ""  # SHA-256 of its weights, filled in too
    num_speakers: int = 30
    num_emotions: int = 8
    num_words: int = 5793  # capacity of the vocabulary, with its four special entries
    word_buckets: int = 256  # words outside the vocabulary share this many vectors, chosen by their spelling
    word_dim: int = 300
    word_vectors: str = ""  # a fastText .vec file that known words start from
    audio_encoder: str = "mel_onset"  # mel_onset | log_mel | waveform | pretrained
    audio_model: str = ""  # pretrained: folder of a wav2vec2 or HuBERT model (needs the package transformers)
    audio_channels: list[int] = field(default_factory=lambda: [32, 32, 32, 64, 64, 128])  # log_mel and waveform
    audio_dim: int = 256
    audio_layers: int = 3
    text_layers: int = 2
    hint_dim: int = 256
    dim: int = 768
    num_heads: int = 12
    speech_layers: int = 4  # run once: what is known of the speech and of the motion
    motion_layers: int = 8  # run at every decoding step: the codes
    part_dim: int = 256
    part_layers: int = 2  # parts of the body look at each other
    dropout: float = 0.1
    # Shares of training windows without an input: any subset of the inputs then works, and guidance is possible.
    audio_dropout: float = 0.1
    words_dropout: float = 0.1
    speaker_dropout: float = 0.1
    emotion_dropout: float = 0.1
    everything_dropout: float = 0.05
    hint_share: float = 0.3  # of training windows in which motion or face is partly given
    mirror_share: float = 0.0  # of training windows seen in a mirror, each person as a twin of the other hand
    code_noise: float = 0.1  # of the codes that a training window shows are those of another step
    audio_augmentation: float = 0.0  # share of training windows heard through another room, microphone and level

    def __post_init__(self) -> None:
        _check_sizes(
            self,
            *("num_speakers", "num_emotions", "num_words", "word_buckets", "word_dim", "audio_dim", "audio_layers"),
            *("text_layers", "hint_dim", "dim", "num_heads", "speech_layers", "motion_layers", "part_dim"),
            "part_layers",
        )
        for key in ("dropout", "audio_dropout", "words_dropout", "speaker_dropout", "emotion_dropout"):
            share(f"model.{key}", getattr(self, key))
        share("model.everything_dropout", self.everything_dropout)
        share("model.hint_share", self.hint_share)
        share("model.code_noise", self.code_noise)
        share("model.mirror_share", self.mirror_share)
        share("model.audio_augmentation", self.audio_augmentation)
        choice("model.audio_encoder", self.audio_encoder, ("mel_onset", "log_mel", "waveform", "pretrained"))
        if self.audio_encoder == "pretrained" and not self.audio_model:
            raise InputError("model.audio_model: not set; audio_encoder=pretrained needs the folder of a speech model")
        if self.dim % (2 * self.num_heads):
            raise InputError(
                f"model.dim: got {self.dim}; it must be a multiple of twice model.num_heads={self.num_heads}"
            )
        if self.part_dim % 32:
            raise InputError(f"model.part_dim: got {self.part_dim}; it must be a multiple of 32, the width of a head")


@dataclass
class MaskedTransformerLossConfig:
    """Cross-entropy of the hidden codes, by part of the body; `latent` weighs how far off their expectation is."""

    upper: float = 1.0
    hands: float = 1.0
    lower: float = 1.0
    face: float = 1.0
    residual: float = 0.25  # of each level behind the first, against the first: they are mostly noise
    label_smoothing: float = 0.0
    latent: float = 0.0

    def __post_init__(self) -> None:
        share("loss.label_smoothing", self.label_smoothing)


MODEL_CONFIGS: dict[str, tuple[type, type]] = {
    "motion_autoencoder": (MotionAutoencoderConfig, MotionAutoencoderLossConfig),
    "vqvae": (MotionVQVAEConfig, MotionVQVAELossConfig),
    "camn": (CaMNConfig, CaMNLossConfig),
    "masked_transformer": (MaskedTransformerConfig, MaskedTransformerLossConfig),
    "face": (FaceConfig, FaceLossConfig),
}
