"use strict";
// Draws the charts, follows the theme, and lets tables be searched and sorted. Everything else works without it.

(function () {
  const THEMES = {
    light: { text: "#3c4650", line: "#8b959f", grid: "#dfe4e9" },
    dark: { text: "#c3ccd5", line: "#66717c", grid: "#2e3741" },
  };
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function paint(isDark) {
    const theme = isDark ? THEMES.dark : THEMES.light;
    for (const view of Object.values(Bokeh.index)) {
      for (const model of view.model.references()) {
        if ("axis_label_text_color" in model.properties) {
          model.setv({
            axis_label_text_color: theme.text,
            axis_label_text_font_style: "normal",
            major_label_text_color: theme.text,
            axis_line_color: theme.line,
            major_tick_line_color: theme.line,
            minor_tick_line_color: null,
          });
        } else if ("band_fill_color" in model.properties && model.grid_line_color !== null) {
          model.setv({ grid_line_color: theme.grid });
        }
      }
    }
  }

  async function draw() {
    const data = document.getElementById("chart-data");
    if (data === null) {
      return; // no run has left anything to draw
    }
    for (const [id, item] of Object.entries(JSON.parse(data.textContent))) {
      await Bokeh.embed.embed_item(item, id);
    }
    paint(dark.matches);
    document.documentElement.dataset.charts = "drawn";
    dark.addEventListener("change", (event) => paint(event.matches));
    window.addEventListener("beforeprint", () => paint(false));
    window.addEventListener("afterprint", () => paint(dark.matches));
  }

  function search(input) {
    const rows = document.getElementById(input.dataset.table).tBodies[0].rows;
    const words = input.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
    let found = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      found += row.hidden ? 0 : 1;
    }
    const count = document.getElementById(input.dataset.table + "-count");
    count.textContent = words.length === 0 ? rows.length + " rows" : found + " of " + rows.length + " rows";
  }

  function compare(first, second) {
    const [a, b] = [first, second].map((cell) => cell.dataset.value ?? cell.textContent.trim());
    const [x, y] = [a, b].map((text) => (text === "" ? NaN : Number(text)));
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  }

  function sort(table, column) {
    const heads = [...table.tHead.rows[0].cells];
    const direction = heads[column].getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const head of heads) {
      head.removeAttribute("aria-sort");
    }
    heads[column].setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows];
    rows.sort((first, second) => sign * compare(first.cells[column], second.cells[column]));
    table.tBodies[0].append(...rows);
  }

  for (const input of document.querySelectorAll("input[data-table]")) {
    input.addEventListener("input", () => search(input));
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, column));
      head.append(button);
    });
  }
  draw();
})();
