/** What can be done in the designer: the toolbar, the keyboard, the palette and the sheet of keys read this list. */

export interface Command {
  id: string;
  label: string;
  /** As `@mantine/hooks` writes them: `mod` is Ctrl, or ⌘ on a Mac. */
  keys: string | null;
  enabled: boolean;
  perform: () => void;
}

/** A key as people read it. */
export function keyLabel(keys: string): string {
  const mac = typeof navigator !== "undefined" && /Mac/.test(navigator.platform);
  const names: Record<string, string> = { mod: mac ? "⌘" : "Ctrl", shift: "Shift", alt: "Alt" };
  return keys
    .split("+")
    .map((key) => names[key] ?? (key.length === 1 ? key.toUpperCase() : key))
    .join(" ");
}

export function matchingCommands(commands: readonly Command[], search: string): Command[] {
  const words = search.toLowerCase().split(/\s+/);
  return commands.filter((each) => each.enabled && words.every((word) => each.label.toLowerCase().includes(word)));
}
