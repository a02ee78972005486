import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from textgraft import pipeline
from textgraft.models.encoders import resolve_encoder

bundled = resolve_encoder("bundled").path
tokenizer = AutoTokenizer.from_pretrained(bundled)
model = AutoModelForQuestionAnswering.from_pretrained(bundled)

examples = [
    ("Where does Ada live?", "Ada lives in London and works for a bank.", "London"),
    ("Where does Ada work?", "Ada lives in London and works for a bank.", "a bank"),
    ("Who wrote the letter?", "The letter was written by John in May.", "John"),
    ("When was the letter written?", "The letter was written by John in May.", "May"),
]
batch = tokenizer(
    [question for question, _, _ in examples],
    [context for _, context, _ in examples],
    padding=True,
    return_tensors="pt",
)
starts = [context.index(answer) for _, context, answer in examples]
ends = [start + len(answer) - 1 for start, (_, _, answer) in zip(starts, examples, strict=True)]
first = torch.tensor([batch.char_to_token(row, start, sequence_index=1) for row, start in enumerate(starts)])
last = torch.tensor([batch.char_to_token(row, end, sequence_index=1) for row, end in enumerate(ends)])

torch.manual_seed(0)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
model.train()
for _ in range(30):
    loss = model(**batch, start_positions=first, end_positions=last).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

answer = pipeline("question-answering", (model, tokenizer))
for question, context, expected in examples:
    result = answer(question=question, context=context)
    print(question, result)
    assert result["answer"] == expected
    assert context[result["start"] : result["end"]] == expected
