"""`python -m tinytrain`: see `cli.py`."""

import sys

from tinytrain.cli import main

if __name__ == "__main__":
    sys.exit(main())
