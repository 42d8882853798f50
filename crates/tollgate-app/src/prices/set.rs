//! A price of the user's own, written into the configuration file with all that stands in it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tollgate_core::provider::Catalogue;
use toml_edit::{ArrayOfTables, Item, Table, value};

use crate::config::edit::{EditError, edit};

/// An entry of `[[prices]]`, as text: dollars for a million tokens, or for one piece.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OwnPrice {
    /// The provider's id.
    pub provider: String,
    /// The model's name, or `*`.
    pub model: String,
    /// The first day with the price.
    pub from: Option<String>,
    /// The first day without it.
    pub until: Option<String>,
    /// The hours in which it holds, in UTC: `16:30-00:30`.
    pub hours: Option<String>,
    /// By kind, such as `input` or `cache_read`.
    pub rates: std::collections::BTreeMap<String, String>,
}

/// Writes the price: into the entry of the same provider, model, first day and hours where there is
/// one, else into a new one at the end. Everything else, comments too, stays as it is. Blocks on the
/// disk.
///
/// # Errors
/// See [`edit()`]; the file is as it was then.
pub fn set(config: &Path, catalogue: &Catalogue, price: &OwnPrice) -> Result<(), EditError> {
    edit(config, catalogue, |document| {
        let list =
            document.entry("prices").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        match list {
            Item::ArrayOfTables(list) => {
                let known = list.iter().position(|it| is_for(it, price));
                match known.and_then(|it| list.get_mut(it)) {
                    Some(entry) => write(entry, price),
                    None => {
                        let mut entry = Table::new();
                        write(&mut entry, price);
                        list.push(entry);
                    }
                }
                Ok(())
            }
            Item::None | Item::Value(_) | Item::Table(_) => {
                Err("`prices` is not written as `[[prices]]`".to_owned())
            }
        }
    })
}

fn is_for(entry: &Table, price: &OwnPrice) -> bool {
    let text = |key: &str| entry.get(key).and_then(Item::as_str);
    text("provider") == Some(price.provider.as_str())
        && text("model").is_some_and(|it| it.eq_ignore_ascii_case(&price.model))
        && text("from") == price.from.as_deref()
        && text("hours") == price.hours.as_deref()
}

/// Sets what the price says; keys that it does not name stay, and with them `tiers` and `services`,
/// which it cannot say.
fn write(entry: &mut Table, price: &OwnPrice) {
    let named = [
        ("provider", Some(&price.provider)),
        ("model", Some(&price.model)),
        ("from", price.from.as_ref()),
        ("until", price.until.as_ref()),
        ("hours", price.hours.as_ref()),
    ];
    let rates = price.rates.iter().map(|(kind, rate)| (kind.as_str(), Some(rate)));
    for (key, text) in named.into_iter().chain(rates) {
        let Some(text) = text else { continue };
        let known = entry.get(key).and_then(Item::as_str);
        if known != Some(text.as_str()) {
            // The comment behind a value is its decoration.
            let decor = entry.get(key).and_then(Item::as_value).map(|it| it.decor().clone());
            let mut item = value(text.as_str());
            if let (Some(decor), Some(written)) = (decor, item.as_value_mut()) {
                *written.decor_mut() = decor;
            }
            entry.insert(key, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn price(rates: &[(&str, &str)]) -> OwnPrice {
        OwnPrice {
            provider: "openai".to_owned(),
            model: "gpt-5-mini".to_owned(),
            rates: rates
                .iter()
                .map(|(kind, rate)| ((*kind).to_owned(), (*rate).to_owned()))
                .collect(),
            ..OwnPrice::default()
        }
    }

    fn check(before: Option<&str>, price: &OwnPrice, after: Result<&str, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tollgate/config.toml");
        if let Some(text) = before {
            fs::create_dir(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
        let done = set(&path, &Catalogue::embedded().unwrap(), price);
        let found = fs::read_to_string(&path).ok();
        match after {
            Ok(after) => {
                done.unwrap();
                assert_eq!(found.as_deref(), Some(after));
            }
            Err(why) => {
                let message = crate::settings::with_causes(&done.unwrap_err());
                assert!(message.contains(why), "{message}");
                assert_eq!(found.as_deref(), before, "a refused price changes nothing");
            }
        }
    }

    #[test]
    fn a_price_is_added_behind_what_is_there_and_comments_stay() {
        let before = "# mine\nlisten = \"127.0.0.1:4141\"  # here\n\n[[prices]]\nprovider = \"lmstudio\"\nmodel = \"*\"\ninput = \"0\" # free\n";
        let after = format!(
            "{before}\n[[prices]]\nprovider = \"openai\"\nmodel = \"gpt-5-mini\"\ninput = \"0.25\"\noutput = \"2\"\n"
        );
        check(Some(before), &price(&[("input", "0.25"), ("output", "2")]), Ok(&after));
    }

    #[test]
    fn a_price_that_is_there_is_changed_in_its_place() {
        let before = "[[prices]]\n# agreed by mail\nprovider = \"openai\"\nmodel = \"GPT-5-mini\"\ninput = \"0.25\" # was 0.3\noutput = \"2\"\n\n[ledger]\nkeep_bodies = false\n";
        let after = "[[prices]]\n# agreed by mail\nprovider = \"openai\"\nmodel = \"gpt-5-mini\"\ninput = \"0.2\" # was 0.3\noutput = \"2\"\n\n[ledger]\nkeep_bodies = false\n";
        check(Some(before), &price(&[("input", "0.2")]), Ok(after));
    }

    #[test]
    fn tiers_stay_as_they_are() {
        let rest =
            "tiers = [{ above = 200000, input = \"0.5\" }]\nservices.flex = { input = \"0.1\" }\n";
        let entry = |input: &str| {
            format!(
                "[[prices]]\nprovider = \"openai\"\nmodel = \"gpt-5-mini\"\ninput = \"{input}\"\n{rest}"
            )
        };
        check(Some(&entry("0.25")), &price(&[("input", "0.2")]), Ok(&entry("0.2")));
    }

    #[test]
    fn a_price_of_another_day_is_another_entry() {
        let before =
            "[[prices]]\nprovider = \"openai\"\nmodel = \"gpt-5-mini\"\ninput = \"0.25\"\n";
        let after = format!(
            "{before}\n[[prices]]\nprovider = \"openai\"\nmodel = \"gpt-5-mini\"\nfrom = \"2026-12-01\"\ninput = \"0.2\"\n"
        );
        let later = OwnPrice { from: Some("2026-12-01".to_owned()), ..price(&[("input", "0.2")]) };
        check(Some(before), &later, Ok(&after));
    }

    #[test]
    fn a_file_that_is_not_there_is_begun() {
        let after = "[[prices]]\nprovider = \"openai\"\nmodel = \"gpt-5-mini\"\ninput = \"0.25\"\n";
        check(None, &price(&[("input", "0.25")]), Ok(after));
    }

    #[test]
    fn what_would_not_be_valid_is_not_written() {
        let refused =
            |rates: &[(&str, &str)], why| check(Some("# mine\n"), &price(rates), Err(why));
        refused(&[("input", "-1")], "`-1` is not a price");
        refused(&[("input", "0.25"), ("cached", "1")], "unknown field `cached`");
        refused(&[("output", "1")], "missing field `input`");
        let nobody = OwnPrice { provider: "nobody".to_owned(), ..price(&[("input", "1")]) };
        check(Some("# mine\n"), &nobody, Err("no provider `nobody`"));
        check(Some("prices = 3\n"), &price(&[("input", "1")]), Err("must be mended first"));
        check(Some("prices = []\n"), &price(&[("input", "1")]), Err("`[[prices]]`"));
    }
}
