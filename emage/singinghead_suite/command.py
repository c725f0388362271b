"""`emage evaluate singinghead`: what it does and prints."""

import argparse
import sys

from emage.singinghead_suite.suite import evaluate_singinghead

EXIT_LEFT_OUT = 3  # as tools/build_cache.py: done, but not with everything


def run_singinghead(arguments: argparse.Namespace) -> int:
    """Runs the command; the exit code is 0, or 3 if something was left out."""
    report = evaluate_singinghead(
        arguments.root,
        flame=arguments.flame,
        image_size=arguments.image_size,
        frame_interval=arguments.frame_interval,
        seed=arguments.seed,
    )
    sys.stdout.write("\n".join(report.lines()) + "\n")
    return 0 if report.all_used else EXIT_LEFT_OUT
