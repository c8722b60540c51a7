//! The documentation names links, paths, settings and commands that exist.

mod page;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use portico::config;
use rocket::figment::{Figment, value::Dict};

use self::page::Page;
use crate::hexagon::metadata;

/// The folders whose files the pages name.
const FOLDERS: [&str; 11] = [
    ".ci/",
    ".github/",
    "adapters/",
    "app/",
    "deploy/",
    "development/",
    "docs/",
    "domain/",
    "migrations/",
    "templates/",
    "tests/",
];

/// Variables that only tests read.
const OF_TESTS: [&str; 2] = ["PORTICO_TEST_REQUIRE", "TEST_DATABASE_URL"];

/// Variables that the HTTP client reads.
const OF_HTTP: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The pages by their paths from the root.
fn pages() -> BTreeMap<String, Page> {
    let of_root = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    let in_docs = std::fs::read_dir(root().join("docs")).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.ends_with(".md").then(|| format!("docs/{name}"))
    });
    let paths = of_root.map(str::to_owned).into_iter().chain(in_docs);
    paths.map(|path| (path.clone(), Page::parse(&path, &read(&path)))).collect()
}

/// The links of a page to files and anchors that do not exist.
fn broken_links<'p>(page: &'p Page, pages: &BTreeMap<String, Page>) -> Vec<&'p str> {
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let works = |link: &str| {
        if ["http://", "https://"].iter().any(|scheme| link.starts_with(scheme)) {
            return true;
        }
        let (path, anchor) = match link.split_once('#') {
            Some((path, anchor)) => (path, Some(anchor)),
            None => (link, None),
        };
        let target = if path.is_empty() {
            page.path.clone()
        } else {
            let Ok(found) = root().join(folder).join(path).canonicalize() else { return false };
            let root = root().canonicalize().unwrap();
            let Ok(inside) = found.strip_prefix(root) else { return false };
            inside.to_str().unwrap().to_owned()
        };
        anchor.is_none_or(|anchor| {
            let target = if target == page.path { Some(page) } else { pages.get(&target) };
            target.is_some_and(|target| target.anchors.contains(anchor))
        })
    };
    page.links.iter().map(String::as_str).filter(|link| !works(link)).collect()
}

/// Fails with the findings of each page.
fn assert_none<'p>(
    what: &str,
    pages: &'p BTreeMap<String, Page>,
    find: impl Fn(&'p Page) -> Vec<&'p str>,
) {
    let found: Vec<String> = pages
        .values()
        .flat_map(|page| find(page).into_iter().map(|found| format!("{}: {found}", page.path)))
        .collect();
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn links_and_anchors_resolve() {
    let pages = pages();
    let links: usize = pages.values().map(|page| page.links.len()).sum();
    assert!(links > 20, "{links} links were found");
    assert_none("broken links", &pages, |page| broken_links(page, &pages));
}

#[test]
fn finds_broken_links() {
    let pages = pages();
    let text = "# One\n[a](operate.md#none) [b](none.md) [c](#two) [d](../../etc/passwd)\n\n\
                <img src=\"none.png\">\n\n[fine](#one) [fine](operate.md) [fine](../README.md#portico)";
    let page = Page::parse("docs/page.md", text);
    let found = broken_links(&page, &pages);
    assert_eq!(found, ["operate.md#none", "none.md", "#two", "../../etc/passwd", "none.png"]);
}

#[test]
fn paths_in_backticks_exist() {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    assert_none("paths that do not exist", &pages(), |page| {
        let texts = page.codes.iter().map(|code| &*code.text);
        texts
            .filter(|text| FOLDERS.iter().any(|folder| text.starts_with(folder)))
            .filter(|text| text.chars().all(plain) && !root().join(text).exists())
            .collect()
    });
}

/// `docs/conformance.md` is checked against the list of tests, because it names their modules too.
#[test]
fn threat_model_names_existing_tests() {
    let folders = ["domain/tests", "adapters/src", "app/src", "tests/it", "tests/contracts/src"];
    let sources: String = folders.map(|folder| sources(&root().join(folder))).concat();
    let page = &pages()["docs/threat-model.md"];
    let is_test = |text: &&str| {
        text.split('_').count() > 2
            && text.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c))
    };
    let named: Vec<_> = page.codes.iter().map(|code| &*code.text).filter(is_test).collect();
    assert!(named.len() > 5, "{named:?}");
    let missing: Vec<_> =
        named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Rocket's settings, as environment variables.
fn rocket_keys() -> BTreeSet<String> {
    let all: Dict = Figment::from(rocket::Config::default()).extract().unwrap();
    let names = all.into_keys().chain(["template_dir".to_owned()]);
    names.map(|name| format!("ROCKET_{}", name.to_uppercase())).collect()
}

/// Fails unless these are all of Portico's own settings, and none but those and Rocket's.
fn assert_settings(named: &BTreeSet<&str>) {
    let rocket = rocket_keys();
    let own = BTreeSet::from(config::KEYS);
    let unknown: Vec<_> = named.difference(&own).filter(|key| !rocket.contains(**key)).collect();
    assert!(unknown.is_empty(), "named, but not read: {unknown:?}");
    let missing: Vec<_> = own.difference(named).collect();
    assert!(missing.is_empty(), "read, but not named: {missing:?}");
}

#[test]
fn readme_lists_the_settings_that_the_site_reads() {
    assert_settings(&pages()["README.md"].first_column("settings"));
}

#[test]
fn example_env_file_lists_the_settings_that_the_site_reads() {
    let text = read(".env.example");
    let is_key = |key: &str| {
        key.chars().all(|letter| letter.is_ascii_uppercase() || "_0123456789".contains(letter))
    };
    let keys = text.lines().filter_map(|line| line.trim_start_matches('#').split_once('='));
    assert_settings(&keys.map(|(key, _)| key).filter(|key| is_key(key)).collect());
}

/// The text of all files below a folder of sources.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = entries.map(|path| {
        if path.is_dir() { sources(&path) } else { std::fs::read_to_string(path).unwrap() }
    });
    texts.collect()
}

#[test]
fn troubleshooting_quotes_texts_of_the_site() {
    let sources = ["app/src", "adapters/src", "domain/src"].map(|of| sources(&root().join(of)));
    let pages = pages();
    let symptoms = pages["docs/operate.md"].first_column("troubleshooting");
    // Addresses and placeholders are not quoted texts.
    let quoted = symptoms.into_iter().filter(|text| !text.starts_with(['/', '<']));
    let quoted: Vec<_> = quoted.collect();
    assert!(quoted.len() > 10, "{quoted:?}");
    let unknown: Vec<_> =
        quoted.iter().filter(|text| !sources.iter().any(|of| of.contains(**text))).collect();
    assert!(unknown.is_empty(), "the site does not say {unknown:?}");
}

#[test]
fn settings_in_backticks_exist() {
    let rocket = rocket_keys();
    let known = |key: &str| {
        config::KEYS.contains(&key)
            || OF_TESTS.contains(&key)
            || OF_HTTP.contains(&key)
            || rocket.contains(key)
    };
    let is_setting = |key: &str| {
        key.contains('_')
            && key.chars().all(|letter| letter.is_ascii_uppercase() || "_0".contains(letter))
    };
    assert_none("settings that do not exist", &pages(), |page| {
        let keys = page.code().map(|code| code.split(['=', ' ']).next().unwrap_or_default());
        keys.filter(|key| is_setting(key) && !known(key)).collect()
    });
}

/// The standard output of the program, run without settings.
fn help_of(command: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_portico-under-test"))
        .args(command.split_whitespace())
        .arg("--help")
        .env_clear()
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{command} --help");
    String::from_utf8(output.stdout).unwrap()
}

/// The subcommands of this command, such as `users list` of `users`.
fn commands_below(command: &str) -> Vec<String> {
    let help = help_of(command);
    let list = help.split_once("\nCommands:\n").map_or("", |(_, list)| list);
    let list = list.split("\n\n").next().unwrap_or_default();
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| *name != "help");
    names.map(|name| format!("{command} {name}").trim().to_owned()).collect()
}

#[test]
fn readme_lists_the_commands_of_the_program() {
    let mut open = commands_below("");
    let mut commands = BTreeSet::new();
    while let Some(command) = open.pop() {
        match commands_below(&command) {
            below if below.is_empty() => drop(commands.insert(command)),
            below => open.extend(below),
        }
    }
    let pages = pages();
    let named = pages["README.md"].first_column("command-line");
    assert_eq!(named, commands.iter().map(String::as_str).collect());
}

#[test]
fn readme_shows_the_two_commands() {
    let readme = read("README.md");
    for command in ["cargo run", "cargo test"] {
        let start = format!("| `{command}` |");
        assert!(readme.lines().any(|line| line.starts_with(&start)), "{command}");
    }
}

/// Whether a line for cargo names packages, examples and tests of the workspace.
fn cargo_knows(line: &str) -> bool {
    let mut words = line.split_whitespace().take_while(|word| *word != "--");
    let members = metadata().workspace_packages();
    let has = |kind: &str, name: &str| {
        let mut targets = members.iter().flat_map(|package| &package.targets);
        targets.any(|target| {
            target.name == name && target.kind.iter().any(|of| of.to_string() == kind)
        })
    };
    while let Some(word) = words.next() {
        let known = match word {
            "-p" => words.next().is_some_and(|name| members.iter().any(|of| *of.name == *name)),
            "--example" => words.next().is_some_and(|name| has("example", name)),
            "--test" => words.next().is_some_and(|name| has("test", name)),
            _ => true,
        };
        if !known {
            return false;
        }
    }
    true
}

#[test]
fn cargo_commands_name_existing_targets() {
    assert!(cargo_knows("cargo test -p portico-tests --test it -- flows"));
    assert!(!cargo_knows("cargo test -p portico-tests --test none"));
    assert!(!cargo_knows("cargo run -p none"));
    assert_none("commands that fail", &pages(), |page| {
        page.code().filter(|code| code.starts_with("cargo ") && !cargo_knows(code)).collect()
    });
}

#[test]
fn justfile_runs_documented_commands() {
    let (pages, justfile) = (pages(), read("justfile"));
    let shown = |command: &str| {
        ["README.md", "CONTRIBUTING.md"]
            .iter()
            .any(|page| pages[*page].code().any(|code| code.split("  ").next() == Some(command)))
    };
    let commands: Vec<_> = justfile.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert!(commands.contains(&"cargo run") && commands.contains(&"cargo test"), "{commands:?}");
    let own: Vec<_> =
        commands.iter().filter(|line| !line.starts_with('@') && !shown(line)).collect();
    assert!(own.is_empty(), "in no page: {own:?}");
}
