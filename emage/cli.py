"""The `emage` command: `emage generate`, `view`, `evaluate`, `convert-face` and `info`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from torch import nn

from emage import __version__
from emage.checkpoint import load_bundle
from emage.commands.convert_face import add_convert_face_parser
from emage.commands.generate import add_generate_parser
from emage.commands.view import add_view_parser
from emage.config import Config, load_config
from emage.errors import InputError, one_line_errors
from emage.evaluation.command import add_folder_arguments
from emage.generation import checkpoint_in
from emage.models import MODELS
from emage.singinghead_suite.command import add_singinghead_parser
from emage.tokenizers import planned_tokenizers

EXAMPLES = """examples:
  emage generate speech.wav --out out
  emage view out/speech.bvh --audio speech.wav
  emage info configs/beat/camn.yaml
  emage info runs/demo/camn/best
  emage evaluate --generated my_system --reference real --audio real/wav
  emage evaluate singinghead --root eval_folder
"""


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


def _info(arguments: argparse.Namespace) -> int:
    rows = describe(arguments.path)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    return 0


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Entry point of the console script `emage`."""
    parser = argparse.ArgumentParser(
        prog="emage",
        description="Body gesture and face from speech.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_generate_parser(commands)
    add_view_parser(commands)
    info = commands.add_parser(
        "info",
        help="what a checkpoint or config holds: model, layout, fps, parameters, corpus, steps",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    info.add_argument("path", type=Path, metavar="CHECKPOINT_OR_CONFIG")
    info.set_defaults(run=_info)
    evaluate = commands.add_parser(
        "evaluate", help="score folders of results", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_folder_arguments(evaluate)
    add_singinghead_parser(evaluate.add_subparsers(dest="suite", required=False, metavar="SUITE"))
    add_convert_face_parser(commands)
    arguments = parser.parse_args(argv)
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
