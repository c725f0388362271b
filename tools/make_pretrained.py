"""Makes the model that lies inside the package: corpus, cache, tokenizers, masked transformer (`make pretrained`).

The trained model is copied to emage/pretrained. Each step is a command that a person could type, and is printed; what was
stopped goes on where it was.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from make_demo import PARTS, run_stage

from emage.checkpoint import load_bundle, save_bundle
from emage.errors import InputError, one_line_errors
from emage.pretrained import DEFAULT_NAME, FOLDER

EXAMPLE = """
examples, from the project's root:
  python tools/make_pretrained.py
  python tools/make_pretrained.py --out runs/tiny --copy-to runs/tiny/copy --recordings 24 optim.max_steps=20
"""
CONFIGS = "configs/pretrained"
DEFAULT_OUT = Path("runs/pretrained")
MODEL = "masked_transformer"
# Six people, 80 minutes of which half is for training; a third of the sentences ends in seconds of silence, in which one idles.
CORPUS = ("--speakers", "6", "--seconds", "20", "--pauses", "0.35")
RECORDINGS = "240"
LANES = (("upper", "lower"), ("face", "hands"))  # of tokenizers, beside each other
MAX_BYTES = 20e6


def commands(out: Path, recordings: str, overrides: list[str]) -> list[list[dict[str, list[str]]]]:
    """Stages one after the other, each of lanes beside each other, each of named steps in order.

    Args:
        out: folder of the runs.
        recordings: size of the corpus.
        overrides: `key=value` items for the trainings.
    """
    data = [] if out == DEFAULT_OUT else [f"data.root={out / 'corpus'}", f"data.cache_dir={out / 'cache'}"]
    tokenizers = [f"model.tokenizers.{part}={out / f'vqvae_{part}' / 'best'}" for part in PARTS] if data else []

    def train(name: str, *more: str) -> list[str]:
        return ["train.py", "-c", f"{CONFIGS}/{name}.yaml", f"output_dir={out / name}", *data, *overrides, *more]

    model = f"{CONFIGS}/{MODEL}.yaml"
    return [
        [
            {
                "corpus": ["tools/make_corpus.py", "--out", str(out / "corpus"), "--recordings", recordings, *CORPUS],
                "cache": ["tools/build_cache.py", "-c", model, *data, *overrides],
            }
        ],
        [{f"tokenizer of {part}": train(f"vqvae_{part}") for part in lane} for lane in LANES],
        [{"masked transformer": train(MODEL, *tokenizers)}],
    ]


def copy_checkpoint(source: Path, target: Path) -> int:
    """Puts a trained checkpoint into the package, in one swap; returns its bytes.

    Raises:
        InputError: no checkpoint there, or one that is too large for the package.
    """
    bundle = load_bundle(source, expected=MODEL)
    # Nothing of the machine that it was trained on.
    bundle.config.data.root = bundle.config.data.cache_dir = bundle.config.output_dir = ""
    save_bundle(target, bundle)
    num_bytes = sum(file.stat().st_size for file in target.iterdir())
    if num_bytes > MAX_BYTES:
        raise InputError(
            f"{target}: {num_bytes / 1e6:.1f} MB; a model inside the package has at most 20, make it smaller"
        )
    return num_bytes


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs all steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="of the runs (%(default)s)")
    parser.add_argument(
        "--copy-to", type=Path, default=FOLDER / DEFAULT_NAME, metavar="DIR", help="where the model goes (the package)"
    )
    parser.add_argument("--recordings", default=RECORDINGS, metavar="N", help="size of the corpus (%(default)s)")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="config values, e.g. optim.max_steps=100")
    arguments = parser.parse_intermixed_args(argv)
    if not Path(CONFIGS).is_dir():
        raise InputError(f"{CONFIGS}: not here; start from the project's root: python tools/make_pretrained.py")
    started = time.monotonic()
    for stage in commands(arguments.out, arguments.recordings, arguments.overrides):
        run_stage(stage, arguments.out / "logs")
    num_bytes = copy_checkpoint(arguments.out / MODEL / "best", arguments.copy_to)
    print(
        f"written: {arguments.copy_to} ({num_bytes / 1e6:.1f} MB; {time.monotonic() - started:.0f} s on"
        f" {os.cpu_count()} cores); its numbers on real speech: python tools/evaluate_pretrained.py"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
