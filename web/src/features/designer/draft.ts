/**
 * A draft while it is edited. Every change is saved soon after, one save at a time, with the tag of the draft it was
 * made on:
 *
 *     saved ──change──▶ changed ──soon──▶ saving ──▶ saved
 *                          ▲                 ├── no answer ──▶ offline ──again and again──▶ saving
 *                          └── changed since─┤
 *                                            ├── signed out ──▶ offline ──after signing in──▶ saving
 *                                            ├── somebody else saved ──▶ conflict ──a person chooses──▶ saving
 *                                            └── refused ──▶ failed ──next change, or soon if it may pass──▶ saving
 *
 * What is not saved is kept in the browser, with what the server had, until it is: over a reload, too. While somebody
 * else has the draft's seat it rests: nothing is saved, and nothing is lost.
 */
import { createStore, type StoreApi } from "zustand";
import { isSignedOut, type Mistake, Offline, Problem } from "@/api/problem";
import type { components } from "@/api/schema";
import { begun, changedTo, type History, present, redone, undone } from "@/features/designer/history";
import { type Kept, type Memory, recalled, remember, unsavedIn } from "@/features/designer/memory";
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
  /**
   * Publish what is seen: save, then `act`. Throws what kept it from being saved, else what `act` throws. The answer of
   * `act` says how to go on editing.
   */
  publish<T extends { draft_tag: number | null }>(act: () => Promise<T>): Promise<T>;
  /** Go on with this tag: the draft is what is shown, by a wish of ours. */
  rebase(tag: number): void;
  /** Save nothing until `wake`; somebody else edits. */
  rest(): void;
  wake(): void;
  /** End a conflict: go on with what somebody else saved, or put one's own text in its place. */
  settle(whose: "mine" | "theirs"): void;
  /** Somebody else saved: take it if nothing of ours would be lost. */
  heard(theirs: Theirs, mistakes: Mistake[]): void;
  close(): void;
}

interface Options {
  /** Of the flow. */
  id: string;
  text: string;
  tag: number;
  /** Who saved it. */
  author?: string;
  mistakes: Mistake[];
  save: (text: string, tag: number) => Promise<Saved>;
  /** Where the history is kept over a reload. */
  memory?: Memory;
}

const SAVE_AFTER = 400;
const AGAIN_AFTER = 1_500;

export function openDraft({ id, text, tag, author = "", mistakes, save, memory = localStorage }: Options): Draft {
  const kept = recalled(memory, id);
  const history = historyOf(kept, text);
  const store = createStore<DraftState>(() => ({ history, tag, save: "saved", error: null, mistakes, theirs: null }));
  let timer: ReturnType<typeof setTimeout> | undefined;
  let saving: Promise<void> | null = null;
  let resting = false;
  let publishing = false;
  /** What was heard while it could not be looked at: it is, afterwards. */
  let missed: [Theirs, Mistake[]] | null = null;
  /** What the server has; null: no draft. */
  let stored: string | null = text;

  const text_ = () => present(store.getState().history);

  if (text_() !== text) {
    // Not saved before the page was left. If the server still has what it was made of, it is saved now.
    if (kept?.stored === text) {
      store.setState({ save: "changed" });
      later(0);
    } else {
      stored = kept?.stored ?? null;
      store.setState({ save: "conflict", theirs: { text, tag, author } });
    }
  }

  function keep(): void {
    remember(memory, id, store.getState().history, stored);
  }

  function enter(next: History): void {
    store.setState({ history: next });
    keep();
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
      catchUp();
    });
    return saving;
  }

  async function saveAll(): Promise<void> {
    while (text_() !== stored && store.getState().save !== "conflict" && !resting) {
      const mine = text_();
      store.setState({ save: "saving" });
      try {
        const saved = await save(mine, store.getState().tag);
        stored = mine;
        store.setState({ tag: saved.tag, mistakes: saved.problems, error: null });
        keep();
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
      if (error instanceof Problem && isPassing(error)) later(AGAIN_AFTER);
    }
  }

  function catchUp(): void {
    const news = missed;
    if (news === null || resting || publishing || saving !== null) return;
    missed = null;
    heard(...news);
  }

  function heard(theirs: Theirs, theirMistakes: Mistake[]): void {
    const { tag: known, save: state, history: mine } = store.getState();
    // The same text, and yet other mistakes: a credential, a variable or a component has come or gone.
    if (theirs.tag === known && theirs.text === stored && state === "saved")
      store.setState({ mistakes: theirMistakes });
    if (theirs.tag <= known || state === "conflict") return;
    if (resting || publishing || saving !== null) {
      missed = [theirs, theirMistakes];
      return;
    }
    if (state !== "saved" || theirs.text === null) {
      clearTimeout(timer);
      store.setState({ save: "conflict", theirs });
      return;
    }
    stored = theirs.text;
    store.setState({ tag: theirs.tag, mistakes: theirMistakes });
    if (theirs.text === text_()) return;
    enter(changedTo(mine, theirs.text));
  }

  return {
    ...store,
    change: (change, group) => enter(changedTo(store.getState().history, changed(text_(), change), group ?? null)),
    replace: (next, group) => enter(changedTo(store.getState().history, next, group ?? null)),
    undo: () => enter(undone(store.getState().history)),
    redo: () => enter(redone(store.getState().history)),
    flush,
    async publish(act) {
      await flush();
      const { save: state, error } = store.getState();
      if (state !== "saved")
        throw error ?? new Error("The draft was changed elsewhere: choose which text it is to be.");
      publishing = true;
      try {
        const answer = await act();
        if (answer.draft_tag !== null) store.setState({ tag: answer.draft_tag });
        return answer;
      } finally {
        publishing = false;
        catchUp();
      }
    },
    rebase(now) {
      if (now > store.getState().tag) store.setState({ tag: now });
    },
    rest() {
      clearTimeout(timer);
      resting = true;
    },
    wake() {
      resting = false;
      catchUp();
      if (store.getState().save !== "conflict" && text_() !== stored) later(0);
    },
    settle(whose) {
      const { theirs, history: mine } = store.getState();
      if (theirs === null) return;
      stored = theirs.text;
      store.setState({ theirs: null, tag: theirs.tag, error: null, save: "changed" });
      enter(whose === "theirs" && theirs.text !== null ? changedTo(mine, theirs.text) : mine);
    },
    heard,
    close: () => clearTimeout(timer),
  };
}

/** The server, or what is in front of it, cannot do it now: nothing is wrong with what was sent. */
function isPassing({ status }: Problem): boolean {
  return status >= 500 || status === 429;
}

/** The one that was kept, if it is of this text, or has something in it that was never saved. */
function historyOf(kept: Kept | null, text: string): History {
  if (kept === null) return begun(text);
  const { texts, at } = kept;
  return texts[at] === text || unsavedIn(kept) !== null ? { texts, at, group: null } : begun(text);
}
