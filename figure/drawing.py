"""Drawing with Matplotlib without a screen, and saving what was drawn."""

import io
import warnings

from datasets.files import write_atomically


def pyplot(show):
    """matplotlib.pyplot, which asks for a screen only if the figure is to be shown."""
    import matplotlib

    if not show:
        matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def save_figure(figure, path, show=False):
    """Write a figure as a PNG file, whole or not at all, and print its path; then show it in a window, too."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters in a file name that the font does not have
        figure.savefig(content, format="png")
    write_atomically(path, lambda file: file.write(content.getbuffer()))
    print(f"figure: {path}")
    if show:
        pyplot(show).show()
    pyplot(show).close(figure)
