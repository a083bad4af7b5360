/** What can be done in the designer: the toolbar, the keyboard, the palette and the sheet of keys read this list. */

export const GROUPS = ["Move", "Steps", "Test", "Flow", "View"] as const;

export interface Command {
  id: string;
  label: string;
  group: (typeof GROUPS)[number];
  /** As `@mantine/hooks` writes them: `mod` is Ctrl, or ⌘ on a Mac. The first is shown, the others work too. */
  keys: readonly string[];
  enabled: boolean;
  /** The key counts only where no other control has the focus. */
  onCanvas?: boolean;
  /** The browser has this key for it already. */
  native?: boolean;
  perform: () => void;
  /** What there is to choose from; the palette asks before anything is done. */
  choices?: () => Choice[];
}

export interface Choice {
  label: string;
  perform: () => void;
}

const NAMES: Record<string, string> = {
  mod: "Ctrl",
  shift: "Shift",
  alt: "Alt",
  ArrowRight: "→",
  ArrowLeft: "←",
  ArrowUp: "↑",
  ArrowDown: "↓",
};

/** A key as people read it. */
export function keyLabel(keys: string): string {
  if (keys === "shift+?") return "?";
  const mac = typeof navigator !== "undefined" && /Mac/.test(navigator.platform);
  const name = (key: string) =>
    key === "mod" && mac ? "⌘" : (NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key));
  return keys.split("+").map(name).join(" ");
}

export function matching<T extends { label: string }>(all: readonly T[], search: string): T[] {
  const words = search.toLowerCase().split(/\s+/);
  return all.filter((each) => words.every((word) => each.label.toLowerCase().includes(word)));
}
