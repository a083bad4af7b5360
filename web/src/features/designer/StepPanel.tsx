import { ActionIcon, ScrollArea, Stack, Text } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { CredentialPart } from "@/features/designer/step/CredentialPart";
import { Fields } from "@/features/designer/step/Fields";
import { Identity } from "@/features/designer/step/Identity";
import { Messages } from "@/features/designer/step/Messages";
import { MissingVariables } from "@/features/designer/step/MissingVariables";
import type { PartProps } from "@/features/designer/step/part";
import { Running } from "@/features/designer/step/Running";
import { Source } from "@/features/designer/step/Source";
import { useKnowledge } from "@/features/designer/useKnowledge";
import { Panel } from "@/ui/Panel";

interface Props extends PartProps {
  /** What stands above what is written of it, such as how it runs. */
  above?: ReactNode;
  onRenamed: (id: string) => void;
  onMap: () => void;
  onRemove: () => void;
  onClose: () => void;
}

/** Everything that is written of one step, beside the canvas. */
export function StepPanel(props: Props) {
  const { document, step, mistakes, onClose, onRemove, readOnly } = props;
  // What can be read is asked of every component before this step: only when somebody begins to write.
  const [writing, setWriting] = useState(false);
  const { scope } = useKnowledge(document, step, writing && !readOnly);
  const whole = mistakes.filter((each) => !SHOWN.test(each.key));
  return (
    <Panel
      title={step.name || step.id}
      label={`Step ${step.name || step.id}`}
      closeLabel="Close the step"
      onClose={onClose}
      tools={
        !readOnly && (
          <ActionIcon variant="subtle" color="red" aria-label="Remove the step" onClick={onRemove}>
            <IconTrash size={18} />
          </ActionIcon>
        )
      }
    >
      <ScrollArea flex={1} mih={0} type="auto">
        {props.above}
        <Stack p="sm" gap="sm" onFocusCapture={({ target }) => target.matches(".cm-content") && setWriting(true)}>
          {whole.map((each) => (
            <Text
              key={each.path + each.reason}
              size="sm"
              c={each.severity === "error" ? "var(--mantine-color-error)" : undefined}
            >
              {each.message}
            </Text>
          ))}
          <Source {...props} />
          <MissingVariables {...props} />
          <Identity {...props} />
          <CredentialPart {...props} />
          <Fields {...props} scope={scope} />
          {step.kind === "action" && <Messages {...props} scope={scope} />}
          <Running {...props} />
        </Stack>
      </ScrollArea>
    </Panel>
  );
}

/** Keys whose mistakes are shown where they are typed. */
const SHOWN =
  /^(id|name|note|version|trigger|action|credential|after|when|input|concurrency|reply|log_level|order|timeout|poll_interval|quiet_after|call_max|queue_limit|memory|retry|paths|(retry|fields|paths)\..+)$/;
