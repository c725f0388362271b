"""The subcommands of `emage`, one a file: each adds its parser and runs it."""
