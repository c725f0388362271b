"""Scores one system of an ablation, all its seeds together, against the real motion and another system.

What test.py wrote for each seed is read from its files, as `emage evaluate` reads those of any system. Written are metrics.json,
metrics.csv and report.html.
"""

import argparse
import sys
from pathlib import Path

import torch

from dataloaders.corpus import Corpus
from emage.config import load_config
from emage.errors import InputError, one_line_errors
from emage.evaluation import Folders, Options, evaluate_folders, load_fgd_network
from emage.evaluation.folders import ONLY_ONE, Seed

RESULTS = "test"  # where test.py leaves what it made, below its output_dir


def made_in(folder: Path, ids: list[str]) -> Seed:
    """The files that test.py left of some recordings.

    Raises:
        InputError: one is missing.
    """
    bodies = {key: folder / RESULTS / f"{key}.bvh" for key in ids}
    missing = [key for key, path in bodies.items() if not path.is_file()]
    if missing:
        raise InputError(f"{folder / RESULTS}: no {missing[0]}.bvh ({len(missing)} missing); run test.py for it")
    faces = {key: path.with_suffix(".json") for key, path in bodies.items() if path.with_suffix(".json").is_file()}
    return Seed(bodies, faces)


def find_folders(corpus: Corpus, generated: list[Path], compare: list[Path]) -> Folders:
    """The test split of the corpus beside what two systems made, one folder a seed."""
    recordings = {entry.id: Path(corpus.config.data.root) for entry in corpus.usable("test")}
    beside = {
        key: root / corpus.cache.known[key].speaker / key for key, root in recordings.items()
    }  # without an ending

    def files(ending: str) -> dict[str, Path]:
        return {key: path.with_name(path.name + ending) for key, path in beside.items()}

    def seeds(folders: list[Path]) -> dict[str, Seed]:
        found = {folder.name: made_in(folder, list(recordings)) for folder in folders}
        return found if len(found) > 1 else {ONLY_ONE: next(iter(found.values()))}

    return Folders(
        seeds(generated),
        Seed(files(".bvh"), files(".json")),
        compare={"other": seeds(compare)} if compare else {},
        audio=files(".wav"),
        textgrids=files(".TextGrid"),
        semantic=files(".txt"),
        audio_given=True,
    )


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("-c", "--config", required=True, metavar="FILE", help="any config of the corpus")
    add("--generated", required=True, type=Path, nargs="+", metavar="DIR", help="output_dir of test.py, one a seed")
    add("--compare", type=Path, nargs="*", default=[], metavar="DIR", help="the same of another system")
    add("--fgd-checkpoint", required=True, metavar="DIR", help="the FGD network")
    add("--out", required=True, type=Path, metavar="DIR", help="where the numbers are written")
    add("--set", nargs="*", default=[], metavar="key=value", help="config values, e.g. data.root=DIR")
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config, arguments.set)
    network = load_fgd_network(arguments.fgd_checkpoint, "python train.py -c configs/demo/motion_autoencoder.yaml")
    folders = find_folders(Corpus.open(config), arguments.generated, arguments.compare)
    with torch.no_grad():
        evaluation = evaluate_folders(
            folders,
            fgd_network=network,
            fps=config.data.fps,
            options=Options(sample_rate=config.data.sample_rate, seed=config.seed),
        )
    evaluation.write(arguments.out)
    print(f"written: {arguments.out / 'metrics.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
