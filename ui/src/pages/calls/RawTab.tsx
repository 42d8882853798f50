import { useMemo, useState } from "react";
import type { BodyView, CallDetail } from "@/api/schema";
import { CodeView } from "@/components/CodeView";
import { Segments } from "@/components/Segments";
import { bytes } from "@/lib/format";
import { prettyJson } from "@/lib/json";

const SIDES = [
  { id: "request", label: "Request" },
  { id: "response", label: "Response" },
] as const;
const LOOKS = [
  { id: "pretty", label: "Indented" },
  { id: "sent", label: "As sent" },
] as const;

/** The bodies as text. */
export default function RawTab({ detail }: { detail: CallDetail }) {
  const [side, setSide] = useState<"request" | "response">("request");
  const [look, setLook] = useState<"pretty" | "sent">("pretty");
  const body = (side === "request" ? detail.request : detail.response) ?? null;
  const pretty = useMemo(() => (body === null ? null : prettyJson(body.text)), [body]);
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex shrink-0 flex-wrap items-center gap-3 border-b px-4 py-1.5">
        <Segments label="Body" options={SIDES} value={side} onChange={setSide} />
        {pretty !== null && <Segments label="Layout" options={LOOKS} value={look} onChange={setLook} />}
        {body && <span className="ml-auto font-mono text-xs text-faint">{bytes(body.bytes)}</span>}
      </div>
      {body?.truncated && (
        <p className="shrink-0 border-b bg-warn-fill px-4 py-1 text-sm text-warn">
          This is not the whole body: {bytes(body.bytes)} went over the wire.
        </p>
      )}
      <Content
        body={body}
        live={detail.call.state === "live"}
        text={look === "pretty" && pretty !== null ? pretty : body?.text}
        json={pretty !== null}
      />
    </div>
  );
}

function Content(props: { body: BodyView | null; live: boolean; text: string | undefined; json: boolean }) {
  if (props.body === null) {
    return (
      <p className="p-4 text-muted">
        {props.live
          ? "It is shown when the answer is complete."
          : "This body was not kept, or has been removed by now."}
      </p>
    );
  }
  if (props.body.text === "") return <p className="p-4 text-muted">The body is empty.</p>;
  return <CodeView label="Body" text={props.text ?? ""} json={props.json} />;
}
