"""Every default of the project, in dataclasses, and the road from a YAML file to them.

YAML -> its `bases:` -> `key=value` overrides from the command line -> the schema of the model that `model.name` chooses ->
plain dataclasses. An unknown key, a wrong type or an option of another model is an error that names the key and the choices.
"""

import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from emage.config_checks import (
    MAX_FPS,
    MAX_GUIDANCE,
    MAX_STEPS,
    MAX_TEMPERATURE,
    MAX_WINDOW_FRAMES,
    at_least,
    between,
    check_seed,
    choice,
    is_finite,
    share,
    whole,
)
from emage.config_models import (
    MODEL_CONFIGS,
    CaMNConfig,
    CaMNLossConfig,
    MaskedTransformerConfig,
    MaskedTransformerLossConfig,
    MotionAutoencoderConfig,
    MotionAutoencoderLossConfig,
    MotionVQVAEConfig,
    MotionVQVAELossConfig,
)
from emage.errors import InputError
from emage.face_config import MixtureConfig

DATA_FORMATS = ("raw", "beat_cache", "beat2", "emoca", "singinghead")
PRECISIONS = ("no", "bf16")

__all__ = [
    "BeatAlignConfig",
    "CaMNConfig",
    "CaMNLossConfig",
    "Config",
    "DataConfig",
    "FGDConfig",
    "GenerationConfig",
    "MODEL_CONFIGS",
    "MaskedTransformerConfig",
    "MaskedTransformerLossConfig",
    "MetricsConfig",
    "MotionAutoencoderConfig",
    "MotionAutoencoderLossConfig",
    "MotionVQVAEConfig",
    "MotionVQVAELossConfig",
    "OptimConfig",
    "SplitsConfig",
    "config_differences",
    "config_to_dict",
    "load_config",
    "save_config",
]


@dataclass
class SplitsConfig:
    """Recording ids of each split; all three empty: the official English split."""

    train: list[str] = field(default_factory=list)
    val: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)


@dataclass
class DataConfig:
    """Where the corpus lies and how it is read."""

    format: str = "raw"  # raw: <root>/<speaker>/<id>.*; beat_cache: the reference's own tree; the others: docs/data.md
    root: str = ""
    annotation_root: str = ""  # a second tree with the csv and txt files, if they lie apart
    cache_dir: str = ""
    fps: float = 15.0
    sample_rate: int = 16000
    audio_track: str = "vocals"  # of singinghead: vocals, accompaniment or mix
    speakers: list[str] = field(default_factory=list)  # speaker ids as in the file names; empty: all
    splits: SplitsConfig = field(default_factory=SplitsConfig)
    window_frames: int = 34
    stride_frames: int = 10
    num_workers: int = 0  # loader processes; reading a window takes some 50 us, so 0 is usually fastest

    def __post_init__(self) -> None:
        choice("data.format", self.format, DATA_FORMATS)
        choice("data.audio_track", self.audio_track, ("vocals", "accompaniment", "mix"))
        between("data.fps", self.fps, 1, MAX_FPS)
        at_least("data.sample_rate", self.sample_rate, 1000)
        at_least("data.window_frames", self.window_frames, 2)
        at_least("data.stride_frames", self.stride_frames, 1)
        at_least("data.num_workers", self.num_workers, 0)


@dataclass
class OptimConfig:
    """AdamW with warm-up and cosine decay; the unit is the step (one update of the weights)."""

    max_steps: int = 10000
    batch_size: int = 64  # windows per step, over all processes and accumulation together
    accumulation_steps: int = 1
    lr: float = 3e-4
    min_lr: float = 0.0  # where the cosine ends
    warmup_steps: int = 100
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    weight_decay: float = 0.01
    grad_clip: float = 1.0  # norm; 0 switches clipping off
    precision: str = "no"  # no | bf16
    ema_decay: float = 0.0  # 0 switches the moving average of the weights off
    freeze_batch_norm: bool = False  # BatchNorm keeps its statistics: any number of processes then gives one loss
    log_every: int = 20
    eval_every: int = 500
    save_every: int = 500

    def __post_init__(self) -> None:
        self.precision = {"False": "no"}.get(self.precision, self.precision)  # YAML reads an unquoted no as false
        choice("optim.precision", self.precision, PRECISIONS)
        at_least("optim.max_steps", self.max_steps, 0)
        for key in ("batch_size", "accumulation_steps", "log_every", "eval_every", "save_every"):
            at_least(f"optim.{key}", getattr(self, key), 1)
        for key in ("lr", "min_lr", "warmup_steps", "weight_decay", "grad_clip"):
            at_least(f"optim.{key}", getattr(self, key), 0)
        share("optim.ema_decay", self.ema_decay)
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise InputError(f"optim.betas: got {self.betas}; expected two numbers from 0 to below 1")
        if self.batch_size % self.accumulation_steps:
            raise InputError(
                f"optim.batch_size: {self.batch_size} is not a multiple of optim.accumulation_steps={self.accumulation_steps}"
            )


@dataclass
class FGDConfig:
    """The network that FGD measures with: a checkpoint of a trained motion_autoencoder."""

    checkpoint: str = ""


@dataclass
class BeatAlignConfig:
    """Beat alignment; `corrected` uses true seconds and wrists by name, `beat2022` repeats the published code."""

    variant: str = "corrected"

    def __post_init__(self) -> None:
        choice("metrics.beat_align.variant", self.variant, ("corrected", "beat2022"))


@dataclass
class MetricsConfig:
    """What test.py measures."""

    fgd: FGDConfig = field(default_factory=FGDConfig)
    beat_align: BeatAlignConfig = field(default_factory=BeatAlignConfig)
    intervals: bool = True  # bootstrap intervals; without them a test is scored faster
    controls: bool = True  # mismatched audio, mean pose and shuffled time beside the model


@dataclass
class GenerationConfig:
    """How a masked transformer decodes; other models make their motion in one pass and pass this over."""

    steps: int = 8  # 1: all codes in one pass; at most 1000
    temperature: float = 1.0  # 0: the most probable code; at most 100, as the next two
    residual_temperature: float = 0.0  # of the levels behind the first, which hold the details; 0: their expectation
    guidance: float = 1.0  # 1: none; above, the speech counts for more
    coherence_s: float = 0.0  # correlation time of the sampling noise; 0 or below two code steps: none
    order_noise: float = 4.0  # 0: the surest codes are fixed first; large: in random order
    window_frames: int = 0  # of the overlapping windows; 0: as in training
    context: float = 0.25  # share of a window at each end that serves as context only

    def __post_init__(self) -> None:
        self.steps = whole("generation.steps", self.steps, 1, MAX_STEPS)
        for key in ("temperature", "residual_temperature"):
            between(f"generation.{key}", getattr(self, key), 0, MAX_TEMPERATURE)
        between("generation.guidance", self.guidance, 0, MAX_GUIDANCE)
        between("generation.coherence_s", self.coherence_s, 0, 3600)
        between("generation.order_noise", self.order_noise, 0, 1e6)
        self.window_frames = whole("generation.window_frames", self.window_frames, 0, MAX_WINDOW_FRAMES)
        at_least("generation.context", self.context, 0)
        if self.context >= 0.5:
            raise InputError(
                f"generation.context: got {self.context}; it must be below 0.5, or nothing is left between"
            )


@dataclass
class Config:
    """One run: its data, its model and how it is trained and judged."""

    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    model: Any = None  # one of MODEL_CONFIGS
    loss: Any = None  # the weights that belong to it
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    mixture: MixtureConfig = field(default_factory=MixtureConfig)  # of the face trunk: further corpora
    seed: int = 0  # 0 to 2^63 - 1
    output_dir: str = ""
    num_processes: int = 0  # how many processes the run must have; 0: as many as the launcher starts

    def __post_init__(self) -> None:
        self.seed = check_seed("seed", self.seed)
        at_least("num_processes", self.num_processes, 0)


def _read_yaml(path: Path, seen: tuple[Path, ...] = ()) -> Any:
    """A YAML file merged over its `bases:`, whose paths are relative to it."""
    if not path.is_file():
        raise InputError(f"config {path}: no such file; give one of configs/, e.g. -c configs/demo/camn.yaml")
    if path.resolve() in seen:
        raise InputError(f"config {path}: `bases:` lead back to the file itself")
    try:
        node = OmegaConf.load(path)
    except Exception as error:  # yaml raises its own classes, omegaconf others
        raise InputError(f"config {path}: not valid YAML: {error}") from error
    if not OmegaConf.is_dict(node):
        raise InputError(f"config {path}: expected `key: value` lines")
    bases = node.pop("bases", [])
    merged = OmegaConf.create({})
    for base in [bases] if isinstance(bases, str) else bases:
        merged = OmegaConf.merge(merged, _read_yaml(path.parent / base, (*seen, path.resolve())))
    return OmegaConf.merge(merged, node)


def _parse_overrides(overrides: Iterable[str]) -> Any:
    overrides = list(overrides)
    for item in overrides:
        if "=" not in item or item.startswith("-"):
            raise InputError(f"command line: {item!r} is no override; write key=value, e.g. optim.max_steps=100")
    try:
        return OmegaConf.from_dotlist(overrides)
    except Exception as error:
        raise InputError(f"command line: {' '.join(overrides)}: {error}") from error


def _check_keys(node: Any, schema: Any, prefix: str, source: str) -> None:
    """Refuses keys that the schema does not hold, naming the nearest that it does."""
    names = [f.name for f in dataclasses.fields(schema)]
    for key in node:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1)
            hint = f"did you mean {prefix}{near[0]}? " if near else ""
            raise InputError(f"{source}: unknown key {prefix}{key}; {hint}keys here: {', '.join(names)}")
        child = getattr(schema, key)
        if dataclasses.is_dataclass(child):
            if not OmegaConf.is_dict(node[key]):
                raise InputError(
                    f"{source}: {prefix}{key}: got {node[key]!r}; expected keys below it, e.g. {prefix}{key}.KEY=VALUE"
                )
            _check_keys(node[key], child, f"{prefix}{key}.", source)


def _to_dataclass(node: Any, source: str) -> Config:
    name = OmegaConf.select(node, "model.name")
    choice(f"{source}: model.name", name, MODEL_CONFIGS)
    model_config, loss_config = MODEL_CONFIGS[name]
    schema = Config(model=model_config(), loss=loss_config())
    _check_keys(node, schema, "", source)
    try:
        config: Config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), node))
    except OmegaConfBaseException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        key = getattr(error, "full_key", None) or "?"
        value = OmegaConf.select(node, key) if key != "?" else None
        if value is None:
            raise InputError(
                f"{source}: {key}: nothing stands after `{key}=`; write a value or leave it out"
            ) from error
        raise InputError(f"{source}: {key}: got {value!r}: {str(error).splitlines()[0]}") from error
    _check_finite(config, source)
    return config


def _check_finite(config: Config, source: str) -> None:
    """Refuses NaN and infinity in any value, loss weights included."""
    for key, value in _flatten(config_to_dict(config)).items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, float) and not is_finite(item):
                raise InputError(f"{source}: {key}: got {value}; it must be finite")


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Reads a YAML file with its bases and overrides into checked dataclasses.

    Args:
        path: the YAML file.
        overrides: `key=value` items, keys with dots, values as YAML (`data.splits.train=[a,b]`).

    Raises:
        InputError: a missing file, an unknown key (with the nearest one), a wrong type or a value out of range.
    """
    path = Path(path)
    node = OmegaConf.merge(_read_yaml(path), _parse_overrides(overrides))
    return _to_dataclass(node, f"config {path}")


def config_to_dict(config: Config) -> dict[str, Any]:
    """The resolved config as plain dicts and lists."""
    return dataclasses.asdict(config)


def save_config(config: Config, path: str | Path) -> None:
    """Writes the resolved config as YAML; `load_config` reads it back equal."""
    Path(path).write_text(OmegaConf.to_yaml(OmegaConf.create(config_to_dict(config))), encoding="utf-8")


def config_differences(old: Config, new: Config, ignore: Iterable[str] = ()) -> list[str]:
    """Rows `key: old -> new` of two configs, sorted; keys that match a shell pattern of `ignore` are left out."""
    flat_old, flat_new = _flatten(config_to_dict(old)), _flatten(config_to_dict(new))
    ignore = tuple(ignore)
    return [
        f"{key}: {flat_old.get(key)!r} -> {flat_new.get(key)!r}"
        for key in sorted(flat_old.keys() | flat_new.keys())
        if flat_old.get(key) != flat_new.get(key) and not any(fnmatchcase(key, pattern) for pattern in ignore)
    ]


def _flatten(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            rows.update(_flatten(value, f"{prefix}{key}."))
        else:
            rows[f"{prefix}{key}"] = value
    return rows
