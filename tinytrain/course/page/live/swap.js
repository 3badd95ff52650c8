/* Rungs as swaps in the net that trains: the training comes to the rung, set to show its point. */
"use strict";

/** Bring the training to the rung of a button, with what the button says. */
function swapIn({ currentTarget: choice }) {
  const form = byId("train-settings");
  choice.after(byId("lab"));
  form.reset();
  fill(form, choice.dataset.settings);
  byId("lab-text").textContent = choice.dataset.text;
  resetTraining();
}

/** Show the buttons of the rungs. */
function startSwaps() {
  if (!byId("lab")) return;
  for (const choice of document.querySelectorAll(".swap")) {
    choice.hidden = false;
    choice.addEventListener("click", swapIn);
  }
  addEventListener("hashchange", () => { // to the training's own place it comes back
    if (location.hash === "#train") byId("train").append(byId("lab"));
  });
}
