// The ways to ask for a menu: the right button, the menu key, a long press.

const LONG_MILLISECONDS = 480;
const STILL_PIXELS = 10;

/** Calls `open(event target, place)`; a `place` is `{ x, y }`. Links keep the browser's own menu. */
export function onMenu(element, open) {
  let timer = 0;
  let start = null;
  const stop = () => clearTimeout(timer);
  element.addEventListener("contextmenu", (event) => {
    if (event.target.closest("a[href]")) return;
    event.preventDefault();
    stop();
    open(event.target, placeOf(event));
  });
  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" || event.target.closest("a[href]")) return;
    start = { x: event.clientX, y: event.clientY };
    stop();
    timer = setTimeout(() => open(event.target, start), LONG_MILLISECONDS);
  });
  element.addEventListener("pointermove", (event) => {
    if (start && Math.hypot(event.clientX - start.x, event.clientY - start.y) > STILL_PIXELS) stop();
  });
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, stop);
}

/** The menu key points nowhere: what has the focus stands for it. */
function placeOf(event) {
  if (event.clientX || event.clientY) return { x: event.clientX, y: event.clientY };
  const { left, bottom } = event.target.getBoundingClientRect();
  return { x: left + 24, y: bottom };
}
