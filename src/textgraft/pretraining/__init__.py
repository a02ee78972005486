"""From raw text to a language model: corpus, tokenizer, objectives."""
