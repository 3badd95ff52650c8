"""The course: the curriculum's rungs with their lessons, what was measured, and how it is shown.

`ladder` has the rungs, `lessons` what a teacher says about them, `records` what was measured,
`spread` what many seeds show together, `receptive_field` what a net sees, and `published` the
trained net that comes with the code. `tables`, `figures` (the ladder's picture
among them), `plots` (runs by epoch; a net's mistakes, filters, feature maps) make
what `page` puts onto the course's page and `readme` into the README. `exercises` are functions of
the engine to be written anew.
"""
