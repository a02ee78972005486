"""One loop for every model and task."""
