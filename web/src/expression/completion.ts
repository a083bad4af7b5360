import { FUNCTIONS } from "@/expression/functions";
import { follow, type Member, type Scope, spelt } from "@/expression/scope";

export interface Offer {
  label: string;
  kind: "member" | "function" | "value" | "root";
  /** Beside it. */
  detail: string;
  /** More, shown while it is chosen. */
  info: string;
  /** What is written. */
  text: string;
  /** Where the cursor goes, counted from the end of `text` backwards. */
  back: number;
}

export interface Completion {
  /** Where what is typed so far begins. */
  from: number;
  offers: Offer[];
}

/** What may stand at a place of an expression. Null: nothing to offer, as within a text. */
export function completion(text: string, at: number, scope: Scope): Completion | null {
  if (inText(text, at)) return null;
  const typed = /(?:`[^`]*|\$?[\w]*)$/.exec(text.slice(0, at))?.[0] ?? "";
  const from = at - typed.length;
  if (text[from - 1] === ".") {
    const parts = pathBefore(text, from - 1);
    const members = parts === null ? null : follow(scope, parts);
    return members === null || members.length === 0 ? null : { from, offers: members.map(member) };
  }
  if (/[\w`)\]]$/.test(text.slice(0, from))) return null;
  const around = contextAt(text, from);
  const inner = around === null ? [] : (follow(scope, around) ?? []);
  const roots = Object.keys(scope.message).map((key) => root(key));
  const offers = [...inner.map(member), ...(scope.values ?? []).map(value), ...roots, ...FUNCTIONS.map(builtIn)];
  if (Object.keys(scope.steps).length > 0) offers.push(root("$steps"));
  return { from, offers };
}

function member({ key, about, title, inSample }: Member): Offer {
  const info = [title, inSample ? "" : "not in the sample"].filter((each) => each !== "").join(", ");
  return { label: key, kind: "member", detail: about, info, text: spelt(key), back: 0 };
}

function root(key: string): Offer {
  const info = key === "$steps" ? "What earlier steps gave" : "Of the message that comes";
  return { label: key, kind: "root", detail: "", info, text: key, back: 0 };
}

function value(text: string): Offer {
  return { label: text, kind: "value", detail: "a value it allows", info: "", text, back: 0 };
}

function builtIn({ name, takes, gives, does }: (typeof FUNCTIONS)[number]): Offer {
  const label = `$${name}`;
  return {
    label,
    kind: "function",
    detail: `(${takes}) → ${gives}`,
    info: does,
    text: `${label}()`,
    back: takes === "" ? 0 : 1,
  };
}

/** What is picked, as it is written behind what is there: two values in a row are joined as text. */
export function joined(before: string, path: string): string {
  return /[\w`)\]}"']\s*$/.test(before) ? ` & ${path}` : path;
}

/** The path that ends at `end`: `$steps.a.body.lines` of `$sum($steps.a.body.lines[0]`. Null: it is no plain path. */
export function pathBefore(text: string, end: number): string[] | null {
  const parts: string[] = [];
  let at = end;
  for (;;) {
    at = skipFilters(text, at);
    const name = /(?:`([^`]*)`|(\$?[A-Za-z_]\w*))$/.exec(text.slice(0, at));
    if (name === null) return null;
    parts.unshift(name[1] ?? name[2] ?? "");
    at -= name[0].length;
    if (text[at - 1] !== ".") break;
    at--;
  }
  const [head] = parts;
  if (head === undefined) return null;
  if (head === "$" || head === "$$") return parts.slice(1);
  if (head === "$steps" || ROOTS.has(head)) {
    return text[at - 1] === "." ? null : parts;
  }
  const around = contextAt(text, at);
  return around === null || head.startsWith("$") ? null : [...around, ...parts];
}

const ROOTS = new Set(["body", "headers", "attachments"]);

/** The path whose items the brackets around a place are about: `body.lines` in `body.lines.(price` and `body.lines[`. */
function contextAt(text: string, at: number): string[] | null {
  let depth = 0;
  for (let index = at - 1; index >= 0; index--) {
    const character = text[index] ?? "";
    if (/[)\]}]/.test(character)) depth++;
    else if (/[([{]/.test(character)) {
      if (depth > 0) depth--;
      else if (character === "[" && /[\w`\])]/.test(text[index - 1] ?? "")) return pathBefore(text, index);
      else if (text[index - 1] === ".") return pathBefore(text, index - 1);
      else if (character !== "(" && character !== "{" && character !== "[") return null;
    }
  }
  return null;
}

/** Over `[…]` behind a name. */
function skipFilters(text: string, end: number): number {
  let at = end;
  while (text[at - 1] === "]") {
    let depth = 0;
    do {
      at--;
      if (text[at] === "]") depth++;
      if (text[at] === "[") depth--;
    } while (depth > 0 && at > 0);
  }
  return at;
}

/** Whether a place is within quotes or a comment. Backquotes are names, in which there is something to offer. */
function inText(text: string, at: number): boolean {
  let quote = "";
  for (let index = 0; index < at; index++) {
    const character = text[index] ?? "";
    if (quote === "/*") {
      if (character === "*" && text[index + 1] === "/") {
        quote = "";
        index++;
      }
    } else if (quote !== "") {
      if (character === "\\") index++;
      else if (character === quote) quote = "";
    } else if (character === '"' || character === "'") quote = character;
    else if (character === "/" && text[index + 1] === "*") quote = "/*";
  }
  return quote !== "";
}
