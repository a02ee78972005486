// An exported model in a page: the same answers as textgraft predict, from onnxruntime-web, without a server.

import { Tokenizer } from "./tokenizer.js";

const CHARACTERS_PER_TOKEN = 20;
const LABEL_THRESHOLD = 0.5;

const json = async (url) => {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} cannot be read: ${answer.status}`);
  return answer.json();
};

/**
 * Load the model of a folder.
 *
 * @param {string} folder Its address, with a slash at its end.
 * @param {object} ort onnxruntime-web.
 */
export const load = async (folder, ort) => {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = folder;
  const [manifest, facts, tokenizer] = await Promise.all(
    ["textgraft.json", "runtime.json", "tokenizer.json"].map((name) => json(folder + name)),
  );
  const session = await ort.InferenceSession.create(`${folder}model.onnx`, {
    executionProviders: ["wasm"],
  });
  return new Model(manifest, facts, new Tokenizer(tokenizer, facts.encode_special_tokens), session, ort);
};

/** Cut a text that is longer than a window into windows of like length, each in the text's frame. */
const cut = (ids, size, [before, after]) => {
  if (!size || ids.length <= size) return [ids];
  const end = ids.length - after;
  const count = Math.ceil((end - before) / (size - before - after));
  const each = Math.ceil((end - before) / count);
  const found = [];
  for (let start = before; start < end; start += each) {
    const inner = ids.slice(start, Math.min(start + each, end));
    found.push([...ids.slice(0, before), ...inner, ...ids.slice(end)]);
  }
  return found;
};

const softmax = (logits) => {
  const most = Math.max(...logits);
  const powers = logits.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
};

const rounded = (value) => Math.round(value * 1e6) / 1e6;

export class Model {
  constructor(manifest, facts, tokenizer, session, ort) {
    Object.assign(this, { manifest, facts, tokenizer, session, ort });
    this.labels = manifest.task_settings.labels ?? [];
  }

  /** Return the ids of a text, special tokens included, cut to what the model reads. */
  ids(text) {
    const most = this.manifest.max_length;
    const [before, after] = this.facts.frame;
    const read = Array.from(text).slice(0, CHARACTERS_PER_TOKEN * most).join("");
    let ids = [...before, ...this.tokenizer.ids(read), ...after];
    if (!ids.length) ids = this.facts.nothing;
    if (ids.length > most) {
      const closing = this.facts.nothing.slice(-1);
      ids = ids.at(-1) === closing[0] ? [...ids.slice(0, most - 1), ...closing] : ids.slice(0, most);
    }
    return ids;
  }

  /** Return the outputs of the model for a text. */
  async logits(text) {
    const pieces = cut(this.ids(text), this.facts.window, this.facts.window_frame ?? [0, 0]);
    const time = Math.max(...pieces.map((piece) => piece.length));
    const shape = [pieces.length, time];
    const whole = (fill) => {
      const data = new BigInt64Array(pieces.length * time);
      pieces.forEach((piece, row) => {
        for (let step = 0; step < time; step += 1) {
          data[row * time + step] = BigInt(fill(piece, step));
        }
      });
      return new this.ort.Tensor("int64", data, shape);
    };
    const given = {
      input_ids: () => whole((piece, step) => piece[step] ?? this.facts.pad),
      attention_mask: () => whole((piece, step) => (step < piece.length ? 1 : 0)),
      token_type_ids: () => whole(() => 0),
      averaging: () =>
        new this.ort.Tensor("float32", new Float32Array(pieces.length).fill(1 / pieces.length), [1, pieces.length]),
    };
    const feeds = Object.fromEntries(this.facts.inputs.map((name) => [name, given[name]()]));
    const { logits } = await this.session.run(feeds);
    return Array.from(logits.data);
  }

  /** Return the numbers behind the answer for a text: what golden outputs are compared by. */
  async numbers(text) {
    const logits = await this.logits(text);
    if (this.manifest.task === "regression") return logits;
    const scaled = logits.map((value) => value / this.manifest.temperature);
    if (this.manifest.task === "multi-label") return scaled.map((value) => 1 / (1 + Math.exp(-value)));
    return softmax(scaled);
  }

  /** Answer a text, as textgraft predict writes it. */
  async predict(text) {
    const found = await this.numbers(text);
    const { task, task_settings: settings, threshold } = this.manifest;
    if (task === "regression") return { value: found[0] * settings.deviation + settings.mean };
    const scores = Object.fromEntries(this.labels.map((label, at) => [label, rounded(found[at])]));
    const least = threshold?.least ?? null;
    const held = (at) => threshold != null && (least === null || found[at] < least);
    if (task === "multi-label") {
      const given = found.flatMap((value, at) => (value >= LABEL_THRESHOLD ? [at] : []));
      const score = rounded(found.reduce((all, value) => all * Math.max(value, 1 - value), 1));
      const unsure = given.filter(held).map((at) => this.labels[at]);
      const labels = given.filter((at) => !held(at)).map((at) => this.labels[at]);
      if (threshold == null) return { labels, score, scores };
      return { labels, needs_review: least === null || unsure.length > 0, unsure, score, scores };
    }
    const best = found.indexOf(Math.max(...found));
    const answer = { label: this.labels[best], score: rounded(found[best]), scores };
    if (threshold == null) return answer;
    const review = held(best);
    return { label: review ? null : answer.label, needs_review: review, score: answer.score, scores };
  }

  /** Answer the golden inputs again; returns how far the farthest number is from what was exported. */
  async check() {
    let drift = 0;
    for (const { columns, numbers } of this.manifest.golden) {
      const text = Object.values(columns).filter((value) => typeof value === "string").join("\n");
      const found = await this.numbers(text);
      numbers.forEach((number, at) => {
        drift = Math.max(drift, Math.abs(number - found[at]));
      });
    }
    return drift;
  }
}
