"""One HTML file that holds everything it needs: style, script, plots and their library."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from textgraft import wording
from textgraft.reporting.figures import MOST_LABELS, Figure
from textgraft.reporting.terms import term


def render_page(package: str, template: str, figures: Mapping[str, Figure], **values: Any) -> str:
    """Return a page as HTML; texts and labels in it are data, escaped.

    Args:
        package: Whose folder ``templates`` holds the page's template; those of this room are found as well.
        template: Its name.
        figures: Plots by the names of their places: "curves" is drawn into the element ``plot-curves``.
        values: What the template shows; as filters it has the functions of :mod:`textgraft.wording`.
    """
    page = _environment(package).get_template(template)
    return page.render(
        **values,
        most_labels=MOST_LABELS,
        figures=embedded_json(figures),
        plotly_js=Markup(_plotly()),
    )


@functools.cache
def _environment(package: str) -> Environment:
    """Return where templates are found, each compiled once: a run writes its report again and again."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("textgraft.reporting")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "score": wording.score,
        "apart": wording.apart,
        "signed": wording.signed,
        "interval": wording.interval,
        "count": wording.count,
        "about": wording.about,
        "seconds": wording.seconds,
        "milliseconds": wording.milliseconds,
        "megabytes": wording.megabytes,
        "money": wording.money,
        "of_each": wording.of_each,
        "times": wording.times,
        "term": term,
    }
    return environment


@functools.cache
def _plotly() -> str:
    """Return the script that draws plots: of plotly's bundles the smallest that has all of ours."""
    return files("textgraft.reporting").joinpath("plotly", "plotly-cartesian.min.js").read_text("utf-8")


def embedded_json(value: Any) -> Markup:
    """Write JSON that may stand inside a script element whatever the texts in it are."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
