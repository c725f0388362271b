"""Trains a model: config in, checkpoint out."""

import argparse
import logging
import sys

from dataloaders.batch import collate, collate_faces
from dataloaders.corpus import Corpus
from dataloaders.face_corpus import FaceCorpus
from emage.config import load_config
from emage.errors import one_line_errors
from emage.face_trunk import with_face_trunk
from emage.tokenizers import with_tokenizers
from emage.training import TRAINERS, Run, Trainer
from emage.training.processes import all_agree, joined_processes, main_decides, share_learned

EXAMPLE = """
examples:
  python train.py -c configs/demo/camn.yaml output_dir=runs/camn optim.max_steps=2000
  torchrun --nproc_per_node 4 train.py -c configs/beat/camn.yaml output_dir=runs/camn      N GPUs, or N CPU processes
  accelerate launch --multi_gpu --num_processes 4 train.py -c ...                          the same

The same command goes on with an unfinished run. optim.batch_size counts the windows of all processes together.
On several machines DIR lies on the first one (rank 0), which also reads the config and the checkpoints that it names;
the others need the data, and a model.audio_model if there is one, at the same paths and no other file.
DIR/best and DIR/last are checkpoints, DIR/losses.jsonl has the loss of every step; watch a run with
`tensorboard --logdir DIR`.
"""

logger = logging.getLogger("emage.train")


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command; the exit code is 0 for a finished run, 1 for an input that cannot be used."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-c", "--config", required=True, metavar="FILE", help="YAML file, e.g. configs/demo/camn.yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="config values, e.g. output_dir=DIR")
    args = parser.parse_intermixed_args(argv)
    with joined_processes():
        _train(args.config, args.overrides)
    return 0


def _train(path: str, overrides: list[str]) -> None:
    config = main_decides(lambda: with_tokenizers(with_face_trunk(load_config(path, overrides))))
    with Run(config) as run:
        if run.finished:
            logger.info("%s is finished: %d steps; see %s and %s", run.path, config.optim.max_steps, run.last, run.best)
            return
        is_face = config.model.name == "face"  # the one model that several corpora train
        corpus = all_agree(lambda: (FaceCorpus if is_face else Corpus).open(config))
        share_learned(corpus)
        task = all_agree(lambda: TRAINERS[config.model.name](config, corpus))
        Trainer(run, task, corpus, collate_faces if is_face else collate).run()


if __name__ == "__main__":
    sys.exit(main())
