/** The fields that a component describes, of its triggers, actions and credentials: docs/reference/component-json.md. */

export interface Field {
  name: string;
  label: string;
  viewClass: string;
  required: boolean;
  note: string;
  placeholder: string;
  help: string;
  /** Where to read more; empty: nowhere. */
  link: string;
  prefix: string;
  suffix: string;
  /** Its value when nothing is filled in. */
  usual: unknown;
  /** What can be chosen; "asked": the component's code tells. */
  model: Record<string, string> | "asked" | null;
  /** Fields that have to be filled first. */
  needs: string[];
}

/** Of a trigger or action. */
export function fieldsOf(descriptor: unknown, kind: "trigger" | "action", name: string): Field[] {
  return inOrder(record(record(record(descriptor)[`${kind}s`])[name]).fields);
}

/**
 * Of a credential, without the one that tokens are kept in, and with the names that only its OAuth2 block asks for:
 * `{{NAME}}`, which the component's environment variable of that name may give as well.
 */
export function credentialFields(descriptor: unknown): Field[] {
  const { fields, oauth2 } = record(record(descriptor).credentials);
  const own = inOrder(fields);
  const named = JSON.stringify(oauth2 ?? "").matchAll(/\{\{\s*([\w-]+)\s*\}\}/g);
  const further = [...new Set([...named].map(([, name]) => name ?? ""))].filter(
    (name) => !own.some((field) => field.name === name),
  );
  return [
    ...own.filter((field) => field.viewClass !== "OAuthFieldView"),
    ...further.map((name) =>
      readField(name, {
        viewClass: /secret|key|password|token/i.test(name) ? "PasswordFieldView" : "TextFieldView",
        note: "Empty: the variable of the component is used.",
      }),
    ),
  ];
}

/** Highest `order` first, then as written. */
function inOrder(written: unknown): Field[] {
  const order = (value: Record<string, unknown>) => (typeof value.order === "number" ? value.order : 0);
  return Object.entries(record(written))
    .map(([key, value]) => ({ key, value: record(value) }))
    .sort((one, other) => order(other.value) - order(one.value))
    .map(({ key, value }) => readField(key, value));
}

function readField(name: string, value: Record<string, unknown>): Field {
  const help = record(value.help);
  return {
    name,
    label: text(value.label) || name,
    viewClass: text(value.viewClass) || "TextFieldView",
    required: value.required === true,
    note: plain(text(value.note)),
    placeholder: text(value.placeholder) || text(value.prompt),
    help: plain(text(value.help) || text(help.description)),
    link: /^https?:\/\//.test(text(help.link)) ? text(help.link) : "",
    prefix: text(value.prefix),
    suffix: text(value.suffix),
    usual: value.default,
    model: typeof value.model === "string" ? "asked" : isRecord(value.model) ? labels(value.model) : null,
    needs: typeof value.require === "string" ? [value.require] : list(value.require),
  };
}

/** Fields that a field still waits for. */
export function missing(field: Field, values: Record<string, unknown>): string[] {
  return field.needs.filter((name) => values[name] === undefined || values[name] === null || values[name] === "");
}

/** What a checkbox writes: nothing where nothing means the same. */
export function ticked(field: Field, checked: boolean): boolean | undefined {
  return checked === isTicked(field.usual) ? undefined : checked;
}

export function isTicked(value: unknown): boolean {
  return value === true || value === "on" || value === "true";
}

/** Notes may be simple HTML; here they are text. */
function plain(written: string): string {
  return written.replaceAll(/<\/?[a-zA-Z][^<>]*>/g, "").trim();
}

function labels(model: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.entries(model).map(([value, label]) => [value, text(label) || value]));
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function record(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
