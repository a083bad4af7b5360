import { Group, Skeleton, Stack, Title } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Refusal } from "@/ui/Refusal";

interface Props<T> {
  title: string;
  /** Search, filters and buttons beside the title. */
  tools?: ReactNode;
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
}

/** A page that shows what one query brings: waiting, refused, or there. */
export function Page<T>({ title, tools, query, children }: Props<T>) {
  return (
    <Stack p="md" gap="md">
      <Group justify="space-between">
        <Title order={1} size="h2">
          {title}
        </Title>
        {tools && <Group gap="xs">{tools}</Group>}
      </Group>
      {query.error && <Refusal error={query.error} onRetry={() => void query.refetch()} />}
      {query.isPending && <Skeleton h={200} role="status" aria-label="Loading" />}
      {query.data !== undefined && children(query.data)}
    </Stack>
  );
}
