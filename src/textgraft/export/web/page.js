// The page: a text in, its labels out.

import { load } from "./model.js";

const element = (name) => document.getElementById(name);
const said = element("said");
const TOLERANCE = 0.05;

const row = (label, share) => {
  const made = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = label;
  const cell = document.createElement("td");
  const meter = document.createElement("meter");
  meter.value = share;
  meter.setAttribute("aria-label", label);
  const number = document.createElement("span");
  number.textContent = share.toFixed(3);
  cell.append(meter, number);
  made.append(name, cell);
  return made;
};

const show = (answer, milliseconds) => {
  const given = answer.label ?? answer.labels?.join(", ") ?? (answer.value === undefined ? null : String(answer.value));
  element("answer").textContent = given === null ? "left to a person" : given || "no label";
  const scores = Object.entries(answer.scores ?? {}).sort((a, b) => b[1] - a[1]);
  element("scores").replaceChildren(...scores.map(([label, share]) => row(label, share)));
  element("time").textContent = `${milliseconds.toFixed(0)} ms`;
};

const begin = async () => {
  said.textContent = "The model is loaded …";
  const model = await load(new URL(".", import.meta.url).href, globalThis.ort);
  globalThis.textgraft = model;
  const drift = await model.check();
  if (!(drift <= TOLERANCE)) throw new Error(`the golden outputs are missed by ${drift.toFixed(3)}`);
  said.textContent = `Ready. Nothing leaves this page. (${model.manifest.task}, ${model.facts.precision})`;
  document.body.dataset.ready = "yes";
  const form = element("form");
  const ask = async (event) => {
    event?.preventDefault();
    const start = performance.now();
    show(await model.predict(element("text").value), performance.now() - start);
    document.body.dataset.answered = String(Number(document.body.dataset.answered ?? 0) + 1);
  };
  form.addEventListener("submit", ask);
  element("ask").disabled = false;
};

begin().catch((error) => {
  said.textContent = `This page cannot answer: ${error.message}`;
  document.body.dataset.ready = "no";
});
