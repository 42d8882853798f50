//! What certain calls may come to: `[[budgets]]`.

use http::Uri;
use jiff::tz::TimeZone;
use serde::Deserialize;
use tollgate_core::{
    PicoUsd,
    budget::{Amounts, Budget, BudgetSet, Dimension, OnLimit, Pattern, Period},
};
use toml::Spanned;

use super::{Mistake, one_of, prices::exact, refresh::http_url};

/// The most budgets: each is looked at for every call.
pub const BUDGETS_MAX: usize = 64;

/// The longest name, in bytes: it stands in a header and in each call that the budget stops.
pub const BUDGET_NAME_BYTES_MAX: usize = 100;

/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 256;

/// Digits after the point of an amount: to the pico-dollar.
const DECIMALS_MAX: usize = 12;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBudget {
    name: Spanned<String>,
    program: Option<Spanned<String>>,
    project: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    model: Option<Spanned<String>>,
    provider: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    each: Option<Spanned<String>>,
    usd_per_hour: Option<Spanned<String>>,
    usd_per_day: Option<Spanned<String>>,
    usd_per_week: Option<Spanned<String>>,
    usd_per_month: Option<Spanned<String>>,
    requests_per_min: Option<u64>,
    tokens_per_min: Option<u64>,
    concurrent: Option<u64>,
    warn_at: Option<Spanned<Vec<Spanned<u8>>>>,
    on_limit: Option<Spanned<String>>,
    unknown_usd: Option<Spanned<String>>,
}

/// Who is told what happens to budgets.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOnBudget {
    url: Option<Spanned<String>>,
}

/// Where the news of budgets are posted.
pub(super) fn valid_on_budget(raw: RawOnBudget) -> Result<Option<Uri>, Mistake> {
    raw.url.map(|it| http_url(&it)).transpose()
}

/// The budgets of the file, by this machine's calendar.
pub(super) fn valid_budgets(raw: &[RawBudget]) -> Result<BudgetSet, Mistake> {
    if let Some(beyond) = raw.get(BUDGETS_MAX) {
        let message = format!("there are more than {BUDGETS_MAX} budgets");
        return Err(Mistake::new(&beyond.name, message));
    }
    let mut budgets: Vec<Budget> = Vec::with_capacity(raw.len());
    for it in raw {
        let budget = valid_budget(it)?;
        if budgets.iter().any(|known| known.name == budget.name) {
            let message = format!("a budget `{}` stands here twice", budget.name);
            return Err(Mistake::new(&it.name, message));
        }
        budgets.push(budget);
    }
    Ok(BudgetSet { budgets, zone: TimeZone::system() })
}

fn valid_budget(raw: &RawBudget) -> Result<Budget, Mistake> {
    let name = raw.name.get_ref();
    let is_printable = name.bytes().all(|it| (b' '..=b'~').contains(&it));
    if name.trim().is_empty() || name.len() > BUDGET_NAME_BYTES_MAX || !is_printable {
        let message = format!(
            "a budget's name has 1 to {BUDGET_NAME_BYTES_MAX} letters, digits, spaces and signs of ASCII: \
             clients get it in a header"
        );
        return Err(Mistake::new(&raw.name, message));
    }
    let scope = [
        (Dimension::Program, &raw.program),
        (Dimension::Project, &raw.project),
        (Dimension::User, &raw.user),
        (Dimension::Model, &raw.model),
        (Dimension::Provider, &raw.provider),
        (Dimension::Key, &raw.key),
    ];
    let scope = scope.into_iter().filter_map(|(dimension, text)| Some((dimension, text.as_ref()?)));
    let scope = scope.map(|(dimension, text)| Ok((dimension, valid_pattern(text)?)));
    let scope = scope.collect::<Result<Vec<_>, Mistake>>()?;
    let amounts = valid_amounts(raw)?;
    if amounts.is_empty() {
        let message = format!(
            "budget `{name}` limits nothing: give it `usd_per_hour`, `usd_per_day`, `usd_per_week`, \
             `usd_per_month`, `requests_per_min`, `tokens_per_min` or `concurrent`"
        );
        return Err(Mistake::new(&raw.name, message));
    }
    let needs_money = |it: &Spanned<_>, what: &str| {
        let message = format!("`{what}` is about money, which this budget does not limit");
        Mistake::new(it, message)
    };
    if let Some(it) = raw.unknown_usd.as_ref().filter(|_| amounts.money.is_empty()) {
        return Err(needs_money(it, "unknown_usd"));
    }
    let warn_at = raw.warn_at.as_ref().map(|it| valid_thresholds(it, &amounts)).transpose()?;
    Ok(Budget {
        name: name.clone(),
        scope,
        each: raw.each.as_ref().map(valid_each).transpose()?,
        amounts,
        warn_at: warn_at.unwrap_or_default(),
        on_limit: raw.on_limit.as_ref().map(valid_action).transpose()?.unwrap_or_default(),
        unknown: raw.unknown_usd.as_ref().map(dollars).transpose()?,
    })
}

fn valid_amounts(raw: &RawBudget) -> Result<Amounts, Mistake> {
    let money = [
        (Period::Hour, &raw.usd_per_hour),
        (Period::Day, &raw.usd_per_day),
        (Period::Week, &raw.usd_per_week),
        (Period::Month, &raw.usd_per_month),
    ];
    let money = money.into_iter().filter_map(|(period, text)| Some((period, text.as_ref()?)));
    let money = money.map(|(period, text)| Ok((period, dollars(text)?)));
    Ok(Amounts {
        money: money.collect::<Result<_, Mistake>>()?,
        requests_per_min: raw.requests_per_min,
        tokens_per_min: raw.tokens_per_min,
        concurrent: raw.concurrent,
    })
}

fn dollars(text: &Spanned<String>) -> Result<PicoUsd, Mistake> {
    exact(text.get_ref(), DECIMALS_MAX).ok_or_else(|| {
        let message = format!(
            "`{}` is not an amount: use dollars as decimal text of at most {DECIMALS_MAX} places, such as \"5.00\"",
            text.get_ref()
        );
        Mistake::new(text, message)
    })
}

pub(super) fn valid_pattern(text: &Spanned<String>) -> Result<Pattern, Mistake> {
    let length = text.get_ref().len();
    if length == 0 || length > PATTERN_BYTES_MAX {
        let message = format!(
            "a name has 1 to {PATTERN_BYTES_MAX} bytes, in which `*` stands for any text; leave it out for all"
        );
        return Err(Mistake::new(text, message));
    }
    Ok(Pattern::new(text.get_ref().clone()))
}

fn valid_each(text: &Spanned<String>) -> Result<Dimension, Mistake> {
    one_of(text, Dimension::ALL, Dimension::name, |text, names| {
        format!("calls are not told apart by `{text}`: use {names}")
    })
}

fn valid_action(text: &Spanned<String>) -> Result<OnLimit, Mistake> {
    match text.get_ref().as_str() {
        "stop" => Ok(OnLimit::Stop),
        "warn" => Ok(OnLimit::Warn),
        other => Err(Mistake::new(text, format!("`{other}` is neither `stop` nor `warn`"))),
    }
}

fn valid_thresholds(
    raw: &Spanned<Vec<Spanned<u8>>>,
    amounts: &Amounts,
) -> Result<Vec<u8>, Mistake> {
    if amounts.money.is_empty() {
        let message = "`warn_at` is about money, which this budget does not limit";
        return Err(Mistake::new(raw, message.to_owned()));
    }
    let mut known = 0;
    let percents = raw.get_ref().iter().map(|it| {
        let percent = *it.get_ref();
        if percent <= known || percent > 100 {
            let message = "`warn_at` has rising parts of the amount in percent, 1 to 100";
            return Err(Mistake::new(it, message.to_owned()));
        }
        known = percent;
        Ok(percent)
    });
    percents.collect()
}

#[cfg(test)]
mod tests {
    use tollgate_core::provider::Catalogue;

    use super::{super::Config, *};

    fn parse(text: &str) -> Result<BudgetSet, String> {
        let catalogue = Catalogue::embedded().unwrap();
        Config::parse(text, &catalogue).map(|it| it.budgets).map_err(|it| {
            let (line, column) = super::super::line_and_column(text, it.at);
            format!("{line}:{column}: {}", it.message)
        })
    }

    #[test]
    fn reads_the_documented_budgets() {
        let text = include_str!("../../../../docs/budgets.md");
        let blocks = text.split("```toml\n").skip(1).filter_map(|it| it.split("```").next());
        let mut read = 0;
        for block in blocks {
            read += parse(block).unwrap_or_else(|it| panic!("{it}\n{block}")).budgets.len();
        }
        assert!(read >= 4, "{read}");
    }

    #[test]
    fn a_budget_is_read_to_the_last_field() {
        let set = parse(
            r#"
            [[budgets]]
            name = "agents"
            program = "claude*"
            provider = "anthropic"
            each = "project"
            usd_per_day = "5"
            usd_per_hour = "0.5"
            requests_per_min = 60
            tokens_per_min = 0
            concurrent = 4
            warn_at = [50, 100]
            on_limit = "warn"
            unknown_usd = "0.01"
            "#,
        );
        let [budget] = &set.unwrap().budgets[..] else { panic!("one budget") };
        let expected = Budget {
            name: "agents".to_owned(),
            scope: vec![
                (Dimension::Program, Pattern::new("claude*".to_owned())),
                (Dimension::Provider, Pattern::new("anthropic".to_owned())),
            ],
            each: Some(Dimension::Project),
            amounts: Amounts {
                money: vec![
                    (Period::Hour, PicoUsd(500_000_000_000)),
                    (Period::Day, PicoUsd(5_000_000_000_000)),
                ],
                requests_per_min: Some(60),
                tokens_per_min: Some(0),
                concurrent: Some(4),
            },
            warn_at: vec![50, 100],
            on_limit: OnLimit::Warn,
            unknown: Some(PicoUsd(10_000_000_000)),
        };
        assert_eq!(*budget, expected);
    }

    #[test]
    fn mistakes_in_a_budget_name_their_place_and_what_would_be_right() {
        let check = |text: &str, place: &str, says: &str| {
            let message = parse(&format!("[[budgets]]\n{text}")).unwrap_err();
            assert!(message.starts_with(place) && message.contains(says), "{message}");
        };
        let day = "usd_per_day = '1'";
        check(day, "1:1: ", "`name`");
        check(&format!("name = ''\n{day}"), "2:8: ", "1 to 100");
        check(&format!("name = 'täglich'\n{day}"), "2:8: ", "ASCII");
        check("name = 'a'", "2:8: ", "limits nothing");
        check("name = 'a'\nusd_per_day = 5", "3:15: ", "string");
        check("name = 'a'\nusd_per_day = '-1'", "3:15: ", "\"5.00\"");
        check("name = 'a'\nusd_per_day = '$5'", "3:15: ", "\"5.00\"");
        check("name = 'a'\nusd_per_year = '1'", "3:1: ", "`usd_per_month`");
        check(&format!("name = 'a'\n{day}\nprogram = ''"), "4:11: ", "leave it out");
        check(&format!("name = 'a'\n{day}\neach = 'ip'"), "4:8: ", "`project`");
        check(&format!("name = 'a'\n{day}\non_limit = 'kill'"), "4:12: ", "`warn`");
        check(&format!("name = 'a'\n{day}\nwarn_at = [80, 50]"), "4:16: ", "rising");
        check(&format!("name = 'a'\n{day}\nwarn_at = [101]"), "4:12: ", "1 to 100");
        check("name = 'a'\nconcurrent = 1\nwarn_at = [50]", "4:11: ", "money");
        check("name = 'a'\nconcurrent = 1\nunknown_usd = '1'", "4:15: ", "money");
        check("name = 'a'\nrequests_per_min = -1", "3:20: ", "u64");
        let message = parse("[on_budget]\nurl = 'ftp://a/b'").unwrap_err();
        assert!(message.starts_with("2:7: ") && message.contains("http(s)"), "{message}");
        check(&format!("name = 'a'\n{day}\n[[budgets]]\nname = 'a'\n{day}"), "5:8: ", "twice");
    }
}
