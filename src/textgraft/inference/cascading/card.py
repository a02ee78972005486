"""The card of a chain of models: its parts, who answers what, and how it was measured."""

from __future__ import annotations

import yaml

from textgraft import wording
from textgraft.inference.cascading.record import Cascade
from textgraft.markdown import plain
from textgraft.models.manifest import Manifest


def cascade_card(manifest: Manifest, found: Cascade) -> str:
    """Draw the card as Markdown.

    Args:
        manifest: What textgraft.json holds.
        found: How the chain was chosen, and what it was measured to be.
    """
    front = yaml.safe_dump(
        {
            "library_name": "textgraft",
            "pipeline_tag": "text-classification",
            "tags": ["textgraft", manifest.contender],
        },
        sort_keys=False,
    )
    lines = "\n".join(
        f"| {plain(entry.name)} | {wording.score(entry.score.value)} ({wording.interval(entry.score)}) | "
        f"{entry.milliseconds:.3g} | {entry.answered:.0%} |"
        for entry in (*found.parts, found.chain)
    )
    told = "\n".join(
        f"- {plain(line)}" for line in found.sentences[: len(found.sentences) - (found.threshold is not None)]
    )
    labels = ", ".join(map(plain, manifest.task_settings["labels"][:40]))
    return f"""---
{front}---
# {plain(f"A cascade for {manifest.data_source}")}

Several models as one: each answers where it is sure enough, the last one the rest. The folder `parts` holds
them, whole. Task: {found.task}; {len(manifest.task_settings["labels"])} labels ({labels}).

| model | {plain(found.title)} (95% interval) | ms a text | answers |
|---|---|---|---|
{lines}

{told}

Times are by the clock, in batches, on the machine that made it. The method is {found.method}; it holds for
texts like those rows.

```python
import textgraft

model = textgraft.load("path/to/this/folder")
prediction = model.predict(["A text of your own."])[0]
print(prediction.label, prediction.score, prediction.part)
```
"""
