import { useEffect, useEffectEvent } from "react";
import { say } from "@/ui/say";

interface Clipboard {
  /** The text of what is chosen; null: nothing is. */
  copied: () => string | null;
  cut: () => void;
  pasted: (text: string) => void;
}

/** The browser's own copy, cut and paste, where the focus is in no text and no text is marked. */
export function useClipboard({ copied, cut, pasted }: Clipboard): void {
  const onCopy = useEffectEvent((event: ClipboardEvent) => {
    const text = isElsewhere(event) || document.getSelection()?.isCollapsed === false ? null : copied();
    if (text === null) return;
    event.clipboardData?.setData("text/plain", text);
    event.preventDefault();
    if (event.type === "cut") cut();
    else say("Copied.");
  });
  const onPaste = useEffectEvent((event: ClipboardEvent) => {
    const text = event.clipboardData?.getData("text/plain");
    if (!isElsewhere(event) && text) pasted(text);
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

/** The same by command, where the browser allows it. */
export function copyText(text: string | null): Promise<void> {
  return text === null ? Promise.resolve() : navigator.clipboard.writeText(text).catch(refused);
}

export function pasteText(pasted: (text: string) => void): Promise<void> {
  return navigator.clipboard.readText().then(pasted, refused);
}

function refused(): void {
  say("The browser keeps its clipboard from this page. Ctrl C, Ctrl X and Ctrl V work.");
}

function isElsewhere(event: Event): boolean {
  return (
    event.target instanceof Element &&
    event.target.closest("input, textarea, [contenteditable], [role=dialog]") !== null
  );
}
