import { Alert, Badge, type CSSVariablesResolver, createTheme, type MantineColorsTuple, Modal } from "@mantine/core";
import { tone } from "@/ui/tone";

/** The colour of water in a mill race. Shade 7 on white and shade 4 on black are both readable as text (WCAG AA). */
const race: MantineColorsTuple = [
  "#e4fafa",
  "#d0f1f1",
  "#a2e3e3",
  "#71d4d5",
  "#4bc7c9",
  "#33bfc1",
  "#22a9ad",
  "#08797d",
  "#036367",
  "#004d50",
];

export const theme = createTheme({
  colors: { race },
  primaryColor: "race",
  primaryShade: { light: 7, dark: 7 },
  fontFamily: "system-ui, -apple-system, 'Segoe UI', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'Cascadia Code', 'DejaVu Sans Mono', monospace",
  defaultRadius: "sm",
  cursorType: "pointer",
  components: {
    Modal: Modal.extend({ defaultProps: { closeButtonProps: { "aria-label": "Close" } } }),
    Alert: Alert.extend({ vars: (_, { color }) => ({ root: { "--alert-color": tone(color ?? "race") } }) }),
    Badge: Badge.extend({
      vars: (_, { variant, color }) => ({
        root: variant === "light" || variant === "outline" ? { "--badge-color": tone(color ?? "race") } : {},
      }),
    }),
  },
});

/** Mantine's own dimmed text and errors are too pale to read. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "var(--mantine-color-gray-7)",
    "--mantine-color-error": "var(--mantine-color-red-9)",
  },
  dark: {
    "--mantine-color-dimmed": "var(--mantine-color-dark-1)",
    "--mantine-color-error": "var(--mantine-color-red-4)",
  },
});
