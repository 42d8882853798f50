import type { CacheView } from "@/api/schema";
import { NOON_MS } from "./fixtures";

/** A cache that holds the answers of two models. */
export const CACHE: CacheView = {
  on: true,
  usual: { ttl_s: 3_600, scope: "own", pace: "at-once", tool_calls: false, ignore: [] },
  models: [
    { model: "agent", caching: null },
    {
      model: "fast",
      caching: {
        ttl_s: 90,
        scope: "all",
        pace: "as-recorded",
        tool_calls: true,
        ignore: ["metadata", "user"],
      },
    },
  ],
  entries: 42,
  entries_max: 1_000,
  bytes: 1_840_000,
  bytes_max: 67_108_864,
  hits: 380,
  followed: 199,
  misses: 95,
  bypassed: 3,
  groups: [
    {
      route: "fast",
      model: "gpt-5-mini-2025-08-07",
      provider: "openai",
      entries: 30,
      bytes: 1_200_000,
      hits: 361,
      oldest_at_ms: NOON_MS - 3_000_000,
      newest_at_ms: NOON_MS - 20_000,
    },
    {
      route: null,
      model: "text-embedding-3-small",
      provider: "openai",
      entries: 12,
      bytes: 640_000,
      hits: 19,
      oldest_at_ms: NOON_MS - 900_000,
      newest_at_ms: NOON_MS - 60_000,
    },
  ],
  saved: {
    since_ms: NOON_MS - 2_592_000_000,
    calls: 5_120,
    cached_calls: 1_204,
    saved_pico_usd: "3418200000000",
    unknown_saved: 2,
  },
};

/** One that is off and saved nothing. */
export const NO_CACHE: CacheView = {
  ...CACHE,
  on: false,
  usual: null,
  models: [],
  entries: 0,
  bytes: 0,
  hits: 0,
  followed: 0,
  misses: 0,
  bypassed: 0,
  groups: [],
  saved: { ...CACHE.saved, cached_calls: 0, saved_pico_usd: "0", unknown_saved: 0 },
};
