//! What was read so far, and which reader reads the next JSON text.

use tollgate_core::{Format, ServiceTier, Usage};

use super::{Choices, Gap, ProviderError, Report};
use crate::{
    anthropic_messages, bedrock_converse, cohere_embed, event_stream::Frame, gemini, ollama_embed,
    openai_chat, openai_responses, sse::SseEvent, tier::Tier,
};

/// A format's own memory between events.
enum Reader {
    /// OpenAI chat, and every OpenAI path whose answer has a `usage` of either spelling.
    Openai(Choices),
    Responses,
    Anthropic(anthropic_messages::Counts),
    Gemini(gemini::Memory),
    Bedrock,
    Cohere,
    Ollama,
}

/// What was read so far.
pub(crate) struct Seen {
    reader: Reader,
    /// Whether events that cannot matter are passed over; tests compare with all of them parsed.
    pub(super) skips: bool,
    pub(crate) usage: Usage,
    pub(crate) service_tier: Option<ServiceTier>,
    pub(crate) other_fees: bool,
    pub(crate) model: Option<String>,
    pub(crate) stop_reason: Option<String>,
    pub(crate) error: Option<ProviderError>,
    pub(crate) terminal: bool,
    /// Whether nothing can be missing.
    pub(crate) ended: bool,
    pub(crate) first_token: bool,
    pub(crate) gap: Option<Gap>,
}

impl Seen {
    pub(super) fn new(format: Format) -> Self {
        let reader = match format {
            Format::OpenaiChat | Format::OpenaiEmbeddings => Reader::Openai(Choices::default()),
            Format::OpenaiResponses => Reader::Responses,
            Format::AnthropicMessages => Reader::Anthropic(anthropic_messages::Counts::default()),
            Format::Gemini => Reader::Gemini(gemini::Memory::default()),
            Format::BedrockConverse => Reader::Bedrock,
            Format::CohereEmbed => Reader::Cohere,
            Format::OllamaEmbed => Reader::Ollama,
        };
        Self {
            reader,
            skips: true,
            usage: Usage::default(),
            service_tier: None,
            other_fees: false,
            model: None,
            stop_reason: None,
            error: None,
            terminal: false,
            ended: false,
            first_token: false,
            gap: None,
        }
    }

    /// Keeps the model's name unless it is known.
    pub(crate) fn saw_model(&mut self, model: Option<&str>) {
        if self.model.is_none() {
            self.model = model.map(str::to_owned);
        }
    }

    /// Keeps the newest tier.
    pub(crate) fn saw_tier(&mut self, tier: Tier) {
        self.service_tier = tier.0.or(self.service_tier);
    }

    /// Notes the last event of a stream, behind which nothing comes.
    pub(crate) const fn saw_end(&mut self) {
        self.terminal = true;
        self.ended = true;
    }

    /// Keeps the newest stop reason.
    pub(crate) fn saw_stop(&mut self, reason: Option<&str>) {
        if let Some(reason) = reason
            && self.stop_reason.as_deref() != Some(reason)
        {
            self.stop_reason = Some(reason.to_owned());
        }
    }

    pub(super) fn sse_event(&mut self, event: &SseEvent<'_>) {
        let passed_over = self.is_skipping() && !self.may_matter(event.raw());
        if passed_over && !self.is_newest_usage(event.raw()) {
            return;
        }
        let Some(data) = event.data() else { return };
        if passed_over {
            self.keep(&data);
        } else {
            self.parse(&data, event.name());
        }
    }

    /// An event of a JSON list.
    pub(super) fn event(&mut self, json: &[u8]) {
        if self.is_skipping() && !self.may_matter(json) {
            if self.is_newest_usage(json) {
                self.keep(json);
            }
        } else {
            self.parse(json, None);
        }
    }

    /// A frame of a binary stream. Its name tells whether it can matter.
    pub(super) fn frame(&mut self, frame: Frame<'_>) {
        if bedrock_converse::read_frame(self, frame).is_err() {
            self.gap.get_or_insert(Gap::NotJson);
        }
    }

    /// A body that does not stream.
    pub(super) fn whole(&mut self, json: &[u8]) {
        let read = match &self.reader {
            Reader::Responses => openai_responses::read_body(self, json),
            Reader::Openai(_)
            | Reader::Anthropic(_)
            | Reader::Gemini(_)
            | Reader::Bedrock
            | Reader::Cohere
            | Reader::Ollama => {
                self.parse(json, None);
                Ok(())
            }
        };
        if read.is_err() {
            self.gap.get_or_insert(Gap::NotJson);
        }
        self.first_token = false;
        self.terminal = self.gap.is_none();
        self.ended = self.terminal;
    }

    /// Whether all that any event may bring, the first token and the model's name, is known.
    const fn is_skipping(&self) -> bool {
        self.skips && self.first_token && self.model.is_some()
    }

    fn may_matter(&self, raw: &[u8]) -> bool {
        match &self.reader {
            Reader::Openai(_) => openai_chat::may_matter(raw),
            Reader::Responses => openai_responses::may_matter(raw),
            Reader::Anthropic(_) => anthropic_messages::may_matter(raw),
            Reader::Gemini(_) => gemini::may_matter(raw),
            Reader::Bedrock | Reader::Cohere | Reader::Ollama => true,
        }
    }

    fn is_newest_usage(&self, raw: &[u8]) -> bool {
        matches!(self.reader, Reader::Gemini(_)) && gemini::holds_usage(raw)
    }

    fn keep(&mut self, json: &[u8]) {
        if let Reader::Gemini(memory) = &mut self.reader {
            memory.newest.clear();
            memory.newest.extend_from_slice(json);
        }
    }

    fn parse(&mut self, json: &[u8], name: Option<&[u8]>) {
        if json.trim_ascii() == b"[DONE]" {
            self.saw_end();
            return;
        }
        let mut reader = std::mem::replace(&mut self.reader, Reader::Responses);
        let read = match &mut reader {
            Reader::Openai(choices) => openai_chat::read(self, choices, json),
            Reader::Responses => openai_responses::read_event(self, json, name),
            Reader::Anthropic(counts) => anthropic_messages::read(self, counts, json, name),
            Reader::Gemini(memory) => gemini::read(self, memory, json),
            Reader::Bedrock => bedrock_converse::read(self, json),
            Reader::Cohere => cohere_embed::read(self, json),
            Reader::Ollama => ollama_embed::read(self, json),
        };
        self.reader = reader;
        if read.is_err() {
            self.gap.get_or_insert(Gap::NotJson);
        }
    }

    pub(super) fn report(&mut self) -> Report {
        if let Reader::Gemini(memory) = &mut self.reader {
            let newest = std::mem::take(&mut memory.newest);
            if !newest.is_empty() {
                self.parse(&newest, None);
            }
        }
        if let Reader::Gemini(memory) = &self.reader {
            let searches = memory.searches;
            gemini::bill_searches(self, searches);
        }
        Report {
            usage: self.usage,
            service_tier: self.service_tier,
            other_fees: self.other_fees,
            model_served: self.model.take(),
            stop_reason: self.stop_reason.take(),
            error: self.error.take(),
            terminal_seen: self.terminal,
            ended: self.ended,
            first_token_seen: self.first_token,
            inside_event: false,
            gap: self.gap,
        }
    }
}
