// The page: sends what is drawn or dropped, one picture at a time and always the newest, and shows the answer.

import { forgetPicked, percent, place, show, showNothing } from "./answer.js";
import { allow, forgetTyped, offer } from "./correct.js";
import { Paper, WIDTH } from "./paper.js";

const PAUSE = 50; // ms between an answer and the next request: 10 to 15 a second while drawing
const RETRY = 2000; // ms until a request to a server that doesn't respond is retried
const QUIET = 700; // ms without a change until the answer is spoken: a screen reader needs no half digits

const at = (id) => document.getElementById(id);
const [stage, photo, note, file, undo, clear] = ["stage", "photo", "note", "file", "undo", "clear"].map(at);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let mostBytes = Infinity;
let dropped = null; // the photo, in place of the drawing
let refused = ""; // why the last file was refused; shown until something else is drawn or chosen
let age = 0; // counts the events that make earlier answers invalid: a clear, an undo, another photo
let asking = false, changed = false;

const paper = new Paper(at("paper"), {
  changed: (gone) => {
    if (gone) age += 1;
    refused = "";
    forgetPicked();
    forgetTyped();
    buttons();
    ask();
  },
  said: (words) => { at("spoken").textContent = words; },
});

// ---- Requests ---------------------------------------------------------------------------------

async function ask() {
  changed = true;
  if (asking) return;
  asking = true;
  while (changed) {
    changed = false;
    const since = age;
    if (!dropped && paper.empty) {
      showNothing();
      say(refused);
      at("took").textContent = "";
      speak("");
      continue;
    }
    const wait = await askOnce(since);
    if (wait) changed = true;
    await sleep(wait || PAUSE);
  }
  asking = false;
}

async function askOnce(since) { // returns the ms to wait before a retry; 0: it was answered
  const point = paper.last, photographed = dropped;
  let body, reply, answer;
  try {
    body = photographed ?? (await paper.picture());
    const type = body.type.startsWith("image/") ? body.type : "application/octet-stream";
    reply = await fetch("api/read", { method: "POST", body, headers: { "Content-Type": type } });
    answer = await reply.json();
  } catch {
    if (since === age) say("The server does not answer; is it still running?");
    return RETRY;
  }
  if (since !== age) return 0; // something else was drawn or dropped meanwhile, which is sent next
  if (reply.status === 503) {
    say(answer.error);
    return 1000 * (Number(reply.headers.get("Retry-After")) || 1);
  }
  if (!reply.ok && photographed && !(await canBeShown())) { // only the reason is shown
    if (since === age) refuse(answer.error);
    return 0;
  }
  if (since !== age) return 0;
  say(reply.ok ? refused : answer.error);
  if (!reply.ok) showNothing();
  else {
    const look = answer.doubtful ? "; have a look" : "";
    at("took").textContent = `Read in ${Math.max(1, Math.round(answer.milliseconds))} ms, ${percent(answer.confidence)} sure of the whole${look}.`;
    if (!answer.digits.length) showNothing(photographed || paper.strokes.flat().length > 12 ? "no digit found" : "");
    else {
      const scale = answer.width / WIDTH;
      show(answer, whereItLies, photographed ? null : point?.map((value) => value * scale));
      if (!changed) offer(body, answer.text); // else it shows a half-drawn digit
    }
    speak(spoken(answer));
  }
  return 0;
}

function whereItLies({ width, height }) { // where the picture lies on the stage
  const wide = stage.clientWidth, high = stage.clientHeight;
  if (!dropped) return [0, 0, wide, high];
  const scale = Math.min(wide / width, high / height);
  return [(wide - width * scale) / 2, (high - height * scale) / 2, width * scale, height * scale];
}

// ---- Messages ---------------------------------------------------------------------------------

function say(words) {
  note.hidden = !words;
  if (note.textContent !== words) note.textContent = words;
}

let speaking;
function speak(words) {
  clearTimeout(speaking);
  speaking = setTimeout(() => { at("spoken").textContent = words; }, QUIET);
}

function spoken({ text, digits }) {
  if (!digits.length) return "No digit found";
  const least = digits.reduce((a, b) => (b.confidence < a.confidence ? b : a));
  const sure = digits.length > 1 ? `least sure of ${least.label}, ` : "";
  return `Read ${[...text.replaceAll("\n", ",")].join(" ")}, ${sure}${percent(least.confidence)}`;
}

function buttons() {
  undo.disabled = !dropped && !paper.past.length;
  clear.disabled = !dropped && paper.empty;
  clear.textContent = dropped ? "Remove photo" : "Clear";
  undo.hidden = Boolean(dropped);
  stage.classList.toggle("used", Boolean(dropped) || !paper.empty);
  stage.classList.toggle("photo", Boolean(dropped));
}

// ---- Photos -----------------------------------------------------------------------------------

function take(chosen) {
  if (!chosen) return;
  refused = "";
  drop();
  if (chosen.size > mostBytes) {
    refuse(`The picture has more than ${Math.floor(mostBytes / 2 ** 20)} MB; choose a smaller one.`);
    return;
  }
  dropped = chosen;
  photo.src = URL.createObjectURL(chosen);
  photo.hidden = false;
  at("paper").hidden = true;
  showNothing();
  buttons();
  ask();
}

const canBeShown = () => photo.decode().then(() => true, () => false);

function refuse(why) { // show the drawing again, and read it again, under the reason
  drop();
  refused = why;
  say(why);
  ask();
}

function drop() { // remove the photo; the drawing under it is shown again
  age += 1;
  forgetPicked();
  forgetTyped();
  if (!dropped) return;
  URL.revokeObjectURL(photo.src);
  photo.removeAttribute("src");
  photo.hidden = true;
  at("unshown").hidden = true;
  at("paper").hidden = false;
  dropped = null;
  buttons();
}

function empty() {
  if (!dropped) return paper.clear();
  refused = "";
  drop();
  at("paper").focus();
  ask();
}

// ---- Input ------------------------------------------------------------------------------------

undo.addEventListener("click", () => paper.undo());
clear.addEventListener("click", empty);
at("choose").addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  take(file.files[0]);
  file.value = "";
});
photo.addEventListener("error", () => {
  if (!dropped) return;
  photo.hidden = true; // the server may be able to read what this browser can't show
  at("unshown").hidden = false;
});
at("paper").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (key === "z" || key === "u") paper.undo();
  else if (key === "c" || key === "delete" || key === "backspace") empty();
  else if (key === "p") file.click();
});
addEventListener("keydown", (event) => {
  if (event.target.closest?.("form")) return; // typed text has its own undo
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !event.shiftKey) {
    event.preventDefault();
    dropped ? empty() : paper.undo();
  }
});
addEventListener("paste", (event) => take(event.clipboardData.files[0]));
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    stage.classList.toggle("over", kind === "dragenter" || kind === "dragover");
  });
}
addEventListener("drop", (event) => take(event.dataTransfer.files[0]));
new ResizeObserver(place).observe(stage);

fetch("health").then((reply) => reply.json()).then(({ limits, corrections }) => {
  mostBytes = limits.body_bytes;
  if (corrections) allow();
}).catch(() => say("The server does not answer; is it still running?"));
showNothing();
