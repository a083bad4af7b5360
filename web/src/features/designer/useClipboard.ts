import { useEffect, useEffectEvent } from "react";

interface Clipboard {
  /** The text of what is selected; null: nothing is. */
  copied: () => string | null;
  cut: () => void;
  pasted: (text: string) => void;
}

/** The browser's own copy, cut and paste, where the focus is in no text and no text is marked. */
export function useClipboard({ copied, cut, pasted }: Clipboard): void {
  const onCopy = useEffectEvent((event: ClipboardEvent) => {
    const text = isInText(event) || document.getSelection()?.isCollapsed === false ? null : copied();
    if (text === null) return;
    event.clipboardData?.setData("text/plain", text);
    event.preventDefault();
    if (event.type === "cut") cut();
  });
  const onPaste = useEffectEvent((event: ClipboardEvent) => {
    const text = event.clipboardData?.getData("text/plain");
    if (!isInText(event) && text) pasted(text);
  });
  useEffect(() => {
    document.addEventListener("copy", onCopy);
    document.addEventListener("cut", onCopy);
    document.addEventListener("paste", onPaste);
    return () => {
      document.removeEventListener("copy", onCopy);
      document.removeEventListener("cut", onCopy);
      document.removeEventListener("paste", onPaste);
    };
  }, []);
}

function isInText(event: Event): boolean {
  return event.target instanceof Element && event.target.closest("input, textarea, [contenteditable]") !== null;
}
