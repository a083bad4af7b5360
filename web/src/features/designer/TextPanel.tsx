import { Textarea } from "@mantine/core";
import { Panel } from "@/ui/Panel";

interface Props {
  text: string;
  onChange: (text: string) => void;
  onClose: () => void;
}

/** The document as it is written: what the canvas shows, and everything it does not. */
export function TextPanel({ text, onChange, onClose }: Props) {
  return (
    <Panel title="Text" onClose={onClose}>
      <Textarea
        flex={1}
        mih={0}
        p="sm"
        aria-label="Flow document"
        value={text}
        spellCheck={false}
        onChange={(event) => onChange(event.currentTarget.value)}
        styles={{
          wrapper: { height: "100%" },
          input: { height: "100%", fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 },
        }}
      />
    </Panel>
  );
}
