/* Rungs as swaps in the net that trains: the training comes to the rung, set to show its point. */

/** Bring the training to the rung of a button, with what the button says. */
function swapIn(choice) {
  const form = byId("train-settings");
  choice.after(byId("lab"));
  form.reset();
  fill(form, choice.dataset.settings);
  byId("lab-text").textContent = choice.dataset.text;
  resetTraining();
}

/** Listen for the buttons of the rungs, and bring the training back to its own place. */
function startSwaps() {
  addEventListener("click", ({ target }) => target.matches(".swap") && swapIn(target));
  addEventListener("hashchange", () => {
    if (location.hash === "#train") byId("train").append(byId("lab"));
  });
}
