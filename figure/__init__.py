"""What the scripts draw, and the studies that draw more, one script a study: `python -m figure.far` and so on."""
