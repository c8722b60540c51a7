//! The words of the pages.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};

/// The text of all files below a folder.
fn texts(folder: &Path, texts: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            self::texts(&path, texts);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            texts.push((path, text));
        }
    }
}

/// Visitors log in and out, at an identity provider, with an email address.
#[test]
fn pages_use_one_word_for_one_thing() {
    const OTHER_WORDS: [&str; 17] = [
        "sign in",
        "signed in",
        "signed-in",
        "signing in",
        "sign-in",
        "sign out",
        "signed out",
        "logged-out",
        "e-mail",
        "a login",
        "the login",
        "this login",
        "last login",
        "each login",
        "no login",
        "front page",
        "start page",
    ];
    let mut sources = Vec::new();
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    texts(&own.join("../templates"), &mut sources);
    for part in ["site", "sign_in", "web"] {
        texts(&own.join("src").join(part), &mut sources);
    }
    assert!(sources.len() > 40, "{}", sources.len());
    for (path, text) in sources {
        let is_text = |line: &&str| {
            let line = line.trim_start();
            !line.starts_with("//")
                && !line.starts_with("{#-")
                && !line.contains("=> \"logged-out\"")
        };
        for line in text.lines().filter(is_text) {
            // The one exception: what outages promise in these words.
            let line = line.to_lowercase().replace("still signed in", "");
            for word in OTHER_WORDS {
                assert!(!line.contains(word), "{}: {word}: {line}", path.display());
            }
        }
    }
}
