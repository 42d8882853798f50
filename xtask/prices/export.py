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
import tomllib
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

from genai_prices import Usage, calc_price
from genai_prices import types as gp
from genai_prices.data import providers as GENAI

# How the two name providers and rates; the program reads a refresh by the same names.
DATA = Path(__file__).parents[2] / "crates/tollgate-core/src/data/price-lists.toml"
NAMES = tomllib.loads(DATA.read_text(encoding="utf-8"))
GENAI_PROVIDERS = NAMES["genai-prices"]["providers"]
GENAI_RATES = NAMES["genai-prices"]["rates"]
LITELLM_PROVIDERS = NAMES["litellm"]["providers"]
LITELLM_RATES = NAMES["litellm"]["rates"]
LITELLM_SERVICES = NAMES["litellm"]["services"]

# Servers that run on this machine: whatever they serve, nobody sends a bill. Their models have the
# names that their users gave them, so a row stands for all of them.
LOCAL_PROVIDERS = ("llamacpp", "lmstudio", "ollama", "vllm")

# Rates in the order in which rows list them. The names are those of `Rates` in price.rs.
RATES = (
    "input", "cache_read", "cache_read_audio", "cache_write_5m", "cache_write_1h", "output",
    "reasoning", "input_audio", "output_audio", "cache_read_image", "input_image", "output_image",
    "request", "web_search", "file_search",
)  # fmt: skip

# Fees by the piece that no provider's usage counts: left out of the row, as README.md says.
UNSEEN_FEES = {"social_searches_kcount", "code_executions_kcount"}

# Kinds that usage does not tell apart: harmless only at the price of the kind they are part of.
SAME_AS = {
    "input_text_mtok": "input_mtok",
    "input_video_mtok": "input_mtok",
    "output_text_mtok": "output_mtok",
    "output_video_mtok": "output_mtok",
    "cache_text_read_mtok": "cache_read_mtok",
}

LITELLM_IGNORED = re.compile(
    r"(_ultrafast|_decisions|_balanced)$|^google_maps_grounding_cost_per_query$|dbu_cost"
    r"|^file_search|^code_interpreter|^computer_use|^vector_store|^search_context_cost_per_query$"
)

# Every call of these models has a fee for searching that depends on the size of the search, or that
# the sources do not agree on, and that usage does not tell: without it a cost would be too low.
SEARCHES_ALWAYS = re.compile(r"(^|/)sonar($|-)|search-preview|search-api")

# Models whose maker's price list has one price for text and audio. Everywhere else a missing audio
# rate means that none is known: gpt-4o-audio-preview's audio costs sixteen times its text.
AUDIO_AS_TEXT = {
    ("google", "gemini-2.5-pro"): "ai.google.dev/pricing: one input price for all modalities",
    ("google", "gemini-3-pro-preview"): "ai.google.dev/pricing: one input price for all modalities",
}

# Models that make nothing but pictures: the one output price of the list is theirs.
DRAWS_ALWAYS = re.compile(r"^gpt-image-")

# Names on which the sources disagree and one of them was found right; all others are left out.
DECIDED = {
    ("azure", "text-embedding-3-small"): "genai-prices: Azure lists a tenth more than OpenAI",
    ("azure", "text-embedding-3-large"): "genai-prices: Azure lists a tenth more than OpenAI",
    ("azure", "text-embedding-ada-002"): "genai-prices: Azure lists a tenth more than OpenAI",
    ("azure", "ada"): "genai-prices: the name of text-embedding-ada-002 there",
}

# At Vertex AI's endpoints in a region newer models cost more than at its global one, where they have
# their makers' prices. Only litellm says which do.
REGIONAL = "google-vertex"
REGIONAL_LISTS = ("vertex_ai", "vertex_ai-language-models", "vertex_ai-anthropic_models")
PREMIUM = "regional_endpoint_uplift_multiplier"
FEES = ("request", "web_search", "file_search")

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


def in_order(rates):
    return {name: rates[name] for name in RATES if rates.get(name) is not None}


def prune(rates):
    """Drops what says nothing: reasoning priced as output, cached audio priced as cached text. An
    audio rate stays, whatever it is, because audio without one is not priced at all; so does that of
    pictures that are made."""
    if rates.get("reasoning") == rates.get("output"):
        rates.pop("reasoning", None)
    for part, whole in (
        ("cache_read_audio", "cache_read"),
        ("cache_read_image", "cache_read"),
        ("input_image", "input"),
    ):
        if rates.get(part) == rates.get(whole):
            rates.pop(part, None)
    return in_order(rates)


PARTS = (
    "reasoning", "input_audio", "output_audio", "cache_read_audio",
    "input_image", "output_image", "cache_read_image",
)  # fmt: skip


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
    base = prune(base)
    if by_start and any(part in base for part in PARTS):
        raise Refused("tiers together with parts priced apart")
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
    """The names in a match rule, each with whether it is the beginning of names. One that may stand
    anywhere in a name is taken as a beginning. Below an `and` other rules narrow it: a name only."""
    if isinstance(rule, gp.ClauseOr):
        return [found for clause in rule.or_ for found in literals(clause)]
    if isinstance(rule, gp.ClauseAnd):
        return [(name, False) for clause in rule.and_ for name, _ in literals(clause)]
    for field, begins in (("equals", False), ("starts_with", True), ("contains", True)):
        if hasattr(rule, field):
            return [(getattr(rule, field), begins)]
    return []


# What may follow a beginning: genai-prices must find the same model for all of them.
ENDINGS = ("", "0", "-0", "-001", "-latest", "-preview", "-2025-01-31", "-20250131", "@20250131", ":x", "x")


def service_of(key):
    """A key without its service tier's ending, and the tier."""
    for ending, service in LITELLM_SERVICES.items():
        if key.endswith(ending):
            return key.removesuffix(ending), service
    return key, None


def plausible(service, rates, standard):
    """Whether a service tier's text rates lie on the side of the standard ones where they belong."""
    cheaper = service != "priority"
    return {"input", "output"} - set(standard) or all(
        rates[kind] <= standard[kind] if cheaper else rates[kind] >= standard[kind]
        for kind in ("input", "output")
        if kind in rates
    )


def services_of(base, by_start, by_service):
    """Prices by service tier; a context tier lists all of its rates, or none where none is known."""
    services = {}
    for service in ("flex", "priority", "batch"):
        rates, starts = by_service.get(service, ({}, {}))
        needed = {"input", "output"} & set(base)
        if not needed <= set(rates) or not plausible(service, rates, base):
            continue
        services[service] = {"rates": prune(dict(rates))}
        tiers = []
        for start in sorted(by_start):
            above = starts.get(start, {})
            tiers.append([start, prune(dict(above)) if needed <= set(above) else {}])
        if tiers:
            services[service]["tiers"] = tiers
    return services


def litellm_price(entry):
    """Rates, context tiers, and prices by service tier."""
    base, by_start, by_service = {}, {}, {}
    for key, value in entry.items():
        if not ("cost" in key or key == "tiered_pricing") or LITELLM_IGNORED.search(key):
            continue
        if key == "tiered_pricing":
            raise Refused("tiered_pricing")
        key, service = service_of(key)
        if not isinstance(value, (int, Decimal)):
            raise Refused(f"{key} is not a number")
        above = ABOVE.match(key)
        name = LITELLM_RATES.get(above.group(1) if above else key)
        if name is None:
            if service or key == "input_cost_per_token_cache_hit" or value == 0:
                continue
            raise Refused(f"{key} is not in a call's usage")
        rates, starts = by_service.setdefault(service, ({}, {})) if service else (base, by_start)
        if above:
            starts.setdefault(int(above.group(2)) * 1000, {})[name] = exact(Decimal(value), 1)
        else:
            rates[name] = exact(Decimal(value), 1)
    searches = entry.get("search_context_cost_per_query")
    if isinstance(searches, dict) and len(set(searches.values())) == 1:
        base["web_search"] = exact(Decimal(next(iter(searches.values()))), 1)
    if entry["mode"] == "embedding":
        for rates in (base, *(rates for rates, _ in by_service.values())):
            rates.pop("output", None)
    elif "output" not in base:
        raise Refused("output is not priced")
    if not base.get("input"):
        raise Refused("no price, or a zero that litellm also uses for `not known`")
    base = prune(base)
    if by_start and any(part in base for part in PARTS):
        raise Refused("tiers together with parts priced apart")
    return base, tiers_of(base, by_start), services_of(base, by_start, by_service)


def held(rows, today):
    """The rows that hold at some hour of today, the one that holds all day first."""
    holding = [
        row for row in rows if row.get("from", "") <= today and today < row.get("until", "9999")
    ]
    return sorted(holding, key=lambda row: "daily" in row) or rows[:1]


def agree(row, rates):
    """Whether two prices are the same where both say one; litellm writes zero for `not known` too."""
    return all(
        row.get(kind) == rates.get(kind)
        for kind in ("input", "output", "cache_write_5m")
        if row.get(kind) is not None and rates.get(kind)
    )


def sums_up(row, new):
    """The same of a price's tiers too, where they begin included."""
    known, other = dict(row["tiers"]), dict(new["tiers"])
    return agree(row["rates"], new["rates"]) and known.keys() == other.keys() and all(
        agree({**row["rates"], **known[start]}, {**new["rates"], **other[start]}) for start in known
    )


def raised(rates, factor):
    """Token rates times a factor; fees by the piece stay."""
    return {
        kind: rate if kind in FEES else exact(rate * factor, PICO) for kind, rate in rates.items()
    }


def regional(row, factor):
    """A row as it is in a region. What a service tier costs there is told by nobody."""
    row = {key: value for key, value in row.items() if key not in ("services", "merged")}
    tiers = [[start, raised(rates, factor)] for start, rates in row["tiers"]]
    return {**row, "rates": raised(row["rates"], factor), "tiers": tiers}


def audio_as_text(rates):
    if "input" in rates:
        rates["input_audio"] = rates["input"]
    return in_order(rates)


class Book:
    """All rows. `disputed` are the (provider, lower-case name) that a book made before this one
    found the sources to disagree on: no name and no beginning leads there."""

    def __init__(self, today, disputed):
        self.today = today
        self.disputed = disputed
        self.disputes = set()
        self.models = {}  # (provider, model id) -> rows
        self.names = {}  # (provider, lower-case name) -> model id
        self.aliases = {}  # (provider, model id) -> names
        self.prefixes = {}  # provider -> {lower-case beginning of names: model id}
        self.count = Counter()

    def resolve(self, provider, ref):
        """The model that `PriceBook::find` leads to, in its order."""
        for name in candidates(ref):
            if (provider, name) in self.names:
                return self.names[provider, name]
        name = next(candidates(ref))
        begins = [it for it in self.prefixes.get(provider, ()) if name.startswith(it)]
        return self.prefixes[provider][max(begins, key=len)] if begins else None

    def add(self, provider, model, source, rows):
        if SEARCHES_ALWAYS.search(model):
            self.count["a fee for searching that usage does not tell; left out"] += 1
            return
        if (provider, model.lower()) in self.disputed:
            self.count["the sources disagree; left out"] += 1
            return
        for row in rows:
            row["source"] = source
        self.models[provider, model] = rows
        self.names.setdefault((provider, model.lower()), model)
        self.aliases[provider, model] = set()
        self.count[f"models from {source}"] += 1

    def alias(self, provider, model, name):
        name = name.lower()
        barred = (provider, name) in self.disputed or SEARCHES_ALWAYS.search(name)
        if not barred and self.resolve(provider, name) is None and (provider, model) in self.models:
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
            self.take_prefixes(ours, theirs)
            for model in theirs.models:
                # Undated names first, so that dated spellings of them need no line.
                for name, _ in sorted(literals(model.match), key=lambda it: (len(it[0]), it)):
                    whole = name[-1:] not in "-@.:"
                    if whole and theirs.find_model(name) is model:
                        self.alias(ours, model.id, name)

    def take_prefixes(self, ours, theirs):
        """The beginnings of names that lead to one model alone, whatever follows."""
        found = {}
        for model in theirs.models:
            for name, begins in literals(model.match):
                if begins and all(theirs.find_model(name + it) is model for it in ENDINGS):
                    found[name.lower()] = model.id
        for name, model in found.items():
            disputed = any(
                provider == ours and it.startswith(name) for provider, it in self.disputed
            )
            # A longer beginning of the same model says nothing more.
            longer = any(
                it != name and name.startswith(it) and found[it] == model for it in found
            )
            if disputed:
                self.count["beginnings of names that a disputed name has; left out"] += 1
            elif not longer and (ours, model) in self.models:
                self.prefixes.setdefault(ours, {})[name] = model

    def take_litellm(self, entries):
        by_ours = {ours: p for p in GENAI for g, ours in GENAI_PROVIDERS.items() if g == p.id}
        for key, entry in entries.items():
            known = LITELLM_PROVIDERS.get(entry.get("litellm_provider"))
            if known is None or entry.get("mode") not in LITELLM_MODES:
                continue
            provider, prefix = known["id"], known["prefix"]
            ref = key.removeprefix(prefix) if prefix else key
            if key.startswith("ft:") or (provider in ("azure", "amazon-bedrock") and "/" in ref):
                continue
            if prefix and ref == key:
                continue
            if (provider, ref.lower()) in self.disputed:
                continue
            try:
                rates, tiers, services = litellm_price(entry)
            except Refused as why:
                self.count[f"litellm refused: {why}"] += 1
                continue
            row = {"rates": rates, "tiers": tiers}
            if services:
                row["services"] = services
            self.take_litellm_row(provider, ref, row, by_ours.get(provider))

    def take_litellm_row(self, provider, ref, new, theirs):
        model = self.resolve(provider, ref)
        found = theirs.find_model(ref) if theirs and model is None else None
        if found is not None:
            if (provider, found.id) not in self.models:
                self.count["litellm: refused by genai-prices' own row"] += 1
                return
            model = found.id
        if model is None:
            self.add(provider, ref, "litellm", [new])
            return
        rows = held(self.models[provider, model], self.today)
        if rows[0]["source"] == "litellm":
            return
        same = [row for row in rows if agree(row["rates"], new["rates"])]
        if not same and (provider, ref.lower()) not in DECIDED:
            self.disputes.add((provider, ref.lower()))
            return
        if found is not None:
            self.alias(provider, model, ref)
        elif len(rows) == 1 and same and model.lower() == next(candidates(ref)):
            self.merge(rows[0], new)

    def merge(self, row, new):
        """Gives a row what genai-prices does not have, from litellm's price of the same name."""
        more = {"cache_write_1h", "input_audio", "output_audio"} - set(row["rates"])
        more = {kind: new["rates"][kind] for kind in more if kind in new["rates"]}
        if more and not row["tiers"]:
            row["rates"] = in_order({**row["rates"], **more})
            row["merged"] = set(more)
            for kind in more:
                self.count[f"rates from litellm: {kind}"] += 1
        else:
            more = {}
        starts = [start for start, _ in row["tiers"]]
        services = new.get("services", {})
        known = [start for start, _ in new["tiers"]]
        cached = [it["rates"].get("cache_read") for it in (row, new)]
        if services and starts == known and (None in cached or cached[0] == cached[1]):
            row["services"] = services
            self.count["prices by service tier from litellm"] += 1
        if more or "services" in row:
            row["source"] = "genai-prices+litellm"

    def take_regional(self, entries):
        """Prices in one region, of the models whose global price is known and that litellm lists
        for Vertex AI at the same one."""
        lists = {}
        for key, entry in entries.items():
            if entry.get("litellm_provider") in REGIONAL_LISTS and entry.get("mode") == "chat":
                ref = key.removeprefix("vertex_ai/").lower()
                # The name with a prefix is the one that litellm itself looks for first.
                if "/" not in ref and (ref != key.lower() or ref not in lists):
                    lists[ref] = entry
        for ref, entry in sorted(lists.items()):
            maker = next((it for it in ("google", "anthropic") if self.resolve(it, ref)), None)
            if maker is None:
                self.count["Vertex AI's regions: no global price; left out"] += 1
                continue
            model = self.resolve(maker, ref)
            try:
                rates, tiers, _ = litellm_price(entry)
                rows = self.models[maker, model]
                new = {"rates": rates, "tiers": tiers}
                if not any(sums_up(row, new) for row in held(rows, self.today)):
                    raise Refused("the sources disagree")
                factor = Decimal(entry.get(PREMIUM, 1))
                rows = [regional(row, factor) for row in rows]
            except Refused as why:
                self.count[f"Vertex AI's regions: {why}; left out"] += 1
                continue
            known = self.models.get((REGIONAL, model))
            if known is None:
                self.add(REGIONAL, model, "genai-prices+litellm", rows)
            elif [it["rates"] for it in known] != [it["rates"] for it in rows]:
                self.count["Vertex AI's regions: names of one model differ; left out"] += 1
                continue
            self.alias(REGIONAL, model, ref)

    def price_audio_as_text(self):
        for key in AUDIO_AS_TEXT:
            for row in self.models.get(key, ()):
                row.setdefault("merged", set()).add("input_audio")
                for plan in (row, *row.get("services", {}).values()):
                    plan["rates"] = audio_as_text(plan["rates"])
                    plan_tiers = plan.get("tiers", [])
                    plan_tiers[:] = [[start, audio_as_text(rates)] for start, rates in plan_tiers]

    def price_pictures_as_output(self):
        for (_, model), rows in self.models.items():
            for row in rows if DRAWS_ALWAYS.search(model) else ():
                if "output_image" not in row["rates"]:
                    row["rates"] = in_order({**row["rates"], "output_image": row["rates"]["output"]})

    def take_local(self):
        apart = ("cache_read_audio", "cache_read_image", "input_image", "request", "web_search", "file_search")
        free = {kind: 0 for kind in RATES if kind not in apart}
        for provider in LOCAL_PROVIDERS:
            self.add(provider, "*", "local", [{"rates": in_order(free), "tiers": []}])
            self.prefixes[provider] = {"": "*"}

    def lines(self, sources):
        yield {"sources": sources, "disputed": sorted(self.disputed), "decided": sorted(DECIDED)}
        for provider, model in sorted(self.models):
            for place, row in enumerate(self.models[provider, model]):
                line = {"provider": provider, "model": model}
                aliases = sorted(self.aliases[provider, model])
                if aliases and place == 0:
                    line["aliases"] = aliases
                begins = self.prefixes.get(provider, {})
                begins = sorted(name for name, of in begins.items() if of == model)
                if begins and place == 0:
                    line["prefixes"] = begins
                for key in ("from", "until", "daily"):
                    if key in row:
                        line[key] = row[key]
                line["source"] = row["source"]
                line["rates"] = row["rates"]
                if row["tiers"]:
                    line["tiers"] = row["tiers"]
                if row.get("services"):
                    line["services"] = row["services"]
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
            if rows is None or rows[0]["source"] == "litellm":
                continue
            dated = len(rows) > 1 and place % 2 == 0
            if theirs.find_model(model.id) is not model:
                continue
            if not (model.id in always or dated or place % ORACLE_EVERY == 0):
                continue
            for at in ORACLE_TIMES if len(rows) > 1 else ORACLE_TIMES[:1]:
                yield from oracle_lines(theirs, ours, model, rows, at)


def oracle_lines(theirs, ours, model, rows, at):
    # Only rates of genai-prices' own: it does not know what was added to them.
    priced = set.intersection(*(set(row["rates"]) - row.get("merged", set()) for row in rows))
    apart = set.union(*(set(row["rates"]) for row in rows)) & {"cache_read_audio"}
    for usage in ORACLE_USAGES:
        parts = {"web_searches": "web_search"}
        needed = {parts.get(kind, kind) for kind in usage} - {"reasoning"}
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
    disputed = set()
    while True:
        book = Book(given.checked_on.isoformat(), frozenset(disputed))
        book.take_genai()
        book.take_litellm(entries)
        if book.disputes <= disputed:
            break
        disputed |= book.disputes
    book.price_audio_as_text()
    book.take_regional(entries)
    book.price_pictures_as_output()
    book.take_local()
    book.count["names on which the sources disagree; left out"] = len(disputed)
    genai = f"genai-prices {version('genai-prices')}"
    litellm = f"litellm {given.litellm_version}"
    checked = given.checked_on.isoformat()
    sources = {
        "genai-prices": {"name": genai, "checked_on": checked},
        "genai-prices+litellm": {"name": f"{genai}, {litellm}", "checked_on": checked},
        "litellm": {"name": litellm, "checked_on": checked},
        "local": {"name": "a server on this machine", "checked_on": checked},
    }
    write(given.prices, book.lines(sources))
    write(given.oracle, oracle(book))
    for what, count in sorted(book.count.items()):
        print(f"{count:6} {what}", file=sys.stderr)


if __name__ == "__main__":
    main()
