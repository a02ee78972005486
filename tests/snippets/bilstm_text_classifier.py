import torch
from transformers import AutoModelForSequenceClassification

import textgraft.models.auto  # noqa: F401  makes the Auto classes know recurrent models
from textgraft import pipeline
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.tokenization.word_tokenizer import train_word_tokenizer

texts = [
    "a wonderful film with a great cast",
    "I loved every minute of it",
    "great story and wonderful music",
    "what a lovely evening",
    "a dull film with a terrible cast",
    "I hated every minute of it",
    "boring story and terrible music",
    "what an awful evening",
]
labels = torch.tensor([1, 1, 1, 1, 0, 0, 0, 0])

torch.manual_seed(0)
tokenizer = train_word_tokenizer(texts, min_frequency=1)
config = RecurrentConfig(
    cell="lstm",
    bidirectional=True,
    vocab_size=len(tokenizer),
    embedding_size=32,
    hidden_size=32,
    id2label={0: "NEGATIVE", 1: "POSITIVE"},
)
model = AutoModelForSequenceClassification.from_config(config)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

batch = tokenizer(texts, padding=True, return_tensors="pt")
model.train()
for _ in range(40):
    loss = model(**batch, labels=labels).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

classify = pipeline("text-classification", (model, tokenizer))
result = classify(["wonderful music", "a terrible film"])
print(result)
assert [entry["label"] for entry in result] == ["POSITIVE", "NEGATIVE"]
