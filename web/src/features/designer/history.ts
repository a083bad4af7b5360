/** Undo and redo as a list of texts. Pure: a history is a value, and so is what it becomes. */

export interface History {
  readonly texts: readonly string[];
  /** Which of them is shown. */
  readonly at: number;
  /** What the last change was about; another one about the same replaces its text, so typing is one step back. */
  readonly group: string | null;
}

export function begun(text: string): History {
  return { texts: [text], at: 0, group: null };
}

export function present(history: History): string {
  return history.texts[history.at] ?? "";
}

/** After a change to `text`. What was undone before is gone. */
export function changedTo(history: History, text: string, group: string | null = null): History {
  if (text === present(history)) return history;
  const merges = group !== null && group === history.group && history.at > 0;
  const kept = history.texts.slice(0, merges ? history.at : history.at + 1);
  return { texts: [...kept, text], at: kept.length, group };
}

export function undone(history: History): History {
  return history.at === 0 ? history : { ...history, at: history.at - 1, group: null };
}

export function redone(history: History): History {
  return history.at === history.texts.length - 1 ? history : { ...history, at: history.at + 1, group: null };
}
