
"use strict";
// Draws every figure; the printed form stays visible until its figure stands.
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function colours() {
  return dark.matches ? { text: "#e6e6e6", grid: "#3a3f46" } : { text: "#1f2328", grid: "#dfe3e8" };
}

function themed(layout) {
  const { text, grid } = colours();
  const changes = { "font.color": text };
  for (const name of Object.keys(layout)) {
    if (/^[xy]axis\d*$/.test(name)) {
      changes[`${name}.gridcolor`] = grid;
      changes[`${name}.linecolor`] = grid;
    }
  }
  return changes;
}

for (const place of document.querySelectorAll("div.interactive")) {
  const { data, layout } = JSON.parse(document.getElementById(place.dataset.specification).textContent);
  const options = { displaylogo: false, responsive: true };
  place.closest("figure").classList.add("drawn");
  Plotly.newPlot(place, data, layout, options)
    .then(() => Plotly.relayout(place, themed(layout)))
    .then(() => { place.dataset.drawn = "yes"; });
  dark.addEventListener("change", () => Plotly.relayout(place, themed(layout)));
}
