"""The command line: `main` finds a command's file, `options` has the flags that they share."""

from tinytrain.cli.exit import exit_status
from tinytrain.cli.options import Parser, natural, positive

__all__ = ["Parser", "exit_status", "natural", "positive"]
