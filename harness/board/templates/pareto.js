"use strict";
// The Pareto plot of the rows that are shown: any two figures, one frontier for each model and kind of figure.
// Where a service has more pages, the rows of theirs that stand on the frontier are asked for and drawn, too.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const LETTERS = { "square-open": "□", "circle-open": "○", circle: "●", diamond: "◆", "diamond-open": "◇" };

// A browser draws a dozen kinds at once; with more, the small ones share a colour.
const MOST_GROUPS = 12;
const MOST_NAMES = 60;

// Marks the points that no other point beats; `better` is "higher" or "lower" for each axis. Equal points stay together.
function frontier(points, betterX, betterY) {
  const signX = betterX === "higher" ? 1 : -1;
  const signY = betterY === "higher" ? 1 : -1;
  const order = points.map((point) => ({ point, x: signX * point.x, y: signY * point.y }))
    .sort((one, two) => two.x - one.x || two.y - one.y);
  const kept = [];
  let best = -Infinity;
  let top = { x: NaN, y: NaN };
  for (const one of order) {
    if (one.x !== top.x) {
      if (one.y > best) {
        best = one.y;
        top = one;
        kept.push(one.point);
      } else {
        top = { x: one.x, y: NaN };
      }
    } else if (one.y === top.y) {
      kept.push(one.point);
    }
  }
  return kept;
}

(() => {
  const place = document.getElementById("pareto-plot");
  const choices = { x: document.getElementById("axis-x"), y: document.getElementById("axis-y") };
  const logarithmic = document.getElementById("logarithmic");
  const axes = new Map(board.data.axes.map((axis) => [axis.id, axis]));
  const models = [...new Set(board.data.rows.map((row) => row.model))].sort();
  const elsewhere = new Map();
  let scaleChosen = false;

  for (const select of Object.values(choices)) {
    for (const axis of board.data.axes) {
      const option = document.createElement("option");
      option.value = axis.id;
      option.textContent = axis.title;
      select.append(option);
    }
  }

  const words = board.words();
  // Energy where a verified row has one, else latency: a plot without the reader's own rows is no welcome.
  const known = (id) => board.data.rows.some((row) => row.verdict === "VALID" && id in row.values);
  const [firstX, firstY] = board.data.default_axes;
  choices.x.value = axes.has(words.get("x")) ? words.get("x") : firstX;
  choices.y.value = axes.has(words.get("y")) ? words.get("y") : known(firstY) || !known("latency_p50_s") ? firstY : "latency_p50_s";

  function basisOf(row) {
    return axes.get(choices.x.value).energy || axes.get(choices.y.value).energy ? row.energy_basis : row.basis;
  }

  function titleOf(axis) {
    const way = axis.better === "higher" ? "more is better" : "less is better";
    const narrow = place.clientWidth < 600;
    return plainLabel(`${axis.title}${axis.unit ? `, ${axis.unit}` : ""}`) + (narrow ? "<br>" : " ") + `(${way})`;
  }

  function pointsOf(rows) {
    const [x, y] = [choices.x.value, choices.y.value];
    return rows.filter((row) => x in row.values && y in row.values).map((row) => ({ row, x: row.values[x], y: row.values[y] }));
  }

  // Rows of other pages on the frontier of all of them; null where the service did not answer.
  function fromOtherPages() {
    if (!board.data.frontier || choices.x.value === choices.y.value) return [];
    const address = `${board.data.frontier}${new URLSearchParams({ x: choices.x.value, y: choices.y.value })}`;
    if (!elsewhere.has(address)) {
      elsewhere.set(address, []);
      place.dataset.asking = address;
      fetch(address)
        .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.status))))
        .then(({ rows }) => elsewhere.set(address, rows.filter((row) => !board.byId.has(row.id))))
        .catch(() => elsewhere.set(address, null))
        .then(() => {
          if (place.dataset.asking === address) delete place.dataset.asking;
          paint();
        });
    }
    return elsewhere.get(address);
  }

  function countOf(points, others) {
    const count = `${points.length} ${points.length === 1 ? "row" : "rows"} plotted`;
    if (others === null) return `${count}. The other pages could not be asked: the frontier is that of this page.`;
    return others.length ? `${count}, ${others.length} of them from other pages.` : `${count}.`;
  }

  function groupsOf(points) {
    const groups = new Map();
    for (const point of points) {
      const key = `${point.row.model}, ${basisOf(point.row)}`;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(point);
    }
    const large = [...groups].sort(([, one], [, two]) => two.length - one.length);
    const byName = ([one], [two]) => one.localeCompare(two, "en");
    return [...large.slice(0, MOST_GROUPS).sort(byName), ...large.slice(MOST_GROUPS).sort(byName)];
  }

  function symbolOf(row) {
    if (row.origin === "published") return "square-open";
    const energy = axes.get(choices.x.value).energy || axes.get(choices.y.value).energy;
    const shape = row.marks.some((mark) => mark.startsWith("emulated")) ? "diamond" : "circle";
    return row.virtual && energy ? `${shape}-open` : shape;
  }

  function wordsOf({ row }) {
    const texts = [choices.x.value, choices.y.value].map((id) => {
      const range = row.corrected[id];
      return `${axes.get(id).title}: ${row.texts[id]}${range ? ` (corrected ${range.map((end) => end.toPrecision(3)).join(" – ")})` : ""}`;
    });
    return [`${row.model} on ${row.label}`, ...texts, row.marks.join(", ")].filter(Boolean).map(plainLabel).join("<br>");
  }

  // What honest counting leaves of a published point: a line or a cross of its own.
  function corrections(points) {
    const [x, y] = [choices.x.value, choices.y.value];
    const lines = { x: [], y: [] };
    for (const { row, x: atX, y: atY } of points) {
      const [rangeX, rangeY] = [row.corrected[x], row.corrected[y]];
      if (!rangeX && !rangeY) continue;
      const xs = rangeX ?? [atX, atX];
      // Both follow from one count: with the speed halved, the energy is doubled.
      const ys = rangeY ? (rangeX && axes.get(x).better !== axes.get(y).better ? [rangeY[1], rangeY[0]] : rangeY) : [atY, atY];
      lines.x.push(xs[0], xs[1], null);
      lines.y.push(ys[0], ys[1], null);
    }
    return lines;
  }

  function dots(name, members, colour) {
    return {
      type: "scatter", mode: "markers", name: plainLabel(name), legendgroup: name,
      x: members.map((one) => one.x), y: members.map((one) => one.y),
      text: members.map(wordsOf), hoverinfo: "text", customdata: members.map((one) => one.row.href),
      marker: { size: 10, color: colour, symbol: members.map((one) => symbolOf(one.row)), line: { width: 2, color: colour } },
    };
  }

  function line(name, legendgroup, xs, ys, look) {
    return { type: "scatter", mode: "lines", name: plainLabel(name), legendgroup, showlegend: false, x: xs, y: ys, hoverinfo: "skip", line: look };
  }

  function paint() {
    const [x, y] = [axes.get(choices.x.value), axes.get(choices.y.value)];
    const shown = board.shown();
    const others = fromOtherPages();
    const usable = shown.filter((row) => row.usable);
    const points = pointsOf([...usable, ...(others ?? [])].filter((row) => row.usable));
    const data = [];
    const said = [];
    const groups = groupsOf(points);
    const rest = { points: [], x: [], y: [] };
    groups.forEach(([name, members], at) => {
      const best = frontier(members, x.better, y.better).sort((one, two) => one.x - two.x);
      const colour = COLOURS[models.indexOf(members[0].row.model) % COLOURS.length];
      said.push({ colour, symbol: symbolOf(members[0].row), text: `${name}: ${best.map((one) => one.row.label).join(", ")}` });
      if (at >= MOST_GROUPS) {
        rest.points.push(...members);
        rest.x.push(...best.map((one) => one.x), null);
        rest.y.push(...best.map((one) => one.y), null);
        return;
      }
      const published = members[0].row.origin === "published";
      const dash = published ? "dash" : basisOf(members[0].row).includes("virtual") ? "dot" : "solid";
      data.push(dots(name, members, colour), line(`frontier: ${name}`, name, best.map((one) => one.x), best.map((one) => one.y), { color: colour, width: 1.8, dash }));
      const ranges = published ? corrections(members) : { x: [] };
      if (ranges.x.length) {
        data.push({ ...line(`corrected range: ${name}`, name, ranges.x, ranges.y, { color: colour, width: 6 }), opacity: 0.25 });
      }
    });
    if (rest.points.length) {
      const name = `${groups.length - MOST_GROUPS} more kinds`;
      data.push(dots(name, rest.points, "#8a8a8a"), line("frontiers of the rest", name, rest.x, rest.y, { color: "#8a8a8a", width: 1.2 }));
    }
    const doubtful = pointsOf(shown.filter((row) => !row.usable));
    if (doubtful.length) {
      data.push({
        type: "scatter", mode: "markers", name: "not valid", x: doubtful.map((one) => one.x), y: doubtful.map((one) => one.y),
        text: doubtful.map(wordsOf), hoverinfo: "text", customdata: doubtful.map((one) => one.row.href),
        marker: { size: 9, color: "#999999", symbol: "x-thin", line: { width: 2, color: "#999999" } },
      });
    }
    if (!scaleChosen) logarithmic.checked = [points.map((one) => one.x), points.map((one) => one.y)].some(wide);
    const type = logarithmic.checked ? "log" : "linear";
    const mode = logarithmic.checked ? {} : { rangemode: "tozero" };
    const narrow = place.clientWidth < 600;
    // Without points there is no scale either, and no line through the words.
    const visible = points.length + doubtful.length > 0;
    const layout = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", height: narrow ? 360 : 430, hovermode: "closest",
      font: { family: "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif", size: 13 },
      margin: { l: 64, r: 16, t: 12, b: narrow ? 70 : 50 }, showlegend: data.length > 0 && !narrow,
      legend: { x: 1.02, y: 1 },
      xaxis: { visible, title: { text: titleOf(x) }, type, zeroline: false, automargin: true, ...mode, ...ticks(points.map((one) => one.x), type) },
      yaxis: { visible, title: { text: titleOf(y) }, type, zeroline: false, automargin: true, ...mode, ...ticks(points.map((one) => one.y), type) },
      annotations: visible ? [] : [{
        text: plainLabel(`No row that is shown has both ${x.title} and ${y.title}.`), showarrow: false, x: 0.5, y: 0.5, xref: "paper", yref: "paper",
      }],
    };
    const without = usable.length - pointsOf(usable).length;
    const missing = without ? ` ${without} ${without === 1 ? "row lacks" : "rows lack"} one of the two figures.` : "";
    document.getElementById("pareto-words").textContent = countOf(points, others) + missing;
    document.getElementById("pareto-list").replaceChildren(...said.slice(0, MOST_NAMES).map(({ colour, symbol, text }) => {
      const item = document.createElement("li");
      const drawn = document.createElement("span");
      drawn.className = "symbol";
      drawn.style.color = colour;
      drawn.textContent = LETTERS[symbol];
      item.append(drawn, text);
      return item;
    }));
    // Where there is no room for a legend in the plot, the names are one.
    if (narrow) document.getElementById("pareto-names").open = true;
    draw(place, { data, layout }).then(() => {
      if (!place.dataset.opens) {
        place.dataset.opens = "yes";
        place.on("plotly_click", (event) => {
          const link = event.points[0]?.customdata;
          if (link) location.href = link;
        });
      }
    });
  }

  function wide(values) {
    const positive = values.filter((value) => value > 0);
    return positive.length > 1 && positive.length === values.length && Math.max(...positive) / Math.min(...positive) > 20;
  }

  // 1, 2 and 5 of each decade in full: plotly's own minor labels leave the decade out.
  function ticks(values, type) {
    if (type !== "log") return {};
    const marks = [];
    for (let decade = -6; decade <= 9; decade += 1) for (const step of [1, 2, 5]) marks.push(step * 10 ** decade);
    const shown = wide(values) && Math.max(...values) / Math.min(...values) > 2000 ? marks.filter((mark) => /^[1]/.test(mark.toPrecision(1))) : marks;
    return { tickvals: shown, ticktext: shown.map((mark) => String(Number(mark.toPrecision(1)))) };
  }

  function remember() {
    const words = board.words();
    words.set("x", choices.x.value);
    words.set("y", choices.y.value);
    board.write(words);
  }

  for (const select of Object.values(choices)) {
    select.addEventListener("input", () => { scaleChosen = false; remember(); paint(); });
  }
  logarithmic.addEventListener("input", () => { scaleChosen = true; paint(); });
  board.listen(paint);
})();
