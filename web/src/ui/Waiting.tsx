import { Center, Loader } from "@mantine/core";

/** Where something is about to be shown. */
export function Waiting() {
  return (
    <Center h="60vh">
      <Loader role="status" aria-label="Loading" />
    </Center>
  );
}
