import type { BudgetAccountView, BudgetView } from "@/api/schema";
import { dayOf, timeOfDay } from "@/lib/format";
import { type Pico, share } from "@/lib/money";

const DAY_MS = 86_400_000;

/** One thing that an account has a limit of. Amounts of money are pico-dollars. */
export interface Limit {
  /** `a day`, `calls a minute`. */
  what: string;
  money: boolean;
  most: string;
  taken: string;
  held: string;
  left: string;
  /** What is taken of all, from 0 to 1. */
  part: number;
  /** What is taken and held of all, from 0 to 1. */
  partHeld: number;
  isOver: boolean;
  unknownCalls: number;
  stopped: number;
  untilMs: number | null;
  /** When it begins anew, in a word or two. */
  anew: string;
}

/** What an account has limits of, in the order of the configuration. */
export function limits(budget: BudgetView, account: BudgetAccountView): Limit[] {
  const money = account.money.map((it): Limit => {
    const [amount, spent, held] = [it.amount_pico_usd, it.spent_pico_usd, it.reserved_pico_usd];
    return {
      what: it.period === "hour" ? "an hour" : `a ${it.period}`,
      money: true,
      most: amount,
      taken: spent,
      held,
      left: it.left_pico_usd,
      part: partOf(spent, amount),
      partHeld: partOf(BigInt(spent) + BigInt(held), amount),
      isOver: BigInt(it.left_pico_usd) <= 0n,
      unknownCalls: it.unknown_calls,
      stopped: it.stopped,
      untilMs: it.until_ms,
      anew: it.until_ms - it.from_ms > DAY_MS * 1.5 ? dayOf(it.until_ms) : timeOfDay(it.until_ms).slice(0, 5),
    };
  });
  const counted = [
    counts("calls a minute", budget.requests_per_min, account.requests, account.stopped_requests),
    counts("tokens a minute", budget.tokens_per_min, account.tokens, account.stopped_tokens),
    counts("calls at once", budget.concurrent, account.under_way, account.stopped_concurrent),
  ];
  return [...money, ...counted.filter((it) => it !== null)];
}

function counts(
  what: string,
  most: number | null | undefined,
  taken: number | null | undefined,
  stopped: number,
): Limit | null {
  if (most == null || taken == null) return null;
  const part = partOf(BigInt(taken), BigInt(most));
  return {
    what,
    money: false,
    most: String(most),
    taken: String(taken),
    held: "0",
    left: String(Math.max(most - taken, 0)),
    part,
    partHeld: part,
    isOver: taken >= most,
    unknownCalls: 0,
    stopped,
    untilMs: null,
    anew: what === "calls at once" ? "as calls end" : "within a minute",
  };
}

/** Of nothing everything is taken. */
function partOf(part: Pico, whole: Pico): number {
  return BigInt(whole) <= 0n ? 1 : Math.min(Math.max(share(part, whole), 0), 1);
}

/** Whose an account is. */
export function whose(budget: BudgetView, account: BudgetAccountView): string {
  if (account.value != null) return account.value;
  if (budget.each === "key") return "without a key";
  return budget.each == null ? "all together" : `${budget.each} unknown`;
}

/** Which calls a budget counts, in words. */
export function scopeOf(budget: BudgetView): string {
  const scope = budget.scope.map((it) => `${it.dimension} ${it.pattern}`);
  const calls = scope.length === 0 ? "every call" : `calls of ${scope.join(", ")}`;
  return budget.each == null ? calls : `${calls}, each ${budget.each} for itself`;
}

/** A filter for the calls that a budget stopped: its name stands in their errors. */
export function named(name: string): string {
  return `state:failed "budget \`${name}\`"`;
}
