"""Labels told by a language model behind an endpoint: what it is asked, how, and what its answers cost."""
