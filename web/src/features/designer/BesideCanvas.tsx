import { Box } from "@mantine/core";
import { type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";

/** What stands beside the canvas. `at`: the key of the step whose field has the focus; empty: the first field. */
export type Beside =
  | { what: "step"; at?: string }
  | { what: "mapping" }
  | { what: "choose"; after: string | null; to?: string; between?: boolean }
  | { what: "test" }
  | { what: "publish" }
  | { what: "updates" }
  | { what: "text" }
  | { what: "keys" }
  | null;

const PANEL = 400;
const WIDE_PANEL = 760;
const FIELDS = "input:not([type=hidden]), textarea, select, button[role=combobox], [contenteditable=true]";
/** What does something else on Escape: closes itself, or lets the next Tab leave in place of indenting. */
const OWN_ESCAPE = "[aria-expanded=true], [role=dialog], [data-indents]";
const FRAMES = 60;

interface Props {
  beside: Beside;
  /** Of the step it is about. */
  id: string | null;
  onClose: () => void;
  children: ReactNode;
}

/** The room beside the canvas: Escape closes it, and where a field was asked for, it has the focus. */
export function BesideCanvas({ beside, id, onClose, children }: Props) {
  const room = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const within = room.current;
    if (beside?.what === "step" && beside.at !== undefined && id !== null && within !== null)
      focusField(within, beside.at);
  }, [beside, id]);
  if (beside === null) return null;
  const closed = (event: KeyboardEvent) => {
    const own = event.target instanceof Element && event.target.closest(OWN_ESCAPE) !== null;
    if (event.key !== "Escape" || own || event.defaultPrevented) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.target instanceof HTMLElement) event.target.blur(); // what counts when a field is left
    onClose();
  };
  return (
    <Box
      ref={room}
      w={{ base: "100%", sm: beside.what === "mapping" ? WIDE_PANEL : PANEL }}
      style={{ borderLeft: "1px solid var(--mantine-color-default-border)" }}
      onKeyDown={closed}
    >
      {children}
    </Box>
  );
}

/** Once it is there: editors of expressions come a moment later. */
function focusField(room: HTMLElement, key: string, frames = FRAMES): void {
  const wanted = key === "" ? room : room.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`);
  const field = wanted?.matches(FIELDS) ? wanted : wanted?.querySelector<HTMLElement>(FIELDS);
  if (field) {
    field.focus();
    if (field instanceof HTMLInputElement) field.select();
    field.scrollIntoView({ block: "center" });
  } else if (frames > 0) {
    requestAnimationFrame(() => focusField(room, key, frames - 1));
  }
}
