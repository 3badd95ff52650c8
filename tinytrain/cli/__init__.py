"""The command line: words to values, flags to what they mean, commands to what they do.

`parser` says what can be asked, without torch; `commands`, `train` and `seeds` do it.
"""

from tinytrain.cli.parser import main
from tinytrain.cli.words import Parser, natural, positive
from tinytrain.errors import exit_status

__all__ = ["Parser", "exit_status", "main", "natural", "positive"]
