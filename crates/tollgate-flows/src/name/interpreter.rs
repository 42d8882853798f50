//! Programs that run other people's text, and how each is told what to run.

use super::{comm_name, file_name, is_version, path_in, wrapper};

/// An interpreter, under the name shown for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    family: Family,
    shown: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Python,
    Node,
    Bun,
    Deno,
    Electron,
    Java,
    Shell,
    /// Ruby, Perl, PHP and others: options, then the script.
    Plain,
}

/// The interpreter with this file name: `python3.12` is shown as `python3`.
pub(super) fn kind(file: &str) -> Option<Kind> {
    let bare = file.trim_end_matches(|it: char| it.is_ascii_digit() || it == '.' || it == '-');
    let (family, shown) = match bare {
        "python" | "pypy" => {
            let major = file.get(bare.len()..).and_then(|it| it.split('.').next());
            (Family::Python, format!("{bare}{}", major.unwrap_or_default()))
        }
        "node" | "nodejs" => (Family::Node, "node".to_owned()),
        "tsx" | "ts-node" if bare == file => (Family::Node, file.to_owned()),
        "bun" => (Family::Bun, "bun".to_owned()),
        "deno" => (Family::Deno, "deno".to_owned()),
        "electron" => (Family::Electron, "electron".to_owned()),
        "java" => (Family::Java, "java".to_owned()),
        "bash" | "sh" | "dash" | "zsh" | "fish" | "ksh" => (Family::Shell, bare.to_owned()),
        "ruby" | "perl" | "php" | "lua" | "luajit" | "Rscript" | "julia" | "guile" | "tclsh" => {
            (Family::Plain, bare.to_owned())
        }
        _ => return None,
    };
    Some(Kind { family, shown })
}

/// What an interpreter runs.
enum Runs<'a> {
    Script(&'a str),
    /// A module or a task: shown as it is given.
    Named(&'a str),
    /// Text given on the command line.
    Inline(&'a str),
    Nothing,
}

/// The name of a process that an interpreter runs. `first` is `argv[0]`.
pub(super) fn name(kind: Kind, first: &str, argv: &[String], comm: &str) -> String {
    let title = path_in(first).map(file_name).unwrap_or_default();
    if self::kind(title).is_none() && !title.is_empty() {
        return titled(&kind, first, title, argv);
    }
    let arguments: Vec<&str> = argv.iter().skip(1).map(String::as_str).collect();
    let shown = &kind.shown;
    match runs(&kind, &arguments) {
        Runs::Script(script) => script_name(script, shown, &arguments),
        Runs::Named(name) => format!("{name} ({shown})"),
        Runs::Inline(option) => format!("{shown} {option}"),
        Runs::Nothing if argv.is_empty() && self::kind(comm).is_none() && !comm.is_empty() => {
            // No command line: the kernel's name is all there is beside the interpreter's.
            format!("{} ({shown})", comm_name(comm))
        }
        Runs::Nothing => kind.shown,
    }
}

/// A process that wrote a title over its command line: `claude`, `npm exec x`, `gunicorn: master`.
fn titled(kind: &Kind, first: &str, title: &str, argv: &[String]) -> String {
    // A title is one string with spaces; a command line has its arguments apart.
    let words: Vec<String> = if argv.iter().skip(1).all(String::is_empty) {
        first.split_whitespace().map(str::to_owned).collect()
    } else {
        argv.to_vec()
    };
    let command = words.first().map(|it| file_name(it)).unwrap_or(title);
    if let Some(wrapped) = wrapper::wrapped(command, &words) {
        return wrapped;
    }
    let command = command.strip_suffix(':').unwrap_or(command);
    if first.contains(": ") { format!("{command} ({})", kind.shown) } else { command.to_owned() }
}

/// Options whose value is the next argument, by interpreter.
fn takes_value(family: Family, option: &str) -> bool {
    match family {
        Family::Python => matches!(option, "-W" | "-X" | "-Q" | "--check-hash-based-pycs"),
        Family::Node | Family::Electron => matches!(
            option,
            "-r" | "--require"
                | "--import"
                | "--loader"
                | "--experimental-loader"
                | "-C"
                | "--conditions"
                | "--env-file"
                | "--title"
        ),
        Family::Bun => {
            matches!(option, "-r" | "--preload" | "--cwd" | "-c" | "--config" | "--env-file")
        }
        Family::Deno => matches!(option, "-c" | "--config" | "--import-map" | "--lock" | "--cert"),
        Family::Java => {
            matches!(option, "-cp" | "-classpath" | "--class-path" | "-p" | "--module-path")
        }
        Family::Shell => matches!(option, "-o" | "-O" | "--rcfile" | "--init-file"),
        Family::Plain => matches!(option, "-I" | "-r" | "-C"),
    }
}

fn runs<'a>(kind: &Kind, arguments: &[&'a str]) -> Runs<'a> {
    let mut rest = arguments.iter().copied();
    while let Some(argument) = rest.next() {
        let next = || rest.clone().next();
        match (kind.family, argument) {
            (Family::Python, "-m") => return next().map_or(Runs::Nothing, Runs::Named),
            (Family::Python | Family::Shell, "-c")
            | (Family::Node | Family::Bun | Family::Plain, "-e" | "--eval" | "-p" | "--print")
            | (Family::Plain, "-n") => return Runs::Inline(argument),
            (Family::Python, _) if is_joined(argument, "-m") => {
                return argument.get(2..).map_or(Runs::Nothing, Runs::Named);
            }
            (Family::Python | Family::Shell, _) if ends_in_c(argument) => {
                return Runs::Inline("-c");
            }
            (Family::Java, "-jar") => return next().map_or(Runs::Nothing, Runs::Script),
            (Family::Java, "-m" | "--module") => return next().map_or(Runs::Nothing, Runs::Named),
            (_, "--") => return next().map_or(Runs::Nothing, Runs::Script),
            (_, "-") => return Runs::Nothing,
            (family, option) if takes_value(family, option) => {
                rest.next();
            }
            (_, option) if option.starts_with('-') => {}
            (Family::Bun, "run") | (Family::Deno, "run" | "serve") => {}
            (Family::Bun, "x") | (Family::Deno, "task") => {
                return rest.find(|it| !it.starts_with('-')).map_or(Runs::Nothing, Runs::Named);
            }
            (Family::Bun, "test" | "install" | "build" | "repl")
            | (Family::Deno, "test" | "eval" | "repl" | "lsp" | "compile" | "bench") => {
                return Runs::Inline(argument);
            }
            (Family::Java, class) => {
                return Runs::Named(class.rsplit('.').next().unwrap_or(class));
            }
            (_, script) => return Runs::Script(script),
        }
    }
    Runs::Nothing
}

/// `-mhttp.server`: an option with its value joined on.
fn is_joined(argument: &str, option: &str) -> bool {
    argument.starts_with(option) && argument.len() > option.len()
}

/// `-Bc`, `-lc`: short options together, the last of which takes the text to run.
fn ends_in_c(argument: &str) -> bool {
    argument.len() > 2
        && !argument.starts_with("--")
        && argument.starts_with('-')
        && argument.ends_with('c')
        && argument.chars().skip(1).all(|it| it.is_ascii_alphabetic())
}

/// Folders that say nothing about a program.
const GENERIC_FOLDERS: [&str; 10] =
    ["dist", "build", "src", "lib", "bin", "out", "app", "cjs", "esm", "server"];
/// File names that say nothing about a program, without their ending.
const GENERIC_FILES: [&str; 7] = ["index", "main", "cli", "app", "server", "__main__", "start"];

fn script_name(script: &str, interpreter: &str, arguments: &[&str]) -> String {
    if let Some(app) = electron_app(script) {
        return app;
    }
    let file = file_name(script);
    if file.is_empty() || matches!(file, "." | "..") {
        return interpreter.to_owned();
    }
    if let Some(package) = package_of(script) {
        let from = arguments.iter().position(|it| *it == script).unwrap_or_default();
        let words: Vec<String> = arguments.iter().skip(from).map(|it| (*it).to_owned()).collect();
        return npm_wrapped(package, file, &words).unwrap_or_else(|| package.to_owned());
    }
    let Some((stem, _)) = file.rsplit_once('.').filter(|it| !it.0.is_empty()) else {
        // A command without an ending was installed under its own name.
        return wrapper::wrapped(file, &with_first(file, script, arguments))
            .unwrap_or_else(|| file.to_owned());
    };
    let folders = script.rsplit('/').skip(1);
    let folder = folders.into_iter().find(|it| !GENERIC_FOLDERS.contains(it) && !is_version(it));
    match folder.filter(|it| !it.is_empty() && !it.starts_with('.')) {
        Some(folder) if matches!(stem, "index" | "__main__" | "main" | "cli") => {
            format!("{folder}/{file} ({interpreter})")
        }
        _ => format!("{file} ({interpreter})"),
    }
}

/// The command line as if the script were the program.
fn with_first(file: &str, script: &str, arguments: &[&str]) -> Vec<String> {
    let after = arguments.iter().position(|it| *it == script).map_or(0, |it| it + 1);
    let rest = arguments.iter().skip(after).map(|it| (*it).to_owned());
    std::iter::once(file.to_owned()).chain(rest).collect()
}

/// The npm package that a generic file belongs to: `…/node_modules/@scope/name/dist/cli.js`.
fn package_of(script: &str) -> Option<&str> {
    let stem = file_name(script).split('.').next().unwrap_or_default();
    let (_, inside) = script.rsplit_once("/node_modules/")?;
    let mut parts = inside.split('/');
    let first = parts.next()?;
    let package = if first.starts_with('@') { parts.next()? } else { first };
    let says_nothing = GENERIC_FILES.contains(&stem) || stem.ends_with("-cli");
    (first != ".bin" && says_nothing).then_some(package)
}

/// `npx-cli.js some-tool` and `npm-cli.js run dev`.
fn npm_wrapped(package: &str, file: &str, words: &[String]) -> Option<String> {
    let stem = file.split('.').next().unwrap_or(file);
    let command = stem.strip_suffix("-cli").unwrap_or(package);
    wrapper::wrapped(command, words)
}

/// The app that Electron runs: the folder around `app.asar` or around `resources/app`.
fn electron_app(script: &str) -> Option<String> {
    let at_asar =
        script.strip_suffix("/app.asar").or_else(|| script.strip_suffix("/resources/app"))?;
    let folder = at_asar.rsplit('/').find(|it| !it.is_empty() && *it != "resources");
    folder.map(str::to_owned)
}
