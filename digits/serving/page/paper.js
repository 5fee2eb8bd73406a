// The drawing: strokes on a paper of 600 by 500 units, by pointer or by keys, and the picture of it that is sent.

export const WIDTH = 600, HEIGHT = 500;
const PEN = 17; // width of a stroke in units: on a digit half as high as the paper, about a felt pen's
const SENT = 0.5; // pixels of the sent picture for each unit: enough for MNIST's 20, and fast to read
const STEP = 10, FINE = 2, SPEED = 260, HOLD = 220; // units a key press, with shift; units/s while held, after ms
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Paper {
  constructor(canvas, { changed, said }) {
    this.canvas = canvas;
    this.changed = changed; // called after every change; true: earlier strokes are gone
    this.said = said; // announces the pen's state to a screen reader
    this.strokes = []; // each a list of [x, y, width]
    this.past = []; // the lists of strokes before each change, for undo
    this.pointer = null; // the one that draws; others are a resting hand
    this.cursor = { x: WIDTH / 2, y: HEIGHT / 3, shown: false, down: false };
    this.held = new Map(); // arrow key -> time of its press
    this.sheet = new OffscreenCanvas(WIDTH * SENT, HEIGHT * SENT);
    this.listen();
    this.refresh();
  }

  get empty() { return this.strokes.length === 0; }
  get last() { return this.strokes.at(-1)?.at(-1); }

  // ---- Changes ----------------------------------------------------------------------------------

  keep() { this.past = [...this.past.slice(-99), this.strokes]; }

  begin(point) {
    this.keep();
    this.strokes = [...this.strokes, [point]];
    this.refresh();
    this.changed(false);
  }

  extend(points) {
    this.strokes.at(-1).push(...points);
    this.refresh();
    this.changed(false);
  }

  undo() {
    if (!this.past.length) return;
    this.lift();
    this.strokes = this.past.pop();
    this.refresh();
    this.changed(true);
  }

  clear() {
    if (this.empty) return;
    this.lift();
    this.keep();
    this.strokes = [];
    this.refresh();
    this.changed(true);
  }

  lift() {
    this.pointer = null;
    this.cursor.down = false;
  }

  // ---- Input ------------------------------------------------------------------------------------

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.pressed(event));
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    for (const kind of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, (event) => { if (event.pointerId === this.pointer) this.pointer = null; });
    }
    canvas.addEventListener("keydown", (event) => this.keyed(event));
    canvas.addEventListener("keyup", (event) => this.held.delete(event.key));
    canvas.addEventListener("blur", () => {
      this.held.clear();
      this.cursor.shown = this.cursor.down = false;
      this.refresh();
    });
    new ResizeObserver(() => this.refresh()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.refresh());
  }

  point(event) {
    const seen = this.canvas.getBoundingClientRect();
    const pressure = event.pointerType === "pen" && event.pressure ? 0.5 + event.pressure : 1;
    const x = ((event.clientX - seen.left) / seen.width) * WIDTH, y = ((event.clientY - seen.top) / seen.height) * HEIGHT;
    return [x, y, PEN * pressure];
  }

  pressed(event) {
    if (this.pointer !== null || event.button !== 0 || !event.isPrimary) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.lift();
    this.pointer = event.pointerId;
    this.cursor.shown = false;
    this.begin(this.point(event));
  }

  moved(event) {
    if (event.pointerId !== this.pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    this.extend((all.length ? all : [event]).map((one) => this.point(one)));
  }

  keyed(event) {
    if (event.key in ARROWS && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      if (this.held.has(event.key)) return;
      this.held.set(event.key, performance.now());
      const [x, y] = ARROWS[event.key], length = event.shiftKey ? FINE : STEP;
      this.move(x * length, y * length);
      if (this.held.size === 1) requestAnimationFrame((now) => this.glide(now, now));
    } else if (event.key === " ") {
      event.preventDefault();
      if (!event.repeat) this.putPen();
    }
  }

  putPen() {
    const { cursor } = this;
    cursor.shown = true;
    cursor.down = !cursor.down;
    if (cursor.down) this.begin([cursor.x, cursor.y, PEN]);
    this.said(cursor.down ? "Pen down" : "Pen up");
    this.refresh();
  }

  move(x, y) {
    const { cursor } = this;
    cursor.shown = true;
    cursor.x = Math.min(Math.max(cursor.x + x, 0), WIDTH);
    cursor.y = Math.min(Math.max(cursor.y + y, 0), HEIGHT);
    if (cursor.down) this.extend([[cursor.x, cursor.y, PEN]]);
    else this.refresh();
  }

  glide(now, before) { // while arrow keys are held; two of them go diagonally
    if (!this.held.size) return;
    const way = [...this.held].filter(([, since]) => now - since > HOLD).map(([key]) => ARROWS[key]);
    const length = (SPEED * (now - before)) / 1000;
    if (way.length) this.move(length * way.reduce((sum, [x]) => sum + x, 0), length * way.reduce((sum, [, y]) => sum + y, 0));
    requestAnimationFrame((next) => this.glide(next, now));
  }

  // ---- Pictures ---------------------------------------------------------------------------------

  refresh() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.show();
    });
  }

  show() {
    const { canvas, cursor } = this, density = devicePixelRatio || 1;
    const wide = Math.round(canvas.clientWidth * density), high = Math.round(canvas.clientHeight * density);
    if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
    const pen = canvas.getContext("2d"), style = getComputedStyle(canvas);
    pen.setTransform(wide / WIDTH, 0, 0, high / HEIGHT, 0, 0);
    pen.clearRect(0, 0, WIDTH, HEIGHT);
    draw(pen, this.strokes, style.color);
    if (!cursor.shown) return;
    pen.strokeStyle = pen.fillStyle = style.getPropertyValue("--accent");
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(cursor.x, cursor.y, PEN / 2 + 2, 0, 2 * Math.PI);
    if (cursor.down) pen.fill();
    pen.stroke();
  }

  async picture() { // black on white whatever the theme
    const pen = this.sheet.getContext("2d", { alpha: false, willReadFrequently: true });
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, this.sheet.width, this.sheet.height);
    pen.setTransform(SENT, 0, 0, SENT, 0, 0);
    draw(pen, this.strokes, "#000");
    return this.sheet.convertToBlob({ type: "image/png" });
  }
}

function draw(pen, strokes, ink) {
  pen.strokeStyle = pen.fillStyle = ink;
  pen.lineCap = pen.lineJoin = "round";
  for (const points of strokes) {
    const [x, y, width] = points[0];
    pen.beginPath();
    pen.arc(x, y, width / 2, 0, 2 * Math.PI);
    pen.fill();
    let from = [x, y], thick = null;
    for (let i = 1; i < points.length; i++) { // from middle to middle, each point the bend between
      const [atX, atY, now] = points[i], next = points[i + 1];
      const to = next ? [(atX + next[0]) / 2, (atY + next[1]) / 2] : [atX, atY];
      if (now !== thick) { // points of one width are one line, without seams
        if (thick) pen.stroke();
        pen.beginPath();
        pen.moveTo(...from);
        pen.lineWidth = thick = now;
      }
      pen.quadraticCurveTo(atX, atY, ...to);
      from = to;
    }
    if (thick) pen.stroke();
  }
}
