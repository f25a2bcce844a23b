"use strict";

// Sortable tables: a click on a head sorts by it, numbers as numbers, what is no number last; again turns the order.
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

function valueOf(cell) {
  if (!cell.classList.contains("number")) return cell.textContent;
  const text = cell.dataset.value;
  if (text === "") return null;
  return text === "inf" ? Infinity : Number(text);
}

function order(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  return sign * compare(a, b);
}

function mark(head, heads) {
  const up = head.getAttribute("aria-sort") !== "ascending";
  heads.forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  return up ? 1 : -1;
}

document.querySelectorAll("table.sortable").forEach((table) => {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (button === null) return;
    button.addEventListener("click", () => {
      const sign = mark(head, heads);
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [valueOf(row.cells[column]), row]);
      rows.sort((a, b) => order(a[0], b[0], sign));
      body.append(...rows.map((pair) => pair[1]));
    });
  });
});

// The explorer shows the cells that a number was made of, at most PAGE of them at a time.
const PAGE = 100;
const explorer = JSON.parse(document.getElementById("cells-data").textContent);
const filter = document.getElementById("filter");
const body = document.querySelector("#explorer tbody");
const said = document.getElementById("explorer-said");
let chosen = null;
let shown = explorer.rows;
let first = 0;

function positions(text) {
  const found = new Set();
  text.split(",").forEach((part) => {
    if (part === "") return;
    const ends = part.split("-").map(Number);
    for (let i = ends[0]; i <= ends[ends.length - 1]; i += 1) found.add(i);
  });
  return found;
}

function draw() {
  const rows = shown.slice(first, first + PAGE);
  body.replaceChildren(
    ...rows.map((row) => {
      const line = document.createElement("tr");
      row.forEach((value) => {
        const cell = document.createElement("td");
        if (typeof value === "number") cell.className = "number";
        cell.textContent = value === null ? "" : typeof value === "number" ? String(Number(value.toPrecision(7))) : value;
        line.append(cell);
      });
      return line;
    }),
  );
  const last = Math.min(first + PAGE, shown.length);
  said.textContent = shown.length === 0 ? "no cells" : `cells ${first + 1} to ${last} of ${shown.length}`;
}

function choose() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = explorer.rows.filter((row) => {
    if (chosen !== null && !chosen.has(row[0])) return false;
    const text = words.length ? row.join(" ").toLowerCase() : "";
    return words.every((word) => text.includes(word));
  });
  first = 0;
  draw();
}

document.querySelectorAll("button.cells").forEach((button) => {
  button.addEventListener("click", () => {
    chosen = positions(button.dataset.cells);
    filter.value = "";
    choose();
    document.getElementById("explorer").scrollIntoView();
  });
});
document.getElementById("all-cells").addEventListener("click", () => {
  chosen = null;
  filter.value = "";
  choose();
});
document.getElementById("previous").addEventListener("click", () => {
  first = Math.max(first - PAGE, 0);
  draw();
});
document.getElementById("next").addEventListener("click", () => {
  if (first + PAGE < shown.length) first += PAGE;
  draw();
});
filter.addEventListener("input", choose);
const explorerHeads = [...document.querySelectorAll("#explorer th")];
explorerHeads.forEach((head, column) => {
  head.querySelector("button").addEventListener("click", () => {
    const sign = mark(head, explorerHeads);
    shown = [...shown].sort((a, b) => order(a[column], b[column], sign));
    first = 0;
    draw();
  });
});
draw();
