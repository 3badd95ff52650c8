"""The words of the commands that train nothing: recipes, runs, pictures, exercises.

Part of the parser, so without torch: what these commands do is in files of their names.
"""

from __future__ import annotations

import argparse
from typing import Protocol

from tinytrain.cli.flags import (
    add_data_dir,
    add_field_flags,
    add_machine_flags,
    add_path,
    add_switch,
)
from tinytrain.cli.recipe_files import named
from tinytrain.cli.words import natural, number

PICTURES = {
    "overview": "an image of each class that it gets right, and ten that it gets wrong",
    "mistakes": "the mistakes on test images that it is surest of, each with its number",
    "confusion": "how often it takes which class for which",
    "filters": "the kernels of its first convolution: red is positive, blue negative",
    "maps": "an image, and what the channels of each layer answer to it",
    "augmentation": "what the augmentation of its recipe makes of training images",
}

DOCTOR = """\
Look at all that a training rests on, a line each: ok, warning, or FAILED and what to do

  versions   of tinytrain, torch, Python and numpy, and whether these were tried
  threads    of torch, cores, whether something else uses them; devices
  data       each set that is in the data folder, read whole and compared with its digest
  mirrors    which of them answer within seconds; --offline leaves them out
  space      free for data and for runs, and whether it may be written
  runs       below ./runs that a process holds
  self-test  the gradients of the layers against finite differences, and twenty steps of training
             against the losses that they have elsewhere
  speed      seconds that an epoch of `train` will take here

Nothing is fetched, drawn or written. The exit status is 0 when nothing FAILED, 3 where data are
damaged, 1 where the self-test fails. Put what it prints into a report of something odd.
"""

EXERCISE = """\
Build the engine yourself, function by function: you get the signature, the docstring and why it is
needed, and write the body. A check compares values and gradients with the shipped function's over
drawn cases, shows the smallest that differs, and trains with your function in the engine.

  list      the exercises in the order of the engine, and which are done
  start     write the stub of one into your folder, to be filled in with your editor
  check     one, or all that are started; exit status 0 where passed, 1 where not yet, 2 where the
            file cannot be checked. What your file prints is shown, its first 20 lines
  watch     check each file when it is saved, until Ctrl-C
  hint      the first of three hints, then the second, then the third
  solution  the shipped function; diff: what differs from your file. After success, or --give-up
  reset     a new stub; what you had stays beside it

Your folder (exercises, or --folder) is yours: nothing in it is ever written over. progress.json
there can be deleted; a check says again what it said.
"""


class Command(Protocol):
    """Adds a command, with one line of help and a description, and returns its parser."""

    def __call__(self, name: str, help: str, description: str) -> argparse.ArgumentParser: ...


def add_recipe(command: Command) -> None:
    """The command `recipe`."""
    recipe = command(
        "recipe",
        "list the recipes, or show one whole",
        "Without more words, or with list: every recipe, and what it changes in its base. With "
        "show: one of them whole, as JSON. Kept in a file (recipe show final > mine.json) and "
        "changed, it is a recipe of your own: train --recipe mine.json. A field that you delete "
        "there is the base's.",
    )
    kinds = recipe.add_subparsers(dest="what", metavar="list|show")
    recipe.set_defaults(what="list")
    kinds.add_parser("list", allow_abbrev=False).set_defaults(parser=recipe)
    show = kinds.add_parser("show", allow_abbrev=False)
    show.set_defaults(parser=show)
    show.add_argument(
        "recipe",
        nargs="?",
        type=named,
        default=named("final"),
        metavar="NAME|FILE.json",
        help="the recipe (default: final)",
    )
    add_field_flags(show.add_argument_group("what to change in it"))


def add_runs(command: Command) -> None:
    """The command `runs`."""
    runs = command(
        "runs",
        "list runs, or compare two",
        "List the runs below folders: the recipe that each is nearest to and what was overridden, "
        "data, seed, epochs, accuracy of the last epoch and mean of the last five, verdict, time. "
        "'runs compare RUN RUN' says what differs between two, and what came of it.",
    )
    folders = "where to look (default: runs); or compare, and two runs"
    runs.add_argument("folders", nargs="*", metavar="FOLDER", help=folders)
    runs.add_argument("--json", action="store_true", help="as JSON, for tools")


def add_predict(command: Command) -> None:
    """The command `predict`."""
    predict = command(
        "predict",
        "say what is in an image",
        "Show images as a net sees them, with the classes and how probable it takes them to be. "
        "For nets of MNIST, or of other grey data of 28 × 28 pixels, a digit may be of any size, "
        "light on dark or dark on light: it is cut out, made 20 pixels high or wide and centred "
        "by its mass, as MNIST's were. For other nets (those of fashion-mnist and kmnist among "
        "them) images are resized to the size of their data.",
    )
    add_path(predict, "images", "a PNG, JPEG or IDX file", nargs="+", metavar="IMAGE")
    add_path(
        predict, "--run-dir", "the run's folder (default: the final net, which comes with it)"
    )
    which = "which image of an IDX file, from 0"
    predict.add_argument("--index", type=natural, metavar="N", help=which)
    add_data_dir(predict)
    add_path(predict, "--output", "a picture of each image as it is and as the net sees it")


def add_gallery(command: Command) -> None:
    """The command `gallery`."""
    gallery = command(
        "gallery",
        "draw a net at work",
        "Draw what a run's net, or the final net that comes with tinytrain, makes of images.",
    )
    listed = (f"  {name:<14}{said}" for name, said in PICTURES.items())
    gallery.epilog = "\n".join(["pictures:", *listed])
    gallery.formatter_class = argparse.RawDescriptionHelpFormatter
    gallery.add_argument("picture", choices=PICTURES, help="what to draw, see below")
    add_path(gallery, "--run-dir", "the run's folder")
    digit = "the image with this number, from 0: of the test images (for maps; default: 0), or of "
    digit += "the training images (for augmentation; default: a 2, a 5 and an 8)"
    gallery.add_argument("--digit", type=natural, metavar="N", help=digit)
    add_data_dir(gallery)
    add_path(gallery, "--output", "the picture (default: runs/PICTURE.png)")


def add_doctor(command: Command) -> None:
    """The command `doctor`."""
    doctor = command("doctor", "say what is wrong on this machine, if anything", DOCTOR)
    doctor.formatter_class = argparse.RawDescriptionHelpFormatter
    add_data_dir(doctor)
    add_switch(doctor, "--offline", "ask no mirror")
    add_machine_flags(doctor)


def add_exercise(command: Command) -> None:
    """The command `exercise`."""
    exercise = command("exercise", "build the engine yourself, checked", EXERCISE)
    exercise.formatter_class = argparse.RawDescriptionHelpFormatter
    words = exercise.add_subparsers(dest="what", metavar="WORD", required=True)

    def word(name: str, help: str, one: bool = True) -> argparse.ArgumentParser:
        added = words.add_parser(name, help=help, description=help, allow_abbrev=False)
        added.set_defaults(parser=added)
        if one:
            several = "?" if name == "check" else None
            named = "the exercise, as `list` names it"
            added.add_argument("name", metavar="NAME", help=named, nargs=several)
        add_path(added, "--folder", "your folder", "exercises")
        return added

    listed = word("list", "the exercises, and which are done", one=False)
    listed.add_argument("--json", action="store_true", help="as JSON, for tools")
    answers = "for teachers: every exercise with its hints and its answer"
    listed.add_argument("--answers", action="store_true", help=answers)
    add_path(listed, "--output", "with --answers: as a page, FILE.html")
    word("start", "write the stub of an exercise into your folder")
    check = word("check", "check an exercise, or all that are started")
    check.add_argument("--json", action="store_true", help="as JSON, for tools")
    watch = word("watch", "check each file when it is saved", one=False)
    for added in check, watch:
        limit = "seconds after which a check is stopped (default: 60)"
        added.add_argument("--limit", type=number(float, 0.1, 86400), default=60.0, help=limit)
    word("hint", "the next of three hints")
    anyway = "show it though the exercise is not passed"
    for name, help in (("diff", "your file against the answer"), ("solution", "the answer")):
        word(name, help).add_argument("--give-up", action="store_true", help=anyway)
    word("reset", "a new stub; the old file stays beside it")
