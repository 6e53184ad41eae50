// Zooming and moving a drawing: by wheel, by buttons, by dragging.
import { h } from "./dom.js";

const [STEP, MOST, MOVED] = [1.6, 12, 4];

/** Makes an SVG zoomable. `drawn(factor)` is told of each new size. */
export function zoomable(plot, [left, top, width, height], drawn) {
  let [x, y, factor] = [left, top, 1];
  let from = null;
  let far = 0;

  function show() {
    x = Math.min(left + width - width / factor, Math.max(left, x));
    y = Math.min(top + height - height / factor, Math.max(top, y));
    plot.setAttribute("viewBox", [x, y, width / factor, height / factor].map((one) => one.toFixed(2)).join(" "));
    drawn(factor);
  }

  /** Zooms around a point of the drawing, which stays where it is. */
  function zoom(by, at = { x: x + width / factor / 2, y: y + height / factor / 2 }) {
    const next = Math.min(MOST, Math.max(1, factor * by));
    x = at.x - ((at.x - x) * factor) / next;
    y = at.y - ((at.y - y) * factor) / next;
    factor = next;
    show();
  }

  const place = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
  plot.addEventListener("wheel", (event) => {
    if (factor === 1 && event.deltaY > 0) return; // the page scrolls on
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, place(event));
  }, { passive: false });
  plot.addEventListener("pointerdown", (event) => ([from, far] = [factor > 1 ? place(event) : null, 0]));
  plot.addEventListener("pointermove", (event) => {
    if (!from || !event.buttons) return;
    const now = place(event);
    far += Math.hypot(event.movementX, event.movementY);
    [x, y] = [x + from.x - now.x, y + from.y - now.y];
    show();
  });
  plot.addEventListener("pointerup", () => (from = null));
  const button = (sign, label, task) => h("button.small", { type: "button", "aria-label": label, onclick: task }, sign);
  const reset = () => (([x, y, factor] = [left, top, 1]), show());
  const buttons = h("div.zoom", button("+", "Zoom in", () => zoom(STEP)), button("−", "Zoom out", () => zoom(1 / STEP)), button("All", "Show the whole map", reset));
  show();
  return { buttons, factor: () => factor, dragged: () => far > MOVED };
}
