/* Rungs as swaps in the net that trains: the training comes to the rung, set to show its point. */
"use strict";

const SWAPS = { // by rung: what to do, and the settings that it begins with
  net1: ["Train Net1 for an epoch or two. Then move the held-out digits: each weight belongs to "
    + "one pixel.", { net: "net1", lr: "0.003" }],
  net2: ["Train this convolutional net, then move the held-out digits: it loses less, since its "
    + "kernels look everywhere.", { net: "small", lr: "0.01" }],
  net7: ["Train at ten times the rate, with batch norm and without (break it).",
    { net: "small", lr: "0.1", broken: "norm" }],
  "net9-rotation": ["Train on digits turned at random, and on digits as they are. Then turn the "
    + "held-out ones.", { net: "small", lr: "0.01", digits: "turned" }],
  reference: ["Train with SGD and with Adam, each at several rates: which needs the larger one?",
    { net: "small", lr: "0.01", optimizer: "sgd" }],
};

/** Bring the training to a rung, with its settings. */
function swapIn(section, [text, settings]) {
  const form = byId("train-settings");
  section.querySelector(".swap").after(byId("lab"));
  form.reset();
  for (const [name, value] of Object.entries(settings)) form.elements[name].value = value;
  byId("lab-text").textContent = text;
  resetTraining();
}

/** Put a button into every rung that has a swap. */
function startSwaps() {
  if (!byId("lab")) return;
  for (const [name, swap] of Object.entries(SWAPS)) {
    const section = byId(name), after = section?.querySelector(".result");
    if (!after) continue;
    const choice = button(["Try it here"], () => swapIn(section, swap));
    choice.className = "swap";
    after.before(choice);
  }
  addEventListener("hashchange", () => { // to the training's own place it comes back
    if (location.hash === "#train") byId("train").append(byId("lab"));
  });
}
