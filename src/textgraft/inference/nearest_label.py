"""Labels told by encodings alone: a text has the label whose sentence is encoded nearest to it.

Nothing is learned, so nothing needs a labelled row (Chang et al. 2008, "Importance of semantic
representation: dataless classification"; with sentence encoders Yin et al. 2019, "Benchmarking zero-shot text
classification"). The logit of a label is the cosine of both encodings times :data:`SCALE`.
"""

from __future__ import annotations

from collections.abc import Sequence

from textgraft.errors import OptionError

SCALE = 20.0
"""What cosines are multiplied by before they become probabilities. Sentence encoders are trained to tell the
right partner of a text from others by a softmax over just these products: 20 is the scale of
sentence-transformers' MultipleNegativesRankingLoss, and the one that all-MiniLM-L6-v2 was trained with. It is
not fitted: that would take labelled rows."""
TEMPLATE = "{}"
"""What is made of a label's name: the name alone, which was the best of six forms on average over five sets
(``benchmarks/zero_shot.py``). "This text is about {}." was better for topics and moods, worse for intents and
kinds of questions."""
ANYTHING = "something"
"""Stands in the template where what is asked is whether a label fits at all."""


def check_template(template: str) -> str:
    """Return a template that has a place for a label.

    Raises:
        OptionError: It has none, or other places than one.
    """
    try:
        has_place = template.format("one") != template.format("two")
    except (IndexError, KeyError, ValueError):
        has_place = False
    if not has_place:
        raise OptionError(
            f"the template {template!r} has no place for a label",
            where="template",
            fix="Write {} where the label is to stand, as in 'This text is about {}.'",
        )
    return template


def hypotheses(words: Sequence[str], template: str = TEMPLATE) -> list[str]:
    """Write the sentence for each of some labels.

    Raises:
        OptionError: The template has no place for a label.
    """
    check_template(template)
    return [template.format(word) for word in words]
