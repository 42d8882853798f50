//! Which answers are cached: `[cache]`, and `cache` of each of the user's own models.

use std::time::Duration;

use serde::Deserialize;
use tollgate_gateway::{
    CACHE_BYTES_MAX, CACHE_ENTRIES_MAX, CACHE_TTL_MAX, CacheBounds, CacheScope, CacheSettings,
    Caching, IGNORABLE_FIELDS, Pace,
};
use toml::Spanned;

use super::{Mistake, models::RawModel, one_of, within};

const MIB: usize = 1 << 20;

/// How calls use the cache; what is left out is as in `[cache]`, or as usual there.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCaching {
    on: Option<bool>,
    ttl_s: Option<Spanned<u64>>,
    scope: Option<Spanned<String>>,
    pace: Option<Spanned<String>>,
    tool_calls: Option<bool>,
    ignore: Option<Vec<Spanned<String>>>,
}

/// `[cache]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCache {
    on: Option<bool>,
    ttl_s: Option<Spanned<u64>>,
    scope: Option<Spanned<String>>,
    pace: Option<Spanned<String>>,
    tool_calls: Option<bool>,
    ignore: Option<Vec<Spanned<String>>>,
    entries: Option<Spanned<u64>>,
    mib: Option<Spanned<u64>>,
}

/// The settings of the file.
pub(super) fn valid_cache(raw: RawCache, models: &[RawModel]) -> Result<CacheSettings, Mistake> {
    let RawCache { on, ttl_s, scope, pace, tool_calls, ignore, entries, mib } = raw;
    let bounds = valid_bounds(entries.as_ref(), mib.as_ref())?;
    let usual = RawCaching { on, ttl_s, scope, pace, tool_calls, ignore };
    let usual_of_all = laid_over(&Caching::default(), &usual)?;
    let is_usual = usual.on.unwrap_or(false);
    let own = models.iter().filter_map(|it| Some((it.name(), it.cache()?)));
    let own = own.map(|(name, raw)| {
        let caching = laid_over(&usual_of_all, raw)?;
        Ok((name.to_owned(), raw.on.unwrap_or(is_usual).then_some(caching)))
    });
    let models = own.collect::<Result<_, Mistake>>()?;
    Ok(CacheSettings { usual: is_usual.then_some(usual_of_all), models, bounds })
}

fn laid_over(usual: &Caching, raw: &RawCaching) -> Result<Caching, Mistake> {
    let scope = raw.scope.as_ref().map(|it| named(it, CacheScope::ALL, CacheScope::name));
    let pace = raw.pace.as_ref().map(|it| named(it, Pace::ALL, Pace::name));
    let ignored = raw.ignore.as_ref().map(|it| it.iter().map(ignorable).collect());
    Ok(Caching {
        ttl: raw.ttl_s.as_ref().map(valid_ttl).transpose()?.unwrap_or(usual.ttl),
        scope: scope.transpose()?.unwrap_or(usual.scope),
        pace: pace.transpose()?.unwrap_or(usual.pace),
        tool_calls: raw.tool_calls.unwrap_or(usual.tool_calls),
        ignored: ignored.transpose()?.unwrap_or_else(|| usual.ignored.clone()),
    })
}

fn valid_ttl(seconds: &Spanned<u64>) -> Result<Duration, Mistake> {
    within(seconds, CACHE_TTL_MAX.as_secs(), "seconds").map(Duration::from_secs)
}

fn named<T: Copy, const N: usize>(
    text: &Spanned<String>,
    all: [T; N],
    name: fn(T) -> &'static str,
) -> Result<T, Mistake> {
    one_of(text, all, name, |text, names| format!("`{text}` is none of {names}"))
}

fn ignorable(text: &Spanned<String>) -> Result<&'static str, Mistake> {
    IGNORABLE_FIELDS.into_iter().find(|it| it == text.get_ref()).ok_or_else(|| {
        let names = IGNORABLE_FIELDS.map(|it| format!("`{it}`")).join(", ");
        let message = format!(
            "`{}` may change the answer: only {names} can be left out of what tells requests apart",
            text.get_ref()
        );
        Mistake::new(text, message)
    })
}

fn valid_bounds(
    entries: Option<&Spanned<u64>>,
    mib: Option<&Spanned<u64>>,
) -> Result<CacheBounds, Mistake> {
    let within = |it: &Spanned<u64>, max: usize, what: &str| {
        let number = within(it, u64::try_from(max).unwrap_or(u64::MAX), what);
        number.map(|it| usize::try_from(it).unwrap_or(max))
    };
    let usual = CacheBounds::default();
    let entries = entries.map(|it| within(it, CACHE_ENTRIES_MAX, "answers")).transpose()?;
    let mib = mib.map(|it| within(it, CACHE_BYTES_MAX / MIB, "MiB")).transpose()?;
    Ok(CacheBounds {
        entries: entries.unwrap_or(usual.entries),
        bytes: mib.map_or(usual.bytes, |it| it * MIB),
    })
}

#[cfg(test)]
mod tests {
    use tollgate_core::provider::Catalogue;

    use super::{super::Config, *};

    fn parse(text: &str) -> Result<CacheSettings, String> {
        let catalogue = Catalogue::embedded().unwrap();
        Config::parse(text, &catalogue).map(|it| it.cache).map_err(|it| {
            let (line, column) = super::super::line_and_column(text, it.at);
            format!("{line}:{column}: {}", it.message)
        })
    }

    const MODEL: &str =
        "[[models]]\nname = 'fast'\ntargets = [{ provider = 'openai', model = 'gpt-5-mini' }]\n";

    #[test]
    fn nothing_is_cached_unless_it_is_written() {
        assert_eq!(parse("").unwrap(), CacheSettings::default());
        assert!(!parse("[cache]\nttl_s = 9").unwrap().is_on());
        assert!(!parse(&format!("{MODEL}cache = {{ ttl_s = 9 }}")).unwrap().is_on());
        let all = parse("[cache]\non = true").unwrap();
        assert_eq!((all.is_on(), all.usual), (true, Some(Caching::default())));
    }

    #[test]
    fn the_cache_is_read_to_the_last_field() {
        let text = "[cache]\non = true\nttl_s = 60\nscope = 'program'\npace = 'as-recorded'\n\
                    tool_calls = true\nignore = ['metadata', 'user']\nentries = 10\nmib = 3";
        let settings = parse(text).unwrap();
        let expected = Caching {
            ttl: Duration::from_mins(1),
            scope: CacheScope::Program,
            pace: Pace::AsRecorded,
            tool_calls: true,
            ignored: vec!["metadata", "user"],
        };
        assert_eq!(settings.usual, Some(expected));
        assert_eq!(settings.bounds, CacheBounds { entries: 10, bytes: 3 << 20 });
    }

    #[test]
    fn a_model_has_what_is_usual_but_for_what_it_says_itself() {
        let usual = "[cache]\nttl_s = 60\nscope = 'all'\n";
        let of = |own: &str| parse(&format!("{usual}{MODEL}cache = {own}")).unwrap().models;
        let expected =
            Caching { ttl: Duration::from_mins(1), scope: CacheScope::Own, ..Caching::default() };
        assert_eq!(of("{ on = true, scope = 'own' }")["fast"], Some(expected));
        assert_eq!(of("{ scope = 'own' }")["fast"], None);
        let on = format!("[cache]\non = true\n{MODEL}cache = {{ on = false }}");
        assert_eq!(parse(&on).unwrap().models["fast"], None);
    }

    #[test]
    fn reads_the_documented_settings() {
        let text = include_str!("../../../../docs/cache.md");
        let blocks = text.split("```toml\n").skip(1).filter_map(|it| it.split("```").next());
        let read = blocks.map(|it| parse(it).unwrap_or_else(|why| panic!("{why}\n{it}")));
        assert!(read.filter(CacheSettings::is_on).count() >= 2);
    }

    #[test]
    fn mistakes_in_the_cache_name_their_place_and_what_would_be_right() {
        let check = |text: &str, place: &str, says: &str| {
            let message = parse(&format!("[cache]\n{text}")).unwrap_err();
            assert!(message.starts_with(place) && message.contains(says), "{message}");
        };
        check("enabled = true", "2:1: ", "`on`");
        check("ttl_s = 0", "2:9: ", "1 to 2592000 seconds");
        check("ttl_s = 2592001", "2:9: ", "1 to 2592000 seconds");
        check("scope = 'caller'", "2:9: ", "`own`, `program`, `all`");
        check("pace = 'fast'", "2:8: ", "`at-once`, `as-recorded`");
        check("ignore = ['messages']", "2:11: ", "may change the answer");
        check("entries = 0", "2:11: ", "1 to 100000 answers");
        check("mib = 5000", "2:7: ", "1 to 4096 MiB");
        let message = parse(&format!("{MODEL}cache = {{ entries = 5 }}")).unwrap_err();
        assert!(message.starts_with("4:") && message.contains("`ttl_s`"), "{message}");
    }
}
