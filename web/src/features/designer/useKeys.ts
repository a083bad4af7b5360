import { type HotkeyItem, useHotkeys } from "@mantine/hooks";
import type { Command } from "@/features/designer/commands";

/** The keys of commands that can be done now. Not in texts, dialogs, menus and lists, which have keys of their own. */
export function useKeys(commands: readonly Command[]): void {
  const items = commands
    .filter((command) => command.enabled && !command.native)
    .flatMap((command) =>
      command.keys.map((keys): HotkeyItem => {
        const perform = (event: KeyboardEvent) => {
          if (!isFree(event.target, command.onCanvas ?? false)) return;
          event.preventDefault();
          command.perform();
        };
        return [keys, perform, { preventDefault: false }];
      }),
    );
  useHotkeys(items);
}

const OF_THEIR_OWN = "[role=dialog], [role=menu], [role=listbox], [role=tablist], [role=radiogroup]";
const CANVAS = ".react-flow";

function isFree(target: EventTarget | null, onCanvas: boolean): boolean {
  if (!(target instanceof Element) || target === document.body) return true;
  return onCanvas ? target.closest(CANVAS) !== null : target.closest(OF_THEIR_OWN) === null;
}
