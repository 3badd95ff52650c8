"""`python -m tinytrain`: see `cli/parser.py`."""

import os
import signal
import sys
import warnings

from tinytrain.cli.parser import main
from tinytrain.runs.signals import SIGNALS

if __name__ == "__main__":
    if not sys.warnoptions:  # where a line is promised, libraries say nothing besides
        warnings.simplefilter("ignore")
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    status = main()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # all is said and saved: it is too late to stop
    sys.exit(status)
