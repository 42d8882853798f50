//! What a client is told whose call a budget stops: in words, and in the headers that its SDK reads.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::{Timestamp, tz::TimeZone};
use tollgate_core::{
    Format, UnixMs,
    budget::{Budget, Stop},
    call::ErrorCode,
};
use tollgate_wire::text;

use crate::{error::Refusal, limits::ASK_AGAIN_WITHIN_S};

/// Names the budget that stopped a call.
const BUDGET: HeaderName = HeaderName::from_static("x-tollgate-budget");
/// Tells OpenAI's and Anthropic's SDKs whether asking again soon makes sense.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A call that a budget stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stopped {
    budget: String,
    value: Option<String>,
    stop: Stop,
    now: UnixMs,
    why: String,
}

impl Stopped {
    pub(super) fn new(
        budget: &Budget,
        value: Option<&str>,
        stop: Stop,
        now: UnixMs,
        zone: &TimeZone,
    ) -> Self {
        Self {
            budget: budget.name.clone(),
            value: value.map(str::to_owned),
            why: why(&stop, zone),
            stop,
            now,
        }
    }

    pub(crate) fn refusal(self) -> Refusal {
        let message = text::over_budget(&self.budget, self.value.as_deref(), &self.why);
        let stopped = Some(Box::new(self));
        Refusal { stopped, ..Refusal::new(ErrorCode::OverBudget, message) }
    }

    /// In how many seconds it makes sense to ask again; `None`: not with this request.
    fn again_s(&self) -> Option<u64> {
        match self.stop {
            Stop::Money { purse, amount, need } => {
                let ms = purse.window.until.0.saturating_sub(self.now.0).max(0).cast_unsigned();
                (need <= amount).then(|| ms.div_ceil(1_000))
            }
            Stop::Unpriced => None,
            Stop::Requests { again_s, .. } | Stop::Tokens { again_s, .. } => again_s,
            Stop::Concurrent { most } => (most > 0).then_some(1),
        }
    }

    /// Puts what the client's SDK reads into the head of its answer. Sources: OpenAI's and Anthropic's
    /// documentation of rate limits, and what their SDKs look at before they ask again.
    pub(crate) fn tell(&self, format: Format, headers: &mut HeaderMap) {
        if let Ok(name) = HeaderValue::from_str(&self.budget) {
            headers.insert(BUDGET, name);
        }
        let again_s = self.again_s();
        if let Some(again_s) = again_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(again_s));
        }
        if again_s.is_none_or(|it| it > ASK_AGAIN_WITHIN_S) {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        let (what, most, left) = match self.stop {
            Stop::Requests { most, .. } => ("requests", most, 0),
            Stop::Tokens { most, used, .. } => ("tokens", most, most.saturating_sub(used)),
            Stop::Money { .. } | Stop::Unpriced | Stop::Concurrent { .. } => return,
        };
        let reset_s = again_s.unwrap_or_default();
        let lines = match format {
            Format::OpenaiChat | Format::OpenaiResponses | Format::OpenaiEmbeddings => [
                (format!("x-ratelimit-limit-{what}"), most.to_string()),
                (format!("x-ratelimit-remaining-{what}"), left.to_string()),
                (format!("x-ratelimit-reset-{what}"), format!("{reset_s}s")),
            ],
            Format::AnthropicMessages => [
                (format!("anthropic-ratelimit-{what}-limit"), most.to_string()),
                (format!("anthropic-ratelimit-{what}-remaining"), left.to_string()),
                (format!("anthropic-ratelimit-{what}-reset"), self.in_seconds(reset_s)),
            ],
            Format::Gemini
            | Format::BedrockConverse
            | Format::CohereEmbed
            | Format::OllamaEmbed => {
                return;
            }
        };
        for (name, value) in lines {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                headers.insert(name, value);
            }
        }
    }

    /// That moment, as RFC 3339 writes it.
    fn in_seconds(&self, seconds: u64) -> String {
        let later = i64::try_from(seconds).unwrap_or(i64::MAX);
        let at_s = (self.now.0 / 1_000).saturating_add(later);
        Timestamp::from_second(at_s).map(|it| it.to_string()).unwrap_or_default()
    }
}

fn why(stop: &Stop, zone: &TimeZone) -> String {
    match stop {
        Stop::Money { purse, amount, need } => {
            let until = Timestamp::from_millisecond(purse.window.until.0).unwrap_or_default();
            let until = until.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %:z").to_string();
            let [amount, spent] = [amount, &purse.spent].map(ToString::to_string);
            let [reserved, need] = [&purse.reserved, need].map(ToString::to_string);
            text::budget_money(purse.period.name(), [&amount, &spent, &reserved, &need], &until)
        }
        Stop::Unpriced => text::budget_unpriced(),
        Stop::Requests { most, .. } => text::budget_requests(*most),
        Stop::Tokens { most, used, need, .. } => text::budget_tokens(*most, *used, *need),
        Stop::Concurrent { most } => text::budget_concurrent(*most),
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::budget::{Account, Amounts, Need, OnLimit, Period};

    use super::*;

    /// 2026-11-25 10:00.
    const NOW: UnixMs = UnixMs(1_795_600_800_000);

    #[track_caller]
    fn check(amounts: Amounts, need: Need, format: Format, message: &str, expected: &str) {
        let account = Account::new(&amounts, NOW, &TimeZone::UTC);
        let stop = account.check(&amounts, &need).unwrap_err();
        let budget = Budget {
            name: "daily".to_owned(),
            scope: Vec::new(),
            each: None,
            amounts,
            warn_at: Vec::new(),
            on_limit: OnLimit::Stop,
            unknown: None,
        };
        let stopped = Stopped::new(&budget, Some("claude"), stop, NOW, &TimeZone::UTC);
        let refusal = stopped.refusal();
        let (prefix, why) = refusal.message.split_once(": ").unwrap();
        assert_eq!(prefix, "Tollgate's budget `daily` for `claude` stops this call");
        assert_eq!(why, message);
        let mut headers = HeaderMap::new();
        refusal.stopped.unwrap().tell(format, &mut headers);
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .filter(|it| it != "x-tollgate-budget: daily")
            .collect();
        lines.sort();
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn money_is_told_with_the_time_at_which_there_is_more() {
        let amounts = Amounts {
            money: vec![(Period::Day, PicoUsd(5_000_000_000_000))],
            ..Amounts::default()
        };
        let need = |money| Need { money: Some(PicoUsd(money)), tokens: 0 };
        check(
            amounts,
            need(6_000_000_000_000),
            Format::OpenaiChat,
            "of $5.00 a day, $0.00 is spent and $0.00 held for calls under way; this one can cost $6.00. The next day begins at 2026-11-26 00:00 +00:00.",
            "x-should-retry: false",
        );
    }

    use tollgate_core::PicoUsd;

    #[test]
    fn each_sdk_reads_its_own_headers() {
        let requests = || Amounts { requests_per_min: Some(0), ..Amounts::default() };
        let says = "it lets 0 through in a minute.";
        check(
            requests(),
            Need::default(),
            Format::OpenaiChat,
            says,
            "x-ratelimit-limit-requests: 0\nx-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 0s\nx-should-retry: false",
        );
        let tokens = || Amounts { tokens_per_min: Some(7), ..Amounts::default() };
        let need = || Need { money: None, tokens: 8 };
        check(
            tokens(),
            need(),
            Format::AnthropicMessages,
            "of 7 tokens a minute, 0 are taken; this call can take 8.",
            "anthropic-ratelimit-tokens-limit: 7\nanthropic-ratelimit-tokens-remaining: 7\nanthropic-ratelimit-tokens-reset: 2026-11-25T10:00:00Z\nx-should-retry: false",
        );
        check(
            tokens(),
            need(),
            Format::Gemini,
            "of 7 tokens a minute, 0 are taken; this call can take 8.",
            "x-should-retry: false",
        );
        let concurrent = Amounts { concurrent: Some(0), ..Amounts::default() };
        let says = "it lets 0 be under way at the same time.";
        check(concurrent, Need::default(), Format::OpenaiChat, says, "x-should-retry: false");
    }
}
