"""The command `data`: verify a data set, show what is in it, or make one."""

from __future__ import annotations

import argparse

from tinytrain.cli.options import (
    Parser,
    add_data_dir,
    add_data_flags,
    add_path,
    number,
    size,
)

HELP = "Verify a data set, downloading first what is missing, and say where it is."
CONVERT = """\
make a data set, four IDX files in a folder, of images in other forms; SOURCE is
  a folder           with train/CLASS/*.png and test/CLASS/*.png (or .jpg), or with CLASS/*.png
                     and --test-share 0.2; needs Pillow (pip install '.[images]')
  one .npz           with x_train, y_train, x_test, y_test, or train_images, train_labels, …
  .npy or IDX files  with names that say so: x_train.npy y_train.npy x_test.npy y_test.npy
  CSV files          of lines "label, pixel, pixel, …": mnist_train.csv mnist_test.csv
Pixels are whole numbers from 0 to 255 and stay what they are: grey (N, H, W), colour (N, 3, H, W)
or (N, H, W, 3). Labels are 0 to 255. EMNIST, whose images are transposed, is converted by
  data convert emnist-letters-*-ubyte.gz --transpose --output emnist-letters
"""


def add_flags(parser: Parser) -> None:
    """The words that may follow `data`."""
    add_data_flags(parser)
    commands = parser.add_subparsers(dest="what", metavar="verify | info | convert", title="or")
    help = "show what is in a data set: classes, counts, sizes, mean, digests, some images"
    info = commands.add_parser("info", help=help, description=help, allow_abbrev=False)
    add_data_flags(info, data_dir=argparse.SUPPRESS)  # what stands before `info` holds, too
    picture = "the picture of some images (default: runs/NAME-samples.png)"
    add_path(info, "--output", picture)
    info.set_defaults(parser=info)
    help = "read every byte of a data set, compare, and keep what was found as its manifest.json"
    verify = commands.add_parser("verify", help=help, description=help, allow_abbrev=False)
    add_set(verify)
    help = "make a data set, four IDX files in a folder, of images in other forms"
    convert = commands.add_parser(
        "convert",
        help=help,
        description=CONVERT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    convert.set_defaults(parser=convert)
    add_path(convert, "sources", "see above", nargs="+", metavar="SOURCE")
    add_path(convert, "--output", "the new folder; train with --dataset FOLDER", required=True)
    share = "where nothing says what is the test: this share of every class, always the same"
    convert.add_argument(
        "--test-share", type=number(float, 0.001, 0.999), help=share, metavar="SHARE"
    )
    high = "the size of images that are only a row of pixels (default: they are square)"
    convert.add_argument("--size", type=size, metavar="HEIGHTxWIDTH", help=high)
    convert.add_argument("--transpose", action="store_true", help="swap rows and columns")


def add_set(command: argparse.ArgumentParser) -> None:
    """A data set, named without a flag, and where it is."""
    named = "mnist, fashion-mnist, kmnist, synthetic, or a folder (default: mnist)"
    missing = argparse.SUPPRESS  # what stands before the word holds, too
    command.add_argument("dataset", nargs="?", default=missing, metavar="SET", help=named)
    add_data_dir(command, missing)
    command.set_defaults(parser=command)


def run(options: argparse.Namespace) -> None:
    """Verify a data set; show what is in it; make one of what people have, or of another."""
    from tinytrain.cli.convert import convert
    from tinytrain.cli.look import show_data, verify_data

    words = {"info": show_data, "convert": convert}
    words.get(options.what, verify_data)(options)
