"""The ideas of the course, a rung each: explained, drawn by the engine, and tried."""

from tinytrain.course.concepts.of_nets import OF_NETS
from tinytrain.course.concepts.of_training import OF_TRAINING

CONCEPTS = OF_NETS | OF_TRAINING  # by the name of the rung
