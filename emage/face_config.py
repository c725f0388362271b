"""Options of the face trunk and of the mixture of corpora that it learns from; `emage.config` holds them."""

from dataclasses import dataclass, field

from emage.config_checks import MAX_FPS, above_zero, between
from emage.errors import InputError

FACE_HEADS = ("arkit", "flame50", "flame100", "head")  # one an annotation; emage.models.face says what each puts out


def _unit(key: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{key}: got {value}; it must be from 0 to 1")


@dataclass
class MixtureCorpusConfig:
    """One more corpus to train on, by the cache that tools/build_cache.py made of it."""

    format: str = "emoca"
    root: str = ""
    cache_dir: str = ""
    fps: float = 25.0  # of the cache; windows come at data.fps
    audio_track: str = "vocals"
    prefix: str = ""  # only recordings whose id begins so, e.g. V0- : a part with a weight and a cap of its own
    weight: float = 1.0  # times hours ** temperature
    cap: float = 1.0  # its share of the windows is never more

    def __post_init__(self) -> None:
        between("mixture.corpora.NAME.fps", self.fps, 1, MAX_FPS)
        above_zero("mixture.corpora.NAME.weight", self.weight)
        above_zero("mixture.corpora.NAME.cap", self.cap)


@dataclass
class MixtureConfig:
    """How windows are drawn from `data` (under the name `main`) and further corpora."""

    main: str = "main"
    corpora: dict[str, MixtureCorpusConfig] = field(default_factory=dict)
    temperature: float = 0.5  # share of a corpus ~ weight * hours ** temperature; 1 as large as they are, 0 all alike
    weight: float = 1.0  # of `main`
    cap: float = 1.0
    train_share: float = 1.0  # of the recordings of main's train split that are used, e.g. 0.1 of them

    def __post_init__(self) -> None:
        _unit("mixture.temperature", self.temperature)
        _unit("mixture.train_share", self.train_share)
        above_zero("mixture.weight, mixture.cap, mixture.train_share", self.weight, self.cap, self.train_share)
        if self.main in self.corpora:
            raise InputError(f"mixture.main: {self.main!r} is also the name of one of mixture.corpora; give another")


@dataclass
class FaceConfig:
    """The face trunk: audio -> features, one head an annotation (ARKit 51, FLAME 50 + jaw, FLAME 100 + jaw, head)."""

    name: str = "face"
    layout: str = "face_all"
    num_corpora: int = 8
    num_speakers: int = 1024
    corpus_dim: int = 8
    speaker_dim: int = 16
    neutral_share: float = 0.1  # of the training windows, in which the speaker is hidden: the neutral identity
    audio_channels: list[int] = field(default_factory=lambda: [32, 32, 32, 64, 64, 128])
    channels: int = 128
    num_layers: int = 6
    dropout: float = 0.1
    heads: list[str] = field(default_factory=lambda: ["arkit", "flame50", "flame100", "head"])
    init: str = ""  # a checkpoint of a face trunk that training begins from, whatever its corpora were

    def __post_init__(self) -> None:
        sizes = (self.num_corpora, self.num_speakers, self.corpus_dim, self.speaker_dim, self.channels, self.num_layers)
        above_zero("model.num_corpora, num_speakers, *_dim, channels, num_layers", *sizes)
        _unit("model.neutral_share", self.neutral_share)
        _unit("model.dropout", self.dropout)
        unknown = [name for name in self.heads if name not in FACE_HEADS]
        if unknown or not self.heads:
            raise InputError(f"model.heads: got {', '.join(unknown) or 'none'}; choose from {', '.join(FACE_HEADS)}")


@dataclass
class FaceLossConfig:
    """Huber loss on z-scores of what a corpus annotates, and L1 on its steps."""

    beta: float = 0.1
    value: float = 1.0
    velocity: float = 1.0
    jaw: float = 3.0  # factor of jawOpen and of the jaw: one or three columns among fifty that say the most
