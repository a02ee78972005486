"""Contenders and encoders as scikit-learn has estimators: for pipelines, cross-validation and grid search.

Texts are a list of strings, an array or a series; also a table of one column, as a ColumnTransformer gives
it.
"""

from __future__ import annotations

from textgraft.sklearn.classifier import TextClassifier
from textgraft.sklearn.encoder import TextEncoder

__all__ = ["TextClassifier", "TextEncoder"]
