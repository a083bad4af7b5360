/** Times and spans as people read them. */

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const DAY_MS = 86_400_000;

/** Milliseconds since the epoch: the time of day for today, else the date too. */
export function moment(at: number, now = Date.now()): string {
  return now - at < DAY_MS && new Date(at).getDate() === new Date(now).getDate() ? CLOCK.format(at) : DAY.format(at);
}

/** Microseconds. */
export function span(us: number): string {
  if (us < 1_000) return `${us} µs`;
  if (us < 10_000) return `${(us / 1_000).toFixed(1)} ms`;
  if (us < 1_000_000) return `${Math.round(us / 1_000)} ms`;
  if (us < 60_000_000) return `${(us / 1_000_000).toFixed(1)} s`;
  return `${Math.round(us / 60_000_000)} min`;
}
