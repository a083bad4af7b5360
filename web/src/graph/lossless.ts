/** Changes of a text by a writer that spells everything its own way. */
import { diffIndices } from "node-diff3";

/** Lines from `at` up to `end`, not with it. */
interface Span {
  at: number;
  end: number;
}

interface Hunk {
  old: Span;
  now: Span;
}

/**
 * `text` with the lines that differ between `before` and `after`, two texts of one writer of which `before` says what
 * `text` says: what was not changed stays as somebody wrote it.
 */
export function carriedOver(text: string, before: string, after: string): string {
  if (text === before) return after;
  const [own, base, next] = [text, before, after].map((each) => each.split("\n")) as [string[], string[], string[]];
  const odd = hunks(base.map(squashed), own.map(squashed));
  const written: string[] = [];
  let kept = 0;
  for (const { old, now } of merged(hunks(base, next).map((hunk) => widened(hunk, odd)))) {
    written.push(...own.slice(kept, place(old.at, odd)), ...next.slice(now.at, now.end));
    kept = place(old.end, odd);
  }
  return [...written, ...own.slice(kept)].join("\n");
}

/** What a line says without how it is spelled. */
function squashed(line: string): string {
  return line.replaceAll(/[\s"']/g, "");
}

function hunks(old: string[], now: string[]): Hunk[] {
  return diffIndices(old, now).map(({ buffer1: [from, before], buffer2: [to, after] }) => ({
    old: { at: from, end: from + before },
    now: { at: to, end: to + after },
  }));
}

/** A change that begins or ends within lines that the two texts break differently takes all of them. */
function widened({ old, now }: Hunk, odd: readonly Hunk[]): Hunk {
  let { at, end } = old;
  for (const { old: region } of odd) {
    if (region.at < end && at < region.end) {
      at = Math.min(at, region.at);
      end = Math.max(end, region.end);
    } else if (region.at < at && at < region.end) {
      at = region.at;
      end = Math.max(end, region.end);
    }
  }
  return { old: { at, end }, now: { at: now.at - (old.at - at), end: now.end + (end - old.end) } };
}

function merged(changes: Hunk[]): Hunk[] {
  const found: Hunk[] = [];
  for (const change of changes) {
    const last = found.at(-1);
    if (last !== undefined && change.old.at < last.old.end) {
      last.old = { at: last.old.at, end: Math.max(last.old.end, change.old.end) };
      last.now = { at: last.now.at, end: Math.max(last.now.end, change.now.end) };
    } else {
      found.push({ ...change });
    }
  }
  return found;
}

/** Where a place of the writer's text is in one's own. */
function place(at: number, odd: readonly Hunk[]): number {
  let shift = 0;
  for (const { old, now } of odd) if (old.end <= at) shift = now.end - old.end;
  return at + shift;
}
