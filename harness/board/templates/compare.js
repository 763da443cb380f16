"use strict";
// Two or more systems side by side, with ratios to the first.
(() => {
  const boxes = [...document.querySelectorAll("input.chosen")];
  const tray = document.getElementById("tray");
  const section = document.getElementById("compare");
  const table = document.getElementById("sides");
  const more = document.getElementById("sides-more");
  const command = document.getElementById("sides-command");
  const MOST_NAMED = 12;
  // The words of `iot-farm compare`; what is neither speed, latency nor energy is higher or lower.
  const WORDS = { ips: ["faster", "slower"], latency: ["later", "sooner"], energy: ["more", "less"] };
  let chosen = [];

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  // The figure of a row as a range: a published one that was counted twice is known as a range only, unless both are published.
  function rangeOf(row, id, bothPublished) {
    const value = row.values[id];
    if (value === undefined) return null;
    return row.corrected[id] && !bothPublished ? row.corrected[id] : [value, value];
  }

  // How many times, never below 1, and which way; the page has no samples, so it does not say whether that is a difference.
  function ratioText([low, high], id) {
    const short = (ratio) => (ratio >= 100 ? ratio.toFixed(0) : ratio.toPrecision(3));
    const times = (one, two) => (short(one) === short(two) ? short(one) : `${short(one)} to ${short(two)}`);
    const [up, down] = WORDS[id.split("_")[0]] ?? ["higher", "lower"];
    if (low < 1 && high > 1 && short(1 / low) !== "1.00" && short(high) !== "1.00") return `${short(1 / low)} times ${down} to ${short(high)} times ${up}`;
    const [one, two, word] = high > 1 && short(high) !== "1.00" ? [Math.max(low, 1), high, up] : [Math.max(1 / high, 1), 1 / low, down];
    return times(one, two) === "1.00" ? "1.00 times" : `${times(one, two)} times ${word}`;
  }

  // With names that a shell takes as they are; a publication has no samples.
  function commandOf(rows) {
    const runs = rows.filter((row) => row.origin !== "published");
    const plain = runs.length > 1 && runs.length <= MOST_NAMED && runs.every((row) => /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(row.name));
    if (!plain) return "iot-farm compare";
    return ["iot-farm compare", ...runs.map((row) => `${row.name}.json`), ...(runs.every((row) => row.usable) ? [] : ["--all"])].join(" ");
  }

  function hint() {
    const box = table.parentElement;
    more.hidden = section.hidden || box.scrollWidth <= box.clientWidth;
  }

  function ratioOf(row, reference, column) {
    if (!(column.id in row.values) || !(column.id in reference.values)) return null;
    if (row.model !== reference.model) return { text: "another model" };
    if (column.energy && row.origin !== "published" && reference.origin !== "published" && row.virtual !== reference.virtual) {
      return { text: "virtual against measured" };
    }
    if (column.energy && (row.virtual !== reference.virtual)) return { text: "virtual against published" };
    const both = row.origin === "published" && reference.origin === "published";
    const [one, base] = [rangeOf(row, column.id, both), rangeOf(reference, column.id, both)];
    if (!one || !base || one[0] <= 0 || base[0] <= 0) return null;
    const ratio = [one[0] / base[1], one[1] / base[0]];
    const doubtful = !(row.usable && reference.usable);
    const text = ratioText(ratio, column.id) + (doubtful ? " (not valid)" : "");
    const corrected = !both && (row.corrected[column.id] || reference.corrected[column.id]) ? "by the corrected range" : "";
    return { text, corrected };
  }

  function show({ focus }) {
    const rows = chosen.map((id) => board.byId.get(id)).filter(Boolean);
    table.replaceChildren();
    section.hidden = rows.length < 2;
    if (section.hidden) return;
    table.style.setProperty("--systems", rows.length);
    command.textContent = commandOf(rows);
    const head = table.createTHead().insertRow();
    head.append(element("th", "figure"));
    rows.forEach((row, at) => {
      const cell = element("th");
      cell.scope = "col";
      const link = element("a", row.label);
      link.href = row.href;
      cell.append(element("small", row.model), link, element("small", [row.verdict, ...row.marks].join(" · ")));
      if (at) {
        const button = element("button", "make it the first", "quiet");
        button.type = "button";
        button.addEventListener("click", () => { chosen = [row.id, ...chosen.filter((id) => id !== row.id)]; changed({ focus: false }); });
        cell.append(button);
      } else {
        cell.append(element("small", "reference", "reference"));
      }
      head.append(cell);
    });
    const body = table.createTBody();
    for (const column of board.data.columns) {
      if (!rows.some((row) => column.id in row.values)) continue;
      const line = body.insertRow();
      const name = element("th", column.title);
      name.scope = "row";
      line.append(name);
      rows.forEach((row, at) => {
        const cell = line.insertCell();
        cell.className = "number";
        cell.append(element(row.usable || !(column.id in row.values) ? "span" : "s", row.texts[column.id] ?? "–"));
        if (row.corrected[column.id]) {
          cell.append(element("small", `corrected ${row.corrected[column.id].map((end) => end.toPrecision(3)).join(" – ")}`, "corrected"));
        }
        const ratio = at && column.better !== "neither" ? ratioOf(row, rows[0], column) : null;
        if (ratio) {
          cell.append(element("small", ratio.text, "ratio"));
          if (ratio.corrected) cell.append(element("small", ratio.corrected, "ratio"));
        }
      });
    }
    hint();
    if (focus) {
      const title = document.getElementById("compare-title");
      title.focus({ preventScroll: true });
      title.scrollIntoView({ block: "start" });
    }
  }

  function changed({ focus }) {
    for (const box of boxes) box.checked = chosen.includes(box.value);
    tray.hidden = chosen.length === 0;
    document.body.classList.toggle("with-tray", chosen.length > 0);
    document.getElementById("tray-compare").disabled = chosen.length < 2;
    document.getElementById("tray-words").textContent =
      chosen.length === 1 ? "1 chosen: choose another to compare" : `${chosen.length} chosen`;
    const words = board.words();
    if (chosen.length) words.set("compare", chosen.join(","));
    else words.delete("compare");
    board.write(words);
    if (focus || !section.hidden || chosen.length < 2) show({ focus });
  }

  for (const box of boxes) {
    box.addEventListener("input", () => {
      chosen = chosen.filter((id) => id !== box.value);
      if (box.checked) chosen.push(box.value);
      changed({ focus: false });
    });
  }
  window.addEventListener("resize", hint);
  document.getElementById("tray-compare").addEventListener("click", () => changed({ focus: true }));
  document.getElementById("tray-clear").addEventListener("click", () => { chosen = []; changed({ focus: false }); });

  const before = (board.words().get("compare") ?? "").split(",").filter((id) => board.byId.has(id));
  if (before.length) {
    chosen = [...new Set(before)];
    changed({ focus: chosen.length > 1 });
  }
  board.start();
})();
