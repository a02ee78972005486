(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Colours come from the page's theme, so that plots follow it into the dark and back.
  const themed = (figure) => {
    const data = structuredClone(figure.data);
    const layout = structuredClone(figure.layout);
    for (const trace of data) {
      if (trace.type === "heatmap") trace.colorscale = [[0, colour("--page")], [1, colour("--heat")]];
      if (trace.mode === "markers+text") trace.textfont = { color: colour("--text"), size: 12 };
    }
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

  const config = { responsive: true, displayModeBar: false };
  const draw = () => {
    for (const [name, figure] of Object.entries(figures)) {
      Plotly.react(`plot-${name}`, ...themed(figure), config);
    }
  };
  draw();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
