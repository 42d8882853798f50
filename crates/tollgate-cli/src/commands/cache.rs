//! `tollgate cache`.

use anyhow::Result;
use tollgate_app::api::cache::{
    CacheClearedView, CacheFilterView, CacheGroupView, CacheView, CachingView,
};

use crate::{
    args::{CacheCommand, ClearCache, Json},
    output,
};

/// Does what was asked.
pub(super) async fn cache(command: CacheCommand) -> Result<()> {
    match command {
        CacheCommand::Status(json) => status(json).await,
        CacheCommand::Clear(args) => clear(args).await,
    }
}

async fn status(json: Json) -> Result<()> {
    let (client, _) = super::client()?;
    let cache: CacheView = client.get("/cache").await?;
    if json.json {
        return output::json_pretty(&cache);
    }
    if !cache.on {
        output::note("no answers are cached: see `[cache]` in the configuration");
    }
    let usual = cache.usual.as_ref().map_or_else(|| "not cached".to_owned(), told);
    output::line(&format!("usual     {usual}"))?;
    for it in &cache.models {
        let own = it.caching.as_ref().map_or_else(|| "not cached".to_owned(), told);
        output::line(&format!("model     `{}`: {own}", it.model))?;
    }
    output::line(&format!(
        "holds     {} of {} answers, {} of {}",
        cache.entries,
        cache.entries_max,
        size(cache.bytes),
        size(cache.bytes_max)
    ))?;
    output::line(&format!(
        "answered  {} calls since the start ({} waited for an equal call), {} were not there, {} bypassed it",
        cache.hits, cache.followed, cache.misses, cache.bypassed
    ))?;
    let saved = &cache.saved;
    output::line(&format!(
        "saved     {} in 30 days, by {} of {} calls",
        output::sum(&saved.saved_pico_usd, "0", saved.unknown_saved),
        saved.cached_calls,
        saved.calls
    ))?;
    if cache.groups.is_empty() {
        return Ok(());
    }
    let header = ["your model", "model", "provider", "answers", "size", "used", "oldest", "newest"];
    output::table(&header, cache.groups.iter().map(row))
}

async fn clear(args: ClearCache) -> Result<()> {
    let (client, _) = super::client()?;
    let older_than = args.older_than.as_deref().map(output::span_ms).transpose()?;
    let filter = CacheFilterView {
        model: args.model,
        route: args.route,
        provider: args.provider,
        older_than_ms: older_than.and_then(|it| u64::try_from(it).ok()),
    };
    let done: CacheClearedView = client.post("/cache/clear", &filter).await?;
    if args.json.json {
        return output::json_pretty(&done);
    }
    let noun = if done.cleared == 1 { "answer was" } else { "answers were" };
    output::line(&format!("{} {noun} forgotten", done.cleared))
}

fn told(it: &CachingView) -> String {
    let tools = if it.tool_calls { ", with calls of tools" } else { "" };
    let ignored = if it.ignore.is_empty() {
        String::new()
    } else {
        format!(", without {}", it.ignore.join(", "))
    };
    let who = match it.scope.as_str() {
        "all" => "shared by all",
        "program" => "for each program by itself",
        _ => "for each key or user by itself",
    };
    format!("good for {} s, {who}, replayed {}{tools}{ignored}", it.ttl_s, it.pace)
}

fn row(it: &CacheGroupView) -> Vec<String> {
    let or_none = |it: &Option<String>| it.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        or_none(&it.route),
        or_none(&it.model),
        it.provider.clone(),
        it.entries.to_string(),
        size(it.bytes),
        it.hits.to_string(),
        output::day_and_time(it.oldest_at_ms),
        output::day_and_time(it.newest_at_ms),
    ]
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1_024)),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}
