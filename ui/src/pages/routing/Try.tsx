import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Undo2 } from "lucide-react";
import { useEffect, useState } from "react";
import type { CallView, RulesTextView } from "@/api/schema";
import { useApp } from "@/app/context";
import { Button } from "@/components/Button";
import { CopyButton } from "@/components/CopyLine";
import { Prose } from "@/components/Prose";
import { ErrorState, Skeleton } from "@/components/states";
import { type Draft, keepDraft, keptDraft } from "./draft";
import { EXAMPLE_RULE } from "./example";
import { RuleText } from "./RuleText";
import { SampleCall } from "./SampleCall";
import { bodyOf, testOf, writtenOut } from "./sample";
import { Tested } from "./Tested";

/** What is typed is tried once the keys have rested for this long. */
const TYPING_MS = 250;
/** So many of the latest calls can be chosen. */
const CALLS_MAX = 100;

/** Rules as text beside what they would do to a call: tried while one types, never put in force from here. */
export function TryTab() {
  const { api } = useApp();
  const file = useQuery({ queryKey: ["rules-text"], queryFn: () => api.rulesText() });
  const calls = useQuery({ queryKey: ["rules-calls"], queryFn: () => api.calls({ limit: CALLS_MAX }) });
  if (file.isPending || calls.isPending) return <Skeleton label="Loading the rules" />;
  if (calls.error) {
    return (
      <ErrorState
        title="The calls could not be read"
        error={calls.error}
        onRetry={() => void calls.refetch()}
      />
    );
  }
  const settled = calls.data.calls.filter((it) => it.state !== "live" && it.format != null);
  return <Workbench file={file.data ?? null} problem={file.error} calls={settled} />;
}

function Workbench(props: { file: RulesTextView | null; problem: Error | null; calls: CallView[] }) {
  const { file, calls } = props;
  const { api } = useApp();
  const [draft, setDraft] = useState<Draft>(() => begun(keptDraft(), calls));
  const written = file?.text.trimEnd() ?? "";
  const text = draft.text ?? written;
  const change = (to: Partial<Draft>) => {
    const changed = { ...draft, ...to };
    setDraft(changed);
    keepDraft(changed);
  };
  const onText = (typed: string) => change({ text: typed === written ? null : typed });
  const { sample } = draft;
  const asked = testOf(sample, text);
  const test = useRested(asked.test === null ? null : JSON.stringify(asked.test));
  const tested = useQuery({
    queryKey: ["rules-test", test],
    queryFn: ({ signal }) => api.testRules(JSON.parse(test ?? ""), signal),
    enabled: test !== null,
    placeholderData: keepPreviousData,
  });
  const chosen = useQuery({
    queryKey: ["call", sample.call],
    queryFn: ({ signal }) => api.call(sample.call ?? "", signal),
    enabled: sample.from === "call" && sample.call !== null,
  });
  const body =
    sample.from === "hand" ? bodyOf(sample.hand) : chosen.data ? bodyOf(writtenOut(chosen.data)) : null;
  const writeOut = () => {
    if (chosen.data) change({ sample: { ...sample, from: "hand", hand: writtenOut(chosen.data) } });
  };
  const mistake = tested.data?.mistake ?? null;
  return (
    <div className="flex min-h-0 flex-1 flex-col overflow-y-auto wide:flex-row wide:overflow-hidden">
      <div className="flex min-h-0 shrink-0 flex-col border-b wide:w-[52%] wide:shrink wide:overflow-y-auto wide:border-r wide:border-b-0">
        <Head
          text={text}
          written={written}
          problem={props.problem}
          broken={mistake !== null}
          onText={onText}
        />
        <RuleText value={text} mistake={mistake} onChange={onText} />
        <Placing file={file} changed={draft.text !== null} />
        <SampleCall
          sample={sample}
          calls={calls}
          problem={asked.problem ?? tested.error?.message ?? null}
          onChange={(it) => change({ sample: it })}
          onWriteOut={writeOut}
        />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and so must be reachable. */}
      <section aria-label="What the rules do" tabIndex={0} className="min-h-0 flex-1 wide:overflow-y-auto">
        {mistake !== null ? (
          <p className="p-4 text-sm text-muted">The rules are tried once their mistake is mended.</p>
        ) : tested.data && tested.data.rules.length > 0 && !tested.error ? (
          <Tested tested={tested.data} before={body} />
        ) : (
          <p className="p-4 text-sm text-muted">
            {text.trim() === ""
              ? "There is no rule yet. Write one, and see here what it does to the call."
              : "Choose a call, or write one by hand."}
          </p>
        )}
      </section>
    </div>
  );
}

/** The first of the calls is tried unless another was chosen; without any, one is written by hand. */
function begun(kept: Draft, calls: CallView[]): Draft {
  const { sample } = kept;
  if (sample.call !== null || sample.from === "hand") return kept;
  const first = calls[0]?.id ?? null;
  return { ...kept, sample: { ...sample, call: first, from: first === null ? "hand" : "call" } };
}

function Head(props: {
  text: string;
  written: string;
  problem: Error | null;
  broken: boolean;
  onText: (text: string) => void;
}) {
  const { text, written, onText } = props;
  return (
    <>
      <div className="flex min-h-10 shrink-0 flex-wrap items-center gap-2 border-b px-3 py-1">
        <h2 className="text-sm font-semibold">Rules</h2>
        <div className="ml-auto flex items-center gap-2">
          {text.trim() === "" && <Button onClick={() => onText(EXAMPLE_RULE)}>Begin with an example</Button>}
          {text !== written && (
            <Button look="quiet" title="As they stand in the file" onClick={() => onText(written)}>
              <Undo2 aria-hidden className="size-3.5" /> Undo changes
            </Button>
          )}
          <CopyButton label="the rules" text={`${text}\n`} disabled={text.trim() === "" || props.broken}>
            Copy
          </CopyButton>
        </div>
      </div>
      {props.problem && (
        <p role="alert" className="shrink-0 border-b bg-bad-fill px-3 py-1 text-sm break-words text-bad">
          The rules of the file could not be read: <Prose text={props.problem.message} />
        </p>
      )}
    </>
  );
}

/** Where the text belongs: nothing that is typed here is in force. */
function Placing({ file, changed }: { file: RulesTextView | null; changed: boolean }) {
  if (file === null) return null;
  const none = file.text.trim() === "";
  const where = <code className="wrap-anywhere text-text">{file.file}</code>;
  const rules = <code>[[rules]]</code>;
  return (
    <p className="shrink-0 border-t px-3 py-1.5 text-xs text-muted">
      {!changed &&
        (none ? (
          <>No rules stand in {where}.</>
        ) : (
          <>
            As the {rules} stand in {where}.
          </>
        ))}
      {changed && (
        <>
          Not in force: to use it, {none ? "put it into " : <>put it in the place of all {rules} of </>}
          {where}, which is followed as soon as it is saved.
        </>
      )}
    </p>
  );
}

/** The value once it has stayed the same for a moment. */
function useRested<T extends string | null>(value: T): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    if (value === rested) return;
    const timer = setTimeout(() => setRested(value), TYPING_MS);
    return () => clearTimeout(timer);
  }, [value, rested]);
  return rested;
}
