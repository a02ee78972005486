"""Files as users have them: what can be read is read rightly."""

from __future__ import annotations

import csv
import datetime
import json
import sys
import tracemalloc
import types
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import shared_data
from textgraft.data.formats.delimited import sniff_delimiter
from textgraft.data.formats.given import as_source
from textgraft.data.readers.reading import read_dataset
from textgraft.errors import DataError, MissingExtraError, OptionError
from textgraft.tasks.guessing import guess_task

ROWS = [("the cat sat", "animal"), ("stocks fell, again", "money"), ('he said "no"', "talk")]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(dataset) -> list[tuple[str, str]]:
    return list(zip(dataset.texts, dataset.labels, strict=True))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_delimiter_is_recognised(tmp_path, delimiter, suffix):
    path = tmp_path / f"rows{suffix}"
    with path.open("w", newline="") as handle:
        csv.writer(handle, delimiter=delimiter).writerows([("text", "label"), *ROWS])
    dataset = read_dataset(path)
    assert rows(dataset) == ROWS
    assert list(dataset.lines) == [2, 3, 4]
    assert dataset.notes.delimiter == delimiter
    assert dataset.rejected == []


def test_sniffing_prefers_what_the_file_name_promises():
    assert sniff_delimiter(["a,b;c", "1,2;3"], ";") == ";"
    assert sniff_delimiter(["a,b;c", "1,2;3"], ",") == ","
    assert sniff_delimiter(["text", "one, two"], "\t") == "\t"


@pytest.mark.parametrize(
    ("codec", "title", "mark"),
    [
        ("utf-8", "UTF-8", False),
        ("utf-8-sig", "UTF-8", True),
        ("utf-16", "UTF-16", True),
        ("utf-16-le", "UTF-16", False),
        ("utf-16-be", "UTF-16", False),
        ("utf-32", "UTF-32", True),
        ("cp1252", "Windows-1252", False),
        ("latin-1", "Latin-1", False),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_encodings(tmp_path, codec, title, mark, suffix):
    text = "Ünïcödé café" + ("\x81" if codec == "latin-1" else "")
    if suffix == ".csv":
        content = f"text,label\r\nplain,a\r\n{text},b\r\n"
    else:
        content = "".join(
            json.dumps({"text": t, "label": k}, ensure_ascii=False) + "\n"
            for t, k in [("plain", "a"), (text, "b")]
        )
    dataset = read_dataset(write(tmp_path / f"f{suffix}", content.encode(codec)))
    assert dataset.texts == ["plain", text]
    assert (dataset.notes.encoding, dataset.notes.byte_order_mark) == (title, mark)
    one_byte = codec in ("cp1252", "latin-1")
    assert dataset.notes.first_undecodable_line == ((3 if suffix == ".csv" else 2) if one_byte else None)


FOREIGN = {
    "cp1251": ("Windows-1251", "Моя посылка не пришла", "посылка"),
    "cp1253": ("Windows-1253", "Το δέμα μου δεν ήρθε", "δέμα"),
    "cp1256": ("Windows-1256", "لم تصل الطرد الخاص بي", "طرد"),
    "cp932": ("Shift-JIS", "荷物がまだ届いていません", "荷物"),
    "gb18030": ("GB 18030", "我的包裹还没有到", "包裹"),
    "big5": ("Big5", "我的包裹還沒有到", "包裹"),
    "euc_kr": ("EUC-KR", "소포가 도착하지 않았습니다", "소포"),
}


@pytest.mark.parametrize("codec", FOREIGN)
def test_other_scripts_of_older_encodings_are_told_by_their_bytes(tmp_path, codec):
    title, text, label = FOREIGN[codec]
    lines = "".join(f"{text} {number},{label}\n" for number in range(30))
    dataset = read_dataset(write(tmp_path / "f.csv", f"text,label\n{lines}".encode(codec)))
    assert dataset.notes.encoding == title
    assert dataset.texts[0] == f"{text} 0"
    assert set(dataset.labels) == {label}
    assert any(f"was read as {title}" in warning for warning in dataset.notes.warnings())


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (r'"he said \"no, never\" to me",talk', 'he said "no, never" to me'),
        (r'"a \"b\", and' + "\n" + r'more \"c\"",talk', 'a "b", and\nmore "c"'),
        (r'"ends in a backslash \\",talk', r"ends in a backslash \\"),
        ('"with spaces" , "talk"', "with spaces"),
        ('no comma, "talk"', "no comma"),
        ('one two, "talk"  ', "one two"),
    ],
)
def test_quotes_as_other_programs_write_them(tmp_path, record, text):
    dataset = read_dataset(
        write(tmp_path / "f.csv", f"text,label\nthe cat sat,animal\n{record}\na dog,animal\n")
    )
    assert rows(dataset) == [("the cat sat", "animal"), (text, "talk"), ("a dog", "animal")]


@pytest.mark.parametrize("name", ["spam.txt", "SMSSpamCollection", "rows.dat"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])  # the latter as Excel saves "Unicode text"
def test_lines_with_as_many_tabs_each_are_a_table_whatever_its_name(tmp_path, name, codec):
    lines = "".join(f"{'spam' if i % 2 else 'ham'}\tmessage number {i}, to you\n" for i in range(30))
    path = write(tmp_path / name, lines.encode(codec))
    dataset = read_dataset(path)
    assert rows(dataset)[:2] == [("message number 0, to you", "ham"), ("message number 1, to you", "spam")]
    assert read_dataset(path, labelled=False).texts[0] == "message number 0, to you"  # as for predict
    plain = write(tmp_path / "plain.txt", "one\ta\ntwo\n")
    assert read_dataset(plain, labelled=False).texts == ["one\ta", "two"]
    write(plain, "one\ta\ntwo\tb\nthree\tc\n")  # no text of these is taken for a header, and lost
    assert len(read_dataset(plain, labelled=False)) == 3
    assert guess_task(path).task == "classification"


NESTED = [{"data": {"text": f"text number {i}"}, "meta": {"mark": {"label": "ab"[i % 2]}}} for i in range(30)]


@pytest.mark.parametrize("form", ["jsonl", "json", "parquet", "given"])
def test_what_stands_inside_objects_is_read_by_its_path(tmp_path, form):
    path = tmp_path / f"f.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(NESTED), path)
    elif form == "json":
        path.write_text(json.dumps(NESTED))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in NESTED))
    source = as_source(NESTED) if form == "given" else path
    for named in ({}, {"text": "data.text", "label": "meta.mark.label"}):
        dataset = read_dataset(source, **named)
        assert rows(dataset)[:2] == [("text number 0", "a"), ("text number 1", "b")]
        assert (list(dataset.columns), dataset.label_column) == (["data.text"], "meta.mark.label")
    with pytest.raises(OptionError, match=r"Did you mean 'data\.text'"):
        read_dataset(source, text="data.txt")


@pytest.mark.parametrize(
    ("above", "said"),
    [
        ("Report of 2026\n", "Report of 2026"),
        ("# by me\n\n#2026\n", "# by me"),
        ("All notes,,\n,,\n", "All notes"),
    ],
)
def test_what_stands_above_the_header_is_left_out(tmp_path, above, said):
    lines = "".join(f"{i},text number {i},{'ab'[i % 2]}\n" for i in range(9))
    dataset = read_dataset(write(tmp_path / "f.csv", f"{above}id,text,label\n{lines}"))
    assert rows(dataset)[:2] == [("text number 0", "a"), ("text number 1", "b")]
    assert dataset.lines[0] == above.count("\n") + 2
    assert dataset.notes.remarks == (f"What stands above the header is left out, as {said!r}.",)


@pytest.mark.parametrize("first", ["text", "Frage", "my texts,"])
def test_a_column_without_a_name_makes_no_title_of_the_header(tmp_path, first):
    lines = "".join(f"great {'ab'[i % 2]},{'xy'[i % 2]}\n" for i in range(9))
    table = read_dataset(
        write(tmp_path / "f.csv", f"{first}\n{lines}"), labelled=False, text=first.rstrip(",")
    )
    assert len(table) + len(table.rejected) == 9


def test_columns_are_found_in_scripts_without_spaces(tmp_path):
    lines = "".join(
        f"这个产品{'很好' if i % 2 else '很差'}{i}号,{'好' if i % 2 else '差'}\n" for i in range(30)
    )
    dataset = read_dataset(write(tmp_path / "f.csv", f"评论,标签\n{lines}"))
    assert (list(dataset.columns), dataset.label_column) == (["评论"], "标签")


def test_newlines_and_quotes_inside_fields(tmp_path):
    body = 'text,label\r\n"two\r\nlines, with ""quotes""",a\r\nplain,b\r\n\r\n"",c\r\n" ",d\r\n'
    dataset = read_dataset(write(tmp_path / "f.csv", body))
    assert rows(dataset) == [('two\r\nlines, with "quotes"', "a"), ("plain", "b")]
    assert list(dataset.lines) == [2, 4]
    assert [(bad.line, bad.kind) for bad in dataset.rejected] == [(6, "empty text"), (7, "empty text")]
    assert dataset.notes.blank_lines == 1
    assert dataset.notes.total_rows == 4


def test_long_quoted_paragraphs_are_one_row(tmp_path):
    body = "text,label\n" + '"' + "\n".join("a line, of prose" for _ in range(4)) + '",x\nnext,y\n'
    assert read_dataset(write(tmp_path / "f.csv", body)).labels == ["x", "y"]
    prose = "\n".join("no separator in this line of prose" for _ in range(200))
    dataset = read_dataset(write(tmp_path / "g.csv", f'text,label\n"{prose}",x\nnext,y\n'))
    assert rows(dataset) == [(prose, "x"), ("next", "y")]


def test_quotes_in_tsv_may_be_plain_characters(tmp_path):
    body = 'text\tlabel\n"Go away," he said.\ta\n"never closed\tb\nclosed only here"\tc\nit is 5" long\td\n'
    dataset = read_dataset(write(tmp_path / "f.tsv", body))
    assert dataset.texts == ['"Go away," he said.', '"never closed', 'closed only here"', 'it is 5" long']
    assert dataset.rejected == []


def test_several_text_columns_id_and_group(tmp_path):
    body = "key,title,plot,origin,series\n7,A,first,DE,x\n8,,second,FR,x\n"
    dataset = read_dataset(
        write(tmp_path / "f.csv", body),
        text=["title", "plot"],
        label="origin",
        id_column="key",
        group="series",
    )
    assert dataset.columns == {"title": ["A", ""], "plot": ["first", "second"]}
    assert dataset.texts == ["A\nfirst", "\nsecond"]
    assert (dataset.ids, dataset.groups, dataset.id_column) == (["7", "8"], ["x", "x"], "key")
    assert read_dataset(tmp_path / "f.csv", text="plot", label="origin").texts == ["first", "second"]


@pytest.mark.parametrize(
    ("header", "text", "label"),
    [
        ("text,label", "text", "label"),
        ("Label,TEXT", "TEXT", "Label"),
        ("id,Review Text,sentiment,text", "text", "sentiment"),
        ("plot,country", "plot", "country"),
        ("remark,class", "remark", "class"),
        ("sentences,labels", "sentences", "labels"),
        ("title,text,genre,label", "text", "label"),
    ],
)
def test_columns_are_guessed(tmp_path, header, text, label):
    path = write(tmp_path / "f.csv", header + "\n" + ",".join("abcd"[: header.count(",") + 1]) + "\n")
    dataset = read_dataset(path)
    assert (list(dataset.columns), dataset.label_column) == ([text], label)


def test_rows_to_predict_need_no_label(tmp_path):
    path = write(tmp_path / "f.csv", "when,message,label\nnow,hello,\nlater,bye,x\n")
    dataset = read_dataset(path, labelled=False)
    assert (dataset.texts, dataset.labels) == (["hello", "bye"], None)
    single = write(tmp_path / "one.csv", 'whatever\nhello, you\n"quoted, too"\n')
    assert read_dataset(single, labelled=False).texts == ["hello, you", "quoted, too"]
    plain = write(tmp_path / "f.txt", 'hello, you\n\n"bye\n')
    dataset = read_dataset(plain, labelled=False)
    assert (dataset.texts, list(dataset.lines)) == (["hello, you", '"bye'], [1, 3])
    assert [bad.line for bad in dataset.rejected] == [2]


def test_json_lines(tmp_path):
    objects = [
        {"text": "a", "label": 1},
        {"text": "b", "label": 1.0},
        {"label": True, "extra": [1], "text": "c"},
        {"text": "d\ne", "label": "x "},
        {"text": "f", "label": 2.5},
    ]
    path = write(tmp_path / "f.jsonl", "\n".join(map(json.dumps, objects)) + "\n\n")
    dataset = read_dataset(path)
    assert rows(dataset) == [("a", "1"), ("b", "1"), ("c", "true"), ("d\ne", "x"), ("f", "2.5")]
    assert list(dataset.lines) == [1, 2, 3, 4, 5]
    assert dataset.rejected == []
    assert dataset.notes.blank_lines == 1


def test_parquet_of_all_column_types(tmp_path):
    table = pa.table(
        {
            "text": pa.array(["a", "b", None, "d"]).dictionary_encode(),
            "label": pa.array([1.0, 2.0, 1.0, None]),
            "day": pa.array([datetime.date(2020, 1, day) for day in (1, 2, 3, 4)]),
        }
    )
    pq.write_table(table, tmp_path / "f.parquet")
    dataset = read_dataset(tmp_path / "f.parquet", group="day")
    assert rows(dataset) == [("a", "1"), ("b", "2")]
    assert dataset.groups == ["2020-01-01", "2020-01-02"]
    assert [(bad.line, bad.kind) for bad in dataset.rejected] == [(3, "empty text"), (4, "no label")]
    assert dataset.notes.encoding is None


def test_rows_of_large_parquet_files_are_numbered_through(tmp_path):
    pq.write_table(
        pa.table({"text": ["x"] * 10_000, "label": ["a"] * 9_999 + [None]}), tmp_path / "f.parquet"
    )
    dataset = read_dataset(tmp_path / "f.parquet")
    assert list(dataset.lines) == list(range(1, 10_000))
    assert dataset.rejected[0].line == 10_000


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_memory_is_a_small_multiple_of_the_text(tmp_path, suffix):
    rows = [
        {"text": f"{i} " + "a sentence, of some words, " * 4, "label": f"label {i % 9}"}
        for i in range(20_000)
    ]
    path = tmp_path / f"f{suffix}"
    if suffix == ".csv":
        with path.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, ["text", "label"])
            writer.writeheader()
            writer.writerows(rows)
    elif suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    size = sum(len(row["text"]) + len(row["label"]) for row in rows)
    read_dataset(path)  # imports and caches are not counted
    tracemalloc.start()
    try:
        assert len(read_dataset(path)) == len(rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * size


def test_rows_without_ids_are_called_by_their_lines_which_stay_with_them(tmp_path):
    path = write(tmp_path / "f.csv", "text,label\none,a\n,b\nthree,a\n\nfour,b\n")
    dataset = read_dataset(path)
    assert (list(dataset.ids), list(dataset.lines)) == (["2", "4", "6"], [2, 4, 6])
    picked = dataset.select([2, 0])
    assert (list(picked.ids), list(picked.lines)) == (["6", "2"], [6, 2])
    assert list(dataset.ids[1:]) == ["4", "6"]
    assert dataset == read_dataset(path) != picked


def test_a_row_takes_little_more_than_its_text(tmp_path):
    path = write(tmp_path / "f.csv", "text,label\n" + "".join(f"text {n},a\n" for n in range(10_000)))
    read_dataset(path)  # imports and caches are not counted
    tracemalloc.start()
    try:
        dataset = read_dataset(path)
        whole, part = dataset, dataset.select(range(5_000))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # Of each row text, label, number and line, in 8 bytes each; lists grow by an eighth more than they need.
    assert held - sum(map(sys.getsizeof, whole.texts)) < 40 * (len(whole) + len(part))


def test_labels_are_shared_strings(tmp_path):
    path = write(tmp_path / "f.csv", "text,label\n" + "x,positive feeling\n" * 50)
    assert len({id(label) for label in read_dataset(path).labels}) == 1


def hub(monkeypatch, data, features) -> None:
    class Fake:
        def __init__(self):
            self.column_names = list(data)
            self.features = features

        def select_columns(self, names):
            self.names = names
            return self

        def iter(self, batch_size):
            yield {name: data[name] for name in self.names}

    module = types.ModuleType("datasets")

    def load_dataset(name, split):
        if (name, split) != ("owner/name", "train"):
            raise ValueError(f"Unknown split {split!r}")
        return Fake()

    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)


def test_hub_data_set(monkeypatch):
    names = types.SimpleNamespace(names=["neg", "pos"])
    data = {"text": ["a", "b", "c"], "label": [1, 0, -1]}
    hub(monkeypatch, data, {"text": None, "label": names})
    for source in ("owner/name", "hub:owner/name"):
        dataset = read_dataset(source)
        assert rows(dataset) == [("a", "pos"), ("b", "neg")]
        assert [(bad.line, bad.kind) for bad in dataset.rejected] == [(3, "no label")]
    with pytest.raises(DataError, match="Unknown split"):
        read_dataset("owner/name", hub_split="nope")


def test_hub_reads_a_folder_with_the_real_package(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write(tmp_path / "train.csv", "text,label\na,b\n")
    assert rows(read_dataset(f"hub:{tmp_path}")) == [("a", "b")]


def test_hub_needs_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"textgraft\[hub\]"):
        read_dataset("owner/name")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": ["texst"]}, "Did you mean 'text'"),
        ({"label": "lable"}, "Did you mean 'label'"),
        ({"id_column": "idd"}, "Did you mean 'id'"),
        ({"group": "nothing like it"}, "Known: id, text, label"),
        ({"text": ["text", "text"]}, "used twice"),
        ({"text": "text", "label": "text"}, "used twice"),
    ],
)
def test_wrong_columns(tmp_path, arguments, message):
    path = write(tmp_path / "f.csv", "id,text,label\n1,a,b\n")
    with pytest.raises(OptionError, match="(?s)" + message.replace("(", r"\(")) as error:
        read_dataset(path, **arguments)
    assert error.value.where == str(path)
    assert error.value.fix


def test_ambiguous_columns_are_not_guessed(tmp_path):
    path = write(tmp_path / "f.csv", "title,description,label\na,b,c\n")
    with pytest.raises(DataError, match="'title', 'description' could all be"):
        read_dataset(path)
    path = write(tmp_path / "g.csv", "text,coarse,fine\na,b,c\n")
    with pytest.raises(DataError, match=r"(?s)no column looks like the label.*'coarse', 'fine'"):
        read_dataset(path)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(st.tuples(texts, texts), min_size=1, max_size=12), delimiter=st.sampled_from(",;"))
def test_whatever_is_written_as_csv_is_read_back(tmp_path, table, delimiter):
    """The standard writer's output comes back field by field; empty texts and labels are rejected."""
    path = tmp_path / "f.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([("text", "label"), *table])
    usable = [(text, label.strip()) for text, label in table if text.strip() and label.strip()]
    if not usable:
        with pytest.raises(DataError):
            read_dataset(path)
        return
    dataset = read_dataset(path)
    assert rows(dataset) == usable
    assert len(dataset) + len(dataset.rejected) == len(table)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=400), suffix=st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"]))
def test_no_file_ends_in_a_traceback(tmp_path, junk, suffix):
    path = write(tmp_path / f"f{suffix}", b"text,label\n" + junk if suffix in (".csv", ".tsv") else junk)
    try:
        dataset = read_dataset(path)
    except (DataError, OptionError):
        return
    assert len(dataset) + len(dataset.rejected) == dataset.notes.total_rows


@pytest.mark.parametrize(
    ("name", "file", "columns", "count"),
    [
        ("sst2", "train.csv", {}, 6920),
        ("banking77", "train.csv", {}, 10003),
        ("movie_reviews_long", "train.csv", {}, 1600),
        ("ag_news_7600", "train.csv", {"text": ["title", "description"]}, 6083),
        ("title_origins_netflix24", "train.csv", {"text": ["description", "cast"], "label": "origin"}, 5980),
        ("trec", "test.csv", {"label": "coarse"}, 500),
    ],
)
def test_public_sets_are_read_whole(name, file, columns, count):
    path = shared_data(name) / file
    dataset = read_dataset(path, **columns)
    assert (len(dataset), dataset.rejected) == (count, [])
    with path.open(newline="", encoding="utf-8") as handle:
        expected = [record[next(iter(dataset.columns))] for record in csv.DictReader(handle)]
    assert next(iter(dataset.columns.values())) == expected


def test_a_label_in_brackets_of_its_own_stays_as_it_is(tmp_path):
    lines = ["text,label"]
    lines += [f"text {row},{label}" for row in range(4) for label in ("[b]bold[/b]", "[x] [y]")]
    dataset = read_dataset(write(tmp_path / "rows.csv", "\n".join(lines)))
    assert set(dataset.labels) == {"[b]bold[/b]", "[x] [y]"}
