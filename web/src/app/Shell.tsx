import {
  ActionIcon,
  AppShell,
  Badge,
  Box,
  Burger,
  Group,
  Image,
  NavLink,
  Stack,
  Text,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconKey,
  IconListDetails,
  IconLogout,
  IconMoon,
  IconPuzzle,
  IconRoute,
  IconSettings,
  IconSun,
} from "@tabler/icons-react";
import { lazy, type ReactNode, Suspense } from "react";
import { Link, useLocation } from "wouter";
import { useConnection } from "@/api/live";
import { signOut, useSession } from "@/api/session";
import mark from "@/app/mark.svg";
import { useTour } from "@/features/tour/tour";
import { Sayings } from "@/ui/Sayings";

const TourBar = lazy(() => import("@/features/tour/TourBar"));

const ROOMS = [
  { label: "Flows", href: "/flows", icon: IconRoute },
  { label: "Executions", href: "/executions", icon: IconListDetails },
  { label: "Components", href: "/components", icon: IconPuzzle },
  { label: "Credentials", href: "/credentials", icon: IconKey },
  { label: "Settings", href: "/settings", icon: IconSettings },
] as const;

/** What surrounds every page: the rooms of the platform, the connection, light and dark. */
export function Shell({ children }: { children: ReactNode }) {
  const [opened, { toggle, close }] = useDisclosure();
  const { signedIn } = useSession();
  const touring = useTour((tour) => tour.on) && signedIn;
  return (
    <AppShell header={{ height: 48 }} navbar={{ width: 180, breakpoint: "sm", collapsed: { mobile: !opened } }}>
      <AppShell.Header>
        <Group h="100%" px="sm" gap="sm">
          <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Rooms" />
          <Image src={mark} w={26} h={26} alt="" />
          <Text fw={700}>Headrace</Text>
          <Group ml="auto" gap="xs">
            <ConnectionBadge />
            <SchemeSwitch />
            <ActionIcon variant="subtle" color="gray" aria-label="Sign out" onClick={() => void signOut()}>
              <IconLogout size={18} />
            </ActionIcon>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar aria-label="Rooms">
        <Rooms onChoose={close} />
      </AppShell.Navbar>
      <AppShell.Main h="100dvh">
        {touring ? (
          <Stack h="100%" gap={0}>
            <Suspense>
              <TourBar />
            </Suspense>
            <Box flex={1} mih={0} style={{ overflow: "auto" }}>
              {children}
            </Box>
          </Stack>
        ) : (
          children
        )}
      </AppShell.Main>
      <Sayings />
    </AppShell>
  );
}

function Rooms({ onChoose }: { onChoose: () => void }) {
  const [location] = useLocation();
  return ROOMS.map(({ label, href, icon: Icon }) => (
    <NavLink
      key={href}
      component={Link}
      href={href}
      label={label}
      leftSection={<Icon size={18} aria-hidden />}
      active={location === href || location.startsWith(`${href}/`)}
      onClick={onChoose}
    />
  ));
}

function ConnectionBadge() {
  const connection = useConnection();
  const { signedIn } = useSession();
  if (connection !== "lost" || !signedIn) return null;
  return (
    <Badge color="orange" variant="light" role="status">
      Reconnecting
    </Badge>
  );
}

function SchemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light") === "dark";
  const Icon = dark ? IconSun : IconMoon;
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      aria-label={dark ? "Light colours" : "Dark colours"}
      onClick={() => setColorScheme(dark ? "light" : "dark")}
    >
      <Icon size={18} />
    </ActionIcon>
  );
}
