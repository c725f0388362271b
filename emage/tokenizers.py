"""Trained tokenizers: checkpoint folders of VQ-VAEs, one a part, put together to one MotionTokenizer."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emage.checkpoint import load_bundle, weights_hash
from emage.config import Config, MotionVQVAEConfig, load_config
from emage.errors import InputError
from emage.models.tokenizer import MotionTokenizer


@dataclass
class LoadedTokenizer:
    """A tokenizer and what it was made of, so that a checkpoint of a generator can hold it.

    Attributes:
        tokenizer: in evaluation mode, without gradients; `tokenizer.state_dict()` are all weights.
        configs: part -> the config that `MotionTokenizer` builds it from.
        sha256: part -> hash of its weights file.
        fps: frames per second that all parts were trained at.
    """

    tokenizer: MotionTokenizer
    configs: dict[str, MotionVQVAEConfig]
    sha256: dict[str, str]
    fps: float


def load_tokenizer(folders: Mapping[str, str | Path]) -> LoadedTokenizer:
    """Reads the VQ-VAE of each part.

    Args:
        folders: part (upper, hands, lower, face) -> checkpoint folder, e.g. runs/demo/vqvae_upper/best.

    Raises:
        InputError: a folder that is no checkpoint of a vqvae, one of another part than said, one that was never
            trained, or parts with different layouts, code steps or frame rates.
    """
    bundles = {}
    for part, folder in folders.items():
        bundle = load_bundle(folder, expected="vqvae")
        if bundle.config.model.part != part:
            raise InputError(
                f"checkpoint {folder}: it is given for the part {part!r} and is of {bundle.config.model.part!r}; "
                f"train one with model.part={part}"
            )
        if not bundle.info.get("steps", 0) > 0:
            raise InputError(f"checkpoint {folder}: it was never trained (0 steps), its codes mean nothing; train it")
        bundles[part] = bundle
    if not bundles:
        raise InputError("tokenizer: no part given; give the checkpoint of one or more of upper, hands, lower, face")
    rates = {part: bundle.config.data.fps for part, bundle in bundles.items()}
    if len(set(rates.values())) > 1:
        said = ", ".join(f"{part} {fps:g}" for part, fps in rates.items())
        raise InputError(f"tokenizer: data.fps differs: {said}; train all parts at one rate")
    tokenizer = MotionTokenizer({part: bundle.config.model for part, bundle in bundles.items()})
    for part, bundle in bundles.items():
        tokenizer.vqvaes[part].load_state_dict(bundle.model.state_dict())
    return LoadedTokenizer(
        tokenizer=tokenizer.eval().requires_grad_(False),
        configs={part: bundles[part].config.model for part in tokenizer.parts},
        sha256={part: weights_hash(folders[part]) for part in tokenizer.parts},
        fps=rates[tokenizer.parts[0]],
    )


def with_tokenizers(config: Config) -> Config:
    """The config of a model that is built on tokenizers, with what they are filled in; another config as it is.

    Raises:
        InputError: see `load_tokenizer`; tokenizers of another frame rate than the data.
    """
    folders = getattr(config.model, "tokenizers", None)
    if not folders:
        return config
    loaded = load_tokenizer(folders)
    if loaded.fps != config.data.fps:
        raise InputError(
            f"model.tokenizers: they were trained at {loaded.fps:g} fps, the config says data.fps={config.data.fps:g};"
            " train them at the frame rate of the data"
        )
    model = dataclasses.replace(config.model, tokenizer_configs=loaded.configs, tokenizer_hashes=loaded.sha256)
    return dataclasses.replace(config, model=model)


def planned_tokenizers(config: Config, config_path: Path) -> Config:
    """The same from the configs beside a config file, vqvae_<part>.yaml, before any tokenizer is trained.

    Raises:
        InputError: such a config is missing.
    """
    parts = getattr(config.model, "tokenizers", None)
    if not parts:
        return config
    configs = {part: load_config(config_path.with_name(f"vqvae_{part}.yaml")).model for part in parts}
    return dataclasses.replace(config, model=dataclasses.replace(config.model, tokenizer_configs=configs))
