"""What happens inside a model: gradients, gates, attention, words in context, and what carries an answer."""

from textgraft.inspection import inspect

__all__ = ["inspect"]
