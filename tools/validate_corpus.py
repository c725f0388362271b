"""Looks through a corpus without building a cache, and writes which recordings can be used and why the others cannot.

The exit code is 0 if every recording can be used, 3 if some cannot (they are listed with their reasons) and 1 if none.
"""

import argparse
import sys
from pathlib import Path

from dataloaders.validation import validate_corpus
from emage.config import load_config
from emage.errors import one_line_errors

EXAMPLE = """
examples:
  python tools/validate_corpus.py -c configs/corpora/emoca.yaml data.root=DIR
  python tools/validate_corpus.py -c configs/corpora/singinghead.yaml data.root=DIR --out singinghead_index.json
"""
EXIT_REJECTS = 3
_SHOWN = 20  # rows that are printed; the index keeps all


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-c", "--config", required=True, metavar="FILE", help="YAML file, e.g. of configs/corpora/")
    parser.add_argument("--out", type=Path, metavar="JSON", help="the index; by default runs/validate/<format>.json")
    parser.add_argument("--processes", type=int, metavar="N", help="readers; by default one a core")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no notices")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="config values, e.g. data.root=DIR")
    arguments = parser.parse_intermixed_args(argv)
    data = load_config(arguments.config, arguments.overrides).data
    index = validate_corpus(data, arguments.processes, progress=not arguments.quiet)
    out = arguments.out or Path("runs") / "validate" / f"{data.format}.json"
    index.save(out)
    if not arguments.quiet:
        print_rows("corpus", [("", text) for text in index.corpus])
        print_rows("notice", [(key, text) for key, texts in index.notices.items() for text in texts])
    print_rows("rejected", list(index.rejects.items()))
    seconds = sum(facts["seconds"] for facts in index.used.values())
    print(f"{len(index.used)} recordings ({seconds / 3600:.2f} h) can be used, {len(index.rejects)} cannot: {out}")
    if not index.used:
        return 1
    return EXIT_REJECTS if index.rejects else 0


def print_rows(what: str, rows: list[tuple[str, str]]) -> None:
    """Prints the first rows and how many more there are."""
    for key, text in rows[:_SHOWN]:
        print(": ".join(word for word in (what, key, text) if word))
    if len(rows) > _SHOWN:
        print(f"{what}: and {len(rows) - _SHOWN} more, in the index")


if __name__ == "__main__":
    sys.exit(main())
