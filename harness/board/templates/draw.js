"use strict";
// Draws what the page carries as JSON, in the colours of day or night. Shared by all pages.
document.documentElement.classList.add("js");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const PLOT_OPTIONS = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

// Plotly reads some HTML in labels; text from a record holds none.
function plainLabel(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function themeOf(layout) {
  const text = dark.matches ? "#e6e6e6" : "#1f2328";
  const grid = dark.matches ? "#3a3f46" : "#dfe3e8";
  const box = dark.matches ? "#2a2f36" : "#ffffff";
  const changes = { "font.color": text, "hoverlabel.bgcolor": box, "hoverlabel.font.color": text, "hoverlabel.bordercolor": grid };
  (layout.annotations ?? []).forEach((one, at) => {
    if (one.name === "warning") changes[`annotations[${at}].font.color`] = dark.matches ? "#ff8a8a" : "#b00020";
  });
  for (const name of Object.keys(layout)) {
    if (/^[xy]axis\d*$/.test(name)) {
      changes[`${name}.gridcolor`] = grid;
      changes[`${name}.linecolor`] = grid;
      changes[`${name}.zerolinecolor`] = grid;
    }
  }
  return changes;
}

function draw(place, { data, layout }) {
  place.querySelectorAll(".no-script").forEach((one) => one.remove());
  return Plotly.react(place, data, layout, PLOT_OPTIONS)
    .then(() => Plotly.relayout(place, themeOf(layout)))
    .then(() => {
      place.layoutOfOurs = layout;
      place.dataset.drawn = "yes";
    });
}

dark.addEventListener("change", () => {
  for (const place of document.querySelectorAll("[data-drawn]")) {
    Plotly.relayout(place, themeOf(place.layoutOfOurs));
  }
});

for (const place of document.querySelectorAll("[data-specification]")) {
  draw(place, JSON.parse(document.getElementById(place.dataset.specification).textContent));
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Where a page may not write to the clipboard, the text is at least selected.
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}
