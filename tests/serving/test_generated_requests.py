"""Requests made up from the OpenAPI description, right ones and wrong ones: all checks of schemathesis."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.review.made import items
from tests.serving.running import running
from tests.tiny_encoders import save_tiny_encoder
from textgraft.inspection.word_view import WordView
from textgraft.models.encoders import resolve_encoder
from textgraft.review.store import ReviewStore
from textgraft.serving.limits import Limits
from textgraft.serving.viewing import ServedView

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
checks = pytest.importorskip("schemathesis.specs.openapi.checks", reason="schemathesis is not installed")
EXAMPLES = 12
"""Of each route: some two hundred requests."""
MANY = 700
BY_TASK = ("/predict", "/pipelines/{task}", "/models/{name}", "/", "/review/decide", "/view/nearest")
"""What these take depends on the model, on the item or on the text: no description can say it."""


@pytest.fixture(scope="module")
def bounded(models, tmp_path_factory):
    """A service whose texts are too short to have too many tokens, which no description can say."""
    path = tmp_path_factory.mktemp("review") / "review.db"
    with ReviewStore(path) as store:
        store.add(items(20))
    source = resolve_encoder(save_tiny_encoder(tmp_path_factory.mktemp("view"), "bert"))
    view = ServedView(WordView(source), "tiny")
    viewed = [replace(models[0], view=lambda: view), models[1]]
    with running(viewed, limits=Limits(max_characters=60, max_texts=20), review=path) as found:
        yield found


@pytest.fixture(scope="module")
def described(bounded):
    return schemathesis.openapi.from_url(f"{bounded.url}/openapi.json")


def check_all(described, bounded, many, **chosen):
    """Ask every route; return how many requests there were."""
    asked = 0
    for operation in (found.ok() for found in described.get_all_operations()):
        for mode in schemathesis.GenerationMode:
            if mode == schemathesis.GenerationMode.NEGATIVE and not can_be_wrong(operation):
                continue

            @settings(
                max_examples=many if takes_something(operation) else 2,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                **chosen,
            )
            @given(operation.as_strategy(generation_mode=mode))
            def ask(case):
                nonlocal asked
                asked += 1
                unsaid = [checks.positive_data_acceptance] if case.operation.path in BY_TASK else []
                # Some pipelines load torch when they are first asked for.
                case.call_and_validate(excluded_checks=unsaid, timeout=120)
                assert bounded.service.ready

            ask()
    return asked


def can_be_wrong(operation):
    """Return whether something can be of another kind than is asked for: a name in a path cannot."""
    return bool(operation.body) or any(
        parameter.definition["schema"]["type"] != "string" for parameter in operation.path_parameters
    )


def takes_something(operation):
    return bool(operation.body) or bool(operation.path_parameters)


def test_every_answer_is_as_described(described, bounded):
    assert check_all(described, bounded, EXAMPLES, derandomize=True) > 200


@pytest.mark.slow
def test_ten_thousand_requests(described, bounded):
    assert check_all(described, bounded, MANY) >= 10_000
