/** What a browser gives to the parts that do not know it. */

/** Time, as tests can bring their own. */
export const clock = {
  now: () => Date.now(),

  /** @returns {() => void} takes it back */
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** @returns {string} a UUID; `crypto.randomUUID` is missing on pages without https */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const digit = (place) => {
    const random = crypto.getRandomValues(new Uint8Array(1))[0] & 15;
    return (place === "x" ? random : (random & 3) | 8).toString(16);
  };
  return "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx".replace(/[xy]/g, digit);
}

/** @returns {() => void} runs `draw` once for many calls, with the next frame if the page has any */
export function oncePerFrame(draw, atMost = 100) {
  let frame = null;
  let timer;
  const run = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    frame = null;
    draw();
  };
  return () => {
    if (frame !== null) return;
    frame = requestAnimationFrame(run);
    timer = setTimeout(run, atMost); // pages that nobody looks at get no frames
  };
}
