// Correcting a reading by typing, where the server saves corrections: the text is sent with the picture that was read.

const at = (id) => document.getElementById(id);
const [form, right, kept] = ["correct", "right", "kept"].map(at);

const MOST_ROWS = 5; // of the field; it scrolls

let picture = null; // that the text in the field belongs to; null while nothing is read
let typed = false; // whether the user has typed: that isn't replaced by another answer about the same picture
let age = 0; // counts the pictures: the reply about one isn't shown for another
let sending = false;

export function allow() { form.hidden = at("but").hidden = false; }

export function offer(body, text) {
  picture = body;
  if (!typed) right.value = text;
  form.classList.remove("idle");
  grow();
}

export function withdraw() {
  picture = null;
  form.classList.add("idle");
}

export function forgetTyped() { // the picture has changed
  age += 1;
  typed = false;
  picture = null;
  kept.textContent = "";
}

const grow = () => { right.rows = Math.min(right.value.split("\n").length, MOST_ROWS); };

async function send() {
  if (!picture || sending) return;
  sending = true;
  const since = age, body = picture;
  const type = body.type.startsWith("image/") ? body.type : "application/octet-stream";
  kept.textContent = "";
  let words = "The server does not answer; is it still running?";
  try {
    const where = `api/correct?text=${encodeURIComponent(right.value)}`;
    const reply = await fetch(where, { method: "POST", body, headers: { "Content-Type": type } });
    const answer = await reply.json();
    words = reply.ok ? summary(answer) : answer.error;
  } catch { /* the words are set already */ }
  if (age === since) kept.textContent = words;
  sending = false;
}

const number = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

function summary({ kept: { none = 0, ...digits }, new: fresh, corrected, missing, unusable }) { // in one sentence
  const count = Object.values(digits).reduce((sum, some) => sum + some, 0), parts = [];
  if (count) parts.push(number(count, "digit") + (corrected ? ` (${corrected} corrected)` : ""));
  if (none) parts.push(`${number(none, "mark")} as no digit`);
  let words = parts.length ? `Kept ${parts.join(" and ")}` : "Nothing was kept";
  if (parts.length && !fresh) words += ", as before";
  if (missing) words += `; ${number(missing, "digit")} that ${missing === 1 ? "was" : "were"} not found can’t be cut out`;
  if (unusable) words += `; of ${number(unusable, "digit")} the ink was not found again`;
  return `${words}.`;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
right.addEventListener("input", () => {
  typed = true;
  kept.textContent = "";
  grow();
});
right.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
