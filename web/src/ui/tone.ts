import type { MantineColor } from "@mantine/core";

/** A colour for text, readable on the page and on a light shade of itself, in light and dark. */
export function tone(color: MantineColor): string {
  const dark = `color-mix(in srgb, var(--mantine-color-${color}-9), black 40%)`;
  return `light-dark(${dark}, var(--mantine-color-${color}-2))`;
}
