"""Vectors to texts: the pipeline "image-to-text", on the features of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np
import torch

from textgraft.errors import ModelError, OptionError
from textgraft.inference.pipelines.options import CallOptions
from textgraft.inference.pipelines.sources import Source
from textgraft.inference.pipelines.written_texts import WritingOptions, WritingPipeline
from textgraft.tasks.generation.captioning import Captioning


class ImageToTextPipeline(WritingPipeline):
    """Caption vectors: lists of numbers, arrays and tensors, one [width] or many [rows, width].

    Example::

        >>> caption = pipeline("image-to-text", "my-captioner")
        >>> caption([0.1, 0.7, 0.3])
        [{'generated_text': 'a red ball'}]
        >>> caption(np.load("vectors.npy"))
        [[{'generated_text': 'a red ball'}], [{'generated_text': 'a dog'}]]

    As in Transformers 4, each of several inputs has a list of its own. It reads no image files: vectors must
    be made of images in the same way as those that the model was trained on.
    """

    task = "image-to-text"
    heads = ("image-to-text",)
    key = "generated"
    takes = "a vector"
    keys = ()

    def own_task(self, source: Source) -> Captioning:
        """Return the task for vectors of the model's width."""
        width = getattr(source.model.config, "vector_size", None)
        if not isinstance(width, int):
            raise ModelError(
                f"{type(source.model).__name__} does not read vectors",
                fix="Give a model that was trained for captioning.",
            )
        return Captioning(width)

    def __call__(self, inputs: Any, **options: Unpack[CallOptions]) -> Any:
        """Return the captions of one vector, or of each of several.

        Args:
            inputs: One vector, or a list, array or generator of them.
            options: As the options class describes them.

        Raises:
            OptionError: An input is no vector of the model's width, or an option is wrong.
        """
        if isinstance(inputs, str | Mapping):
            raise OptionError(
                f"the input is {type(inputs).__name__}, not a vector",
                fix="Give the numbers that stand for the image: this pipeline reads no image files.",
            )
        if isinstance(inputs, np.ndarray | torch.Tensor):
            inputs = inputs.tolist()
        if isinstance(inputs, list | tuple) and inputs and isinstance(inputs[0], int | float):
            return super().__call__([inputs], **options)[0]
        return super().__call__(inputs, **options)

    def results(self, dataset: Any, options: WritingOptions) -> list[Any]:
        """Return the list of captions of each row."""
        return [row if isinstance(row, list) else [row] for row in super().results(dataset, options)]

    def rows(self, inputs: Sequence[Any]) -> Any:
        """Take vectors of the model's width."""
        return self.given.rows([given.tolist() if hasattr(given, "tolist") else given for given in inputs])
