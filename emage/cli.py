"""The `emage` command.

The modules of COMMANDS hold the arguments of a subcommand; that of the subcommand in use is imported, no other.
"""

import argparse
import importlib
import sys
from typing import Any, NoReturn

from emage import __version__
from emage.commands.arguments.numbers import NumberError
from emage.errors import InputError, one_line_errors

# Name of a subcommand -> its line in `emage --help`, and the module with `add_arguments`.
COMMANDS: dict[str, tuple[str, str]] = {
    "generate": (
        "motion and face for a sound file, as BVH, ARKit json, Live Link csv, npz and a page to look at",
        "emage.commands.arguments.generate",
    ),
    "view": (
        "one self-contained page that plays results side by side with their sound",
        "emage.commands.arguments.view",
    ),
    "info": (
        "what a checkpoint or config holds: model, layout, fps, parameters, corpus, steps",
        "emage.commands.arguments.info",
    ),
    "evaluate": ("score folders of results", "emage.commands.arguments.evaluate"),
    "convert-face": ("a face from ARKit weights to FLAME codes or back", "emage.commands.arguments.convert_face"),
}
EXAMPLES = """examples:
  emage generate speech.wav --out out
  emage view out/speech.bvh --audio speech.wav
  emage info configs/beat/camn.yaml
  emage info runs/demo/camn/best
  emage evaluate --generated my_system --reference real --audio real/wav
  emage evaluate singinghead --root eval_folder
"""


class _Parser(argparse.ArgumentParser):
    """Reports a usage error as one line and exit code 2."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {' '.join(message.split())}; see {self.prog} --help\n")


class _SubcommandParser(_Parser):
    """Adds the arguments of a subcommand when it parses them, not before.

    Args:
        module: with `add_arguments(parser)`; None: the parser has its arguments already.
    """

    def __init__(self, *args: Any, module: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._module = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._module is not None:
            module, self._module = self._module, None
            importlib.import_module(module).add_arguments(self)
        return super().parse_known_args(args, namespace)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Entry point of the console script `emage`."""
    parser = _Parser(prog="emage", description="Body gesture and face from speech.", epilog=EXAMPLES)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_SubcommandParser)
    for name, (summary, module) in COMMANDS.items():
        commands.add_parser(name, help=summary, module=module)
    try:
        arguments = parser.parse_args(argv)
    except NumberError as error:
        raise InputError(str(error)) from error
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
