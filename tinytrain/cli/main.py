"""The command line: `python -m tinytrain COMMAND …`, also installed as `tinytrain`.

A command is a file of this folder. It has `HELP` (its description), `add_flags(parser)` and
`run(options)`; its top imports neither torch nor numpy, and `run` imports what it needs. So
`--help` answers at once, and no command loads what another one needs.
"""

import argparse
import importlib
import os
import re
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from tinytrain import __version__
from tinytrain.cli.exit import exit_status
from tinytrain.cli.options import Parser, completed
from tinytrain.errors import ReportedByAnotherWorker, TinytrainError, did_you_mean
from tinytrain.runs.signals import SIGNALS

COMMANDS = {
    "train": "train a net and judge it",
    "seeds": "train a recipe with many seeds",
    "ladder": "climb the curriculum, rung by rung",
    "recipe": "list the recipes, or show one whole",
    "runs": "list runs, or say which of two is better",
    "predict": "say what is in an image",
    "evaluate": "evaluate the net of a run",
    "export": "write the net of a run for other programs",
    "summary": "show a net's layers",
    "data": "fetch, verify and look at a data set, or make one of your images",
    "plot": "draw the curves of runs and seeds, or what a net makes of images",
    "course": "render the curriculum as a page",
    "exercise": "build the engine yourself, checked",
    "doctor": "say what is wrong on this machine, if anything",
}
EPILOG = """\
exit status:
  0 done   1 --require-target and missed, or a worker or a process of `seeds` lost
  2 wrong usage, or a folder that cannot be written
  3 data or a checkpoint missing, damaged or foreign   4 diverged   130 interrupted

begin with:
  python -m tinytrain train       the final net on MNIST, 15 epochs, some seconds each
  python -m tinytrain summary     its layers, shapes, parameters and receptive fields
  python -m tinytrain train --dataset synthetic --epochs 2     without data or network
"""


def console_script() -> None:
    """Run the command line of this process and exit with its status."""
    if not sys.warnoptions:  # where one line is promised, libraries print nothing besides
        warnings.simplefilter("ignore")
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    status = main()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # all is saved and printed: too late to stop
    sys.exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name and return the exit status; none means --help."""
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    return exit_status(lambda: run(words))


def run(words: Sequence[str]) -> None:
    """Run a command. Raises TinytrainError for all that a user can cause."""
    try:
        options = parse(words)
    except TinytrainError as error:
        if int(os.environ.get("RANK", 0)):  # every worker reads the same arguments
            raise ReportedByAnotherWorker from error
        raise
    execute(options)


def execute(options: argparse.Namespace) -> None:
    """Run the command of these flags; what a user's file raises becomes one line."""
    try:
        options.run(options)
    except BaseException as error:  # a user's file may also call sys.exit
        user_file = sys.modules.get("tinytrain.runs.user_file")  # not loaded, it has run no file
        if found := user_file and user_file.explained(error):
            raise found from error
        raise


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command and its flags, with defaults filled in. Raises UsageError.

    Among them are `command`, its `run`, all `words`, and `given`, the settings that were given.
    """
    name = words[0]
    if name not in COMMANDS:
        parser = parser_without_command()
        parser.parse_known_args(words)  # ends with --help and --version
        parser.error(f"{name}: expected a COMMAND{did_you_mean(name, COMMANDS)}")
    command = importlib.import_module(f"tinytrain.cli.{name}")
    parser = new_parser(f" {name}", command.HELP)
    parser.set_defaults(parser=parser, run=command.run, command=name, words=list(words))
    command.add_flags(parser)
    options, unknown = parser.parse_known_args(words[1:])
    if unknown:
        flags = re.findall(r"--[\w-]+", options.parser.format_usage())
        close = did_you_mean(unknown[0].partition("=")[0], flags)
        options.parser.error(f"{unknown[0]}: not known here{close}")
    return completed(options)


def new_parser(name: str, description: str, **more: Any) -> Parser:
    """A parser without flags, of `python -m tinytrain` and `name`."""
    return Parser(
        prog=f"python -m tinytrain{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **more,
    )


def parser_without_command() -> Parser:
    """The parser of --help and --version."""
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {help}" for name, help in COMMANDS.items())
    parser = new_parser(
        "",
        "A minimal training engine: MNIST at 99.4 % with fewer than 8,000 parameters."
        f"\n\ncommands, each with a --help of its own:\n{listed}",
        usage="python -m tinytrain [-h] [--version] COMMAND …",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"tinytrain {__version__}")
    return parser
