import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useId, useState } from "react";
import type { KeySecretView } from "@/api/schema";
import { useApp } from "@/app/context";
import { Button } from "@/components/Button";
import { Dialog } from "@/components/Dialog";
import { Prose } from "@/components/Prose";
import { Segments } from "@/components/Segments";
import { Secret } from "./Secret";
import { entries } from "./state";

const DAY_MS = 86_400_000;
const EXPIRES = [
  { id: "1", label: "a day" },
  { id: "7", label: "7 days" },
  { id: "30", label: "30 days" },
  { id: "90", label: "90 days" },
  { id: "never", label: "never" },
] as const;
type Expires = (typeof EXPIRES)[number]["id"];

const OPERATIONS = [
  { id: "generate", label: "Generate" },
  { id: "embed", label: "Embed" },
  { id: "count-tokens", label: "Count tokens" },
  { id: "list-models", label: "List models" },
  { id: "other", label: "Anything else" },
] as const;

const INPUT =
  "h-7 w-full min-w-0 rounded-md border border-line-strong bg-raised px-2 font-mono text-sm placeholder:font-sans placeholder:text-faint";

/** Asks what a new key is for, makes it, and shows its secret once. */
export function CreateKey({ open, onClose }: { open: boolean; onClose: () => void }) {
  const [made, setMade] = useState<KeySecretView | null>(null);
  const close = () => {
    // The secret is forgotten with the window.
    setMade(null);
    onClose();
  };
  return (
    <Dialog title={made === null ? "Make a key" : "The secret of the key"} open={open} onClose={close}>
      {made === null ? <Form onMade={setMade} onCancel={close} /> : <Secret made={made} onDone={close} />}
    </Dialog>
  );
}

function Form(props: { onMade: (made: KeySecretView) => void; onCancel: () => void }) {
  const { api } = useApp();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [expires, setExpires] = useState<Expires>("30");
  const [models, setModels] = useState("");
  const [routes, setRoutes] = useState("");
  const [providers, setProviders] = useState("");
  const [operations, setOperations] = useState<string[]>([]);
  const create = useMutation({
    mutationFn: () =>
      api.createKey({
        name: name.trim(),
        expires_at_ms: expires === "never" ? null : Date.now() + Number(expires) * DAY_MS,
        scope: {
          models: entries(models),
          routes: entries(routes),
          providers: entries(providers),
          operations,
        },
      }),
    onSuccess: props.onMade,
    onSettled: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!create.isPending) create.mutate();
  };
  const toggle = (id: string) =>
    setOperations((all) => (all.includes(id) ? all.filter((it) => it !== id) : [...all, id]));
  return (
    <form onSubmit={submit} className="flex flex-col gap-3 p-5">
      <p aria-hidden className="text-lg font-semibold">
        Make a key
      </p>
      <Text label="Name" placeholder="nightly" value={name} onChange={setName} />
      <Field label="Expires in">
        <Segments label="Expires in" options={EXPIRES} value={expires} onChange={setExpires} />
      </Field>
      <p className="pt-1 text-sm text-muted">
        What is left empty is not limited. With models of either kind, the key may ask for those and no
        others; parted by commas.
      </p>
      <Text label="Models" placeholder="gpt-5*, claude-haiku-*" value={models} onChange={setModels} />
      <Text label="Your own models" placeholder="fast" value={routes} onChange={setRoutes} />
      <Text label="Providers" placeholder="openai, anthropic" value={providers} onChange={setProviders} />
      <fieldset className="flex flex-wrap gap-x-4 gap-y-1.5">
        <legend className="pb-1 text-sm text-muted">Only to</legend>
        {OPERATIONS.map(({ id, label }) => (
          <label key={id} className="flex items-center gap-1.5 text-sm">
            <input type="checkbox" checked={operations.includes(id)} onChange={() => toggle(id)} />
            {label}
          </label>
        ))}
      </fieldset>
      {create.error && (
        <p role="alert" className="rounded-md bg-bad-fill px-2.5 py-1.5 text-sm break-words text-bad">
          <Prose text={create.error.message} />
        </p>
      )}
      <div className="flex justify-end gap-2 pt-1">
        <Button onClick={props.onCancel}>Cancel</Button>
        <Button type="submit" look="main" disabled={create.isPending || name.trim() === ""}>
          {create.isPending ? "Making…" : "Make the key"}
        </Button>
      </div>
    </form>
  );
}

function Text(props: {
  label: string;
  placeholder: string;
  value: string;
  onChange: (text: string) => void;
}) {
  const id = useId();
  return (
    <Field label={props.label} id={id}>
      <input
        id={id}
        type="text"
        spellCheck={false}
        autoComplete="off"
        placeholder={props.placeholder}
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
        className={INPUT}
      />
    </Field>
  );
}

function Field(props: { label: string; id?: string; children: ReactNode }) {
  return (
    <div className="grid grid-cols-[8.5rem_1fr] items-center gap-3 text-sm">
      {props.id === undefined ? (
        <span aria-hidden>{props.label}</span>
      ) : (
        <label htmlFor={props.id}>{props.label}</label>
      )}
      <div>{props.children}</div>
    </div>
  );
}
