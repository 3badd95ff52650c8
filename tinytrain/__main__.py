"""`python -m tinytrain`: see `cli/parser.py`."""

import signal
import sys

from tinytrain.cli.parser import main

if __name__ == "__main__":
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said and saved: Ctrl-C is too late
    sys.exit(status)
