import type {
  CallDetail,
  CallView,
  CheckView,
  CostRowView,
  CostsView,
  FlowView,
  LedgerView,
  PacketDetail,
  PacketView,
  ProgramView,
  StatusView,
  StreamView,
} from "@/api/schema";

/** A moment that every fixture hangs on: 2026-11-23 12:00 UTC. */
export const NOON_MS = Date.UTC(2026, 10, 23, 12);

/** An id like those of the ledger: later calls have greater ones. */
export function callId(at: number): string {
  return `0193579e-${String(at).padStart(4, "0")}-7000-8000-000000000000`;
}

/** A ledger with something in it. */
export function aLedger(over: Partial<LedgerView> = {}): LedgerView {
  return {
    folder: "/home/ada/.local/share/tollgate",
    configuration: "/home/ada/.config/tollgate/config.toml",
    keeping: { keep_bodies: true, bodies_days: null, bodies_mib: 2048 },
    bodies_bytes: 123_456_789,
    unread: 0,
    ...over,
  };
}

/** A status with everything at work. */
export function aStatus(over: Partial<StatusView> = {}): StatusView {
  return {
    version: "0.1.0",
    on: true,
    listen: "127.0.0.1:4141",
    address: "127.0.0.1:4141",
    simulated: false,
    today_cost_pico_usd: "1234567890123",
    today_estimated_pico_usd: "0",
    today_calls: 212,
    today_unknown_cost: 0,
    live_calls: 2,
    helper: {
      state: "connected",
      reason: null,
      version: "0.1.0",
      object_sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
      probes: [
        { name: "connect4", attached: true, reason: null },
        { name: "cgroup_skb_in", attached: true, reason: null },
        { name: "tcp_retransmit", attached: false, reason: "the kernel has no such tracepoint" },
      ],
      programs: [{ name: "tg_egress", verified_instructions: 95, runs: null, run_time_ns: null }],
    },
    capture: {
      paused: false,
      seen: 182_340,
      filtered: 170_000,
      ring_full: 0,
      copy_failed: 0,
      delivered: 12_340,
      shortened: 0,
      reader_slow: 0,
      events_lost: 0,
      incomplete: 0,
      kept: 12_340,
      kept_max: 100_000,
    },
    ledger_lost: 0,
    configuration_file: "/home/ada/.config/tollgate/config.toml",
    configuration_problem: null,
    ...over,
  };
}

/** A finished call; `at` orders it. */
export function aCall(at: number, over: Partial<CallView> = {}): CallView {
  return {
    id: callId(at),
    started_at_ms: NOON_MS + at * 1000,
    state: "finished",
    caller: { pid: 4242, program: "claude", project: "tollgate", user: "ada" },
    key: null,
    provider: "anthropic",
    simulated: false,
    format: "anthropic-messages",
    operation: "generate",
    method: "POST",
    path: "/v1/messages",
    model_asked: "claude-sonnet-4-5",
    model_served: "claude-sonnet-4-5",
    retries: 0,
    streaming: true,
    status: 200,
    error_code: null,
    error_message: null,
    stop_reason: "end_turn",
    usage: {
      input: 1_204,
      cache_read: 18_000,
      cache_write_5m: null,
      cache_write_1h: null,
      output: 356,
      reasoning: null,
    },
    usage_counted: false,
    from_cache: false,
    saved_pico_usd: null,
    cost_pico_usd: "14352000000",
    cost_unknown: null,
    first_byte_us: 412_000,
    duration_us: 3_210_000,
    request_bytes: 48_211,
    response_bytes: 9_120,
    ...over,
  };
}

/** A call in full. */
export function aCallDetail(call: CallView = aCall(1), over: Partial<CallDetail> = {}): CallDetail {
  return {
    call,
    caller: {
      pid: 4242,
      program: "claude",
      exe: "/usr/bin/node",
      argv: ["node", "/usr/bin/claude", "--resume", "fix the tests"],
      cwd: "/home/ada/src/tollgate/ui",
      uid: 1000,
      user: "ada",
      ancestors: [
        { pid: 4100, program: "bash" },
        { pid: 2001, program: "gnome-terminal" },
      ],
      cgroup: "/user.slice/user-1000.slice/app.slice",
      project: "tollgate",
      project_root: "/home/ada/src/tollgate",
      source: "helper",
    },
    timing: {
      received_us: 1_200,
      connected_us: 38_000,
      connect_took_us: 36_500,
      headers_us: 402_000,
      first_byte_us: 412_000,
      first_token_us: 640_000,
      finished_us: 3_210_000,
    },
    cost_lines: [
      { kind: "input", count: 1_204, rate_pico_usd: "3000000", amount_pico_usd: "3612000000" },
      { kind: "cache-read", count: 18_000, rate_pico_usd: "300000", amount_pico_usd: "5400000000" },
      { kind: "output", count: 356, rate_pico_usd: "15000000", amount_pico_usd: "5340000000" },
    ],
    price: {
      id: "anthropic/claude-sonnet-4-5/2025-09-29",
      model: "claude-sonnet-4-5",
      source: "https://docs.anthropic.com/pricing",
      checked_on: "2026-11-20",
    },
    request: {
      text: '{"model":"claude-sonnet-4-5","max_tokens":1024,"messages":[{"role":"user","content":"Why do the tests fail?"}]}',
      bytes: 112,
      truncated: false,
    },
    response: {
      text: 'event: message_start\ndata: {"type":"message_start"}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n',
      bytes: 101,
      truncated: false,
    },
    conversation: {
      answers: 1,
      cut: false,
      tools: ["bash", "read_file", "edit_file"],
      params: [
        { name: "model", value: "claude-sonnet-4-5" },
        { name: "max_tokens", value: "1024" },
        { name: "thinking", value: '{"type":"enabled","budget_tokens":512}' },
      ],
      messages: [
        { role: "system", parts: [{ kind: "text", text: "You are a careful engineer. Answer shortly." }] },
        {
          role: "user",
          parts: [
            { kind: "text", text: "Why do the tests fail?" },
            { kind: "image", media_type: "image/png", bytes: 48_211 },
          ],
        },
        {
          role: "assistant",
          parts: [
            {
              kind: "thinking",
              text: "The failure is in money.test.ts; I should look at the rounding first.",
            },
            { kind: "text", text: "Let me look at the output first." },
            {
              kind: "tool-call",
              id: "toolu_1",
              name: "bash",
              arguments: '{"command":"npm test","timeout":60000}',
            },
          ],
        },
        {
          role: "tool",
          parts: [
            { kind: "tool-result", id: "toolu_1", name: null, text: "1 failed, 41 passed", is_error: true },
          ],
        },
        {
          role: "assistant",
          parts: [
            { kind: "text", text: "One test rounds half to even, but the code rounds half away from zero." },
          ],
        },
      ],
    },
    flows: [aFlow(7, "client"), aFlow(8, "upstream")],
    hits: [],
    ...over,
  };
}

/** A flow of a call. */
export function aFlow(id: number, leg: string): FlowView {
  const up = leg === "upstream";
  return {
    id,
    leg,
    protocol: "TCP",
    local: up ? "10.0.0.2:51544" : "127.0.0.1:50312",
    remote: up ? "160.79.104.10:443" : "127.0.0.1:4141",
    host: up ? "api.anthropic.com" : null,
    program: up ? "tollgate" : "claude",
    pid: up ? 900 : 4242,
    packets_out: 14,
    packets_in: 22,
    bytes_out: 49_800,
    bytes_in: 11_400,
    handshake_us: up ? 18_200 : 60,
    srtt_us: up ? 17_800 : 80,
    rtt_min_us: up ? 17_200 : 40,
    retransmits: up ? 1 : 0,
    repeats: up ? 1 : 0,
    bytes_missing: 0,
    resets: 0,
    stalls: 0,
    stalled_us: 0,
    dns_us: up ? 4_100 : null,
    tls_us: up ? 38_000 : null,
    first_byte_us: up ? null : 820_000,
    answer_gap_mean_us: 24_000,
    answer_gap_max_us: 160_000,
    tls_version: up ? "TLS 1.3" : null,
    tls_cipher: up ? "TLS_AES_128_GCM_SHA256" : null,
    alpn: up ? ["http/1.1"] : [],
    ja4: up ? "t13d1011h1_61a7ad8aa9b6_3fcd1a44f3e3" : null,
    first_at_us: NOON_MS * 1000,
    last_at_us: NOON_MS * 1000 + 3_210_000,
    closed: false,
  };
}

const encoded = (text: string) => btoa(text);

/** A connection followed: a request, and a streamed answer with a gap. */
export function aStream(over: Partial<StreamView> = {}): StreamView {
  const end = {
    bytes: 400,
    unseen: 0,
    uncopied: 0,
    disputed: 0,
    from_beginning: true,
    cut: false,
  };
  const at = NOON_MS * 1000;
  const piece = (toward: string, packet: number, text: string) => ({
    toward,
    packet,
    at_us: at + packet * 1_000,
    offset: 0,
    bytes_base64: encoded(text),
    missing: null,
    missing_why: null,
  });
  return {
    flow: aFlow(7, "client"),
    encrypted: false,
    client: end,
    server: { ...end, uncopied: 120 },
    pieces: [
      piece("server", 4, "POST /v1/messages HTTP/1.1\r\nx-api-key: ******\r\n"),
      piece("server", 5, '\r\n{"model":"claude-opus-4-5"}'),
      piece("client", 6, "HTTP/1.1 200 OK\r\n\r\ndata: one\n\n"),
      { ...piece("client", 7, ""), missing: 120, missing_why: "uncopied" },
      piece("client", 7, "data: two\n\n"),
    ],
    messages: [
      {
        toward: "server",
        packet: 4,
        at_us: at,
        first_line: "POST /v1/messages HTTP/1.1",
        headers: [{ name: "x-api-key", value: "••••••" }],
        text: '{"model":"claude-opus-4-5"}',
        body_bytes: 27,
        missing: 0,
        whole: true,
        events: [],
        call: { format: "Anthropic Messages", model: "claude-opus-4-5", stream: true, tools: 2 },
        mcp: null,
      },
      {
        toward: "client",
        packet: 6,
        at_us: at + 800_000,
        first_line: "HTTP/1.1 200 OK",
        headers: [],
        text: "data: one\n\ndata: two\n\n",
        body_bytes: 22,
        missing: 120,
        whole: false,
        events: [
          { at_us: at + 800_000, name: "message_start", data: "one" },
          { at_us: at + 824_000, name: null, data: "two" },
        ],
        call: { format: "Anthropic Messages", input: 1_200, output: 34, stop_reason: "end_turn" },
        mcp: null,
      },
    ],
    ...over,
  };
}

/** A packet; `seq` orders it. */
export function aPacket(seq: number, over: Partial<PacketView> = {}): PacketView {
  const answer = seq % 3 === 0;
  return {
    seq,
    at_us: NOON_MS * 1000 + seq * 1_500,
    direction: answer ? "in" : "out",
    toward: answer ? "client" : "server",
    leg: "upstream",
    src: answer ? "160.79.104.10:443" : "10.0.0.2:51544",
    dst: answer ? "10.0.0.2:51544" : "160.79.104.10:443",
    protocol: "TLS",
    length: 60 + ((seq * 131) % 1_400),
    info: "Application Data",
    program: "tollgate",
    pid: 900,
    call: callId(1),
    flow: 8,
    host: "api.anthropic.com",
    ...over,
  };
}

/** The first bytes of an IPv4 packet with a TCP header, and a little more. */
const BYTES = [
  0x45, 0, 0, 0x3c, 0x1c, 0x46, 0x40, 0, 0x40, 6, 0xb1, 0xe6, 10, 0, 0, 2, 160, 79, 104, 10, 0xc9, 0x58, 1,
  0xbb, 0, 0, 0, 1, 0, 0, 0, 2, 0x80, 0x18, 1, 0xf6, 0, 0, 0, 0, 1, 1, 8, 10, 0x9a, 0xbc, 0xde, 0xf0, 0x12,
  0x34, 0x56, 0x78, 0x17, 3, 3, 0, 0x2a, 0x68, 0x65, 0x6c,
];

/** A packet in full. */
export function aPacketDetail(packet: PacketView = aPacket(1)): PacketDetail {
  return {
    packet: { ...packet, length: 120 },
    layers: [
      {
        name: "Frame",
        summary: "120 bytes out on interface eth0, tollgate",
        fields: [
          ["Time", "2026-11-23T12:00:00.0015Z"],
          ["Direction", "out"],
          ["Leg", "upstream"],
          ["Interface", "2 (eth0)"],
          ["Length", "120 bytes"],
          ["Captured", "60 bytes"],
          ["Segments", "2 of 1448 bytes"],
          ["Mark", "0x0"],
          ["Flow hash", "0x5c1f03aa"],
          ["Socket cookie", "48211"],
          ["Network namespace", "4026531840"],
          ["Program", "tollgate"],
          ["Process", "900"],
          ["Process started", "52.07 s after boot"],
          ["Executable", "/usr/bin/tollgate"],
          ["User", "1000 (ada)"],
          ["TCP state", "established"],
          ["TCP round-trip time", "17800 µs"],
          ["TCP congestion window", "10 segments"],
          ["TCP retransmits", "1"],
        ].map(([name = "", value = ""]) => ({ name, value, range: null })),
      },
      {
        name: "IPv4",
        summary: "10.0.0.2 → 160.79.104.10",
        fields: [
          { name: "Version", value: "4", range: [0, 1] },
          { name: "Total length", value: "60", range: [2, 4] },
          { name: "Time to live", value: "64", range: [8, 9] },
          { name: "Source", value: "10.0.0.2", range: [12, 16] },
          { name: "Destination", value: "160.79.104.10", range: [16, 20] },
        ],
      },
      {
        name: "TCP",
        summary: "51544 → 443 [PSH, ACK] Seq=1 Ack=2",
        fields: [
          { name: "Source port", value: "51544", range: [20, 22] },
          { name: "Destination port", value: "443", range: [22, 24] },
          { name: "Sequence number", value: "1", range: [24, 28] },
          { name: "Options", value: "timestamps", range: [40, 52] },
        ],
      },
      {
        name: "TLS",
        summary: "Application Data, 42 bytes",
        fields: [{ name: "Record", value: "Application Data", range: [52, 60] }],
      },
    ],
    bytes_base64: btoa(String.fromCharCode(...BYTES)),
  };
}

/** A program. */
export function aProgram(program: string | null, over: Partial<ProgramView> = {}): ProgramView {
  return {
    program,
    exe: program === null ? null : `/usr/bin/${program.split(" ")[0]}`,
    pids: program === null ? [] : [4242, 4101],
    projects: ["tollgate"],
    calls: 181,
    live: 0,
    failed: 0,
    unknown_cost: 0,
    unknown_usage: 0,
    counted_usage: 0,
    cost_pico_usd: "1034500000000",
    estimated_pico_usd: "0",
    usage: {
      input: 214_211,
      cache_read: 3_104_220,
      cache_write_5m: null,
      cache_write_1h: null,
      output: 61_204,
      reasoning: null,
    },
    first_seen_ms: NOON_MS - 86_400_000,
    last_seen_ms: NOON_MS,
    packets: 8_204,
    bytes: 7_204_113,
    ...over,
  };
}

/** A sum over calls. */
export function aCostRow(key: string | null, over: Partial<CostRowView> = {}): CostRowView {
  const { calls, failed, unknown_cost, counted_usage, cost_pico_usd, estimated_pico_usd, usage } =
    aProgram(key);
  const costs = { unknown_cost, unknown_usage: 0, counted_usage, cost_pico_usd, estimated_pico_usd };
  const cache = { cached_calls: 0, saved_pico_usd: "0", unknown_saved: 0 };
  return { key, calls, failed, ...costs, ...cache, usage, ...over };
}

/** Costs by model, of two models, in half a day beside the one before. */
export function someCosts(over: Partial<CostsView> = {}): CostsView {
  const hourMs = 3_600_000;
  const midnight = NOON_MS - 12 * hourMs;
  return {
    since_ms: midnight,
    until_ms: NOON_MS,
    rows: [
      aCostRow("claude-sonnet-4-5"),
      aCostRow("gpt-5-mini", { calls: 31, failed: 2, unknown_cost: 3, cost_pico_usd: "200067890123" }),
    ],
    total: aCostRow(null, { calls: 212, failed: 2, unknown_cost: 3, cost_pico_usd: "1234567890123" }),
    unknown: [
      { reason: "no-price", calls: 2 },
      { reason: "no-usage", calls: 1 },
    ],
    previous: {
      since_ms: midnight - 24 * hourMs,
      until_ms: NOON_MS - 24 * hourMs,
      rows: [aCostRow("claude-sonnet-4-5", { cost_pico_usd: "827600000000" })],
      total: aCostRow(null, { cost_pico_usd: "827600000000" }),
    },
    first_call_ms: NOON_MS - 60 * 24 * hourMs,
    steps: Array.from({ length: 24 }, (_, at) => ({
      start_ms: midnight + at * hourMs,
      end_ms: midnight + (at + 1) * hourMs,
      calls: at < 13 ? at * 2 : 0,
      unknown_cost: at === 9 ? 3 : 0,
      cost_pico_usd: at < 13 ? String(((at * 37) % 11) * 12_500_000_000) : "0",
      estimated_pico_usd: "0",
    })),
    step: "hour",
    simulated: false,
    ...over,
  };
}

/** Findings of all three levels. */
export const CHECKS: CheckView[] = [
  { name: "Gateway", level: "ok", found: "serves on 127.0.0.1:4141", remedy: null },
  { name: "Ledger", level: "ok", found: "12,340 calls, 48 MB, no damage", remedy: null },
  {
    name: "Price book",
    level: "warning",
    found: "2 models were used that have no price",
    remedy: "Add a price with `tollgate prices set`.",
  },
  {
    name: "helper",
    level: "error",
    found: "no socket at /run/tollgate/helper.sock",
    remedy: "Start it with `systemctl start tollgate-helper`.",
  },
];
