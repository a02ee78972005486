"""Options as the Hub's clients send them, beside those of a pipeline."""

from textgraft.serving.routes.pipelines import of_clients


def test_options_within_options_are_taken_out():
    given = {
        "num_beams": 2,
        "generate_parameters": {"max_new_tokens": 5},
        "clean_up_tokenization_spaces": True,
    }
    assert of_clients(given) == {"num_beams": 2, "max_new_tokens": 5}


def test_what_would_not_be_done_is_left_for_the_pipeline_to_refuse():
    given = {"generate_parameters": "five", "clean_up_tokenization_spaces": False}
    assert of_clients(given) == given
    assert of_clients({"generate_parameters": None}) == {}
