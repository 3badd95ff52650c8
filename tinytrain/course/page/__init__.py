"""The course as one HTML page."""

from tinytrain.errors import UsageError

try:
    from tinytrain.course.page.build import as_html
except ModuleNotFoundError as error:
    library = (error.name or "a library").partition(".")[0]  # of latex2mathml.converter, too
    needed = f"the page needs {library}; install it with: pip install '.[course]'"
    raise UsageError(needed) from error

__all__ = ["as_html"]
