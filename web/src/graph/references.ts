/** Where expressions name steps: `$steps.<id>`, with the id plain, in backquotes or in quotes, as JSONata allows. */

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const WORDS = new Set(["and", "or", "in", "true", "false", "null", "function"]);

/** The expression with steps named anew; texts, comments and everything else in it stay as they are. */
export function renamedReferences(source: string, names: ReadonlyMap<string, string>): string {
  let written = "";
  let kept = 0;
  for (const { start, end, id } of references(source)) {
    const name = names.get(id);
    if (name === undefined) continue;
    written += source.slice(kept, start) + spelled(name);
    kept = end;
  }
  return written + source.slice(kept);
}

/** An id as `$steps.` takes it. */
export function spelled(id: string): string {
  return NAME.test(id) && !WORDS.has(id) ? id : `\`${id}\``;
}

interface Reference {
  id: string;
  start: number;
  end: number;
}

const TOKEN =
  /\/\*[\s\S]*?(?:\*\/|$)|"(?:[^"\\]|\\[\s\S])*"?|'(?:[^'\\]|\\[\s\S])*'?|`[^`]*`?|\$[A-Za-z0-9_]*|[A-Za-z_][A-Za-z0-9_]*|[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|\s+|[\s\S]/gy;
/** After these a `/` begins a regular expression; elsewhere it divides. */
const BEFORE_REGEX = /^[([{,;:=<>!&|+\-*/%?~^.]$|^(?:and|or|in)$/;
const REGEX = /\/(?:[^/\\\n]|\\.)+\/[a-z]*/y;

function references(source: string): Reference[] {
  const found: Reference[] = [];
  let last = "";
  let before = "";
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(source); match !== null; match = TOKEN.exec(source)) {
    let [token] = match;
    const start = match.index;
    if (token === "" || /^(?:\s|\/\*)/.test(token)) continue;
    if (token === "/" && (last === "" || BEFORE_REGEX.test(last))) {
      REGEX.lastIndex = start;
      const regex = REGEX.exec(source);
      if (regex !== null) {
        token = regex[0];
        TOKEN.lastIndex = start + token.length;
      }
    }
    const id = before === "$steps" && last === "." ? named(token) : null;
    if (id !== null) found.push({ id, start, end: start + token.length });
    before = last;
    last = token;
  }
  return found;
}

function named(token: string): string | null {
  if (NAME.test(token)) return token;
  const quoted = /^(["'`])([\s\S]*)\1$/.exec(token);
  return quoted?.[2] ?? null;
}
