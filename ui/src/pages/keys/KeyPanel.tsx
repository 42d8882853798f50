import { useMutation, useQueryClient } from "@tanstack/react-query";
import { X } from "lucide-react";
import { type ReactNode, useState } from "react";
import type { KeySecretView, KeyView } from "@/api/schema";
import { useApp } from "@/app/context";
import { Button } from "@/components/Button";
import { Dialog } from "@/components/Dialog";
import { capital, Prose } from "@/components/Prose";
import { StateWord } from "@/components/StateWord";
import { callCondition } from "@/lib/callFilter";
import { ago, fullTime, plural } from "@/lib/format";
import { href } from "@/lib/route";
import { MonthCost } from "./columns";
import { Secret } from "./Secret";
import { keyState } from "./state";

const HOUR_MS = 3_600_000;

/** One key in full, and what can be done with it. */
export function KeyPanel({ it, onClose }: { it: KeyView; onClose: () => void }) {
  const { tone, word } = keyState(it);
  const { scope } = it;
  return (
    <section aria-label="Key" className="flex h-full min-h-0 flex-col bg-bg">
      <header className="flex shrink-0 items-center gap-2 border-b px-4 pt-2.5 pb-2">
        <h2 className="min-w-0 truncate text-lg font-semibold">{it.name}</h2>
        <span className="truncate font-mono text-faint">{it.beginning}…</span>
        <Button
          look="quiet"
          size="icon"
          className="-mr-2 ml-auto"
          aria-label="Close the key"
          onClick={onClose}
        >
          <X className="size-4" />
        </Button>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must be reachable. */}
      <section aria-label="What is known of it" tabIndex={0} className="min-h-0 flex-1 overflow-y-auto">
        <dl className="grid grid-cols-[7.5rem_1fr] gap-x-3 gap-y-2 p-4 text-sm">
          <Row name="State">
            <StateWord tone={tone}>{capital(word)}</StateWord>
          </Row>
          <Row name="Made">
            <Moment ms={it.created_at_ms} none="" />
          </Row>
          <Row name="Expires">
            <Moment ms={it.expires_at_ms ?? null} none="never" whole />
          </Row>
          {it.rotated_at_ms != null && (
            <Row name="Rotated">
              <Moment ms={it.rotated_at_ms} none="" />
              {it.former_until_ms != null && (
                <span className="block text-xs text-warn">
                  Its former secret is good until {fullTime(it.former_until_ms)}
                </span>
              )}
            </Row>
          )}
          {it.revoked_at_ms != null && (
            <Row name="Revoked">
              <Moment ms={it.revoked_at_ms} none="" />
            </Row>
          )}
          <List name="Models" of={scope.models} all={scope.routes?.length ? "none" : "any"} />
          <List name="Your own models" of={scope.routes} all={scope.models?.length ? "none" : "any"} />
          <List name="Providers" of={scope.providers} all="any" />
          <List name="Only to" of={scope.operations} all="anything" />
          <Row name="Last used">
            <Moment ms={it.last_used_ms ?? null} none="never" />
          </Row>
          <Row name="This month">
            {plural(it.month_calls, "call")}, <MonthCost it={it} />
          </Row>
          <Row name="Calls">
            <a
              className="text-accent hover:underline"
              href={href({ page: "calls", filter: callCondition("key", it.name) })}
            >
              Show its calls
            </a>
          </Row>
        </dl>
        {it.state !== "revoked" && <Change it={it} />}
      </section>
    </section>
  );
}

/** Rotating and revoking, each asked about first. */
function Change({ it }: { it: KeyView }) {
  const [asked, setAsked] = useState<"rotate" | "revoke" | null>(null);
  const close = () => setAsked(null);
  return (
    <div className="flex gap-2 border-t p-4">
      <Button onClick={() => setAsked("rotate")}>Rotate…</Button>
      <Button onClick={() => setAsked("revoke")}>Revoke…</Button>
      <Dialog title={`Rotate ${it.name}`} open={asked === "rotate"} onClose={close}>
        <Rotate it={it} onClose={close} />
      </Dialog>
      <Dialog title={`Revoke ${it.name}?`} open={asked === "revoke"} onClose={close}>
        <Revoke it={it} onClose={close} />
      </Dialog>
    </div>
  );
}

function Rotate({ it, onClose }: { it: KeyView; onClose: () => void }) {
  const { api } = useApp();
  const queries = useQueryClient();
  const [made, setMade] = useState<KeySecretView | null>(null);
  const rotate = useMutation({
    mutationFn: (grace_ms: number) => api.rotateKey(it.name, grace_ms),
    onSuccess: setMade,
    onSettled: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
  if (made !== null) return <Secret made={made} onDone={onClose} />;
  return (
    <Question title={`Give ${it.name} a new secret?`} error={rotate.error}>
      <p className="text-muted">
        Its name, what it is for and its calls stay. Calls with the old secret are refused at once, or a day
        later, so that there is time to change it everywhere.
      </p>
      <Buttons onCancel={onClose}>
        <Button disabled={rotate.isPending} onClick={() => rotate.mutate(24 * HOUR_MS)}>
          Keep the old one for a day
        </Button>
        <Button look="main" disabled={rotate.isPending} onClick={() => rotate.mutate(0)}>
          Rotate now
        </Button>
      </Buttons>
    </Question>
  );
}

function Revoke({ it, onClose }: { it: KeyView; onClose: () => void }) {
  const { api } = useApp();
  const queries = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => api.revokeKey(it.name),
    onSuccess: onClose,
    onSettled: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
  return (
    <Question title={`Revoke ${it.name}?`} error={revoke.error}>
      <p className="text-muted">
        Calls with it are refused from now on, for good. Its name is not given to another key.
      </p>
      <Buttons onCancel={onClose}>
        <Button look="main" disabled={revoke.isPending} onClick={() => revoke.mutate()}>
          Revoke
        </Button>
      </Buttons>
    </Question>
  );
}

function Question(props: { title: string; error: Error | null; children: ReactNode }) {
  return (
    <div className="flex flex-col gap-3 p-5">
      <p aria-hidden className="text-lg font-semibold">
        {props.title}
      </p>
      {props.children}
      {props.error && (
        <p role="alert" className="rounded-md bg-bad-fill px-2.5 py-1.5 text-sm break-words text-bad">
          <Prose text={props.error.message} />
        </p>
      )}
    </div>
  );
}

function Buttons(props: { onCancel: () => void; children: ReactNode }) {
  return (
    <div className="flex flex-wrap justify-end gap-2 pt-1">
      <Button onClick={props.onCancel}>Cancel</Button>
      {props.children}
    </div>
  );
}

function List(props: { name: string; of: string[] | undefined; all: string }) {
  return (
    <Row name={props.name}>
      {props.of?.length ? (
        <span className="font-mono break-words">{props.of.join(", ")}</span>
      ) : (
        <span className="text-faint">{props.all}</span>
      )}
    </Row>
  );
}

function Moment({ ms, none, whole }: { ms: number | null; none: string; whole?: boolean }) {
  if (ms === null) return <span className="text-faint">{none}</span>;
  return <time title={fullTime(ms)}>{whole ? fullTime(ms) : ago(ms, Date.now())}</time>;
}

function Row(props: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-faint">{props.name}</dt>
      <dd className="min-w-0 break-words">{props.children}</dd>
    </>
  );
}
