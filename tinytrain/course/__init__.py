"""The course: the curriculum's rungs with lessons and results, the page, the exercises.

`rungs/` has a lesson for each rung and `texts/` the other texts, as Markdown; `records/` has the
measured runs. `ladder` has the rungs, `page` builds the HTML page, `readme` the tables and
pictures of the repository, and `exercises` are functions of the engine to write anew.
"""
