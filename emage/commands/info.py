"""`emage info`: what a checkpoint or a config holds."""

import argparse
from pathlib import Path
from typing import Any

from torch import nn

from emage.checkpoint import load_bundle
from emage.config import Config, load_config
from emage.errors import InputError
from emage.generation import checkpoint_in
from emage.models import MODELS
from emage.tokenizers import planned_tokenizers


def parameters_by_part(model: nn.Module) -> dict[str, int]:
    """Number of trainable values of each part of a network, largest first; what the network holds itself is `(own)`."""
    parts = {name: sum(p.numel() for p in child.parameters()) for name, child in model.named_children()}
    parts["(own)"] = sum(p.numel() for p in model.parameters(recurse=False))
    shared = sum(parts.values()) - sum(p.numel() for p in model.parameters())
    assert shared == 0, f"{shared} parameters belong to two parts"
    return dict(sorted(((name, count) for name, count in parts.items() if count), key=lambda row: -row[1]))


def _corpus_line(config: Config, info: dict[str, Any]) -> str:
    """Which data; a checkpoint knows more of it than its config."""
    data, seen = config.data, info.get("corpus", {})
    speakers = seen.get("speakers") or data.speakers
    line = f"{data.format} at {data.root or '(no data.root)'}, "
    line += f"speakers {', '.join(speakers)}" if speakers else "all speakers"
    return line + (f", {seen['train_windows']:,} training windows" if "train_windows" in seen else "")


def describe(path: Path) -> list[tuple[str, str]]:
    """Rows (name, value) about a checkpoint folder or a config file; no data is read.

    Raises:
        InputError: if the path is neither, or does not hold what it should.
    """
    info: dict[str, Any] = {}
    if path.is_dir():
        bundle = load_bundle(checkpoint_in(path))
        model, config, info = bundle.model, bundle.config, bundle.info
        steps = f"{info.get('steps', 0):,} of {config.optim.max_steps:,}"
    elif path.is_file():
        config = planned_tokenizers(load_config(path), path)
        model = MODELS[config.model.name](config.model)
        steps = f"{config.optim.max_steps:,} to train (this is a config, not a checkpoint)"
    else:
        raise InputError(
            f"emage info {path}: no such file or folder; give a config (configs/demo/camn.yaml) or a checkpoint folder"
        )
    parts = parameters_by_part(model)
    return [
        ("model", f"{config.model.name} ({config.model.part})" if hasattr(config.model, "part") else config.model.name),
        ("layout", config.model.layout),
        ("fps", f"{config.data.fps:g}"),
        *((f"parameters of {name}", f"{count:,}") for name, count in parts.items()),
        ("parameters", f"{sum(parts.values()):,}"),
        ("corpus", _corpus_line(config, info)),
        ("steps", steps),
    ]


def run_info(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    rows = describe(arguments.path)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    return 0
