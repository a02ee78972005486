"""The card of a prompt: whom it asks, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from textgraft.inference.prompting.endpoint import HOST, KEYS, host_of
from textgraft.markdown import code, plain

if TYPE_CHECKING:
    from textgraft.comparison.records.trials import Trial
    from textgraft.inference.prompting.prompt import Prompt
    from textgraft.models.manifest import Manifest


def prompt_card(manifest: Manifest, trial: Trial, prompt: Prompt) -> str:
    """Draw the card as Markdown.

    Args:
        manifest: What textgraft.json holds.
        trial: What it scored.
        prompt: What is asked.
    """
    front = yaml.safe_dump({"library_name": "textgraft", "tags": ["textgraft", manifest.contender]})
    rows = "\n".join(f"| {name} | {value:.4f} |" for name, value in manifest.metrics.items())
    host = host_of(prompt.endpoint)
    asked = trial.cost.asked
    tokens = ""
    if asked and asked.input_tokens is not None and asked.output_tokens is not None:
        tokens = f", with {asked.input_tokens:,.0f} tokens in and {asked.output_tokens:,.0f} out on average"
    unanswered = f" {asked.unanswered} test rows got no label and count as wrong." if asked else ""
    examples = f"{len(prompt.examples)} labelled rows as examples" if prompt.examples else "no example"
    return f"""---
{front}---
# {plain(f"{manifest.contender} for {manifest.data_source}")}

This folder holds a prompt, and no weights. **Every text is sent to {code(host)}**, where
{code(prompt.model)} is asked for one of {len(prompt.labels)} labels, with {examples}.

| test metric | value |
|---|---|
{rows}

One text took {trial.cost.latency_ms_p50:,.0f} ms there (median){tokens}.{unanswered}
It answers with a label alone; there are no probabilities.

```python
import textgraft

model = textgraft.load("path/to/this/folder")
print(model.predict(["A text of your own."]))
```

The key is read from the environment variable {" or ".join(map(code, KEYS))}; it is stored nowhere. Where the
endpoint is another machine, {code(HOST)} must name its host, so that no folder sends texts unasked.
"""
