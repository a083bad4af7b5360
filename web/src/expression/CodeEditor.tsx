import {
  acceptCompletion,
  autocompletion,
  type CompletionContext,
  type CompletionResult,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  completionStatus,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, indentUnit } from "@codemirror/language";
import { setDiagnostics } from "@codemirror/lint";
import { Compartment, EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder as placeholderOf } from "@codemirror/view";
import { useEffect, useRef } from "react";
import { completion, joined, type Offer } from "@/expression/completion";
import { colours, jsonata } from "@/expression/language";
import type { Scope } from "@/expression/scope";

export interface CodeEditorProps {
  /** What screen readers call it, and the id of what describes it. */
  label: string;
  describedBy?: string | undefined;
  value: string;
  language: "jsonata" | "text";
  scope?: Scope | undefined;
  /** Where the server found a mistake: in characters from 0, and what it says. */
  mistake?: { position: number; message: string } | null | undefined;
  placeholder?: string | undefined;
  readOnly: boolean;
  invalid: boolean;
  minRows: number;
  /** Tab indents; Escape and then Tab leaves. Else Tab leaves at once. */
  indents: boolean;
  onChange: (value: string) => void;
  /** Told when it gets the focus, with what writes text where the cursor is. */
  onFocus?: ((insert: (text: string) => void) => void) | undefined;
}

/** CodeMirror, lazily loaded: the text of an expression or of code, with completion. */
export default function CodeEditor(props: CodeEditorProps) {
  const { value, label, describedBy, mistake, readOnly, invalid, indents, placeholder = "" } = props;
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const now = useRef(props);
  now.current = props;
  const parts = useRef({ about: new Compartment(), writing: new Compartment() });

  useEffect(() => {
    if (place.current === null) return;
    const { about, writing } = parts.current;
    const { language, indents, minRows } = now.current;
    const made = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: now.current.value,
        extensions: [
          history(),
          closeBrackets(),
          bracketMatching(),
          indentUnit.of("  "),
          EditorView.lineWrapping,
          look(minRows),
          colours,
          ...(language === "jsonata" ? [jsonata] : []),
          autocompletion({
            override: [(context) => offers(context, now.current.scope)],
            activateOnTyping: true,
            interactionDelay: 0,
            icons: false,
            optionClass: (option) => `offer-${option.type ?? ""}`,
          }),
          Prec.highest(keymap.of([{ key: "Tab", run: accepted }])),
          keymap.of([
            ...closeBracketsKeymap,
            ...defaultKeymap,
            ...historyKeymap,
            ...completionKeymap,
            ...(indents ? [indentWithTab] : []),
          ]),
          about.of([]),
          writing.of([]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) {
              const text = update.state.doc.toString();
              if (text !== now.current.value) now.current.onChange(text);
            }
            if (update.focusChanged && update.view.hasFocus) now.current.onFocus?.((text) => insert(update.view, text));
          }),
        ],
      }),
    });
    view.current = made;
    return () => {
      made.destroy();
      view.current = null;
    };
  }, []);

  useEffect(() => {
    view.current?.dispatch({
      effects: parts.current.about.reconfigure([
        EditorView.contentAttributes.of({
          "aria-label": label,
          "aria-invalid": String(invalid),
          ...(indents ? { "data-indents": "" } : {}),
          ...(describedBy === undefined ? {} : { "aria-describedby": describedBy }),
        }),
        placeholderOf(placeholder),
      ]),
    });
  }, [label, describedBy, invalid, indents, placeholder]);

  useEffect(() => {
    view.current?.dispatch({ effects: parts.current.writing.reconfigure(EditorState.readOnly.of(readOnly)) });
  }, [readOnly]);

  // What was changed elsewhere: undone, picked, or changed in the other view.
  useEffect(() => {
    const text = view.current?.state.doc.toString();
    if (text !== undefined && text !== value) {
      view.current?.dispatch({ changes: { from: 0, to: text.length, insert: value } });
    }
  }, [value]);

  useEffect(() => {
    if (view.current === null) return;
    const length = view.current.state.doc.length;
    const from = Math.min(mistake?.position ?? 0, length);
    const found = mistake
      ? [
          {
            from: Math.min(from, Math.max(0, length - 1)),
            to: Math.min(from + 1, length),
            severity: "error" as const,
            message: mistake.message,
          },
        ]
      : [];
    view.current.dispatch(setDiagnostics(view.current.state, found));
  }, [mistake]);

  return <div ref={place} />;
}

function accepted(view: EditorView): boolean {
  return completionStatus(view.state) === "active" && acceptCompletion(view);
}

/** An empty text gives way to what is picked. */
function insert(view: EditorView, path: string): void {
  const whole = view.state.doc.toString();
  const { from, to } = /^\s*(""|'')\s*$/.test(whole) ? { from: 0, to: whole.length } : view.state.selection.main;
  const text = joined(view.state.sliceDoc(0, from), path);
  view.dispatch({
    changes: { from, to, insert: text },
    selection: { anchor: from + text.length },
    userEvent: "input.complete",
  });
  view.focus();
}

function offers(context: CompletionContext, scope: Scope | undefined): CompletionResult | null {
  if (scope === undefined) return null;
  const text = context.state.doc.toString();
  const found = completion(text, context.pos, scope);
  const begun = found !== null && (found.from < context.pos || text[found.from - 1] === ".");
  if (found === null || (!begun && !context.explicit)) return null;
  return {
    from: found.from,
    validFor: /^`?[$\w]*$/,
    options: found.offers.map((each, index) => ({
      label: each.label,
      type: each.kind,
      detail: each.detail,
      ...(each.info === "" ? {} : { info: each.info }),
      boost: -Math.min(index, 90),
      apply: (view: EditorView, _: unknown, from: number, to: number) => write(view, each, from, to),
    })),
  };
}

function write(view: EditorView, { text, back }: Offer, from: number, to: number): void {
  const called = view.state.sliceDoc(to, to + 1) === "(" && text.endsWith("()");
  const insert = called ? text.slice(0, -2) : text;
  view.dispatch({
    changes: { from, to, insert },
    selection: { anchor: from + insert.length - (called ? 0 : back) },
    userEvent: "input.complete",
  });
}

/** As the other inputs look. */
function look(minRows: number) {
  return EditorView.theme({
    "&": {
      fontSize: "var(--mantine-font-size-sm)",
      backgroundColor: "var(--input-bg, light-dark(var(--mantine-color-white), var(--mantine-color-dark-6)))",
      border: "1px solid light-dark(var(--mantine-color-gray-4), var(--mantine-color-dark-4))",
      borderRadius: "var(--mantine-radius-default)",
      maxHeight: "60vh",
    },
    "&.cm-focused": { outline: "none", borderColor: "var(--mantine-primary-color-filled)" },
    "&:has([aria-invalid=true])": { borderColor: "var(--mantine-color-error)" },
    ".cm-scroller": { fontFamily: "var(--mantine-font-family-monospace)", overflow: "auto" },
    ".cm-content": { minHeight: `${minRows * 1.4}em`, caretColor: "var(--mantine-color-text)" },
    ".cm-cursor": { borderLeftColor: "var(--mantine-color-text)" },
    ".cm-placeholder": { color: "var(--mantine-color-dimmed)", fontFamily: "var(--mantine-font-family)" },
    "&.cm-focused .cm-matchingBracket": {
      backgroundColor: "light-dark(var(--mantine-color-gray-3), var(--mantine-color-dark-3))",
    },
    ".cm-tooltip": {
      backgroundColor: "var(--mantine-color-body)",
      color: "var(--mantine-color-text)",
      border: "1px solid var(--mantine-color-default-border)",
      borderRadius: "var(--mantine-radius-default)",
      zIndex: 400,
    },
    ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mantine-font-family-monospace)" },
    ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "2px 8px" },
    ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": {
      backgroundColor: "var(--mantine-primary-color-filled)",
      color: "var(--mantine-color-white)",
    },
    ".cm-completionDetail": { fontStyle: "normal", marginLeft: "1em" },
    ".cm-completionInfo": { padding: "4px 8px", fontFamily: "var(--mantine-font-family)", maxWidth: "260px" },
  });
}
