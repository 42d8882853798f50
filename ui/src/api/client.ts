import createClient from "openapi-fetch";
import type { Host } from "@/lib/host";
import type {
  CacheFilterView,
  DeleteCalls,
  ErrorView,
  Keeping,
  NewKeyView,
  PacketDetail,
  paths,
  RuleTest,
} from "./schema";

/** An answer that is an error; `message` is written for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

type CallQuery = NonNullable<paths["/calls"]["get"]["parameters"]["query"]>;
type PacketQuery = NonNullable<paths["/packets"]["get"]["parameters"]["query"]>;
type PriceQuery = NonNullable<paths["/prices"]["get"]["parameters"]["query"]>;
type CostQuery = NonNullable<paths["/costs"]["get"]["parameters"]["query"]>;

/** The admin API, one function per operation; each rejects with an `ApiError`. */
export type Api = ReturnType<typeof connect>;

// `Request` wants an absolute address; the host sends the path alone.
const NOWHERE = "http://host/api";

/** The API over `host`; `onRefused` hears of every answer that asks for a token. */
export function connect(host: Host, onRefused: () => void = () => undefined) {
  const client = createClient<paths>({
    baseUrl: NOWHERE,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const body = request.method === "GET" ? undefined : await request.text();
      const answer = await host.request(request.method, pathname + search, body || undefined, request.signal);
      if (answer.status === 401) onRefused();
      return new Response(answer.body, {
        status: answer.status,
        headers: { "Content-Type": "application/json" },
      });
    },
  });
  return {
    status: () => answered(client.GET("/status")),
    setGateway: (on: boolean) => answered(client.POST("/gateway", { body: { on } })),
    setCapture: (paused: boolean) => answered(client.POST("/capture", { body: { paused } })),
    clearCapture: () => answered(client.POST("/capture/clear")),
    calls: (query: CallQuery) => answered(client.GET("/calls", { params: { query } })),
    call: (id: string, signal: AbortSignal | null = null) =>
      answered(client.GET("/calls/{id}", { params: { path: { id } }, signal })),
    deleteCalls: (body: DeleteCalls) => answered(client.POST("/calls/delete", { body })),
    callPackets: (id: string) => answered(client.GET("/calls/{id}/packets", { params: { path: { id } } })),
    packets: (query: PacketQuery) => answered(client.GET("/packets", { params: { query } })),
    // `openapi-fetch` reads a pair as a list of any length.
    packet: (seq: number) =>
      answered(client.GET("/packets/{seq}", { params: { path: { seq } } })) as Promise<PacketDetail>,
    stream: (id: number) => answered(client.GET("/flows/{id}/stream", { params: { path: { id } } })),
    programs: (since_ms?: number) => answered(client.GET("/programs", { params: { query: { since_ms } } })),
    costs: (query: CostQuery) => answered(client.GET("/costs", { params: { query } })),
    providers: () => answered(client.GET("/providers")),
    testProvider: (id: string, model: string | null) =>
      answered(client.POST("/providers/{id}/test", { params: { path: { id } }, body: { model } })),
    keys: () => answered(client.GET("/keys")),
    createKey: (body: NewKeyView) => answered(client.POST("/keys", { body })),
    rotateKey: (name: string, grace_ms: number) =>
      answered(client.POST("/keys/{name}/rotate", { params: { path: { name } }, body: { grace_ms } })),
    revokeKey: (name: string) => answered(client.POST("/keys/{name}/revoke", { params: { path: { name } } })),
    models: () => answered(client.GET("/models")),
    budgets: () => answered(client.GET("/budgets")),
    cache: () => answered(client.GET("/cache")),
    clearCache: (body: CacheFilterView) => answered(client.POST("/cache/clear", { body })),
    guardrails: () => answered(client.GET("/guardrails")),
    hits: (limit: number) => answered(client.GET("/guardrails/hits", { params: { query: { limit } } })),
    guardrailExceptions: () => answered(client.GET("/guardrails/exceptions")),
    exceptHit: (hit: number) => answered(client.POST("/guardrails/exceptions", { body: { hit } })),
    endException: (fingerprint: string) =>
      answered(
        client.POST("/guardrails/exceptions/{fingerprint}/end", { params: { path: { fingerprint } } }),
      ),
    rules: () => answered(client.GET("/rules")),
    rulesText: () => answered(client.GET("/rules/text")),
    testRules: (body: RuleTest, signal: AbortSignal) =>
      answered(client.POST("/rules/test", { body, signal })),
    prices: (query: PriceQuery) => answered(client.GET("/prices", { params: { query } })),
    rotateToken: () => answered(client.POST("/console/rotate")),
    ledger: () => answered(client.GET("/ledger")),
    setKeeping: (body: Keeping) => answered(client.POST("/ledger/keeping", { body })),
    doctor: () => answered(client.GET("/doctor")),
  };
}

/** The path of costs as a file, for `Host.saveFile`. */
export function costsPath(query: CostQuery, as: "csv" | "json"): string {
  const text = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
  return `/api/costs${as === "csv" ? ".csv" : ""}?${text}`;
}

/** The path of the capture file, for `Host.saveFile`. */
export function capturePath(of: { filter?: string; call?: string }): string {
  const query = new URLSearchParams();
  if (of.filter) query.set("filter", of.filter);
  if (of.call) query.set("call", of.call);
  const text = query.toString();
  return `/api/packets.pcapng${text === "" ? "" : `?${text}`}`;
}

async function answered<T>(asked: Promise<{ data?: T; error?: ErrorView; response: Response }>): Promise<T> {
  const { data, error, response } = await asked;
  if (data !== undefined) return data;
  throw new ApiError(response.status, error?.message || `the gateway answered ${response.status}`);
}
