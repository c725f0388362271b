"""Writes what a person who never moves would leave: the mean pose and mean face of the train split, for each test recording."""

import argparse
import sys
from pathlib import Path

from dataloaders.cache_format import MOTION_LAYOUT
from dataloaders.corpus import Corpus
from emage.config import load_config
from emage.errors import one_line_errors
from emage.performance import Performance

FACE_LAYOUT = "arkit_51"


def write_still(corpus: Corpus, folder: Path) -> int:
    """Writes `<id>.bvh` and `<id>.json` as test.py does; returns how many recordings there are."""
    statistics, entries = corpus.statistics, corpus.usable("test")
    face = statistics.means[FACE_LAYOUT].clamp(0, 1)
    for entry in entries:
        streams = corpus.clip_streams(entry)
        num_frames, speaker = streams["num_frames"], streams["speaker"]
        performance = Performance(
            statistics.mean_pose.expand(num_frames, -1),
            MOTION_LAYOUT,
            face.expand(num_frames, -1),
            corpus.cache.fps,
            corpus.skeletons[speaker],
        )
        performance.save_bvh(folder / f"{entry.id}.bvh")
        performance.save_arkit_json(folder / f"{entry.id}.json")
    return len(entries)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-c", "--config", required=True, metavar="FILE", help="any config of the corpus")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="DIR/test is written")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="config values, e.g. data.root=DIR")
    arguments = parser.parse_intermixed_args(argv)
    number = write_still(Corpus.open(load_config(arguments.config, arguments.overrides)), arguments.out / "test")
    print(f"written: {number} recordings in {arguments.out / 'test'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
