// Shows the text of the mark that is under the pointer, or nearest to it, beside an outline of the mark.
"use strict";

const NEAR = 14; // CSS pixels: how far from a mark the pointer may be

for (const plot of document.querySelectorAll(".marked")) {
  const marks = JSON.parse(plot.dataset.marks);
  const thumbnails = plot.querySelector(".thumbnails");
  const outline = plot.appendChild(document.createElement("i"));
  const tip = plot.appendChild(document.createElement("div"));
  const picture = document.createElement("canvas");
  const text = document.createElement("span");
  outline.className = "outline";
  tip.className = "tip";
  picture.className = "plot";
  if (thumbnails) tip.append(picture);
  tip.append(text);
  hide();

  function hide() {
    outline.hidden = tip.hidden = true;
  }

  function distance([left, top, width, height], x, y, box) {
    const dx = Math.max(left - x, 0, x - left - width) * box.width;
    const dy = Math.max(top - y, 0, y - top - height) * box.height;
    return Math.hypot(dx, dy);
  }

  function show(event) {
    const box = plot.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
    let nearest = -1, least = NEAR;
    marks.forEach((mark, i) => {
      const away = distance(mark, x, y, box);
      if (away < least) [nearest, least] = [i, away];
    });
    if (nearest < 0) return hide();
    const [left, top, width, height, words] = marks[nearest];
    outline.hidden = tip.hidden = false;
    text.textContent = words;
    if (thumbnails) draw(nearest);
    const grown = width || height ? 0 : 5; // a point gets a ring around it
    place(outline, left * box.width - grown, top * box.height - grown);
    outline.style.width = width * box.width + 2 * grown + "px";
    outline.style.height = height * box.height + 2 * grown + "px";
    const middle = (left + width / 2) * box.width - tip.offsetWidth / 2;
    const anchor = height * box.height < 120 ? top * box.height : event.clientY - box.top; // a column is followed
    place(tip, Math.max(0, Math.min(middle, box.width - tip.offsetWidth)), anchor - tip.offsetHeight - 8);
  }

  function draw(number) {
    const side = Number(thumbnails.dataset.side), columns = thumbnails.naturalWidth / side;
    picture.width = picture.height = side;
    const column = number % columns, row = Math.floor(number / columns);
    picture.getContext("2d").drawImage(thumbnails, column * side, row * side, side, side, 0, 0, side, side);
  }

  function place(element, left, top) {
    element.style.left = left + "px";
    element.style.top = top + "px";
  }

  plot.addEventListener("pointermove", show);
  plot.addEventListener("pointerdown", show);
  plot.addEventListener("pointerleave", hide);
}
