import { create } from "zustand";

interface Saying {
  text: string;
  /** The same words said again are another saying. */
  number: number;
}

/** What was said last, for the eyes and for screen readers. */
export const useSaying = create<Saying>(() => ({ text: "", number: 0 }));

/** Tell what happened where nothing else shows it. */
export function say(text: string): void {
  useSaying.setState(({ number }) => ({ text, number: number + 1 }));
}
