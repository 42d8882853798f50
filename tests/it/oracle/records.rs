//! Answers of providers with every kind of usage, generated the same in every run.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tollgate_core::{
    Format, ServiceTier, Usage,
    price::{PriceBook, PriceRow},
};

/// 2026-11-25, 12:00 UTC, and a peak hour of the same day.
const NOON: i64 = 1_795_608_000_000;
const PEAK: i64 = 1_795_573_800_000;

/// Records of each model and format.
const RECORDS_EACH: u64 = 9;

/// The formats that the providers' answers are generated in, and how many of their models: every so
/// many-th.
const PROVIDERS: [(&str, &[Format], usize); 10] = [
    ("anthropic", &[Format::AnthropicMessages], 1),
    ("openai", &[Format::OpenaiChat, Format::OpenaiResponses], 2),
    ("google", &[Format::Gemini], 1),
    ("deepseek", &[Format::OpenaiChat], 1),
    ("xai", &[Format::OpenaiChat], 1),
    ("mistral", &[Format::OpenaiChat], 2),
    ("groq", &[Format::OpenaiChat], 1),
    ("moonshotai", &[Format::OpenaiChat], 1),
    ("cerebras", &[Format::OpenaiChat], 1),
    ("togetherai", &[Format::OpenaiChat], 4),
];

/// One answer.
pub(crate) struct Record {
    pub(crate) provider: &'static str,
    pub(crate) model: String,
    pub(crate) format: Format,
    pub(crate) at_ms: i64,
    /// `None`: the standard one.
    pub(crate) tier: Option<ServiceTier>,
    /// As the provider sends it.
    pub(crate) answer: Value,
    /// What it says.
    pub(crate) usage: Usage,
}

impl Record {
    /// The line that the calculators read.
    pub(crate) fn line(&self) -> String {
        json!({
            "provider": self.provider,
            "model": self.model,
            "format": self.format.as_str(),
            "at_ms": self.at_ms,
            "tier": self.tier.map(ServiceTier::as_str),
            "answer": self.answer,
        })
        .to_string()
    }

    /// What an explanation can refer to: the kinds that are used, and those of them that `row`, which
    /// prices the record, has no rate for (`unpriced:cache_read`).
    pub(crate) fn tags(&self, row: &PriceRow) -> BTreeSet<String> {
        let usage = &self.usage;
        let kinds = [
            ("cache_read", usage.cache_read),
            ("cache_write_5m", usage.cache_write_5m),
            ("cache_write_1h", usage.cache_write_1h),
            ("reasoning", usage.reasoning),
            ("input_audio", usage.input_audio),
            ("output_audio", usage.output_audio),
            ("input_image", usage.input_image),
            ("output_image", usage.output_image),
            ("web_search", usage.web_searches),
            ("file_search", usage.file_searches),
        ];
        let prompt = usage.prompt_total().unwrap_or_default();
        let rates = row.rates_for(self.tier, prompt).unwrap_or_default().by_kind();
        let mut tags = BTreeSet::new();
        for (kind, _) in kinds.into_iter().filter(|(_, count)| count.is_some_and(|it| it > 0)) {
            tags.insert(kind.to_owned());
            if kind != "reasoning" && rates.iter().any(|it| it.0 == kind && it.1.is_none()) {
                tags.insert(format!("unpriced:{kind}"));
            }
        }
        tags.insert(self.format.as_str().to_owned());
        if let Some(tier) = self.tier {
            tags.insert(format!("tier:{}", tier.as_str()));
        }
        if usage.prompt_total().is_some_and(|it| it > 200_000) {
            tags.insert("long".to_owned());
        }
        if self.at_ms == PEAK {
            tags.insert("peak".to_owned());
        }
        tags
    }
}

/// The splitmix64 generator.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (it ^ (it >> 31)) % bound
    }

    /// A count in about half of the cases.
    fn sometimes(&mut self, below: u64) -> Option<u64> {
        (self.below(2) == 0).then(|| 1 + self.below(below))
    }
}

/// All records.
pub(crate) fn all(book: &PriceBook) -> Vec<Record> {
    let mut numbers = Numbers(4141);
    let mut records = Vec::new();
    for (provider, formats, every) in PROVIDERS {
        let mut models: Vec<&PriceRow> = Vec::new();
        let sold = |it: &&PriceRow| {
            it.provider == provider && it.rates.output.is_some() && !it.model.contains("embed")
        };
        for row in book.rows().filter(sold) {
            if models.last().is_none_or(|it| it.model != row.model) {
                models.push(row);
            }
        }
        for row in models.into_iter().step_by(every) {
            // Models that hear or speak are served by chat alone.
            let sounds = row.rates.input_audio.or(row.rates.output_audio).is_some();
            let hourly = book.rows().any(|it| it.model == row.model && it.daily.is_some());
            let spoken = |it: &&Format| !(sounds && **it == Format::OpenaiResponses);
            for format in formats.iter().filter(spoken) {
                for place in 0..RECORDS_EACH {
                    let at_ms = if hourly && place % 2 == 0 { PEAK } else { NOON };
                    records.push(record(provider, row, *format, at_ms, &mut numbers));
                }
            }
        }
    }
    records
}

fn record(
    provider: &'static str,
    row: &PriceRow,
    format: Format,
    at_ms: i64,
    numbers: &mut Numbers,
) -> Record {
    let tiers: Vec<ServiceTier> = row.services.keys().copied().collect();
    let tier = match tiers.len() {
        0 => None,
        some => {
            let place = usize::try_from(numbers.below(2 * some as u64)).unwrap();
            tiers.get(place).copied()
        }
    };
    let prompt_below = if numbers.below(4) == 0 { 400_000 } else { 9_000 };
    let mut usage = Usage {
        input: Some(1 + numbers.below(prompt_below)),
        output: Some(1 + numbers.below(5_000)),
        ..Usage::default()
    };
    usage.cache_read = numbers.sometimes(60_000);
    let (answer, usage) = match format {
        Format::AnthropicMessages => anthropic(row, tier, usage, numbers),
        Format::Gemini => gemini(row, tier, usage, numbers),
        Format::OpenaiResponses => responses(row, tier, usage, numbers),
        Format::OpenaiChat
        | Format::OpenaiEmbeddings
        | Format::BedrockConverse
        | Format::CohereEmbed
        | Format::OllamaEmbed => chat(row, tier, usage, numbers),
    };
    Record { provider, model: row.model.clone(), format, at_ms, tier, answer, usage }
}

fn anthropic(
    row: &PriceRow,
    tier: Option<ServiceTier>,
    mut usage: Usage,
    numbers: &mut Numbers,
) -> (Value, Usage) {
    usage.cache_write_5m = numbers.sometimes(20_000);
    usage.cache_write_1h = numbers.sometimes(20_000);
    usage.reasoning = numbers.sometimes(usage.output.unwrap());
    usage.web_searches = if row.rates.web_search.is_some() { numbers.sometimes(5) } else { None };
    let (five, hour) = (usage.cache_write_5m.unwrap_or(0), usage.cache_write_1h.unwrap_or(0));
    usage.cache_write_5m = Some(five);
    usage.cache_write_1h = Some(hour);
    usage.cache_read = Some(usage.cache_read.unwrap_or(0));
    let mut counts = json!({
        "input_tokens": usage.input,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": five + hour,
        "cache_creation": {
            "ephemeral_5m_input_tokens": five,
            "ephemeral_1h_input_tokens": hour,
        },
        "output_tokens": usage.output,
        "service_tier": tier.map_or("standard", ServiceTier::as_str),
    });
    if let Some(thinking) = usage.reasoning {
        counts["output_tokens_details"] = json!({"thinking_tokens": thinking});
    }
    if let Some(searches) = usage.web_searches {
        counts["server_tool_use"] = json!({"web_search_requests": searches});
    }
    let answer = json!({
        "type": "message", "role": "assistant", "model": row.model, "stop_reason": "end_turn",
        "content": [], "usage": counts,
    });
    (answer, usage)
}

fn gemini(
    row: &PriceRow,
    tier: Option<ServiceTier>,
    mut usage: Usage,
    numbers: &mut Numbers,
) -> (Value, Usage) {
    let cached = usage.cache_read;
    let fresh = usage.input.unwrap();
    usage.input_audio = if row.rates.input_audio.is_some() && cached.is_none() {
        numbers.sometimes(fresh)
    } else {
        None
    };
    let made = usage.output.unwrap();
    let drawn = row.rates.output_image.map(|_| numbers.below(made));
    usage.output_image = Some(drawn.unwrap_or(0));
    usage.reasoning = numbers.sometimes(3_000);
    usage.output = Some(made + usage.reasoning.unwrap_or(0));
    let audio = usage.input_audio.unwrap_or(0);
    let prompt = fresh + cached.unwrap_or(0);
    let part = |modality: &str, count: u64| json!({"modality": modality, "tokenCount": count});
    let mut counts = json!({
        "promptTokenCount": prompt,
        "candidatesTokenCount": made,
        "totalTokenCount": prompt + made + usage.reasoning.unwrap_or(0),
        "promptTokensDetails": [part("TEXT", prompt - audio)],
        "candidatesTokensDetails": [part("TEXT", made - drawn.unwrap_or(0))],
    });
    if audio > 0 {
        counts["promptTokensDetails"].as_array_mut().unwrap().push(part("AUDIO", audio));
    }
    if let Some(drawn) = drawn.filter(|it| *it > 0) {
        counts["candidatesTokensDetails"].as_array_mut().unwrap().push(part("IMAGE", drawn));
    }
    if let Some(cached) = cached {
        counts["cachedContentTokenCount"] = cached.into();
        counts["cacheTokensDetails"] = json!([part("TEXT", cached)]);
    }
    if let Some(thoughts) = usage.reasoning {
        counts["thoughtsTokenCount"] = thoughts.into();
    }
    if let Some(tier) = tier {
        counts["serviceTier"] = tier.as_str().into();
    }
    let answer = json!({
        "modelVersion": row.model,
        "candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": []}}],
        "usageMetadata": counts,
    });
    (answer, usage)
}

/// The details that both of OpenAI's formats share, in the names of one of them.
fn openai(row: &PriceRow, usage: &mut Usage, numbers: &mut Numbers, names: [&str; 4]) -> Value {
    if row.rates.cache_write_5m.is_some_and(|it| it.0 > 0) {
        usage.cache_write_5m = numbers.sometimes(20_000);
    }
    usage.reasoning = numbers.sometimes(usage.output.unwrap());
    if row.rates.input_audio.is_some() {
        usage.input_audio = numbers.sometimes(usage.input.unwrap());
    }
    if row.rates.output_audio.is_some() {
        let text = usage.output.unwrap() - usage.reasoning.unwrap_or(0);
        usage.output_audio = numbers.sometimes(text.max(1)).filter(|it| *it <= text);
    }
    if row.rates.output_image.is_some() {
        usage.output_image = Some(0);
    }
    let prompt = usage.prompt_total().unwrap();
    let made = usage.output.unwrap();
    // xAI counts reasoning beside the output.
    let beside = if row.provider == "xai" { usage.reasoning.unwrap_or(0) } else { 0 };
    let [input, output, input_details, output_details] = names;
    let mut counts = json!({input: prompt, output: made - beside, "total_tokens": prompt + made});
    let mut details = json!({"cached_tokens": usage.cache_read.unwrap_or(0)});
    usage.cache_read = Some(usage.cache_read.unwrap_or(0));
    for (name, count) in
        [("cache_write_tokens", usage.cache_write_5m), ("audio_tokens", usage.input_audio)]
    {
        if let Some(count) = count {
            details[name] = count.into();
        }
    }
    counts[input_details] = details;
    let mut details = json!({});
    for (name, count) in [
        ("reasoning_tokens", usage.reasoning),
        ("audio_tokens", usage.output_audio),
        ("image_tokens", usage.output_image),
    ] {
        if let Some(count) = count {
            details[name] = count.into();
        }
    }
    counts[output_details] = details;
    counts
}

fn chat(
    row: &PriceRow,
    tier: Option<ServiceTier>,
    mut usage: Usage,
    numbers: &mut Numbers,
) -> (Value, Usage) {
    let names = [
        "prompt_tokens",
        "completion_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    ];
    let mut counts = openai(row, &mut usage, numbers, names);
    if row.provider == "deepseek" {
        let cached = usage.cache_read.unwrap();
        counts["prompt_cache_hit_tokens"] = cached.into();
        counts["prompt_cache_miss_tokens"] = usage.input.into();
    }
    let answer = json!({
        "object": "chat.completion", "model": row.model,
        "service_tier": tier.map_or("default", ServiceTier::as_str),
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a"}}],
        "usage": counts,
    });
    (answer, usage)
}

fn responses(
    row: &PriceRow,
    tier: Option<ServiceTier>,
    mut usage: Usage,
    numbers: &mut Numbers,
) -> (Value, Usage) {
    let names = ["input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"];
    let counts = openai(row, &mut usage, numbers, names);
    let mut output = Vec::new();
    if row.rates.web_search.is_some() {
        usage.web_searches = numbers.sometimes(3);
    }
    if row.rates.file_search.is_some() {
        usage.file_searches = numbers.sometimes(3);
    }
    for _ in 0..usage.web_searches.unwrap_or(0) {
        output.push(
            json!({"type": "web_search_call", "status": "completed", "action": {"type": "search"}}),
        );
    }
    for _ in 0..usage.file_searches.unwrap_or(0) {
        output.push(json!({"type": "file_search_call", "status": "completed"}));
    }
    let answer = json!({
        "object": "response", "status": "completed", "model": row.model,
        "service_tier": tier.map_or("default", ServiceTier::as_str),
        "output": output, "usage": counts,
    });
    (answer, usage)
}
