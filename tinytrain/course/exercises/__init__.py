"""Exercises: functions of the engine to be written anew, each checked against the shipped one.

`exercise` says what an exercise is; those there are stand in `of_data`, `of_nets`, `of_layers`,
`of_optim` and `of_seeds`. `stub` makes the learner's file of the shipped function, `compare`
holds what they wrote against it, `engine` puts it to work, `apart` does both in a process of its
own, and `folder` has the learner's files.
"""

from tinytrain.course.exercises import of_data, of_layers, of_nets, of_optim
from tinytrain.course.exercises.exercise import Exercise

# In the order of the engine.
ORDER = (
    of_data.SHUFFLE,
    of_nets.RECEPTIVE_FIELD,
    of_layers.LOG_SOFTMAX,
    of_layers.BATCH_NORM_BACKWARD,
    of_optim.ADAM,
)
EXERCISES = {exercise.name: exercise for exercise in ORDER}

__all__ = ["EXERCISES", "Exercise"]
