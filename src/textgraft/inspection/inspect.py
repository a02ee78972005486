"""textgraft.inspect: look into a model.

    textgraft.inspect.gradients("runs/reviews/best", "Not bad at all.")
    textgraft.inspect.reach("recall")                    # small networks on a task of long range
    textgraft.inspect.gates("runs/reviews/best", "Not bad at all.")
    textgraft.inspect.attention("bundled", "The bank was flooded.")
    textgraft.inspect.context("bundled", ["The bank was flooded.", "The bank of the river was flooded."])
    textgraft.inspect.tokens("sentiment", "Not bad at all.")

Each returns a record that a notebook shows; ``write`` makes an HTML page of it, ``table()`` the rows for a
DataFrame, ``to_json()`` all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textgraft.errors import OptionError

if TYPE_CHECKING:
    from textgraft.data.dataset import Dataset
    from textgraft.inference.row_predictor import RowPredictor
    from textgraft.inspection.attention import Attention
    from textgraft.inspection.context.neighbours import Neighbours
    from textgraft.inspection.context.word_in_context import WordInContext
    from textgraft.inspection.gates import GateActivations
    from textgraft.inspection.gradients.experiment import Reach
    from textgraft.inspection.gradients.flow import GradientFlow
    from textgraft.inspection.tokens.attribution import TokenAttributions
    from textgraft.inspection.tokens.deletion import DeletionTest

__all__ = ["attention", "context", "gates", "gradients", "reach", "tokens"]


def gradients(
    model: str | Path | RowPredictor, text: str, *, label: str | None = None, max_length: int | None = None
) -> GradientFlow:
    """Return the gradient of a model's loss with respect to every token and every earlier step.

    As :func:`~textgraft.inspection.gradients.flow.gradient_flow`. Without a model, see :func:`reach`.
    """
    from textgraft.inspection.gradients.flow import gradient_flow

    return gradient_flow(model, text, label=label, max_length=max_length)


def reach(
    task: str = "recall",
    *,
    cells: Sequence[str] | str | None = None,
    steps: Sequence[int] | str | None = None,
    budget: str | float | None = None,
    seed: int = 0,
    on_progress: Callable[[str], None] | None = None,
) -> Reach:
    """Train an Elman RNN, an LSTM, a GRU and a Transformer on a task of long range, and compare.

    As :func:`~textgraft.inspection.gradients.experiment.gradient_reach`; what is left out is as there.
    """
    from textgraft.inspection.gradients.experiment import BUDGET, CELLS, STEPS, gradient_reach

    return gradient_reach(
        task,
        cells=CELLS if cells is None else cells,
        steps=STEPS if steps is None else steps,
        budget=BUDGET if budget is None else budget,
        seed=seed,
        on_progress=on_progress,
    )


def gates(model: str | Path | RowPredictor, text: str, *, max_length: int | None = None) -> GateActivations:
    """Return the gates of an LSTM or GRU over a text, and what the forget gate keeps.

    As :func:`~textgraft.inspection.gates.gate_activations`.
    """
    from textgraft.inspection.gates import gate_activations
    from textgraft.inspection.subject import LONGEST

    return gate_activations(model, text, max_length=max_length or LONGEST)


def attention(model: str | Path | RowPredictor, text: str, *, max_length: int | None = None) -> Attention:
    """Return the attention of every layer and head on a text, or the weights of attention pooling.

    As :func:`~textgraft.inspection.attention.attention`.
    """
    from textgraft.inspection.attention import attention as run
    from textgraft.inspection.subject import LONGEST

    return run(model, text, max_length=max_length or LONGEST)


def context(
    encoder: str | Path,
    sentences: str | Sequence[str] | None = None,
    *,
    word: str | None = None,
    tagged: str | Path | Dataset | None = None,
    seed: int = 0,
) -> Neighbours | WordInContext:
    """Return the nearest words of a word in sentences, or with ``tagged`` how well an encoder tells senses.

    Args:
        encoder: "bundled", a folder or a Hub id.
        sentences: One or several, each with the word.
        word: The word; the longest that all of them have if left out.
        tagged: In place of sentences: texts whose entities are tagged, as a file or a data set.
        seed: Fixes which pairs of tagged sentences are drawn.

    Raises:
        OptionError: There are both sentences and tagged texts, or neither; or a sentence lacks the word.
    """
    from textgraft.data.dataset import Dataset as Rows

    if (sentences is None) == (tagged is None):
        raise OptionError(
            "there is no sentence" if sentences is None else "there are both sentences and tagged texts",
            where="--tagged",
            fix="Give either sentences that share a word, or --tagged FILE.",
        )
    if tagged is not None:
        from textgraft.inspection.context.word_in_context import word_in_context
        from textgraft.tasks.registry import task_class

        rows = tagged if isinstance(tagged, Rows) else task_class("token-classification").read(tagged)
        return word_in_context(encoder, rows, seed=seed)
    from textgraft.inspection.context.neighbours import neighbours

    assert sentences is not None, "one of the two is given"
    return neighbours(encoder, [sentences] if isinstance(sentences, str) else list(sentences), word=word)


def tokens(
    model: str | Path | RowPredictor,
    text: str | None = None,
    *,
    source: str | Path | Dataset | None = None,
    label: str | None = None,
    method: str | None = None,
    rows: int | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> TokenAttributions | DeletionTest:
    """Return which words carry a classifier's answer, or with ``source`` whether words said to carry it do.

    Args:
        model: A model directory, the name of a graft that comes with textgraft, or a loaded model.
        text: One text, whose words are attributed.
        source: In its place many texts, as a file or a data set: the words that carry their answers are left
            out, and as many at random.
        label: The label that is asked about of the one text; the model's answer if left out.
        method: "occlusion" or "integrated-gradients"; both if left out.
        rows: How many of the many texts are taken.
        seed: Fixes which texts are taken, and the random words.
        on_progress: Called with how many of how many texts are done.

    Raises:
        OptionError: There are both a text and a source, or neither; or the model is no classifier.
        MissingExtraError: captum is not installed.
    """
    if (text is None) == (source is None):
        raise OptionError(
            "there is no text" if text is None else "there are both a text and a source",
            fix="Give one of them.",
        )
    if source is not None:
        from textgraft.inspection.tokens.deletion import ROWS, deletion_test

        return deletion_test(
            model,
            source,
            rows=ROWS if rows is None else rows,
            method=method,
            seed=seed,
            on_progress=on_progress,
        )
    from textgraft.inspection.tokens.attribution import token_attributions

    assert text is not None, "one of the two is given"
    return token_attributions(model, text, label=label, method=method)
