"""The course as one HTML page, and the answers of the exercises as another one."""

from tinytrain.errors import UsageError

try:
    from tinytrain.course.page.build import answers_as_html, as_html
except ModuleNotFoundError as error:
    library = (error.name or "a library").partition(".")[0]  # of latex2mathml.converter, too
    needed = f"the page needs {library}; install it with: pip install '.[course]'"
    raise UsageError(needed) from error

__all__ = ["answers_as_html", "as_html"]
