//! Files, environment, and what looks like a setting.

use super::*;

/// The settings that `Portico.toml`, `.env` and the environment add up to.
fn settings_of(
    file: &str,
    env_file: &str,
    environment: &[(&str, &str)],
) -> Result<Settings, Problems> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Portico.toml"), file).unwrap();
    std::fs::write(folder.path().join(".env"), env_file).unwrap();
    let environment = environment.iter().map(|(key, value)| (key.into(), value.into()));
    Settings::from_files(Files::of(folder.path()), &Environment::new(environment))
}

fn client_secret(settings: &Settings) -> &str {
    registration(settings).client_secret.as_ref().unwrap().secret()
}

#[test]
fn reports_unknown_keys_and_malformed_lines_of_file() {
    let file = "auth0_domian = \"x\"\nrocket_port = 5000\nauto_migrate = 3\n";
    let found = settings_of(file, "", &[]).unwrap_err();
    let keys: Vec<_> = found.0.iter().map(|problem| &*problem.key).collect();
    assert_eq!(keys, ["auth0_domian", "AUTO_MIGRATE"], "{found}");
    assert!(found.to_string().contains("Portico.toml"), "{found}");

    let found = settings_of("client_secret = hunter2", "", &[]).unwrap_err();
    assert_eq!(found.0[0].key, "Portico.toml");
    assert!(!found.to_string().contains("hunter2"));
}

#[test]
fn environment_overrides_files() {
    let settings = settings_of(
        "rocket_port = 5001\npublic_url = \"http://a.example\"\noidc_scopes = \"openid\"\n",
        "ROCKET_PORT=5002\nPUBLIC_URL=http://b.example\n",
        &[("ROCKET_PORT", "5003")],
    )
    .unwrap();
    assert_eq!(settings.rocket.extract_inner::<u16>("port").unwrap(), 5003);
    assert_eq!(settings.address_of("/"), "http://b.example/");
    assert_eq!(settings.scopes, ["openid"]);
}

#[test]
fn names_malformed_line_of_env_file_without_its_text() {
    for malformed in ["OIDC_CLIENT_SECRET hunter2", "OIDC_CLIENT_SECRET=\"hunter2"] {
        let env_file = format!("OIDC_CLIENT_ID=x\n\n{malformed}\n");
        let found = settings_of("", &env_file, &[]).unwrap_err();
        assert_eq!(found.0[0].key, ".env");
        let text = found.to_string();
        assert!(text.contains(".env, line 3)") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn keeps_each_character_of_secret_in_env_file() {
    for secret in ["abc$def~ghi", r"a\b'c", "a#b$HOME${HOME}", "0123"] {
        let env_file = format!(
            "AUTH0_DOMAIN=a.example\nAUTH0_CLIENT_ID=x\nAUTH0_CLIENT_SECRET={secret}\nPORT=4040\n"
        );
        let settings = settings_of("", &env_file, &[]).unwrap();
        assert_eq!(client_secret(&settings), secret);
    }
}

#[test]
fn takes_secrets_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let secret = file("secret", b"abc$def~ghi\r\n");
    let key = file("key", format!("{KEY}\n").as_bytes());
    let database = file("database", b"postgres://u:hunter2@db/portico");
    let redis = file("redis", b"redis://:hunter2@cache\n");
    let given = [
        ("OIDC_CLIENT_SECRET_FILE", &*secret),
        ("ROCKET_SECRET_KEY_FILE", &key),
        ("PREVIOUS_SECRET_KEYS_FILE", &key),
        ("DATABASE_URL_FILE", &database),
        ("REDIS_URL_FILE", &redis),
        ("SESSION_STORE", "redis"),
        ("ROCKET_PROFILE", "release"),
        ("ALLOW_PLAINTEXT", "true"),
    ];
    let settings = Settings::from_pairs(with(&[&OIDC, &given])).unwrap();
    assert_eq!(client_secret(&settings), "abc$def~ghi");
    assert!(registration(&settings).client_key.is_none());
    assert_eq!(settings.secret_key.unwrap().expose(), KEY);
    assert_eq!(settings.previous_secret_keys.len(), 1);
    assert_eq!(settings.database_url.expose(), "postgres://u:hunter2@db/portico");
    assert!(matches!(settings.session_store, Store::Redis(_)));

    let env_file =
        format!("AUTH0_DOMAIN=a.example\nAUTH0_CLIENT_ID=x\nAUTH0_CLIENT_SECRET_FILE={secret}\n");
    assert_eq!(client_secret(&settings_of("", &env_file, &[]).unwrap()), "abc$def~ghi");
}

#[test]
fn names_setting_of_unusable_secret_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let file = path.to_str().unwrap();
    let auth0 = [("AUTH0_DOMAIN", "a.example"), ("AUTH0_CLIENT_ID", "x")];
    let given = with(&[&auth0, &[("AUTH0_CLIENT_SECRET_FILE", file)]]);
    assert_eq!(keys(&given), ["AUTH0_CLIENT_SECRET_FILE"], "missing");
    for content in [&b""[..], b"\n", b" \r\n", b"two\nlines\n", b"\xff\n", b"a\0b", &[b'a'; 65_537]]
    {
        std::fs::write(&path, content).unwrap();
        assert_eq!(keys(&given), ["AUTH0_CLIENT_SECRET_FILE"], "{content:?}");
    }
    let is_folder = [("DATABASE_URL_FILE", folder.path().to_str().unwrap())];
    assert_eq!(keys(&is_folder), ["DATABASE_URL_FILE"]);

    std::fs::write(&path, "hunter2").unwrap();
    let both = with(&[&given, &[("AUTH0_CLIENT_SECRET", "hunter2")]]);
    assert_eq!(keys(&both), ["AUTH0_CLIENT_SECRET_FILE"]);
    let found = Settings::from_pairs([("DATABASE_URL_FILE", file)]).unwrap_err().to_string();
    assert!(found.contains("secret, by DATABASE_URL_FILE)"), "{found}");
    assert!(!found.contains("hunter2"), "{found}");
}

#[test]
fn names_malformed_settings_of_rocket() {
    for (key, value) in [
        ("ROCKET_WORKERS", "hunter2"),
        ("ROCKET_WORKERS", "0"),
        ("ROCKET_MAX_BLOCKING", "-1"),
        ("ROCKET_PORT", "99999"),
        ("ROCKET_ADDRESS", "localhost"),
        ("ROCKET_LIMITS", "hunter2"),
        ("ROCKET_LIMITS", "{form=\"hunter2\"}"),
        ("ROCKET_KEEP_ALIVE", "hunter2"),
        ("ROCKET_SHUTDOWN", "hunter2"),
        ("ROCKET_IDENT", "hunter2\u{1}"),
        ("ROCKET_LOG_LEVEL", "hunter2"),
        ("ROCKET_CLI_COLORS", "hunter2"),
        ("ROCKET_TLS", "{certs=\"hunter2\",key=\"hunter2\"}"),
        ("ROCKET_IP_HEADER", "hunter2"),
    ] {
        let found = Settings::from_pairs([(key, value)]).unwrap_err();
        let text = found.to_string();
        assert_eq!(found.0.len(), 1, "{text}");
        assert!(text.contains(&format!("{key} (from the given values)")), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    for (key, value) in [
        ("ROCKET_WORKERS", "3"),
        ("ROCKET_LIMITS", "{form=\"64KiB\"}"),
        ("ROCKET_KEEP_ALIVE", "0"),
        ("ROCKET_SHUTDOWN", "{ctrlc=false}"),
        ("ROCKET_IDENT", "false"),
        ("ROCKET_LOG_LEVEL", "off"),
        ("ROCKET_CLI_COLORS", "0"),
        ("ROCKET_TEMPLATE_DIR", "."),
    ] {
        assert!(Settings::from_pairs([(key, value)]).is_ok(), "{key}");
    }
    let found = settings_of("rocket_workers = \"x\"\nrocket_wrokers = 3\n", "", &[]).unwrap_err();
    let keys: Vec<_> = found.0.iter().map(|problem| &*problem.key).collect();
    assert_eq!(keys, ["rocket_wrokers", "ROCKET_WORKERS"]);
}

#[test]
fn warns_of_variables_that_resemble_settings() {
    let env_file = "AUTO_MIGRAT=false\nPORT=4040\n";
    let settings = settings_of("", env_file, &[("SESSION_STOER", "redis")]).unwrap();
    let [of_file, of_environment] = settings.warnings() else { panic!("{settings:?}") };
    assert!(of_file.contains(".env) is no setting: did you mean AUTO_MIGRATE?"), "{of_file}");
    assert_eq!(
        of_environment,
        "SESSION_STOER (from the environment) is no setting: did you mean SESSION_STORE?"
    );

    let environment = [("SESSION_STOER", "redis"), ("REDIS_URL", "redis://a.example")];
    let text = settings_of("", "", &environment).unwrap_err().to_string();
    assert!(text.starts_with("1 problem with the settings:\n  - REDIS_URL"), "{text}");
    assert!(text.ends_with("\n  warning: SESSION_STOER (from the environment) is no setting: did you mean SESSION_STORE?"), "{text}");
    let two = Settings::from_pairs([("ROCKET_PORT", "x"), ("AUTO_MIGRATE", "x")]).unwrap_err();
    assert!(two.to_string().starts_with("2 problems with the settings:\n"), "{two}");
}

#[test]
fn refuses_large_settings_files() {
    let comments = "# comment\n".repeat(6_600);
    for (toml, env_file, key) in [(&*comments, "", "Portico.toml"), ("", &comments, ".env")] {
        let found = settings_of(toml, env_file, &[]).unwrap_err();
        assert_eq!(found.0.len(), 1, "{found}");
        assert_eq!(found.0[0].key, key);
        assert!(found.0[0].expected.contains("64 KiB"), "{found}");
    }
}

#[cfg(unix)]
#[test]
fn refuses_setting_that_is_not_utf8() {
    use std::os::unix::ffi::OsStringExt;
    let no_text = || std::ffi::OsString::from_vec(b"sqlite://\xff".to_vec());
    let environment =
        Environment::new([("DATABASE_URL".into(), no_text()), ("OTHER".into(), no_text())]);
    let found = Settings::from_files(Files::default(), &environment).unwrap_err();
    assert_eq!(
        found.to_string().lines().nth(1),
        Some("  - DATABASE_URL (from the environment): expected text in UTF-8")
    );
    assert_eq!(found.0.len(), 1);
}
