"""A chain of models as one model: a cheap one first, a better one where it is unsure."""
