"""The arguments of `emage info`."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  emage info configs/beat/camn.yaml
  emage info runs/demo/camn/best
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `emage info`; the parsed arguments hold `run`."""
    parser.epilog = EXAMPLES
    parser.add_argument("path", type=Path, metavar="CHECKPOINT_OR_CONFIG")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from emage.commands.info import run_info

    return run_info(arguments)
