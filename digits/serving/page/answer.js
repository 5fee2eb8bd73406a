// The reading: the text, one digit in detail, all digits as the net sees them, and boxes on the picture.

import { withdraw } from "./correct.js";

const at = (id) => document.getElementById(id);
const [text, patch, bars, lines, boxes] = ["text", "patch", "bars", "lines", "boxes"].map(at);

const make = (tag, name, content = "") => {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.textContent = content;
  return made;
};

// Truncated, not rounded: a digit that isn't certain is never shown as 100 %
export const percent = (share) => `${(Math.floor(share * 1000 + 1e-6) / 10).toFixed(1)} %`;

const rows = [..."0123456789", "no digit"].map((label, index) => {
  const row = make("li", index === 10 ? "nothing" : "");
  const track = make("span", "track"), fill = make("span", "fill"), share = make("span", "percent");
  track.append(fill);
  row.append(make("span", "name", label), ...(index === 10 ? [] : [track]), share);
  bars.append(row);
  return { row, fill, share };
});

let shown = null; // { reading, where, chosen }
let picked = null; // a point of the digit that was clicked: later answers about the same picture keep to it

export function showNothing(words = "") {
  shown = null;
  text.className = words ? "words" : "none";
  text.replaceChildren(make("span", "", words || "–"));
  boxes.replaceChildren();
  lines.replaceChildren();
  look(null);
  withdraw();
}

export function forgetPicked() { picked = null; }

// `where(reading)`: the picture's place, [left, top, width, height] in CSS pixels; `point`: the last drawn point
export function show(reading, where, point) {
  const focused = lines.contains(document.activeElement);
  shown = { reading, where, chosen: nearest(reading, picked ?? point) };
  const longest = Math.max(...reading.text.split("\n").map((line) => line.length));
  const many = reading.text.includes("\n") ? longest > 8 || reading.digits.length > 24 : longest > 14;
  text.className = many ? "longer" : longest > 6 || reading.text.includes("\n") ? "long" : "";
  const whole = make("span");
  const groups = new Map();
  reading.digits.forEach((digit, index) => {
    if (!groups.has(digit.line)) groups.set(digit.line, []);
    groups.get(digit.line).push(index);
  });
  const strips = [...groups.values()].map((indices, line) => {
    if (line) whole.append("\n");
    const strip = make("div", "line");
    for (const index of indices) {
      const digit = reading.digits[index];
      whole.append(make("span", digit.doubtful ? "doubtful" : "", digit.label));
      strip.append(tile(digit, index));
    }
    return strip;
  });
  text.replaceChildren(whole);
  lines.replaceChildren(...(reading.digits.length > 1 ? strips : []));
  place();
  choose(shown.chosen);
  if (focused) lines.querySelector("[aria-pressed=true]")?.focus();
}

function tile(digit, index) {
  const button = make("button", "tile"), seen = make("img");
  button.type = "button";
  seen.src = `data:image/png;base64,${digit.patch}`;
  seen.alt = "";
  button.append(seen, make("span", digit.doubtful ? "doubtful" : "", digit.doubtful ? `${digit.label}?` : digit.label));
  button.setAttribute("aria-label", `${digit.label}, ${percent(digit.confidence)}${digit.doubtful ? ", doubtful" : ""}`);
  button.addEventListener("click", () => pick(index));
  return button;
}

export function place() { // the boxes, where the picture lies now
  if (!shown) return;
  const { reading, where, chosen } = shown, [left, top, width, height] = where(reading);
  const scaleX = width / reading.width, scaleY = height / reading.height;
  boxes.replaceChildren(...reading.digits.map((digit, index) => {
    const [x, y, w, h] = digit.box, box = make("div", "box"), margin = 3;
    box.classList.toggle("doubtful", digit.doubtful);
    box.classList.toggle("chosen", index === chosen);
    const style = { left: left + x * scaleX - margin, top: top + y * scaleY - margin,
      width: w * scaleX + 2 * margin, height: h * scaleY + 2 * margin };
    for (const [key, value] of Object.entries(style)) box.style[key] = `${value}px`;
    box.classList.toggle("below", style.top < 20);
    box.append(make("b", "", digit.doubtful ? `${digit.label}?` : digit.label));
    box.addEventListener("click", () => pick(index));
    return box;
  }));
  name();
}

function name() { // label the boxes whose labels cover nothing; none if these are few: the strip below shows all labels
  const all = [...boxes.children], around = all.map((box) => box.getBoundingClientRect());
  const labels = all.map((box) => box.firstChild.getBoundingClientRect());
  const cover = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  const free = labels.map((label, i) => all.every((_, j) => i === j || !(cover(label, around[j]) || cover(label, labels[j]))));
  const most = free.filter(Boolean).length > 0.7 * all.length;
  all.forEach((box, i) => box.classList.toggle("unnamed", !(most && free[i])));
}

function pick(index) {
  const [x, y, w, h] = shown.reading.digits[index].box;
  picked = [x + w / 2, y + h / 2];
  choose(index);
}

function choose(index) {
  shown.chosen = index;
  document.querySelectorAll(".tile").forEach((one, i) => one.setAttribute("aria-pressed", i === index));
  [...boxes.children].forEach((one, i) => one.classList.toggle("chosen", i === index));
  look(shown.reading.digits[index]);
}

function look(digit) {
  patch.hidden = !digit;
  if (digit) {
    patch.src = `data:image/png;base64,${digit.patch}`;
    patch.alt = `The ${digit.label} as the net sees it`;
  }
  const all = digit ? [...digit.probabilities, Math.max(0, 1 - digit.probabilities.reduce((a, b) => a + b))] : [];
  rows.forEach(({ row, fill, share }, index) => {
    fill.style.setProperty("--share", all[index] ?? 0);
    share.textContent = digit ? percent(all[index]) : "";
    row.classList.toggle("likeliest", index === digit?.label);
  });
}

// The digit to show in detail: the one that holds or is nearest to a point of the picture, else the first
function nearest(reading, point) {
  if (!point) return 0;
  const distances = reading.digits.map(({ box: [x, y, w, h] }) =>
    Math.hypot(Math.max(x - point[0], 0, point[0] - x - w), Math.max(y - point[1], 0, point[1] - y - h)));
  return distances.indexOf(Math.min(...distances));
}
