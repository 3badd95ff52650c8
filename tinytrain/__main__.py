"""`python -m tinytrain`: see `cli/parser.py`."""

import signal
import sys

from tinytrain.cli.parser import main
from tinytrain.signals import SIGNALS

if __name__ == "__main__":
    status = main()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # all is said and saved: it is too late to stop
    sys.exit(status)
