"""Exercises: functions of the engine to be written anew, each checked against the shipped one.

`exercise` says what an exercise is; those there are stand in `of_data`, `of_images`, `of_nets`,
`of_layers`, `of_norm`, `of_optim`, `of_runs` and `of_seeds`. `stub` makes the learner's file of
the shipped function, `compare` holds what they wrote against it, `engine` puts it to work, `apart`
does both in a process of its own, `printed` takes what that prints, and `folder` has the learner's
files.
"""

from tinytrain.course.exercises import (
    of_data,
    of_images,
    of_layers,
    of_nets,
    of_norm,
    of_optim,
    of_runs,
    of_seeds,
)
from tinytrain.course.exercises.exercise import Exercise

# In the order of the engine.
ORDER = (
    *(of_data.IDX_HEADER, of_data.STEPS, of_data.SHUFFLE, of_data.NORMALISE),
    *(of_nets.OUTPUT_SIZE, of_nets.RECEPTIVE_FIELD, of_nets.PARAMETERS),
    *(of_layers.CONVOLUTION, of_layers.MAX_POOL, of_layers.LOG_SOFTMAX, of_layers.LOSS),
    *(of_norm.BATCH_NORM, of_norm.BATCH_NORM_BACKWARD, of_norm.DROPOUT),
    *(of_optim.SGD, of_optim.ADAM, of_runs.WARMUP, of_runs.AVERAGE),
    *(of_images.AFFINE_GRID, of_images.DESKEW),
    *(of_seeds.INTERVAL, of_seeds.VERDICT),
)
EXERCISES = {exercise.name: exercise for exercise in ORDER}

__all__ = ["EXERCISES", "Exercise"]
