// Tokenizers of exported models: words as textgraft cuts them, and WordPiece as BERT has it.
//
// Held against Python's tokenizers on texts of many scripts. Characters are sorted by the lists of
// characters.js, not by the browser's own Unicode.

import { PACKED } from "./characters.js";

const runs = (packed) => {
  const found = [];
  let last = 0;
  const numbers = packed.split(" ").map((number) => parseInt(number, 36));
  for (let place = 0; place < numbers.length; place += 2) {
    const begin = last + numbers[place];
    last = begin + numbers[place + 1];
    found.push([begin, last]);
  }
  return found;
};

const RUNS = Object.fromEntries(Object.entries(PACKED).map(([name, packed]) => [name, runs(packed)]));

/** Tell whether a code point is in runs, by bisection. */
const holds = (found, code) => {
  let low = 0;
  let high = found.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (found[middle][1] < code) low = middle + 1;
    else high = middle;
  }
  return low < found.length && found[low][0] <= code;
};

const is = (name, character) => holds(RUNS[name], character.codePointAt(0));

/** A class of a regular expression. */
const set = (name) =>
  `[${RUNS[name].map(([a, b]) => `\\u{${a.toString(16)}}-\\u{${b.toString(16)}}`).join("")}]`;

/** What textgraft's word tokenizer takes for a word: textgraft.tokenization.word_tokenizer.WORD. */
const wordPattern = () => {
  const [W, D, M, U] = ["word", "digit", "mark", "unspaced"].map(set);
  const border = `(?:(?<=${W})(?!${W})|(?<!${W})(?=${W}))`;
  const parts = [
    `${U}${M}*(?:(?<=[\\u17d2\\u1039])${U}${M}*)*`,
    `${D}+(?:[.,]${D}+)+`,
    `${W}+?(?=[nN]'[tT]${border})`,
    `[nN]'[tT]${border}`,
    `'(?:[sSſ]|[mM]|[dD]|[rR][eE]|[vV][eE]|[lL][lL])${border}`,
    `${set("letter")}+`,
    set("other"),
  ];
  return new RegExp(parts.join("|"), "gu");
};

/** Lower case letter by letter, so that no letter depends on where it stands in its word. */
const lowercase = (text) => Array.from(text, (character) => character.toLowerCase()).join("");

const isChinese = (code) =>
  (code >= 0x4e00 && code <= 0x9fff) || (code >= 0x3400 && code <= 0x4dbf) ||
  (code >= 0x20000 && code <= 0x2a6df) || (code >= 0x2a700 && code <= 0x2b73f) ||
  (code >= 0x2b740 && code <= 0x2b81f) || (code >= 0x2b920 && code <= 0x2ceaf) ||
  (code >= 0xf900 && code <= 0xfaff) || (code >= 0x2f800 && code <= 0x2fa1f);

/** Clean a text as BertNormalizer does. */
const bertNormalized = (text, options) => {
  let found = text;
  if (options.clean_text) {
    found = Array.from(found, (c) => (is("removed", c) ? "" : is("blank", c) ? " " : c)).join("");
  }
  if (options.handle_chinese_chars) {
    found = Array.from(found, (c) => (isChinese(c.codePointAt(0)) ? ` ${c} ` : c)).join("");
  }
  if (options.strip_accents ?? options.lowercase) {
    found = Array.from(found.normalize("NFD"), (c) => (is("accent", c) ? "" : c)).join("");
  }
  return options.lowercase ? lowercase(found) : found;
};

/** Cut a clean text at white space and around every punctuation mark. */
const bertWords = (text) => {
  const words = [];
  let word = "";
  const end = () => {
    if (word) words.push(word);
    word = "";
  };
  for (const character of text) {
    if (is("space", character)) end();
    else if (is("punctuation", character)) {
      end();
      words.push(character);
    } else word += character;
  }
  end();
  return words;
};

/** Makes token ids of texts, as the tokenizer.json that it is given says. */
export class Tokenizer {
  /**
   * @param {object} described The content of tokenizer.json.
   * @param {boolean} splitsSpecial Whether a special token's name in a text is text.
   */
  constructor(described, splitsSpecial) {
    const { model, normalizer } = described;
    this.vocabulary = new Map(Object.entries(model.vocab));
    this.unknown = this.vocabulary.get(model.unk_token);
    this.model = model;
    this.normalizer = normalizer;
    this.special = new Map();
    if (!splitsSpecial) {
      for (const token of described.added_tokens) this.special.set(token.content, token.id);
    }
    const names = [...this.special.keys()].sort((a, b) => b.length - a.length);
    const escaped = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    this.specials = names.length ? new RegExp(`(${escaped.join("|")})`, "u") : null;
    this.words = model.type === "WordLevel" ? wordPattern() : null;
  }

  /** Return the ids of a text, without the special tokens around it. */
  ids(text) {
    const parts = this.specials ? text.split(this.specials) : [text];
    return parts.flatMap((part) => {
      const special = this.special.get(part);
      if (special !== undefined) return [special];
      return this.model.type === "WordLevel" ? this.#ofWords(part) : this.#ofPieces(part);
    });
  }

  #ofWords(text) {
    let found = text;
    for (const step of this.normalizer.normalizers) {
      if (step.type === "NFC") found = found.normalize("NFC");
      else if (step.type === "Lowercase") found = lowercase(found);
      else found = found.replaceAll("’", "'");
    }
    return (found.match(this.words) ?? []).map((word) => this.vocabulary.get(word) ?? this.unknown);
  }

  #ofPieces(text) {
    const words = bertWords(bertNormalized(text, this.normalizer));
    return words.flatMap((word) => this.#pieces(Array.from(word)));
  }

  /** Take the longest piece that is known from the front, again and again. */
  #pieces(characters) {
    if (characters.length > this.model.max_input_chars_per_word) return [this.unknown];
    const found = [];
    let start = 0;
    while (start < characters.length) {
      let end = characters.length;
      let id;
      while (end > start) {
        const prefix = start > 0 ? this.model.continuing_subword_prefix : "";
        id = this.vocabulary.get(prefix + characters.slice(start, end).join(""));
        if (id !== undefined) break;
        end -= 1;
      }
      if (id === undefined) return [this.unknown];
      found.push(id);
      start = end;
    }
    return found;
  }
}
