/** Going from a problem to the very input it is about, which says so below itself. */

const FRAMES = 90;

/** Focus the input that shows this message, once its panel has it; without one, the panel is where to look. */
export function jumpTo(message: string, frames = FRAMES): void {
  const input = inputWith(message);
  if (input !== null) {
    input.scrollIntoView?.({ block: "center" });
    input.focus();
  } else if (frames > 0) {
    requestAnimationFrame(() => jumpTo(message, frames - 1));
  }
}

function inputWith(message: string): HTMLElement | null {
  for (const input of document.querySelectorAll<HTMLElement>('[aria-invalid="true"]')) {
    const about = (input.getAttribute("aria-describedby") ?? "").split(/\s+/);
    const said = about.map((id) => (id ? (document.getElementById(id)?.textContent ?? "") : ""));
    if (said.some((text) => text.includes(message))) return input;
  }
  return null;
}
