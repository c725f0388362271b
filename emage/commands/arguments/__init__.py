"""The arguments of each subcommand of `emage`, one subcommand a module.

A module has `add_arguments(parser)`, which sets the parsed arguments' `run` to the function that carries the command out.
It imports neither torch nor the module that does the work until `run` is called, so that help and usage errors are fast.
"""
