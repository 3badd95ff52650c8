"""Training steps on a GPU as one captured graph: `Graph` computes them for `fit`.

`step`: a step as a fixed function of buffers, captured and replayed; `updates`: the optimizers'
steps with every number that changes in a tensor.
"""

from tinytrain.graph.step import Graph

__all__ = ["Graph"]
