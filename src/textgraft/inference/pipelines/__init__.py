"""Pipelines: a name and a model, texts in, plain Python values out."""
