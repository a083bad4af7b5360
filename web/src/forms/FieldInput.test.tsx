import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { FieldInput } from "@/forms/FieldInput";
import { fieldsOf } from "@/forms/fields";

function shown(written: Record<string, unknown>, values: Record<string, unknown> = {}) {
  const [field] = fieldsOf({ actions: { a: { fields: { f: { label: "F", ...written } } } } }, "action", "a");
  if (field === undefined) throw new Error("no field");
  const onChange = vi.fn();
  render(
    <MantineProvider>
      <QueryClientProvider client={new QueryClient()}>
        <FieldInput
          field={field}
          values={values}
          mistake={null}
          readOnly={false}
          component={null}
          step={null}
          onChange={onChange}
        />
      </QueryClientProvider>
    </MantineProvider>,
  );
  return { onChange, user: userEvent.setup() };
}

it.each(["TextFieldView", "TextAreaView", "TextFieldWithNoteView", "SomethingNew"])("%s is text", async (viewClass) => {
  const { onChange, user } = shown({ viewClass });
  await user.type(screen.getByLabelText("F"), "x");
  expect(onChange).toHaveBeenLastCalledWith("x");
});

it("a password is not shown", () => {
  shown({ viewClass: "PasswordFieldView" }, { f: "secret" });
  expect(screen.getByLabelText("F").getAttribute("type")).toBe("password");
});

it.each([
  [{}, {}, true],
  [{ default: true }, {}, false],
  [{ default: true }, { f: false }, undefined],
  [{}, { f: "on" }, undefined],
])("a box with %o and %o writes %s", async (more, values, written) => {
  const { onChange, user } = shown({ viewClass: "CheckBoxView", ...more }, values);
  await user.click(screen.getByLabelText("F"));
  expect(onChange).toHaveBeenLastCalledWith(written);
});

it("JSON is written as soon as it is some", async () => {
  const { onChange, user } = shown({ viewClass: "RESTAPIView" });
  await user.click(screen.getByLabelText("F"));
  await user.paste('{"a": ');
  expect(onChange).not.toHaveBeenCalled();
  expect(screen.getByText(/This is no JSON yet/)).toBeTruthy();
  await user.paste("1}");
  expect(onChange).toHaveBeenLastCalledWith({ a: 1 });
});

it("how a request says who it comes from is an object by its kind", async () => {
  const { onChange, user } = shown({ viewClass: "HTTPAuthView" });
  await user.type(screen.getByLabelText("User"), "a");
  expect(onChange).toHaveBeenLastCalledWith({ type: "Basic Auth", basic: { username: "a" } });
});

it("waits for fields that it needs, and says for which", () => {
  shown({ viewClass: "SelectView", model: "lists", require: ["account"] });
  expect(screen.getByLabelText("F")).toHaveProperty("disabled", true);
  expect(screen.getByText("Fill in account first.")).toBeTruthy();
});

it("shows notes without HTML, prefix, default and where to read more", () => {
  const help = { description: "Help", link: "https://example.org" };
  shown({ viewClass: "TextFieldView", note: "In <b>bold</b>", prefix: "https://", default: "x", help });
  expect(screen.getByText(/In bold Help/)).toBeTruthy();
  expect(screen.getByText("https://")).toBeTruthy();
  expect(screen.getByPlaceholderText("Without a value: x")).toBeTruthy();
  expect(screen.getByRole("link", { name: "Read more" }).getAttribute("href")).toBe("https://example.org");
});
