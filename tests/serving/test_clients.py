"""Other people's clients."""

import numpy as np
import pytest
from typer.testing import CliRunner

import textgraft
from tests.serving.running import running
from textgraft.cli import app
from textgraft.errors import OptionError, ServiceError
from textgraft.serving.loading import Named, load_models

TEXTS = ["Where is my card?", "hello"]


@pytest.fixture(scope="module")
def everything(models):
    """All shipped models, those of tokens and spans through torch: converting them takes longer."""
    tags, answers, _ = load_models([Named.of("ner"), Named.of("question-answering")], engine="torch")
    with running([*models, tags, answers]) as found:
        yield found


def test_openai(served):
    openai = pytest.importorskip("openai", reason="openai is not installed")
    client = openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)
    expected = textgraft.encode(TEXTS, precision="fp32")
    found = client.embeddings.create(model="bundled", input=TEXTS)
    np.testing.assert_allclose([entry.embedding for entry in found.data], expected, atol=1e-5)
    assert found.usage.prompt_tokens > 4
    floats = client.embeddings.create(model="bundled", input=TEXTS[0], encoding_format="float", dimensions=8)
    assert len(floats.data[0].embedding) == 8
    assert [model.id for model in client.models.list()] == ["bundled", "banking-intents"]
    assert client.models.retrieve("bundled").id == "bundled"
    with pytest.raises(openai.NotFoundError, match="Served: bundled"):
        client.models.retrieve("another")
    with pytest.raises(openai.NotFoundError, match="bundled"):
        client.embeddings.create(model="text-embedding-3-small", input="x")
    with pytest.raises(openai.UnprocessableEntityError, match="empty"):
        client.embeddings.create(model="bundled", input="")


def test_huggingface_hub(everything):
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")

    def client(path):
        return hub.InferenceClient(model=f"{everything.url}{path}", token="none")

    vectors = client("/embed").feature_extraction(TEXTS)
    np.testing.assert_allclose(vectors, textgraft.encode(TEXTS, precision="fp32"), atol=1e-5)
    np.testing.assert_allclose(client("/").feature_extraction(TEXTS), vectors, atol=1e-5)
    chosen = {"truncation_direction": "right", "encoding_format": "float", "truncate": True}
    np.testing.assert_allclose(client("/embed").feature_extraction(TEXTS, **chosen), vectors, atol=1e-5)
    similar = client("/similarity").sentence_similarity("a cat", other_sentences=["a kitten", "tax law"])
    assert similar[0] > similar[1]
    labels = client("/models/banking-intents").text_classification("My card was stolen!", top_k=3)
    assert labels[0].label == "lost_or_stolen_card"
    assert len(labels) == 3
    entities = client("/models/ner").token_classification(
        "John works at Google", aggregation_strategy="simple"
    )
    assert [(entity.entity_group, entity.word) for entity in entities] == [("PER", "John"), ("ORG", "Google")]
    answer = client("/models/question-answering").question_answering(
        question="Who wrote it?", context="It was written by Ada."
    )
    assert answer.answer == "Ada"
    choices = client("/models/bundled").zero_shot_classification(
        "The goalkeeper saved it.", candidate_labels=["food", "sport"]
    )
    assert choices[0].label == "sport"
    with pytest.raises(hub.errors.HfHubHTTPError, match="empty"):
        client("/embed").feature_extraction("")


def test_every_task_answers_by_predict_too(everything):
    tags = everything.post("/predict", {"inputs": "John works at Google", "model": "ner"}).json()
    assert [entity["text"] for entity in tags["entities"]] == ["John", "Google"]
    question = {"question": "Who wrote it?", "context": "It was written by Ada."}
    answer = everything.post("/predict", {"inputs": question, "model": "question-answering"}).json()
    assert answer["text" if "text" in answer else "answer"] == "Ada"
    both = everything.post("/predict", {"inputs": [question] * 2, "model": "question-answering"}).json()
    assert both == [answer] * 2
    wrong = everything.post("/predict", {"inputs": "no question", "model": "question-answering"})
    assert wrong.status_code == 422


def test_requests_with_other_options_do_not_share_results(everything):
    ask = {"inputs": "John works at Google"}
    tokens = everything.post("/pipelines/ner", ask).json()
    groups = everything.post(
        "/pipelines/ner", {**ask, "parameters": {"aggregation_strategy": "simple"}}
    ).json()
    assert "entity" in tokens[0]
    assert "entity_group" in groups[0]
    assert everything.post("/pipelines/ner", {"inputs": [ask["inputs"]] * 3}).json() == [tokens] * 3
    assert everything.post("/pipelines/ner", {**ask, "parameters": {"strategy": 1}}).status_code == 422


def test_options_that_are_found_wanting_late_are_told_too(everything):
    refused = everything.post("/pipelines/zero-shot-classification", {"inputs": "The goalkeeper saved it."})
    assert refused.status_code == 422
    assert "no label is given" in refused.json()["error"]


def test_ours(served, tmp_path):
    texts = [*TEXTS, "", "word " * 400, *(f"number {n}" for n in range(300))]
    expected = textgraft.encode(texts, precision="fp32")
    done = []
    with textgraft.Client(served.url) as client:
        found = client.encode(texts, done.append)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert sum(done) == len(texts)
        assert 0 < client.truncated_fraction < 0.2
        np.testing.assert_allclose(client.encode("hello"), expected[1], atol=1e-5)
        raw = client.encode(["hello"], normalize=False)
        np.testing.assert_allclose(raw / np.linalg.norm(raw), expected[1:2], atol=1e-5)
        assert client.encode([]).shape == (0, 384)
        answers = client.predict(["My card was stolen!"] * 2)
        assert [answer["label"] for answer in answers] == ["lost_or_stolen_card"] * 2
        assert client.predict("My card was stolen!") == answers[0]
        assert client.pipeline("text-classification", "My card was stolen!", top_k=1)[0]["score"] > 0.5
        with pytest.raises(ServiceError, match="402 tokens"):
            client.encode(["word " * 400], truncate=False)


def test_a_file_is_encoded_by_a_service_as_here(served, tmp_path):
    (tmp_path / "texts.csv").write_text("id,text\n1,hello\n2,\n3,Where is my card?\n")
    for name, options in {"here": ["--precision", "fp32"], "there": ["--url", served.url]}.items():
        asked = [
            "encode",
            str(tmp_path / "texts.csv"),
            "-t",
            "text",
            "-o",
            str(tmp_path / f"{name}.npy"),
            *options,
        ]
        ended = CliRunner().invoke(app, asked)
        assert ended.exit_code == 0, ended.output
    here, there = (np.load(tmp_path / f"{name}.npy") for name in ("here", "there"))
    np.testing.assert_allclose(there, here, atol=1e-5)
    wrong = CliRunner().invoke(app, [*asked, "--overwrite", "--precision", "bf16"])
    assert isinstance(wrong.exception, OptionError)
