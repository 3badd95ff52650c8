/* Bring to life what needs the net and the digits, in the order of the page. */

const payload = JSON.parse(byId("live").textContent, revived);
startDrawing(payload);
startStepping(payload);
if (payload.digits) {
  startLearning(payload);
  startSwaps();
}
