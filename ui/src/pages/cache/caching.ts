import type { CachingView } from "@/api/schema";

const WHO: Record<string, string> = {
  own: "for each key or user by itself",
  program: "for each program by itself",
  all: "shared by all",
};

/** How calls use the cache, in words. */
export function told(caching: CachingView | null | undefined): string {
  if (caching == null) return "not cached";
  const parts = [
    `cached for ${time(caching.ttl_s)}`,
    WHO[caching.scope] ?? caching.scope,
    caching.pace === "as-recorded" && "replayed as recorded",
    caching.tool_calls && "with calls of tools",
    caching.ignore.length > 0 && `whatever their ${caching.ignore.join(", ")}`,
  ];
  return parts.filter((it) => it !== false).join(", ");
}

function time(seconds: number): string {
  for (const [name, length] of [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
  ] as const)
    if (seconds % length === 0) return `${seconds / length} ${name}`;
  return `${seconds} s`;
}
