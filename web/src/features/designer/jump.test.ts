import { afterEach, expect, it, vi } from "vitest";
import { jumpTo } from "@/features/designer/jump";

const INPUTS = `
  <input id="fine">
  <input id="other" aria-invalid="true" aria-describedby="a"><p id="a">is too long</p>
  <input id="this" aria-invalid="true" aria-describedby="b c"><p id="b">Help</p><p id="c">field url is required</p>`;

afterEach(() => {
  document.body.innerHTML = "";
});

it("focuses the input that says what is wrong, also when it comes a moment later", async () => {
  jumpTo("is required");
  await new Promise(requestAnimationFrame);
  document.body.innerHTML = INPUTS;
  await vi.waitFor(() => expect(document.activeElement?.id).toBe("this"));
});

it("gives up when nothing says so, and takes the focus from nobody", async () => {
  document.body.innerHTML = INPUTS;
  document.getElementById("fine")?.focus();
  jumpTo("something else", 2);
  for (let frame = 0; frame < 4; frame++) await new Promise(requestAnimationFrame);
  expect(document.activeElement?.id).toBe("fine");
});
