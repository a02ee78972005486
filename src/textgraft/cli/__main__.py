"""``python -m textgraft.cli`` is the command ``textgraft``."""

from textgraft.cli import main

main()
