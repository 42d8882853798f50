import { Bot, Braces, Brain, FileText, Image, type LucideIcon, Settings2, User, Wrench } from "lucide-react";
import { type ReactNode, useState } from "react";
import type { CallDetail, MessageView, ParamView, PartView } from "@/api/schema";
import { EmptyState } from "@/components/states";
import { cn } from "@/lib/cn";
import { bytes, count } from "@/lib/format";
import { prettyJson } from "@/lib/json";

/** Longer texts are folded to this many characters. */
const SHOWN_CHARS = 2_400;

/** What was said: messages, tool calls, thinking. */
export function ConversationTab({ detail }: { detail: CallDetail }) {
  const { call, conversation, request } = detail;
  const said = (conversation?.messages.length ?? 0) - (conversation?.answers ?? 0);
  const tools = toolNames(conversation?.messages ?? []);
  if (!conversation) {
    return (
      <EmptyState icon={FileText} title="No conversation to show">
        {call.state === "live" ? (
          <p>It is shown when the answer is complete.</p>
        ) : request ? (
          <p>This call is not a conversation. Its bodies stand under Raw.</p>
        ) : (
          <p>The bodies of this call were not kept, or have been removed by now.</p>
        )}
      </EmptyState>
    );
  }
  return (
    <div className="flex flex-col">
      {conversation.tools.length > 0 && (
        <details className="border-b px-4 py-2 text-sm text-muted">
          <summary>
            {conversation.tools.length} {conversation.tools.length === 1 ? "tool" : "tools"} offered
          </summary>
          <p className="mt-1 font-mono break-words">{conversation.tools.join(", ")}</p>
        </details>
      )}
      {conversation.params.length > 0 && <Params params={conversation.params} />}
      {conversation.cut && (
        <p className="border-b bg-warn-fill px-4 py-1 text-sm text-warn">
          Something was left out here because it is too long. Raw has more.
        </p>
      )}
      {conversation.messages.map((message, at) => (
        <Message
          // biome-ignore lint/suspicious/noArrayIndexKey: messages have no ids and only ever grow at the end.
          key={at}
          message={message}
          answer={at < said ? null : answerName(at - said, conversation.answers)}
          tools={tools}
        />
      ))}
    </div>
  );
}

/** What else was asked for, as one line of names until it is opened. */
function Params({ params }: { params: ParamView[] }) {
  return (
    <details className="border-b px-4 py-2 text-sm text-muted">
      <summary className="truncate">
        Parameters: <span className="font-mono">{params.map((it) => it.name).join(", ")}</span>
      </summary>
      <dl className="mt-1 grid grid-cols-[auto_1fr] gap-x-4 gap-y-0.5 font-mono">
        {params.map((it) => (
          <div key={it.name} className="contents">
            <dt className="text-faint">{it.name}</dt>
            <dd className="min-w-0 break-words whitespace-pre-wrap text-text">{it.value}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

const ROLES: Record<string, LucideIcon> = {
  system: Settings2,
  developer: Settings2,
  user: User,
  assistant: Bot,
  model: Bot,
  tool: Wrench,
};

/** Names of tools by the ids of their calls: most formats name the id alone in a result. */
function toolNames(messages: MessageView[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const part of messages.flatMap((it) => it.parts)) {
    if (part.kind === "tool-call" && part.id != null) names.set(part.id, part.name);
  }
  return names;
}

/** What one of so many answers is called. */
function answerName(at: number, answers: number): string {
  return answers > 1 ? `answer ${at + 1} of ${answers}` : "answer";
}

interface MessageProps {
  message: MessageView;
  /** What it is called, if it is an answer. */
  answer: string | null;
  tools: Map<string, string>;
}

function Message({ message, answer, tools }: MessageProps) {
  const Icon = ROLES[message.role] ?? User;
  return (
    <article className={cn("border-b px-4 py-3", answer !== null && "border-l-2 border-l-accent bg-surface")}>
      <h3 className="mb-1.5 flex items-center gap-1.5 text-xs font-semibold tracking-wide text-faint uppercase">
        <Icon aria-hidden className="size-3.5" /> {message.role}
        {answer !== null && (
          <span className="font-medium tracking-normal text-accent normal-case">{answer}</span>
        )}
      </h3>
      <div className="flex flex-col gap-2.5">
        {message.parts.map((part, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: parts have no ids and only ever grow at the end.
          <Part key={at} part={part} tools={tools} />
        ))}
        {message.parts.length === 0 && <p className="text-faint">empty</p>}
      </div>
    </article>
  );
}

function Part({ part, tools }: { part: PartView; tools: Map<string, string> }) {
  switch (part.kind) {
    case "text":
      return <Long text={part.text} className="max-w-[80ch] leading-relaxed" />;
    case "thinking":
      return (
        <Box icon={Brain} title="Thinking" tone="text-violet">
          {part.text === "" ? (
            <p className="text-sm text-faint">The provider keeps this to itself.</p>
          ) : (
            <Long text={part.text} className="max-w-[80ch] text-sm text-muted" />
          )}
        </Box>
      );
    case "tool-call":
      return (
        <Box icon={Wrench} title={part.name} tone="text-teal" mono>
          <Long text={prettyJson(part.arguments) ?? part.arguments} className="font-mono text-sm" />
        </Box>
      );
    case "tool-result":
      return (
        <Box
          icon={Wrench}
          title={`${part.name ?? tools.get(part.id ?? "") ?? "tool"} ${part.is_error ? "failed" : "answered"}`}
          tone={part.is_error ? "text-bad" : "text-teal"}
          mono
        >
          <Long text={prettyJson(part.text) ?? part.text} className="font-mono text-sm" />
        </Box>
      );
    case "image":
      return (
        <Attachment icon={Image} name={part.url ?? "Image"} mediaType={part.media_type} size={part.bytes} />
      );
    case "document":
      return (
        <Attachment
          icon={FileText}
          name={part.name ?? "Document"}
          mediaType={part.media_type}
          size={part.bytes}
        />
      );
    case "other":
      return (
        <Box icon={Braces} title={part.of} tone="text-muted" mono>
          <Long text={prettyJson(part.json) ?? part.json} className="font-mono text-sm" />
        </Box>
      );
  }
}

function Box(props: { icon: LucideIcon; title: string; tone: string; mono?: boolean; children: ReactNode }) {
  const Icon = props.icon;
  return (
    <div className="overflow-hidden rounded-md border">
      <h4
        className={cn(
          "flex items-center gap-1.5 border-b bg-surface px-2.5 py-1 text-sm font-medium",
          props.tone,
        )}
      >
        <Icon aria-hidden className="size-3.5" />
        <span className={props.mono ? "font-mono" : ""}>{props.title}</span>
      </h4>
      <div className="px-2.5 py-2">{props.children}</div>
    </div>
  );
}

function Attachment(props: {
  icon: LucideIcon;
  name: string;
  mediaType?: string | null;
  size?: number | null;
}) {
  const Icon = props.icon;
  return (
    <p className="inline-flex w-fit max-w-full items-center gap-2 rounded-md border px-2.5 py-1 text-sm text-muted">
      <Icon aria-hidden className="size-3.5" /> <span className="min-w-0 truncate">{props.name}</span>
      <span className="font-mono text-faint">
        {props.mediaType ?? "type unknown"}
        {props.size != null && `, ${bytes(props.size)}`}
      </span>
    </p>
  );
}

function Long({ text, className }: { text: string; className?: string }) {
  const [open, setOpen] = useState(false);
  const folded = !open && text.length > SHOWN_CHARS;
  return (
    <div>
      <p className={cn("break-words whitespace-pre-wrap", className)}>
        {folded ? `${text.slice(0, SHOWN_CHARS)}…` : text}
      </p>
      {folded && (
        <button
          type="button"
          className="mt-1 text-sm text-accent hover:underline"
          onClick={() => setOpen(true)}
        >
          Show all {count(text.length)} characters
        </button>
      )}
    </div>
  );
}
