"""Makes examples/final_net.ipynb of examples/final_net.py, and runs it: make notebook

The notebook's cells are the example's functions as they stand, so the two cannot drift apart.
Only its last cells are its own: where the example reads flags, they choose, train and draw.
"""

import ast
import inspect
import sys
from pathlib import Path

import final_net
import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PATH = Path(__file__).with_name("final_net.ipynb")
LEFT_OUT = ("sys", "tinytrain.cli")  # what only the command line needs
INTRODUCTION = """\
# {title}

Everything that decides the result stands below, in the order in which it happens: these are the
functions of `examples/final_net.py`.

tinytrain has to be installed where this runs; on a hosted machine, in a cell before this one:
`%pip install` and the address of the repository. With or without a GPU it trains on the CPU, some
twenty seconds an epoch on one core, less on more; without a network, put MNIST's four files into
`~/.cache/tinytrain/mnist`."""
CHOICE = """\
seed, epochs = 1, 15
dataset = data.load("mnist")"""
TRAINING = """\
accuracies = []
for _, score in train_and_test(dataset, seed, epochs):
    accuracies.append(score.accuracy)

parameters = sum(parameter.numel() for parameter in build_net(seed).parameters())
print(train.target.verdict(accuracies, parameters).text)"""
PICTURE = """\
from matplotlib import pyplot

pyplot.plot(range(1, len(accuracies) + 1), accuracies, marker="o")
pyplot.axhline(99.4, color="grey", linestyle="--")
pyplot.xlabel("epoch")
pyplot.ylabel("test accuracy, %")
pyplot.show()"""


def notebook():
    """The notebook without outputs."""
    source = inspect.getsource(final_net)
    lines, tree = source.splitlines(), ast.parse(source)
    title = ast.get_docstring(tree).partition("\n")[0].rstrip(".")
    imports = [
        ast.get_source_segment(source, node)
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) and not only_for_flags(node)
    ]
    functions = [
        "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name != "main"
    ]
    cells = [new_markdown_cell(INTRODUCTION.format(title=title))]
    codes = ["\n\n".join(imports), *functions, CHOICE, TRAINING, PICTURE]
    cells += [new_code_cell(code) for code in codes]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # the same every time
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def only_for_flags(node):
    """Whether an import is for the command line alone."""
    names = [node.module] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
    return any(name in LEFT_OUT for name in names)


def run(made):
    """Run all cells, here; their outputs are in the notebook afterwards."""
    NotebookClient(made, timeout=None, kernel_name="python3").execute()
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # the time of day
    made.metadata.pop("language_info", None)
    return made


def main():
    made = run(notebook())
    nbformat.validate(made)
    PATH.write_text(nbformat.writes(made) + "\n")
    print(f"The notebook is {PATH}")


if __name__ == "__main__":
    sys.exit(main())
