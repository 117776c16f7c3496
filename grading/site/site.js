// Search over the sections of all lessons. Words are taken as `search.py` takes them; the last one may be unfinished.
const form = document.querySelector("form[role=search]");
const box = form.querySelector("input"), list = form.querySelector("ol");
const vocabulary = Object.keys(searchIndex.words);

function wordsOf(text) {
  return text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").match(/[a-z0-9_]{2,}/g) || [];
}

function find(text) {
  let scores = null;
  for (const word of wordsOf(text)) {
    const here = new Map();
    for (const known of vocabulary.filter(v => v.startsWith(word))) {
      const places = searchIndex.words[known];
      const rare = Math.log(1 + (2 * searchIndex.sections.length) / places.length) * (known === word ? 2 : 1);
      for (let i = 0; i < places.length; i += 2)
        here.set(places[i], Math.max(here.get(places[i]) || 0, rare * Math.sqrt(places[i + 1])));
    }
    if (scores === null) scores = here;
    else scores = new Map([...scores].filter(([s]) => here.has(s)).map(([s, value]) => [s, value + here.get(s)]));
  }
  return scores ? [...scores].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, 12).map(([s]) => searchIndex.sections[s]) : [];
}

function show() {
  const asked = wordsOf(box.value).length > 0, sections = find(box.value);
  list.replaceChildren(...sections.map(([page, anchor, lesson, title, beginning]) => {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = `${page}#${anchor}`;
    for (const [tag, text] of [["strong", title || lesson], ["small", title ? lesson : ""], ["span", beginning]]) {
      const part = document.createElement(tag);
      part.textContent = text;
      if (text) link.append(part);
    }
    item.append(link);
    return item;
  }));
  if (asked && !sections.length) {
    const item = document.createElement("li");
    item.textContent = "Nothing found.";
    list.append(item);
  }
  list.hidden = !asked;
}

form.hidden = false;
form.addEventListener("submit", event => {
  event.preventDefault();
  list.querySelector("a")?.click();
});
box.addEventListener("input", show);
box.addEventListener("focus", show);
list.addEventListener("click", event => { if (event.target.closest("a")) list.hidden = true; });
document.addEventListener("click", event => { if (!form.contains(event.target)) list.hidden = true; });
document.addEventListener("keydown", event => {
  if (event.key === "Escape") { list.hidden = true; return; }
  if (event.key === "/" && !/input|textarea/i.test(document.activeElement.tagName)) { event.preventDefault(); box.focus(); return; }
  const links = [...list.querySelectorAll("a")], at = links.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && !list.hidden && form.contains(document.activeElement)) {
    event.preventDefault();
    (at + step < 0 ? box : links[Math.min(at + step, links.length - 1)])?.focus();
  }
});
const sections = document.querySelector("nav.sections details");
if (sections && matchMedia("(max-width: 64rem)").matches) sections.open = false;
