"""textgraft: which generation of NLP does your text need? Measured, and handed over ready to serve."""

__version__ = "0.1.0"
