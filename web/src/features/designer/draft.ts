/**
 * A draft while it is edited. Every change is saved soon after, one save at a time, with the tag of the draft it was
 * made on:
 *
 *     saved ──change──▶ changed ──soon──▶ saving ──▶ saved
 *                          ▲                 ├── no answer ──▶ offline ──again and again──▶ saving
 *                          └── changed since─┤
 *                                            ├── signed out ──▶ offline ──after signing in──▶ saving
 *                                            ├── somebody else saved ──▶ conflict ──a person chooses──▶ saving
 *                                            └── refused ──▶ failed ──next change──▶ changed
 */
import { createStore, type StoreApi } from "zustand";
import { isSignedOut, type Mistake, Offline, Problem } from "@/api/problem";
import type { components } from "@/api/schema";
import { begun, changedTo, type History, present, recalled, redone, undone } from "@/features/designer/history";
import { type Change, changed } from "@/graph/document";

type Saved = components["schemas"]["SavedDraft"];
export type SaveState = "saved" | "changed" | "saving" | "offline" | "conflict" | "failed";

export interface Theirs {
  /** null: it was published or discarded. */
  text: string | null;
  tag: number;
  author: string;
}

export interface DraftState {
  history: History;
  tag: number;
  save: SaveState;
  /** Why it is not saved. */
  error: Error | null;
  /** What the server says of the text it has. */
  mistakes: Mistake[];
  /** With a conflict: what somebody else made of it. */
  theirs: Theirs | null;
}

export interface Draft extends StoreApi<DraftState> {
  /** Change the document; changes of one `group` in a row are one step back. */
  change(change: Change, group?: string): void;
  replace(text: string, group?: string): void;
  undo(): void;
  redo(): void;
  /** Save now what is not saved yet. */
  flush(): Promise<void>;
  /** End a conflict: go on with what somebody else saved, or put one's own text in its place. */
  settle(whose: "mine" | "theirs"): void;
  /** Somebody else saved: take it if nothing of ours would be lost. */
  heard(theirs: Theirs, mistakes: Mistake[]): void;
  close(): void;
}

interface Options {
  name: string;
  text: string;
  tag: number;
  mistakes: Mistake[];
  save: (text: string, tag: number) => Promise<Saved>;
  /** Where the history is kept over a reload. */
  memory?: Pick<Storage, "getItem" | "setItem">;
}

const SAVE_AFTER = 400;
const AGAIN_AFTER = 1_500;

export function openDraft({ name, text, tag, mistakes, save, memory = localStorage }: Options): Draft {
  const key = `headrace.history.${name}`;
  const history = recalled(memory.getItem(key), text) ?? begun(text);
  const store = createStore<DraftState>(() => ({ history, tag, save: "saved", error: null, mistakes, theirs: null }));
  let timer: ReturnType<typeof setTimeout> | undefined;
  let saving: Promise<void> | null = null;
  /** What the server has; null: no draft. */
  let stored: string | null = text;

  const text_ = () => present(store.getState().history);

  function enter(next: History): void {
    store.setState({ history: next });
    remember(memory, key, next);
    if (store.getState().save === "conflict") return;
    store.setState({ save: text_() === stored && saving === null ? "saved" : "changed" });
    later(SAVE_AFTER);
  }

  function later(pause: number): void {
    clearTimeout(timer);
    timer = setTimeout(() => void flush(), pause);
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    saving ??= saveAll().finally(() => {
      saving = null;
    });
    return saving;
  }

  async function saveAll(): Promise<void> {
    while (text_() !== stored && store.getState().save !== "conflict") {
      const mine = text_();
      store.setState({ save: "saving" });
      try {
        const saved = await save(mine, store.getState().tag);
        stored = mine;
        store.setState({ tag: saved.tag, mistakes: saved.problems, error: null });
      } catch (error) {
        refused(error as Error);
        return;
      }
    }
    if (text_() === stored) store.setState({ save: "saved", error: null });
  }

  function refused(error: Error): void {
    if (error instanceof Offline || isSignedOut(error)) {
      store.setState({ save: "offline", error });
      later(AGAIN_AFTER);
    } else if (error instanceof Problem && error.conflict !== null) {
      const { theirs, tag: now, author } = error.conflict;
      store.setState({ save: "conflict", error, theirs: { text: theirs, tag: now, author } });
    } else {
      store.setState({ save: "failed", error });
    }
  }

  return {
    ...store,
    change: (change, group) => enter(changedTo(store.getState().history, changed(text_(), change), group ?? null)),
    replace: (next, group) => enter(changedTo(store.getState().history, next, group ?? null)),
    undo: () => enter(undone(store.getState().history)),
    redo: () => enter(redone(store.getState().history)),
    flush,
    settle(whose) {
      const { theirs, history: mine } = store.getState();
      if (theirs === null) return;
      stored = theirs.text;
      store.setState({ theirs: null, tag: theirs.tag, error: null, save: "changed" });
      enter(whose === "theirs" && theirs.text !== null ? changedTo(mine, theirs.text) : mine);
    },
    heard(theirs, theirMistakes) {
      const { tag: known, save: state, history: mine } = store.getState();
      if (theirs.tag <= known || saving !== null || state === "conflict") return;
      if (state !== "saved" || theirs.text === null) {
        clearTimeout(timer);
        store.setState({ save: "conflict", theirs });
        return;
      }
      stored = theirs.text;
      store.setState({ tag: theirs.tag, mistakes: theirMistakes });
      enter(changedTo(mine, theirs.text));
    },
    close: () => clearTimeout(timer),
  };
}

/** As much of the past as the browser has room for. */
function remember(memory: Pick<Storage, "setItem">, key: string, history: History): void {
  let { texts, at } = history;
  while (texts.length > 0) {
    try {
      memory.setItem(key, JSON.stringify({ texts, at }));
      return;
    } catch {
      const forgotten = Math.ceil(texts.length / 2);
      if (forgotten > at) return;
      texts = texts.slice(forgotten);
      at -= forgotten;
    }
  }
}
