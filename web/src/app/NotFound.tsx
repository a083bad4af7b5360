import { Anchor, Stack, Text, Title } from "@mantine/core";
import { Link } from "wouter";

export function NotFound() {
  return (
    <Stack p="xl" gap="xs">
      <Title order={1}>There is no such page</Title>
      <Text>
        The address leads nowhere.{" "}
        <Anchor component={Link} href="/flows">
          All flows
        </Anchor>{" "}
        are a good place to go on.
      </Text>
    </Stack>
  );
}
