import type { CallView, PacketView } from "@/api/schema";
import { aCall, aPacket } from "./fixtures";

const CALLERS = [
  ["claude", "tollgate", "anthropic", "claude-sonnet-4-5", "/v1/messages"],
  ["ingest.py (python3)", "pipeline", "openai", "gpt-5-mini", "/v1/chat/completions"],
  ["codex", "notes", "openai", "gpt-5-codex", "/v1/responses"],
  [
    "notebook (ipykernel)",
    null,
    "gemini",
    "gemini-2.5-flash",
    "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
  ],
  ["chat.py (python3)", "notes", "anthropic", "claude-haiku-4-5", "/v1/chat/completions"],
  ["agent.mjs (node)", "support-bot", "mistral", "mistral-medium-latest", "/p/mistral/v1/chat/completions"],
] as const;
const LINES = [
  ["TCP", "client", "127.0.0.1:50312", "127.0.0.1:4141", "50312 → 4141 [SYN] Seq=0 Win=65495"],
  ["HTTP", "client", "127.0.0.1:50312", "127.0.0.1:4141", "POST /v1/messages HTTP/1.1"],
  ["DNS", "upstream", "10.0.0.2:40112", "10.0.0.1:53", "Query A api.anthropic.com"],
  ["TLS", "upstream", "10.0.0.2:51544", "160.79.104.10:443", "Client Hello, SNI api.anthropic.com, ALPN h2"],
  ["TLS", "upstream", "10.0.0.2:51544", "160.79.104.10:443", "Application Data, 1,380 bytes"],
  ["TCP", "upstream", "10.0.0.2:51544", "160.79.104.10:443", "51544 → 443 [ACK] Seq=1881 Ack=4212"],
  ["TLS", "direct", "10.0.0.2:33910", "104.18.7.192:443", "Client Hello, SNI api.openai.com, ALPN h2"],
] as const;

/** Calls as a busy machine makes them, newest first: the last began at `nowMs`. */
export function someCalls(count: number, nowMs: number): CallView[] {
  const random = seeded(nowMs % 1_000);
  return Array.from({ length: count }, (_, at) => {
    const began = nowMs - at * 7_000 - Math.floor(random() * 3_000);
    const [program, project, provider, model, path] = pick(CALLERS, random());
    const fate = random();
    const input = Math.floor(random() * 6_000);
    const output = Math.floor(random() * 1_800);
    const took = Math.floor(300_000 + random() * 9_000_000);
    const call = aCall(0, {
      id: `${began
        .toString(16)
        .padStart(12, "0")
        .replace(/^(.{8})/, "$1-")}-7000-8000-${Math.floor(random() * 1e12)
        .toString(16)
        .padStart(12, "0")}`,
      started_at_ms: began,
      caller: fate > 0.98 ? null : { pid: 4_000 + (at % 90), program, project, user: "ada" },
      provider,
      model_asked: isRouted(provider, path) ? "fast" : model,
      retries: isRouted(provider, path) ? 2 : 0,
      model_served: model,
      path,
      simulated: true,
      usage: {
        input,
        cache_read: random() > 0.4 ? Math.floor(random() * 40_000) : null,
        cache_write_5m: null,
        cache_write_1h: null,
        output,
        reasoning: null,
      },
      cost_pico_usd: String(input * 3_000_000 + output * 15_000_000),
      duration_us: took,
      first_byte_us: Math.floor(took * 0.2),
    });
    return at < 2 && count > 1 ? live(call, took) : fated(call, fate);
  });
}

/** A chat that Anthropic answers was routed there. */
function isRouted(provider: string, path: string): boolean {
  return provider === "anthropic" && path === "/v1/chat/completions";
}

function live(call: CallView, tookUs: number): CallView {
  return {
    ...call,
    state: "live",
    status: null,
    cost_pico_usd: null,
    retries: null,
    usage: {},
    duration_us: Math.floor(tookUs / 3),
    first_byte_us: null,
  };
}

function fated(call: CallView, fate: number): CallView {
  if (fate < 0.03) {
    return {
      ...call,
      status: 429,
      error_message: "rate limit reached for requests",
      usage: {},
      cost_pico_usd: null,
      cost_unknown: "no-usage",
    };
  }
  if (fate < 0.05) {
    return {
      ...call,
      state: "failed",
      status: 502,
      error_code: "provider-unreachable",
      error_message: "no connection to `api.openai.com:443`",
      usage: {},
      cost_pico_usd: null,
    };
  }
  if (fate < 0.07)
    return { ...call, state: "cancelled", status: null, cost_pico_usd: null, cost_unknown: "no-usage" };
  return fate < 0.1 ? { ...call, cost_pico_usd: null, cost_unknown: "no-price" } : call;
}

/** Packets as a busy machine sends them, oldest first: the last at `nowMs`. */
export function somePackets(count: number, nowMs: number): PacketView[] {
  const random = seeded(count);
  return Array.from({ length: count }, (_, at) => {
    const [protocol, leg, src, dst, info] = pick(LINES, random());
    const back = random() > 0.5;
    return aPacket(at + 1, {
      at_us: nowMs * 1000 - (count - at) * 2_100 - Math.floor(random() * 2_000),
      protocol,
      leg,
      src: back ? dst : src,
      dst: back ? src : dst,
      // On loopback the departure alone is kept.
      direction: back && leg !== "client" ? "in" : "out",
      toward: back ? "client" : "server",
      info,
      program: leg === "direct" ? "chat.py (python3)" : leg === "client" ? "claude" : "tollgate",
      host: leg === "client" ? null : leg === "direct" ? "api.openai.com" : "api.anthropic.com",
    });
  });
}

function pick<T>(of: readonly T[], at: number): T {
  return of[Math.floor(at * of.length)] as T;
}

/** The same numbers every time (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
