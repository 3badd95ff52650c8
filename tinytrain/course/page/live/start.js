/* Bring the parts to life, in the order of the page. */
"use strict";

const payload = JSON.parse(byId("live").textContent);
startLoss();
startMaps();
startNumber();
startDrawing(payload);
startStepping(payload);
startLearning(payload);
addEventListener("DOMContentLoaded", startSwaps); // the rungs stand below
