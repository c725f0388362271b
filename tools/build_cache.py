"""Builds the cache that training and testing read: every stream of every recording of a corpus, at one frame rate.

A cache that is there already is extended: only recordings that are new, whose files have another content than when they
were read, or whose values in the cache are damaged, are read. Neither the place of the corpus nor modification times
count. data.speakers chooses the speakers to read; a cache serves training and testing on any of those that it holds.

The exit code is 0 if every recording could be used, 3 if some were rejected (they are listed with their reasons) and 1
if there is no cache. A build that was stopped, by whatever, goes on with the same command.
"""

import argparse
import logging
import sys
from pathlib import Path

from dataloaders.cache import BuildReport, build_cache
from emage.config import load_config
from emage.errors import one_line_errors

EXAMPLE = """
examples:
  python tools/build_cache.py -c configs/beat/camn.yaml
  python tools/build_cache.py data.root=DIR data.cache_dir=data/cache data.fps=30 "data.speakers=[2,4]"
"""
DEFAULT_CONFIG = Path(__file__).resolve().parents[1] / "configs" / "demo" / "motion_autoencoder.yaml"
EXIT_REJECTS = 3
_SHOWN = 20  # notices that are printed; the cache keeps all


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "-c", "--config", default=DEFAULT_CONFIG, metavar="FILE", help="YAML file; by default the demo's corpus"
    )
    parser.add_argument(
        "--processes", type=int, metavar="N", help="readers; by default one a core, fewer for a small corpus"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no notices")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="config values, e.g. data.root=DIR data.cache_dir=DIR"
    )
    arguments = parser.parse_intermixed_args(argv)
    logging.basicConfig(level=logging.ERROR if arguments.quiet else logging.INFO, format="%(message)s")
    data = load_config(arguments.config, arguments.overrides).data
    report = build_cache(data, arguments.processes, progress=not arguments.quiet)
    for line in summary(report, with_notices=not arguments.quiet):
        print(line)
    if not report.used:
        print(f"error: nothing built: none of the {len(report.rejects)} recordings can be used", file=sys.stderr)
        return 1
    return EXIT_REJECTS if report.rejects else 0


def summary(report: BuildReport, *, with_notices: bool = True) -> list[str]:
    """What the command says at the end: notices, then rejects, then the count."""
    lines = []
    if with_notices:
        lines += [f"notice: {recording_id}: {text}" for recording_id, text in report.notices[:_SHOWN]]
        if len(report.notices) > _SHOWN:
            lines.append(f"notice: and {len(report.notices) - _SHOWN} more")
    lines += [f"rejected: {recording_id}: {reason}" for recording_id, reason in report.rejects]
    if report.removed:
        lines.append(f"removed: {', '.join(report.removed[:_SHOWN])}{', ...' * (len(report.removed) > _SHOWN)}")
    if with_notices or report.added or report.reread or report.removed:
        lines.append(
            f"{len(report.kept)} used from before, {len(report.added)} added, {len(report.reread)} read again,"
            f" {len(report.rejects)} rejected, {len(report.removed)} removed from the corpus"
        )
    where = f" in {report.path}" if report.path else ""
    lines.append(f"{len(report.used)} recordings used{where}, {len(report.rejects)} rejected")
    return lines


if __name__ == "__main__":
    sys.exit(main())
