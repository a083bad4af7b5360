import { Avatar } from "@mantine/core";

/** The picture of a component, else its letters on a colour that its name gives. */
export function ComponentMark({ name, icon, size = 28 }: { name: string; icon: string | null; size?: number }) {
  const letters = name
    .split("-")
    .map((word) => word[0] ?? "")
    .join("")
    .slice(0, 2)
    .toUpperCase();
  return (
    <Avatar src={icon} alt="" size={size} radius="sm" color="initials" name={name} aria-hidden>
      {letters}
    </Avatar>
  );
}
