"""Writes the embedded price book and its test oracle from two public price collections.

Sources, both MIT: PyPI `genai-prices` (the main one: dated, tiered, with match rules) and
`model_prices_and_context_window_backup.json` out of PyPI `litellm` (for models and rates that the
first lacks). Started by `cargo xtask prices`; needs an interpreter that can import genai_prices.

A price that is not a whole number of pico-dollars per unit, or that depends on something a call's
usage does not tell (image tokens at another rate, seconds, pages), makes the row unusable: it is
left out and counted, never rounded or approximated. An unpriced model is shown as such.
"""

import argparse
import json
import re
import sys
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version

from genai_prices import Usage, calc_price
from genai_prices import types as gp
from genai_prices.data import providers as GENAI

# genai-prices' provider id -> the catalogue's.
GENAI_PROVIDERS = {
    "anthropic": "anthropic",
    "aws": "amazon-bedrock",
    "azure": "azure",
    "baseten": "baseten",
    "cerebras": "cerebras",
    "cloudflare": "cloudflare-workers-ai",
    "cohere": "cohere",
    "databricks": "databricks",
    "deepseek": "deepseek",
    "fireworks": "fireworks-ai",
    "github-copilot": "github-copilot",
    "google": "google",
    "groq": "groq",
    "minimax": "minimax",
    "mistral": "mistral",
    "moonshotai": "moonshotai",
    "novita": "novita-ai",
    "openai": "openai",
    "openrouter": "openrouter",
    "ovhcloud": "ovhcloud",
    "perplexity": "perplexity",
    "together": "togetherai",
    "voyageai": "voyage",
    "x-ai": "xai",
    "zai": "zai",
    "zhipuai": "zhipuai",
}

# litellm's provider -> (the catalogue's, the prefix its keys carry).
LITELLM_PROVIDERS = {
    "ai21": ("ai21", ""),
    "anthropic": ("anthropic", ""),
    "azure": ("azure", "azure/"),
    "baseten": ("baseten", "baseten/"),
    "bedrock": ("amazon-bedrock", ""),
    "bedrock_converse": ("amazon-bedrock", ""),
    "bigmodel": ("zhipuai", "bigmodel/"),
    "cerebras": ("cerebras", "cerebras/"),
    "cloudflare": ("cloudflare-workers-ai", "cloudflare/"),
    "cohere": ("cohere", ""),
    "cohere_chat": ("cohere", ""),
    "dashscope": ("alibaba", "dashscope/"),
    "deepinfra": ("deepinfra", "deepinfra/"),
    "deepseek": ("deepseek", "deepseek/"),
    "featherless_ai": ("featherless-ai", "featherless_ai/"),
    "fireworks_ai": ("fireworks-ai", "fireworks_ai/"),
    "fireworks_ai-embedding-models": ("fireworks-ai", "fireworks_ai/"),
    "friendliai": ("friendli", "friendliai/"),
    "gemini": ("google", "gemini/"),
    "groq": ("groq", "groq/"),
    "hyperbolic": ("hyperbolic", "hyperbolic/"),
    "inception": ("inception", "inception/"),
    "jina_ai": ("jina", ""),
    "lambda_ai": ("lambda", "lambda_ai/"),
    "meta_llama": ("llama", "meta_llama/"),
    "minimax": ("minimax", "minimax/"),
    "mistral": ("mistral", "mistral/"),
    "moonshot": ("moonshotai", "moonshot/"),
    "nebius": ("nebius", "nebius/"),
    "novita": ("novita-ai", "novita/"),
    "openai": ("openai", ""),
    "ovhcloud": ("ovhcloud", "ovhcloud/"),
    "perplexity": ("perplexity", "perplexity/"),
    "sambanova": ("sambanova", "sambanova/"),
    "sarvam": ("sarvam", "sarvam/"),
    "scaleway": ("scaleway", "scaleway/"),
    "together_ai": ("togetherai", "together_ai/"),
    "vercel_ai_gateway": ("vercel", "vercel_ai_gateway/"),
    "volcengine": ("volcengine", ""),
    "voyage": ("voyage", "voyage/"),
    "wandb": ("wandb", "wandb/"),
    "xai": ("xai", "xai/"),
    "xiaomi_mimo": ("xiaomi", "xiaomi_mimo/"),
    "zai": ("zai", "zai/"),
}

# Rates in the order in which rows list them. The names are those of `Rates` in price.rs.
RATES = (
    "input", "cache_read", "cache_read_audio", "cache_write_5m", "cache_write_1h", "output",
    "reasoning", "input_audio", "output_audio", "request", "web_search",
)  # fmt: skip

GENAI_RATES = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_audio_read_mtok": "cache_read_audio",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
    "requests_kcount": "request",
    "web_searches_kcount": "web_search",
}

# Fees by the piece that no provider's usage counts: left out of the row, as README.md says.
UNSEEN_FEES = {"storage_searches_kcount", "social_searches_kcount", "code_executions_kcount"}

# Kinds that usage does not tell apart: harmless only at the price of the kind they are part of.
SAME_AS = {
    "input_text_mtok": "input_mtok",
    "input_image_mtok": "input_mtok",
    "input_video_mtok": "input_mtok",
    "output_text_mtok": "output_mtok",
    "output_image_mtok": "output_mtok",
    "output_video_mtok": "output_mtok",
    "cache_image_read_mtok": "cache_read_mtok",
    "cache_text_read_mtok": "cache_read_mtok",
}

LITELLM_RATES = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cache_read",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
    "input_cost_per_request": "request",
}
LITELLM_IGNORED = re.compile(
    r"(_batches|_flex|_priority)$|^google_maps_grounding_cost_per_query$|dbu_cost"
    r"|^file_search|^code_interpreter|^computer_use|^vector_store|^search_context_cost_per_query$"
)
LITELLM_MODES = {"chat", "responses", "completion", "embedding"}
ABOVE = re.compile(r"^(.*)_above_(\d+)k_tokens$")
DATED = re.compile(r"[-@](?:20\d{2}-\d{2}-\d{2}|20\d{6})$")

PICO = Decimal(10) ** 12


class Refused(Exception):
    """A price that the row type cannot say exactly."""


def exact(usd, per):
    pico = usd * PICO / per
    if pico != pico.to_integral_value():
        raise Refused("not a whole number of pico-dollars")
    if not 0 <= pico < 2**53:
        raise Refused("out of range")
    return int(pico)


def candidates(ref):
    """The spellings that `PriceBook::find` tries, in its order."""
    ref = ref.lower()
    for prefix in ("models/", "publishers/google/models/", "publishers/anthropic/models/"):
        ref = ref.removeprefix(prefix)
    yield ref
    undated = DATED.sub("", ref)
    if undated != ref:
        yield undated


def prune(rates):
    """Drops what says nothing: a part priced as its whole."""
    if rates.get("reasoning") == rates.get("output"):
        rates.pop("reasoning", None)
    if rates.get("input_audio") == rates.get("input"):
        rates.pop("input_audio", None)
    if rates.get("cache_read_audio") == rates.get("cache_read"):
        rates.pop("cache_read_audio", None)
    if rates.get("output_audio") == rates.get("output"):
        rates.pop("output_audio", None)
    return {name: rates[name] for name in RATES if rates.get(name) is not None}


def tiers_of(base, by_start):
    """Full rates per tier from partial ones; only what differs from the base is written."""
    tiers, rates = [], dict(base)
    for start in sorted(by_start):
        rates = {**rates, **by_start[start]}
        changed = {name: rates[name] for name in RATES if rates.get(name) != base.get(name)}
        tiers.append([start, changed])
    return tiers


def genai_price(price):
    base, by_start = {}, {}
    values = {key: value for key, value in price.__dict__.items() if value is not None}
    for key, value in values.items():
        if key in UNSEEN_FEES:
            continue
        if key in SAME_AS:
            if value != values.get(SAME_AS[key]):
                raise Refused(f"{key} differs from {SAME_AS[key]}")
            continue
        name = GENAI_RATES.get(key)
        if name is None:
            raise Refused(f"{key} is not in a call's usage")
        per = Decimal(1000) if key.endswith("_kcount") else Decimal(10) ** 6
        tiered = isinstance(value, gp.TieredPrices)
        base[name] = exact(value.base if tiered else value, per)
        for tier in value.tiers if tiered else ():
            by_start.setdefault(tier.start, {})[name] = exact(tier.price, per)
    if "input" not in base and "request" not in base:
        raise Refused("neither input nor request is priced")
    if by_start and any(part in base for part in ("reasoning", "input_audio", "cache_read_audio")):
        raise Refused("tiers together with parts priced apart")
    base = prune(base)
    return base, tiers_of(base, by_start)


def midnight(day):
    return day.isoformat()


def minute(moment):
    return moment.hour * 60 + moment.minute


def genai_rows(model):
    """The rows of a model, in genai-prices' order: the last one that holds wins."""
    if isinstance(model.prices, gp.ModelPrice):
        rates, tiers = genai_price(model.prices)
        return [{"rates": rates, "tiers": tiers}]
    starts = [
        item.constraint.start_date
        for item in model.prices
        if isinstance(item.constraint, gp.StartDateConstraint)
    ]
    if starts != sorted(starts) or model.prices[0].constraint is not None:
        raise Refused("conditions in an order that is not understood")
    rows = []
    for item in model.prices:
        rates, tiers = genai_price(item.prices)
        row = {"rates": rates, "tiers": tiers}
        if isinstance(item.constraint, gp.TimeOfDateConstraint):
            row["daily"] = [minute(item.constraint.start_time), minute(item.constraint.end_time)]
        else:
            if item.constraint is not None:
                row["from"] = midnight(item.constraint.start_date)
            later = [day for day in starts if "from" not in row or midnight(day) > row["from"]]
            if later:
                row["until"] = midnight(later[0])
        rows.append(row)
    return rows


def literals(rule):
    """The literal names in a match rule."""
    if isinstance(rule, (gp.ClauseOr, gp.ClauseAnd)):
        inner = rule.or_ if isinstance(rule, gp.ClauseOr) else rule.and_
        return [name for clause in inner for name in literals(clause)]
    for field in ("equals", "starts_with", "contains"):
        if hasattr(rule, field):
            return [getattr(rule, field)]
    return []


def litellm_price(entry):
    base, by_start = {}, {}
    for key, value in entry.items():
        if not ("cost" in key or key == "tiered_pricing") or LITELLM_IGNORED.search(key):
            continue
        if key == "tiered_pricing":
            raise Refused("tiered_pricing")
        if not isinstance(value, (int, Decimal)):
            raise Refused(f"{key} is not a number")
        above = ABOVE.match(key)
        name = LITELLM_RATES.get(above.group(1) if above else key)
        if name is None:
            if key == "input_cost_per_token_cache_hit" or value == 0:
                continue
            raise Refused(f"{key} is not in a call's usage")
        if above:
            by_start.setdefault(int(above.group(2)) * 1000, {})[name] = exact(Decimal(value), 1)
        else:
            base[name] = exact(Decimal(value), 1)
    searches = entry.get("search_context_cost_per_query")
    if isinstance(searches, dict) and len(set(searches.values())) == 1:
        base["web_search"] = exact(Decimal(next(iter(searches.values()))), 1)
    if entry["mode"] == "embedding":
        base.pop("output", None)
    elif "output" not in base:
        raise Refused("output is not priced")
    if not base.get("input"):
        raise Refused("no price, or a zero that litellm also uses for `not known`")
    if by_start and any(part in base for part in ("reasoning", "input_audio", "cache_read_audio")):
        base = prune(base)
        if any(part in base for part in ("reasoning", "input_audio", "cache_read_audio")):
            raise Refused("tiers together with parts priced apart")
    base = prune(base)
    return base, tiers_of(base, by_start)


def current(rows, today):
    for row in reversed(rows):
        if "daily" in row:
            continue
        if row.get("from", "") <= today and today < row.get("until", "9999"):
            return row
    return rows[0]


class Book:
    def __init__(self, today):
        self.today = today
        self.models = {}  # (provider, model id) -> rows
        self.names = {}  # (provider, lower-case name) -> model id
        self.aliases = {}  # (provider, model id) -> names
        self.count = Counter()

    def resolve(self, provider, ref):
        for name in candidates(ref):
            if (provider, name) in self.names:
                return self.names[provider, name]
        return None

    def add(self, provider, model, source, rows):
        for row in rows:
            row["source"] = source
        self.models[provider, model] = rows
        self.names.setdefault((provider, model.lower()), model)
        self.aliases[provider, model] = set()
        self.count[f"models from {source}"] += 1

    def alias(self, provider, model, name):
        name = name.lower()
        if self.resolve(provider, name) is None and (provider, model) in self.models:
            self.names[provider, name] = model
            self.aliases[provider, model].add(name)

    def take_genai(self):
        for theirs in GENAI:
            ours = GENAI_PROVIDERS.get(theirs.id)
            if ours is None:
                self.count[f"genai-prices: provider {theirs.id} is not in the catalogue"] += 1
                continue
            for model in theirs.models:
                if theirs.find_model(model.id) not in (model, None):
                    self.count["genai-prices: its id is another model's name"] += 1
                    continue
                try:
                    self.add(ours, model.id, "genai-prices", genai_rows(model))
                except Refused as why:
                    self.count[f"genai-prices refused: {why}"] += 1
            for model in theirs.models:
                # Undated names first, so that dated spellings of them need no line.
                for name in sorted(literals(model.match), key=lambda it: (len(it), it)):
                    if theirs.find_model(name) is model:
                        self.alias(ours, model.id, name)

    def take_litellm(self, entries):
        by_ours = {ours: p for p in GENAI for g, ours in GENAI_PROVIDERS.items() if g == p.id}
        for key, entry in entries.items():
            known = LITELLM_PROVIDERS.get(entry.get("litellm_provider"))
            if known is None or entry.get("mode") not in LITELLM_MODES:
                continue
            provider, prefix = known
            ref = key.removeprefix(prefix) if prefix else key
            if key.startswith("ft:") or (provider in ("azure", "amazon-bedrock") and "/" in ref):
                continue
            if prefix and ref == key:
                continue
            try:
                rates, tiers = litellm_price(entry)
            except Refused as why:
                self.count[f"litellm refused: {why}"] += 1
                continue
            self.take_litellm_row(provider, ref, rates, tiers, by_ours.get(provider))

    def take_litellm_row(self, provider, ref, rates, tiers, theirs):
        model = self.resolve(provider, ref)
        found = theirs.find_model(ref) if model is None and theirs else None
        if found is not None:
            if (provider, found.id) not in self.models:
                self.count["litellm: refused by genai-prices' own row"] += 1
                return
            row = current(self.models[provider, found.id], self.today)["rates"]
            if all(row.get(kind) == rates.get(kind) for kind in ("input", "output")):
                self.alias(provider, found.id, ref)
            else:
                self.count["litellm: disagrees with the rule that matches its name; left out"] += 1
            return
        if model is None:
            self.add(provider, ref, "litellm", [{"rates": rates, "tiers": tiers}])
            return
        rows = self.models[provider, model]
        row = current(rows, self.today)
        if row["source"] == "litellm":
            return
        same = all(
            row["rates"].get(kind) == rates.get(kind)
            for kind in ("input", "output", "cache_write_5m")
        )
        self.count["litellm agrees" if same else "litellm disagrees with genai-prices"] += 1
        if same and not row["tiers"] and "cache_write_1h" in rates:
            if "cache_write_1h" not in row["rates"]:
                self.count["one-hour cache-write rates from litellm"] += 1
                merged = {**row["rates"], "cache_write_1h": rates["cache_write_1h"]}
                row["rates"] = prune(merged)
                row["source"] = "genai-prices+litellm"

    def lines(self, sources):
        yield {"sources": sources}
        for provider, model in sorted(self.models):
            for place, row in enumerate(self.models[provider, model]):
                line = {"provider": provider, "model": model}
                aliases = sorted(self.aliases[provider, model])
                if aliases and place == 0:
                    line["aliases"] = aliases
                for key in ("from", "until", "daily"):
                    if key in row:
                        line[key] = row[key]
                line["source"] = row["source"]
                line["rates"] = row["rates"]
                if row["tiers"]:
                    line["tiers"] = row["tiers"]
                yield line


# Usages of the oracle, in the ledger's disjoint kinds.
ORACLE_USAGES = (
    {"input": 1000, "output": 200},
    {"input": 17, "cache_read": 30011, "output": 401, "reasoning": 257},
    {"input": 3, "cache_read": 250007, "output": 1009},
    {"input": 5, "cache_read": 70001, "cache_write_5m": 3001, "cache_write_1h": 1201, "output": 7},
    {"input": 2003, "input_audio": 1501, "output": 11},
    {"input": 1, "output": 1, "web_searches": 3},
    {"input": 999983},
)
ORACLE_PROVIDERS = ("openai", "anthropic", "google", "mistral", "deepseek", "x-ai", "groq", "cohere")
ORACLE_TIMES = (datetime(2026, 11, 23, 2, 30, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC))
ORACLE_EVERY = 7


def oracle(book):
    """Costs as genai-prices itself computes them, for every nth model of the main providers."""
    always = {"gpt-5-mini", "gpt-5", "claude-sonnet-4-5", "gemini-2.5-flash", "gemini-2.5-pro"}
    for theirs in GENAI:
        if theirs.id not in ORACLE_PROVIDERS:
            continue
        ours = GENAI_PROVIDERS[theirs.id]
        for place, model in enumerate(theirs.models):
            rows = book.models.get((ours, model.id))
            if rows is None or rows[0]["source"] != "genai-prices":
                continue
            dated = len(rows) > 1 and place % 2 == 0
            if theirs.find_model(model.id) is not model:
                continue
            if not (model.id in always or dated or place % ORACLE_EVERY == 0):
                continue
            for at in ORACLE_TIMES if len(rows) > 1 else ORACLE_TIMES[:1]:
                yield from oracle_lines(theirs, ours, model, rows, at)


def oracle_lines(theirs, ours, model, rows, at):
    priced = set.intersection(*(set(row["rates"]) for row in rows))
    apart = set.union(*(set(row["rates"]) for row in rows)) & {"cache_read_audio"}
    for usage in ORACLE_USAGES:
        parts = {"web_searches": "web_search"}
        needed = {parts.get(kind, kind) for kind in usage} - {"reasoning", "input_audio"}
        if not needed <= priced or (apart and {"input_audio", "cache_read"} <= set(usage)):
            continue
        cached = ("cache_read", "cache_write_5m", "cache_write_1h")
        written = usage.get("cache_write_5m", 0) + usage.get("cache_write_1h", 0)
        total = calc_price(
            Usage(
                input_tokens=usage["input"] + sum(usage.get(kind, 0) for kind in cached),
                cache_read_tokens=usage.get("cache_read", 0),
                cache_write_tokens=written,
                cache_write_1h_tokens=usage.get("cache_write_1h", 0),
                input_audio_tokens=usage.get("input_audio", 0),
                output_tokens=usage.get("output", 0),
                output_reasoning_tokens=usage.get("reasoning", 0),
                web_searches=usage.get("web_searches", 0),
            ),
            model.id,
            provider_id=theirs.id,
            genai_request_timestamp=at,
        ).total_price
        yield {
            "provider": ours,
            "model": model.id,
            "at_ms": int(at.timestamp() * 1000),
            "usage": usage,
            "total": exact(total, 1),
        }


def write(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        for line in lines:
            json.dump(line, file, separators=(",", ":"), ensure_ascii=False)
            file.write("\n")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--litellm-json", required=True)
    options.add_argument("--litellm-version", required=True)
    options.add_argument("--checked-on", required=True, type=date.fromisoformat)
    options.add_argument("--prices", required=True)
    options.add_argument("--oracle", required=True)
    given = options.parse_args()
    with open(given.litellm_json, encoding="utf-8") as file:
        entries = json.load(file, parse_float=Decimal)
    book = Book(given.checked_on.isoformat())
    book.take_genai()
    book.take_litellm(entries)
    genai = f"genai-prices {version('genai-prices')}"
    litellm = f"litellm {given.litellm_version}"
    checked = given.checked_on.isoformat()
    sources = {
        "genai-prices": {"name": genai, "checked_on": checked},
        "genai-prices+litellm": {"name": f"{genai}, {litellm}", "checked_on": checked},
        "litellm": {"name": litellm, "checked_on": checked},
    }
    write(given.prices, book.lines(sources))
    write(given.oracle, oracle(book))
    for what, count in sorted(book.count.items()):
        print(f"{count:6} {what}", file=sys.stderr)


if __name__ == "__main__":
    main()
