// The page without this script is complete; with it, a reader predicts before looking.
//
// A prediction opens what was measured, and says whether it was right; the tally counts. The rest
// follows the reader through the contents, opens all answers for a teacher, saves figures, and
// makes slides.
"use strict";

// Predictions by rung, kept over a reload where the browser allows it.
const kept = (() => {
  try {
    return JSON.parse(localStorage.getItem("tinytrain predictions")) ?? {};
  } catch {
    return {};
  }
})();

/** Judge the prediction of `form`, show what was measured, count it, and keep it. */
function judge(form) {
  const [[name, value]] = new FormData(form), right = value === form.dataset.truth;
  kept[name] = value;
  try {
    localStorage.setItem("tinytrain predictions", JSON.stringify(kept));
  } catch { /* then it is forgotten */ }
  form.dataset.right = right;
  form.querySelector(".verdict").textContent = `${right ? "Yes." : "No."} ${form.dataset.said}.`;
  form.querySelectorAll("input").forEach((input) => (input.disabled = true));
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

/** Mark the place in the contents that the reader is at. */
function follow() {
  const list = document.querySelector("nav");
  const watch = new IntersectionObserver((entries) => {
    const seen = entries.find((entry) => entry.isIntersecting)?.target.id;
    const link = list.querySelector(`[href="#${seen}"]`);
    if (!link) return;
    list.querySelector("[aria-current]")?.removeAttribute("aria-current");
    link.setAttribute("aria-current", "location");
  }, { rootMargin: "-20% 0px -70% 0px" });
  document.querySelectorAll("section[id]").forEach((section) => watch.observe(section));
}

/** One claim and one figure at a time, the section in the address: arrow keys turn the page, Escape
ends it. */
function slides() {
  const figures = ":is(:has(> figure, > .pair figure), #live-body > *, #at-work)";
  const all = [...document.querySelectorAll(`main section${figures}`)];
  const at = () => all.findIndex((section) => section.matches(":target, :has(:target)"));
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

/** Put a button into every figure that saves it as a file of its own. */
function saveFigures() {
  for (const svg of document.querySelectorAll("figure > svg")) {
    const button = document.createElement("button");
    const title = svg.parentElement.ariaLabel ?? "figure";
    Object.assign(button, { type: "button", className: "save", textContent: "Save", title: "as SVG" });
    button.addEventListener("click", () => {
      const copy = svg.cloneNode(true), link = document.createElement("a");
      copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
      copy.setAttribute("style", "color: black; font-family: sans-serif; font-size: 12px");
      const text = new XMLSerializer().serializeToString(copy);
      const file = new Blob([text], { type: "image/svg+xml" });
      link.href = URL.createObjectURL(file);
      link.download = `${title.replace(/\W+/g, "-")}.svg`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
    svg.after(button);
  }
}

document.querySelectorAll("form.predict").forEach((form) => {
  form.addEventListener("change", () => judge(form));
  const input = [...form.elements].find(({ name, value }) => name && kept[name] === value);
  if (!input) return;
  input.checked = true;
  judge(form);
});
document.getElementById("answers").addEventListener("change", (event) => {
  document.querySelectorAll("details.answer").forEach((one) => (one.open = event.target.checked));
});
count();
follow();
saveFigures();
if (new URLSearchParams(location.search).has("slides")) slides();
