import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, it } from "vitest";
import type { RuleTest } from "@/api/schema";
import { type FakeHost, Refusal } from "@/testing/fakeHost";
import { callId } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";
import { aRuleTest, RULES_TEXT } from "@/testing/rules";

const lastTest = (host: FakeHost): RuleTest => {
  const asked = host.asked.filter((it) => it.startsWith("POST /api/rules/test ")).at(-1);
  return JSON.parse(asked?.replace("POST /api/rules/test ", "") ?? "{}");
};
const type = (text: string) =>
  fireEvent.change(screen.getByRole("textbox", { name: "Rules" }), { target: { value: text } });

it("tries the rules of the file on the latest call, and says what each does and why", async () => {
  const { container, host } = show("#/routing/try");
  const found = await screen.findByRole("region", { name: "What the rules do" });
  const item = async (name: string) => (await within(found).findByText(name)).closest("li") as HTMLElement;
  expect(await item("no large models in tests")).toHaveTextContent(
    /does not fire.*programnot known.*model"claude-sonnet-4-5"/,
  );
  expect(await item("house rules")).toHaveTextContent(
    "firesevery callcap max_tokenssystem_suffix: not possible, the request has no `messages`",
  );
  expect(await item("by header")).toHaveTextContent("cannot be evaluatedthere is no member x-team");
  expect(found).toHaveTextContent("The call goes on, changedAsks for fast instead");
  expect(found).toHaveTextContent("Request: x-team = coreAnswer: server is removed");
  expect(within(found).getByRole("region", { name: "The body after the rules" })).toHaveTextContent(
    '"max_tokens": 4096',
  );
  expect(lastTest(host)).toEqual({ call: callId(3), rules: RULES_TEXT.text.trimEnd() });
  await expectAccessible(container);
});

it("tries what is typed, marks the place of a mistake, and goes there", async () => {
  const { container, user, host } = show("#/routing/try");
  await screen.findByText("house rules", { selector: "li *" });
  const copy = screen.getByRole("button", { name: "Copy the rules" });
  type(`[[rules]]\nname = "r"\nwhen = 'modl == "x"'\ndeny = "no"`);
  const alert = await screen.findByRole("alert");
  expect(alert).toHaveTextContent("Line 3, column 9no variable modl");
  expect(container.querySelector("mark")).toHaveTextContent("modl");
  expect(copy).toBeDisabled();
  await expectAccessible(container);
  await user.click(within(alert).getByRole("button", { name: "Line 3, column 9" }));
  const input = screen.getByRole<HTMLTextAreaElement>("textbox", { name: "Rules" });
  expect(input).toHaveFocus();
  expect(input.value.slice(input.selectionStart, input.selectionEnd)).toBe("modl");

  const mended = `[[rules]]\nname = "r"\nwhen = 'model == "x"'\ndeny = "no"`;
  type(mended);
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
  expect(lastTest(host).rules).toBe(mended);
  expect(screen.getByText(/^Not in force/)).toHaveTextContent("/home/ada/.config/tollgate/config.toml");
  await user.click(copy);
  expect(await navigator.clipboard.readText()).toBe(`${mended}\n`);
  await user.click(screen.getByRole("button", { name: "Undo changes" }));
  expect(input).toHaveValue(RULES_TEXT.text.trimEnd());
  expect(screen.queryByText(/^Not in force/)).toBeNull();
});

it("keeps what was typed while one looks at another page", async () => {
  const { user } = show("#/routing/try");
  await screen.findByRole("textbox", { name: "Rules" });
  type("# mine");
  await user.click(screen.getByRole("link", { name: "Doctor" }));
  await user.click(await screen.findByRole("link", { name: "Routing" }));
  await user.click(await screen.findByRole("tab", { name: "Try rules" }));
  expect(await screen.findByRole("textbox", { name: "Rules" })).toHaveValue("# mine");
});

it("tries a call that is written by hand, also one that begins as a call that was made", async () => {
  const { container, user, host } = show("#/routing/try");
  await user.click(await screen.findByRole("button", { name: "Write it out" }));
  expect(screen.getByRole("textbox", { name: "Program" })).toHaveValue("claude");
  expect(screen.getByRole("combobox", { name: "Format" })).toHaveValue("anthropic-messages");
  await user.clear(screen.getByRole("textbox", { name: "Program" }));
  await user.type(screen.getByRole("textbox", { name: "Program" }), "pytest");
  const rest = screen.getByRole("textbox", { name: "Body and other variables, as JSON" });
  fireEvent.change(rest, { target: { value: '{"hour": 3, "body": {"max_tokens": 9000}}' } });
  await waitFor(() =>
    expect(lastTest(host).with).toMatchObject({ program: "pytest", hour: 3, body: { max_tokens: 9000 } }),
  );
  expect(await screen.findByText(/− +"max_tokens": 9000/)).toBeVisible();
  fireEvent.change(rest, { target: { value: "{" } });
  expect(await screen.findByText("This is not a JSON object.")).toBeVisible();
  await expectAccessible(container);
});

it("says what is wrong with a written call in the gateway's words", async () => {
  const { user } = show("#/routing/try", {
    "POST /api/rules/test": (_: URLSearchParams, test: RuleTest) =>
      test.with ? new Refusal(400, "`uid` is a number") : aRuleTest(),
  });
  await user.click(await screen.findByRole("button", { name: "Written by hand" }));
  expect(await screen.findByText(/is a number/)).toBeVisible();
});

it("says with which rule and reason a call is denied", async () => {
  show("#/routing/try", {
    "POST /api/rules/test": aRuleTest({ denied_by: "no large models in tests", model: null, body: null }),
  });
  expect(await screen.findByText("The call is denied")).toBeVisible();
  expect(screen.getByText(/: use a smaller model in tests/)).toBeVisible();
});

it("begins with an example where there are no rules, and with a written call where there are none", async () => {
  const { user, host } = show("#/routing/try", {
    "GET /api/rules/text": { text: "", file: "/c.toml" },
    "GET /api/calls": { calls: [], next: null },
  });
  expect(await screen.findByText(/^No rules stand in/)).toHaveTextContent("No rules stand in /c.toml.");
  await user.click(screen.getByRole("button", { name: "Begin with an example" }));
  expect(screen.getByText(/^Not in force/)).toHaveTextContent("put it into /c.toml, which");
  await waitFor(() => expect(lastTest(host).rules).toMatch(/^\[\[rules]]/));
  expect(lastTest(host).with).toMatchObject({ program: "pytest" });
});

it("goes on without the rules of a file that has a mistake, and says so", async () => {
  show("#/routing/try", { "GET /api/rules/text": new Refusal(400, "config.toml:1:1: no") });
  expect(await screen.findByText(/The rules of the file could not be read/)).toBeVisible();
  expect(screen.getByRole("textbox", { name: "Rules" })).toHaveValue("");
});
