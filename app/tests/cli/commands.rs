use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
};

use portico_domain::model::{ClaimSource, Grant, Permission};

use super::*;

#[test]
fn secret_prints_a_new_key_each_time() {
    let folder = folder();
    let keys: Vec<_> = (0..2).map(|_| text(&run(&folder, &["secret"], &[]).stdout)).collect();
    assert_ne!(keys[0], keys[1]);
    let key = keys[0].trim();
    assert!(portico::config::SecretKey::parse(key).is_some(), "{key}");
}

#[test]
fn every_command_has_help() {
    let folder = folder();
    for command in [
        &["--help"][..],
        &["serve", "--help"],
        &["check", "--help"],
        &["migrate", "--help"],
        &["secret", "--help"],
        &["users", "list", "--help"],
        &["users", "show", "--help"],
        &["users", "delete", "-h"],
    ] {
        let output = run(&folder, command, &[]);
        assert!(output.status.success(), "{command:?}");
        assert!(text(&output.stdout).contains("Usage: portico"), "{command:?}");
    }
}

#[test]
fn reports_all_invalid_settings_together() {
    let folder = folder();
    let settings =
        [("ROCKET_PORT", "eighty"), ("OIDC_CLIENT_SECRET", "hunter2"), ("AUTO_MIGRATE", "hunter2")];
    let output = run(&folder, &[], &settings);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    for key in ["ROCKET_PORT", "OIDC_ISSUER_URL", "OIDC_CLIENT_ID", "AUTO_MIGRATE"] {
        assert!(stderr.contains(key), "{key}: {stderr}");
    }
    assert!(!stderr.contains("hunter2"), "{stderr}");
}

#[test]
fn warns_at_start_of_variable_that_resembles_setting() {
    let folder = folder();
    let settings = [
        ("SESSION_STOER", "hunter2"),
        ("SESSION_MANAGER", "x"),
        ("ROCKET_WORKERS", "1"),
        ("ROCKET_MAX_BLOCKING", "2"),
    ];
    let output = run(&folder, &["migrate"], &settings);
    let log = text(&output.stderr);
    assert!(output.status.success(), "{log}");
    let warnings: Vec<_> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    let [warning] = warnings[..] else { panic!("{log}") };
    assert!(warning.contains("SESSION_STOER (from the environment)"), "{log}");
    assert!(warning.ends_with("did you mean SESSION_STORE?") && !log.contains("hunter2"), "{log}");
}

#[test]
fn release_profile_requires_provider_and_names_its_settings() {
    let folder = folder();
    let output = run(&folder, &["serve"], &[("ROCKET_PROFILE", "release")]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    for key in ["AUTH0_DOMAIN", "OIDC_ISSUER_URL", "ROCKET_SECRET_KEY"] {
        assert!(stderr.contains(key), "{key}: {stderr}");
    }
}

#[test]
fn migrate_creates_owner_only_database_and_is_idempotent() {
    let folder = folder();
    for _ in 0..2 {
        let output = run(&folder, &["migrate"], &[("ROCKET_PROFILE", "debug")]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    assert_owner_only(&folder.path().join("portico.db"));
}

#[test]
fn users_lists_users_and_reports_unknown_user() {
    let folder = folder();
    run(&folder, &["migrate"], &[]);
    let list = run(&folder, &["users", "list"], &[]);
    assert!(list.status.success() && list.stdout.is_empty(), "{}", text(&list.stderr));
    for command in ["show", "delete"] {
        let output = run(&folder, &["users", command, "https://id.example", "nobody"], &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("no user with that issuer"), "{command}");
    }
}

#[test]
fn users_takes_any_subject() {
    let folder = folder();
    let issuer = "https://id.example";
    let subjects =
        ["-h", "-h7Kq", "-Q7", "--help", "-V", "--version", "--", "--config", "-", "a b", "help"];
    for subject in subjects {
        add_user(&folder, subject);
    }
    for subject in subjects {
        let show = ["users", "show", issuer, subject];
        let output = run(&folder, &show, &[]);
        let shown = text(&output.stdout);
        assert!(output.status.success(), "{subject}: {}", text(&output.stderr));
        assert!(shown.lines().any(|line| line == format!("{:15} {subject}", "subject")), "{shown}");

        let separated = ["users", "show", issuer, "--", subject];
        assert_eq!(text(&run(&folder, &separated, &[]).stdout), shown);
        let before = ["users", "show", "--", issuer, subject];
        assert_eq!(text(&run(&folder, &before, &[]).stdout), shown);

        let delete = ["users", "delete", issuer, subject];
        assert_eq!(run(&folder, &delete, &[]).status.code(), Some(0), "{subject}");
        for repeated in [show, delete] {
            let output = run(&folder, &repeated, &[]);
            assert_eq!(output.status.code(), Some(1), "{repeated:?}");
            assert!(text(&output.stderr).contains("no user with that issuer"), "{repeated:?}");
        }
    }
}

#[test]
fn users_show_names_permissions_and_their_claims() {
    let folder = folder();
    let issuer = "https://id.example";
    let granted = |subject, permissions: Option<&Permissions>| {
        add_user_with(&folder, subject, permissions);
        let shown = text(&run(&folder, &["users", "show", issuer, subject], &[]).stdout);
        let rows = shown.lines().skip_while(|line| !line.starts_with("logins")).skip(1);
        rows.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let grant = |source, claim: &str, names: &[&str]| Grant {
        source,
        claim: claim.into(),
        permissions: names.iter().copied().map(Permission::new).collect(),
    };
    let grants = vec![
        grant(ClaimSource::AccessToken, "realm_access.roles", &["read:admin-messages", "a\u{7}b"]),
        grant(ClaimSource::Userinfo, "groups", &["staff"]),
    ];
    assert_eq!(
        granted("ada", Some(&Permissions::new(grants, vec!["roles".into()]))),
        [
            "permission read:admin-messages by the claim realm_access.roles (access token)",
            "permission a\u{fffd}b by the claim realm_access.roles (access token)",
            "permission staff by the claim groups (userinfo)",
            "claim roles grants nothing: the provider only refers to it (_claim_names, hasgroups)",
        ]
    );
    assert_eq!(granted("eve", Some(&Permissions::default())), ["permission none"]);
    let unknown = "permission unknown until the user's next login";
    assert_eq!(granted("joe", None), [unknown]);
}

#[test]
fn check_names_claims_that_grant_permissions() {
    let folder = folder();
    let line = |arguments: &[&str], settings: &[(&str, &str)]| {
        let output = text(&run(&folder, arguments, settings).stdout);
        let line = output.lines().find_map(|line| line.split_once(" permissions "));
        line.map(|(_, claims)| claims.trim().to_owned()).unwrap_or_else(|| panic!("{output}"))
    };
    let debug = ("ROCKET_PROFILE", "debug");
    assert_eq!(line(&["check"], &[debug]), "PERMISSIONS_CLAIMS: permissions");
    let mapping = "permissions_claims = \"groups, https://example.com/roles\"\n[permissions]\n\
                   \"/admins\" = [\"read:admin-messages\"]\n\"/guests\" = []\n";
    std::fs::write(folder.path().join("Portico.toml"), mapping).unwrap();
    assert_eq!(
        line(&["check"], &[debug]),
        "PERMISSIONS_CLAIMS: groups, https://example.com/roles, permissions; \
         \"/admins\" grants read:admin-messages; \"/guests\" grants nothing"
    );
}

#[test]
fn users_refuses_other_than_issuer_and_subject() {
    let folder = folder();
    add_user(&folder, "ada");
    let issuer = "https://id.example";
    for arguments in [&[issuer][..], &[issuer, ""], &["", "ada"], &[issuer, "ada", "eve"]] {
        for command in ["show", "delete"] {
            let output = run(&folder, &[&["users", command], arguments].concat(), &[]);
            assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
            assert!(!output.stderr.is_empty(), "{arguments:?}");
        }
    }
    assert!(run(&folder, &["users", "show", issuer, "ada"], &[]).status.success());
}

#[test]
fn check_fails_when_one_part_fails() {
    let folder = folder();
    run(&folder, &["migrate"], &[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    let settings =
        [("OIDC_ISSUER_URL", &*address), ("OIDC_CLIENT_ID", "x"), ("API_SERVER_URL", &*address)];
    let output = run(&folder, &["check"], &settings);
    assert_eq!(output.status.code(), Some(1));
    let lines = text(&output.stdout);
    let fails =
        |what: &str| lines.lines().any(|line| line.starts_with(what) && line.contains("FAIL"));
    assert!(fails("provider") && fails("API") && !fails("database"), "{lines}");
}

#[test]
fn check_reports_session_store_without_password() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("redis://:hunter2@{}", taken.local_addr().unwrap());
    drop(taken);
    let settings =
        [("ROCKET_PROFILE", "debug"), ("SESSION_STORE", "redis"), ("REDIS_URL", &address)];
    let output = run(&folder, &["check"], &settings);
    assert_eq!(output.status.code(), Some(1));
    let (lines, log) = (text(&output.stdout), text(&output.stderr));
    let is_failure = |line: &&str| line.starts_with("sessions") && line.contains("writable");
    let failed = lines.lines().find(is_failure).unwrap();
    assert!(failed.contains("FAIL") && failed.contains("Connection refused"), "{lines}{log}");
    assert!(!lines.contains("hunter2") && !log.contains("hunter2"), "{lines}{log}");
}

#[test]
fn check_succeeds_with_development_servers() {
    let folder = folder();
    let output = run(&folder, &["check"], &[("ROCKET_PROFILE", "debug")]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// Accepts one connection and returns the first line of its request.
fn first_request_line(listener: TcpListener) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    })
}

#[test]
fn uses_no_proxy_for_loopback() {
    let folder = folder();
    let unreachable = "http://127.0.0.1:1";
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"];
    let mut settings = vec![("ROCKET_PROFILE", "debug")];
    settings.extend(proxies.map(|name| (name, unreachable)));
    let output = run(&folder, &["check"], &settings);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn uses_proxy_for_other_hosts() {
    let folder = folder();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let request_line = first_request_line(proxy);
    let settings = [
        ("ROCKET_PROFILE", "debug"),
        ("HTTP_PROXY", &*address),
        ("OIDC_ISSUER_URL", "http://id.example"),
        ("OIDC_CLIENT_ID", "portico"),
    ];
    let output = run(&folder, &["check"], &settings);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    let line = request_line.join().unwrap();
    assert!(line.starts_with("GET http://id.example/.well-known/"), "{line}");
}
