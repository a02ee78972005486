"""``python -m textgraft`` is the command ``textgraft``."""

from textgraft.cli import main

if __name__ == "__main__":
    main()
