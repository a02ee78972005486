"""Where a report's page and its record belong, and what must not be replaced."""

from __future__ import annotations

from pathlib import Path

from textgraft.files import refuse_to_replace


def report_paths(report: str | Path) -> tuple[Path, Path]:
    """Return where the page and the record of a report belong.

    Args:
        report: A file that ends in .html, beside which the record is written, or a folder for both.
    """
    path = Path(report)
    page = path if path.suffix.lower() in (".html", ".htm") else path / "report.html"
    return page, page.with_suffix(".json")


def refuse_report(report: str | Path, *, overwrite: bool) -> None:
    """Refuse a report where one stands already.

    Raises:
        OutputError: It would replace a file, and may not.
    """
    for path in report_paths(report):
        refuse_to_replace(path, overwrite=overwrite)
