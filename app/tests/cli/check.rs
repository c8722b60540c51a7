use super::*;

const RELEASE: [(&str, &str); 5] = [
    ("ROCKET_PROFILE", "release"),
    ("ROCKET_SECRET_KEY", "z5Jw1kq0fXrVbN7sQe2LhUoYtC9mGdA4iPx8TnRvEwM="),
    ("OIDC_ISSUER_URL", "http://127.0.0.1:1"),
    ("OIDC_CLIENT_ID", "portico"),
    ("API_SERVER_URL", "http://127.0.0.1:1"),
];

/// The line of the check.
fn line(output: &Output, area: &str, name: &str) -> String {
    let stdout = text(&output.stdout);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let found = stdout.lines().find(|line| {
        let words = words(line);
        words.first().is_some_and(|word| word == area) && line.contains(&format!(" {name} "))
    });
    assert!(found.is_some(), "{area} {name}: {stdout}{}", text(&output.stderr));
    found.unwrap_or_default().to_owned()
}

#[test]
fn release_profile_creates_nothing() {
    let folder = folder();
    let output = run(&folder, &["check"], &RELEASE);
    assert_eq!(output.status.code(), Some(1));
    let reachable = line(&output, "database", "reachable");
    assert!(
        reachable.contains("FAIL") && reachable.contains("run `portico migrate`"),
        "{reachable}"
    );
    assert!(line(&output, "sessions", "writable").contains("skip"));
    assert!(line(&output, "provider", "discovery").contains("FAIL"));
    assert!(is_empty(&folder), "{:?}", folder.path().read_dir().unwrap().collect::<Vec<_>>());
}

#[test]
fn release_profile_does_not_touch_empty_database() {
    let folder = folder();
    let file = folder.path().join("portico.db");
    std::fs::write(&file, "").unwrap();
    let output = run(&folder, &["check"], &RELEASE);
    assert!(line(&output, "database", "reachable").contains("run `portico migrate`"));
    assert_eq!(std::fs::read(&file).unwrap(), b"");

    assert!(run(&folder, &["migrate"], &RELEASE).status.success());
    let output = run(&folder, &["check"], &RELEASE);
    for name in ["reachable", "migrated", "writable"] {
        assert!(line(&output, "database", name).contains(" ok "), "{name}");
    }
    assert!(line(&output, "sessions", "writable").contains(" ok "));
}

#[test]
fn reports_every_setting_with_its_source_and_hides_secrets() {
    let folder = folder();
    std::fs::write(folder.path().join(".env"), "OIDC_CLIENT_SECRET=hunter2\nSESSION_STOER=x\n")
        .unwrap();
    let output = run(&folder, &["check"], &RELEASE);
    let issuer = line(&output, "settings", "OIDC_ISSUER_URL");
    assert!(issuer.ends_with("http://127.0.0.1:1 (from the environment)"), "{issuer}");
    let secret = line(&output, "settings", "OIDC_CLIENT_SECRET");
    assert!(secret.ends_with("(hidden) (from .env)"), "{secret}");
    let unknown = line(&output, "settings", "unknown variable");
    assert!(
        unknown.contains("warn") && unknown.contains("did you mean SESSION_STORE?"),
        "{unknown}"
    );
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(!stdout.contains("hunter2") && !stdout.contains(RELEASE[1].1), "{stdout}");
    assert!(!stderr.contains("hunter2") && !stderr.contains(RELEASE[1].1), "{stderr}");
}

#[test]
fn reports_all_problems_with_hints() {
    let folder = folder();
    let settings = [
        ("ROCKET_PROFILE", "release"),
        ("ROCKET_SECRET_KEY", "hunter2"),
        ("AUTH0_DOMAIN", "<tenant>.eu.auth0.com"),
        ("PUBLIC_URL", "www.example"),
        ("ROCKET_TEMPLATE_DIR", "missing"),
        ("ROCKET_TLS", "{}"),
    ];
    let output = run(&folder, &["check"], &settings);
    assert_eq!(output.status.code(), Some(1));
    for (key, part) in [
        ("ROCKET_SECRET_KEY", "a password is no key"),
        ("AUTH0_DOMAIN", "placeholder"),
        ("AUTH0_CLIENT_ID", "not set"),
        ("AUTH0_CLIENT_SECRET", "not set"),
        ("PUBLIC_URL", "begins with https://"),
        ("ROCKET_TEMPLATE_DIR", "a folder that exists"),
        ("ROCKET_TLS", "a proxy in front of it"),
    ] {
        let line = line(&output, "settings", key);
        assert!(line.contains("FAIL") && line.contains(part), "{line}");
    }
    assert!(line(&output, "provider", "all").contains("skip"));
    let stdout = text(&output.stdout);
    assert!(stdout.lines().last().unwrap().starts_with("8 failures, "), "{stdout}");
    assert!(!stdout.contains("hunter2"), "{stdout}");
}

#[test]
fn names_the_templates_that_the_folder_lacks() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("pages")).unwrap();
    let settings = [("ROCKET_PROFILE", "debug"), ("ROCKET_TEMPLATE_DIR", "pages")];
    let output = run(&folder, &["check"], &settings);
    assert_eq!(output.status.code(), Some(1));
    let templates = line(&output, "settings", "templates");
    assert!(templates.contains("FAIL") && templates.contains("layout"), "{templates}");
}

#[test]
fn warnings_do_not_fail() {
    let folder = folder();
    let settings = [("ROCKET_PROFILE", "debug"), ("SESSION_STOER", "x")];
    let output = run(&folder, &["check"], &settings);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).ends_with("0 failures, 1 warning\n"), "{}", text(&output.stdout));
}
