// The page without this script is complete; with it, a reader predicts before looking.
//
// A prediction opens what was measured, and says whether it was right; the tally counts. The rest
// opens all answers for a teacher, saves figures, and makes slides.

const STORE = "tinytrain predictions";
let storage = {};
try {
  storage = localStorage; // over a reload, too
} catch { /* which the browser does not allow */ }
const kept = JSON.parse(storage[STORE] ?? "{}"); // predictions by rung

/** Judge the prediction of `form`, show what was measured, count it, and keep it. */
function judge(form) {
  const [[name, value]] = new FormData(form), right = value === form.dataset.truth;
  kept[name] = value;
  storage[STORE] = JSON.stringify(kept);
  form.dataset.right = right;
  form.querySelector(".verdict").textContent = `${right ? "Yes." : "No."} ${form.dataset.said}.`;
  form.querySelector("fieldset").disabled = true;
  form.closest("section").querySelector("details.result").open = true;
  count();
}

/** Say how many predictions were right so far. */
function count() {
  const number = (which) => document.querySelectorAll(`form.predict${which}`).length;
  const [right, done] = [number("[data-right=true]"), number("[data-right]")];
  const said = `So far: ${right} of ${done} right, ${number("") - done} to go.`;
  document.querySelectorAll(".tally").forEach((place) => (place.textContent = said));
}

/** One claim and one figure at a time, the section in the address: arrow keys turn the page, Escape
ends it. */
function slides() {
  const figures = ":is(:has(> figure, > .pair figure), #live-body > *, #at-work)";
  const all = [...document.querySelectorAll(`main section${figures}`)];
  const at = () => all.findIndex(({ id }) => location.hash === `#${id}`);
  const show = (slide) => (location.hash = (all[slide] ?? all.at(at())).id);
  document.body.classList.add("slides");
  all.forEach((section) => section.classList.add("slide")); // which are printed
  if (at() < 0) show(0);
  addEventListener("keydown", (event) => {
    const ways = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 };
    if (event.key === "Escape") document.body.classList.remove("slides");
    if (!ways[event.key] || event.target.closest("input, select, canvas, [tabindex]")) return;
    event.preventDefault();
    show(at() + ways[event.key]);
  });
}

/** Save the figure that a button belongs to, as a file of its own. */
function save(button) {
  const svg = button.previousElementSibling.cloneNode(true), link = document.createElement("a");
  svg.setAttribute("style", "color: black; font-family: sans-serif; font-size: 12px");
  const text = new XMLSerializer().serializeToString(svg);
  link.href = `data:image/svg+xml,${encodeURIComponent(text)}`;
  link.download = `${button.parentElement.ariaLabel.replace(/\W+/g, "-")}.svg`;
  link.click();
}

/** Show what a word means beside it: a click on one that stands in the glossary goes nowhere else. */
function explain(event) {
  const link = event.target.closest("a.word"), box = document.getElementById("meaning");
  const entry = link && `glossary-${link.textContent.replaceAll(" ", "-")}`;
  if (!document.getElementById(entry)) return;
  event.preventDefault();
  box.firstElementChild.textContent = document.querySelector(`#${entry} + dd`).textContent;
  Object.assign(box.lastElementChild, { href: link.hash, hidden: link.hash === `#${entry}` });
  box.showPopover({ source: link });
}

addEventListener("click", explain);
document.querySelector("#meaning a").addEventListener("click", ({ target }) =>
  target.parentElement.hidePopover());
addEventListener("change", ({ target }) => target.matches(".predict input") && judge(target.form));
addEventListener("click", ({ target }) => target.matches(".save") && save(target));
document.getElementById("answers").addEventListener("change", ({ target }) =>
  document.querySelectorAll("details.answer").forEach((one) => (one.open = target.checked)));
document.getElementById("contents").addEventListener("click", ({ currentTarget: list, target }) =>
  target.matches("a") && list.hidePopover());
for (const [name, value] of Object.entries(kept)) {
  document.querySelector(`.predict [name="${name}"][value="${value}"]`)?.click();
}
count();
if (new URLSearchParams(location.search).has("slides")) slides();
