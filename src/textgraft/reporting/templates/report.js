(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const NARROW = 520;
  const SHEET = 860;  // pixels of a sheet of paper, headings left out

  // Where there is no room for names beside marks, they stand in a legend.
  const fitted = (data, layout, width) => {
    if (width >= NARROW) return;
    for (const trace of data) {
      if (trace.mode === "markers+text") {
        trace.mode = "markers";
        layout.showlegend = true;
      }
    }
    layout.margin = { ...layout.margin, l: Math.min(layout.margin?.l ?? 60, 44), r: 8 };
    if (layout.legend || layout.showlegend) {
      layout.legend = { orientation: "h", x: 0, y: -0.22, yanchor: "top", font: { size: 12 } };
      if (layout.height) layout.height += 24 * Math.ceil(data.length / 3);
    }
    for (const axis of [layout.xaxis, layout.yaxis]) axis.tickfont = { size: 11 };
  };

  // Colours come from the page's theme, so that plots follow it into the dark and back.
  const themed = (figure, width) => {
    const data = structuredClone(figure.data);
    const layout = structuredClone(figure.layout);
    for (const trace of data) {
      if (trace.type === "heatmap") trace.colorscale = [[0, colour("--page")], [1, colour("--heat")]];
      if (trace.mode === "markers+text") trace.textfont = { color: colour("--text"), size: 12 };
    }
    fitted(data, layout, width);
    if (document.documentElement.classList.contains("paper") && layout.height > SHEET) {
      layout.height = SHEET;
      for (const axis of [layout.xaxis, layout.yaxis]) axis.tickfont = { size: 9 };
    }
    layout.width = width;
    layout.font = { family: getComputedStyle(document.body).fontFamily, color: colour("--text"), size: 13 };
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.hoverlabel = { bgcolor: colour("--surface"), bordercolor: colour("--line"), font: { color: colour("--text") } };
    for (const axis of [layout.xaxis, layout.yaxis]) {
      Object.assign(axis, { gridcolor: colour("--line"), linecolor: colour("--line"), zeroline: false, automargin: true });
    }
    for (const menu of layout.updatemenus ?? []) {
      Object.assign(menu, { bgcolor: colour("--surface"), bordercolor: colour("--line"), font: { color: colour("--text") } });
    }
    for (const shape of layout.shapes ?? []) shape.line.color = colour("--muted");
    return [data, layout];
  };

  const drawn = {};
  const draw = () => {
    for (const [name, figure] of Object.entries(figures)) {
      const place = document.getElementById(`plot-${name}`);
      place.setAttribute("role", "img");
      place.setAttribute("aria-label", place.closest("section").querySelector("h2, .headline").textContent.trim());
      drawn[name] = place.clientWidth;
      Plotly.react(place, ...themed(figure, place.clientWidth), { displayModeBar: false });
    }
  };
  const redraw = () => {
    if (Object.keys(figures).some((name) => document.getElementById(`plot-${name}`).clientWidth !== drawn[name])) draw();
  };

  // What scrolls can be reached by keyboard, and has a name of its own.
  const reachable = () => {
    const counts = {};
    for (const box of document.querySelectorAll(".scroll")) {
      const headings = [...(box.closest("section")?.querySelectorAll("h2, h3, summary") ?? [])];
      const before = headings.filter((one) => one.compareDocumentPosition(box) & Node.DOCUMENT_POSITION_FOLLOWING);
      const title = before.at(-1)?.textContent.trim() ?? "table";
      counts[title] = (counts[title] ?? 0) + 1;
      const label = counts[title] > 1 ? `${title}, ${counts[title]}` : title;
      const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
      for (const [name, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", label]]) {
        if (scrolls) box.setAttribute(name, value);
        else box.removeAttribute(name);
      }
    }
  };

  const all = (then) => () => { then(); reachable(); };
  all(draw)();
  let waiting;
  window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(all(redraw), 120); });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.addEventListener("toggle", reachable, true);
  // On paper, plots are as wide as it is and have its colours.
  window.addEventListener("beforeprint", () => { document.documentElement.classList.add("paper"); draw(); });
  window.addEventListener("afterprint", () => { document.documentElement.classList.remove("paper"); all(draw)(); });
})();
