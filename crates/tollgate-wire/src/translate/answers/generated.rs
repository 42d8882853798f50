//! A model's answer on its way: whole, as a stream, or an error.

use bytes::Bytes;

use super::{
    ANSWER_BYTES_MAX, Finished, GenerateConfig, Head,
    collect::{self, Collector},
    incoming::{self, Incoming},
    outgoing::{Fit, Writing},
};
use crate::{
    ir::{Answer, Event, Failure},
    loss::Losses,
    tap::End,
    translate::{
        Client, Framing, GeneratePlan, Provider, anthropic, bedrock, failure, gemini, json_into,
        openai_chat, openai_responses,
    },
};

/// Translates one answer.
pub(super) struct Generated {
    input: Input,
    output: Output,
    losses: Losses,
    plan: GeneratePlan,
    status: u16,
    retry_after_s: Option<u64>,
    fallback_id: String,
    created_s: u64,
}

enum Input {
    /// A body that must be whole to be read; `None` once it is too long.
    Whole(Option<Vec<u8>>),
    Stream(Box<Incoming>),
}

enum Output {
    Whole(Box<Collector>),
    Stream(Box<Writing>),
}

impl Generated {
    /// A translator for an answer whose head has arrived.
    pub(super) fn new(config: &GenerateConfig<'_>) -> Self {
        let input = if incoming::is_stream(config) && config.status < 400 {
            Input::Stream(Box::new(Incoming::new(config)))
        } else {
            Input::Whole(Some(Vec::new()))
        };
        let output = if config.plan.stream {
            Output::Stream(Box::new(Writing::new(config)))
        } else {
            Output::Whole(Box::new(Collector::fitting(config)))
        };
        Self {
            input,
            output,
            losses: Losses::default(),
            plan: config.plan.clone(),
            status: config.status,
            retry_after_s: config.retry_after_s,
            fallback_id: config.fallback_id.to_owned(),
            created_s: config.created_s,
        }
    }

    /// The head to send before the first byte; `None` when it is known only at the end, and until
    /// then `push` gives no bytes.
    pub(super) const fn head(&self) -> Option<Head> {
        match (&self.input, &self.output) {
            (Input::Stream(_), Output::Stream(_)) => Some(stream_head(self.plan.framing)),
            (Input::Whole(_), _) | (_, Output::Whole(_)) => None,
        }
    }

    /// Takes the next piece, in any size, and gives the client's bytes for it.
    pub(super) fn push(&mut self, piece: &[u8]) -> Bytes {
        let mut out = Vec::new();
        match &mut self.input {
            Input::Whole(body) => {
                if let Some(held) = body {
                    if held.len().saturating_add(piece.len()) > ANSWER_BYTES_MAX {
                        *body = None;
                    } else {
                        held.extend_from_slice(piece);
                    }
                }
            }
            Input::Stream(incoming) => {
                out.reserve(piece.len());
                let output = &mut self.output;
                incoming.push(piece, &mut self.losses, &mut |event| output.event(event, &mut out));
            }
        }
        out.into()
    }

    /// Ends the answer. A stream that did not come to its own end, by whatever fault, ends with the
    /// error event of the client's format.
    pub(super) fn finish(mut self, end: End) -> Finished {
        let mut out = Vec::new();
        let input = std::mem::replace(&mut self.input, Input::Whole(None));
        match input {
            Input::Stream(incoming) => {
                let output = &mut self.output;
                incoming.finish(end, &mut self.losses, &mut |event| output.event(event, &mut out));
            }
            Input::Whole(Some(body)) if self.status >= 400 => {
                let failure = failure::of_body(self.status, &body, self.retry_after_s);
                let status = self.status;
                return self.failed(&failure, status);
            }
            Input::Whole(Some(_)) if end == End::Broken => {
                return self.failed(&failure::cut_off(), BAD_ANSWER);
            }
            Input::Whole(Some(body)) => match self.whole(&body) {
                Ok(answer) => return self.answered(&answer),
                Err(failure) => return self.failed(&failure, failure::status_of(failure.kind)),
            },
            Input::Whole(None) => {
                let status = if self.status >= 400 { self.status } else { BAD_ANSWER };
                return self.failed(&failure::broken("the provider's answer is too long"), status);
            }
        }
        match std::mem::replace(&mut self.output, Output::Whole(Box::default())) {
            Output::Stream(mut writing) => {
                let head = stream_head(self.plan.framing);
                self.losses.append(writing.take_losses());
                self.finished(out, head, writing.failed())
            }
            Output::Whole(mut collector) => {
                self.losses.append(collector.take_losses());
                match collector.into_answer() {
                    Ok(answer) => self.answered(&answer),
                    Err(failure) => self.failed(&failure, failure::status_of(failure.kind)),
                }
            }
        }
    }

    fn whole(&mut self, body: &[u8]) -> Result<Answer, Failure> {
        let plan = self.plan.clone();
        let fallback_id = self.fallback_id.clone();
        let config = self.config(&plan, &fallback_id);
        let answer = match plan.provider {
            Provider::Chat => openai_chat::answer::read(body, &config, &mut self.losses)?,
            Provider::Anthropic => anthropic::answer::read(body, &mut self.losses)?,
            Provider::Responses => openai_responses::answer::read(body, &mut self.losses)?,
            Provider::Bedrock => bedrock::answer::read(body, &mut self.losses)?,
            // A whole answer is a stream of one event.
            Provider::Gemini => {
                let mut reader = gemini::stream::Reader::new(&config);
                let mut collector = Collector::default();
                reader.event(body, &mut self.losses, &mut |event| collector.event(event));
                reader.end(End::Complete, &mut |event| collector.event(event));
                collector.into_answer()?
            }
        };
        if Fit::is_sure(&plan, &answer) {
            return Ok(answer);
        }
        let mut collector = Collector::fitting(&config);
        collect::replay(&answer, &mut |event| collector.event(event));
        self.losses.append(collector.take_losses());
        collector.into_answer()
    }

    const fn config<'a>(&self, plan: &'a GeneratePlan, fallback_id: &'a str) -> GenerateConfig<'a> {
        GenerateConfig {
            plan,
            status: self.status,
            content_type: None,
            retry_after_s: self.retry_after_s,
            fallback_id,
            created_s: self.created_s,
        }
    }

    /// The whole answer in the client's format, as a stream if that was asked for.
    fn answered(mut self, answer: &Answer) -> Finished {
        let mut out = Vec::new();
        if let Output::Stream(writing) = &mut self.output {
            collect::replay(answer, &mut |event| writing.event(event, &mut out));
            let (head, failed) = (stream_head(self.plan.framing), writing.failed());
            return self.finished(out, head, failed);
        }
        let config = self.config(&self.plan, &self.fallback_id);
        let body = match self.plan.client {
            Client::Chat => openai_chat::answer::write(answer, &config),
            Client::Anthropic => anthropic::answer::write(answer, &config),
            Client::Gemini => gemini::answer::write(answer, &config),
            Client::Responses => openai_responses::answer::write(answer, &config),
        };
        json_into(&body, &mut out);
        self.finished(out, Head { status: 200, content_type: JSON }, false)
    }

    fn failed(mut self, failure: &Failure, status: u16) -> Finished {
        let format = self.plan.client.format();
        let status = failure::status_for(format, status);
        let mut out = Vec::new();
        json_into(&failure::body_of(format, failure, status), &mut out);
        self.retry_after_s = self.retry_after_s.or(failure.retry_after_s);
        self.finished(out, Head { status, content_type: JSON }, true)
    }

    fn finished(self, out: Vec<u8>, head: Head, failed: bool) -> Finished {
        Finished {
            bytes: out.into(),
            head,
            failed,
            retry_after_s: self.retry_after_s,
            losses: self.losses.into_vec(),
        }
    }
}

pub(super) const JSON: &str = "application/json";

const fn stream_head(framing: Framing) -> Head {
    let content_type = match framing {
        Framing::Events => "text/event-stream",
        Framing::List => JSON,
    };
    Head { status: 200, content_type }
}

/// The status of an answer that is a success to HTTP and to nobody else.
pub(super) const BAD_ANSWER: u16 = 502;

impl Output {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Whole(collector) => collector.event(event),
            Self::Stream(writing) => writing.event(event, out),
        }
    }
}
