"""What libraries warn of does not reach the screen."""

from __future__ import annotations

import sys
import warnings

from textgraft import cli


def warn() -> None:
    warnings.warn("lbfgs failed to converge", RuntimeWarning, stacklevel=1)


def test_warnings_stay_off_the_screen_unless_they_are_asked_for(monkeypatch):
    monkeypatch.setattr(cli, "app", warn)
    for options, seen in (([], 0), (["default"], 1)):
        monkeypatch.setattr(sys, "warnoptions", options)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            cli.main()
        assert len(caught) == seen
