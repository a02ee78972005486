"""Headers of files that people have: which task they are taken for, and which columns are read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from textgraft.data.dataset import Dataset
from textgraft.errors import DataError
from textgraft.tasks.guessing import guess_task
from textgraft.tasks.registry import task_class

ROWS = 40
WORDS = [
    "the",
    "old",
    "train",
    "was",
    "late",
    "again",
    "nobody",
    "at",
    "small",
    "station",
    "knew",
    "why",
    "it",
    "had",
    "stopped",
]


def cell(kind: str, row: int) -> object:
    """Make a value: what stands in a column of this kind."""
    generator = np.random.default_rng(row)
    words = list(map(str, generator.choice(WORDS, 12)))
    text = f"{' '.join(words)} {row}"
    start = text.index(words[5], len(" ".join(words[:5])))
    tags = ["B-LOC" if place == row % 5 else "O" for place in range(5)]
    return {
        "text": text,
        "long": f"{text} {text} {text}",
        "short": " ".join(words[:4]) + f" {row}",
        "word": words[0] + str(row),
        "class": ("spam", "ham", "other")[row % 3],
        "many": f"intent_{row % 12}",
        "flag": row % 2,
        "mark": int(row % 3 == 0),
        "scale": 1 + row % 5,
        "number": 0.25 * (row % 17),
        "count": row * 7,
        "id": row,
        "key": f"x{row:05}",
        "date": f"2021-03-{1 + row % 28:02}T10:00:{row:02}",
        "list": ["a", "b"] if row % 2 else ["a"],
        "bars": "a|b" if row % 2 else "c",
        "one": [("a", "b")[row % 2]],
        "spans": [{"start": start, "end": start + len(words[5]), "label": "X"}],
        "triples": [[start, start + len(words[5]), "X"]],
        "tokens": words[:5],
        "tags": tags,
        "tagline": " ".join(tags),
        "five": " ".join(words[:5]),
        "answer": str(row),
        "answers": {"text": [str(row)], "answer_start": [len(text) - len(str(row))]},
        "choices": [f"one {row}", f"two {row}", f"three {row}"],
        "index": row % 3,
        "letter": "ABC"[row % 3],
        "vector": [float(row), 1.0, 2.0],
        "none": None,
    }[kind]


CASES = [
    # columns with their kinds, task, text columns, label columns
    ("v1:class v2:text", "classification", "v2", "v1"),
    ("v1:class v2:text :none Unnamed:none", "classification", "v2", "v1"),
    ("text:text label:class", "classification", "text", "label"),
    ("text:text label:flag", "classification", "text", "label"),
    ("id:id text:text is_spam:flag", "classification", "text", "is_spam"),
    ("id:id text:text is_it:flag", "classification", "text", "is_it"),
    ("Id:id Score:scale Summary:short Text:long", "classification", "Text", "Score"),
    (
        "Id:id ProductId:key UserId:key ProfileName:word HelpfulnessNumerator:count Score:scale Time:count "
        "Summary:short Text:long",
        "classification", "Text", "Score",
    ),
    ("sender:word subject:short body:text label:class", "classification", "body", "label"),
    ("text:text entities:spans label:class", "classification", "text", "label"),
    ("review:text sentiment:class", "classification", "review", "sentiment"),
    ("tweet:text target:flag", "classification", "tweet", "target"),
    ("id:id keyword:class location:word text:text target:flag", "classification", "text", "target"),
    ("target:flag ids:key date:date flag:word user:word text:text", "classification", "text", "target"),
    ("qid:key question_text:text target:flag", "classification", "question_text", "target"),
    ("tweet_id:id sentiment:class content:text", "classification", "content", "sentiment"),
    (
        "tweet_id:id airline_sentiment:class airline_sentiment_confidence:number name:word text:text",
        "classification", "text", "airline_sentiment",
    ),
    ("category:class text:text", "classification", "text", "category"),
    ("ArticleId:id Text:text Category:class", "classification", "Text", "Category"),
    ("id:id title:short author:word text:long label:flag", "classification", "text", "label"),
    ("Category:class Resume:long", "classification", "Resume", "Category"),
    ("link:key headline:short category:class short_description:long", "classification", "headline",
     "category"),
    ("Class Index:scale Title:short Description:long", "classification", "Description", "Class Index"),
    ("sentence:text label:flag", "classification", "sentence", "label"),
    ("sentence:text label:flag idx:id", "classification", "sentence", "label"),
    ("text:text label:flag label_text:class", "classification", "text", "label"),
    ("Text:text Emotion:class", "classification", "Text", "Emotion"),
    ("Comment:text Emotion:class", "classification", "Comment", "Emotion"),
    ("utterance:text intent:many", "classification", "utterance", "intent"),
    ("query:text intent:many split:class", "classification", "query", "intent"),
    ("Text:text language:class", "classification", "Text", "language"),
    ("headline:short clickbait:flag", "classification", "headline", "clickbait"),
    ("article_link:key headline:short is_sarcastic:flag", "classification", "headline", "is_sarcastic"),
    (
        "label:flag comment:text author:word subreddit:word score:count date:date parent_comment:long",
        "classification", "comment", "label",
    ),
    ("PhraseId:id SentenceId:id Phrase:text Sentiment:scale", "classification", "Phrase", "Sentiment"),
    ("UserName:id ScreenName:id Location:word TweetAt:date OriginalTweet:text Sentiment:class",
     "classification", "OriginalTweet", "Sentiment"),
    ("textID:key text:text selected_text:short sentiment:class", "classification", "text", "sentiment"),
    ("count:count hate_speech:scale rest:scale class:index tweet:text", "classification", "tweet", "class"),
    ("reviewText:text overall:scale", "classification", "reviewText", "overall"),
    ("review_id:key user_id:key stars:scale text:text useful:count", "classification", "text", "stars"),
    ("text:text labels:one", "classification", "text", "labels"),
    ("claim:text verdict:class", "classification", "claim", "verdict"),
    ("plot:long origin:class", "classification", "plot", "origin"),
    ("question:text category:class", "classification", "question", "category"),
    ("question:text answer:long category:class", "classification", "question", "category"),
    ("de:text label:class", "classification", "de", "label"),
    ("id:key comment_text:text toxic:mark obscene:flag insult:mark",
     "multi-label", "comment_text", "toxic obscene insult"),
    ("text:text labels:list", "multi-label", "text", "labels"),
    ("text:text tags:bars", "multi-label", "text", "tags"),
    ("overview:long genres:list", "multi-label", "overview", "genres"),
    ("text:text rating:number", "regression", "text", "rating"),
    ("text:text score:number id:id", "regression", "text", "score"),
    ("excerpt:long target:number", "regression", "excerpt", "target"),
    ("premise:text hypothesis:text label:class", "pairs", "premise hypothesis", "label"),
    ("question1:text question2:text is_duplicate:flag", "pairs", "question1 question2", "is_duplicate"),
    ("id:id qid1:id qid2:id question1:text question2:text is_duplicate:flag",
     "pairs", "question1 question2", "is_duplicate"),
    ("sentence1:text sentence2:text label:flag idx:id", "pairs", "sentence1 sentence2", "label"),
    ("Quality:flag #1 ID:id #2 ID:id #1 String:text #2 String:text", "pairs", "#1 String #2 String",
     "Quality"),
    ("question:text sentence:text label:flag", "pairs", "question sentence", "label"),
    ("text_a:text text_b:text label:class", "pairs", "text_a text_b", "label"),
    ("sentence1:text sentence2:text score:number", "similarity", "sentence1 sentence2", "score"),
    ("context:text question:short answer:answer", "question-answering", "question context", ""),
    ("id:key title:word context:text question:short answers:answers", "question-answering",
     "question context", ""),
    ("en:text de:text", "translation", "en", "de"),
    ("id:id de_AT:text pt-BR:text", "translation", "de_AT", "pt-BR"),
    ("article:long highlights:short id:key", "summarization", "article", "highlights"),
    ("text:long summary:short", "summarization", "text", "summary"),
    ("id:key dialogue:long summary:short", "summarization", "dialogue", "summary"),
    ("source:text target:short", "text2text", "source", "target"),
    ("input:text output:short", "text2text", "input", "output"),
    ("prompt:text completion:long", "text2text", "prompt", "completion"),
    ("question:text answer:long", "text2text", "question", "answer"),
    ("tokens:tokens ner_tags:tags", "token-classification", "text words", ""),
    ("id:id tokens:tokens ner_tags:tags", "token-classification", "text words", ""),
    ("text:text spans:spans", "token-classification", "text words", ""),
    ("text:text entities:triples", "token-classification", "text words", ""),
    ("id:id text:text label:triples Comments:none", "token-classification", "text words", ""),
    ("text:five labels:tagline", "token-classification", "text words", ""),
    ("id:key question:text choices:choices answerKey:letter", "multiple-choice", "question choices[0] "
     "choices[1] choices[2]", "answerKey"),
    ("question:text A:short B:short C:short answer:letter", "multiple-choice", "question A B C", "answer"),
    ("context:text question:text answer0:short answer1:short answer2:short label:index", "multiple-choice",
     "context question answer0 answer1 answer2", "label"),
    ("image:vector caption:short", "captioning", "image", "caption"),
]  # fmt: skip

NAMED = [
    ("id:id text:text is_spam:flag", "text", "is_spam", "classification"),
    ("Id:id Score:scale Summary:short Text:long", "Text", "Score", "classification"),
    ("Id:id Score:scale Summary:short Text:long", "Summary", None, "classification"),
    ("sender:word subject:short body:text label:class", "body", "label", "classification"),
    ("sender:word subject:short body:text label:class", "subject", "label", "classification"),
    ("text:text entities:spans label:class", "text", "label", "classification"),
    ("text:text entities:spans label:class", "text", "entities", "token-classification"),
    ("en:text de:text topic:class", "en", "topic", "classification"),
    ("en:text de:text topic:class", "en", "de", "translation"),
    ("text:long summary:short topic:class", "text", "topic", "classification"),
    ("text:long summary:short topic:class", "text", "summary", "summarization"),
    ("premise:text hypothesis:text label:class", "premise", "label", "classification"),
    ("premise:text hypothesis:text genre:class label:class", None, "genre", "pairs"),
    ("question:text A:short B:short C:short answer:letter theme:class", "question", "theme",
     "classification"),
    ("context:text question:short answer:answer topic:class", "question", "topic", "classification"),
    ("context:text question:short answer:answer topic:class", "question context", "answer",
     "question-answering"),
    ("comment:text toxic:mark insult:flag threat:mark", "comment", "toxic insult", "multi-label"),
    ("comment:text toxic:mark insult:flag threat:mark", "comment", "insult", "classification"),
    ("tokens:tokens ner_tags:tags text:text label:class", "text", "label", "classification"),
    ("tokens:tokens ner_tags:tags text:text label:class", "tokens", "ner_tags", "token-classification"),
    ("image:vector text:text label:class", "text", "label", "classification"),
    ("text:text price:number label:class", "text", "price", "regression"),
    ("text:text price:number label:class", "text", "label", "classification"),
    ("source:text target:class", "source", "target", "classification"),
    ("v1:class v2:text", "v2", None, "classification"),
]  # fmt: skip


def columns_of(spec: str) -> list[tuple[str, str]]:
    """Read "Class Index:scale Title:short": names may hold spaces, kinds do not."""
    found, name = [], ""
    for part in spec.split(" "):
        left, colon, kind = part.rpartition(":")
        if colon:
            found.append((f"{name} {left}".strip(), kind))
            name = ""
        else:
            name = f"{name} {part}"
    return found


def write(folder, spec: str):
    columns = columns_of(spec)
    path = folder / "rows.jsonl"
    rows = [{name: cell(kind, row) for name, kind in columns} for row in range(ROWS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_as(path, task: str, **named) -> Dataset:
    return task_class(task).read(path, **named)


@pytest.mark.parametrize(("spec", "task", "text", "label"), CASES, ids=[case[0][:60] for case in CASES])
def test_without_names_the_plain_reading_wins(tmp_path, spec, task, text, label):
    path = write(tmp_path, spec)
    guess = guess_task(path)
    assert guess.task == task, guess
    found = read_as(path, task)
    assert list(found.columns) == names_in(spec, text)
    labels = found.label_column if isinstance(found.label_column, tuple) else (found.label_column or "",)
    assert " ".join(labels) == label
    assert not found.rejected


def names_in(spec: str, text: str) -> list[str]:
    known = sorted((name for name, _ in columns_of(spec) if name), key=len, reverse=True)
    found, rest = [], text
    while rest:
        name = next(
            (name for name in known if rest == name or rest.startswith(f"{name} ")), rest.split(" ")[0]
        )
        found.append(name)
        rest = rest[len(name) :].strip()
    return found


@pytest.mark.parametrize(("spec", "text", "label", "task"), NAMED)
def test_what_the_user_names_decides(tmp_path, spec, text, label, task):
    path = write(tmp_path, spec)
    named = {"text": text and text.split(), "label": label and label.split()}
    guess = guess_task(path, **named)
    assert guess.task == task, guess
    found = read_as(path, task, **named)
    assert len(found) == ROWS
    if task == "classification":
        assert list(found.columns) == (named["text"] or list(found.columns))
        assert label is None or found.label_column == label


def test_the_table_is_long_enough():
    assert len(CASES) >= 60


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        ("text:text coarse:class fine:scale", "which column is the label.*'coarse', 'fine'"),
        ("one:text two:text label:class", "which column is the text|no column looks like the text"),
    ],
)
def test_what_cannot_be_told_is_asked(tmp_path, spec, asked):
    path = write(tmp_path, spec)
    with pytest.raises(DataError, match=f"(?s){asked}"):
        read_as(path, guess_task(path).task)
