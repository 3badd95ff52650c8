/* From ten scores to one number, each step shown: exp, the sum, a division, a logarithm. */

const about = (value) => (Math.abs(value) < 5e-4 ? "≈0" : number(value));

/** Where a share of 1 has its loss on the curve: x and y. */
const onCurve = (share) => [200 * share, 120 - 24 * Math.min(-Math.log(share), 5)];

/** Say what the digit should be. */
function setLabel(label) {
  mind.label = label;
  byId("labels").querySelectorAll("input")[label].checked = true;
}

/** Show scores, their exp, the share of the sum, and how the loss grows with each score. */
function showLoss() {
  const { space, shares, label, loss } = mind, scores = space.works.at(-2).output;
  const exps = Array.from(scores.values, Math.exp), most = largest(scores.gradient) || 1;
  byId("loss-rows").querySelectorAll("tr").forEach((line, digit) => {
    const blame = scores.gradient[digit];
    const values = [scores.values[digit], exps[digit], shares[digit], blame];
    [...line.querySelectorAll("td")].forEach((cell, at) => (cell.textContent = about(values[at])));
    line.classList.toggle("right", digit === label);
    line.classList.toggle("lower", blame < 0);
    line.style.setProperty("--share", shares[digit] || 0);
    line.style.setProperty("--blame", Math.abs(blame) / most);
  });
  const texts = { sum: number(exps.reduce((sum, one) => sum + one, 0)), label,
    share: about(shares[label]), value: number(loss) };
  for (const [name, text] of Object.entries(texts)) byId(`loss-${name}`).textContent = text;
  const [x, y] = onCurve(within(shares[label] || 0, 1));
  byId("loss-dot").setAttribute("cx", x);
  byId("loss-dot").setAttribute("cy", y);
}

byId("loss-curve").setAttribute("points",
  Array.from({ length: 100 }, (_, at) => onCurve((at + 0.7) / 100)).join(" "));
on("labels", "change", ({ target }) => {
  setLabel(+target.value);
  answer();
});
