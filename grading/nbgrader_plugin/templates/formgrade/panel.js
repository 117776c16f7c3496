// Beside each comment box in formgrader: comments already given, the rubric's lines, earlier scores. And a warning
// in red whenever something that was typed has not been saved, which formgrader itself passes over in silence.
document.addEventListener("DOMContentLoaded", () => {
  const columns = { grade: ["manual_score", "extra_credit"], comment: ["manual_comment"] };
  const shown = new Map();
  const place = (url) => /\/api\/(grade|comment)s?(?:\/(\w+))?(?:\?|$)/.exec(url || "");

  const unsaved = (text) => {
    let box = document.getElementById("vitlab-unsaved");
    if (!box) {
      box = document.createElement("div");
      box.id = "vitlab-unsaved";
      box.setAttribute("role", "alert");
      document.body.append(box);
    }
    box.textContent = text;
  };

  $(document).ajaxSend((_event, request, options) => {
    const found = place(options.url);
    if (found && found[2] && options.type === "PUT" && shown.has(found[2])) {
      request.setRequestHeader("X-Vitlab-Seen", shown.get(found[2]));
    }
  });
  $(document).ajaxSuccess((_event, request, options) => {
    const found = place(options.url);
    if (!found || !request.responseJSON) return;
    for (const row of [].concat(request.responseJSON)) {
      if (row && row.id) shown.set(row.id, JSON.stringify(Object.fromEntries(columns[found[1]].map(c => [c, row[c]]))));
    }
  });
  $(document).ajaxError((_event, request, options) => {
    if (options.type !== "PUT" || !place(options.url)) return;
    if (request.status === 409) {
      const now = (request.responseJSON || {}).now || {};
      const value = Object.values(now).filter(v => v !== null && v !== "").join(", ") || "nothing";
      unsaved(`Not saved: somebody else has changed this meanwhile, to ${value}. Reload the page, then decide.`);
    } else if (request.status === 403 || request.status === 401) {
      unsaved("Not saved: this browser is not signed in (no session cookie). Sign in again, reload the page, and type it again.");
    } else {
      unsaved(`Not saved: the server answered ${request.status || "nothing"}. Reload the page, and type it again.`);
    }
  });

  const button = (text, box) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", () => {
      box.value = box.value.trim() ? `${box.value.trim()}\n${text}` : text;
      $(box).trigger("change");
      box.focus();
    });
    return made;
  };
  const heading = (text) => Object.assign(document.createElement("h5"), { textContent: text });

  const panel = (box, cell) => {
    for (const one of cell.earlier) {
      const said = document.createElement("div");
      said.className = "vitlab-earlier";
      const score = one.score === null ? "" : `score ${one.score}`;
      said.textContent = `For an earlier answer: ${[score, one.comment].filter(Boolean).join(", ")}`
        + (one.author ? ` (${one.author}, ${one.at.replace("T", " ")})` : "");
      box.after(said);
    }
    if (cell.by) box.after(Object.assign(document.createElement("div"), { className: "vitlab-by", textContent: `scored by ${cell.by}, ${cell.at.replace("T", " ")}` }));
    if (!cell.comments.length && !cell.rubric.length) return;
    const hand = document.createElement("details");
    hand.className = "vitlab-hand";
    hand.append(Object.assign(document.createElement("summary"), { textContent: "Comments at hand" }));
    if (cell.comments.length) hand.append(heading("Given to this question already"), ...cell.comments.map(text => button(text, box)));
    if (cell.rubric.length) hand.append(heading("From the rubric"), ...cell.rubric.map(text => button(text, box)));
    box.after(hand);
  };

  const found = /^(.*\/formgrader)\/submissions\/([^/?]+)/.exec(location.pathname);
  if (!found) return;
  $.getJSON(`${found[1]}/api/vitlab/${found[2]}`).done((cells) => {
    for (const [name, cell] of Object.entries(cells)) {
      const box = document.getElementById(`${name}-comment`) || document.getElementById(`${name.replace(/-check$/, "")}-comment`);
      if (box) panel(box, cell);
    }
  });
});
