"""The command `export`: a run's net as a state dict, a .npz or a torch.nn program.

The program is written from the net itself: a layer of `tinytrain.nn` has the name, the arguments
and the defaults of its counterpart in `torch.nn`, and keeps each argument under its name.
"""

from __future__ import annotations

import argparse
import inspect
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tinytrain.cli.options import Parser, add_path
from tinytrain.errors import UsageError
from tinytrain.store.files import make_folder, write_file

if TYPE_CHECKING:
    from tinytrain import nn
    from tinytrain.runs.settings import Settings

HELP = """\
Write the net of a run, with averaged weights where it averages, as

  state-dict  weights.pt: torch.load reads it, and the equivalent torch.nn module takes it
  npz         weights.npz: an array for each name of the state dict, which numpy.load reads
  torch       net.py, a torch.nn program that needs torch alone, and its weights in net.pt; what it
              takes and gives, and the call that makes ONNX of it, stand at its top, and `python
              net.py` prints its shapes. A net with a layer of your own has no such program

into the run's folder, or to --output. ONNX needs the extra "onnx": pip install -e ".[onnx]".
"""
FILES = {"state-dict": "weights.pt", "npz": "weights.npz", "torch": "net.py"}  # by format
SIZES = ("kernel_size", "stride", "padding", "dilation")  # arguments where 3 means (3, 3)
PROGRAM = '''\
"""The net of the run {run} as a torch.nn program, which needs torch alone.

`load()` gives it in evaluation mode, with the weights in {weights} beside this file.

Input: float32 (N, {shape}), made by `normalise` of pixels from 0 to 255. The mean {mean:.4f} and
the standard deviation {std:.4f} are those of {data}, on which the net was trained.
{deskewed}
Output: log-probabilities (N, {classes}).{tta}

    from {name} import load, normalise
    load()(normalise(pixels)).argmax(1)

As ONNX, for any number of images at a time:

    torch.onnx.export(load(), (torch.zeros(2, *SHAPE),), "{name}.onnx", dynamo=True,
                      dynamic_shapes=[{{0: "N"}}], external_data=False)
"""

from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

SHAPE = ({shape})
MEAN, STD = {mean!r}, {std!r}  # of pixels from 0 to 1


def build():
    """The net with new weights."""
    return {source}


def load(path=Path(__file__).with_suffix(".pt")):
    """The trained net, in evaluation mode."""
    net = build()
    net.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return net.eval()


def normalise(pixels):
    """Pixels from 0 to 255, uint8 or floating-point, as the net takes them."""
    return (pixels.float() - 255 * MEAN) / (255 * STD)


if __name__ == "__main__":
    images = torch.zeros(1, *SHAPE)
    print(f"{{'input':<16}}{{tuple(images.shape)}}")
    for name, stage in load().named_children():
        images = stage(images)
        print(f"{{name:<16}}{{tuple(images.shape)}}")
'''


def add_flags(parser: Parser) -> None:
    """Add the flags of `export`."""
    add_path(parser, "--run-dir", "the run's folder", required=True)
    by = "see above (default: as --output ends, else state-dict)"
    parser.add_argument("--format", choices=FILES, help=by)
    files = "weights.pt, weights.npz or net.py in the run"
    add_path(parser, "--output", f"the file (default: {files})")


def run(options: argparse.Namespace) -> None:
    """Write a run's net in the --format asked for, into its folder or to --output."""
    from tinytrain.cli.resolve import read_run

    by_ending = {Path(file).suffix: form for form, file in FILES.items()}
    ending = options.output.suffix if options.output else ""
    form = options.format or by_ending.get(ending, "" if ending else "state-dict")
    if form != "torch" and (not form or by_ending.get(ending, form) != form):
        forms = " or ".join(f"{ending} ({form})" for ending, form in by_ending.items())
        raise UsageError(f"--output {options.output}: expected a name that ends in {forms}")
    output = options.output or options.run_dir / FILES[form]
    trained = read_run(options.run_dir)
    make_folder(output.parent)
    settings, net = trained.settings, trained.net
    if form == "torch":
        require_module_name(output)
        program = as_program(net, settings, output.stem, options.run_dir)
        write_file(output.with_suffix(".pt"), as_state_dict(net))
        write_file(output, program)
    else:
        write_file(output, as_npz(net) if form == "npz" else as_state_dict(net))
    deskewed = " (it was trained on deskewed digits: tinytrain/data/deskew.py)"
    print(f"Written to {output}{deskewed if settings.recipe.deskew else ''}")


def require_module_name(path: Path) -> None:
    """Raise UsageError where `path` is no name of a module, or that of one of Python's own."""
    taken = path.stem in {"torch", *sys.stdlib_module_names}
    if path.suffix != ".py" or not path.stem.isidentifier() or taken:
        raise UsageError(
            f"--output {path}: expected the name of a Python module, such as net.py, that is free"
        )


def as_state_dict(net: nn.Module) -> bytes:
    """The content of a file for `torch.load` and `load_state_dict`."""
    import torch

    buffer = io.BytesIO()
    torch.save({name: value.clone() for name, value in net.state_dict().items()}, buffer)
    return buffer.getvalue()


def as_npz(net: nn.Module) -> bytes:
    """The content of a file for `numpy.load`, without pickle: an array for each name."""
    import numpy

    buffer = io.BytesIO()
    arrays = {name: value.numpy() for name, value in net.state_dict().items()}
    if taken := {"file", "allow_pickle"} & arrays.keys():
        raise UsageError(f"--format npz: numpy.savez takes no array called {taken.pop()}")
    numpy.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def as_program(net: nn.Module, settings: Settings, name: str, run: Path) -> str:
    """The source of the Python module `name`, which builds the net of `run` from `torch.nn`."""
    from tinytrain.nn.inspect import output_of

    shape, tta = settings.image_shape, settings.recipe.tta
    deskewed = "The images were not deskewed."
    if settings.recipe.deskew:
        deskewed = "The images were deskewed, by tinytrain/data/deskew.py: yours have to be, too."
    several = f"\nThe run was tested with the mean over {tta} views of each image; here is one."
    return PROGRAM.format(
        name=name,
        run=quoted(run.resolve().name),
        weights=f"{name}.pt",
        shape=", ".join(map(str, shape)),
        classes=output_of(net, shape).shape[-1],
        mean=settings.mean,
        std=settings.std,
        data=quoted(settings.dataset),
        deskewed=deskewed,
        tta=several if tta > 1 else "",
        source=source(net).replace("\n", "\n    "),
    )


def source(module: nn.Module, name: str = "") -> str:
    """The expression that builds a module from `torch.nn`; `name` is the module's in its net.

    Raises UsageError for a layer that is not one of `tinytrain.nn`.
    """
    from tinytrain import nn

    kind = type(module).__name__
    if vars(nn).get(kind) is not type(module):
        where = f"{name} ({kind})" if name else kind
        raise UsageError(
            f"{where}: a layer of your own, which has no torch.nn source; "
            "export the weights instead: --format state-dict"
        )
    if not isinstance(module, nn.Sequential):
        return f"nn.{kind}({', '.join(arguments(module))})"
    lines = {}
    for child_name, child in module.named_children():
        lines[child_name] = source(child, f"{name}.{child_name}".strip("."))
    if not lines:
        return "nn.Sequential()"
    if list(lines) == [str(number) for number in range(len(lines))]:
        begin, inside, end = "nn.Sequential(", list(lines.values()), ")"
    else:
        begin, end = "nn.Sequential(OrderedDict({", "}))"
        inside = [f"{quoted(child_name)}: {line}" for child_name, line in lines.items()]
    indented = "".join(f"\n{line}," for line in inside).replace("\n", "\n    ")
    return f"{begin}{indented}\n{end}"


def arguments(layer: nn.Module) -> list[str]:
    """The arguments that the layer was made with, without those that are defaults."""
    sources = []
    for name, argument in inspect.signature(type(layer)).parameters.items():
        if name == "generator" or argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            continue  # torch.nn has no such argument; Identity keeps none
        value = getattr(layer, name)
        if name == "dim" and value is None:
            value = 1  # torch would assume it, with a warning
        if name == "bias":
            value = value is not None
        if name in SIZES and isinstance(value, tuple) and len({*value}) == 1:
            value = value[0]
        if argument.default is argument.empty:
            sources.append(repr(value))
        elif value != argument.default:
            sources.append(f"{name}={value!r}")
    return sources


def quoted(text: str) -> str:
    """`text` as Python source that can also stand in a docstring."""
    return json.dumps(text.encode(errors="replace").decode(), ensure_ascii=False)
