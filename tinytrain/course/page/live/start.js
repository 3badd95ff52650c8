/* Bring the parts to life, in the order of the page. */

const payload = JSON.parse(byId("live").textContent, revived);
startLoss();
startMaps();
startNumber();
startDrawing(payload);
startStepping(payload);
if (payload.digits) {
  startLearning(payload);
  startSwaps();
}
