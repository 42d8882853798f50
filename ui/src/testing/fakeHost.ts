import type { CallPage, CallView, EventView, PacketPage, PacketView, RuleTest } from "@/api/schema";
import type { EventOptions, EventSink, Host, HostResponse } from "@/lib/host";
import { BUDGETS } from "./budgets";
import { CACHE } from "./cache";
import { someCalls, somePackets } from "./crowd";
import {
  aCallDetail,
  aLedger,
  aPacketDetail,
  aProgram,
  aStatus,
  aStream,
  CHECKS,
  someCosts,
} from "./fixtures";
import { EXCEPTIONS, GUARDRAILS, HITS } from "./guardrails";
import { aKey, KEYS } from "./keys";
import { aRouting, aTrial, MODELS, PROVIDERS } from "./routed";
import { PRICES, RULES, RULES_TEXT, testRules } from "./rules";

/** What the fake answers to one request: a value becomes JSON, an `Error` an error answer of status 500. */
type Answer = unknown | ((query: URLSearchParams, body: unknown) => unknown);

/** A host that answers from fixtures, and what tests steer it by. */
export interface FakeHost extends Host {
  /** `GET /api/calls` and so on, without the query; what is not here answers from fixtures. */
  answers: Record<string, Answer>;
  /** Every request so far, as `GET /api/calls?limit=200`. */
  asked: string[];
  /** The streams that are open. */
  streams: { options: EventOptions; sink: EventSink }[];
  saved: string[];
  /** Sends an event to every stream that wants it. */
  emit(event: EventView): void;
}

/** An error answer of a status. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** A fake with a crowd of calls and packets; `live` makes new ones by itself. */
export function openFakeHost(
  options: { live?: boolean; calls?: CallView[]; packets?: PacketView[] } = {},
): FakeHost {
  const calls = options.calls ?? someCalls(400, Date.now());
  const packets = options.packets ?? somePackets(3_000, Date.now());
  const host: FakeHost = {
    kind: "desktop",
    answers: defaults(calls, packets),
    asked: [],
    streams: [],
    saved: [],
    async request(method, path, body) {
      host.asked.push(`${method} ${path}${body === undefined ? "" : ` ${body}`}`);
      const { pathname, searchParams } = new URL(path, "http://host");
      return respond(find(host.answers, `${method} ${pathname}`), searchParams, body, pathname);
    },
    events(wanted, sink) {
      const stream = { options: wanted, sink };
      host.streams.push(stream);
      queueMicrotask(() => sink.onState("open"));
      return () => {
        host.streams = host.streams.filter((it) => it !== stream);
      };
    },
    async saveFile(path, name) {
      host.saved.push(path);
      return `/home/ada/Downloads/${name}`;
    },
    emit(event) {
      for (const { options: wanted, sink } of host.streams) {
        if (event.type !== "packets" || wanted.packets) sink.onEvent(event);
      }
    },
  };
  if (options.live) play(host, calls, packets);
  return host;
}

function find(answers: Record<string, Answer>, key: string): Answer {
  if (key in answers) return answers[key];
  const pattern = Object.keys(answers).find(
    (it) => it.includes("*") && new RegExp(`^${it.replaceAll("*", "[^/]+")}$`).test(key),
  );
  return pattern === undefined ? new Refusal(404, `nothing at ${key}`) : answers[pattern];
}

function respond(
  answer: Answer,
  query: URLSearchParams,
  body: string | undefined,
  path: string,
): HostResponse {
  query.set("path", path);
  const value =
    typeof answer === "function" ? answer(query, body === undefined ? null : JSON.parse(body)) : answer;
  if (value instanceof Error) {
    const status = value instanceof Refusal ? value.status : 500;
    return { status, body: JSON.stringify({ message: value.message }) };
  }
  return { status: 200, body: JSON.stringify(value) };
}

function defaults(calls: CallView[], packets: PacketView[]): Record<string, Answer> {
  let status = aStatus({ simulated: true, live_calls: calls.filter((it) => it.state === "live").length });
  const page = (query: URLSearchParams): CallPage => {
    const limit = Number(query.get("limit") ?? 100);
    const before = query.get("before");
    const rest = calls.filter((it) => (before === null || it.id < before) && matches(it, query));
    const listed = rest.slice(0, limit);
    return { calls: listed, next: rest.length > limit ? (listed.at(-1)?.id ?? null) : null };
  };
  const packetPage = (query: URLSearchParams): PacketPage => {
    const filter = query.get("filter") ?? "";
    const after = query.get("after");
    const kept = packets.filter((it) => JSON.stringify(it).includes(filter));
    const limit = Number(query.get("limit") ?? 1000);
    const listed =
      after === null ? kept.slice(-limit) : kept.filter((it) => it.seq > Number(after)).slice(0, limit);
    return { capture: 1, packets: listed, newest: packets.at(-1)?.seq ?? null, kept: packets.length };
  };
  return {
    "GET /api/ledger": aLedger(),
    "POST /api/ledger/keeping": null,
    "POST /api/calls/delete": { calls: 1, deleted: true },
    "GET /api/status": () => status,
    "POST /api/gateway": (_: URLSearchParams, body: { on: boolean }) => {
      status = { ...status, on: body.on, listen: body.on ? "127.0.0.1:4141" : null };
      return status;
    },
    "POST /api/capture": (_: URLSearchParams, body: { paused: boolean }) => {
      status = { ...status, capture: { ...status.capture, paused: body.paused } };
      return status;
    },
    "POST /api/capture/clear": () => status,
    "GET /api/calls": page,
    "GET /api/calls/*": (query: URLSearchParams) => {
      const call = calls.find((it) => query.get("path")?.endsWith(it.id));
      if (call === undefined) return new Refusal(404, "no such call");
      return aCallDetail(call, {
        routing: call.model_asked === "fast" && call.state !== "live" ? aRouting() : null,
      });
    },
    "GET /api/calls/*/packets": () => ({ capture: 1, packets: packets.slice(-36), newest: null, kept: 36 }),
    "GET /api/packets": packetPage,
    "GET /api/packets/*": (query: URLSearchParams) => {
      const seq = Number(query.get("path")?.split("/").at(-1));
      return aPacketDetail(packets.find((it) => it.seq === seq));
    },
    "GET /api/flows/*/stream": aStream(),
    "GET /api/programs": [
      aProgram("claude", { live: 2 }),
      aProgram("ingest.py (python3)", {
        failed: 4,
        unknown_cost: 3,
        cost_pico_usd: "37500000",
        projects: ["pipeline", "notes"],
      }),
      aProgram("codex", { calls: 12, cost_pico_usd: "82150000000" }),
      aProgram(null, { calls: 3, projects: [], packets: null, bytes: null, cost_pico_usd: "1200000000" }),
    ],
    "GET /api/costs": (query: URLSearchParams) =>
      someCosts(
        query.get("by") === "model"
          ? {}
          : {
              rows: someCosts().rows.map((it, at) => ({ ...it, key: `${query.get("by")} ${at + 1}` })),
              previous: { ...someCosts().previous, rows: [] },
            },
      ),
    "GET /api/models": MODELS,
    "GET /api/budgets": BUDGETS,
    "GET /api/cache": CACHE,
    "POST /api/cache/clear": { cleared: CACHE.entries },
    "GET /api/guardrails": GUARDRAILS,
    "GET /api/guardrails/hits": HITS,
    "GET /api/guardrails/exceptions": EXCEPTIONS,
    "POST /api/guardrails/exceptions": EXCEPTIONS[0],
    "POST /api/guardrails/exceptions/*/end": [],
    "GET /api/rules": RULES,
    "GET /api/rules/text": RULES_TEXT,
    "POST /api/rules/test": (_: URLSearchParams, test: RuleTest) => testRules(test),
    "GET /api/keys": KEYS,
    "POST /api/keys": (_: URLSearchParams, { name }: { name: string }) => ({
      key: aKey(name),
      secret: `tg-${"A".repeat(43)}`,
    }),
    "POST /api/keys/*/rotate": (query: URLSearchParams) => ({
      key: aKey(query.get("path")?.split("/").at(-2) ?? ""),
      secret: `tg-${"B".repeat(43)}`,
    }),
    "POST /api/keys/*/revoke": (query: URLSearchParams) =>
      aKey(query.get("path")?.split("/").at(-2) ?? "", { state: "revoked" }),
    "GET /api/prices": PRICES,
    "GET /api/providers": PROVIDERS,
    "POST /api/providers/*/test": (query: URLSearchParams) =>
      aTrial(query.get("path")?.split("/").at(-2) ?? ""),
    "GET /api/doctor": CHECKS,
  };
}

function matches(call: CallView, query: URLSearchParams): boolean {
  const text = query.get("text");
  return (
    [
      ["program", call.caller?.program],
      ["project", call.caller?.project],
      ["provider", call.provider],
      ["model", call.model_asked, call.model_served],
      ["key", call.key],
      ["state", call.state],
    ].every(([key, ...values]) => {
      const wanted = query.get(key as string);
      return wanted === null || values.includes(wanted);
    }) &&
    (text === null || JSON.stringify(call).includes(text))
  );
}

/** New calls and packets as they might come. */
function play(host: FakeHost, calls: CallView[], packets: PacketView[]): void {
  setInterval(() => {
    const [call] = someCalls(1, Date.now()) as [CallView];
    const live: CallView = {
      ...call,
      state: "live",
      status: null,
      cost_pico_usd: null,
      cost_unknown: null,
      duration_us: 0,
      first_byte_us: null,
    };
    calls.unshift(live);
    host.emit({ type: "call", call: live });
    setTimeout(() => {
      const done: CallView = { ...call, state: "finished", started_at_ms: live.started_at_ms };
      calls[calls.indexOf(live)] = done;
      host.emit({ type: "call", call: done });
    }, 2_500);
  }, 1_800);
  // `?rate=5000`: so many packets a second.
  const rate = Number(new URLSearchParams(location.search).get("rate") ?? 50);
  setInterval(() => {
    const last = packets.at(-1)?.seq ?? 0;
    const fresh = somePackets(Math.ceil(rate / 20), Date.now()).map((it, at) => ({
      ...it,
      seq: last + at + 1,
    }));
    packets.push(...fresh);
    host.emit({ type: "packets", capture: 1, packets: fresh, skipped: 0 });
  }, 50);
}
