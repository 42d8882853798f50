//! What the client's format has no room for: left out of its answer, and told.

use crate::{
    ir::{Answer, Content, Event, Opening, PerChoice, ScoredToken, Source},
    loss::Losses,
    translate::{Client, GeneratePlan, Provider, failure},
};

/// Leaves out what the client's format has no room for.
pub(super) struct Room {
    client: Client,
    provider: Provider,
    choices: PerChoice<Said>,
    /// What was left out; paths are those of the provider's body.
    pub(super) losses: Losses,
}

/// What came of a choice.
#[derive(Default)]
struct Said {
    /// Whether a refusal is open, or something that is left out.
    refusing: bool,
    skipping: bool,
    /// Whether something of it was told, and whether something was left out.
    told: bool,
    left_out: bool,
}

impl Room {
    pub(super) fn new(plan: &GeneratePlan) -> Self {
        let GeneratePlan { client, provider, .. } = *plan;
        Self { client, provider, choices: PerChoice::default(), losses: Losses::default() }
    }

    /// Whether every format has room for all of an answer.
    pub(super) fn is_sure(answer: &Answer) -> bool {
        let mut parts = answer.choices.iter().flat_map(|it| &it.parts);
        parts.all(|it| it.tokens.is_empty() && !matches!(it.content, Content::Image(_)))
    }

    pub(super) fn event<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        match event {
            Event::Choice(index) => {
                self.choices.turn_to(index);
                Some(event)
            }
            Event::PartStart(opening) => self.part(opening),
            Event::Scored { text, tokens } => self.scored(text, tokens),
            Event::PartEnd => {
                let skipped = std::mem::take(&mut self.choices.now().skipping);
                (!skipped).then_some(event)
            }
            Event::Stop(_) => {
                let choice = self.choices.now();
                let nothing_left = choice.left_out && !choice.told;
                Some(if nothing_left { Event::Failed(failure::broken(NO_ROOM)) } else { event })
            }
            Event::Start { .. }
            | Event::Delta(_)
            | Event::Sealed(_)
            | Event::Ping
            | Event::End(_)
            | Event::Failed(_) => Some(event),
        }
    }

    fn part<'a>(&mut self, opening: Opening<'a>) -> Option<Event<'a>> {
        let place = self.choices.at();
        let choice = self.choices.now();
        choice.refusing = opening == Opening::Refusal;
        if let Opening::Image(source) = &opening
            && !self.client.has_room_for(source)
        {
            choice.skipping = true;
            choice.left_out = true;
            let why = "the client's format has no room for such a picture";
            self.losses.note(pictures_at(self.provider, place), why);
            return None;
        }
        choice.told |= !matches!(opening, Opening::Thinking | Opening::Redacted(_));
        Some(Event::PartStart(opening))
    }

    fn scored<'a>(&mut self, text: &'a str, tokens: Vec<ScoredToken>) -> Option<Event<'a>> {
        let has_room = match self.client {
            Client::Chat => true,
            Client::Gemini => {
                if tokens.iter().any(is_piece_of_letter) {
                    let at = format!("{}.bytes", self.tokens_at());
                    self.losses.note(at, "Gemini tells a token's text and not its bytes");
                }
                true
            }
            Client::Responses => !self.choices.now().refusing,
            Client::Anthropic => false,
        };
        if has_room {
            return Some(Event::Scored { text, tokens });
        }
        self.losses.note(self.tokens_at(), "log probabilities have no counterpart");
        (!text.is_empty()).then_some(Event::Delta(text))
    }

    /// Where log probabilities stand in the provider's body.
    fn tokens_at(&self) -> String {
        let choice = self.choices.at();
        match self.provider {
            Provider::Chat => format!("choices[{choice}].logprobs"),
            Provider::Gemini => format!("candidates[{choice}].logprobsResult"),
            Provider::Responses => "output.content.logprobs".to_owned(),
            Provider::Anthropic | Provider::Bedrock => "logprobs".to_owned(),
        }
    }
}

/// What is said where nothing of an answer is left.
const NO_ROOM: &str =
    "the provider's answer is a picture, for which the client's format has no room";

impl Client {
    /// Whether a picture can stand in an answer.
    const fn has_room_for(self, source: &Source) -> bool {
        match (self, source) {
            (Self::Chat | Self::Gemini, Source::Url { .. } | Source::Base64 { .. })
            | (Self::Responses, Source::Base64 { .. }) => true,
            (Self::Responses, Source::Url { .. }) | (_, Source::Text(_)) | (Self::Anthropic, _) => {
                false
            }
        }
    }
}

/// Where the pictures of a choice stand in the provider's body.
fn pictures_at(provider: Provider, choice: usize) -> String {
    match provider {
        Provider::Chat => format!("choices[{choice}].message.images"),
        Provider::Gemini => format!("candidates[{choice}].content.parts.inlineData"),
        Provider::Responses => "output.result".to_owned(),
        Provider::Anthropic | Provider::Bedrock => "images".to_owned(),
    }
}

/// Whether a token's bytes are others than those of its text.
fn is_piece_of_letter(token: &ScoredToken) -> bool {
    let mut scores = std::iter::once(&token.chosen).chain(&token.likeliest);
    scores.any(|it| it.bytes.as_ref().is_some_and(|bytes| bytes != it.token.as_bytes()))
}
