"""A folder of pictures of your own to a CSV of answers: own_pictures.py FOLDER [RUN]."""

import csv
import sys
from pathlib import Path

import tinytrain
from tinytrain.cli.exit import exit_status
from tinytrain.store import pictures


def main(folder, run_dir=None):
    if not (paths := sorted(Path(folder).glob("*.png"))):
        sys.exit(f"{folder}: expected a folder with .png pictures, found none")
    run = tinytrain.load_run(run_dir)  # without a run, the final net
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", "class", "probability"])
    for path in paths:
        classes, probabilities = run.predict(pictures.rgb_pixels(path).round()[None])
        label = int(classes[0])
        writer.writerow([path.name, run.class_names[label], f"{probabilities[0, label]:.4f}"])


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(*sys.argv[1:3])) if sys.argv[1:] else __doc__)
