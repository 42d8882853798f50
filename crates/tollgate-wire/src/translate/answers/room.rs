//! What the client's format has no room for: left out of its answer, and told.

use crate::{
    ir::{Answer, Event, Opening, PerChoice, ScoredToken},
    loss::Losses,
    translate::{Client, GeneratePlan, Provider},
};

/// Leaves out what the client's format has no room for.
pub(super) struct Room {
    client: Client,
    provider: Provider,
    /// Whether a refusal is open, in each choice.
    refusing: PerChoice<bool>,
    /// What was left out; paths are those of the provider's body.
    pub(super) losses: Losses,
}

impl Room {
    pub(super) fn new(plan: &GeneratePlan) -> Self {
        let GeneratePlan { client, provider, .. } = *plan;
        Self { client, provider, refusing: PerChoice::default(), losses: Losses::default() }
    }

    /// Whether every format has room for all of an answer.
    pub(super) fn is_sure(answer: &Answer) -> bool {
        answer.choices.iter().flat_map(|it| &it.parts).all(|it| it.tokens.is_empty())
    }

    pub(super) fn event<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        match event {
            Event::Choice(index) => {
                self.refusing.turn_to(index);
                Some(event)
            }
            Event::PartStart(ref opening) => {
                *self.refusing.now() = *opening == Opening::Refusal;
                Some(event)
            }
            Event::Scored { text, tokens } => self.scored(text, tokens),
            Event::Start { .. }
            | Event::Delta(_)
            | Event::Sealed(_)
            | Event::PartEnd
            | Event::Ping
            | Event::Stop(_)
            | Event::End(_)
            | Event::Failed(_) => Some(event),
        }
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
            Client::Responses => !*self.refusing.now(),
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
        let choice = self.refusing.at();
        match self.provider {
            Provider::Chat => format!("choices[{choice}].logprobs"),
            Provider::Gemini => format!("candidates[{choice}].logprobsResult"),
            Provider::Responses => "output.content.logprobs".to_owned(),
            Provider::Anthropic | Provider::Bedrock => "logprobs".to_owned(),
        }
    }
}

/// Whether a token's bytes are others than those of its text.
fn is_piece_of_letter(token: &ScoredToken) -> bool {
    let mut scores = std::iter::once(&token.chosen).chain(&token.likeliest);
    scores.any(|it| it.bytes.as_ref().is_some_and(|bytes| bytes != it.token.as_bytes()))
}
