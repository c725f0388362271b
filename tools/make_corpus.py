"""Makes the synthetic corpus in the raw BEAT layout, or talking and singing heads in those of EMOCA codes and SingingHead."""

import argparse
import logging
import sys

from dataloaders.corpora.synthetic import DEFAULT_PROCESSES, make_corpus
from dataloaders.corpora.synthetic_faces import LAYOUTS
from dataloaders.corpora.synthetic_plan import SPEAKER_NAMES, CorpusArguments
from emage.errors import one_line_errors

EXAMPLE = """example:
  python tools/make_corpus.py --out runs/demo/corpus
  python tools/make_corpus.py --out runs/tiny --speakers 2 --recordings 6 --seconds 5 --seed 1
  python tools/make_corpus.py --out runs/faces/emoca --layout emoca --speakers 8
  python tools/make_corpus.py --out runs/faces/singinghead --layout singinghead --speakers 8 --seconds 8

Needs espeak-ng from PyPI: pip install -e .[demo]. Run it again to go on where it was interrupted."""


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    defaults = CorpusArguments()
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", required=True, help="folder of the corpus: new, empty, or one that was begun with the same arguments"
    )
    parser.add_argument(
        "--layout", default="beat", choices=("beat", *LAYOUTS), help="of the files (default %(default)s)"
    )
    parser.add_argument(
        "--speakers", type=int, default=defaults.num_speakers, help=f"1..{len(SPEAKER_NAMES)} (default %(default)s)"
    )
    parser.add_argument("--recordings", type=int, default=defaults.num_recordings, help="in all (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="length of each (default %(default)s)")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="default %(default)s")
    parser.add_argument(
        "--pauses",
        type=float,
        default=defaults.pauses,
        metavar="SHARE",
        help="of the sentences behind which the speaker is silent for seconds; beat layout (default %(default)s)",
    )
    parser.add_argument(
        "--processes", type=int, default=DEFAULT_PROCESSES, help="does not change the result (default %(default)s)"
    )
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments = CorpusArguments(args.speakers, args.recordings, args.seconds, args.seed, args.pauses)
    report = make_corpus(args.out, arguments, layout=args.layout, num_processes=args.processes)
    print(f"{args.out}: {report.made} recordings made, {report.found} found, {report.seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
