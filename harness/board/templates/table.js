"use strict";
// Sorts and filters the rows of the page; what is chosen stands in the address, so that it can be sent to others.
const board = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = new Map(data.rows.map((row) => [row.id, row]));
  const form = document.getElementById("filters");
  const table = document.getElementById("board");
  const bodies = [...table.tBodies];
  const lines = [...table.querySelectorAll("tr.row")];
  const here = form.dataset.here === "yes";
  const better = new Map(data.columns.map((column) => [column.id, column.better]));
  const fields = ["q", "model", "kind", "mark", "others", "mixed", "sort"];
  let order = { key: "", descending: false };
  const listeners = [];
  let first = true;

  function valueOf(row, key) {
    if (key === "model" || key === "verdict") return row[key];
    if (key === "system") return row.label;
    if (key === "marks") return row.marks.join(" ");
    if (key === "devices") return row.devices;
    return row.values[key];
  }

  // What is missing comes last in either direction; equal rows keep their order.
  function comparison({ key, descending }) {
    const sign = descending ? -1 : 1;
    return (one, two) => {
      const a = valueOf(byId.get(one.dataset.id), key);
      const b = valueOf(byId.get(two.dataset.id), key);
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
      if (typeof a === "string") return sign * a.localeCompare(b, "en", { numeric: true });
      return sign * (a - b);
    };
  }

  function arrange() {
    const mixed = Boolean(form.elements.mixed?.checked);
    const sorted = order.key ? [...lines].sort(comparison(order)) : lines;
    const homes = new Map(bodies.map((body) => [body.dataset.group, body]));
    for (const line of sorted) {
      const row = byId.get(line.dataset.id);
      let group = row.usable ? (row.origin === "published" ? "published" : "verified") : "others";
      if (mixed && group === "published" && homes.has("verified")) group = "verified";
      homes.get(group).append(line);
    }
    for (const head of table.tHead.querySelectorAll("th[data-key]")) {
      const mine = head.dataset.key === order.key;
      if (mine) head.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  function fits(row) {
    const wanted = Object.fromEntries(fields.map((name) => [name, form.elements[name]?.value ?? ""]));
    if (!form.elements.others.checked && !row.usable) return false;
    if (wanted.model && row.model !== wanted.model) return false;
    if (wanted.kind && row.kind !== wanted.kind) return false;
    const marks = row.marks.join(" ");
    if (wanted.mark === "none" && /virtual|emulated|published|quick|wire|computed/.test(row.marks.map((mark) => mark.split(/[: ]/)[0]).join(" "))) return false;
    if (wanted.mark && wanted.mark !== "none" && !row.marks.some((mark) => mark.split(/[: ]/)[0] === wanted.mark)) return false;
    const text = `${row.model} ${row.label} ${row.verdict} ${marks}`.toLowerCase();
    return wanted.q.toLowerCase().split(/\s+/).every((word) => text.includes(word));
  }

  function filter() {
    let count = 0;
    let other = false;
    for (const line of lines) {
      const shown = here ? fits(byId.get(line.dataset.id)) : form.elements.others.checked || byId.get(line.dataset.id).usable;
      other ||= line.hidden === shown;
      line.hidden = !shown;
      count += shown;
    }
    for (const body of bodies) {
      body.hidden = ![...body.querySelectorAll("tr.row")].some((line) => !line.hidden);
    }
    const rest = lines.length - count;
    document.getElementById("shown").textContent = `${count} ${count === 1 ? "row" : "rows"} shown${rest ? `, ${rest} hidden` : ""}.`;
    return other;
  }

  function remember() {
    const words = new URLSearchParams(location.hash.slice(1));
    for (const name of fields) {
      const field = form.elements[name];
      if (!field) continue;
      const value = field.type === "checkbox" ? (field.checked ? "1" : "") : field.value;
      if (name === "sort") continue;
      if (value) words.set(name, value);
      else words.delete(name);
    }
    if (order.key) words.set("sort", (order.descending ? "-" : "") + order.key);
    else words.delete("sort");
    write(words);
  }

  function write(words) {
    const text = words.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  }

  function recall() {
    const words = new URLSearchParams(location.hash.slice(1));
    for (const name of fields) {
      const field = form.elements[name];
      if (!field || name === "sort" || !words.has(name)) continue;
      if (field.type === "checkbox") field.checked = words.get(name) === "1";
      else field.value = words.get(name);
    }
    const sort = words.get("sort") ?? "";
    const key = sort.replace(/^-/, "");
    if (key && table.tHead.querySelector(`th[data-key="${CSS.escape(key)}"]`)) order = { key, descending: sort.startsWith("-") };
  }

  function changed() {
    if (here) {
      if (form.elements.sort) form.elements.sort.value = better.has(order.key) ? order.key : "";
      arrange();
      remember();
    }
    const other = filter();
    // Another order of the same rows is the same plot.
    if (other || first) for (const listener of listeners) listener();
    first = false;
  }

  // A first click shows the best first where a column has a best.
  function firstDirection(key) {
    return better.get(key) === "higher" || key === "frames_verified";
  }

  if (here) {
    recall();
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => { order = { key: "", descending: false }; changed(); }));
    for (const head of table.tHead.querySelectorAll("th[data-key]")) {
      head.querySelector("button").addEventListener("click", () => {
        const key = head.dataset.key;
        order = { key, descending: order.key === key ? !order.descending : firstDirection(key) };
        changed();
      });
    }
    form.elements.sort?.addEventListener("input", () => {
      const key = form.elements.sort.value;
      order = { key, descending: firstDirection(key) };
    });
    form.addEventListener("input", changed);
  } else {
    form.elements.others.addEventListener("input", changed);
  }

  return {
    data,
    byId,
    shown: () => lines.filter((line) => !line.hidden).map((line) => byId.get(line.dataset.id)),
    listen: (listener) => listeners.push(listener),
    start: changed,
    words: () => new URLSearchParams(location.hash.slice(1)),
    write,
  };
})();
