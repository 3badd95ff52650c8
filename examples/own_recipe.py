"""Label smoothing, cosine and clipping over seeds, compared with the plain recipe."""

import sys

from tinytrain.cli.main import main as tinytrain

CHANGES = ["--loss=label-smoothing=0.1", "--schedule=cosine", "--clip=1"]


def main(folder, *words):
    folders = f"{folder}/plain", f"{folder}/changed"
    tinytrain(["seeds", f"--run-dir={folders[0]}", *words])
    tinytrain(["seeds", f"--run-dir={folders[1]}", *words, *CHANGES])
    tinytrain(["runs", "compare", *folders])


if __name__ == "__main__":
    main("runs/own-recipe", *sys.argv[1:])
