for (const table of document.querySelectorAll("table.sort")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const way = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", way === 1 ? "ascending" : "descending");
      const byText = head.classList.contains("left");
      const keyed = [...table.tBodies[0].rows].map(row => {
        const text = row.cells[column].textContent.trim(), number = parseFloat(text);
        return { row, key: byText ? text : isNaN(number) ? -Infinity : number };
      });
      keyed.sort((a, b) => way * (byText ? a.key.localeCompare(b.key) : a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
      table.tBodies[0].append(...keyed.map(entry => entry.row));
    });
  });
}
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details.more:not([open])")];
  for (const one of opened) one.open = true;
});
addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
