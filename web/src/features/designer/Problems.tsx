import { NavLink, ScrollArea, Stack, Text } from "@mantine/core";
import { IconAlertCircle, IconAlertTriangle } from "@tabler/icons-react";
import type { Placed } from "@/features/designer/mistakes";

/** What keeps the draft from being published, and what is only remarkable; each leads to where it is. */
export function Problems({ mistakes, onGo }: { mistakes: Placed[]; onGo: (mistake: Placed) => void }) {
  return (
    <ScrollArea mah={180} component="section" aria-label="Problems">
      <Stack gap={0}>
        {mistakes.map((each) => (
          <NavLink
            key={each.path + each.reason}
            component="button"
            leftSection={
              each.severity === "error" ? (
                <IconAlertCircle size={16} color="var(--mantine-color-red-6)" aria-label="error" />
              ) : (
                <IconAlertTriangle size={16} color="var(--mantine-color-orange-6)" aria-label="warning" />
              )
            }
            label={
              <Text size="sm" span>
                <b>{each.step ?? each.path}</b> {each.key && each.step ? `${each.key}: ` : ""}
                {each.message}
              </Text>
            }
            description={each.suggestion || undefined}
            onClick={() => onGo(each)}
          />
        ))}
      </Stack>
    </ScrollArea>
  );
}
