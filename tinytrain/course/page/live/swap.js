/* Rungs as swaps in the net that trains: the training comes to the rung, set to show its point. */

/** Begin the training anew, with settings and a sentence on what to try. */
function setTraining({ settings = "", text = "" }) {
  const form = byId("train-settings");
  form.reset();
  fill(form, settings);
  byId("lab-text").textContent = text;
  resetTraining();
}

/** Let the buttons of the rungs bring the training there, and links to its own place back. */
function startSwaps() {
  addEventListener("click", ({ target }) => {
    if (target.matches(".swap")) target.after(byId("lab"));
    else if (target.matches("[href='#train']") && !byId("train").contains(byId("lab"))) {
      document.querySelector(".away").before(byId("lab"));
    } else return;
    setTraining(target.dataset);
  });
}
