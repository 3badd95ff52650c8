"""Make examples/final_net.ipynb from examples/final_net.py, and run it: 15 epochs.

    pip install -e ".[notebook,plots]"
    python examples/make_notebook.py

The functions of the example are in it, word for word. What is around them is its own: a picture of
the digits, the shapes on the way through the net, three questions with folded answers, and, where
the example reads flags, seed and epochs.
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
COMMAND_LINE_IMPORTS = ("sys", "tinytrain.cli.exit", "tinytrain.cli.options")
INTRODUCTION = """\
# {title}

Everything that decides the result stands below, in the order in which it happens: these are the
functions of `examples/final_net.py`.

With or without a GPU it trains on the CPU, some twenty seconds an epoch on one core, less on more.
Without a network, put MNIST's four files into `~/.cache/tinytrain/mnist`."""
SETUP = """\
import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("tinytrain") is None:
    if Path("../tinytrain").is_dir():  # this notebook is in a clone
        sys.path.insert(0, str(Path("..").resolve()))
    else:  # a hosted machine; OWNER has the repository
        %pip install -q git+https://github.com/OWNER/tinytrain"""
LOAD = """\
dataset = data.load("mnist")  # downloads 11 MB once; "synthetic" draws digits instead"""
DIGITS = """\
from matplotlib import pyplot

images, labels = dataset.train.images, dataset.train.labels
_, axes = pyplot.subplots(1, 10, figsize=(10, 1.2))
for digit, axis in enumerate(axes):
    axis.imshow(images[labels == digit][0, 0], cmap="gray_r")
    axis.axis("off")
pyplot.show()
print("images", tuple(images.shape), images.dtype)  # (N, channels, height, width)
print("labels", tuple(labels.shape), labels.dtype)"""
WEIGHTS = """\
**Question 1.** If each of the ten scores had a weight of its own for each pixel, how many weights
would that be? The net below has 7,934 parameters in all. How can it see more with so few?

<details><summary>Answer</summary>

28 × 28 × 10 = 7,840, for a single layer, which would have to learn a stroke anew at every place. A
convolution uses the same kernel at every place: the first one has 8 kernels of 3 × 3, 72 weights,
and computes 8 × 26 × 26 = 5,408 numbers with them.

</details>"""
SHAPES = """\
net = build_net(seed=1)
output = data.batches.normalise(images[:128].float(), dataset.mean, dataset.std)
print(f"{'a batch':<30}{tuple(output.shape)}")
for name, block in net.named_children():
    for layer in block if isinstance(block, nn.Sequential) else [block]:
        output = layer(output)
        if not isinstance(layer, nn.BatchNorm2d | nn.ReLU | nn.Dropout2d):  # they keep the shape
            print(f"{name:<12}{type(layer).__name__:<18}{tuple(output.shape)}")"""
SIDES = """\
**Question 2.** The side shrinks: 28, 26, 24, 12, 10, 8, 8, 1. What takes the pixels away, and why
does the last 3 × 3 convolution, which has a padding of 2 and a dilation of 2, take none?

<details><summary>Answer</summary>

A 3 × 3 kernel fits into a row of n pixels at n − 2 places, and pooling takes the largest of each
2 × 2. With a dilation of 2 the kernel's pixels are two apart, so that it spans 5 and fits at n − 4
places; a padding of 2 on both sides gives these 4 back. The last step is the mean of each map.

</details>

**Question 3.** The net has not been trained. What is its loss, the mean of −log of the probability
that it gives the right digit? Work it out before you run the next cell.

<details><summary>Answer</summary>

About 2.3: it knows nothing, so each of ten digits gets a probability near 1/10, and −log(1/10) is
2.303. A first loss far from that points to a mistake.

</details>"""
LOSS = """\
loss = nn.functional.nll_loss(output, labels[:128])
loss.backward()
name, kernels = next(net.named_parameters())
print(f"loss {loss.item():.3f}")
print(f"{name} {tuple(kernels.shape)}, its gradient {tuple(kernels.grad.shape)}")"""
CHOICE = "seed, epochs = 1, 15"
TRAINING = """\
accuracies = []
for _, score in train_and_test(dataset, seed, epochs):
    accuracies.append(score.accuracy)

parameters = sum(parameter.numel() for parameter in build_net(seed).parameters())
print(report.target.verdict(accuracies, parameters).text)"""
CURVE = """\
pyplot.plot(range(1, len(accuracies) + 1), accuracies, marker="o")
pyplot.axhline(99.4, color="grey", linestyle="--")
pyplot.xlabel("epoch")
pyplot.ylabel("test accuracy, %")
pyplot.show()"""


def notebook():
    """Return the notebook without outputs."""
    source = inspect.getsource(final_net)
    tree = ast.parse(source)
    title = ast.get_docstring(tree).partition("\n")[0].rstrip(".")
    imports = [
        ast.get_source_segment(source, node)
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) and not is_for_command_line(node)
    ]
    build_net, train_and_test = (
        inspect.getsource(function).rstrip()
        for function in (final_net.build_net, final_net.train_and_test)
    )
    code, text = new_code_cell, new_markdown_cell
    cells = [text(INTRODUCTION.format(title=title))]
    cells += map(code, [SETUP, "\n\n".join(imports), LOAD, DIGITS])
    cells += [text(WEIGHTS), code(build_net), code(SHAPES), text(SIDES), code(LOSS)]
    cells += map(code, [train_and_test, CHOICE, TRAINING, CURVE])
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # the same every time
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def is_for_command_line(node):
    """Whether only the example's command line needs this import."""
    modules = [node.module] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
    return any(module in COMMAND_LINE_IMPORTS for module in modules)


def run(made):
    """Run all cells and keep their outputs in the notebook."""
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
