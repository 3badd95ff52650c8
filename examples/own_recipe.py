"""Label smoothing, cosine and clipping over seeds, compared with the plain recipe."""

import sys

from tinytrain.cli.main import main as tinytrain

CHANGES = ["--loss=label-smoothing=0.1", "--schedule=cosine", "--clip=1"]


def main(folder, *words):
    """The exit status of the first command that fails, as after Ctrl-C, or 0."""
    folders = f"{folder}/plain", f"{folder}/changed"
    return (
        tinytrain(["seeds", f"--run-dir={folders[0]}", *words])
        or tinytrain(["seeds", f"--run-dir={folders[1]}", *words, *CHANGES])
        or tinytrain(["runs", "compare", *folders])
    )


if __name__ == "__main__":
    sys.exit(main("runs/own-recipe", *sys.argv[1:]))
