//! Where credentials stand in text that is shown or stored: by the names before them, and by the
//! shapes of well-known keys.
//!
//! This is the one list of such names: headers, query parameters, options and variables are judged
//! alike. It errs towards masking, for a hidden word is a nuisance and a stored key is a leak.

use std::ops::Range;

/// What stands in place of a credential.
pub const MASKED: &str = "***";

/// Words that make a name a credential's, wherever they stand in it.
const WORDS: [&str; 10] =
    ["auth", "oauth", "bearer", "jwt", "pass", "pat", "sig", "credentials", "xsrf", "csrf"];
/// The same, also as the end of a word that is written together (`accessToken`).
const ENDINGS: [&str; 13] = [
    "authorization",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "cookie",
    "signature",
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
];
/// The first word of headers that only talk of credentials.
const ABOUT: [&str; 2] = ["access", "sec"];

/// How well-known keys begin, and how many characters follow at least.
const SHAPES: [(&str, usize); 22] = [
    ("sk-", 6),
    ("sk_", 12),
    ("rk_", 12),
    ("tg-", 12),
    ("AIza", 12),
    ("gsk_", 12),
    ("xai-", 12),
    ("hf_", 16),
    ("r8_", 16),
    ("pplx-", 12),
    ("nvapi-", 12),
    ("csk-", 12),
    ("tvly-", 12),
    ("fw_", 16),
    ("ghp_", 12),
    ("gho_", 12),
    ("ghs_", 12),
    ("github_pat_", 12),
    ("glpat-", 12),
    ("xoxb-", 12),
    ("AKIA", 12),
    ("eyJ", 16),
];

/// Whether a header, query parameter, option or variable of this name carries a credential; letter
/// case does not matter, and words may be parted by `-`, `_` and `.`. Counts and limits of tokens
/// (`x-ratelimit-remaining-tokens`) are no credentials.
#[must_use]
pub fn is_credential_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words = name.split(['-', '_', '.']).filter(|it| !it.is_empty()).peekable();
    if words.peek().is_some_and(|it| ABOUT.contains(it)) && name.contains("-control-") {
        return false;
    }
    let (mut says_so, mut last) = (false, "");
    for word in words {
        if word == "ratelimit" {
            return false;
        }
        says_so |= WORDS.contains(&word) || ENDINGS.iter().any(|it| word.ends_with(it));
        last = word;
    }
    says_so || last == "key"
}

/// A command line with every credential in it replaced by [`MASKED`]: values of options, variables,
/// headers and parameters with a credential's name, passwords before a host, what follows `Bearer`,
/// and words with the shape of a known key; also inside of a longer text, such as a script given
/// as an argument.
#[must_use]
pub fn masked_argv(argv: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut is_curl = false;
    let mut next = Next::Text;
    let mut masked = Vec::new();
    for (at, argument) in argv.into_iter().enumerate() {
        is_curl |= at == 0 && argument.rsplit('/').next() == Some("curl");
        let follows = after_option(&argument, is_curl);
        masked.push(match next {
            Next::Text => masked_text(argument),
            Next::Secret if follows == Next::Text => MASKED.to_owned(),
            Next::Secret => masked_text(argument),
            Next::User => match argument.split_once(':') {
                Some((user, _)) if !argument.contains("://") => format!("{user}:{MASKED}"),
                Some(_) | None => masked_text(argument),
            },
        });
        next = follows;
    }
    masked
}

/// What an argument says of the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing.
    Text,
    /// It is a credential.
    Secret,
    /// It is `user:password`.
    User,
}

fn after_option(argument: &str, is_curl: bool) -> Next {
    match argument {
        "-u" | "-U" | "--user" | "--proxy-user" => return Next::User,
        "-b" if is_curl => return Next::Secret,
        _ => {}
    }
    let name = argument.trim_start_matches('-');
    let is_option = name.len() < argument.len() && name.bytes().all(is_name);
    if is_option && is_credential_name(name) { Next::Secret } else { Next::Text }
}

/// A text with every credential in it replaced by [`MASKED`]; see [`masked_argv`].
#[must_use]
pub fn masked_text(text: String) -> String {
    let secrets = secrets_in(&text);
    if secrets.is_empty() {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for secret in secrets {
        shown.push_str(text.get(from..secret.start).unwrap_or_default());
        shown.push_str(MASKED);
        from = secret.end;
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}

/// Where credentials stand in a text, in order and apart. Every place begins and ends beside an
/// ASCII character or an end of the text.
fn secrets_in(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + length(&bytes[at..], is_name);
        let secret = if end > at {
            word_is_secret(text, at..end).or_else(|| value_after(text, at..end))
        } else if bytes[at..].starts_with(b"://") {
            password_after(bytes, at + 3)
        } else {
            None
        };
        let after = secret.as_ref().map_or(end, |it| it.end);
        found.extend(secret.filter(|it| !it.is_empty()));
        at = after.max(end).max(at + 1);
    }
    found
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

const fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// How many bytes at the beginning are such.
fn length(bytes: &[u8], such: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|it| !such(*it)).unwrap_or(bytes.len())
}

/// A word that looks like a key. In a path it is a file's name.
fn word_is_secret(text: &str, word: Range<usize>) -> Option<Range<usize>> {
    let before = text.as_bytes().get(word.start.wrapping_sub(1)).copied();
    let letters = text.get(word.clone())?;
    let looks = SHAPES
        .iter()
        .any(|(begin, least)| letters.strip_prefix(begin).is_some_and(|rest| rest.len() >= *least));
    (looks && before != Some(b'/')).then_some(word)
}

/// The value that a name stands before, if it is a credential's.
fn value_after(text: &str, name: Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let letters = text.get(name.clone())?;
    let skip =
        |at: usize, such: fn(u8) -> bool| at + length(bytes.get(at..).unwrap_or_default(), such);
    let end_at = |at: usize, ends: fn(u8) -> bool| {
        at + bytes
            .get(at..)
            .unwrap_or_default()
            .iter()
            .position(|it| ends(*it))
            .unwrap_or(bytes.len() - at)
    };
    if letters.eq_ignore_ascii_case("bearer") {
        let start = skip(name.end, |it| it == b' ');
        return (start > name.end)
            .then(|| start..end_at(start, |it| it.is_ascii_whitespace() || is_quote(it)));
    }
    if !is_credential_name(letters) {
        return None;
    }
    let sign = skip(name.end, |it| is_quote(it) || matches!(it, b'\\' | b']' | b' '));
    let was_quoted = bytes.get(name.end..sign)?.iter().any(|it| is_quote(*it));
    let separator = *bytes.get(sign)?;
    let value = skip(sign + 1, |it| matches!(it, b' ' | b'\\'));
    let opens = bytes.get(value).is_some_and(|it| is_quote(*it));
    let inside = |at: usize| at..end_at(at, |it| is_quote(it) || it == b'\\');
    match separator {
        b':' | b'=' | b',' if opens && (separator != b',' || was_quoted) => Some(inside(value + 1)),
        b':' => Some(value..end_at(value, |it| is_quote(it) || it == b'\n')),
        b'=' if name.start == 0 => Some(value..bytes.len()),
        b'=' => Some(
            value..end_at(value, |it| {
                it.is_ascii_whitespace() || is_quote(it) || matches!(it, b'&' | b';' | b',' | b')')
            }),
        ),
        _ => None,
    }
}

/// What stands between a scheme and a host: a password, or a token alone.
fn password_after(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = bytes.get(start..)?;
    let host = length(rest, |it| {
        !it.is_ascii_whitespace() && !is_quote(it) && !matches!(it, b'/' | b'?' | b'#')
    });
    let end = rest.get(..host)?.iter().rposition(|it| *it == b'@')?;
    let colon = rest.get(..end)?.iter().position(|it| *it == b':');
    Some(start + colon.map_or(0, |it| it + 1)..start + end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_credentials_are_told_from_names_about_tokens() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "X-Api-Key",
            "x-goog-api-key",
            "api-key",
            "apikey",
            "api-subscription-key",
            "ocp-apim-subscription-key",
            "x-amz-security-token",
            "x-auth-token",
            "x-access-token",
            "x-csrf-token",
            "cookie",
            "Set-Cookie",
            "key",
            "api_key",
            "access_token",
            "token",
            "sig",
            "signature",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "OPENAI_API_KEY",
            "HF_TOKEN",
            "--password",
            "client_secret",
            "accessToken",
            "apiKey",
            "x-my-key",
        ] {
            assert!(is_credential_name(name), "{name}");
        }
        for name in [
            "x-ratelimit-remaining-tokens",
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-input-tokens-limit",
            "x-ratelimit-limit-tokens",
            "max_tokens",
            "content-type",
            "monkey",
            "keyword",
            "www-authenticate",
            "host",
            "--model",
            "author",
            "access-control-allow-credentials",
            "",
        ] {
            assert!(!is_credential_name(name), "{name}");
        }
    }

    fn check(argv: &[&str], expected: &[&str]) {
        assert_eq!(masked_argv(argv.iter().map(|it| (*it).to_owned())), expected);
    }

    #[test]
    fn a_key_in_a_command_line_is_masked_and_the_rest_stays() {
        check(
            &["curl", "-H", "Authorization: Bearer abc", "-H", "content-type: application/json"],
            &["curl", "-H", "Authorization: ***", "-H", "content-type: application/json"],
        );
        check(&["curl", "-HAuthorization: Bearer abc"], &["curl", "-HAuthorization: ***"]);
        check(&["curl", "--header=x-api-key: abc"], &["curl", "--header=x-api-key: ***"]);
        check(&["tool", "--api-key", "abc", "run"], &["tool", "--api-key", "***", "run"]);
        check(&["tool", "--token=a b", "-x"], &["tool", "--token=***", "-x"]);
        check(&["tool", "--token", "-abc", "-v"], &["tool", "--token", "***", "-v"]);
        check(&["tool", "--token", "--password", "x"], &["tool", "--token", "--password", "***"]);
        check(&["env", "OPENAI_API_KEY=abc", "a.py"], &["env", "OPENAI_API_KEY=***", "a.py"]);
        check(
            &["curl", "http://h/p?alt=sse&key=abc&x=1"],
            &["curl", "http://h/p?alt=sse&key=***&x=1"],
        );
        check(&["git", "https://me:pw@host/x"], &["git", "https://me:***@host/x"]);
        check(&["git", "https://token-alone@host/x"], &["git", "https://***@host/x"]);
        check(&["curl", "-u", "me:pw", "-b", "s=1"], &["curl", "-u", "me:***", "-b", "***"]);
        check(&["python3", "-u", "a.py", "-b", "1"], &["python3", "-u", "a.py", "-b", "1"]);
    }

    #[test]
    fn a_key_inside_of_a_script_is_masked() {
        check(
            &["bash", "-c", "curl -H 'Authorization: Bearer abc' http://h"],
            &["bash", "-c", "curl -H 'Authorization: ***' http://h"],
        );
        check(
            &["bash", "-c", "export OPENAI_API_KEY=abc; python3 a.py"],
            &["bash", "-c", "export OPENAI_API_KEY=***; python3 a.py"],
        );
        check(
            &["python3", "-c", "c(api_key=\"abc\", n=1); h = {'x-api-key': 'def'}"],
            &["python3", "-c", "c(api_key=\"***\", n=1); h = {'x-api-key': '***'}"],
        );
        check(
            &[
                "python3",
                "-c",
                "os.environ[\"A_KEY\"] = \"abc\"; h(\"authorization\", \"Bearer d\")",
            ],
            &["python3", "-c", "os.environ[\"A_KEY\"] = \"***\"; h(\"authorization\", \"***\")"],
        );
        check(&["x", "say Bearer abc now"], &["x", "say Bearer *** now"]);
        check(&["x", r#"{\"api_key\": \"abc\"}"#], &["x", r#"{\"api_key\": \"***\"}"#]);
    }

    #[test]
    fn well_known_keys_are_masked_without_a_name() {
        for key in [
            "sk-proj-1234567890",
            "sk-client",
            "AIzaSyA1234567890abc",
            "gsk_1234567890abcd",
            "xai-1234567890ab",
            "hf_abcdefghijklmnop",
            "tg-0123456789ab",
        ] {
            check(&["x", key], &["x", "***"]);
            check(&["x", &format!("use '{key}' ünd")], &["x", "use '***' ünd"]);
        }
        check(&["pip", "install", "hf_transfer"], &["pip", "install", "hf_transfer"]);
        check(&["/opt/sk-project/run", "--n"], &["/opt/sk-project/run", "--n"]);
        let plain = ["claude", "-p", "Count the tokens: how many?", "--max-tokens", "100"];
        check(&plain, &plain);
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(argv in proptest::collection::vec("(\\PC|[-:='\"&@/?\\\\ ]|key|://){0,30}", 0..4)) {
            prop_assert_eq!(masked_argv(argv.clone()).len(), argv.len());
        }

        #[test]
        fn a_named_value_never_stays(
            name in "(authorization|x-api-key|token|A_KEY|password)",
            sign in "(: |=|: \"|=\"|='|\": \")",
            before in "[a-z \"'&?]{0,8}",
            after in "[\"' &a-z]{0,8}",
        ) {
            let text = format!("{before} {name}{sign}QQQZZZ{after}");
            prop_assert!(!masked_text(text.clone()).contains("QQQZZZ"), "{}", text);
        }
    }
}
