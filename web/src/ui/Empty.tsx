import { Center, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

/** Where there is nothing yet: what would be here, and how to make the first one. */
export function Empty({ title, children, action }: { title: string; children: ReactNode; action?: ReactNode }) {
  return (
    <Center p="xl">
      <Stack align="center" gap="sm" maw={480} ta="center">
        <Title order={2} size="h3">
          {title}
        </Title>
        {typeof children === "string" ? <Text c="dimmed">{children}</Text> : children}
        {action}
      </Stack>
    </Center>
  );
}
