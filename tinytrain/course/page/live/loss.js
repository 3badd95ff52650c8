/* From ten scores to one number, each step shown: exp, the sum, a division, a logarithm. */
"use strict";

const LEAST = 5e-4; // below which a number is as good as 0 in the table

/** A number with three digits, or a power of ten where it is very large or small; from `least`. */
function short(value, least = 0) {
  if (!Number.isFinite(value)) return `${value}`;
  const size = Math.abs(value);
  if (size < least) return "≈0";
  if (size >= 1e6 || (size > 0 && size < 1e-3)) {
    const [digits, power] = value.toExponential(1).split("e");
    return `${digits.replace("-", "−")}e${power.replace("+", "").replace("-", "−")}`;
  }
  return value.toFixed(size < 10 ? 3 : size < 1000 ? 1 : 0).replace("-", "−");
}

/** Say what the digit should be. */
function setLabel(label) {
  mind.label = label;
  byId("labels").querySelectorAll("input")[label].checked = true;
}

/** Show scores, their exp, the share of the sum, and how the loss grows with each score. */
function showLoss() {
  const { space, shares, label, loss } = mind, scores = space.works.at(-2).output;
  const exps = Array.from(scores.values, Math.exp), sum = exps.reduce((all, one) => all + one, 0);
  const limit = largest(scores.gradient);
  byId("loss-rows").querySelectorAll("tr").forEach((line, digit) => {
    const blame = scores.gradient[digit];
    const values = shares ? [scores.values[digit], exps[digit], shares[digit], blame] : [];
    [...line.querySelectorAll("td")].forEach((cell, at) =>
      (cell.textContent = values.length ? short(values[at], LEAST) : ""));
    line.classList.toggle("right", digit === label);
    line.style.setProperty("--share", shares?.[digit] || 0);
    line.style.setProperty("--blame", shares ? Math.abs(blame) / (limit || 1) : 0);
    line.classList.toggle("lower", blame < 0);
  });
  byId("loss-sum").textContent = shares ? short(sum) : "";
  byId("loss-share").textContent = shares ? short(shares[label], LEAST) : "";
  byId("loss-label").textContent = label;
  byId("loss-value").textContent = shares ? number(loss) : "";
  const share = within(shares?.[label] || 0, 1);
  byId("loss-dot").setAttribute("cx", 200 * share);
  byId("loss-dot").setAttribute("cy", 120 - 24 * Math.min(-Math.log(share + 1e-9), 5));
}

/** Bring the loss to life. */
function startLoss() {
  const curve = Array.from({ length: 100 }, (_, at) => (at + 0.7) / 100)
    .map((share) => `${200 * share},${120 - 24 * Math.min(-Math.log(share), 5)}`);
  byId("loss-curve").setAttribute("points", curve.join(" "));
  on("labels", "change", ({ target }) => {
    setLabel(+target.value);
    answer();
  });
  views.push(showLoss);
}
