/** Full jitter: any moment between now and a bound that doubles with every attempt. */

const USUAL = Object.freeze({ base: 500, cap: 30_000 });

/**
 * @param {number} attempt 0 for the first
 * @param {() => number} random from 0 up to 1
 * @param {{base: number, cap: number}} bounds in milliseconds
 * @returns {number} milliseconds to wait
 */
export function jitter(attempt, random = Math.random, { base, cap } = USUAL) {
  return random() * Math.min(cap, base * 2 ** attempt);
}

/** Counts attempts and says how long to wait before the next. */
export class Backoff {
  #attempt = 0;
  #random;

  constructor(random = Math.random) {
    this.#random = random;
  }

  /** After a passing fault. */
  next() {
    return jitter(this.#attempt++, this.#random);
  }

  /** After the server has said that we are the trouble: never at once. */
  patient() {
    return 5_000 + jitter(this.#attempt++, this.#random, { base: 5_000, cap: 60_000 });
  }

  reset() {
    this.#attempt = 0;
  }
}
