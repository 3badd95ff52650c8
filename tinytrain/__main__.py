"""`python -m tinytrain`: see `cli/main.py`."""

from tinytrain.cli.main import console_script

if __name__ == "__main__":
    console_script()
