"use strict";
// Whatever comes from the service or a person is put in as text, never as markup.
const $ = (id) => document.getElementById(id);
const KEY = "textgraft-key", NAME = "textgraft-reviewer";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && typeof value !== "string") made[key] = value; else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// ---- asking the service ----

class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

async function ask(path, body) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const options = { headers, cache: "no-store" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused(0, "The service cannot be reached.");
  }
  const text = await response.text();
  if (response.ok) return response.headers.get("content-type").startsWith("application/json") ? JSON.parse(text) : text;
  if (response.status === 401) askForKey();
  let message = `The service answered ${response.status}.`;
  try {
    const error = JSON.parse(text).error;
    message = typeof error === "string" ? error : error.message;
  } catch { /* it was no JSON */ }
  throw new Refused(response.status, message);
}

function tell(error) {
  $("problem").textContent = error ? error.message : "";
  $("problem").hidden = !error;
}

function askForKey() {
  $("key").hidden = false;
  $("key-value").focus();
}

$("key").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, $("key-value").value.trim());
  $("key").hidden = true;
  tell();
  begin();
});

// ---- trying models ----

const FIELDS = {
  text: [["inputs", "Text", "area"]],
  pair: [["first", "First text", "area"], ["second", "Second text", "area"]],
  question: [["question", "Question", "line"], ["context", "Text that holds the answer", "area"]],
  choice: [["prompt", "Beginning", "area"], ["choices", "How it may go on, one a line", "area"]],
  labels: [["inputs", "Text", "area"], ["labels", "Labels, with commas between them", "line"]],
  similar: [["source", "Sentence", "line"], ["others", "Others, one a line", "area"]],
};
const EXAMPLES = {
  inputs: "John works at Google in California, and he loves it.", labels: "work, sport, food",
  question: "Where does John work?", context: "John works at Google in California.",
  source: "A cat sits on the mat.", others: "A kitten lies on the rug.\nThe stock market fell.",
};
let choices = [];

const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

function choicesOf(model) {
  const found = [];
  const name = model.id;
  const add = (title, fields, path, body, show, note = "", missing = false) =>
    found.push({ title: `${title} — ${name}`, fields, path, body, show, note, missing });
  const pipelines = model.pipelines;
  if (pipelines.includes("token-classification")) {
    add("Entities", "text", "/pipelines/token-classification",
      (v) => ({ model: name, inputs: v.inputs, parameters: { aggregation_strategy: "simple" } }),
      (answer, v) => [marked(v.inputs, answer.map((e) => ({ ...e, label: e.entity_group }))),
        bars(answer.map((e) => [`${e.word} (${e.entity_group})`, e.score]))]);
  } else if (pipelines.includes("question-answering")) {
    add("Answer to a question", "question", "/pipelines/question-answering",
      (v) => ({ model: name, inputs: { question: v.question, context: v.context }, parameters: { top_k: 3 } }),
      (answer, v) => {
        const all = [answer].flat();
        return [marked(v.context, all.slice(0, 1).map((a) => ({ ...a, label: "answer" }))),
          bars(all.map((a) => [a.answer || "no answer", a.score]))];
      });
  } else if (model.predicts) {
    const fields = { pairs: "pair", similarity: "pair", "multiple-choice": "choice" }[model.task] || "text";
    add(titleOf(model.task), fields, "/predict",
      (v) => ({ model: name, details: true, truncate: true, inputs: inputsOf(fields, v) }), (answer) => predicted(answer));
  } else {
    for (const task of pipelines) {
      if (model.encodes) break;
      add(titleOf(task), "text", `/pipelines/${task}`, (v) => ({ model: name, inputs: v.inputs }), (answer) => whatever(answer));
    }
  }
  if (model.encodes) {
    add("Similarity", "similar", "/similarity",
      (v) => ({ model: name, inputs: { source_sentence: v.source, sentences: lines(v.others) } }),
      (answer, v) => [bars(lines(v.others).map((text, place) => [text, answer[place]]))]);
    if (pipelines.includes("zero-shot-classification")) {
      add("Labels that you name", "labels", "/pipelines/zero-shot-classification",
        (v) => ({ model: name, inputs: v.inputs, parameters: { candidate_labels: v.labels } }),
        (answer) => [bars(answer.labels.map((label, place) => [label, answer.scores[place]]))]);
    }
    add("Encoding", "text", "/v1/embeddings", (v) => ({ model: name, input: v.inputs, truncate: true }), encoded);
    add("Attention and nearest words", "text", "/view/attention", (v) => ({ model: name, inputs: v.inputs }),
      (answer, v) => attended(answer, v.inputs, name),
      model.views ? "The first look takes some seconds: it loads torch. Texts of up to 128 tokens can be looked at."
        : "Only torch shows the inside of an encoder, and it is not installed where this service runs.", !model.views);
    add("Tokens", "text", "/tokenize", (v) => ({ model: name, inputs: v.inputs }), (answer) => [
      element("p", {}, `${answer[0].length} tokens`),
      element("p", { class: "text" }, ...answer[0].flatMap((token) => [element("mark", {}, token.text), " "]))]);
  }
  return found;
}

const titleOf = (task) => (task ? task[0].toUpperCase() + task.slice(1).replaceAll("-", " ") : "Prediction");

function inputsOf(fields, v) {
  if (fields === "pair") return [v.first, v.second];
  if (fields === "choice") return { prompt: v.prompt, choices: lines(v.choices) };
  return v.inputs;
}

function predicted(answer) {
  const shown = [];
  const scores = Object.entries(answer.scores || {}).sort((a, b) => b[1] - a[1]);
  const label = answer.label ?? (answer.labels && (answer.labels.join(", ") || "no label")) ?? answer.value;
  if (label !== undefined) shown.push(element("p", {}, element("strong", {}, String(label))));
  if (answer.needs_review) shown.push(element("p", { class: "hint" }, "A person should look at this one."));
  if (answer.truncated) shown.push(element("p", { class: "hint" }, "Only the beginning of the text was read."));
  shown.push(...manyBars(scores));
  return shown.length ? shown : whatever(answer);
}

function encoded(answer) {
  const [first] = answer.data;
  const numbers = first.embedding;
  const shown = numbers.slice(0, 8).map((number) => number.toFixed(3)).join(", ");
  const much = first.truncated ? ", of a longer text" : "";
  return [element("p", {}, `${numbers.length} numbers of ${first.n_tokens} tokens${much}: ${shown} …`)];
}

// Which words a word attends to, and which are near it.
function attended({ words, weights }, text, model) {
  const layers = element("select", { id: "layer" }, element("option", { value: "mean" }, "Mean of all layers"),
    ...weights.map((_, place) => element("option", { value: String(place) }, `Layer ${place + 1}`)));
  const line = element("div", { class: "words", role: "group", "aria-label": "Words of the text" });
  const more = element("div", {});
  const near = element("button", { type: "button" }, "Nearest words");
  const nearest = element("div", {});
  const buttons = words.map((word, place) => {
    const button = element("button", { type: "button", "aria-pressed": "false" }, word.text || " ");
    if (word.special) button.className = "special";
    button.addEventListener("click", () => { chosen = place; nearest.replaceChildren(); show(); });
    return button;
  });
  let chosen = Math.max(0, words.findIndex((word) => !word.special));
  line.append(...buttons);

  const shares = () => {
    if (layers.value !== "mean") return weights[Number(layers.value)][chosen];
    return words.map((_, to) => weights.reduce((sum, layer) => sum + layer[chosen][to], 0) / weights.length);
  };
  const show = () => {
    const found = shares();
    // Most attention goes to special tokens: words are shaded by their own most.
    const most = Math.max(...found.filter((_, place) => !words[place].special), 1e-9);
    buttons.forEach((button, place) => {
      button.setAttribute("aria-pressed", String(place === chosen));
      button.style.setProperty("--share", `${Math.round(Math.min(100, (100 * found[place]) / most))}%`);
    });
    const ranked = words.map((word, place) => [word.text, found[place]]).sort((a, b) => b[1] - a[1]);
    more.replaceChildren(element("h3", {}, `What “${words[chosen].text}” attends to`), bars(ranked.slice(0, 8)));
    near.hidden = words[chosen].special;
  };
  near.addEventListener("click", async () => {
    near.disabled = true;
    tell();
    const asked = chosen;
    try {
      const found = await ask("/view/nearest", { model, inputs: text, word: asked });
      if (asked === chosen) {
        const list = (title, entries) => element("div", {}, element("h3", {}, title), bars(entries.map((e) => [e.text, e.score])));
        nearest.replaceChildren(list(`Near “${found.word}” by itself`, found.alone), list(`In its place in this text`, found.here));
      }
    } catch (error) {
      tell(error);
    } finally {
      near.disabled = false;
    }
  });
  layers.addEventListener("change", show);
  nearest.className = "columns";
  show();
  return [element("label", { for: "layer" }, "Layer"), layers,
    element("p", { class: "hint" }, "Choose a word: the stronger another one's colour, the more of its attention goes there (mean of all heads)."),
    line, more, near, nearest];
}

const whatever = (answer) => [element("pre", { tabindex: "0", "aria-label": "Answer as JSON" }, JSON.stringify(answer, null, 2))];

function bars(entries) {
  const list = element("ul", { class: "bars" });
  for (const [name, score] of entries) {
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    bar.style.width = `${Math.max(0, Math.min(1, score)) * 100}%`;
    list.append(element("li", {}, bar, element("span", {}, name), element("span", { class: "number" }, score.toFixed(3))));
  }
  return list;
}

function manyBars(scores, most = 8) {
  if (!scores.length) return [];
  const shown = [bars(scores.slice(0, most))];
  if (scores.length > most) {
    shown.push(element("details", {}, element("summary", {}, `${scores.length - most} more`), bars(scores.slice(most))));
  }
  return shown;
}

// Offsets count characters as Python does: code points.
function marked(text, spans) {
  const points = Array.from(text);
  const paragraph = element("p", { class: "text" });
  let at = 0;
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    if (span.start < at || span.end <= span.start) continue;
    paragraph.append(points.slice(at, span.start).join(""),
      element("mark", {}, points.slice(span.start, span.end).join(""), element("small", {}, span.label)));
    at = span.end;
  }
  paragraph.append(points.slice(at).join(""));
  return paragraph;
}

function showFields() {
  const chosen = choices[$("what").value];
  if (!chosen) return;
  const kept = values();
  $("fields").replaceChildren();
  for (const [name, title, kind] of FIELDS[chosen.fields]) {
    const field = element(kind === "area" ? "textarea" : "input", { id: `field-${name}`, name, required: true });
    field.value = kept[name] ?? EXAMPLES[name] ?? "";
    $("fields").append(element("label", { for: `field-${name}` }, title), field);
  }
  if (chosen.note) $("fields").append(element("p", { class: "hint" }, chosen.note));
  $("ask").querySelector("button").disabled = chosen.missing;
  $("answer").hidden = true;
}

function values() {
  return Object.fromEntries([...$("fields").querySelectorAll("[name]")].map((field) => [field.name, field.value]));
}

$("what").addEventListener("change", showFields);
$("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("ask").requestSubmit();
});
$("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const chosen = choices[$("what").value];
  if (!chosen || chosen.missing) return;
  const button = $("ask").querySelector("button");
  const given = values();
  button.disabled = true;
  tell();
  try {
    const begun = performance.now();
    const answer = await ask(chosen.path, chosen.body(given));
    const time = element("p", { class: "hint" }, `${Math.round(performance.now() - begun)} ms`);
    $("answer").replaceChildren(...chosen.show(answer, given), time);
    $("answer").hidden = false;
  } catch (error) {
    tell(error);
  } finally {
    button.disabled = false;
  }
});

async function loadModels() {
  const { data } = await ask("/v1/models");
  choices = data.flatMap(choicesOf);
  $("what").replaceChildren(...choices.map(({ title }, place) => element("option", { value: String(place) }, title)));
  showFields();
}

// ---- throughput and latency ----

const MOST = 60, EVERY = 2000;
let before = null, watching = 0;
const series = { tokens: [], requests: [], latency: [] };

function parse(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    if (!line || line[0] === "#") continue;
    const space = line.lastIndexOf(" ");
    found.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return found;
}

const labelsOf = (name) => Object.fromEntries([...name.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1], m[2]]));
const own = (route) => !["/metrics", "/", "/page.css", "/page.js", "/livez", "/readyz", "/health", "other"].includes(route);

function totals(metrics) {
  const sum = { requests: 0, tokens: metrics.get("textgraft_tokens_total") || 0, buckets: new Map() };
  for (const [name, value] of metrics) {
    if (name.startsWith("textgraft_requests_total{") && own(labelsOf(name).route)) sum.requests += value;
    if (name.startsWith("textgraft_request_seconds_bucket{")) {
      const { le, route } = labelsOf(name);
      if (own(route)) sum.buckets.set(le, (sum.buckets.get(le) || 0) + value);
    }
  }
  return sum;
}

function percentile(now, then, part) {
  const counts = [...now].map(([le, count]) => [Number(le.replace("+Inf", "Infinity")), count - (then.get(le) || 0)])
    .sort((a, b) => a[0] - b[0]);
  const all = counts.length ? counts[counts.length - 1][1] : 0;
  if (!all) return null;
  const index = counts.findIndex(([, count]) => count >= part * all);
  const [high, upTo] = counts[index];
  const [low, below] = index ? counts[index - 1] : [0, 0];
  return high === Infinity ? low : low + (high - low) * ((part * all - below) / Math.max(1, upTo - below));
}

function draw(id, numbers) {
  const svg = $(id);
  const known = numbers.filter((number) => number !== null);
  const top = Math.max(1, ...known);
  const points = numbers.map((number, place) => [place, number]).filter(([, number]) => number !== null)
    .map(([place, number]) => `${(place / (MOST - 1)) * 300},${95 - (number / top) * 80}`);
  svg.setAttribute("viewBox", "0 0 300 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.replaceChildren();
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points.join(" "));
  svg.append(line);
  const caption = svg.previousElementSibling;
  caption.textContent = `${caption.textContent.split(" (")[0]} (up to ${short(top)})`;
}

function figures(entries) {
  $("figures").replaceChildren(...entries.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

const short = (number, digits = 0) => (number === null || Number.isNaN(number) ? "–" : number.toLocaleString("en", { maximumFractionDigits: digits }));

async function watch() {
  const metrics = parse(await ask("/metrics"));
  const now = { at: performance.now(), ...totals(metrics) };
  if (before) {
    const seconds = (now.at - before.at) / 1000;
    const p50 = percentile(now.buckets, before.buckets, 0.5), p95 = percentile(now.buckets, before.buckets, 0.95);
    const latest = { tokens: (now.tokens - before.tokens) / seconds, requests: (now.requests - before.requests) / seconds,
      latency: p95 === null ? null : p95 * 1000 };
    for (const [name, numbers] of Object.entries(series)) {
      numbers.push(latest[name]);
      if (numbers.length > MOST) numbers.shift();
      draw(`plot-${name}`, numbers);
    }
    const padded = metrics.get("textgraft_padded_tokens_total") || 0;
    figures([["Requests a second", short(latest.requests, 1)], ["Tokens a second", short(latest.tokens)],
      ["Latency, median", p50 === null ? "–" : `${short(p50 * 1000, 1)} ms`],
      ["Latency, 95th", p95 === null ? "–" : `${short(p95 * 1000, 1)} ms`],
      ["Tokens waiting", short(metrics.get("textgraft_queued_tokens") || 0)],
      ["Under way", short(Math.max(0, (metrics.get("textgraft_requests_under_way") || 1) - 1))],
      ["Not padding", padded ? `${short((100 * now.tokens) / padded)} %` : "–"]]);
  } else {
    figures([["Requests a second", "–"], ["Tokens a second", "–"], ["Latency, median", "–"], ["Latency, 95th", "–"]]);
  }
  before = now;
  const routes = new Map();
  for (const [name, value] of metrics) {
    const { route, status } = labelsOf(name);
    if (!route || !own(route)) continue;
    const row = routes.get(route) || { all: 0, refused: 0, seconds: 0 };
    if (name.startsWith("textgraft_requests_total{")) { row.all += value; if (status >= "400") row.refused += value; }
    if (name.startsWith("textgraft_request_seconds_sum{")) row.seconds = value;
    routes.set(route, row);
  }
  $("routes").tBodies[0].replaceChildren(...[...routes].map(([route, row]) => element("tr", {},
    element("td", {}, route), element("td", {}, short(row.all)), element("td", {}, short(row.refused)),
    element("td", {}, row.all ? short((1000 * row.seconds) / row.all, 1) : "–"))));
}

// ---- the review queue ----

let item = null, labels = [], busy = false;

async function showReview() {
  try {
    const stats = await ask("/review/stats");
    const { open, held, decided, disputed } = stats.items;
    $("review-state").textContent = `${open + held} open, ${decided} decided, ${disputed} disputed`
      + (stats.model_judged ? `; the model was right in ${stats.model_right} of ${stats.model_judged}` : "");
  } catch (error) {
    $("review-state").textContent = error.message;
    if (error.status === 404) { $("reviewer").hidden = $("item").hidden = true; }
    return;
  }
  const name = sessionStorage.getItem(NAME);
  $("reviewer").hidden = Boolean(name);
  if (name && !item) await nextItem();
}

$("reviewer").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(NAME, $("reviewer-name").value.trim());
  showReview();
});

async function nextItem() {
  const found = await ask("/review/next", { reviewer: sessionStorage.getItem(NAME) });
  item = found.items[0] || null;
  $("item").hidden = !item;
  if (!item) {
    $("review-state").textContent += ". Nothing is left for you.";
    return;
  }
  labels = found.labels[item.task] || [];
  const isNamed = typeof item.prediction === "string" || item.prediction === null;
  $("item-text").replaceChildren(...(Array.isArray(item.prediction) && item.prediction[0]?.start !== undefined
    ? marked(item.text, item.prediction.map((span) => ({ ...span, label: span.type || span.label }))).childNodes : [item.text]));
  $("item-facts").textContent = [item.reason, item.prediction !== null && `the model says: ${shownAnswer(item.prediction)}`,
    item.given !== null && `given: ${shownAnswer(item.given)}`].filter(Boolean).join("; ");
  $("item-scores").replaceChildren(...manyBars(Object.entries(item.scores).sort((a, b) => b[1] - a[1]), 5));
  const first = isNamed ? labels.slice(0, 9) : [];
  $("item-labels").replaceChildren(...first.map((label, place) => {
    const button = element("button", { type: "button", class: label === item.prediction ? "predicted" : "" },
      label, element("kbd", {}, String(place + 1)));
    button.addEventListener("click", () => decide(label));
    return button;
  }));
  $("other").hidden = !isNamed;
  $("known-labels").replaceChildren(...labels.map((label) => element("option", { value: label })));
  $("other-label").value = "";
  $("agree").disabled = item.prediction === null;
  $("item").focus();
}

const shownAnswer = (answer) => (typeof answer === "string" ? answer : JSON.stringify(answer));

async function act(how) {
  if (busy || !item) return;
  busy = true;
  tell();
  try {
    await how();
    item = null;
    await showReview();
  } catch (error) {
    tell(error);
  } finally {
    busy = false;
  }
}

const reviewer = () => sessionStorage.getItem(NAME);
const decide = (answer) => act(() => ask("/review/decide", { item: item.id, reviewer: reviewer(), answer }));
const pass = () => act(() => ask("/review/release", { item: item.id, reviewer: reviewer(), passed: true }));
const agree = () => item && item.prediction !== null && decide(item.prediction);

$("agree").addEventListener("click", agree);
$("pass").addEventListener("click", pass);
$("unusable").addEventListener("click", () => decide(null));
$("other").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("other-label").value) decide($("other-label").value);
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (part() !== "review" || !item || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const label = labels[Number(event.key) - 1];
  if (event.key === "Enter" && !event.target.closest("button, a")) agree();
  else if (event.key === "s") pass();
  else if (event.key === "u") decide(null);
  else if (label !== undefined && Number(event.key) <= 9 && !$("other").hidden) decide(label);
  else return;
  event.preventDefault();
});

// ---- reports and the API ----

async function showReports() {
  const { reports } = await ask("/reports");
  $("reports-state").textContent = reports.length ? "" : "No report is served: textgraft serve --report FOLDER";
  $("reports-list").replaceChildren(...reports.map(({ name, url }) => {
    const button = element("button", { type: "button" }, name);
    button.addEventListener("click", () => {
      $("report").src = url;
      $("report").hidden = false;
    });
    return button;
  }));
}

async function showApi() {
  $("example").textContent = `curl ${location.origin}/v1/embeddings -H 'Content-Type: application/json' \\\n  -d '{"model": "bundled", "input": "Where is my card?"}'`;
  const { paths } = await ask("/openapi.json");
  $("operations").tBodies[0].replaceChildren(...Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => element("tr", {},
      element("td", {}, element("code", {}, `${method.toUpperCase()} ${path}`)),
      element("td", {}, operation.description || operation.summary || "")))));
}

// ---- which part is shown ----

const PARTS = ["try", "live", "review", "reports", "api"];
const SHOW = { try: async () => choices.length || loadModels(), live: watch, review: showReview, reports: showReports, api: showApi };
const part = () => (PARTS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "try");

async function begin() {
  clearInterval(watching);
  tell();
  for (const name of PARTS) {
    const isShown = name === part();
    $(name).hidden = !isShown;
    const link = document.querySelector(`nav a[href="#${name}"]`);
    if (isShown) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  try {
    await SHOW[part()]();
    if (part() === "live") watching = setInterval(() => document.hidden || watch().catch(tell), EVERY);
  } catch (error) {
    tell(error);
  }
}

addEventListener("hashchange", () => { begin(); $("content").focus({ preventScroll: true }); scrollTo(0, 0); });
begin();
