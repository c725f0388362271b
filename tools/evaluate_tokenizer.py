"""How well VQ-VAEs tell the motion of the test split: through their codes and back, recordings at full length."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from dataloaders.corpus import Corpus
from emage.checkpoint import load_bundle, weights_hash
from emage.config import load_config
from emage.errors import InputError, one_line_errors
from emage.motion.atomic import write_text_atomic
from emage.tokenizer_evaluation import TokenizerScores, score_lines

EXAMPLE = """
examples:
  python tools/evaluate_tokenizer.py -c configs/demo/vqvae_upper.yaml --checkpoint runs/demo/vqvae_upper/best
  python tools/evaluate_tokenizer.py -c configs/demo/vqvae_upper.yaml --out runs/demo/tokenizer.json \\
      --checkpoint runs/demo/vqvae_{upper,hands,lower,face}/best

The angle is the mean over all joints of a part, or over those that move at all; the position is of the joints that the
part moves, with all else as it was. A code is used if it occurs in the test split.
"""


def evaluate_checkpoint(folder: Path, config_file: str, overrides: list[str]) -> dict[str, Any]:
    """Scores of one VQ-VAE over the test split of the config's corpus.

    Raises:
        InputError: no trained vqvae, or a corpus at another frame rate than it was trained at.
    """
    bundle = load_bundle(folder, expected="vqvae")
    config = load_config(config_file, overrides)
    config.model = bundle.config.model
    if config.data.fps != bundle.config.data.fps:
        raise InputError(
            f"checkpoint {folder}: trained at {bundle.config.data.fps:g} fps, but data.fps={config.data.fps:g}; "
            "give a config of the same rate"
        )
    corpus = Corpus.open(config)
    scores = TokenizerScores(bundle.model, corpus.skeletons)
    for entry in corpus.usable("test"):
        streams = corpus.clip_streams(entry, bundle.vocabulary)
        scores.add(torch.from_numpy(streams["motion"]), torch.from_numpy(streams["face"]), streams["speaker"])
    return {
        **scores.compute(),
        "recordings": len(corpus.usable("test")),
        "checkpoint": {"folder": str(folder), "sha256": weights_hash(folder), "steps": bundle.info.get("steps", 0)},
    }


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-c", "--config", required=True, metavar="FILE", help="says which corpus; any config of it")
    parser.add_argument("--checkpoint", required=True, nargs="+", type=Path, metavar="DIR", help="one or more parts")
    parser.add_argument("--out", type=Path, metavar="FILE", help="json; default: tokenizer.json beside each checkpoint")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="config values, e.g. data.root=DIR")
    arguments = parser.parse_intermixed_args(argv)
    # `--checkpoint A B key=value`: what is no folder is an override.
    folders = [folder for folder in arguments.checkpoint if "=" not in str(folder)]
    overrides = arguments.overrides + [str(item) for item in arguments.checkpoint if "=" in str(item)]
    scores = [evaluate_checkpoint(folder, arguments.config, overrides) for folder in folders]
    if arguments.out is None:
        for row, folder in zip(scores, folders, strict=True):
            write_text_atomic(folder.parent / "tokenizer.json", json.dumps([row], indent=1) + "\n")
    else:
        write_text_atomic(arguments.out, json.dumps(scores, indent=1) + "\n")
    for line in score_lines(scores):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
