import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import type { Component, Offer } from "@/api/components";
import { Chooser } from "@/features/designer/Chooser";

function offer(name: string, more: Partial<Offer> = {}): Offer {
  return { name, title: "", description: "", type: null, help: null, order: 0, deprecated: false, ...more };
}

const SHOP = {
  name: "shop",
  title: "Shop",
  description: "",
  icon: null,
  help: null,
  deprecated: false,
  triggers: [],
  actions: [offer("list"), offer("order", { help: { description: "", link: "https://example.org/order" } })],
} as unknown as Component;

function shown(all: Component[]) {
  const queries = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } });
  queries.setQueryData(["components", "list"], all);
  const [onChoose, onClose] = [vi.fn(), vi.fn()];
  render(
    <MantineProvider>
      <QueryClientProvider client={queries}>
        <Chooser kind="action" title="Choose" onChoose={onChoose} onClose={onClose} />
      </QueryClientProvider>
    </MantineProvider>,
  );
  return { onChoose, onClose, user: userEvent.setup() };
}

it("is gone through by arrows, chosen from by Enter, and left by Escape", async () => {
  const { onChoose, onClose, user } = shown([SHOP]);
  await user.keyboard("{ArrowDown}{ArrowDown}");
  expect(document.activeElement?.textContent).toContain("order");
  await user.keyboard("{Enter}");
  expect(onChoose).toHaveBeenCalledWith({ kind: "action", component: "shop", function: "order" });
  await user.keyboard("{ArrowUp}{ArrowUp}{ArrowUp}");
  expect(document.activeElement).toBe(screen.getByRole("textbox", { name: "Search actions" }));
  await user.keyboard("{Escape}");
  expect(onClose).toHaveBeenCalled();
});

it("takes the first that is found on Enter", async () => {
  const { onChoose, user } = shown([SHOP]);
  await user.type(screen.getByRole("textbox", { name: "Search actions" }), "ord{Enter}");
  expect(onChoose).toHaveBeenCalledWith({ kind: "action", component: "shop", function: "order" });
});

it("leads to help, and to how to push where nothing is found", async () => {
  const { user } = shown([SHOP]);
  expect(screen.getByRole("link", { name: "Help for order" }).getAttribute("href")).toBe("https://example.org/order");
  await user.type(screen.getByRole("textbox", { name: "Search actions" }), "nothing like it");
  expect(screen.getByLabelText("What to type").textContent).toContain(`git push ${window.location.origin}/git/`);
});
