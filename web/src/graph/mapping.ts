/**
 * One expression, two views: the whole, and a member for each field of the object it builds. Both are the same text, so
 * going from one to the other loses nothing: a change of one member leaves every other character as it is.
 */

export interface Member {
  key: string;
  expression: string;
  /** Where the expression stands in the whole, from and to. */
  from: number;
  to: number;
}

/** The members of an expression that is one object `{"key": …}`; null: it is something else, shown as a whole only. */
export function members(expression: string): Member[] | null {
  const scan = new Scanner(expression);
  scan.space();
  if (!scan.take("{")) return null;
  const found: Member[] = [];
  scan.space();
  if (scan.take("}")) return scan.atEnd() ? found : null;
  for (;;) {
    scan.space();
    const key = scan.text();
    scan.space();
    if (key === null || !scan.take(":")) return null;
    const value = scan.value();
    if (value === null) return null;
    found.push({ key, ...value });
    if (scan.take("}")) break;
    if (!scan.take(",")) return null;
  }
  const keys = new Set(found.map((member) => member.key));
  return scan.atEnd() && keys.size === found.length ? found : null;
}

/** The expression with one member set; an empty member is taken away. Null when it is no object. */
export function withMember(expression: string, key: string, value: string): string | null {
  const now = expression.trim() === "" ? "{}" : expression;
  const all = members(now);
  if (all === null) return null;
  const at = all.findIndex((member) => member.key === key);
  const member = all[at];
  if (value.trim() === "") return member === undefined ? expression : without(now, all, at);
  if (member !== undefined) return now.slice(0, member.from) + value + now.slice(member.to);
  const last = all.at(-1);
  const written = `${JSON.stringify(key)}: ${value}`;
  if (last === undefined) return `{\n  ${written}\n}`;
  const indent = /\n([ \t]*)\S/.exec(now)?.[1];
  const joined = indent === undefined ? `, ${written}` : `,\n${indent}${written}`;
  return now.slice(0, last.to) + joined + now.slice(last.to);
}

/** The expression of a member within members; null: there is none, or what is above it is no object. */
export function valueAt(expression: string, path: readonly string[]): string | null {
  return path.reduce<string | null>(
    (now, key) => (now === null ? null : (members(now)?.find((member) => member.key === key)?.expression ?? null)),
    expression,
  );
}

/** The expression with a member within members set; those above it are made where they are not there. */
export function withPath(expression: string, path: readonly string[], value: string): string | null {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (rest.length === 0) return withMember(expression, key, value);
  const now = valueAt(expression, [key]);
  const inner = withPath(now ?? "", rest, value);
  if (inner === null) return null;
  // What is made here stands as deep as it is; a text of several lines is left as it was given.
  return withMember(expression, key, now === null && !value.includes("\n") ? inner.replaceAll("\n", "\n  ") : inner);
}

function without(expression: string, all: Member[], at: number): string {
  const rest = all.filter((_, index) => index !== at);
  const [member, before, after] = [all[at], all[at - 1], all[at + 1]];
  if (rest.length === 0 || member === undefined) return "";
  if (before !== undefined) return expression.slice(0, before.to) + expression.slice(member.to);
  const brace = expression.indexOf("{") + 1;
  const head = /^\s*/.exec(expression.slice(brace))?.[0] ?? "";
  const tail = expression.slice(member.to);
  const comma = tail.indexOf(",") + 1;
  return after === undefined ? "" : expression.slice(0, brace) + head + tail.slice(comma).trimStart();
}

/** How a value of the message is read: `body.customer.email`, `` body.headers.`x-shop` ``, `body.lines[0].price`. */
export function pathOf(parts: readonly (string | number)[]): string {
  return parts
    .map((part, index) => {
      if (typeof part === "number") return `[${part}]`;
      const name = /^[A-Za-z_$][\w$]*$/.test(part) && !WORDS.has(part) ? part : `\`${part}\``;
      return index === 0 ? name : `.${name}`;
    })
    .join("");
}

/** Names that JSONata takes for operators or values. */
const WORDS = new Set(["and", "or", "in", "true", "false", "null", "function"]);

const OPENING: Record<string, string> = { "(": ")", "[": "]", "{": "}" };

class Scanner {
  private at = 0;

  constructor(private readonly whole: string) {}

  atEnd(): boolean {
    this.space();
    return this.at === this.whole.length;
  }

  take(what: string): boolean {
    if (!this.whole.startsWith(what, this.at)) return false;
    this.at += what.length;
    return true;
  }

  /** White space and comments. */
  space(): void {
    for (;;) {
      const before = this.at;
      while (/\s/.test(this.whole[this.at] ?? "")) this.at++;
      if (this.whole.startsWith("/*", this.at)) {
        const end = this.whole.indexOf("*/", this.at + 2);
        this.at = end === -1 ? this.whole.length : end + 2;
      }
      if (this.at === before) return;
    }
  }

  /** A text in quotes; null when there is none. */
  text(): string | null {
    const quote = this.whole[this.at];
    if (quote !== '"' && quote !== "'") return null;
    const from = this.at + 1;
    if (!this.skipQuoted(quote)) return null;
    const inner = this.whole.slice(from, this.at - 1);
    try {
      return JSON.parse(
        quote === '"' ? `"${inner}"` : `"${inner.replaceAll("\\'", "'").replaceAll('"', '\\"')}"`,
      ) as string;
    } catch {
      return null;
    }
  }

  /** An expression up to a comma or brace of the object around it; null when brackets do not fit. */
  value(): { expression: string; from: number; to: number } | null {
    this.space();
    const from = this.at;
    let to = from;
    const open: string[] = [];
    while (this.at < this.whole.length) {
      this.space();
      const character = this.whole[this.at] ?? "";
      if (open.length === 0 && (character === "," || character === "}")) {
        return to === from ? null : { expression: this.whole.slice(from, to), from, to };
      }
      if (character === '"' || character === "'" || character === "`") {
        if (!this.skipQuoted(character)) return null;
      } else if (character === "/" && this.startsPattern()) {
        if (!this.skipQuoted("/")) return null;
      } else {
        const closing = OPENING[character];
        if (closing !== undefined) open.push(closing);
        else if (/[)\]}]/.test(character) && open.pop() !== character) return null;
        this.at++;
      }
      to = this.at;
    }
    return null;
  }

  private skipQuoted(quote: string): boolean {
    for (this.at++; this.at < this.whole.length; this.at++) {
      const character = this.whole[this.at];
      if (character === "\\" && quote !== "`") this.at++;
      else if (character === quote) {
        this.at++;
        return true;
      }
    }
    return false;
  }

  /** Whether a slash begins a pattern: after an operand it divides. */
  private startsPattern(): boolean {
    const before = this.whole.slice(0, this.at).trimEnd().at(-1) ?? "";
    return !/[\w$)\]}"'`]/.test(before);
  }
}
