"""Scores one system of an ablation, all its seeds together, against the real motion and another system.

What test.py (or, with --faces, tools/predict_face.py) wrote for each seed is read from its files, as `emage evaluate` reads those
of any system. Written are metrics.json, metrics.csv and report.html, and with --each-seed those of each seed in a folder of its own.
"""

import argparse
import sys
from pathlib import Path

import torch

from dataloaders.corpus import Corpus
from dataloaders.face_corpus import FaceCorpus
from emage.config import load_config
from emage.errors import InputError, one_line_errors
from emage.evaluation import Evaluation, Folders, Options, evaluate_folders, load_fgd_network
from emage.evaluation.folders import ONLY_ONE, Seed

RESULTS = "test"  # where test.py leaves what it made, below its output_dir


def made_in(folder: Path, ids: list[str], *, faces_of: str = "") -> Seed:
    """The files that test.py left of some recordings, or tools/predict_face.py of those of the corpus `faces_of`.

    Raises:
        InputError: one is missing.
    """
    home, ending, tool = folder / RESULTS, ".bvh", "test.py"
    if faces_of:
        home, ending, tool = folder / faces_of, ".json", "tools/predict_face.py"
    found = {key: home / f"{key}{ending}" for key in ids}
    missing = [key for key, path in found.items() if not path.is_file()]
    if missing:
        raise InputError(f"{home}: no {missing[0]}{ending} ({len(missing)} missing); run {tool} for it")
    if faces_of:
        return Seed({}, found)
    faces = {key: path.with_suffix(".json") for key, path in found.items() if path.with_suffix(".json").is_file()}
    return Seed(found, faces)


def find_folders(
    corpus: Corpus | FaceCorpus, generated: list[Path], compare: list[Path], *, faces_of: str = ""
) -> Folders:
    """The test split of the corpus beside what two systems made, one folder a seed."""
    root, known = Path(corpus.config.data.root), corpus.cache.known
    beside = {entry.id: root / known[entry.recording_id].speaker / entry.id for entry in corpus.entries["test"]}

    def files(ending: str) -> dict[str, Path]:
        return {key: path.with_name(path.name + ending) for key, path in beside.items()}

    def seeds(folders: list[Path]) -> dict[str, Seed]:
        found = {folder.name: made_in(folder, list(beside), faces_of=faces_of) for folder in folders}
        return found if len(found) > 1 else {ONLY_ONE: next(iter(found.values()))}

    real = Seed({} if faces_of else files(".bvh"), files(".json"))
    compared = {"other": seeds(compare)} if compare else {}
    sounds = {"audio": files(".wav"), "textgrids": files(".TextGrid"), "audio_given": True}
    return Folders(seeds(generated), real, compare=compared, semantic=files(".txt"), **sounds)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("-c", "--config", required=True, metavar="FILE", help="any config of the corpus")
    add("--generated", required=True, type=Path, nargs="+", metavar="DIR", help="output_dir of test.py, one a seed")
    add("--compare", type=Path, nargs="*", default=[], metavar="DIR", help="the same of another system")
    add("--faces", action="store_true", help="faces alone: DIR is --out of tools/predict_face.py")
    add("--each-seed", action="store_true", help="each seed is scored by itself too, without intervals")
    add("--fgd-checkpoint", metavar="DIR", help="the FGD network; bodies need it")
    add("--out", required=True, type=Path, metavar="DIR", help="where the numbers are written")
    add("--set", nargs="*", default=[], metavar="key=value", help="config values, e.g. data.root=DIR")
    arguments = parser.parse_args(argv)
    if (arguments.fgd_checkpoint is None) != arguments.faces:
        raise InputError(
            "--fgd-checkpoint: give the network that bodies are measured with, or --faces, which have none"
        )
    config = load_config(arguments.config, arguments.set)
    corpus = (FaceCorpus if config.model.name == "face" else Corpus).open(config)
    network = None
    if arguments.fgd_checkpoint:
        network = load_fgd_network(arguments.fgd_checkpoint, "python train.py -c configs/demo/motion_autoencoder.yaml")

    def score(generated: list[Path], compare: list[Path], *, thoroughly: bool) -> Evaluation:
        options = Options(config.data.sample_rate, config.seed, intervals=thoroughly, controls=thoroughly)
        folders = find_folders(corpus, generated, compare, faces_of=config.mixture.main if arguments.faces else "")
        with torch.no_grad():
            return evaluate_folders(folders, fgd_network=network, fps=config.data.fps, options=options)

    for seed in arguments.generated if arguments.each_seed else ():
        score([seed], [], thoroughly=False).write(arguments.out / seed.name)
    evaluation = score(arguments.generated, arguments.compare, thoroughly=True)
    evaluation.write(arguments.out)
    print(f"written: {arguments.out / 'metrics.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
