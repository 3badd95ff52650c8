// The page without this script is complete; with it, a reader predicts before looking.
//
// A prediction opens what was measured, and says whether it was right; the tally counts. The rest
// follows the reader through the contents, opens all answers for a teacher, and makes slides.
"use strict";

const WORDS = { up: "It is higher", down: "It is lower", same: "Seeds cannot tell them apart" };

/** Judge the prediction of `form`, show what was measured, and count it. */
function judge(form) {
  const chosen = new FormData(form).values().next().value;
  const right = chosen === form.dataset.truth;
  form.dataset.right = right;
  const verdict = form.querySelector(".verdict");
  verdict.textContent = `${right ? "Yes." : "No."} ${WORDS[form.dataset.truth]}.`;
  form.querySelectorAll("input").forEach(input => (input.disabled = true));
  form.parentElement.querySelector("details.result").open = true;
  count();
}

/** Say how many predictions were right so far. */
function count() {
  const forms = [...document.querySelectorAll("form.predict")];
  const done = forms.filter(form => form.dataset.right);
  const right = done.filter(form => form.dataset.right === "true");
  const said = `${right.length} of ${done.length} right, ${forms.length - done.length} to go.`;
  document.querySelectorAll(".tally").forEach(place => (place.textContent = `So far: ${said}`));
}

/** Mark the place in the contents that the reader is at. */
function follow() {
  const links = new Map();
  document.querySelectorAll("nav a").forEach(link => links.set(link.hash.slice(1), link));
  const watch = new IntersectionObserver(
    entries => {
      const seen = entries.find(entry => entry.isIntersecting);
      if (!seen || !links.has(seen.target.id)) return;
      links.forEach(link => link.removeAttribute("aria-current"));
      const link = links.get(seen.target.id);
      link.setAttribute("aria-current", "location");
      const list = document.querySelector("nav");
      const box = link.getBoundingClientRect();
      if (box.top < 0 || box.bottom > innerHeight) list.scrollTop += box.top - innerHeight / 2;
    },
    { rootMargin: "-20% 0px -70% 0px" },
  );
  document.querySelectorAll("section[id]").forEach(section => watch.observe(section));
}

/** One section at a time: arrow keys turn the page, Escape ends it. */
function slides() {
  const all = [...document.querySelectorAll("main > section")];
  let at = Math.max(0, all.findIndex(section => `#${section.id}` === location.hash));
  const show = index => {
    at = Math.min(Math.max(index, 0), all.length - 1);
    all.forEach((section, number) => section.classList.toggle("shown", number === at));
    scrollTo(0, 0);
  };
  document.body.classList.add("slides");
  show(at);
  addEventListener("hashchange", () => {
    const chosen = all.findIndex(section => section.querySelector(location.hash || "#none")
      || `#${section.id}` === location.hash);
    if (chosen >= 0) show(chosen);
  });
  addEventListener("keydown", event => {
    if (event.target.closest("input, select, textarea, canvas, [tabindex]")) return;
    if (event.key === "ArrowRight" || event.key === "PageDown") show(at + 1);
    else if (event.key === "ArrowLeft" || event.key === "PageUp") show(at - 1);
    else if (event.key === "Escape") document.body.classList.remove("slides");
    else return;
    event.preventDefault();
  });
}

document.querySelectorAll("form.predict").forEach(form => {
  form.reset();
  form.addEventListener("change", () => judge(form));
});
document.getElementById("answers").addEventListener("change", event => {
  document.querySelectorAll("details.answer").forEach(one => (one.open = event.target.checked));
});
if (innerWidth < 1100) document.querySelector("nav details").open = false;
addEventListener("beforeprint", () => {
  document.querySelectorAll("main details").forEach(one => (one.open = true));
});
count();
follow();
if (new URLSearchParams(location.search).has("slides")) slides();
