import { useId } from "react";
import type { CallView } from "@/api/schema";
import { Button } from "@/components/Button";
import { Prose } from "@/components/Prose";
import { Segments } from "@/components/Segments";
import { timeOfDay } from "@/lib/format";
import { FORMATS, type HandWritten, type Sample } from "./sample";

const FROM = [
  { id: "call", label: "A call that was made" },
  { id: "hand", label: "Written by hand" },
] as const;
const FIELD =
  "h-7 w-full min-w-0 rounded-md border border-line-strong bg-raised px-2 font-mono text-sm text-text";

/** The call that rules are tried on. */
export function SampleCall(props: {
  sample: Sample;
  calls: CallView[];
  problem: string | null;
  onChange: (sample: Sample) => void;
  onWriteOut: () => void;
}) {
  const { sample, problem, onChange } = props;
  const id = useId();
  return (
    <section aria-labelledby={id} className="flex shrink-0 flex-col gap-2 border-t p-3">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
        <h2 id={id} className="text-sm font-semibold">
          On this call
        </h2>
        <Segments
          label="Where the call is from"
          options={FROM}
          value={sample.from}
          onChange={(from) => onChange({ ...sample, from })}
        />
      </div>
      {sample.from === "call" ? (
        <Chosen {...props} />
      ) : (
        <Hand hand={sample.hand} onChange={(hand) => onChange({ ...sample, hand })} />
      )}
      {problem !== null && (
        <p role="alert" className="rounded-md bg-bad-fill px-2.5 py-1 text-sm break-words text-bad">
          <Prose text={problem} />
        </p>
      )}
    </section>
  );
}

function Chosen(props: {
  sample: Sample;
  calls: CallView[];
  onChange: (sample: Sample) => void;
  onWriteOut: () => void;
}) {
  const { sample, calls } = props;
  if (calls.length === 0) {
    return <p className="text-sm text-muted">No call was made yet: write one by hand.</p>;
  }
  const isListed = calls.some((it) => it.id === sample.call);
  return (
    <div className="flex items-center gap-2">
      <select
        aria-label="Call"
        className={FIELD}
        value={sample.call ?? ""}
        onChange={(event) => props.onChange({ ...sample, call: event.target.value })}
      >
        {!isListed && sample.call !== null && <option value={sample.call}>{sample.call}</option>}
        {calls.map((it) => (
          <option key={it.id} value={it.id}>
            {named(it)}
          </option>
        ))}
      </select>
      <Button title="Write this call out, to change it" onClick={props.onWriteOut}>
        Write it out
      </Button>
    </div>
  );
}

function named(it: CallView): string {
  const parts = [timeOfDay(it.started_at_ms), it.caller?.program ?? "unknown program", it.model_asked];
  return parts.filter((part) => part != null).join(" · ");
}

function Hand({ hand, onChange }: { hand: HandWritten; onChange: (hand: HandWritten) => void }) {
  const set = (name: keyof HandWritten) => (value: string) => onChange({ ...hand, [name]: value });
  const id = useId();
  return (
    <>
      <div className="grid grid-cols-2 gap-2">
        <Field label="Program" value={hand.program} onChange={set("program")} />
        <Field label="Project" value={hand.project} onChange={set("project")} />
        <label className="flex flex-col gap-0.5 text-xs text-muted">
          Format
          <select
            className={FIELD}
            value={hand.format}
            onChange={(event) => set("format")(event.target.value)}
          >
            <option value="">not known</option>
            {FORMATS.map((it) => (
              <option key={it}>{it}</option>
            ))}
          </select>
        </label>
        <Field label="Model" value={hand.model} hint="as the body says" onChange={set("model")} />
      </div>
      <label className="flex flex-col gap-0.5 text-xs text-muted">
        Body and other variables, as JSON
        <textarea
          rows={6}
          spellCheck={false}
          autoComplete="off"
          aria-describedby={id}
          value={hand.rest}
          onChange={(event) => set("rest")(event.target.value)}
          className="min-h-16 resize-y rounded-md border border-line-strong bg-raised px-2 py-1 font-mono text-sm text-text"
        />
      </label>
      <p id={id} className="text-xs text-faint">
        Beside <code>body</code> every variable of conditions may stand: <code>tools</code>,{" "}
        <code>headers</code>, <code>stream</code>, <code>hour</code>, <code>user</code>, … What is not said
        follows from the body or is not known.
      </p>
    </>
  );
}

function Field(props: { label: string; value: string; hint?: string; onChange: (value: string) => void }) {
  return (
    <label className="flex flex-col gap-0.5 text-xs text-muted">
      {props.label}
      <input
        type="text"
        spellCheck={false}
        autoComplete="off"
        placeholder={props.hint ?? "not known"}
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
        className={`${FIELD} placeholder:font-sans placeholder:text-faint`}
      />
    </label>
  );
}
